"""Answers inside of widgets that take a cell's outputs: `ipywidgets.Output`, `interact`."""

from __future__ import annotations

import pytest
from panel_page import PanelPage
from playwright.sync_api import expect
from replay import Hang, Reply, chunk, completion

LOAD = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'\nimport ipywidgets, nbstream"
PARTS = ["First *one*.\n\n", "Second **two**.\n\n", "The end."]
HALF = Reply([chunk({"content": PARTS[0]}), chunk({"content": "Half an ans"}), Hang()])
AREA = ".jupyter-widgets .jp-OutputArea"
IN_OUTPUT = """\
out = ipywidgets.Output()
display(out)
with out:
    print('own')
    get_ipython().run_cell_magic('chat', {flag!r}, 'Go.')
print('behind')"""
IN_OUTPUT_PANEL = """\
out = ipywidgets.Output()
display(out)
with out:
    display(nbstream.ChatPanel(model='replay-1'))"""
IN_INTERACT = """\
chat = nbstream.Chat('replay-1')
@ipywidgets.interact(x=ipywidgets.Text('a', continuous_update=False))
def f(x):
    chat.send(x);"""
STATE = "print(_chat.status, repr(_chat.text))"


WORDS = ("First one.", "Second two.", "The end.")


def part_by_part(replay, output, gate):
    """The next part leaves the server only after the page has shown this one."""
    for number, words in enumerate(WORDS):
        expect(output).not_to_contain_text(words)
        replay.open(f"{gate}-{number}")
        expect(output).to_contain_text(words)


@pytest.mark.shows("ipywidgets.Output", "live", "Stop", "--bg", "restored")
def test_an_answer_in_an_output_widget(open_notebook, replay):
    replay.reply(completion(PARTS, gate="part"), HALF, completion(PARTS, gate="later"))
    cells = [LOAD, *(IN_OUTPUT.format(flag=flag) for flag in ("", "", "--bg")), STATE, "%chat last"]
    notebook = open_notebook(cells)
    notebook.run(0)
    notebook.start(1)
    part_by_part(replay, notebook.output(1), "part")
    notebook.wait(1)
    notebook.screenshot("in-an-output-widget")
    assert_shown_once(notebook.output(1), "own", *WORDS)
    assert_shown_once(notebook.output(1).locator(AREA), "own", *WORDS)

    # Stopped by the kernel's button: what came stays.
    notebook.start(2)
    expect(notebook.output(2)).to_contain_text("First one.")
    notebook.interrupt()
    notebook.wait(2)
    assert replay.requests[1].aborted.wait(20)
    assert_shown_once(notebook.output(2).locator(AREA), "own", "First one.", "Half an ans")
    notebook.run(4)
    expect(notebook.output(4)).to_contain_text("cancelled 'First *one*.")
    notebook.run(5)
    assert_shown_once(notebook.output(5), "First one.", "Half an ans")

    # Beside other cells.
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text("behind")
    part_by_part(replay, notebook.output(3), "later")
    notebook.wait_idle()
    assert_shown_once(notebook.output(3), "own", *WORDS)
    notebook.screenshot("in-an-output-widget-stopped")


@pytest.mark.shows("ipywidgets.Output", "panel")
def test_a_panel_in_an_output_widget(open_notebook, replay):
    replay.reply(completion(PARTS, gate="part"))
    notebook = open_notebook([LOAD, IN_OUTPUT_PANEL])
    notebook.run(0)
    notebook.run(1)
    panel = PanelPage(notebook, notebook.output(1).locator(AREA))
    panel.ask("Go.")
    part_by_part(replay, panel.answer(0), "part")
    panel.expect_ended(1)
    assert_shown_once(notebook.output(1), *WORDS)
    expect(notebook.output(1)).not_to_contain_text("will be saved here")
    notebook.screenshot("panel-in-an-output-widget")


@pytest.mark.shows("interact", "live", "Stop", "restored")
def test_an_answer_in_interact(open_notebook, replay):
    replay.reply(completion("At first."), completion(PARTS, gate="part"), HALF)
    cells = [LOAD, IN_INTERACT, "chat.last.cancel()", STATE.replace("_chat", "chat.last")]
    notebook = open_notebook([*cells, "chat.last"])
    notebook.run(0)
    notebook.run(1)  # `interact` shows its widget when the first call is over
    output = notebook.output(1)
    assert_shown_once(output, "At first.")

    # By the widget: the answer takes the place of the one before.
    field = output.locator("input")
    field.fill("b")
    field.press("Enter")
    part_by_part(replay, output, "part")
    notebook.wait_idle()
    expect(output).not_to_contain_text("At first.")
    assert_shown_once(output, *WORDS)

    # The kernel may answer widgets on a thread of their own, where no interrupt comes.
    field.fill("c")
    field.press("Enter")
    expect(output).not_to_contain_text("The end.")
    expect(output).to_contain_text("First one.")
    notebook.run(2)
    assert replay.requests[2].aborted.wait(20)
    expect(output).to_contain_text("Half an ans")
    notebook.wait_idle()
    assert_shown_once(output, "First one.", "Half an ans")
    notebook.screenshot("in-interact")
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text("cancelled 'First *one*.")
    notebook.run(4)
    assert_shown_once(notebook.output(4), "First one.", "Half an ans")


def assert_shown_once(output, *words):
    for each in words:
        expect(output).to_contain_text(each)
        assert output.inner_text().count(each) == 1
