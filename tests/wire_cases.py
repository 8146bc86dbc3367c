"""The hand-written streams of `tests/wire`, one named case a quirk.

A file says in its first lines what it is about, then as one JSON object what must come
out of it, and after a line `---` what the server sends. Of the object, what is left out
is expected to be empty: `text`, `reasoning`, `refusal`, `calls`, `usage`, `finish`,
`echo`, `errors` (pairs of message and code) and `alternatives`; `done` is true unless it
says otherwise. `extra`, `model` and `message` (the assistant message of the next request)
are compared where they are given. `newline`, `bom` and `encoding` change how the body is
written to the wire.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from nbstream.events import ErrorEvent, Event
from nbstream.rounds import Round
from nbstream.wire.dialects import Dialect
from nbstream.wire.reducer import Reducer
from nbstream.wire.sse import Chunk, Decoder

FOLDER = Path(__file__).parent / "wire"


@dataclass(frozen=True)
class WireCase:
    name: str
    about: str
    expected: dict[str, Any]
    body: bytes


@cache
def wire_cases() -> tuple[WireCase, ...]:
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.sse")))


def _read(path: Path) -> WireCase:
    head, _, body = path.read_bytes().decode().partition("\n---\n")
    about, _, expected_text = head.partition("\n{")
    expected = json.loads("{" + expected_text)
    body = body.replace("\n", expected.pop("newline", "\n"))
    prefix = b"\xef\xbb\xbf" if expected.pop("bom", False) else b""
    return WireCase(
        path.stem, about, expected, prefix + body.encode(expected.pop("encoding", "utf-8"))
    )


def decode(pieces: Iterable[bytes]) -> list[Chunk]:
    decoder = Decoder()
    return [chunk for piece in pieces for chunk in decoder.feed(piece)] + decoder.close()


def read(chunks: Iterable[Chunk]) -> tuple[Round, list[Event]]:
    """What the dialect and the reducer make of the chunks; made-up ids are `made-up-0`, ..."""
    numbers = count()
    dialect = Dialect(new_id=lambda: f"made-up-{next(numbers)}")
    events = [event for chunk in chunks for event in dialect.feed(chunk)] + dialect.close()
    turn = Round()
    reducer = Reducer(turn)
    for now, event in enumerate(events):
        reducer.apply(event, float(now))
    return turn, events


def errors(events: Iterable[Event]) -> list[list[str | None]]:
    return [[event.message, event.code] for event in events if isinstance(event, ErrorEvent)]
