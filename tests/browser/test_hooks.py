"""What hooks into Jupyter's own objects may fail, and Jupyter goes on as if it were not there."""

from __future__ import annotations

import json

import pytest
from panel_page import OPEN, PanelPage
from playwright.sync_api import expect
from replay import Hang, Reply, chunk, completion

from nbstream.views.static import module

MODEL = "jupyterapp.shell.currentWidget.context.model"
SAVED = f"{MODEL}[Symbol.for('nbstream.saved')]"
BREAK = f"() => {{ {SAVED}.get = () => {{ throw new Error('a bug'); }}; }}"
PANEL = "nbstream.panel"
WIDGET = "application/vnd.jupyter.widget-view+json"

# A front end all of whose objects fail, in whichever way they are used.
BROKEN = """
  const fails = () => { throw new Error("not in this version"); };
  window.broken = new Proxy(fails, { get: fails, set: fails, has: fails, apply: fails });
  const parts = { kernel: broken, context: broken, rendermime: broken };
  window.manager = {};
  for (const name of Object.keys(parts)) Object.defineProperty(manager, name, { get: fails });
  window.managers = [manager, parts, {
    kernel: { iopubMessage: broken, statusChanged: broken, disposed: broken, interrupt: fails },
    context: { model: broken },
    rendermime: { latexTypesetter: { typeset: fails } },
  }];
"""


@pytest.fixture
def page(browser):
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert errors == []
    page.close()


def load(page, part):
    """A page with the functions of one part, or its widget as `made`."""
    page.goto("about:blank")
    page.add_script_tag(content=f"{{ {BROKEN} }}")
    source = module(part).replace("export default function", "function")
    page.add_script_tag(content=source)


# --- saving -------------------------------------------------------------------------


def test_a_notebook_is_saved_where_the_hook_fails(open_notebook, replay):
    replay.reply(completion("It is kept."))
    notebook = open_notebook([OPEN, "print('beside')"])
    notebook.run(0)
    panel = PanelPage(notebook)
    panel.ask("What stays?")
    panel.expect_ended(1)
    notebook.run(1)
    assert PANEL not in json.dumps(notebook.save())
    notebook.page.evaluate(BREAK)
    notebook.write(1, "print('typed since')")
    saved = notebook.save()
    assert saved.cells[1].source == "print('typed since')"
    assert "It is kept." in json.dumps(saved)
    assert PANEL in json.dumps(saved)  # as Jupyter itself saves it
    notebook.page.evaluate(f"() => {{ delete {SAVED}.get; }}")
    notebook.write(1, "print('again')")
    saved = notebook.save()
    assert saved.cells[1].source == "print('again')"
    assert PANEL not in json.dumps(saved)


def test_a_notebook_with_an_answer_of_a_dead_kernel_is_saved_where_the_hook_fails(
    open_notebook, replay
):
    replay.reply(Reply([chunk({"content": "Half an answer"}), Hang()]))
    load_magics = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'"
    notebook = open_notebook([load_magics, "%%chat\nHi", "1"])
    notebook.run(0)
    notebook.start(1)
    live = notebook.output(1).locator(".nbs-answer")
    expect(live).to_contain_text("Half an answer")
    notebook.restart_kernel()
    expect(live).to_contain_text("the kernel has restarted or ended")
    notebook.page.evaluate(BREAK)
    notebook.write(2, "2")
    saved = notebook.save()
    assert saved.cells[2].source == "2"
    assert WIDGET in saved.cells[1].outputs[0].data


def test_what_is_saved_is_what_jupyter_has_where_the_hook_fails(page):
    load(page, "unsaved")
    kept = page.evaluate(
        """() => {
          const file = { cells: [null, { outputs: [null, { data: {} }] }, { outputs: 3 }, {}] };
          const model = { file, toJSON(...rest) { return [this.file, ...rest]; } };
          keepOutOfFile({ context: { model } });
          const first = JSON.stringify(model.toJSON(1));
          model.toJSON = undefined;
          const other = { file, toJSON() { return this.file; } };
          keepOutOfFile({ context: { model: other } });
          keepOutOfFile({ context: { model: other } });
          const second = JSON.stringify(other.toJSON());
          Object.defineProperty(file, "cells", { get() { throw new Error("a bug"); } });
          return [first, second, other.toJSON() === file];
        }"""
    )
    assert kept[0].endswith(",1]")
    assert json.loads(kept[1])["cells"] == [
        None,
        {"outputs": [None, {"data": {}}]},
        {"outputs": 3},
        {},
    ]
    assert kept[2] is True


def test_what_jupyters_own_saving_raises_is_jupyters(page):
    load(page, "unsaved")
    said = page.evaluate(
        """() => {
          const model = { toJSON() { throw new Error("Jupyter's own"); } };
          keepOutOfFile({ context: { model } });
          try { model.toJSON(); } catch (error) { return error.message; }
        }"""
    )
    assert said == "Jupyter's own"


# --- the other hooks ----------------------------------------------------------------


def test_no_part_fails_with_a_front_end_that_does(page):
    load(page, "widget")
    page.evaluate(
        """() => {
          for (const manager of managers) {
            keepOutOfFile(manager);
            saveAsText(manager, "name", "text");
            whenKernelEnds(manager === window.manager ? broken : manager.kernel, () => {})();
            createTypesetter(manager)(Object.assign(document.createElement("p"), {
              innerHTML: '<span class="nbs-math">x</span>',
            }));
          }
        }"""
    )


@pytest.mark.parametrize("part", ["widget", "panel"])
@pytest.mark.parametrize("number", range(3))
def test_a_widget_is_shown_in_a_front_end_that_fails(page, part, number):
    load(page, part)
    make = {"widget": "createWidget", "panel": "createPanel"}[part]
    page.evaluate(
        f"""async () => {{
          const made = {make}();
          const packed = new DataView(new ArrayBuffer(0));
          const model = {{
            get: (name) => (name === "snapshot" ? packed : "name"),
            on() {{}}, off() {{}}, send() {{}}, widget_manager: managers[{number}],
          }};
          const stop = made.initialize({{ model }});
          const el = document.body.appendChild(document.createElement("div"));
          const remove = made.render({{ model, el }});
          window.shown = el.childElementCount;
          remove();
          stop();
        }}"""
    )
    assert page.evaluate("shown") == 1


def test_a_stop_that_cannot_interrupt_says_what_to_press(page):
    load(page, "stop")
    page.evaluate(
        """() => {
          document.body.innerHTML = '<script id="jupyter-config-data" type="text/json">{}</script>';
          const model = { send() {}, widget_manager: managers[2] };
          document.body.append(createStop(model).button(true));
        }"""
    )
    button = page.get_by_role("button")
    button.click()
    expect(button).to_have_text("Press ■, or I twice, to stop")


def test_a_place_that_cannot_be_watched_is_left(page):
    load(page, "swap")
    page.evaluate(
        """() => {
          const root = document.createElement("div");
          root.closest = () => { throw new Error("a bug"); };
          keepPlace(root);
          document.body.innerHTML =
            '<div id="area"><div class="jp-OutputArea-child"><div id="root"></div></div></div>';
          const area = document.getElementById("area");
          keepPlace(document.getElementById("root"));
          area.querySelectorAll = () => { throw new Error("a bug"); };
          area.append(document.createElement("p"));
        }"""
    )
    page.wait_for_function("document.getElementById('area').style.minHeight === ''")
