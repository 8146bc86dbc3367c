"""Bytes -> JSON chunks: the framing of server-sent events, and nothing of their meaning.

Two standards are read at once: the event stream of the HTML specification
(https://html.spec.whatwg.org/multipage/server-sent-events.html), and what servers make
of it: one line feed between events, an `error:` field, bare JSON lines, a body that is
no stream at all. The body's first bytes decide which it is, because the Content-Type of
real servers is wrong in both directions.

Bad input never raises: it comes out as a chunk that says so, in its place in the
stream, so that what came before it is kept.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from .bounds import MAX_OBJECTS, cut, too_many
from .json_values import is_deeper, is_halved, rejoined, without_surrogates

__all__ = ["DONE", "Body", "Chunk", "Decoder", "Done", "ErrorFrame", "Foreign", "Malformed"]


@dataclass(frozen=True, slots=True)
class Done:
    """The stream said `[DONE]`."""


DONE = Done()


@dataclass(frozen=True, slots=True)
class ErrorFrame:
    """An `error:` field or an `event: error` frame; `value` is its JSON, else its text."""

    value: Any


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something in the stream that cannot be read; `reason` is one line for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Body:
    """The whole body is one JSON value instead of a stream."""

    value: Any


@dataclass(frozen=True, slots=True)
class Foreign:
    """The body is neither a stream nor JSON; `text` is how it begins."""

    text: str


#: A dict is the JSON object of one event.
Chunk = dict[str, Any] | Done | ErrorFrame | Malformed | Body | Foreign

_MAX_LINE = 16 * 2**20  # bytes; an image in base64 fits, a runaway server does not
_MAX_TOTAL = 2**30  # bytes; a million tokens are about 300 MB on the wire
_MAX_DEPTH = 250  # nested containers; what is kept must be writable as JSON again
_FOREIGN_KEPT = 8192  # bytes of a foreign body; only an excerpt is ever shown
_SHOWN = 80  # characters of an event that cannot be read
_BOM = b"\xef\xbb\xbf"
_WORDS_KEPT = 8192  # characters of the words that came in the place of JSON
# Signs of life, whatever stands in them.
_SILENT_EVENTS = frozenset({"heartbeat", "keep-alive", "keep_alive", "keepalive", "ping"})
# How JSON goes on; what else is written in the place of an event are words.
_IS_JSON = re.compile(r"[{\"}\],]|\[(?![A-Za-z])")
_NOT_JSON: Any = object()  # what `_parse` returns for text that is no JSON

_FIELDS = ("data", "event", "error", "id", "retry", "")  # `error` is llama.cpp's own


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None


# NaN and infinities are no JSON, so a notebook that holds them cannot be read again.
_scan = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite).raw_decode


class Decoder:
    """Decodes one response body. Any split of its bytes gives the same chunks.

    Args:
        max_line: bytes that one line, or one event of several lines, may have.
        max_total: bytes that the whole body may have.

    Beyond a limit the stream ends with one `Malformed`.
    """

    def __init__(self, *, max_line: int = _MAX_LINE, max_total: int = _MAX_TOTAL) -> None:
        self._max_line = max_line
        self._left = max_total
        self._kind: Literal["unknown", "events", "json", "foreign", "over"] = "unknown"
        self._tail = bytearray()  # what came after the last line end
        self._after_cr = False
        self._chunks: list[Chunk] = []
        self._halved: dict[str, Any] | None = None  # the chunk that ends within a character
        self._has_escapes = True  # whether what is read may hold half characters
        self._event = ""
        self._data: list[str] = []  # data lines of an event that are no JSON so far
        self._data_size = 0  # characters of the lines of this event that are no event
        self._words: list[str] = []  # data lines of this event that do not begin as JSON
        self._last_words = ""  # those of the last event
        self._saw_field = False
        self._stray = ""  # the first line that is no field

    @property
    def stray(self) -> str:
        """The last words in the place of an event: they may say why the stream ended."""
        return "\n".join(self._words) or self._last_words

    def feed(self, data: bytes) -> list[Chunk]:
        """Take the next bytes; return the chunks that they complete."""
        too_long = len(data) > self._left
        if too_long:
            data = data[: self._left]
        self._left -= len(data)
        self._take(self._unify_line_ends(data))
        if too_long and self._kind != "over":
            self._give_up("the stream is longer than any answer")
        return self._emit()

    def close(self) -> list[Chunk]:
        """End the body; return what stood in its last, unfinished line.

        A last event that is no JSON is where the connection was cut, and no error.
        """
        if self._kind == "unknown":
            self._sniff(self._tail, at_end=True)
        if self._kind == "json":
            self._close_json()
        elif self._kind == "foreign":
            self._push(Foreign(self._tail.decode("utf-8", "replace")))
        elif self._kind == "events":
            self._close_events()
        if self._halved is not None:
            self._chunks.append(without_surrogates(self._halved))
            self._halved = None
        self._kind = "over"
        self._tail.clear()
        return self._emit()

    # -- bytes to lines ----------------------------------------------------------

    def _unify_line_ends(self, data: bytes) -> bytes:
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data

    def _take(self, data: bytes) -> None:
        if self._kind == "unknown":
            self._tail += data
            data = self._sniff(self._tail)
        match self._kind:
            case "events":
                self._take_lines(data)
            case "json":
                self._tail += data
                if len(self._tail) > self._max_line:
                    self._give_up("the body is one JSON value, and too long")
            case "foreign":
                self._tail += data[: _FOREIGN_KEPT - len(self._tail)]

    def _sniff(self, start: bytearray, *, at_end: bool = False) -> bytes:
        """Decide what the body is; return its bytes so far once that is known."""
        if not at_end and len(start) < len(_BOM) and _BOM.startswith(start):
            return b""
        head = bytes(start).removeprefix(_BOM).lstrip()
        if not head:
            start[:] = start[:3] if start.startswith(_BOM) else b" "  # blank: a keep-alive
            return b""
        start.clear()
        self._kind = "json" if head[:1] in b"{[" else "foreign" if head[:1] == b"<" else "events"
        if at_end:
            self._take(head)
            return b""
        return head

    def _take_lines(self, data: bytes) -> None:
        end = data.rfind(b"\n") + 1
        if not end:
            self._tail += data
        else:
            block = bytes(self._tail) + data[:end]
            self._tail[:] = data[end:]
            if len(block) > self._max_line:
                self._take_checked(block)
            else:
                self._read_lines(block.decode("utf-8", "replace"))
        if len(self._tail) > self._max_line:
            self._give_up_line()

    def _take_checked(self, block: bytes) -> None:
        """Read line by line, because one of them may be too long."""
        for line in block.split(b"\n")[:-1]:
            if len(line) > self._max_line:
                self._give_up_line()
            if self._kind == "over":
                return
            self._read_lines(line.decode("utf-8", "replace") + "\n")

    def _give_up_line(self) -> None:
        self._give_up(f"one event is longer than {self._max_line:,} bytes")

    def _give_up(self, reason: str) -> None:
        if self._kind != "over":
            self._push(Malformed(reason))
        self._kind = "over"
        self._tail.clear()
        self._data.clear()

    def _emit(self) -> list[Chunk]:
        chunks, self._chunks = self._chunks, []
        return chunks

    # -- lines to chunks ---------------------------------------------------------

    def _read_lines(self, text: str) -> None:
        """Read `text`, which ends with a line end."""
        lines = text.split("\n")
        lines.pop()
        plain = self._halved is None and not _has_surrogate_escapes(text)
        self._has_escapes = not plain or (bool(self._data) and self._has_escapes)
        for line in lines:
            # The common line, without the calls of the general case below.
            if plain and line.startswith("data: {") and not self._event and not self._data:
                try:
                    value, end = _scan(line, 6)
                except (ValueError, RecursionError):
                    end = -1
                if end == len(line) and not _may_be_deep(line):
                    self._saw_field = True
                    self._chunks.append(value)
                    continue
            self._read_line(line)
            if self._kind == "over":
                return

    def _read_line(self, line: str) -> None:
        if not line:
            self._end_event()
            return
        name, colon, value = line.partition(":")
        if colon and name in _FIELDS:
            self._saw_field = True
        match name:
            case "data":
                self._read_data(value.strip())
            case "event":
                self._event = value.strip()
            case "error":
                value = value.strip()
                self._push(_error_frame(_parse(value), value))
            case _ if line.startswith("{"):
                self._read_bare_json(line)
            case _:
                self._stray = self._stray or line[:_FOREIGN_KEPT]

    def _read_data(self, payload: str) -> None:
        """One data line: its events if it is JSON, else words, or a line of a longer event.

        An event is not held until its blank line, because some servers send none. Words
        are what servers send to keep a connection open, and fail nothing.
        """
        if not self._data:
            payload = self._take_events(payload)
            if not payload:
                return
        self._data_size += len(payload) + 1
        if self._data_size > self._max_line:
            self._give_up_line()
        elif self._data or _IS_JSON.match(payload):
            self._data.append(payload)
        else:
            self._keep_words(payload)

    def _take_events(self, payload: str) -> str:
        """Add the events that `payload` begins with; return the rest."""
        at = 0
        while at < len(payload) and self._kind != "over":
            if payload.startswith("data:", at):  # gateways that frame once more
                at += len("data:")
            elif payload[at].isspace():
                at += 1
            elif payload.startswith("[DONE]", at):
                self._add(DONE)
                return ""
            else:
                value, end = _scan_value(payload, at)
                if value is _NOT_JSON or not (_is_event(value) or end == len(payload)):
                    break  # words may begin with a number
                self._add(value)
                at = end
        return payload[at:]

    def _keep_words(self, words: str) -> None:
        room = _WORDS_KEPT - self._data_size + len(words) + 1
        is_sign_of_life = self._event in _SILENT_EVENTS or words.startswith(":")
        is_cut = "[DONE]".startswith(words)
        if room > 0 and not (is_sign_of_life or is_cut):
            self._words.append(words[:room])

    def _end_event(self) -> None:
        if self._data:
            self._add(_parse(self._text()))
            self._data.clear()
        elif self._words and self._event == "error":
            self._push(_error_frame(_NOT_JSON, "\n".join(self._words)))
        if self._words:
            self._last_words = "\n".join(self._words)
            self._words.clear()
        self._data_size = 0
        self._event = ""

    def _read_bare_json(self, line: str) -> None:
        """A JSON object without `data:`, which some gateways put in when they fail."""
        value = _parse(line)
        if isinstance(value, dict):
            self._add(value)

    def _add(self, value: Any) -> None:
        """Add what one event says; text that is no JSON still stands in `_data`."""
        if value is DONE or value == "[DONE]":
            self._push(DONE)
        elif self._event in _SILENT_EVENTS or value is None:
            return
        elif self._event == "error":
            self._push(_error_frame(value, self._text()))
        elif isinstance(value, dict):
            self._push(value)
        elif isinstance(value, list) and len(value) > MAX_OBJECTS:
            self._give_up(too_many("objects in one event", MAX_OBJECTS))
        elif isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            for entry in value:  # Gemini's compatibility layer wraps its errors in a list
                self._push(entry)
        else:
            said = self._text() if value is _NOT_JSON else json.dumps(value)
            shown = said if len(said) <= _SHOWN else said[: _SHOWN - 1] + "…"
            self._push(Malformed(f"an event is no JSON object: '{shown}'"))

    def _text(self) -> str:
        return "\n".join(self._data)

    def _push(self, chunk: Chunk) -> None:
        """Hand out `chunk`, as far as it is read at all."""
        chunk, excess = cut(chunk)
        if not self._has_escapes:
            self._chunks.append(chunk)
        else:
            self._push_whole(chunk)
        if excess:
            self._give_up(excess)

    def _push_whole(self, chunk: Chunk) -> None:
        """Hand out `chunk`; one that ends within a character waits for what follows it.

        Servers that cut their text by UTF-16 units split an emoji over two chunks.
        """
        if self._halved is not None:
            first, chunk = rejoined(self._halved, chunk)
            self._chunks.append(without_surrogates(first))
        self._halved = chunk if isinstance(chunk, dict) and is_halved(chunk) else None
        if self._halved is None:
            self._chunks.append(without_surrogates(chunk))

    # -- the end -----------------------------------------------------------------

    def _close_json(self) -> None:
        text = self._tail.decode("utf-8", "replace").strip()
        value = _parse(text)
        if value is _NOT_JSON:
            self._push(Foreign(text[:_FOREIGN_KEPT]))
            return
        value, excess = cut(value)
        self._push(Malformed(excess) if excess else Body(without_surrogates(value)))

    def _close_events(self) -> None:
        self._read_lines(self._tail.decode("utf-8", "replace") + "\n")
        if self._data:
            value = _parse(self._text())
            if value is not _NOT_JSON or self._event == "error":
                self._add(value)
        elif self._event == "error":
            self._end_event()
        cut = any(f"{name}:".startswith(self._stray) for name in _FIELDS)
        if not self._saw_field and not cut:
            self._push(Foreign(self._stray))


def _error_frame(value: Any, text: str) -> ErrorFrame:
    return ErrorFrame(text if value is _NOT_JSON else without_surrogates(value))


def _parse(text: str) -> Any:
    """The JSON value of `text`, or `_NOT_JSON`; half characters (surrogates) may be in it."""
    value, end = _scan_value(text, 0)
    return value if end == len(text) else _NOT_JSON


def _scan_value(text: str, at: int) -> tuple[Any, int]:
    """The JSON value at a place of `text`, or `_NOT_JSON`, and where it ends."""
    try:
        value, end = _scan(text, at)
    except (ValueError, RecursionError):
        return _NOT_JSON, at
    if _may_be_deep(text[at:end]) and is_deeper(value, _MAX_DEPTH):
        return _NOT_JSON, at
    return value, end


def _is_event(value: Any) -> bool:
    return isinstance(value, dict | list) or value == "[DONE]"


def _has_surrogate_escapes(text: str) -> bool:
    return "\\" in text and ("\\ud" in text or "\\uD" in text)


def _may_be_deep(text: str) -> bool:
    """Cheap, and true of every JSON text nested deeper than allowed."""
    return len(text) > 2 * _MAX_DEPTH < 2 * (text.count("{") + text.count("["))
