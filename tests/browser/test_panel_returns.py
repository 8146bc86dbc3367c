"""A panel in a real Jupyter comes back: after a reload of the page, and a restart of the kernel."""

from __future__ import annotations

import re

import nbformat
import pytest
from harness import wait_for, waits_for
from panel_page import OPEN, PanelPage, chats, said
from playwright.sync_api import expect
from replay import completion

from nbstream.panel.record import CONVERSATION_TYPE, read_turns

PANEL_TYPE = "application/vnd.nbstream.panel+json"
RUN_ALL = "() => void jupyterapp.commands.execute('notebook:run-all-cells')"
IS_DIRTY = "jupyterapp.shell.currentWidget.context.model.dirty"
EMPTY_OUTPUTS = "() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')"


def kept(saved, cell=0):
    """The questions that a saved cell keeps, each as text and as a record; it keeps no widget."""
    outputs = [output.data for output in saved.cells[cell].outputs if "data" in output]
    assert not any(PANEL_TYPE in data for data in outputs)
    text = "".join(data.get("text/markdown", "") for data in outputs)
    records = [data[CONVERSATION_TYPE] for data in outputs if CONVERSATION_TYPE in data]
    turns = read_turns(records).branch
    assert text.count("<strong>You</strong>") == len(turns)
    return [turn.response.prompt[-1].content for turn in turns]


def talk(notebook, replay, *texts, cell=0):
    """A panel that was asked these."""
    replay.fallback = completion("An answer.")
    notebook.run(cell)
    panel = PanelPage(notebook, notebook.output(cell))
    for number, text in enumerate(texts, 1):
        panel.ask(text)
        panel.expect_ended(number)
    return panel


def expect_saved(panel, turns):
    """That the text below the panel is up to date."""
    words = re.compile(rf"Conversation, turns? .*\b{turns} \(saved\)")
    expect(panel.root.page.get_by_text(words)).to_be_attached()


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_a_reload_leaves_the_panel_in_its_place(open_notebook, replay, app):
    notebook = open_notebook(["print('before')\n" + OPEN, "1"], app=app)
    panel = talk(notebook, replay, "One?", "Two?")
    panel.write("A draft")
    expect_saved(panel, 2)
    if app == "notebook":  # else the file is as it was made: with no output, and not trusted
        notebook.save()
    notebook.reopen()
    panel.expect_questions("One?", "Two?")
    expect(panel.field).to_have_value("A draft")
    expect(panel.button("Go to the end")).to_be_hidden()
    expect_saved(panel, 2)
    if app == "notebook":
        expect(notebook.output(0)).to_contain_text("before")
        assert not notebook.page.evaluate(IS_DIRTY)
    panel.ask("?")
    panel.expect_ended(3)
    assert said(chats(replay)[-1])[0] == ("user", "One?")
    expect_saved(panel, 3)
    notebook.screenshot(f"panel-reloaded-{app}")
    assert kept(notebook.save()) == ["One?", "Two?", "A draft?"]

    # What was not saved is there again, too; and what is deleted is.
    panel.ask("Four?")
    panel.expect_ended(4)
    expect_saved(panel, 4)
    notebook.reopen()
    panel.expect_questions("One?", "Two?", "A draft?", "Four?")
    expect_saved(panel, 4)
    assert kept(notebook.save()) == ["One?", "Two?", "A draft?", "Four?"]
    panel.press("Delete this turn", 0)
    panel.expect_questions("Two?", "A draft?", "Four?")
    expect_saved(panel, 3)
    assert kept(notebook.save()) == ["Two?", "A draft?", "Four?"]
    panel.press("Clear the conversation")
    expect(notebook.output(0)).to_contain_text("will be saved here")
    panel.press("Undo")
    expect_saved(panel, 3)
    notebook.run(0)
    panel.expect_questions("Two?", "A draft?", "Four?")
    saved = notebook.save()
    assert kept(saved) == ["Two?", "A draft?", "Four?"]
    assert len(saved.cells[0].outputs) == 3  # what is printed, and the conversation


def has_asked(notebook):
    notebook.run(1)
    return "True" in notebook.output(1).inner_text()


HOSTILE = "<img src=x onerror='window.isHarmed = true'>"


def test_a_reload_trusts_nothing_that_a_file_brings(open_notebook, replay):
    code = f"from IPython.display import HTML\ndisplay(HTML('1'))\n{OPEN}"
    notebook = open_notebook([code, "print(panel.screen._is_copied)"])
    panel = talk(notebook, replay, "One?")
    expect_saved(panel, 1)
    saved = notebook.save()
    saved.cells[0].outputs[0].data = {"text/html": HOSTILE}
    nbformat.write(saved, notebook.file)  # signed no more
    notebook.reopen()
    expect(notebook.output(0).locator("summary").first).to_be_visible()
    wait_for(lambda: has_asked(notebook), "the page to ask for the conversation", 60, notebook.page)
    assert not notebook.page.evaluate("'isHarmed' in window")
    expect(panel.root).to_have_count(0)
    notebook.run(0)  # as it says
    panel.expect_questions("One?")


def test_an_answer_goes_on_while_the_page_is_reloaded(open_notebook, replay):
    notebook = open_notebook([OPEN])
    panel = talk(notebook, replay, "One?")
    replay.reply(completion(["Half of", " it."], gate="reload"))
    panel.ask("Two?")
    replay.open("reload-0")
    expect(panel.answer(1)).to_contain_text("Half of")
    notebook.save()
    notebook.reopen()
    expect(panel.answer(1)).to_contain_text("Half of")
    replay.open("reload-1")
    panel.expect_ended(2)
    expect(panel.answer(1)).to_contain_text("Half of it.")
    expect_saved(panel, 2)
    assert kept(notebook.save()) == ["One?", "Two?"]


@pytest.mark.parametrize("is_saved", [True, False])
def test_after_a_restart_the_turns_stand_there(open_notebook, replay, is_saved):
    notebook = open_notebook([OPEN])
    panel = talk(notebook, replay, "One?", "Two?")
    expect_saved(panel, 2)
    if is_saved:  # only what is in the file is left then
        notebook.save()
        notebook.shut_down_kernel()
        notebook.reopen()
    else:
        notebook.restart_kernel()
        expect(panel.problem).to_contain_text("run the cell of the panel again")
    notebook.run(0)  # as it says
    panel.expect_questions("One?", "Two?")
    expect(panel.root).to_contain_text("2 saved turns")
    expect(panel.button("Copy the answer", 1)).to_be_visible()
    for name in ("Edit the question", "Regenerate", "Delete this turn"):
        expect(panel.button(name, 1)).to_be_hidden()
    notebook.screenshot("panel-saved-turns")
    expect_saved(panel, 2)
    assert kept(notebook.save()) == ["One?", "Two?"]

    panel.ask("Alone?")
    panel.expect_ended(3)
    assert said(chats(replay)[-1]) == [("user", "Alone?")]
    expect(panel.button("Delete this turn", 2)).to_be_visible()
    expect_saved(panel, 3)
    assert kept(notebook.save()) == ["One?", "Two?", "Alone?"]

    panel.button("Continue this conversation").focus()
    panel.keyboard.press("Enter")
    expect(panel.button("Continue this conversation")).to_be_hidden()
    expect(panel.field).to_be_focused()
    expect(panel.button("Delete this turn", 0)).to_be_visible()
    panel.ask("And now?")
    panel.expect_ended(4)
    asked = [text for role, text in said(chats(replay)[-1]) if role == "user"]
    assert asked == ["One?", "Two?", "Alone?", "And now?"]
    expect_saved(panel, 4)
    assert kept(notebook.save()) == asked

    panel.press("Clear the conversation")
    expect(panel.turns).to_have_count(0)
    expect(notebook.output(0)).to_contain_text("will be saved here")
    assert kept(notebook.save()) == []
    notebook.run(0)
    assert kept(notebook.save()) == []


def test_each_save_has_the_turns_while_cells_wait_and_fail(open_notebook, replay, tmp_path):
    gate = tmp_path / "gate"
    waits = f"{waits_for(gate)}model = 'replay-1'"
    code = "import nbstream\npanel = nbstream.ChatPanel(model=model)\npanel"
    notebook = open_notebook([waits, code, "1"])
    gate.touch()
    notebook.run(0)
    panel = talk(notebook, replay, "One?", cell=1)
    expect_saved(panel, 1)
    assert kept(notebook.save(), 1) == ["One?"]

    # Run All: the cell of the panel is emptied, and waits.
    gate.unlink()
    notebook.page.evaluate(RUN_ALL)
    expect(panel.root).to_have_count(0)
    notebook.write(2, "2")
    assert kept(notebook.save(), 1) == ["One?"]
    gate.touch()
    panel.expect_questions("One?")
    assert kept(notebook.save(), 1) == ["One?"]

    # After a restart it fails at first, for its variables are not there.
    notebook.restart_kernel()
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("NameError")
    assert kept(notebook.save(), 1) == ["One?"]
    notebook.run(0)
    notebook.run(1)
    panel.expect_questions("One?")
    assert kept(notebook.save(), 1) == ["One?"]

    # What the user empties is empty.
    notebook.page.evaluate(EMPTY_OUTPUTS)
    notebook.write(2, "3")
    assert kept(notebook.save(), 1) == []
