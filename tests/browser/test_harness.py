"""The harness itself: a plain cell and a live widget, in both applications.

In the long run only: every other test of this folder uses what is looked at here.
"""

from __future__ import annotations

import pytest
from long import only_long
from playwright.sync_api import expect

WIDGET = """
import anywidget, traitlets

class Counter(anywidget.AnyWidget):
    _esm = '''
    export default { render({ model, el }) {
      const button = document.createElement("button");
      const show = () => { button.textContent = `count ${model.get("count")}`; };
      button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
      model.on("change:count", show);
      show();
      el.append(button);
    } };
    '''
    count = traitlets.Int(0).tag(sync=True)

counter = Counter()
counter
"""

pytestmark = only_long

SLEEPER = "import time; x = 1; print('asleep', flush=True); time.sleep(99)"


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_cells_run_and_widgets_live(open_notebook, replay, app):
    notebook = open_notebook(["import os; print(os.environ['OPENAI_BASE_URL'])", WIDGET, ""], app)
    notebook.run(0)
    expect(notebook.output(0)).to_have_text(replay.base_url)

    notebook.run(1)
    button = notebook.output(1).get_by_role("button", name="count 0")
    button.click()
    expect(notebook.output(1).get_by_role("button")).to_have_text("count 1")
    notebook.write(2, "print('the kernel knows', counter.count)")
    notebook.run(2)
    expect(notebook.output(2)).to_have_text("the kernel knows 1")

    for theme in ("Dark", "Light"):
        notebook.theme(theme)
        assert notebook.screenshot(f"harness-{app}-{theme.lower()}").stat().st_size > 10_000

    saved = notebook.save()
    assert saved.cells[0].outputs[0].text.strip() == replay.base_url
    assert saved.cells[2].source.startswith("print('the kernel knows'")


def test_kernels_are_interrupted_restarted_and_shut_down(open_notebook):
    notebook = open_notebook([SLEEPER, "print('x' in globals())"])
    kernel = notebook.kernel
    notebook.start(0)
    expect(notebook.output(0)).to_have_text("asleep")
    notebook.interrupt()
    notebook.wait(0)
    expect(notebook.output(0)).to_contain_text("KeyboardInterrupt")
    notebook.run(1)
    expect(notebook.output(1)).to_have_text("True")
    assert notebook.kernel == kernel

    notebook.restart_kernel()
    notebook.run(1)
    expect(notebook.output(1)).to_have_text("False")

    notebook.save()
    notebook.shut_down_kernel()
    notebook.reopen()
    expect(notebook.output(1)).to_have_text("False")
    assert notebook.kernel != kernel
