"""nbclassic, the notebook of before version 7, in a real browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from replay import Hang, Reply, chunk, completion

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.frontends,
    pytest.mark.skipif(find_spec("nbclassic") is None, reason="nbclassic is not installed"),
]

LOAD = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'\nimport nbstream"
OPEN = "panel = nbstream.ChatPanel(model='replay-1')\npanel"
LINE = "A chat panel was open here: run this cell to open it again."
NOTEBOOK = "Jupyter.notebook"
READY = f"window.Jupyter && {NOTEBOOK}?.kernel?.is_connected()"
RUN_ALL = f"{NOTEBOOK}.execute_cell_range(0, {NOTEBOOK}.ncells())"
# What ipywidgets does when its first question to the kernel is answered, which is when the cells
# have ended that ran since the page came.
DRAW = f"""() => {{
  const hasWidget = (output) => output.data?.["application/vnd.jupyter.widget-view+json"];
  for (const cell of {NOTEBOOK}.get_cells()) {{
    if (cell.output_area?.outputs.some(hasWidget)) {NOTEBOOK}.render_cell_output(cell);
  }}
}}"""


@contextmanager
def nbclassic(folder, replay):
    """The address of a server in this folder."""
    from harness import wait_for

    (folder / "home").mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder / "home"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "OPENAI_BASE_URL": replay.base_url,
        "OPENAI_API_KEY": "sk-test",
    }
    options = ["--no-browser", "--allow-root", "--ServerApp.port=0", "--ServerApp.token="]
    command = [sys.executable, "-m", "nbclassic", *options, f"--ServerApp.root_dir={folder}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def address():
        if process.poll() is not None:
            raise RuntimeError((folder / "log").read_text())
        for file in (folder / "runtime").glob("jpserver-*.json"):
            try:
                return json.loads(file.read_text())["url"]
            except ValueError:
                return None  # it is being written
        return None

    try:
        yield wait_for(address, "nbclassic to start", 90)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def opened(browser, tmp_path, replay):
    """`opened(cells)`: a page with a new notebook, its kernel there; and its file."""
    from harness import write_notebook
    from nbclassic import nbclassic_path

    file = tmp_path / "a.ipynb"
    with nbclassic(tmp_path, replay) as address:
        page = browser.new_page()

        def open_(*cells):
            write_notebook(file, [LOAD, *cells])
            # Beside Notebook 7 it has a part of the address to itself.
            page.goto(f"{address.rstrip('/')}{nbclassic_path()}/notebooks/a.ipynb")
            page.wait_for_function(READY, timeout=90_000)
            return page, file

        yield open_
        page.close()


def save(page, file):
    page.evaluate(f"{NOTEBOOK}.save_notebook()")
    page.wait_for_function(f"!{NOTEBOOK}.dirty")
    saved = nbformat.read(file, as_version=4)
    text = json.dumps(saved)
    assert "widget-view" not in text
    assert "widget-state" not in text
    assert "nbstream.panel" not in text
    return saved


@pytest.mark.shows("nbclassic", "panel", "saved", "restored")
def test_a_panel_stays_and_is_saved_as_its_conversation(opened, replay):
    from playwright.sync_api import expect

    replay.reply(completion("It is **kept**."))
    page, file = opened(OPEN, "panel.send('What stays?').wait();")
    page.evaluate(RUN_ALL)
    panel = page.locator(".nbs-panel")
    expect(panel).to_contain_text("It is kept.")
    page.evaluate(DRAW)
    expect(panel).to_be_visible()
    # What is said later gets into the outputs below it, too.
    replay.reply(completion("So is this."))
    panel.get_by_label("Your question").fill("And later?")
    page.keyboard.press("Enter")
    expect(panel).to_contain_text("So is this.")
    expect(page.locator(".output")).to_contain_text(["Conversation, turns 1–2 (saved)"])
    line, conversation = save(page, file).cells[1].outputs
    assert line.data == {"text/plain": LINE}
    assert "So is this." in conversation.data["text/markdown"]
    page.goto(page.url)
    expect(page.get_by_text(LINE)).to_be_visible()
    expect(page.locator(".output")).to_contain_text(["So is this."])
    expect(page.locator(".nbs-panel")).to_have_count(0)
    expect(page.get_by_text("widget could not be displayed")).to_have_count(0)


@pytest.mark.shows("nbclassic", "live", "Stop", "--bg", "saved")
def test_an_answer_that_is_being_written_is_saved_as_text(opened, replay):
    from playwright.sync_api import expect

    replay.reply(Reply([chunk({"content": "Half an answer"}), Hang()]))
    page, file = opened("%%chat --bg\nGo.")
    page.evaluate(RUN_ALL)
    live = page.locator(".nbs-answer")
    expect(live).to_contain_text("Half an answer")
    page.evaluate(DRAW)
    expect(live).to_be_visible()
    text = save(page, file).cells[1].outputs[0].data["text/plain"]
    assert text.startswith("Half an answer")
    assert "%chat last shows it" in text
    live.get_by_role("button", name="Stop").click()
    expect(page.locator(".output_markdown")).to_contain_text("Stopped")
    assert "Stopped" in save(page, file).cells[1].outputs[0].data["text/markdown"]
