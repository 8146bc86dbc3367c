"""The parts of the chat panel in a page that has nothing else; the test plays the kernel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from panel_page import PanelPage
from playwright.sync_api import Page, expect
from test_panel_page import open_panel
from watching import bare_page

from nbstream.panel.window import Window

GONE = "the kernel has restarted or ended: run the cell of the panel again"
ENDS = pytest.mark.parametrize(
    "ending",
    ["kernel.statusChanged.emit('restarting')", "kernel.disposed.emit()"],
    ids=["restarted", "shut down"],
)


@pytest.fixture
def page(browser):
    with bare_page(browser) as (page, watch):
        yield page
        assert watch.errors == []


class BarePanel(PanelPage):
    """A panel in a page of its own."""

    def __init__(self, page: Page, shows: Window) -> None:
        super().__init__(SimpleNamespace(page=page), page.locator("body > div").first)
        self._page = page
        self._shows = shows
        self._about = shows._about

    def sent(self, what: str) -> list[dict[str, Any]]:
        """What the page asked for so far by the action `what`."""
        return self._page.evaluate("what => sent.filter((message) => message.do === what)", what)

    def hears(self, *messages: dict[str, Any]) -> None:
        """The page gets messages of the kernel, one right after the other."""
        self._page.evaluate("deliver", messages)

    def about(self, **changed: Any) -> dict[str, Any]:
        """The message that says what stands beside the turns: a snapshot, which takes longer."""
        about = self._about()
        self._shows._about = lambda: {**about, **changed}
        self._shows._channel._is_wanted = True
        self._shows.sync()
        return self._shows.widget.messages[-1]


def reply(message: dict[str, Any], **reply: Any) -> dict[str, Any]:
    """The kernel's reply to a message of the page."""
    return {"custom": {"re": message["n"], **reply}}


@pytest.fixture
def show(page, monkeypatch):
    """`show(turns, **options)`: a panel with so many turns, as `open_panel` makes it."""

    def show(turns: int, **options: Any) -> BarePanel:
        options = {"text": "An *answer*.", **options}
        return BarePanel(page, open_panel(page, monkeypatch, turns, **options))

    return show


@ENDS
def test_an_answer_ends_with_the_kernel(page, show, ending):
    panel = show(2, is_running=True)
    expect(panel.stop).to_be_visible()
    panel.write("A draft")
    page.evaluate(ending)
    page.evaluate("view()")  # a view that comes later shows the same
    for root in page.locator(".nbs-panel").all():
        answer = root.locator("article").nth(1).locator(".nbs-answer")
        expect(answer).to_contain_text("An answer.")
        expect(answer).to_contain_text("⚠ The kernel has restarted or ended: this is a part")
        expect(answer).to_have_attribute("aria-busy", "false")
        expect(root.locator(".nbs-status")).to_have_count(0)
        expect(root.locator("article").nth(0)).not_to_contain_text("The kernel")
        expect(root.get_by_role("button", name="Stop the answer")).to_be_hidden()
        expect(root.locator(".nbs-composer .nbs-problem")).to_have_text(GONE)

    panel.ask("?")
    expect(panel.problem).to_have_text(GONE)
    expect(panel.field).to_have_value("A draft?")
    assert panel.sent("send") == []


@ENDS
def test_a_question_comes_back_when_the_kernel_ends(page, show, ending):
    panel = show(1)
    panel.ask("Is anybody there?")
    expect(panel.waiting).to_have_text("Is anybody there?Sending…")
    page.evaluate(ending)
    expect(panel.waiting).to_have_count(0)
    expect(panel.field).to_have_value("Is anybody there?")
    expect(panel.problem).to_have_text(GONE)


def test_a_question_comes_back_that_cannot_be_sent(page, show):
    panel = show(1)
    page.evaluate("() => { sent.push = () => { throw new Error('Kernel is dead'); }; }")
    panel.ask("Is anybody there?")
    expect(panel.waiting).to_have_count(0)
    expect(panel.field).to_have_value("Is anybody there?")
    expect(panel.problem).to_contain_text("could not send this (Kernel is dead): run the cell")


def test_questions_that_wait_are_asked_one_after_the_other(page, show):
    panel = show(1)
    for text in ("First?", "Second?", "Third?"):
        panel.ask(text)
    expect(panel.waiting).to_have_text(
        [
            "First?Sending…",
            *(
                f"{text}?Waits: it is sent when the answer before it has ended."
                for text in ("Second", "Third")
            ),
        ]
    )
    (first,) = panel.sent("send")
    assert first["text"] == "First?"
    panel.hears(panel.about(running=7), reply(first))
    expect(panel.waiting).to_have_count(2)
    expect(panel.stop).to_be_visible()
    assert len(panel.sent("send")) == 1
    panel.hears(panel.about())
    expect(panel.waiting.first).to_have_text("Second?Sending…")
    _, second = panel.sent("send")
    assert second["text"] == "Second?"

    # It is not taken: what was to follow it comes back with it.
    panel.write("Draft")
    panel.hears(reply(second, error="there is no 'x' in the notebook"))
    expect(panel.field).to_have_value("Second?\n\nThird?\n\nDraft")
    expect(panel.problem).to_have_text("there is no 'x' in the notebook")
    expect(panel.waiting).to_have_count(0)
    assert len(panel.sent("send")) == 2


def test_a_snapshot_that_cannot_be_shown_keeps_no_later_one_back(page, show):
    panel = show(1)
    said = []
    page.on("console", lambda message: said.append(message.text))
    panel.hears(panel.about(context=None))
    panel.hears(panel.about(model="replay-2"))
    expect(panel.root.locator(".nbs-title")).to_have_text("replay-2")
    assert "could not show a snapshot" in said[0]
