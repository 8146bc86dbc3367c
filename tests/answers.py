"""Scripted answers: a `Response` that grows step by step, without a server."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from nbstream.approval import Approval
from nbstream.messages import ToolResult, Usage
from nbstream.response import Response, Timing
from nbstream.rounds import CallDraft, Round

Step = tuple[str, Any]

ANSWER = (
    """\
# Berlin and Munich

Two cities, **compared** in a few lines; the second has *less* rain. See `weather.csv` and
[the source](https://example.com/weather).

1. Berlin
   - 3.7 million people
   - flat
2. Munich
   - 1.5 million people

| City | Rain (mm) | Sun (h) |
|:-----|----------:|--------:|
| Berlin | 570 | 1626 |
| Munich | 944 | 1709 |

```python
import pandas as pd

rain = pd.read_csv("weather.csv")  # one row a city
print(rain.describe())
```

> Rain is a matter of taste.

The mean is $\\bar{x} = \\frac{1}{n}\\sum_i x_i$, and in all

$$
\\sigma^2 = \\frac{1}{n}\\sum_i (x_i - \\bar{x})^2
$$

- [x] read the table
- [ ] ~~wait~~ decide

## In other scripts

ベルリンは平らな街です。 ברלין היא עיר שטוחה. 🌧️ and a long_word_"""
    + "x" * 150
    + "\n"
)


def rich() -> list[Step]:
    """Reasoning, two tool calls, then an answer that uses most of markdown."""
    return [
        ("round", "model-1"),
        *pieces("reasoning", "The user wants the weather.\n\nI look **both** cities up first.", 7),
        ("call", "lookup_city"),
        *pieces("arguments", '{"city": "Berlin", "units": "metric"}', 9),
        ("call", "lookup_city"),
        *pieces("arguments", '{"city": "Munich"}', 9),
        ("finish", "tool_calls"),
        ("usage", Usage(120, 40, 160)),
        ("asks", 0),
        ("runs", 0),
        ("runs", 1),
        ("result", ToolResult('{"rain": 570}', seconds=0.2)),
        ("result", ToolResult("no such city <b>Munich</b>", status="failed", seconds=0.1)),
        ("round", "model-1"),
        *pieces("reasoning", "Now I can answer.", 6),
        *pieces("text", ANSWER, 9),
        ("finish", "stop"),
        ("usage", Usage(300, 420, 720, cached_tokens=100, reasoning_tokens=30)),
    ]


def thought() -> list[Step]:
    """Reasoning that looks like text until it has ended."""
    return [
        ("round", "model-1"),
        *pieces("text", "The user wants **one** word.\n\n- Berlin?\n", 9),
        ("thought", 2.0),
        *pieces("text", "It is *Berlin*.", 6),
        ("finish", "stop"),
    ]


def unclosed() -> list[Step]:
    """An answer that looks like reasoning until it has ended."""
    return [
        ("round", "model-1"),
        *pieces("reasoning", "It is *Berlin*.\n\n- big\n", 6),
        ("finish", "stop"),
        ("answer", None),
    ]


def pieces(kind: str, text: str, size: int) -> Iterator[Step]:
    """`text` as steps of `size` characters."""
    return ((kind, text[i : i + size]) for i in range(0, len(text), size))


def grow(response: Response, steps: Iterable[Step]) -> Iterator[Response]:  # noqa: C901, PLR0912  # a case a step
    """Apply the steps one by one, and yield `response` after each."""
    for kind, value in steps:
        last = response.rounds[-1] if response.rounds else None
        if kind == "round":
            response.rounds.append(Round(model=value))
        elif kind == "notice":
            response.notice = value
        elif kind == "call":
            last.calls.append(CallDraft(f"call-{len(last.calls)}", value))
        elif kind == "arguments":
            last.calls[-1].arguments.append(value)
        elif kind == "asks":
            last.calls[value].approval = Approval(last.calls[value].call())
        elif kind == "runs":
            last.calls[value].approval, last.calls[value].running_since = None, time.monotonic()
        elif kind == "result":
            next(call for call in last.calls if call.result is None).result = value
        elif kind == "finish":
            last.finish_reason = value
        elif kind == "usage":
            last.usage = value
        elif kind == "thought":
            last.text_was_reasoning(value)
        elif kind == "answer":
            last.reasoning_was_text()
        else:
            getattr(last, kind).append(value)
        yield response


def finish(response: Response, status: str = "complete", error: BaseException | None = None):
    """Close the record as the driver does."""
    response.finish(status, error, Timing(0.31, 4.2, 98.7))
    return response
