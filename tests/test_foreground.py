"""Limits of functions, beside the timers that were set before."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from replay import completion

import nbstream
from nbstream.tools.foreground import TimeLimit, limited

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="has no such timers")

LONG = 600.0  # seconds; nobody waits for it


class RangError(Exception):
    """What a user's handler raises."""


@pytest.fixture(autouse=True)
def own_timer() -> Iterator[None]:
    """No timer at first; pytest's own, which ends a test that hangs, is there again afterwards."""
    before = signal.getsignal(signal.SIGALRM)
    timer = signal.setitimer(signal.ITIMER_REAL, 0)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    signal.setitimer(signal.ITIMER_REAL, *timer)


def ring(*_: object) -> None:
    raise RangError


def wait_for_ever() -> None:
    threading.Event().wait(60)


def left() -> float:
    return signal.getitimer(signal.ITIMER_REAL)[0]


def test_a_function_is_stopped_and_no_timer_is_left():
    with pytest.raises(TimeLimit):
        limited(wait_for_ever, 0.05)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert limited(lambda: 5, LONG) == 5
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("is_late", [False, True])
def test_a_timer_is_there_again_less_what_has_passed(is_late):
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, LONG, 7.0)
    started = time.monotonic()
    if is_late:
        with pytest.raises(TimeLimit):
            limited(wait_for_ever, 0.2)
    else:
        limited(lambda: time.sleep(0.2), LONG / 2)
    passed = time.monotonic() - started
    assert passed >= 0.2
    remaining, interval = signal.getitimer(signal.ITIMER_REAL)
    assert LONG - passed - 0.1 <= remaining <= LONG - 0.2
    assert interval == 7.0
    assert signal.getsignal(signal.SIGALRM) is ring


def test_an_alarm_is_there_again():
    signal.signal(signal.SIGALRM, ring)
    signal.alarm(500)
    assert limited(lambda: 1, 3) == 1
    assert 490 < left() <= 500
    assert signal.getsignal(signal.SIGALRM) is ring


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_handler_that_is_no_function_is_there_again(handler):
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, LONG)
    limited(lambda: 1, 3)
    assert signal.getsignal(signal.SIGALRM) == handler
    assert left() > LONG - 60


def test_the_function_sees_an_error_of_its_own_and_the_timer_goes_on():
    signal.setitimer(signal.ITIMER_REAL, LONG)
    with pytest.raises(ZeroDivisionError):
        limited(lambda: 1 / 0, 3)
    assert LONG - 60 < left() <= LONG


def test_a_timer_that_is_due_meanwhile_rings_then():
    rung: list[float] = []
    signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    signal.setitimer(signal.ITIMER_REAL, 0.1)

    def until_it_rings() -> str:
        while not rung:
            time.sleep(0.01)
        return "went on"

    assert limited(until_it_rings, LONG) == "went on"
    assert len(rung) == 1
    assert left() == 0.0  # it was for once


def test_a_timer_that_repeats_goes_on_repeating():
    rung: list[int] = []
    signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)

    def until_it_has_rung_thrice() -> None:
        while len(rung) < 3:
            time.sleep(0.01)

    limited(until_it_has_rung_thrice, LONG)
    assert 0 < left() <= 0.05
    assert signal.getitimer(signal.ITIMER_REAL)[1] == pytest.approx(0.05)
    before = len(rung)
    while len(rung) == before:
        time.sleep(0.01)


def test_a_limit_holds_though_another_timer_rings_all_the_time():
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    with pytest.raises(TimeLimit):
        limited(lambda: [time.sleep(0.01) for _ in range(6000)], 0.2)


def test_what_another_timer_raises_leaves_the_function():
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    with pytest.raises(RangError):
        limited(wait_for_ever, LONG)
    assert signal.getsignal(signal.SIGALRM) is ring


def test_what_another_timer_raises_cannot_be_swallowed():
    def swallow() -> None:
        with contextlib.suppress(Exception):  # as careless as tools are
            wait_for_ever()

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    with pytest.raises(RangError):
        limited(swallow, LONG)


def test_the_inner_limit_is_the_shorter_one():
    def outer() -> str:
        with pytest.raises(TimeLimit):
            limited(wait_for_ever, 0.1)
        assert 0 < left() <= LONG
        return "went on"

    assert limited(outer, LONG) == "went on"
    assert left() == 0.0


def test_the_outer_limit_is_the_shorter_one():
    seen: list[str] = []

    def outer() -> None:
        limited(wait_for_ever, LONG)
        seen.append("went on")

    with pytest.raises(TimeLimit):
        limited(outer, 0.1)
    assert seen == []
    assert left() == 0.0


def test_elsewhere_nothing_is_set():
    results: list[Any] = []
    signal.setitimer(signal.ITIMER_REAL, LONG)
    thread = threading.Thread(target=lambda: results.append(limited(left, 0.001)))
    thread.start()
    thread.join()
    assert results[0] > LONG - 60


# -- through a whole turn ----------------------------------------------------------------


def chat(replay, *tools: Any) -> nbstream.Chat:
    return nbstream.Chat("m", base_url=replay.base_url, view="none", tools=tools)


def call(name: str) -> Any:
    return completion(tool_calls=[{"name": name, "arguments": "{}"}])


def test_a_turn_with_tools_leaves_the_user_s_timer(replay):
    def quick() -> int:
        return 1

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, LONG, 3.0)
    replay.reply(call("quick"), completion("done"))
    assert chat(replay, quick).send("a").text == "done"
    remaining, interval = signal.getitimer(signal.ITIMER_REAL)
    assert LONG - 60 < remaining < LONG
    assert (interval, signal.getsignal(signal.SIGALRM)) == (3.0, ring)


def test_the_user_s_timer_ends_a_turn_whose_tool_hangs(replay):
    def hang() -> None:
        wait_for_ever()

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    replay.reply(call("hang"))
    with pytest.raises(RangError):
        chat(replay, hang).send("a")


def test_a_tool_that_asks_a_model_with_tools_keeps_its_limit(replay):
    @nbstream.tool(timeout=0.5)
    def ask_another() -> str:
        return chat(replay, hang).send("b").text

    def hang() -> None:
        wait_for_ever()

    replay.reply(call("ask_another"), call("hang"), completion("I see"))
    response = chat(replay, ask_another).send("a")
    assert response.text == "I see"
    assert "no result within 0.5 s" in response.tool_calls[0].result.content
    assert left() == 0.0
