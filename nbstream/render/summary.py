"""The short lines about an answer.

Plain text, for the live views, the saved notebook and the terminal alike. Each is one
line without control characters, but otherwise whatever a model or a server wrote:
callers escape it for where they put it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TypeGuard

from ..endings import choices_of, ending_of, is_half, own_reason
from ..messages import ToolCall, ToolResult
from ..response import Response
from ..rounds import Round
from .invisible import invisible_characters

__all__ = [
    "call_line",
    "mark",
    "plain_summary",
    "reasoning_line",
    "result_line",
    "usage_line",
    "usage_rows",
]

_LONGEST_VALUE = 40  # characters of one argument, or of a result
_LONGEST_CALL = 80  # of all arguments together
_LONGEST_TEXT = 100
_LONGEST_ERROR = 400

_UNCLOSED = "The model never ended its reasoning: this text may be that, and no answer."
_LEAKED = (
    "The model wrote a tool call as text ({}), and nothing ran. Look at the server, which has to "
    "read it: vLLM --enable-auto-tool-choice --tool-call-parser NAME, SGLang --tool-call-parser "
    "NAME, llama.cpp --jinja, Ollama and LM Studio a model whose template knows tools."
)

# Controls, lone surrogates, and what turns the direction of the text that follows.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_MAX_INVISIBLE = 4  # that are named
_INVISIBLE = "The text holds invisible characters ({}): shown here by name, kept in what is copied."


def reasoning_line(turn: Round) -> str:
    """`Reasoning · 3.2 s · 128 tokens`."""
    parts = ["Reasoning"]
    if _is_worth_saying(turn.reasoning_seconds):
        parts.append(_seconds(turn.reasoning_seconds))
    if turn.usage is not None and turn.usage.reasoning_tokens:
        parts.append(f"{turn.usage.reasoning_tokens:,} tokens")
    return " · ".join(parts)


def call_line(call: ToolCall) -> str:
    """`lookup_city("Berlin") → 3 rows · 0.2 s`; without the arrow where it has not run."""
    name = _short(call.name, _LONGEST_VALUE)
    parts = [f"{name}({_short(_arguments(call.arguments), _LONGEST_CALL)})"]
    if call.result is not None:
        parts[0] += f" → {result_line(call.result, _LONGEST_VALUE)}"
        if _is_worth_saying(call.result.seconds):
            parts.append(_seconds(call.result.seconds))
    return " · ".join(parts)


def result_line(result: ToolResult, most: int) -> str:
    """`3 rows`, `failed: no such city`, `rejected: not in that folder`, `stopped`."""
    if result.status == "stopped":
        return "stopped"
    said = _short(result.summary, most)
    if result.status == "rejected":
        return f"rejected: {said}" if said else "rejected"
    failed = "failed: " if result.status == "failed" else ""
    return f"{failed}{said or _gist(result.content, most)}"


def mark(response: Response) -> str | None:
    """Why the answer is not whole, and what to do; None where it is, or still may be.

    It begins with the word of `endings.ENDINGS`, but for a failure, which says itself what it is.
    """
    word = ending_of(response)
    return None if word == "running" else _MARKS.get(word, _cut)(response)


def usage_line(response: Response) -> str:
    """`gpt-5 · 12 in · 340 out · 0.4 s to first token · 52 tokens/s`; how it ended if not whole."""
    usage, timing = response.usage, response.timing
    parts = [_short(response.model or "unknown model", _LONGEST_TEXT)]
    if usage.prompt_tokens is not None or usage.completion_tokens is not None:
        parts.append(f"{_count(usage.prompt_tokens)} in")
        parts.append(f"{_count(usage.completion_tokens)} out")
    if timing.first_token is not None:
        parts.append(f"{_seconds(timing.first_token)} to first token")
    if timing.tokens_per_second is not None:
        parts.append(f"{_rate(timing.tokens_per_second)} tokens/s")
    word = ending_of(response)
    parts.append(_ended(response) if word == "ended" else word)
    return " · ".join(filter(None, parts))


def usage_rows(response: Response) -> list[tuple[str, str]]:
    """Names and values of all that is known, for a table of two columns."""
    usage, timing = response.usage, response.timing
    rows = [
        ("Model", response.model),
        ("Prompt tokens", _known(usage.prompt_tokens)),
        ("Completion tokens", _known(usage.completion_tokens)),
        ("Cached tokens", _known(usage.cached_tokens)),
        ("Reasoning tokens", _known(usage.reasoning_tokens)),
        ("Time to first token", _time(timing.first_token)),
        ("Duration", _time(timing.duration)),
        ("Tokens per second", None if (rate := timing.tokens_per_second) is None else _rate(rate)),
        ("Schema asked by", response.schema_form),
        ("Finish reason", response.finish_reason),
        ("Ended", ending_of(response) or "complete"),
    ]
    return [(name, _short(value, _LONGEST_TEXT)) for name, value in rows if value]


def plain_summary(response: Response) -> str:
    """One line: how it ended where it is not whole, how it begins, and the usage."""
    text = _short(response.text or response.refusal, _LONGEST_TEXT)
    if not text and any(turn.has_media for turn in response.rounds[-1:]):
        text = "(an image or a sound)"
    word = ending_of(response)
    unfinished = f"[{word}] " if word else ""
    return f"{unfinished}{text or '(no text)'} · {usage_line(response)}"


def _doubts(response: Response) -> str | None:
    """Why what came may not be what was asked for, or None."""
    last = response.rounds[-1:]
    choices = [choice for turn in last for choice in choices_of(turn)]
    leaked = next((choice.leaked_call for choice in choices if choice.leaked_call), "")
    doubts = [_LEAKED.format(_short(leaked, _LONGEST_VALUE))] if leaked else []
    if any(choice.is_unclosed for choice in choices):
        doubts.append(_UNCLOSED)
    texts = "".join(str(choice.text) for choice in choices)
    if found := invisible_characters(texts):
        names = ", ".join(found[:_MAX_INVISIBLE]) + (", …" if len(found) > _MAX_INVISIBLE else "")
        doubts.append(_INVISIBLE.format(names))
    return " ".join(doubts) or None


def _to_go_on(response: Response) -> str:
    return f" To go on, type: {response.go_on}" if response.go_on else ""


def _error(response: Response) -> str:
    return _short(str(response.error or "no reason given"), _LONGEST_ERROR)


def _cut(response: Response) -> str:
    """The line for an answer that was stopped or cut off."""
    word, more = ending_of(response), _to_go_on(response)
    begins = word.capitalize()
    if is_half(response):
        hint = "" if word == "stopped" else ", with --max-tokens N"
        return f"{begins} inside a tool call, which did not run. Ask again{hint}."
    if word == "stopped" and all(turn.is_empty for turn in response.rounds):
        return f"{begins} before any of the answer came."
    if word == "stopped":
        return f"{begins}. The text so far is kept.{more}"
    if word.endswith("filter"):
        return f"{begins}. Reword the prompt, run it again."
    return f"{begins}.{more}" if more else f"{begins}: --max-tokens N allows more"


def _ended(response: Response) -> str:
    index, reason = own_reason(response.rounds[-1]) or (0, "")
    reason = _short(reason, _LONGEST_VALUE)
    return f"Choice {index + 1} ended: {reason}" if index else f"Ended: {reason}"


def _empty(response: Response) -> str:
    if doubts := _doubts(response):  # a call that was written as text explains it better
        return doubts
    if any(len(each.reasoning) for turn in response.rounds[-1:] for each in choices_of(turn)):
        return f"Empty: the model sent reasoning, and no text.{_to_go_on(response)}"
    return "Empty: the model sent no text."


_MARKS: dict[str, Callable[[Response], str | None]] = {
    "": _doubts,
    "refused": _doubts,
    "failed": _error,
    "incomplete": lambda response: f"Incomplete: {_error(response)}",
    "ended": _ended,
    "empty": _empty,
    "tools not run": lambda response: f"Tools not run: it ended with calls.{_to_go_on(response)}",
}


def _arguments(text: str) -> str:
    """`"Berlin"`, or `city="Berlin", days=3` where there are several."""
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(arguments, dict):
        return text
    values = {name: _short(_json(value), _LONGEST_VALUE) for name, value in arguments.items()}
    if len(values) == 1:
        return next(iter(values.values()))
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _gist(content: str, most: int) -> str:
    """A result in a few words: how many lines it has, where it has several."""
    lines = content.strip().splitlines()
    if len(lines) > 1:
        return f"{len(lines):,} lines"
    return _short(content, most) or "nothing"


def _short(text: str, most: int) -> str:
    """`text` on one line, at most so many characters long."""
    line = _UNPRINTABLE.sub("", " ".join(text[: 4 * most].split()))
    cut = len(line) > most or len(text) > 4 * most
    return f"{line[: most - 1]}…" if cut else line


def _is_worth_saying(seconds: float | None) -> TypeGuard[float]:
    return seconds is not None and seconds >= 0.005


def _seconds(seconds: float) -> str:
    if seconds >= 59.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes:,} min {rest} s"
    return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.{1 if seconds >= 0.1 else 2}f} s"


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else _seconds(seconds)


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 9.95 else f"{rate:.1f}"


def _known(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"


def _count(number: int | None) -> str:
    return _known(number) or "?"
