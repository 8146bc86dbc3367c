"""Answers as plain text: what a terminal shows, and what it must not obey."""

from __future__ import annotations

import io
import os
import random
import sys
from pathlib import Path

import answers
import pexpect
import pytest

from nbstream.errors import Interrupted
from nbstream.messages import ToolResult
from nbstream.render.style import RenderStyle
from nbstream.response import Response
from nbstream.views.terminal import TerminalView, printable


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(steps, stream=None, *, every=1, **end):
    """All that the view writes for these steps."""
    stream = io.StringIO() if stream is None else stream
    view, response = TerminalView(stream), Response()
    view.open(response)
    for i, _ in enumerate(answers.grow(response, steps)):
        if i % every == 0:
            view.update(response)
    view.close(answers.finish(response, **end))
    return stream.getvalue()


def test_text_comes_as_it_comes():
    stream = io.StringIO()
    view, response = TerminalView(stream), Response()
    view.open(response)
    seen = ""
    steps = [("round", "m"), *answers.pieces("text", "Hello **world**\n\n- one\n", 5)]
    for _ in answers.grow(response, steps):
        view.update(response)
        assert stream.getvalue() == str(response.rounds[-1].text)
        seen = stream.getvalue()
    view.close(answers.finish(response))
    assert stream.getvalue() == f"{seen}\nm · 0.3 s to first token · 99 tokens/s\n"


def test_reasoning_calls_and_results_are_told_apart():
    assert shown(answers.rich(), every=3).startswith(
        "| The user wants the weather.\n"
        "\n"
        "| I look **both** cities up first.\n"
        "\n"
        'lookup_city(city="Berlin", units="metric")\n'
        'lookup_city("Munich")\n'
        'lookup_city → {"rain": 570}\n'
        "lookup_city → failed: no such city <b>Munich</b>\n"
        "\n"
        "| Now I can answer.\n"
        "\n"
        "# Berlin and Munich\n"
    )


def test_text_that_was_reasoning_is_said_to_be():
    text = shown(answers.thought())
    assert text.startswith(
        "The user wants **one** word.\n"
        "\n"
        "- Berlin?\n"
        "(So far the model was reasoning.)\n"
        "It is *Berlin*.\n"
    )
    assert shown(answers.thought(), every=100).startswith(
        "| The user wants **one** word.\n\n| - Berlin?\n\nIt is *Berlin*.\n"
    )


def test_reasoning_that_was_the_answer_is_said_to_be():
    assert shown(answers.unclosed()).startswith(
        "| It is *Berlin*.\n\n| - big\n(That was the answer.)\n"
    )
    assert shown(answers.unclosed(), every=100).startswith("It is *Berlin*.\n\n- big\n")


def test_a_result_follows_its_call():
    steps = [("round", "m"), ("call", "f"), ("arguments", "{}"), ("finish", "tool_calls")]
    steps.append(("result", ToolResult("done")))
    assert shown(steps).startswith("f()\n  → done\n")


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_how_it_is_cut_into_pieces_does_not_matter(size):
    reasoning, text = "a\n\nb c\n", "d\ne"
    steps = [("round", "m"), *answers.pieces("reasoning", reasoning, size)]
    steps += answers.pieces("text", text, size)
    assert shown(steps).startswith("| a\n\n| b c\n\nd\ne\n\nm · ")


def test_reasoning_is_dimmed_where_there_is_a_terminal(monkeypatch):
    steps = [("round", "m"), ("reasoning", "why"), ("text", "so")]
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert shown(steps, Terminal()).startswith("\x1b[2mwhy\x1b[22m\n\nso\n")
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(steps, Terminal()).startswith("| why\n\nso\n")


def test_marks_and_notices_are_lines_of_their_own():
    steps = [("notice", "429 · again in 1 s"), ("notice", ""), ("round", "m"), ("text", "par")]
    out = shown(steps, status="cancelled", error=Interrupted("stopped"))
    assert out.startswith("429 · again in 1 s\npar\n\nStopped. The text so far is kept.")
    assert out.endswith("\n")
    assert not out.endswith("\n\n")


CONTROLS = [chr(c) for c in [*range(32), 127, *range(128, 160)] if chr(c) not in "\t\n"]
ATTACKS = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x9b31m",
    "\rover\x08\x08",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1bP+q544e\x1b\\",
    "\x1b",
]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_a_terminal_obeys_gets_through(attack, size):
    everywhere = [
        ("notice", attack),
        ("round", attack),
        *answers.pieces("reasoning", f"a{attack}b", size),
        *answers.pieces("text", f"a{attack}b", size),
        *answers.pieces("refusal", f"a{attack}b", size),
        ("call", attack),
        *answers.pieces("arguments", f'{{"{attack}": "{attack}"}}', size),
        ("result", ToolResult(attack)),
    ]
    out = shown(everywhere, status="error", error=RuntimeError(attack))
    assert not [char for char in CONTROLS if char in out]
    assert out.count("a") >= 3


def test_no_times_where_a_notebook_keeps_none():
    stream, response = io.StringIO(), Response()
    view = TerminalView(stream, style=RenderStyle(saved_timings=False))
    view.open(response)
    for _ in answers.grow(response, [("round", "m"), ("text", "Hello")]):
        view.update(response)
    view.close(answers.finish(response))
    assert stream.getvalue() == "Hello\n\nm\n"


def test_printable_keeps_everything_else():
    rng = random.Random(7)
    letters = "aé漢🌧\u202e\u200d\t\n ~"
    text = "".join(rng.choices(letters, k=500))
    assert printable(text) == text
    assert printable("".join(CONTROLS)) == ""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_console_that_cannot_show_everything_shows_the_rest(encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    view, response = TerminalView(stream), Response()
    view.open(response)
    for _ in answers.grow(response, [("round", "m"), ("text", "a漢\ud83db")]):
        view.update(response)
    view.close(answers.finish(response))
    assert raw.getvalue().decode(encoding).startswith("a??b\n")


def test_terminal_ipython_shows_text_and_no_objects(tmp_path):
    """The whole way: IPython in a real pseudo-terminal picks the text view by itself."""
    script = tmp_path / "answer.py"
    script.write_text(
        "import answers\n"
        "from nbstream.response import Response\n"
        "from nbstream.views.choose import choose_view\n"
        "response, view = Response(), choose_view('auto', owns_cell=True)\n"
        "view.open(response)\n"
        "for _ in answers.grow(response, answers.rich()):\n"
        "    view.update(response)\n"
        "view.close(answers.finish(response))\n"
        "print(type(get_ipython()).__name__)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "IPYTHONDIR": str(tmp_path)}
    command = ["-m", "IPython", "--no-banner", "--no-confirm-exit", str(script)]
    child = pexpect.spawn(sys.executable, command, env=env, timeout=60, encoding="utf-8")
    child.expect(pexpect.EOF)
    out = child.before
    assert "TerminalInteractiveShell" in out
    assert "\x1b[2mNow I can answer.\x1b[22m" in out.replace("\x1b[22m\x1b[2m", "")
    assert "# Berlin and Munich\r\n" in out
    assert "object at 0x" not in out
    assert "IPython.core" not in out
