"""An interrupt that comes at a bad moment: it stops the answer, and harms nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from kernels import kernel
from long import LONG
from replay import Hang, Reply, chunk, completion

from nbstream.interrupts import Interrupts, interrupts

STALLS = Reply([chunk({"content": "hello"}), Hang()])
TIMES = 600 if LONG else 60


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)  # it is handled between two steps


def test_an_interrupt_goes_to_who_stops():
    stopped = []
    with interrupts() as held:
        held.stop_by(lambda: stopped.append(1))
        interrupt()
        interrupt()
    assert stopped == [1, 1]


def test_one_that_came_before_is_told():
    stopped = []
    with interrupts() as held:
        interrupt()
        assert held.is_pending
        held.stop_by(lambda: stopped.append(1))
    assert stopped == [1]


def test_one_that_nobody_is_told_of_is_raised_behind_the_block():
    reached = False
    with pytest.raises(KeyboardInterrupt), interrupts():  # noqa: PT012  # two steps
        interrupt()
        reached = True
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_breaks_into_the_code_of_the_user_once():
    with interrupts() as held:
        held.stop_by(lambda: None)
        with pytest.raises(KeyboardInterrupt), held.breaking_in():
            interrupt()
        interrupt()


def test_who_has_waited_long_enough_gets_away(monkeypatch):
    monkeypatch.setattr("nbstream.interrupts._PATIENCE", 0.05)
    with interrupts() as held:
        held.stop_by(lambda: None)
        interrupt()
        time.sleep(0.06)
        with pytest.raises(KeyboardInterrupt):
            interrupt()


def test_elsewhere_nothing_is_held():
    assert not Interrupts().is_pending


AT_ONCE = """
import os, random, signal, threading, time
random.seed(7)
ends = []
def interrupt(seconds):
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGINT)
for _ in range({times}):
    timer = threading.Thread(target=interrupt, args=(random.uniform(0.0005, 0.02),))
    try:
        timer.start()
        get_ipython().run_cell_magic("chat", "--session a", "hi")
    except KeyboardInterrupt as error:
        ends.append(type(error).__name__)
    try:
        timer.join()
        time.sleep(0.01)
    except KeyboardInterrupt:
        ends.append("too late")
turns = get_ipython().magics_manager.registry["ChatMagics"].sessions["a"].turns
running = [turn for turn in turns if not turn.response.done]
"""


def test_an_answer_that_has_just_begun_is_stopped(replay):
    replay.fallback = STALLS
    with kernel(OPENAI_BASE_URL=replay.base_url, OPENAI_API_KEY="x") as nb:
        replay.reply(completion("warm"))
        assert not nb.run("%config ChatMagics.model = 'm'").error
        assert not nb.run("%%chat --no-history\nhi").error
        assert not nb.run(AT_ONCE.format(times=TIMES), timeout=TIMES).error
        # One that came between two cells is not ours.
        assert int(nb.value("ends.count('Interrupted')")) >= TIMES * 0.9
        assert nb.value("running") == "[]"
        replay.reply(completion("I am still here."))
        assert "I am still here." in str(nb.run("%%chat\nhi").outputs)
        assert replay.wait_until(lambda: replay.connections_open <= 1)


def test_a_script_ends_with_a_stream_open(replay):
    replay.fallback = STALLS
    script = f"""
import nbstream
events = nbstream.Chat("m", base_url={replay.base_url!r}).stream("x")
print(next(events).kind, flush=True)
"""
    env = {**os.environ, "OPENAI_API_KEY": "x"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
