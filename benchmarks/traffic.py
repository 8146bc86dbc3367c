"""What a front end makes of a cell's messages, and how many bytes they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kernel import Message

__all__ = ["Traffic", "busiest_second", "outputs", "traffic"]

# What every cell sends, whatever it does.
_SAME_FOR_ALL = ("status", "execute_input")
# The program of a widget; a real page has it once, however many answers there are.
_PROGRAM = ("_esm", "_css")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of iopub content, JSON and buffers.

    Attributes:
        live: what only the page sees while the cell runs.
        saved: the outputs that stand in the notebook in the end.
        program: code of a widget, in neither of these.
        messages: how many there were.
    """

    live: int
    saved: int
    program: int
    messages: int

    @property
    def counted(self) -> int:
        return self.live + self.saved


def traffic(messages: Iterable[Message]) -> Traffic:
    """Count a cell's messages; what is the same for all cells is left out."""
    counted = [message for message in messages if message.kind not in _SAME_FOR_ALL]
    program = sum(_program(message) for message in counted)
    # Each output that is saved came in one of the messages.
    saved = sum(_size(output) for output in outputs(counted))
    total = sum(message.size for message in counted)
    return Traffic(total - program - saved, saved, program, len(counted))


def outputs(messages: Iterable[Message]) -> list[Any]:
    """The cell's outputs at the end: texts of streams, and mime bundles."""
    shown: list[tuple[str | None, Any]] = []
    clear = False
    for message in messages:
        if message.kind not in ("stream", "clear_output", *_DISPLAYED, "update_display_data"):
            continue
        content = message.json()
        if message.kind == "clear_output" and content["wait"]:
            clear = True
            continue
        if message.kind == "update_display_data":
            shown = [_updated(output, content) for output in shown]
            continue
        if clear or message.kind == "clear_output":
            shown, clear = [], False
        if message.kind == "stream":
            _add_text(shown, content["text"])
        elif message.kind in _DISPLAYED:
            shown.append((_display_id(content), content["data"]))
    return [output for _, output in shown]


_DISPLAYED = ("display_data", "execute_result")


def _updated(output: tuple[str | None, Any], content: dict[str, Any]) -> tuple[str | None, Any]:
    return (output[0], content["data"]) if output[0] == _display_id(content) else output


def _add_text(shown: list[tuple[str | None, Any]], text: str) -> None:
    """Texts that follow each other are one output."""
    if shown and isinstance(shown[-1][1], list):
        shown[-1][1].append(text)
    else:
        shown.append((None, [text]))


def _display_id(content: dict[str, Any]) -> str | None:
    display_id: str | None = content.get("transient", {}).get("display_id")
    return display_id


def _size(output: Any) -> int:
    data = "".join(output) if isinstance(output, list) else output
    return len(json.dumps(data, ensure_ascii=False).encode())


def _program(message: Message) -> int:
    if message.kind != "comm_open":
        return 0
    state = message.json()["data"].get("state", {})
    return sum(_size(state[name]) for name in _PROGRAM if name in state)


def busiest_second(messages: Iterable[Message]) -> int:
    """The most messages that came within one second."""
    times = [message.at for message in messages if message.kind not in _SAME_FOR_ALL]
    first = most = 0
    for i, at in enumerate(times):
        while at - times[first] >= 1:
            first += 1
        most = max(most, i + 1 - first)
    return most
