"""`%%chat` in terminal IPython, behind a real pseudo-terminal."""

from __future__ import annotations

import os
import re
import signal
import sys

import pexpect
import pytest
from replay import Hang, Reply, chunk, completion


@pytest.fixture
def terminal(replay, tmp_path):
    """An IPython at its prompt, with nbstream loaded."""
    env = {
        **os.environ,
        "OPENAI_BASE_URL": replay.base_url,
        "OPENAI_API_KEY": "sk-test",
        "IPYTHONDIR": str(tmp_path),
        "TERM": "dumb",
    }
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"],
        env=env,
        encoding="utf-8",
        timeout=30,
        dimensions=(50, 200),
        # A test run in the background of a shell ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    child.expect(r"In \[1\]: ")
    child.sendline("%load_ext nbstream")
    child.expect(r"In \[2\]: ")
    yield child
    child.close(force=True)


def ask(terminal, prompt):
    """Type a cell; two empty lines end it at the simple prompt."""
    terminal.sendline("%%chat -m replay-1 --out answer")
    terminal.sendline(prompt)
    terminal.sendline("")
    terminal.sendline("")


def test_text_comes_as_text(terminal, replay):
    replay.reply(completion("Hello **world** \x1b[31mred\x07 end", reasoning="hm"))
    ask(terminal, "Hi")
    terminal.expect(r"In \[3\]: ")
    shown = terminal.before
    assert "Hello **world**" in shown
    assert "tokens" in shown
    assert "IPython.core.display" not in shown
    assert "\x07" not in shown
    assert "\x1b[31m" not in shown
    terminal.sendline("answer.status, len(_chat.text)")
    terminal.expect(r"\('complete', \d+\)")
    terminal.sendline("%chat last")
    terminal.expect(r"Hello \*\*world\*\*")


def test_text_comes_before_the_end_and_ctrl_c_stops_it(terminal, replay):
    replay.reply(Reply([chunk({"content": "Half an ans"}), Hang()]))
    ask(terminal, "Hi")
    terminal.expect("Half an ans")
    terminal.sendintr()
    terminal.expect(r"In \[3\]: ")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.before)
    assert "Interrupted: stopped" in shown
    assert "Traceback" not in shown
    terminal.sendline("answer.status, answer.text")
    terminal.expect(r"\('cancelled', 'Half an ans'\)")
    assert replay.requests[-1].aborted.wait(2)
