"""The parts of the chat panel in a page that has nothing else; the test plays the kernel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from panel_page import PanelPage
from playwright.sync_api import Page, expect
from test_panel_page import open_panel
from watching import bare_page

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


@pytest.fixture
def show(page, monkeypatch):
    """`show(turns, **options)`: a panel with so many turns, as `open_panel` makes it."""

    def show(turns: int, **options: Any) -> PanelPage:
        open_panel(page, monkeypatch, turns, **{"text": "An *answer*.", **options})
        return PanelPage(SimpleNamespace(page=page), page.locator("body"))

    return show


def sent(page: Page, what: str) -> list[dict[str, Any]]:
    """What the page asked for so far by the action `what`."""
    return page.evaluate("what => sent.filter((message) => message.do === what)", what)


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

    panel = PanelPage(panel.notebook, page.locator("body > div").first)
    panel.ask("?")
    expect(panel.problem).to_have_text(GONE)
    expect(panel.field).to_have_value("A draft?")
    assert sent(page, "send") == []


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
