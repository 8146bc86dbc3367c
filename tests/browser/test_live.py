"""A `%%chat` cell in a real JupyterLab: live, then saved, then reopened."""

from __future__ import annotations

import json
import re

import pytest
from harness import SLOW, wait_for
from long import only_long
from playwright.sync_api import expect
from replay import Gate, Hang, Reply, chunk, completion, cut, error

RECORD = "application/vnd.nbstream.response+json"
LOAD = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'"
PIECES = [
    "# Ten pieces\n\n",
    "The **first** paragraph ",
    "goes on here.\n\n",
    "- one\n- two\n",
    "- three\n\n",
    "| city | people |\n|---|---|\n",
    "| Berlin | 3.7 |\n\n",
    "```python\nprint('hello')\n",
    "```\n\n",
    "The end, at $5 and $6.",
]
# What the page shows once a piece is there and not before.
SHOWN = [
    "Ten pieces",
    "first paragraph",
    "goes on here.",
    "two",
    "three",
    "people",
    "Berlin",
    "hello",
    "hello",
    "The end",
]
CALL = {"name": "lookup_city", "arguments": {"name": "Berlin"}, "id": "call_1"}


def saved_widgets(notebook):
    """Whatever of a widget is in a saved notebook."""
    text = json.dumps(notebook)
    return re.findall(r"application/vnd\.jupyter\.widget-[a-z]+\+json|anywidget", text)


def assert_static(page, number, *texts):
    """The cell shows its static output, and nothing of a widget."""
    output = page.output(number)
    for text in texts:
        expect(output).to_contain_text(text)
    expect(output.locator(".nbs-answer")).to_have_count(0)
    expect(page.page.get_by_text("model not found")).to_have_count(0)


@pytest.mark.shows("JupyterLab", "live", "saved", "restored")
@pytest.mark.parametrize("app", ["lab", pytest.param("notebook", marks=only_long)])
def test_live_saved_and_reopened(open_notebook, replay, app):
    replay.reply(
        completion(PIECES, reasoning=["Let me ", "think."], tool_calls=[CALL], gate="piece")
    )
    notebook = open_notebook([LOAD, "%%chat --out answer\nTen pieces, please.", ""], app)
    notebook.run(0)
    notebook.start(1)
    output = notebook.output(1)
    live = output.locator(".nbs-answer")

    replay.open("piece-0")
    expect(live).to_contain_text("Let me")
    expect(live).to_have_attribute("aria-busy", "true")
    expect(live.locator("details").first).to_have_attribute("open", "")
    replay.open("piece-1")
    expect(live).to_contain_text("think.")
    for number, text in enumerate(SHOWN):
        # The next piece leaves the server only after the page has shown this one.
        replay.open(f"piece-{number + 2}")
        expect(live).to_contain_text(text)
        assert notebook.prompt(1) == "[*]:"
    for theme in ("Dark", "Light"):
        notebook.theme(theme)
        notebook.screenshot(f"live-{app}-{theme.lower()}")
    for number in range(12, 40):
        replay.open(f"piece-{number}")
    notebook.wait(1)
    notebook.wait_idle()

    assert_static(notebook, 1, "Ten pieces", "first paragraph", "Berlin", "lookup_city")
    expect(output).to_contain_text("Reasoning")
    expect(output.locator("table").first).to_be_visible()
    expect(output.locator("details").first).not_to_have_attribute("open", "")
    for theme in ("Dark", "Light"):
        notebook.theme(theme)
        notebook.screenshot(f"static-{app}-{theme.lower()}")

    saved = notebook.save()
    assert not saved_widgets(saved)
    assert "widgets" not in saved.metadata
    (bundle,) = [o.data for o in saved.cells[1].outputs]
    assert set(bundle) == {"text/markdown", "text/plain", RECORD}
    assert not saved.cells[1].outputs[0].metadata
    assert "sk-test" not in json.dumps(saved)

    notebook.write(2, "print(answer.text == ''.join(answer.text), len(answer.text))")
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text(f"True {len(''.join(PIECES))}")
    notebook.save()
    notebook.shut_down_kernel()
    notebook.reopen()
    assert_static(notebook, 1, "Ten pieces", "Berlin", "lookup_city")
    notebook.screenshot(f"reopened-{app}")


@pytest.mark.shows("Notebook 7", "live", "Stop", "--bg", "saved", "restored")
@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_what_is_saved_in_the_middle_says_how_to_follow_it(app, open_notebook, replay):
    replay.reply(Reply([chunk({"content": "Half an answer"}), Hang()]))
    notebook = open_notebook([LOAD, "%%chat --bg\nHi", "%chat last"], app=app)
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1).locator(".nbs-answer")).to_contain_text("Half an answer")
    assert not saved_widgets(notebook.save())
    notebook.reopen()
    assert_static(notebook, 1, "Half an answer", "%chat last shows it")
    notebook.screenshot(f"reopened-in-the-middle-{app}")
    notebook.run(2)
    live = notebook.output(2).locator(".nbs-answer")
    expect(live).to_contain_text("Half an answer")
    live.get_by_role("button", name="Stop").click()
    expect(notebook.output(2)).to_contain_text("Stopped")
    saved = notebook.save()
    assert not saved_widgets(saved)
    assert "Stopped" in saved.cells[2].outputs[0].data["text/markdown"]


def test_what_is_left_when_the_kernel_restarts(open_notebook, replay):
    text = "Half *an answer*:\n\n```python\nx = 1\n\ny = 2\n```\n\nand"
    replay.reply(Reply([chunk({"content": text}), Hang()]))
    notebook = open_notebook([LOAD, "%%chat\nHi"])
    notebook.run(0)
    notebook.start(1)
    live = notebook.output(1).locator(".nbs-answer")
    expect(live).to_contain_text("y = 2")
    saved = notebook.save()
    assert not saved_widgets(saved)
    (left,) = saved.cells[1].outputs
    mark = "⚠ The answer was being written when this was saved."
    lines = re.split("\n+", left.data["text/plain"])
    assert lines[:4] == ["Half an answer:", "x = 1", "y = 2", "and"]
    assert lines[4:] == [f"{mark} %chat last shows it, while its kernel runs."]
    notebook.restart_kernel()
    expect(live).to_contain_text("⚠ Incomplete: the kernel has restarted or ended.")
    expect(live.locator(".nbs-status")).to_have_count(0)
    notebook.screenshot("after-restart")
    saved = notebook.save()
    assert not saved_widgets(saved)
    (left,) = saved.cells[1].outputs
    mark = "⚠ Incomplete: the kernel has restarted or ended."
    lines = re.split("\n+", left.data["text/plain"])
    assert lines == ["Half an answer:", "x = 1", "y = 2", "and", mark]
    assert (len(left.data), left.metadata) == (1, {})
    notebook.reopen()
    assert_static(notebook, 1, "Half an answer", "the kernel has restarted or ended")


@only_long
@pytest.mark.parametrize("ending", ["error", "interrupt"])
def test_what_is_left_after_a_bad_end(open_notebook, replay, ending):
    if ending == "error":
        replay.reply(cut(completion("Half an answer, and the rest."), 1000))
    else:
        replay.reply(Reply([chunk({"content": "Half an ans"}), Gate("never"), Hang()]))
    notebook = open_notebook([LOAD, "%%chat\nHi"])
    notebook.run(0)
    notebook.start(1)
    if ending == "interrupt":
        expect(notebook.output(1)).to_contain_text("Half an ans")
        notebook.interrupt()
    notebook.wait(1)
    notebook.wait_idle()
    name = {"error": "IncompleteError", "interrupt": "⚠ Stopped"}[ending]
    assert_static(notebook, 1, "Half an", name)
    notebook.screenshot(f"after-{ending}")
    saved = notebook.save()
    assert not saved_widgets(saved)
    assert "widgets" not in saved.metadata
    kinds = [o.output_type for o in saved.cells[1].outputs]
    # A stop is no error to who wished it.
    assert sorted(kinds) == ["display_data", "error"][: 2 if ending == "error" else 1]
    notebook.shut_down_kernel()
    notebook.reopen()
    assert_static(notebook, 1, "Half an", name)


def test_nothing_came(open_notebook, replay):
    cells = [LOAD, "%%chat --api-key-env NOT_SET\nHi", "%%chat\nHi"]
    notebook = open_notebook(cells, "notebook")
    replay.reply(Reply([b"<html><title>Sign in</title></html>"], headers={}))
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("set the environment variable NOT_SET")
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("APIResponseError")
    expect(notebook.output(2)).to_contain_text("Sign in")
    assert notebook.page.locator(".nbs-answer").count() == 0  # it does not lie over the error
    notebook.screenshot("nothing-came")
    saved = notebook.save()
    assert [[o.output_type for o in cell.outputs] for cell in saved.cells[1:3]] == [["error"]] * 2


def test_run_all_stops_at_a_failed_answer(open_notebook, replay):
    replay.reply(completion("ok"), cut(completion("Hello"), 400))
    notebook = open_notebook([LOAD, "%%chat\nHi", "%%chat\nHi", "print('not reached')"])
    notebook.page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    notebook.wait(2)
    notebook.wait_idle()
    expect(notebook.output(3)).to_have_text("")
    wait_for(
        lambda: notebook.prompt(3) == "[ ]:", "the last cell to be left out", 30, notebook.page
    )


def test_a_retry_counts_down(open_notebook, replay):
    replay.reply(error(503, "busy", retry_after="3"), completion("Here it is."))
    notebook = open_notebook([LOAD, "%%chat\nHi"])
    notebook.run(0)
    notebook.start(1)
    # Looked at in every frame: it is there for a second only.
    notebook.page.wait_for_function("document.body.textContent.includes('Retrying in 2 s')")
    notebook.screenshot("retry")
    notebook.wait(1)
    assert_static(notebook, 1, "Here it is.")


def test_a_reload_in_the_middle_loses_nothing(open_notebook, replay):
    replay.reply(completion(["one ", "two ", "three"], gate="piece"))
    notebook = open_notebook([LOAD, "%%chat\nHi", "%chat last"])
    notebook.run(0)
    notebook.start(1)
    replay.open("piece-0")
    expect(notebook.output(1)).to_contain_text("one")
    notebook.page.reload()
    replay.open("piece-1")
    replay.open("piece-2")
    notebook.wait_idle(SLOW)
    notebook.run(2)
    assert_static(notebook, 2, "one two three", "replay-1")
