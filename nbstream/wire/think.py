"""Reasoning that stands in the answer's text, told apart from it while it streams.

Some models reason without an opening tag: their chat template puts it at the end of the
prompt, and the server sends on what comes after it (DeepSeek-R1 and Qwen3 where no
reasoning parser is set). What they think looks like text until the closing tag comes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from .quoting import Place
from .spellings import SPELLINGS, STRIPPED, Marks, Spelling

__all__ = ["Piece", "ThinkSplitter"]

#: What a piece of text is, and the text. `thought`: all text so far was reasoning.
Piece = tuple[Literal["reasoning", "text", "thought"], str]

_MAX_SPACE = 256  # characters of white space to hold back; text longer than that is no gap
_MAX_AHEAD = 4100  # characters behind a mark to look at

_ANY = re.compile("")
_NO_SPACE = re.compile(r"\S")
_BY_START = {mark: each for each in SPELLINGS for mark in (*each.opens, *each.answers)}
_STARTS = Marks(_BY_START)


class ThinkSplitter:
    """Splits the text of one answer into reasoning and text.

    Only a block that the answer begins with counts; one that is quoted later, or inside
    code, is text. A block may hold others. One that is never closed is reasoning to its
    end. White space around the marks belongs to neither side.

    A closing tag in a code fence of the reasoning is quoted too, unless it stands as
    models write their own: on a line by itself, before a blank line, and with no
    opening tag in the fence that it would belong to. (A model that forgets to close a
    fence while it thinks must not lose its answer.)

    Where no block was opened, the first closing tag that is neither quoted nor spoken of
    makes all text before it reasoning, if no opening tag before it is still without one.
    """

    def __init__(self) -> None:
        self._state: Literal["start", "inside", "behind", "text"] = "start"
        self._held = ""  # what cannot be told yet
        self._at = 0  # how much of it has been told
        self._spelling: Spelling | None = None
        self._block = _Block()
        self._is_fresh = True  # inside, and nothing but white space so far
        self._is_long_gap = False  # it is passed on, more of it too
        self._has_reasoning = False
        self._has_text = False
        self._extra = 0  # opening tags at the start of the block, behind the first one
        self._unopened: _Unopened | None = _Unopened(SPELLINGS)

    @property
    def is_done(self) -> bool:
        """Whether everything from here on is text."""
        is_bare = self._spelling is None or not self._spelling.ends
        return self._state == "text" and self._unopened is None and is_bare

    @property
    def form(self) -> str | None:
        """The form in which the reasoning can go back to its model, or None; see `Spelling`."""
        return (self._spelling and self._spelling.form) or None

    @property
    def is_unclosed(self) -> bool:
        """Whether there is reasoning, in a block that is still open."""
        return self._state == "inside" and self._has_reasoning

    def feed(self, text: str) -> list[Piece]:
        """Take more text; return what is certain now, in order."""
        if self._unopened and self._has_text and not self._held and self._unopened.passes(text):
            return [("text", text)]
        self._held += text
        return self._split(at_end=False)

    def close(self) -> list[Piece]:
        """Return what was held back: the text ends here, or rests."""
        return self._split(at_end=True)

    def _split(self, *, at_end: bool) -> list[Piece]:
        pieces: list[Piece] = []
        steps = {
            "start": self._start,
            "inside": self._inside,
            "behind": self._behind,
            "text": self._text,
        }
        before = None
        while before != (self._state, self._at):  # until nothing more can be told
            before = self._state, self._at
            steps[self._state](pieces, at_end=at_end)
        self._held, self._at = self._held[self._at :], 0
        return pieces

    def _start(self, _pieces: list[Piece], *, at_end: bool) -> None:
        """Decide whether the answer begins with a block, as soon as that is certain."""
        head = _skip_space(self._held, self._at)
        mark = _STARTS.at(self._held, head) if head <= _MAX_SPACE else ""
        if mark:
            self._at = head + len(mark)
            self._spelling = _BY_START[mark]
            self._unopened = None
            self._state = "inside" if mark in self._spelling.opens else "behind"
        elif at_end or head > _MAX_SPACE or not _STARTS.may_begin_at(self._held, head):
            self._state = "text"

    # -- inside a block ----------------------------------------------------------

    def _inside(self, pieces: list[Piece], *, at_end: bool) -> None:
        """Pass reasoning on, up to the next mark that parts anything."""
        assert self._spelling is not None
        held, marks, block = self._held, self._spelling.inside, self._block
        if self._is_fresh:
            self._at = _skip_space(held, self._at)
        look = self._at
        while True:
            start, mark = marks.next(held, look, at_end=at_end)
            if not mark:
                break
            look = start + len(mark)
            if self._is_fresh and start == self._at and self._spelling.may_nest(mark):
                self._extra += 1
                self._at = look = _skip_space(held, look)
                continue
            block.read_to(held, self._at, start)
            ends = self._ends_block(mark, held[look : look + _MAX_AHEAD], at_end=at_end)
            if ends is None:  # not known yet
                break
            if ends:
                self._reason(pieces, held[self._at : self._before_gap(start)])
                self._leave(mark, look)
                return
        end = start if at_end else self._before_gap(start)
        self._reason(pieces, held[self._at : end])
        block.pass_on(held, self._at, end)
        self._at = end

    def _ends_block(self, mark: str, rest: str, *, at_end: bool) -> bool | None:
        assert self._spelling is not None
        if not self._spelling.nests or mark in self._spelling.answers:
            return True
        is_opening = mark in self._spelling.opens
        is_whole = at_end or len(rest) == _MAX_AHEAD
        return self._block.is_ended(rest, is_opening=is_opening, at_end=is_whole)

    def _leave(self, mark: str, place: int) -> None:
        """The block has ended before `mark`, and goes on behind it where that opens another."""
        assert self._spelling is not None
        self._at, self._is_fresh, self._block = place, True, _Block()
        self._state = "inside" if mark in self._spelling.opens else "behind"

    def _before_gap(self, end: int) -> int:
        """Where the white space before `end` begins, which may be that before a closing tag."""
        least = max(self._at, end - _MAX_SPACE - 1)
        gap = least + len(self._held[least:end].rstrip())
        goes_on = self._is_long_gap and gap == self._at
        self._is_long_gap = end - gap > _MAX_SPACE or goes_on
        return end if self._is_long_gap else gap

    def _reason(self, pieces: list[Piece], text: str) -> None:
        if not text:
            return
        if self._is_fresh and self._has_reasoning:
            text = f"\n\n{text}"  # two blocks are two paragraphs
        self._is_fresh, self._has_reasoning = False, True
        pieces.append(("reasoning", text))

    # -- behind it ---------------------------------------------------------------

    def _behind(self, _pieces: list[Piece], *, at_end: bool) -> None:
        """Skip white space and what a protocol puts before the answer."""
        held = self._held
        self._at = _skip_space(held, self._at)
        if self._at == len(held):
            return
        if self._spelling is not None:
            marks = self._spelling.behind
            mark = marks.at(held, self._at)
            if mark and self._may_follow(mark):
                self._extra -= self._spelling.nests and mark in self._spelling.closes
                self._leave(mark, self._at + len(mark))
                return
            if not mark and not at_end and marks.may_begin_at(held, self._at):
                return
        self._state = "text"
        if self._extra:
            assert self._spelling is not None
            self._unopened = _Unopened((self._spelling,))

    def _may_follow(self, mark: str) -> bool:
        """Whether a mark behind the end of a block is one of the protocol's, and not text."""
        assert self._spelling is not None
        return not self._spelling.nests or mark in self._spelling.answers or self._extra > 0

    # -- the answer --------------------------------------------------------------

    def _text(self, pieces: list[Piece], *, at_end: bool) -> None:
        """Pass text on, up to a closing tag that was not opened, or the end of a protocol's."""
        if self._unopened is not None:
            self._watched_text(pieces, self._unopened, at_end=at_end)
            return
        end = len(self._held)
        if self._spelling is not None and self._spelling.ends:
            end = self._before_end(self._spelling.at_end, at_end=at_end)
        self._pass_on(pieces, end)
        if at_end:
            self._at = len(self._held)

    def _watched_text(self, pieces: list[Piece], watch: _Unopened, *, at_end: bool) -> None:
        begin = self._at
        if not self._has_text:  # white space before a tag is nobody's
            begin = _skip_space(self._held, begin)
            if begin - self._at > _MAX_SPACE or (at_end and begin == len(self._held)):
                self._pass_on(pieces, begin)
        end, behind, spelling = watch.find(self._held, begin, at_end=at_end)
        if end > begin:
            self._pass_on(pieces, end)
        if not behind:
            return
        if self._has_text:
            self._has_text, self._has_reasoning = False, True
            pieces.append(("thought", ""))
        self._at, self._state, self._spelling = behind, "behind", spelling
        self._unopened, self._extra = None, 0

    def _pass_on(self, pieces: list[Piece], end: int) -> None:
        if end > self._at:
            self._has_text = True
            pieces.append(("text", self._held[self._at : end]))
            self._at = end

    def _before_end(self, marks: Marks, *, at_end: bool) -> int:
        """Where what ends the answer stands: such a mark, and nothing behind it."""
        place = self._at
        while True:
            start, mark = marks.next(self._held, place, at_end=at_end)
            place = start + len(mark)
            if not mark or _skip_space(self._held, place) == len(self._held):
                return start


class _Block:
    """What has been read of a block: where its marks stand."""

    def __init__(self) -> None:
        self._place = Place()
        self._ahead = 0  # characters that have been read, but not passed on
        self._depth = 0  # blocks in it that are open
        self._fence = 0  # the number of the code fence ...
        self._fenced = 0  # ... and the blocks that are open in it

    def read_to(self, held: str, begin: int, end: int) -> None:
        """Go forward to a mark at `end`; `begin` is where what is not passed on begins."""
        self._place.read(held[begin + self._ahead : end])
        self._ahead = end - begin

    def pass_on(self, held: str, begin: int, end: int) -> None:
        """What stands before `end` is passed on."""
        self._place.add(held[begin + self._ahead : end])
        self._ahead = max(0, begin + self._ahead - end)

    def is_ended(self, rest: str, *, is_opening: bool, at_end: bool) -> bool | None:
        """Whether the tag that stands here, before `rest`, ends the block; None: not known yet."""
        place = self._place
        if place.is_fenced:
            return self._is_ended_in_fence(rest, is_opening=is_opening, at_end=at_end)
        is_quoted = place.is_quoted(rest, at_end=at_end)
        if is_opening and is_quoted is False:
            is_quoted = place.is_prose(rest, at_end=at_end)
        if is_quoted is not False:
            return None if is_quoted is None else False
        return self._counts(is_opening=is_opening)

    def _is_ended_in_fence(self, rest: str, *, is_opening: bool, at_end: bool) -> bool | None:
        if self._place.fences != self._fence:
            self._fence, self._fenced = self._place.fences, 0
        if is_opening or self._fenced:
            self._fenced += 1 if is_opening else -1
            return False
        ends = self._place.ends_fence(rest, at_end=at_end)
        return self._counts(is_opening=False) if ends else ends

    def _counts(self, *, is_opening: bool) -> bool:
        if is_opening or self._depth:
            self._depth += 1 if is_opening else -1
            return False
        return True


class _Unopened:
    """Looks in growing text for what ends a block that was not opened there."""

    def __init__(self, spellings: Iterable[Spelling]) -> None:
        self._closes = {mark.lower(): each for each in spellings for mark in each.unopened}
        self._opens = {mark: each for each in spellings for mark in each.opens}
        self._marks = Marks((*self._closes, *self._opens))
        self._place = Place()
        self._open: Counter[Spelling] = Counter()
        self._head = ""  # the first characters of the text
        self._search = _ANY.search  # until they are known, any text may be one to look at

    def passes(self, text: str) -> bool:
        """Whether `text` need not be looked at: most pieces have no mark."""
        if self._search(text) or not text:
            return False
        self._place.add(text)
        return True

    def find(self, text: str, begin: int, *, at_end: bool) -> tuple[int, int, Spelling | None]:
        """Where the certain text ends, where the mark behind it ends (0: none), and whose it is.

        What stands from there on is to come again, with more behind it.
        """
        self._begin(text[begin : begin + _MAX_SPACE])
        read = look = begin
        while True:
            start, mark = self._marks.next(text, look, at_end=at_end)
            if not mark:
                break
            look = start + len(mark)
            if mark in self._opens:
                self._open[self._opens[mark]] += 1
                continue
            spelling = self._closes[mark]
            if self._open[spelling]:
                self._open[spelling] -= 1
                continue
            self._place.read(text[read:start])
            read = start
            is_quoted = self._is_quoted(text[look : look + _MAX_AHEAD], at_end=at_end)
            if is_quoted is None:
                return start, 0, None
            if not is_quoted:
                return start, look, spelling
        self._place.add(text[read:start])
        return start, 0, None

    def _is_quoted(self, rest: str, *, at_end: bool) -> bool | None:
        at_end = at_end or len(rest) == _MAX_AHEAD
        place = self._place
        if place.is_fenced:
            return True
        is_quoted = place.is_quoted(rest, at_end=at_end)
        return place.is_prose(rest, at_end=at_end) if is_quoted is False else is_quoted

    def _begin(self, text: str) -> None:
        """Look for the word that shows harmony without its tokens."""
        word, spelling = STRIPPED
        if len(self._head) >= len(word):
            return
        self._head = (self._head + text).lstrip()[: len(word)]
        if self._head.lower() == word:
            self._closes |= dict.fromkeys(spelling.unopened, spelling)
            self._marks = Marks((*self._closes, *self._opens))
        if len(self._head) == len(word):
            self._search = self._marks.first.search


def _skip_space(text: str, place: int) -> int:
    """The first place from there on that is not white space."""
    found = _NO_SPACE.search(text, place)
    return found.start() if found else len(text)
