"""Plain text as it comes, for terminals and for `--view text`."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TextIO

from ..messages import ToolResult
from ..render.json_text import JSONAnswer
from ..render.style import DEFAULT_STYLE, RenderStyle
from ..render.summary import call_line, mark, result_line, usage_line
from ..render.untimed import untimed
from ..response import Response
from ..rounds import CallDraft, Round

__all__ = ["TerminalView", "printable"]

log = logging.getLogger("nbstream")

# Whole escape sequences first, then every control character but \t and \n.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_DIM, _NORMAL = "\x1b[2m", "\x1b[22m"
_WAS_REASONING = "(So far the model was reasoning.)"
_WAS_ANSWER = "(That was the answer.)"
_QUOTE = "| "  # begins the lines of reasoning where there is nothing to dim them with
_RESULT_SHOWN = 200  # characters of a tool's result; the response keeps all of it


def printable(text: str) -> str:
    """`text` without what a terminal would obey: escapes, controls other than tab and newline."""
    return _CONTROL.sub("", _ESCAPE.sub("", text))


class TerminalView:
    """Writes an answer to a text stream, as it comes.

    Args:
        stream: where to write; by default `sys.stdout` as it is when the view opens.
        tells_error: whether to say why an answer failed or is cut. Who asked may raise that,
            and it is told once; the last line says that it is not whole in any case.
        style: how answers look; of a notebook's cell, this is saved as well.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        tells_error: bool = True,
        style: RenderStyle = DEFAULT_STYLE,
    ) -> None:
        self._stream = stream
        self._tells_error = tells_error
        self._style = style

    def open(self, response: Response) -> None:  # noqa: ARG002  # every view gets it
        self._paper = _Paper(self._stream or sys.stdout)
        self._rounds: list[_Shown] = []
        self._notice = ""

    def update(self, response: Response) -> None:
        if response.notice != self._notice:
            self._notice = response.notice
            self._paper.line(printable(self._notice))
        for i, turn in enumerate(response.rounds):
            if i == len(self._rounds):
                answer = JSONAnswer(is_markdown=False) if response.is_json else None
                self._rounds.append(_Shown(answer=answer))
            is_over = turn.ended or response.done or i + 1 < len(response.rounds)
            self._show(turn, self._rounds[i], is_over=is_over)
        self._paper.flush()

    def close(self, response: Response) -> None:
        try:
            self.update(response)
        except Exception:
            log.exception("the view failed; the rest of the answer is written as it came")
            self._write_rest(response)
        self._paper.paragraph("")
        if self._tells_error or response.status not in ("error", "incomplete"):
            self._paper.line(_said(mark, response))
        self._paper.line(_said(self._usage, response))
        self._paper.flush()

    def _usage(self, response: Response) -> str:
        return usage_line(response if self._style.saved_timings else untimed(response))

    def _write_rest(self, response: Response) -> None:
        """The texts that are not written yet, as they came."""
        for i, turn in enumerate(response.rounds):
            shown = self._rounds[i] if i < len(self._rounds) else _Shown()
            for channel, seen in shown.characters.items():
                rest = getattr(turn, channel).since(seen)
                if rest:
                    self._paper.paragraph(channel)
                    self._paper.write(printable(rest), quiet=channel == "reasoning")

    def _show(self, turn: Round, shown: _Shown, *, is_over: bool) -> None:
        if turn.is_reread and not shown.is_reread:
            shown.is_reread = True
            if shown.characters["text"]:  # what is written stays
                self._paper.line(_WAS_REASONING)
                shown.characters |= {"reasoning": len(turn.reasoning), "text": 0}
                if shown.answer is not None:
                    shown.answer = JSONAnswer(is_markdown=False)
        if turn.is_unclosed and not shown.is_unclosed:
            shown.is_unclosed = True
            if shown.characters["reasoning"]:  # what is written stays
                self._paper.line(_WAS_ANSWER)
                shown.characters |= {"reasoning": 0, "text": shown.characters["reasoning"]}
        for channel in ("reasoning", "text", "refusal"):
            came = getattr(turn, channel).since(shown.characters[channel])
            new = shown.laid_out(came, is_over=is_over) if channel == "text" else came
            if new:
                self._paper.paragraph(channel)
                self._paper.write(printable(new), quiet=channel == "reasoning")
            shown.characters[channel] += len(came)
        for i, draft in enumerate(turn.calls):
            is_whole = is_over or i + 1 < len(turn.calls)
            self._show_call(i, draft, shown, is_whole=is_whole)

    def _show_call(self, i: int, draft: CallDraft, shown: _Shown, *, is_whole: bool) -> None:
        if is_whole and i == shown.calls:
            shown.calls += 1
            shown.newest = i
            self._paper.paragraph("calls")
            self._paper.line(printable(call_line(draft.call())))
        if draft.result is not None and i == shown.results:
            shown.results += 1
            whose = "" if i == shown.newest else printable(draft.name)
            shown.newest = i
            self._paper.line(f"{whose or ' '} → {_result(draft.result)}")


def _result(result: ToolResult) -> str:
    if result.status in ("rejected", "stopped"):
        return printable(result_line(result, _RESULT_SHOWN))
    sign = "failed: " if result.is_error else ""
    text = " ".join(printable(result.content[: 2 * _RESULT_SHOWN]).split())
    short = text if len(text) <= _RESULT_SHOWN else text[: _RESULT_SHOWN - 1] + "…"
    return f"{sign}{short}"


def _said(line: Callable[[Response], str | None], response: Response) -> str:
    try:
        return printable(line(response) or "")
    except Exception:
        log.exception("a line about an answer could not be written")
        return f"[{response.status}]"


@dataclass(slots=True)
class _Shown:
    """How much of a round has been written."""

    characters: dict[str, int] = field(
        default_factory=lambda: {"reasoning": 0, "text": 0, "refusal": 0}
    )
    calls: int = 0
    results: int = 0
    newest: int = 0  # the call that the last line is about
    answer: JSONAnswer | None = None  # lays out the text
    is_reread: bool = False
    is_unclosed: bool = False

    def laid_out(self, text: str, *, is_over: bool) -> str:
        """More of the text, as it is written."""
        if self.answer is None:
            return text
        return self.answer.feed(text) + (self.answer.close() if is_over else "")


class _Paper:
    """A text stream on which paragraphs, lines and running text take turns."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dims = stream.isatty() and not os.environ.get("NO_COLOR")
        self._paragraph = ""
        self._is_at_line_start = True
        self._has_reader = True

    def paragraph(self, name: str) -> None:
        """What follows belongs to `name`; a blank line parts it from something else."""
        if self._paragraph not in ("", name):
            self.line("")
            self._put("\n")
        self._paragraph = name

    def line(self, text: str) -> None:
        """Write `text` as a line of its own; an empty one only ends the current line."""
        if not self._is_at_line_start:
            self._put("\n")
        if text:
            self._put(f"{text}\n")
        self._is_at_line_start = True

    def write(self, text: str, *, quiet: bool) -> None:
        """Write running text."""
        if not text:
            return
        if quiet and self._dims:
            self._put(f"{_DIM}{text}{_NORMAL}")
        else:
            self._put(self._quoted(text) if quiet else text)
        self._is_at_line_start = text.endswith("\n")

    def _quoted(self, text: str) -> str:
        lines = text.split("\n")
        first = _QUOTE if self._is_at_line_start and lines[0] else ""
        rest = [_QUOTE + line if line else "" for line in lines[1:]]
        return first + "\n".join([lines[0], *rest])

    def _put(self, text: str) -> None:
        if self._has_reader:
            self._attempt(partial(self._write, text))

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:  # a console that is not UTF-8, or half of a surrogate pair
            encoding = self._stream.encoding or "ascii"
            self._stream.write(text.encode(encoding, "replace").decode(encoding))

    def flush(self) -> None:
        if self._has_reader:
            self._attempt(self._stream.flush)

    def _attempt(self, write: Callable[[], None]) -> None:
        """Write; where the other end of a pipe is closed, as `head` does it, nobody reads on.

        The answer itself goes on. What the program writes later, and what Python flushes at its
        end, goes nowhere as well (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
        """
        try:
            write()
        except BrokenPipeError:
            self._has_reader = False
            with suppress(OSError, ValueError):  # a stream without a file
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
