"""Hostile answers in a real browser: no script, no request, nothing but plain content.

First every frame that a view sends, in a page that is nothing else; then JupyterLab:
live, after the swap, saved and reopened, and converted by nbconvert.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import answers
import hostile
import pytest
from harness import NotebookPage, wait_for
from long import LONG
from playwright.sync_api import Page, expect
from replay import completion, error
from test_live_page import PAGE
from watching import (
    CONTROL,
    JUPYTER,
    ORIGIN,
    TRUST,
    SentWidget,
    Watch,
    assert_converted_harmless,
    assert_harmless,
    bare_page,
    copy_of,
    show_all_cells,
)

from nbstream.errors import APIResponseError
from nbstream.response import Response
from nbstream.views import widget
from nbstream.views.static import module

PLACES_A_PAYLOAD = len(hostile.PLACES) if LONG else 1
PLACES_IN_LAB = len(hostile.PLACES) if LONG else 1
STEPS_A_FRAME = 1 if LONG else 3
TESTS = Path(__file__).parents[1]


# --- every frame --------------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch):
    """`sent(steps, error)`: the messages of an answer that grows by these steps."""
    monkeypatch.setattr(widget, "AnswerWidget", SentWidget)
    handle = SimpleNamespace(update=lambda *_data, **_options: None)
    monkeypatch.setattr(widget, "display", lambda *_data, **_options: handle)

    def send(steps: Iterator[answers.Step], error: str) -> list[dict[str, object]]:
        response, view = Response(), widget.WidgetView(owns_cell=False)
        view.open(response)
        for _ in answers.grow(response, steps):
            view.update(response)
        view.close(answers.finish(response, "error", APIResponseError(error)))
        assert not view._has_failed
        return view._channel.widget.messages

    return send


@pytest.fixture
def bare(browser):
    with bare_page(browser) as page:
        yield page


def test_the_watch_sees_what_hostile_html_does(bare):
    page, watch = bare
    page.evaluate(
        "html => { document.body.className = 'jp-OutputArea'; document.body.innerHTML = html; }",
        CONTROL,
    )
    page.wait_for_timeout(200)
    found = "\n".join(watch.take())
    for expected in ("alert(control) ran", "strange id", "strange onclick", "strange data-a"):
        assert expected in found
    assert "strange href" in found
    assert f"{ORIGIN}x-relative" in found
    assert "https://leak.test/a.png" in found


def test_no_frame_harms_the_page(bare, sent, shared):
    page, watch = bare
    cut = hostile.cutter(random.Random(0), everywhere=LONG)
    attacks = hostile.payloads(shared)
    assert len(attacks) >= 230
    count = 0
    for group in hostile.groups(attacks):
        messages = sent(hostile.script(group, cut, PLACES_A_PAYLOAD), group[0].text)
        play(page, messages)
        count += len(messages)
        assert watch.look() > 100
        assert watch.take() == [], [attack.number for attack in group]
    print(f"{len(attacks)} payloads, {count} messages")


def play(page: Page, messages: list[dict[str, object]]) -> None:
    """Show the messages in a new view, and their end in a second one, which comes late."""
    page.evaluate("document.body.replaceChildren()")
    page.evaluate(PAGE, {"source": module("widget"), "snapshot": messages[0]["snapshot"]})
    page.evaluate("view()")
    page.evaluate("deliver", messages[1:])
    page.wait_for_selector(".nbs-answer[aria-busy=false]")
    page.evaluate("view()")


# --- JupyterLab ---------------------------------------------------------------------

SET_UP = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS / "browser")!r}]
import hostile
%load_ext nbstream
%config ChatMagics.model = 'replay-1'
"""


@pytest.mark.own_page
@pytest.mark.timeout(300)
def test_no_answer_harms_a_notebook(open_notebook, browser, replay, shared, tmp_path):
    step = 1 if LONG else 16  # every frame of all of them is looked at above
    attacks = hostile.payloads(shared)[::step]
    texts = [attack.text for attack in attacks]
    tools = [{"name": text, "arguments": {text: text}} for text in texts[::6]]
    whole = "\n\n".join([*texts, hostile.END])
    replay.reply(completion(whole, reasoning=texts[3], tool_calls=tools, model=texts[5], piece=97))
    replay.reply(error(400, " ".join(texts[::9])))
    gate = tmp_path / "gate"
    setup = f"{SET_UP}attacks = hostile.payloads(Path({str(shared)!r}))[::{step}]"
    notebook = open_notebook(
        [
            setup,
            f"hostile.show(attacks, Path({str(gate)!r}), {PLACES_IN_LAB}, {STEPS_A_FRAME})",
            "hostile.endings(attacks)",
            "%%chat\nAll of them at once",
            "%%chat\nThis one fails",
            "from IPython.display import HTML\nHTML('''" + CONTROL + "''')",
        ]
    )
    watch = Watch(notebook.page, notebook.server.url, JUPYTER)
    show_all_cells(notebook)
    notebook.run(0)
    control(notebook, watch, 5)

    notebook.start(1)
    live = notebook.output(1).locator(".nbs-answer", has_text=hostile.END)
    expect(live).to_have_count(answers_to(len(attacks)), timeout=120_000)
    assert_harmless(watch, "live")
    gate.touch()
    notebook.wait(1)
    for number in (2, 3, 4):
        notebook.run(number)
    shows_all(notebook, len(attacks))
    assert_harmless(watch, "after the swap")

    saved = notebook.save()
    notebook.shut_down_kernel()
    for is_trusted in (False, True):
        notebook.file = copy_of(saved, notebook, is_trusted=is_trusted)
        notebook.reopen()
        show_all_cells(notebook)
        shows_all(notebook, len(attacks))
        assert is_trusted == all(notebook.page.evaluate(TRUST))
        assert_harmless(watch, f"reopened, trusted: {is_trusted}")
    assert_converted_harmless(browser, notebook.file, tmp_path)


def control(notebook: NotebookPage, watch: Watch, number: int) -> None:
    """The watch sees what a cell of the user's own does."""
    watch.take()
    notebook.run(number)
    expect(notebook.output(number)).to_contain_text("Control")
    watch.look()
    found: list[str] = []
    signs = ("alert(control) ran", "strange id", "strange onclick", "leak.test", "x-relative")

    def is_all_noticed() -> bool:
        found.extend(watch.take())
        return all(any(sign in entry for entry in found) for sign in signs)

    wait_for(is_all_noticed, "the watch to notice it all", 20, notebook.page)
    notebook.write(number, "pass")
    notebook.run(number)
    watch.take()


def answers_to(attacks: int) -> int:
    """How many answers `hostile.show` makes of so many attacks; one was asked for as JSON."""
    return math.ceil(attacks / hostile.AT_ONCE) + 1


def shows_all(notebook: NotebookPage, attacks: int) -> None:
    """Wait until every output is there to its last words."""
    saved = ".jp-RenderedMarkdown:not(.nbs-answer)"
    ended = notebook.output(1).locator(saved, has_text=hostile.END)
    expect(ended).to_have_count(answers_to(attacks), timeout=60_000)
    for number in (2, 3):
        expect(notebook.output(number).locator(saved)).to_contain_text(hostile.END)
    expect(notebook.output(4)).to_contain_text("BadRequestError")
