"""The chat panel in a real JupyterLab: one person, one view."""

from __future__ import annotations

import re

import pytest
from long import only_long
from panel_page import OPEN, PART, PanelPage, chats, said
from playwright.sync_api import expect
from replay import completion, cut, error

SHOW = "panel.open()"


@pytest.mark.shows("JupyterLab", "panel")
@pytest.mark.shows("Notebook 7", "panel")
@pytest.mark.parametrize("app", ["lab", pytest.param("notebook", marks=only_long)])
def test_questions_are_sent_and_answers_stopped(open_notebook, replay, app):
    replay.reply(completion("First answer.", gate="first", piece=6), PART, completion("wer."), PART)
    notebook = open_notebook([OPEN, "print(6 * 7, panel.busy)"], app)
    notebook.run(0)
    panel = PanelPage(notebook)
    expect(panel.root).to_contain_text("Ask replay-1")
    notebook.screenshot("panel-empty")
    panel.write("One line")
    panel.keyboard.press("Shift+Enter")
    panel.keyboard.insert_text("another")
    assert not chats(replay)
    panel.keyboard.press("Enter")
    expect(panel.field).to_have_value("")
    panel.expect_questions("One line\nanother")
    replay.open("first-0")
    expect(panel.answer(0)).to_contain_text("First")
    assert said(chats(replay)[0]) == [("user", "One line\nanother")]

    # While it runs: Enter keeps the draft, other cells run.
    panel.ask("Next?")
    expect(panel.field).to_have_value("Next?")
    notebook.screenshot("panel-streaming")
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("42 True")
    replay.open("first-1")
    replay.open("first-2")
    panel.expect_ended(1)
    assert len(chats(replay)) == 1

    # Stopped by the mouse: what came stays, and Continue asks for the rest.
    panel.field.click()
    panel.keyboard.press("Enter")
    expect(panel.answer(1)).to_contain_text("Half an ans")
    panel.stop.click()
    panel.expect_ended(2)
    assert replay.requests[-1].aborted.wait(5)
    expect(panel.answer(1)).to_contain_text("Half an ans")
    expect(panel.answer(1)).to_contain_text("Stopped")
    assert panel.focused() == "Your question"
    notebook.screenshot("panel-stopped")
    panel.button("Continue", 1).dblclick()
    panel.expect_ended(3)
    expect(panel.answer(2)).to_contain_text("wer.")
    assert len(chats(replay)) == 3
    history = said(chats(replay)[2])
    assert history[2:4] == [("user", "Next?"), ("assistant", "Half an ans")]
    assert history[4][1].startswith("Continue exactly where")

    # Stopped by the keyboard.
    panel.ask("Last?")
    expect(panel.answer(3)).to_contain_text("Half an ans")
    for _ in range(3):
        panel.keyboard.press("Tab")
    assert panel.focused() == "Stop the answer"
    panel.keyboard.press("Enter")
    panel.expect_ended(4)
    assert replay.requests[-1].aborted.wait(5)
    assert panel.focused() == "Your question"


def test_a_draft_is_not_lost(open_notebook, replay):
    notebook = open_notebook([OPEN, "1 + 1", SHOW])
    notebook.run(0)
    panel = PanelPage(notebook)
    panel.write("A draft,\nnot sent")
    notebook.cell(0).locator(".cm-content").click()
    notebook.page.get_by_title(re.compile("Move this cell down")).first.click()
    moved = PanelPage(notebook, notebook.output(1))
    expect(moved.field).to_have_value("A draft,\nnot sent")
    collapser = notebook.cell(1).locator(".jp-Cell-outputCollapser")
    collapser.click()
    expect(moved.field).to_be_hidden()
    collapser.click()
    expect(moved.field).to_have_value("A draft,\nnot sent")
    moved.write(" yet")
    text = "A draft,\nnot sent yet"
    notebook.run(1)  # its cell, again
    expect(moved.field).to_have_value(text)

    notebook.save()
    notebook.reopen()
    expect(moved.field).to_have_value(text)
    notebook.run(1)
    expect(moved.field).to_have_value(text)
    assert moved.field.bounding_box()["height"] > 30  # px: all its lines are seen
    notebook.run(2)
    expect(PanelPage(notebook, notebook.output(2)).field).to_have_value(text)


# A call that keeps the interpreter to itself: the kernel hears nothing, as in a long
# computation in C. Jupyter hears before that it is busy.
DEAF = "import ctypes, time\ntime.sleep(0.5)\nctypes.PyDLL(None).sleep(4)"
DEAF_FOR_EVER = "import itertools, time\ntime.sleep(0.5)\nsum(itertools.repeat(0))"


def test_a_question_waits_for_a_kernel_that_does_not_hear(open_notebook, replay):
    replay.reply(completion("At last."), completion("Anew."), PART)
    notebook = open_notebook([OPEN, DEAF, DEAF_FOR_EVER])
    notebook.run(0)
    panel = PanelPage(notebook)
    expect(panel.root).to_be_visible()
    notebook.start(1)
    notebook.page.wait_for_timeout(800)  # ms; now it is deaf
    panel.ask("Are you there?")
    expect(panel.waiting).to_contain_text("Waits: the kernel is running a cell")
    expect(panel.waiting).to_contain_text("Are you there?")
    panel.write("Meanwhile, a draft")
    notebook.screenshot("panel-waiting")
    assert not chats(replay)
    panel.expect_ended(1)
    expect(panel.waiting).to_have_count(0)
    expect(panel.answer(0)).to_contain_text("At last.")
    expect(panel.field).to_have_value("Meanwhile, a draft")
    notebook.wait(1)
    notebook.wait_idle()

    # It never hears: what was asked is back in the field, with the reason.
    notebook.start(2)
    notebook.page.wait_for_timeout(800)
    edit_waits(panel, "Still there?")
    panel.keyboard.press("Control+a")
    panel.ask("?")
    expect(panel.waiting).to_contain_text("Waits")
    panel.write("And more")
    notebook.restart_kernel()
    expect(panel.waiting).to_have_count(0)
    expect(panel.field).to_have_value("Meanwhile, a draft?\n\nAnd more")
    expect(panel.problem).to_contain_text("the kernel has restarted")
    notebook.screenshot("panel-restarted")
    expect_edit_refused(panel, "Still there?", "the kernel has restarted")
    panel.press("Cancel", 0)
    panel.expect_questions("Are you there?")
    panel.field.click()
    panel.keyboard.press("Enter")
    expect(panel.problem).to_contain_text("the kernel has restarted")
    expect(panel.field).to_have_value("Meanwhile, a draft?\n\nAnd more")
    assert len(chats(replay)) == 1
    notebook.run(0)  # as it says
    expect(panel.problem).to_be_empty()
    expect(panel.field).to_have_value("Meanwhile, a draft?\n\nAnd more")
    panel.ask(".")
    panel.expect_ended(2)  # the first of them only stands there
    assert said(chats(replay)[1]) == [("user", "Meanwhile, a draft?\n\nAnd more.")]
    expect_end_survived(panel)


def expect_end_survived(panel):
    """The kernel is shut down from the page, in the middle of an answer."""
    panel.ask("And then?")
    expect(panel.answer(2)).to_contain_text("Half an ans")
    panel.write("A draft")
    panel.notebook.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    expect(panel.answer(2)).to_contain_text("the kernel has restarted or ended")
    panel.ask(", kept")
    expect(panel.problem).to_contain_text("or ended: run the cell of the panel again")
    expect(panel.field).to_have_value("A draft, kept")
    panel.notebook.screenshot("panel-ended")


def edit_waits(panel, text):
    """Edit the first question, and delete its turn, while the kernel does not hear."""
    panel.press("Edit the question", 0)
    panel.keyboard.press("Control+a")
    panel.keyboard.insert_text(text)
    panel.keyboard.press("Enter")
    panel.press("Delete this turn", 0)
    notes = panel.turns.locator(".nbs-waiting-note")
    expect(notes).to_have_text(["Waits: the kernel is running a cell."] * 2)
    for name in ("Send", "Cancel", "Delete this turn"):
        expect(panel.button(name, 0)).to_have_attribute("aria-disabled", "true")


def expect_edit_refused(panel, text, reason):
    expect(panel.turns.locator(".nbs-editing .nbs-problem")).to_contain_text(reason)
    expect(panel.root.get_by_label("Edit question")).to_have_value(text)
    expect(panel.button("Send", 0)).to_have_attribute("aria-disabled", "false")


CODE = "Sure:\n\n```python\nanswer = 6 * 7\n```\n"


def test_the_conversation_branches_and_is_cleared(open_notebook, replay):
    replay.reply(*(completion(text) for text in ("One.", "Two.", "Uno.", "Dos.", CODE)))
    notebook = open_notebook([OPEN, "%load_ext nbstream\n%chat code 1"])
    notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    notebook.run(0)
    panel = PanelPage(notebook)
    panel.ask("First?")
    panel.expect_ended(1)
    panel.ask("Second?")
    panel.expect_ended(2)

    # Another answer, and the first question in other words, each on a branch of its own.
    panel.button("Regenerate", 0).dblclick()
    panel.expect_ended(1)
    expect(panel.answer(0)).to_contain_text("Uno.")
    expect(panel.turns.nth(0)).to_contain_text("2/2")
    panel.press("Previous branch", 0)
    panel.expect_questions("First?", "Second?")
    panel.press("Edit the question", 0)
    editor = panel.root.get_by_label("Edit question")
    expect(editor).to_have_value("First?")
    expect(editor).to_be_focused()
    panel.keyboard.press("Escape")
    panel.expect_questions("First?", "Second?")
    panel.keyboard.press("Enter")  # the focus is on the button again
    panel.keyboard.press("Control+a")
    panel.keyboard.insert_text("Premier?")
    notebook.screenshot("panel-editing")
    panel.keyboard.press("Enter")
    panel.expect_ended(1)
    panel.expect_questions("Premier?")
    expect(panel.answer(0)).to_contain_text("Dos.")
    assert said(chats(replay)[3]) == [("user", "Premier?")]
    expect(panel.turns.nth(0)).to_contain_text("3/3")
    notebook.screenshot("panel-branches")
    panel.press("Previous branch", 0)
    expect(panel.answer(0)).to_contain_text("Uno.")
    panel.press("Previous branch", 0)
    panel.expect_questions("First?", "Second?")
    expect(panel.answer(1)).to_contain_text("Two.")
    expect_deletion_and_undo(panel, replay)

    panel.press("Copy the answer", 0)
    clipboard = "navigator.clipboard.readText()"
    notebook.page.wait_for_function(f"async () => await {clipboard} === 'Two.'")
    panel.press("Copy the code", 1)
    notebook.page.wait_for_function(f"async () => (await {clipboard}).trim() === 'answer = 6 * 7'")
    panel.press("Clear the conversation")
    expect(panel.turns).to_have_count(0)
    expect(panel.root).to_contain_text("Ask replay-1")
    panel.press("Undo")
    panel.expect_questions("Second?", "Code?")
    notebook.run(1)
    expect(notebook.cell(1).locator(".cm-content")).to_have_text("answer = 6 * 7")


def expect_deletion_and_undo(panel, replay):
    """A turn is deleted: what followed it follows nothing."""
    panel.press("Delete this turn", 0)
    panel.expect_questions("Second?")
    panel.press("Undo")
    panel.expect_questions("First?", "Second?")
    panel.press("Delete this turn", 0)
    panel.expect_questions("Second?")
    panel.ask("Code?")
    panel.expect_questions("Second?", "Code?")
    panel.expect_ended(2)
    assert said(chats(replay)[4]) == [
        ("user", "Second?"),
        ("assistant", "Two."),
        ("user", "Code?"),
    ]


TOOLS = """
import nbstream
fruits, fruit_count, frame_of_mind = ["apple", "pear"], 2, "calm"
def weather(city: str) -> str:
    "The weather."
def delete(path: str) -> str:
    "Delete a file."
panel = nbstream.ChatPanel(model="replay-1", tools=[weather, delete])
panel
"""


def test_settings_change_the_next_request(open_notebook, replay):
    replay.models = ("replay-1", "replay-2")
    replay.fallback = completion("Well.")
    notebook = open_notebook([TOOLS])
    notebook.run(0)
    panel = PanelPage(notebook)
    settings = panel.root.locator(".nbs-settings")
    panel.button("Settings").focus()
    panel.keyboard.press("Enter")
    model = settings.get_by_role("combobox")
    expect(model.locator("option")).to_have_text(["replay-1", "replay-2", "Other…"])
    model.select_option("replay-2")
    settings.get_by_label("System message").click()
    panel.keyboard.insert_text("Be brief.")
    settings.get_by_label("Temperature").click()
    panel.keyboard.insert_text("0.3")
    settings.get_by_label("delete").click()
    expect(settings.get_by_label("System message")).to_have_value("Be brief.")
    expect(settings.get_by_label("delete")).not_to_be_checked()
    expect(settings.get_by_label("delete")).to_be_focused()
    expect(settings.get_by_label("Temperature")).to_have_value("0.3")
    notebook.screenshot("panel-settings")
    panel.ask("How are you?")
    panel.expect_ended(1)
    request = chats(replay)[0]
    assert said(request) == [("system", "Be brief."), ("user", "How are you?")]
    assert (request["model"], request["temperature"]) == ("replay-2", 0.3)
    assert [tool["function"]["name"] for tool in request["tools"]] == ["weather"]

    model.select_option("Other…")
    name = settings.get_by_label("Name of the model")
    expect(name).to_be_focused()
    panel.keyboard.press("Control+a")
    panel.keyboard.insert_text("replay-3")
    panel.keyboard.press("Enter")
    expect(panel.root.locator(".nbs-title")).to_have_text("replay-3")
    temperature = settings.get_by_label("Temperature")
    temperature.click()
    panel.keyboard.press("Control+a")
    panel.keyboard.insert_text("-1")
    panel.keyboard.press("Tab")
    expect(panel.problem).to_contain_text("is no temperature")
    temperature.click()
    panel.keyboard.press("Control+a")
    panel.keyboard.press("Delete")
    settings.get_by_label("weather").click()
    panel.ask("And now?")
    panel.expect_ended(2)
    request = chats(replay)[1]
    assert request["model"] == "replay-3"
    assert "temperature" not in request
    assert "tools" not in request


def test_names_of_the_notebook_are_completed(open_notebook, replay):
    replay.fallback = completion("Fruits.")
    notebook = open_notebook([TOOLS])
    notebook.run(0)
    panel = PanelPage(notebook)
    names = panel.root.get_by_role("listbox")
    panel.field.click()
    panel.keyboard.type("Eat {{fr")
    expect(names.get_by_role("option")).to_have_text(
        [re.compile("^frame_of_mind"), re.compile("^fruit_count"), re.compile("^fruits")]
    )
    expect(names).to_contain_text("list of 2")
    notebook.screenshot("panel-names")
    panel.keyboard.press("ArrowUp")
    expect(names.get_by_role("option", selected=True)).to_contain_text("fruits")
    panel.keyboard.press("Enter")
    expect(panel.field).to_have_value("Eat {{fruits}}")
    panel.keyboard.type(" of {{fruit_")
    expect(names).to_be_visible()
    panel.keyboard.press("Tab")
    expect(panel.field).to_have_value("Eat {{fruits}} of {{fruit_count}}")
    expect(panel.field).to_be_focused()
    panel.keyboard.type(" {{fr")
    expect(names).to_be_visible()
    panel.keyboard.press("Escape")
    expect(names).to_be_hidden()
    for _ in " {{fr":
        panel.keyboard.press("Backspace")

    panel.press("Show what will be sent")
    expect(panel.root.locator(".nbs-preview pre")).to_have_text("Eat ['apple', 'pear'] of 2")
    notebook.screenshot("panel-preview")
    panel.field.click()
    panel.keyboard.press("Enter")
    panel.expect_ended(1)
    expect(panel.root.locator(".nbs-preview")).to_be_hidden()
    assert said(chats(replay)[0]) == [("user", "Eat ['apple', 'pear'] of 2")]
    panel.expect_questions("Eat {{fruits}} of {{fruit_count}}")
    panel.turns.get_by_text("What was sent").click()
    expect(panel.turns.locator(".nbs-sent pre")).to_have_text("Eat ['apple', 'pear'] of 2")

    panel.ask("Peel {{ banana }}")
    expect(panel.problem).to_contain_text("there is no 'banana' in the notebook")
    expect(panel.field).to_have_value("Peel {{ banana }}")
    notebook.screenshot("panel-unknown-name")
    assert len(chats(replay)) == 1
    panel.keyboard.insert_text("?")
    expect(panel.problem).to_be_empty()
    panel.press("Edit the question", 0)
    panel.keyboard.press("Control+a")
    panel.keyboard.insert_text("Peel {{ banana }}")
    panel.keyboard.press("Enter")
    expect_edit_refused(panel, "Peel {{ banana }}", "there is no 'banana' in the notebook")
    assert len(chats(replay)) == 1


REFUSED = "nbstream.ChatPanel(model='replay-1', base_url='http://127.0.0.1:9/v1')"


def test_errors_stand_at_their_turn(open_notebook, replay):
    broken = cut(completion("This is a part of a longer answer.", piece=8), 900)
    replay.reply(error(401, "Incorrect API key"), completion("Now it works."), broken)
    replay.reply(completion("All of it."))
    notebook = open_notebook([OPEN, REFUSED])
    notebook.run(0)
    panel = PanelPage(notebook)
    panel.ask("Key?")
    panel.expect_ended(1)
    expect(panel.answer(0)).to_contain_text("refused the key")
    expect(panel.answer(0)).to_contain_text("401")
    notebook.screenshot("panel-error")
    panel.press("Retry", 0)
    expect(panel.answer(0)).to_contain_text("Now it works.")
    panel.expect_ended(1)
    expect(panel.button("Previous branch", 0)).to_be_hidden()  # nothing to come back to
    panel.ask("Long?")
    panel.expect_ended(2)
    expect(panel.answer(1)).to_contain_text("This is a part")
    expect(panel.button("Continue", 1)).to_be_visible()
    notebook.screenshot("panel-cut")
    panel.press("Retry", 1)
    expect(panel.answer(1)).to_contain_text("All of it.")
    assert said(chats(replay)[3])[-1] == ("user", "Long?")
    expect(panel.turns.nth(1)).to_contain_text("2/2")

    notebook.run(1)
    lonely = PanelPage(notebook, notebook.output(1))
    lonely.ask("Anybody?")
    lonely.expect_ended(1)
    expect(lonely.answer(0)).to_contain_text("127.0.0.1:9")
    expect(lonely.button("Retry", 0)).to_be_visible()
    notebook.screenshot("panel-refused")
