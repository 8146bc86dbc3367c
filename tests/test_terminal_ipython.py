"""`%%chat` in terminal IPython, behind a real pseudo-terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pexpect
import pytest
from replay import Hang, Reply, chunk, completion, error


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


@pytest.mark.shows("IPython in a terminal", "restored")
def test_text_comes_as_text(terminal, replay):
    replay.reply(completion("Hello **world** \x1b[31mred\x07 end", reasoning="hm"))
    ask(terminal, "Hi")
    terminal.expect(r"In \[3\]: ")
    shown = terminal.before
    assert "Hello **world**" in shown
    assert "7 in · 9 out" in shown
    assert "IPython.core.display" not in shown
    assert "\x07" not in shown
    assert "\x1b[31m" not in shown
    terminal.sendline("answer.status, len(_chat.text)")
    terminal.expect(r"\('complete', \d+\)")
    terminal.sendline("%chat last")
    terminal.expect(r"Hello \*\*world\*\*")


@pytest.mark.shows("IPython in a terminal", "live", "Stop")
def test_text_comes_before_the_end_and_ctrl_c_stops_it(terminal, replay):
    replay.reply(Reply([chunk({"content": "Half an ans"}), Hang()]))
    ask(terminal, "Hi")
    terminal.expect("Half an ans")
    terminal.sendintr()
    terminal.expect(r"In \[3\]: ")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.before)
    assert shown.count("Stopped") == 1
    assert "Interrupted" not in shown
    assert "Traceback" not in shown
    terminal.sendline("answer.status, answer.text")
    terminal.expect(r"\('cancelled', 'Half an ans'\)")
    assert replay.requests[-1].aborted.wait(2)


@pytest.mark.shows("IPython in a terminal", "--bg")
def test_an_answer_comes_beside_what_is_typed(terminal, replay):
    replay.reply(completion("Later.", gate="piece"))
    terminal.sendline("get_ipython().run_cell_magic('chat', '--bg -m replay-1', 'Hi')")
    terminal.expect(r"In \[3\]: ")
    terminal.sendline("6 * 7")
    terminal.expect(r"Out\[3\]: 42")
    terminal.expect(r"In \[4\]: ")
    replay.open("piece-0")
    replay.open("piece-1")
    terminal.expect("Later.")
    terminal.sendline("_chat.wait(), _chat.status")
    terminal.expect(r"\(True, 'complete'\)")


def test_an_error_is_told_once(terminal, replay):
    replay.reply(error(404, "no model of that name"), error(404, "no model of that name"))
    ask(terminal, "Hi")
    terminal.expect(r"In \[3\]: ")
    assert terminal.before.count("no model of that name") == 1
    assert "NotFoundError: " in terminal.before
    terminal.sendline("import nbstream; nbstream.Chat('replay-1').send('Hi')")
    terminal.expect(r"In \[4\]: ")
    assert terminal.before.count("no model of that name") == 1
    terminal.sendline("%chat last")  # which does not fail, and tells it itself
    terminal.expect("no model of that name")


def test_what_send_returns_is_not_shown_again(terminal, replay):
    replay.reply(completion("Hello there"), completion("Hello again"))
    terminal.sendline("import nbstream; chat = nbstream.Chat('replay-1'); chat.send('Hi')")
    terminal.expect(r"In \[3\]: ")
    assert terminal.before.count("Hello there") == 1
    terminal.sendline("chat.last")
    terminal.expect("Hello there")
    terminal.sendline("print(f'<{_3}>')")
    terminal.expect("<Hello there>")


def test_head_reads_the_beginning_and_all_ends_quietly(replay, tmp_path):
    """As in `python ask.py | head -1`: the pipe is closed while the answer comes."""
    replay.reply(completion(["first line\n", "second line\n", "third line\n"], gate="piece"))
    program = tmp_path / "ask.py"
    program.write_text(
        f"import nbstream\nchat = nbstream.Chat('replay-1', base_url='{replay.base_url}')\n"
        "answer = chat.send('Hi')\nprint(answer)\n"
        f"open({str(tmp_path / 'kept.txt')!r}, 'w').write(answer.text)\n"
    )
    running = subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    replay.open("piece-0")
    assert running.stdout.readline() == "first line\n"
    running.stdout.close()
    replay.open("piece-1")
    replay.open("piece-2")
    assert running.stderr.read() == ""
    assert running.wait(30) == 0
    running.stderr.close()
    assert (tmp_path / "kept.txt").read_text().count("line") == 3
