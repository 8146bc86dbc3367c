"""The short lines about an answer.

Plain text, for the live views, the saved notebook and the terminal alike. Each is one
line without control characters, but otherwise whatever a model or a server wrote:
callers escape it for where they put it.
"""

from __future__ import annotations

import json
import re
from typing import TypeGuard

from ..messages import ToolCall
from ..response import Response
from ..rounds import CALL_REASONS, OWN_END_REASONS, Round
from .invisible import invisible_characters

__all__ = ["call_line", "mark", "plain_summary", "reasoning_line", "usage_line", "usage_rows"]

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
        failed = "failed: " if call.result.is_error else ""
        came = _short(call.result.summary, _LONGEST_VALUE) or _gist(call.result.content)
        parts[0] += f" → {failed}{came}"
        if _is_worth_saying(call.result.seconds):
            parts.append(_seconds(call.result.seconds))
    return " · ".join(parts)


def mark(response: Response) -> str | None:
    """Why the answer is not whole, and what to do; None where it is, or still may be."""
    error = _short(str(response.error or "no reason given"), _LONGEST_ERROR)
    match response.status:
        case "running":
            return None
        case "cancelled":
            if _is_half(response):
                return "Stopped inside a tool call, which did not run. Ask again."
            return f"Stopped: this is a part of the answer.{_to_go_on(response)}"
        case "incomplete":
            return f"Incomplete: {error}"
        case "error":
            return f"Failed: {error}"
        case "complete":
            return _end(response) or _doubts(response) or _missing(response)


def usage_line(response: Response) -> str:
    """`gpt-5 · 12 → 340 tokens · first token 0.4 s · 52 tokens/s · stop`."""
    usage, timing = response.usage, response.timing
    parts = [_short(response.model or "unknown model", _LONGEST_TEXT)]
    if usage.prompt_tokens is not None or usage.completion_tokens is not None:
        parts.append(f"{_count(usage.prompt_tokens)} → {_count(usage.completion_tokens)} tokens")
    if timing.first_token is not None:
        parts.append(f"first token {_seconds(timing.first_token)}")
    if timing.tokens_per_second is not None:
        parts.append(f"{_rate(timing.tokens_per_second)} tokens/s")
    ending = response.finish_reason if response.status == "complete" else response.status
    if ending:
        parts.append(_short(ending, _LONGEST_VALUE))
    return " · ".join(parts)


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
        ("Tokens a second", None if (rate := timing.tokens_per_second) is None else _rate(rate)),
        ("Schema asked by", response.schema_form),
        ("Finish reason", response.finish_reason),
        ("Status", response.status),
    ]
    return [(name, _short(value, _LONGEST_TEXT)) for name, value in rows if value]


def plain_summary(response: Response) -> str:
    """One line: how it ended where it is not whole, how it begins, and the usage."""
    text = _short(response.text or response.refusal, _LONGEST_TEXT)
    if not text and any(turn.has_media for turn in response.rounds[-1:]):
        text = "(an image or a sound)"
    unfinished = "" if response.status == "complete" else f"[{response.status}] "
    return f"{unfinished}{text or '(no text)'} · {usage_line(response)}"


def _is_half(response: Response) -> bool:
    return bool(response.rounds) and response.rounds[-1].has_half_call


def _doubts(response: Response) -> str | None:
    """Why what came may not be what was asked for, or None."""
    last = response.rounds[-1:]
    choices = [choice for turn in last for choice in (turn, *turn.alternatives.values())]
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


def _end(response: Response) -> str | None:
    """What the provider's reason says of the end, where it is not that of a whole answer."""
    if not response.rounds:
        return None
    last = response.rounds[-1]
    if last.finish_reason == "length":
        if _is_half(response):
            return "Cut at the limit of tokens, inside a tool call. Ask again, with --max-tokens N."
        more = _to_go_on(response)
        return f"Cut at the limit of tokens{f'.{more}' if more else ': --max-tokens N allows more'}"
    if last.finish_reason == "content_filter":
        return "Cut by the provider's content filter. Reword the prompt, run it again."
    for index, choice in sorted({0: last, **last.alternatives}.items()):
        word = _short(choice.finish_reason or "", _LONGEST_VALUE)
        if word and word.lower() not in OWN_END_REASONS | CALL_REASONS:
            return f"Choice {index + 1} ended: {word}" if index else f"Ended: {word}"
    return None


def _missing(response: Response) -> str | None:
    """What a finished answer lacks, or None."""
    if not response.rounds:
        return "Empty: the model sent no text."
    last = response.rounds[-1]
    if any(draft.result is None for draft in last.calls):
        return f"Ended before its tools had run.{_to_go_on(response)}"
    choices = (last, *last.alternatives.values())
    if last.calls or any(c.has_media or len(c.refusal) or str(c.text).strip() for c in choices):
        return None
    if any(len(choice.reasoning) for choice in choices):
        return f"Empty: the model sent reasoning, and no text.{_to_go_on(response)}"
    return "Empty: the model sent no text."


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


def _gist(content: str) -> str:
    """A result in a few words: how many lines it has, where it has several."""
    lines = content.strip().splitlines()
    if len(lines) > 1:
        return f"{len(lines):,} lines"
    return _short(content, _LONGEST_VALUE) or "nothing"


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
