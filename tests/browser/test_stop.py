"""The Stop button of a running answer, in real pages of real Jupyter servers."""

from __future__ import annotations

import pytest
from harness import waits_for
from long import only_long
from playwright.sync_api import expect
from replay import Hang, Reply, chunk, completion, silence

LOAD = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'\nimport os; print(os.getpid())"
STATE = "print(_chat.status, repr(_chat.text), os.getpid())\n%chat history"
PART = Reply([chunk({"content": "Half an ans"}), Hang()])


def stop_button(notebook, cell):
    return notebook.output(cell).locator(".nbs-status button")


def interrupts(notebook):
    """The interrupts that the page sends from now on."""
    sent = []
    note = lambda request: sent.append(request) if "/interrupt" in request.url else None  # noqa: E731
    notebook.page.on("request", note)
    return sent


def assert_stopped(notebook, replay, cell):
    """The cell has failed as stopped, and the server saw it."""
    notebook.wait(cell)
    notebook.wait_idle()
    expect(notebook.output(cell)).to_contain_text("⚠ Stopped")
    expect(notebook.output(cell)).not_to_contain_text("Interrupted")  # it is said once
    expect(notebook.output(cell).locator(".nbs-answer")).to_have_count(0)
    assert replay.requests[-1].aborted.wait(20)


@pytest.mark.shows("JupyterLab", "Stop")
@pytest.mark.parametrize(
    ("app", "base_url"),
    [
        pytest.param("lab", "/", marks=only_long),
        pytest.param("notebook", "/", marks=only_long),
        ("lab", "/a/prefix/"),
    ],
)
def test_the_button_stops_the_cell_that_runs(open_notebook, replay, app, base_url):
    replay.reply(PART, silence(), completion("I am still here."))
    cells = [LOAD, "%%chat\nFirst?", STATE, "%%chat\nSecond?", STATE, "%%chat\nThird?"]
    notebook = open_notebook(cells, app, base_url)
    notebook.run(0)
    pid = notebook.output(0).inner_text().strip()
    sent = interrupts(notebook)

    # In the middle of an answer, by a double click.
    notebook.start(1)
    expect(notebook.output(1)).to_contain_text("Half an ans")
    button = stop_button(notebook, 1)
    expect(button).to_have_accessible_name("Stop")
    for theme in ("Dark", "Light") if base_url == "/" else ():
        notebook.theme(theme)
        notebook.screenshot(f"stop-{app}-{theme.lower()}")
    button.dblclick()
    assert_stopped(notebook, replay, 1)
    expect(notebook.output(1)).to_contain_text("Half an ans")
    assert len(sent) == 1
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text(f"cancelled 'Half an ans' {pid}")
    expect(notebook.output(2)).to_contain_text("[assistant]\nHalf an ans")

    # Before anything came, by the keyboard.
    notebook.start(3)
    assert replay.wait_requests(2)
    stop_button(notebook, 3).focus()
    notebook.page.keyboard.press("Enter")
    assert_stopped(notebook, replay, 3)
    assert len(sent) == 2
    notebook.run(4)
    expect(notebook.output(4)).to_contain_text(f"cancelled '' {pid}")

    notebook.run(5)
    expect(notebook.output(5)).to_contain_text("I am still here.")
    said = [(m["role"], m["content"]) for m in replay.requests[2].json["messages"]]
    assert said == [("user", "First?"), ("assistant", "Half an ans"), ("user", "Third?")]
    saved = notebook.save()
    assert "Half an ans" in saved.cells[1].outputs[0].data["text/markdown"]


@pytest.mark.shows("JupyterLab", "Stop", "--bg")
def test_an_answer_in_the_background_is_stopped_beside_other_cells(open_notebook, replay, tmp_path):
    gate = tmp_path / "gate"
    replay.reply(PART, PART, completion("Next."))
    loop = waits_for(gate) + "print('to', 'its end')"
    cells = [LOAD, "%%chat --bg\nFirst?", "6 * 7", "print(_chat.status, os.getpid())"]
    cells += ["%%chat --bg\nSecond?", loop, "print(_chat.status)", "%%chat\nThird?"]
    notebook = open_notebook(cells)
    notebook.run(0)
    pid = notebook.output(0).inner_text().strip()
    sent = interrupts(notebook)

    # Other cells have run, none runs now.
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("Half an ans")
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("42")
    stop_button(notebook, 1).dblclick()
    expect(notebook.output(1)).to_contain_text("Stopped. The text so far is kept")
    expect(notebook.output(1).locator(".nbs-answer")).to_have_count(0)
    expect(notebook.output(1)).to_contain_text("Half an ans")
    assert replay.requests[0].aborted.wait(20)
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text(f"cancelled {pid}")

    # Another cell runs: it is not interrupted.
    notebook.run(4)
    expect(notebook.output(4)).to_contain_text("Half an ans")
    notebook.start(5)
    button = stop_button(notebook, 4)
    button.click()
    expect(button).to_have_text("Stops when the running cell ends")
    notebook.screenshot("stop-beside-a-cell")
    gate.touch()
    notebook.wait(5)
    expect(notebook.output(5)).to_contain_text("to its end")
    expect(notebook.output(4).locator(".nbs-answer")).to_have_count(0)
    assert replay.requests[1].aborted.wait(20)
    notebook.run(6)
    expect(notebook.output(6)).to_contain_text("cancelled")
    assert not sent
    notebook.run(7)
    expect(notebook.output(7)).to_contain_text("Next.")


# An answer whose end the page never hears, as if the messages were lost: it looks as if the
# cell still waited for it.
LOST = """
from nbstream.response import Response
from nbstream.views.widget import WidgetView

view = WidgetView(owns_cell=True, blocking=True)
view.open(Response())
"""
NO_SERVER = "document.getElementById('jupyter-config-data').id = 'hidden'"


def test_a_cell_that_is_not_its_own_is_never_interrupted(open_notebook, tmp_path):
    gate = tmp_path / "gate"
    loop = waits_for(gate) + "print('to', 'its end')"
    notebook = open_notebook([LOST, loop, LOST])
    sent = interrupts(notebook)
    notebook.run(0)
    button = stop_button(notebook, 0)
    expect(button).to_have_text("Stop")
    notebook.start(1)
    button.click()
    expect(button).to_have_text("The answer has ended")
    gate.touch()
    notebook.wait(1)
    expect(notebook.output(1)).to_contain_text("to its end")
    assert not sent

    # Where no server can be asked, the button says what to press.
    notebook.page.evaluate(NO_SERVER)
    notebook.run(2)
    button = stop_button(notebook, 2)
    expect(button).to_have_text("Press ■, or I twice, to stop")
    expect(button).to_have_attribute("aria-disabled", "true")
    notebook.screenshot("stop-by-hand")
    button.click(force=True)  # Playwright would wait until it is enabled
    notebook.page.wait_for_timeout(300)  # ms
    assert not sent
