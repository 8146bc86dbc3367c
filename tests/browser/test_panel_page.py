"""The chat panel in a page that has nothing else: where its conversation stands."""

from __future__ import annotations

import answers
import pytest
from playwright.sync_api import Page, expect
from test_live_page import PAGE
from watching import SentWidget, bare_page

import nbstream
from nbstream.messages import Message
from nbstream.panel import window
from nbstream.render.style import RenderStyle
from nbstream.response import Response
from nbstream.views.static import module, stylesheet

TURNS = 60
BELOW = """() => {
  const log = document.querySelector(".nbs-log");
  return log.scrollHeight - log.scrollTop - log.clientHeight;
}"""
IS_FILLED = """() => [...document.querySelectorAll("article")].every((turn) =>
  turn.hasChildNodes())"""


@pytest.fixture
def page(browser):
    with bare_page(browser) as (page, watch):
        yield page
        assert watch.errors == []


LINES = "A line.\n\n" * 20  # higher than what stands for a turn at first


def open_panel(
    page: Page,
    monkeypatch,
    turns: int,
    text: str = LINES,
    asked: str = "",
    *,
    is_running: bool = False,
) -> window.Window:
    """Show a conversation of turns that all have this text; the last one may still be written."""
    monkeypatch.setattr(window, "PanelWidget", SentWidget)
    panel = nbstream.ChatPanel(model="replay-1")
    turn = None
    for number in range(turns):
        response = Response([Message("user", f"Question {number} {asked}")], model="replay-1")
        for _ in answers.grow(response, [("round", "replay-1"), ("text", text)]):
            pass
        if number < turns - 1 or not is_running:
            answers.finish(response)
        turn = panel.session.conversation.add(response, turn)
    shows = window.Window(
        panel.session, panel.screen._about, lambda *_: None, RenderStyle(), "name"
    )
    shows.sync()
    page.add_style_tag(content=stylesheet(*window.STYLES))
    first = shows.widget.messages[0]["snapshot"]
    page.evaluate(PAGE, {"source": module("panel"), "snapshot": first})
    page.evaluate("deliver", shows.widget.messages[1:])
    page.evaluate("view()")
    return shows


def test_a_long_conversation_opens_at_its_end(page, monkeypatch):
    open_panel(page, monkeypatch, TURNS)
    page.wait_for_function(IS_FILLED)
    page.wait_for_function(f"Math.abs(({BELOW})()) < 2")  # once the last ones are laid out
    assert page.locator("article").count() == TURNS
    assert page.evaluate("document.querySelector('.nbs-log').scrollHeight") > TURNS * 400
    assert abs(page.evaluate(BELOW)) < 2
    assert page.locator(".nbs-down").is_hidden()


def test_who_reads_in_the_middle_stays_there(page, monkeypatch):
    open_panel(page, monkeypatch, TURNS)
    page.locator(".nbs-log").hover()
    page.wait_for_function(f"({BELOW})() < 2")
    page.mouse.wheel(0, -2500)
    page.wait_for_function(f"({BELOW})() > 2000")
    page.wait_for_timeout(200)  # ms: what comes into sight is filled and laid out
    read = page.evaluate(IN_SIGHT)
    page.wait_for_function(IS_FILLED)
    page.wait_for_timeout(300)
    number, top = page.evaluate(IN_SIGHT)
    assert number == read[0]
    assert abs(top - read[1]) <= 4
    assert page.locator(".nbs-down").is_visible()


@pytest.mark.parametrize("up", [300, 1500])  # pixels
def test_who_looks_at_another_tab_comes_back_to_where_she_was(page, monkeypatch, up):
    open_panel(page, monkeypatch, 10)
    page.wait_for_function(IS_FILLED)
    page.wait_for_function(f"Math.abs(({BELOW})()) < 2")
    page.locator(".nbs-log").hover()
    page.mouse.wheel(0, -up)
    page.wait_for_function(f"({BELOW})() === {up}")
    for display in ("none", ""):
        page.evaluate("display => { document.body.style.display = display; }", display)
        page.wait_for_timeout(100)  # ms: sizes are told after a frame
    assert page.evaluate(BELOW) == up


WORD = "word" * 75
LONG_WORDS = f"""# {WORD}

{WORD} and `{WORD}`

- {WORD}
- https://example.com/{WORD}

> {WORD}

| a | b |
|---|---|
| {WORD} | two words |
"""
WIDTHS = """() => [...document.querySelectorAll(".nbs-question, .nbs-answer, .nbs-table")].map(
  (element) => [element.className, element.scrollWidth - element.clientWidth])"""


def test_a_long_word_is_all_there(page, monkeypatch):
    open_panel(page, monkeypatch, 1, LONG_WORDS, WORD)
    page.locator(".nbs-table").wait_for()
    more = dict(page.evaluate(WIDTHS))
    table = more.pop("nbs-table")
    assert list(more.values()) == [0, 0]
    assert table > 500  # px, to which it can be scrolled
    cell = page.get_by_role("cell", name="two words")
    assert cell.bounding_box()["height"] < 60


CODE = f"""```python
x = "{WORD}"
```

- a

  ```
  plain
  ```
"""


def test_the_line_above_the_code_covers_none_of_it(page, monkeypatch):
    open_panel(page, monkeypatch, 1, CODE)
    page.locator(".nbs-code-tools").nth(1).wait_for()
    for frame in page.locator(".nbs-code").all():
        tools = frame.locator(".nbs-code-tools")
        expect(tools).to_have_css("opacity", "1")
        above, below = tools.bounding_box(), frame.locator("code").bounding_box()
        assert frame.bounding_box()["y"] < above["y"]
        assert above["y"] + above["height"] <= below["y"]


IN_SIGHT = """() => {
  const turns = [...document.querySelectorAll("article")];
  const { top } = document.querySelector(".nbs-log").getBoundingClientRect();
  const number = turns.findIndex((turn) => turn.getBoundingClientRect().bottom > top);
  return [number, turns[number].getBoundingClientRect().top - top];
}"""
