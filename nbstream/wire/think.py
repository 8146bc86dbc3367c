"""A leading `<think>` block, told apart from the answer's text while it streams.

Some models reason without an opening tag: their chat template puts it at the end of the
prompt, and the server sends on what comes after it (DeepSeek-R1 and Qwen3 where no
reasoning parser is set). What they think looks like text until the closing tag comes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Piece", "ThinkSplitter"]

#: What a piece of text is, and the text. `thought`: all text so far was reasoning.
Piece = tuple[Literal["reasoning", "text", "thought"], str]

_OPEN = re.compile(r"\s*<(think|thought)>")  # the second is Gemini's
_OPEN_TAGS = ("<think>", "<thought>")
_CLOSE_TAGS = ("</think>", "</thought>")
_TAG_LINE = re.compile(r"^(?:</think>|</thought>)[ \t\r]{0,99}(?=\n|\Z)", re.MULTILINE)
_LONGEST_TAG = max(map(len, _OPEN_TAGS)) - 1  # characters of one that is not whole
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_BLANK_LINE = re.compile(r"[ \t]*\n[ \t]*\n")
_MAY_BE_BLANK_LINE = re.compile(r"[ \t]*(\n[ \t]*)?")
_HELD_SPACE = 256  # characters of white space to hold back; text longer than that is no gap
_HELD_LINE = 4096  # characters of a line to look at for fences


class ThinkSplitter:
    """Splits the text of one answer into reasoning and text.

    Only a block that the answer begins with counts: one that is quoted later, or inside
    a code fence, is text. A block that is never closed is reasoning to its end. White
    space around the tags belongs to neither side.

    A closing tag in a code fence of the reasoning is quoted too, unless it stands as
    models write their own: on a line by itself, before a blank line, and with no
    opening tag in the fence that it would belong to. (A model that forgets to close a
    fence while it thinks must not lose its answer.)

    Where no block was opened, a closing tag makes all text before it reasoning, if it is a
    line by itself, in no code fence, and no opening tag stands before it.
    """

    def __init__(self) -> None:
        self._state: Literal["start", "inside", "after", "text"] = "start"
        self._held = ""  # what cannot be told yet
        self._tag = ""
        self._fences = _Fences()
        self._is_fresh = True  # inside, and nothing but white space so far
        self._unopened: _Unopened | None = _Unopened()

    @property
    def is_done(self) -> bool:
        """Whether everything from here on is text."""
        return self._state == "text" and self._unopened is None

    @property
    def is_holding(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def feed(self, text: str) -> list[Piece]:
        """Take more text; return what is certain now, in order."""
        if self._state == "text" and self._unopened and self._unopened.passes(text):
            return [("text", text)]
        self._held += text
        return self._split(at_end=False)

    def close(self) -> list[Piece]:
        """Return what was held back: the text ends here."""
        return self._split(at_end=True)

    def _split(self, *, at_end: bool) -> list[Piece]:
        pieces: list[Piece] = []
        if self._state == "start":
            self._start(at_end=at_end)
        if self._state == "inside":
            self._inside(pieces, at_end=at_end)
        if self._state == "after":
            self._held = self._held.lstrip()
            if self._held:
                self._state = "text"
        if self._state == "text" and self._held:
            self._text(pieces, at_end=at_end)
        return pieces

    def _text(self, pieces: list[Piece], *, at_end: bool) -> None:
        """Pass text on, up to a closing tag that was not opened."""
        if self._unopened is None:
            pieces.append(("text", self._held))
            self._held = ""
            return
        size, tag = self._unopened.find(self._held, at_end=at_end)
        if size:
            pieces.append(("text", self._held[:size]))
        self._held = self._held[size + len(tag) :]
        if tag:
            pieces.append(("thought", ""))
            self._unopened = None
            self._state = "after"
            pieces += self._split(at_end=at_end)

    def _start(self, *, at_end: bool) -> None:
        """Decide whether the answer begins with a block, as soon as that is certain."""
        opening = _OPEN.match(self._held)
        if opening:
            self._state = "inside"
            self._unopened = None
            self._tag = f"</{opening[1]}>"
            self._held = self._held[opening.end() :]
            return
        head = self._held.lstrip()
        may_open = any(tag.startswith(head) for tag in _OPEN_TAGS)
        if at_end or not may_open or len(self._held) > _HELD_SPACE:
            self._state = "text"

    def _inside(self, pieces: list[Piece], *, at_end: bool) -> None:
        """Pass reasoning on, up to the closing tag."""
        if self._is_fresh:
            self._held = self._held.lstrip()
        while (at := self._held.find(self._tag)) >= 0:
            self._pass_on(pieces, len(self._held[:at].rstrip()))
            space, _, rest = self._held.partition(self._tag)
            closes = self._fences.after(space).closes_block(rest, at_end=at_end)
            if closes is None:
                return
            if closes:
                self._held = rest
                self._state = "after"
                return
            self._pass_on(pieces, len(space) + len(self._tag))
        self._pass_on(pieces, len(self._held) if at_end else self._certain())

    def _certain(self) -> int:
        """How much of what is held is neither a part of the closing tag nor space before it."""
        end = len(self._held)
        for size in range(min(end, len(self._tag) - 1), 0, -1):
            if self._held.endswith(self._tag[:size]):
                end -= size
                break
        gap = len(self._held[:end].rstrip())
        return gap if end - gap <= _HELD_SPACE else end

    def _pass_on(self, pieces: list[Piece], size: int) -> None:
        if not size:
            return
        text, self._held = self._held[:size], self._held[size:]
        self._is_fresh = False
        self._fences = self._fences.after(text)
        pieces.append(("reasoning", text))


class _Unopened:
    """Looks in growing text for the closing tag of a block that was not opened there."""

    def __init__(self) -> None:
        self._place = _Fences()  # where the text has come to
        self._end = ""  # the last characters of it, where they may begin a tag
        self._is_opened = False
        self._is_prose = False  # what goes on in this line is neither a tag nor a fence

    def passes(self, text: str) -> bool:
        """Whether `text` need not be looked at: most pieces are inside a line."""
        return self._is_prose and bool(text) and "\n" not in text and "<" not in text

    def find(self, held: str, *, at_end: bool) -> tuple[int, str]:
        """The size of the text that `held` begins with, and the tag behind it, if there is one.

        What is neither is to come again, with more behind it.
        """
        size = 0
        for tag in _TAG_LINE.finditer(held):
            self._read(held[size : tag.start()])
            size = tag.start()
            is_one = not (self._place.line or self._place.marker or self._is_opened)
            if is_one and (at_end or tag.end() < len(held)):
                return size, tag[0]
            if is_one:
                return size, ""  # the line may go on
        rest = held[size:]
        line = rest.rpartition("\n")[2]
        may_be_tag = any(tag.startswith(line) for tag in _CLOSE_TAGS) and not at_end
        if line and may_be_tag and (len(line) < len(rest) or not self._place.line):
            rest = rest[: -len(line)]
        self._read(rest)
        return size + len(rest), ""

    def _read(self, text: str) -> None:
        seen = self._end + text
        self._is_opened = self._is_opened or any(tag in seen for tag in _OPEN_TAGS)
        end = seen[-_LONGEST_TAG:]
        self._end = end[end.find("<") :] if "<" in end else ""
        self._place = self._place.after(text)
        begin = self._place.line.lstrip(" ")[:1]
        self._is_prose = begin not in ("", "`", "~") and not self._end


@dataclass(frozen=True, slots=True)
class _Fences:
    """Where a place in growing markdown is: in which code fence, on what line."""

    marker: str = ""  # of the fence that is open
    opened: int = 0  # `<think>` tags in it that are not closed
    line: str = ""

    def after(self, text: str) -> _Fences:
        """The place behind `text`."""
        *lines, rest = (self.line + text).split("\n")
        marker, opened = self.marker, self.opened
        for line in lines:
            fence = _FENCE.match(line)
            if not marker:
                if fence and not (fence[1][0] == "`" and "`" in fence[2]):
                    marker, opened = fence[1], 0
            elif fence and fence[1].startswith(marker) and not fence[2].strip():
                marker = ""
            else:
                tags = sum(line.count(tag) for tag in _OPEN_TAGS)
                opened = max(0, opened + tags - sum(line.count(tag) for tag in _CLOSE_TAGS))
        return _Fences(marker, opened, rest[:_HELD_LINE])

    def closes_block(self, rest: str, *, at_end: bool) -> bool | None:
        """Whether a closing tag here, before `rest`, ends the block; None: not yet known."""
        if not self.marker:
            return True
        if self.line.strip() or self.opened:
            return False
        if at_end and not rest.strip():
            return True
        if not at_end and _MAY_BE_BLANK_LINE.fullmatch(rest):
            return None
        return _BLANK_LINE.match(rest) is not None
