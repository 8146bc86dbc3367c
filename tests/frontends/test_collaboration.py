"""jupyter-collaboration: the pages share one document, and the server saves that one."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from replay import Hang, Reply, chunk, completion

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.frontends,
    pytest.mark.skipif(
        find_spec("jupyter_collaboration") is None, reason="jupyter-collaboration is not installed"
    ),
]

LOAD = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'\nimport nbstream"
OPEN = "panel = nbstream.ChatPanel(model='replay-1')\npanel"
LINE = "A chat panel was open here: run this cell to open it again."
UNFINISHED = "⚠ The answer was being written when this was saved. %chat last shows it"
RECORD = "application/vnd.nbstream.response+json"
DEAD = "Error displaying widget"
MOVE = "jupyterapp.commands.execute('notebook:move-cell-down')"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from harness import JupyterServer

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        with JupyterServer("lab", tmp_path_factory.mktemp("lab")) as running:
            yield running


@pytest.fixture
def pages(request, browser, server, replay):
    """`pages.new(cells)`: a new notebook in a page; `pages.same()`: one more page of it."""
    server.set_kernel_env({"OPENAI_BASE_URL": replay.base_url, "OPENAI_API_KEY": "sk-test"})
    opened = Pages(browser, server, f"{request.node.name}.ipynb")
    yield opened
    opened.close()
    server.stop_kernels()


class Pages:
    def __init__(self, browser, server, name):
        self.browser, self.server, self.file = browser, server, server.root / name
        self.all = []

    def new(self, *cells):
        from harness import write_notebook

        write_notebook(self.file, [LOAD, *cells])
        page = self.same()
        assert page.page.evaluate("jupyterapp.shell.currentWidget.context.model.collaborative")
        page.run(0)
        return page

    def same(self):
        from harness import NotebookPage

        self.all.append(NotebookPage(self.browser, self.server, self.file))
        return self.all[-1]

    def close(self):
        for page in self.all:
            page.close()
        self.all.clear()

    def saved(self, condition):
        """The cells of the file, when the server has saved what is awaited."""
        from harness import wait_for

        last = []

        def cells():
            try:
                last[:] = nbformat.read(self.file, as_version=4).cells
            except nbformat.reader.NotJSONError:
                return None  # it is being written
            return last if condition(last) else None

        page = self.all[0].page if self.all else None
        try:
            return wait_for(cells, "the server to save", 30, page)
        except TimeoutError:
            pytest.fail(f"saved is {json.dumps(last, indent=1)}")


def plain(cell):
    return "\n".join(o.data.get("text/plain", "") for o in cell.outputs if "data" in o)


def assert_no_widget(cells):
    text = json.dumps(cells)
    assert "widget-view" not in text
    assert "nbstream.panel" not in text


def expect_text(output, *texts):
    from playwright.sync_api import expect

    for text in texts:
        expect(output).to_contain_text(text)


@pytest.mark.shows("jupyter-collaboration", "panel", "saved", "restored")
def test_a_panel_is_a_line_and_its_conversation_in_the_document(pages, replay):
    from playwright.sync_api import expect

    replay.reply(completion("It is **kept**."))
    first = pages.new(OPEN, "panel.send('What stays?').wait();", "1")
    first.run(1)
    first.run(2)
    expect_text(first.output(1).locator(".nbs-panel"), "It is kept.")
    cells = pages.saved(
        lambda cells: "It is **kept**." in json.dumps(cells) and LINE in plain(cells[1])
    )
    assert_no_widget(cells)
    line, conversation = cells[1].outputs
    assert line.data == {"text/plain": LINE}
    assert "It is **kept**." in conversation.data["text/markdown"]
    # The panel stays where the cell runs, and a page that comes later has it, too.
    second = pages.same()
    for page in (first, second):
        expect_text(page.output(1).locator(".nbs-panel"), "What stays?", "It is kept.")
    field = second.output(1).locator(".nbs-panel").get_by_label("Your question")
    replay.reply(completion("To both."))
    field.fill("And now?")
    field.press("Enter")
    for page in (first, second):
        expect_text(page.output(1).locator(".nbs-panel"), "And now?", "To both.")
    cells = pages.saved(lambda cells: "To both." in json.dumps(cells))
    assert_no_widget(cells)
    second.screenshot("collaboration-second-page")
    # Without the kernel, while the server still has the document: no dead view.
    first.shut_down_kernel()
    pages.close()
    again = pages.same()
    expect_text(again.output(1), LINE, "Conversation, turns 1–2 (saved)")
    expect(again.page.get_by_text(DEAD)).to_have_count(0)
    again.screenshot("collaboration-reopened")


@pytest.mark.shows("jupyter-collaboration", "live", "--bg", "saved")
def test_an_answer_is_its_text_so_far_in_the_document(pages, replay):
    from playwright.sync_api import expect

    parts = [f"Part {number}.\n\n" for number in range(4)]
    replay.reply(completion(parts, gate="part"))
    first = pages.new("%%chat --bg\nGo.", "1")
    first.run(1)
    replay.open("part-0")
    live = ".nbs-answer"
    expect_text(first.output(1).locator(live), "Part 0.")
    cells = pages.saved(lambda cells: "Part 0." in plain(cells[1]))
    assert_no_widget(cells)
    assert UNFINISHED in plain(cells[1])
    second = pages.same()
    expect_text(second.output(1).locator(live), "Part 0.")
    replay.open("part-1")
    for page in (first, second):
        expect_text(page.output(1).locator(live), "Part 1.")
    cells = pages.saved(lambda cells: "Part 1." in plain(cells[1]))
    assert_no_widget(cells)
    for number in (2, 3):
        replay.open(f"part-{number}")
    cells = pages.saved(lambda cells: RECORD in json.dumps(cells[1].outputs))
    assert_no_widget(cells)
    (output,) = cells[1].outputs
    assert output.data["text/markdown"].startswith("".join(parts).rstrip())
    assert output.metadata == {}
    for page in (first, second):
        expect(page.output(1).locator(".jp-RenderedMarkdown:not(.nbs-answer)")).to_contain_text(
            "Part 3."
        )
        expect(page.output(1).locator(live)).to_have_count(0)


def test_an_answer_whose_page_has_gone_says_how_to_follow_it(pages, replay):
    from playwright.sync_api import expect

    replay.reply(completion(["Half", " an answer"], gate="part"))
    first = pages.new("%%chat --bg\nGo.", "%chat last")
    first.run(1)
    replay.open("part-0")
    expect_text(first.output(1).locator(".nbs-answer"), "Half")
    pages.saved(lambda cells: "Half" in plain(cells[1]))
    pages.close()
    again = pages.same()
    expect_text(again.output(1).locator(".nbs-answer"), "Half")
    replay.open("part-1")
    expect_text(again.output(1), "Half an answer", "%chat last shows it")
    expect(again.page.get_by_text(DEAD)).to_have_count(0)
    again.run(2)
    expect_text(again.output(2).locator(".jp-RenderedMarkdown"), "Half an answer")
    cells = pages.saved(lambda cells: "Half an answer" in json.dumps(cells[2].outputs))
    assert_no_widget(cells)


def test_the_kernel_restarts_in_the_middle_of_an_answer(pages, replay):
    from playwright.sync_api import expect

    replay.reply(Reply([chunk({"content": "Half an answer"}), Hang()]))
    first = pages.new("%%chat\nGo.")
    first.start(1)
    expect_text(first.output(1).locator(".nbs-answer"), "Half an answer")
    first.restart_kernel()
    mark = "Incomplete: the kernel has restarted or ended."
    cells = pages.saved(lambda cells: mark in plain(cells[1]))
    assert plain(cells[1]).startswith("Half an answer")
    assert_no_widget(cells)
    pages.close()
    again = pages.same()
    expect_text(again.output(1), "Half an answer", mark)
    expect(again.page.get_by_text(DEAD)).to_have_count(0)


@pytest.mark.shows("jupyter-collaboration", "Stop")
def test_an_answer_is_stopped_from_another_page(pages, replay):
    replay.reply(Reply([chunk({"content": "Half an answer"}), Hang()]))
    first = pages.new("%%chat --bg\nGo.")
    first.run(1)
    expect_text(first.output(1).locator(".nbs-answer"), "Half an answer")
    second = pages.same()
    second.output(1).get_by_role("button", name="Stop").click()
    assert replay.requests[0].aborted.wait(20)
    cells = pages.saved(lambda cells: "Stopped" in json.dumps(cells[1].outputs))
    assert_no_widget(cells)


def test_a_panel_moves_with_its_cell(pages):
    from playwright.sync_api import expect

    page = pages.new(OPEN, "1")
    page.run(1)
    expect(page.output(1).locator(".nbs-panel")).to_be_visible()
    pages.saved(lambda cells: LINE in plain(cells[1]))
    page.cell(1).locator(".jp-InputPrompt").click()
    page.page.evaluate(MOVE)
    expect(page.output(2).locator(".nbs-panel")).to_be_visible()
    cells = pages.saved(lambda cells: LINE in plain(cells[2]))
    assert_no_widget(cells)
