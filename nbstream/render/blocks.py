"""A growing markdown text as sealed blocks and an open tail.

Only what may still change is parsed. At every moment what the page shows is what the
parser makes of the whole text so far; where one block grows very long and nothing of it
can be sealed, that holds again each time it has grown by a tenth, at the end, and where another
block begins in it, such as an item; where it is made of so many marks that this would take too
long, only when it ends.
"""

from __future__ import annotations

import math
import re

from .containers import Container, open_container
from .credit import Credit
from .engine import Engine
from .eye import held_back
from .page import Page
from .pictures import ends_in_data
from .sealer import Sealer
from .structure import Parsed, Span, settled
from .style import DEFAULT_STYLE, RenderStyle

__all__ = ["Blocks", "settled_length"]

_NUMBER = re.compile(r"\d{1,9}")
_BLANK_LINES = re.compile(r"(?:[ \t]*\n)+")
_BLANK_LINE = re.compile(r"\n\n")
_MARGIN_AFTER_BLANK_LINE = re.compile(r"\n\n[^\s\d*+-]")  # the end of whatever is open
_BEGINS = r"```|~~~|\||(?:[-*+]|\d{1,9}[.)]|#{1,6})[ \t]"
_BEGINS_BLOCK = re.compile(rf"\n[ \t>]*+(?:{_BEGINS}|\n[ \t>]*+[^\s>])")
_LONGEST_MARKS = 80  # characters that a block may begin with
_BURST = 2_000  # characters at once, in which a block may begin that is cheap, such as code


def settled_length(text: str) -> int:
    """How many characters of a growing text belong to blocks that can no longer change."""
    parsed = Engine(anticipates=False).parse(text, final=False)
    return len(parsed.source(0, settled(parsed)))


class Blocks:
    """Cuts a growing text into blocks and tells a page how they look.

    Args:
        page: what is told.
        style: how the text looks.
        enter_at: from so many characters on, an open table or list is sealed in parts.
        lazy_at: from so many on, what cannot be sealed waits until it has grown by a tenth;
            if it is infinite, nothing ever waits.
        anticipates: whether the tail shows open markup as what it is about to become,
            instead of as what it would be if the text ended here.
    """

    def __init__(
        self,
        page: Page,
        style: RenderStyle = DEFAULT_STYLE,
        *,
        enter_at: int = 1_000,
        lazy_at: float = 2_000,
        anticipates: bool = False,
    ) -> None:
        self._page = page
        self._engine = Engine(style, anticipates=anticipates)
        self._sealer = Sealer(page, self._engine)
        self._enter_at = enter_at
        self._lazy_at = lazy_at
        self._text = ""  # the source, from the first line on that is not sealed
        self._held = ""  # what came and is not looked at yet
        self._at_line_start = True  # whether what is looked at ends there
        self._number = ""  # a line that is all that is open, and may become a list's number
        self._looked_at = 0  # the size of _text when it was parsed last
        self._credit = Credit()
        self._is_outdated = False  # whether a block has begun since then
        self._shown = ("", "")  # the tail, inside of what is open and after it
        self._container: Container | None = None
        self._may_enter = True  # whether what is left may be opened as a container
        self._left: list[Span] = []  # the blocks of _text, where no container is open

    @property
    def parsed(self) -> int:
        """How many characters were given to the parser in all."""
        return self._engine.parsed

    def advance(self, text: str, *, final: bool = False) -> None:
        """`text` came; with `final`, nothing will follow."""
        text = self._normalized(text, final=final)
        if text or final:
            self._number = ""
            self._look_at(text, final=final)
        if _NUMBER.fullmatch(self._held) and self._is_alone():
            number, self._held, self._at_line_start = self._held, "", False
            self._number += number
            self._look_at(number, final=False)

    def _is_alone(self) -> bool:
        """Whether nothing is open but a number, which is shown whatever it turns out to be."""
        return self._container is None and (not self._left or self._number != "")

    def _look_at(self, text: str, *, final: bool) -> None:
        self._text += text
        if not final and self._may_wait(text):
            self._append(text)
            return
        self._credit.spend(self._text)
        while self._step(final=final):
            pass
        self._shown = self._tail()
        self._page.tail(*self._shown)
        self._engine.references.take_asked()
        self._sealer.render_again(len(text), final=final)
        if final:
            self._sealer.add_unused_definitions()
        self._looked_at = len(self._text)
        self._is_outdated = False

    def _append(self, text: str) -> None:
        """Show `text`, the end of what came, without a parse of the blocks."""
        if ends_in_data(self._text):  # nobody reads that
            return
        more = self._engine.more(*self._shown, text, self._credit)
        if more is None:
            self._page.append(self._without_indent(text))
            return
        self._shown = more
        self._page.tail(*more)
        self._engine.references.take_asked()

    def _normalized(self, text: str, *, final: bool) -> str:
        """The next text to look at, with the line ends and signs that the parser knows."""
        text = self._held + text
        self._held = ""
        if not final:
            at = len(text) - text.endswith("\r")  # may be half a line end
            if self._engine.anticipates:
                line = max(text.rfind("\n"), text.rfind("\r", 0, at)) + 1
                is_whole = line or self._at_line_start or self._number
                if is_whole and held_back(("" if line else self._number) + text[line:at]):
                    at = line
            text, self._held = text[:at], text[at:]
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
        self._at_line_start = text.endswith("\n") if text else self._at_line_start
        return text

    def _may_wait(self, text: str) -> bool:
        """Whether what is open can be left unparsed for now, with `text` at its end."""
        if math.isinf(self._lazy_at):
            return False
        self._credit.earn(text)
        if self._engine.is_in_formula(text):
            return True
        closing = _BLANK_LINE if self._ends_at_a_blank_line() else _MARGIN_AFTER_BLANK_LINE
        if closing.search(self._text, max(0, len(self._text) - len(text) - 2)):
            return False
        if len(self._text) > self._lazy_at:
            grown = len(self._text) - self._looked_at
            if grown < self._looked_at / 10 and not self._has_begun(text):
                return True
            if len(text) > _BURST:
                return False
        # Where most of it came just now, a parse costs no more than twice what came.
        return 2 * len(text) < len(self._text) and not self._credit.affords(self._text)

    def _has_begun(self, text: str) -> bool:
        """Whether a block has begun since the last parse, which should be shown as one."""
        before = len(self._text) - len(text)
        indent = self._engine.open_code
        pattern = _BEGINS_BLOCK if indent is None else _end_of_code(indent)
        begun = pattern.finditer(self._text, max(0, before - _LONGEST_MARKS))
        self._is_outdated = self._is_outdated or any(block.end() > before for block in begun)
        return self._is_outdated

    def _without_indent(self, text: str) -> str:
        """`text`, the end of what came, without what stands before the lines of open code."""
        if not self._engine.open_code:
            return text
        start = len(self._text) - len(text)
        before = self._text[start - 1 : start]
        lines = re.sub(rf"(?<=\n)[ \t>]{{0,{self._engine.open_code}}}", "", before + text)
        return lines[len(before) :]

    def _ends_at_a_blank_line(self) -> bool:
        if self._container:
            return self._container.ends_at_a_blank_line
        return bool(self._left) and self._left[-1].ends_at_a_blank_line

    def _step(self, *, final: bool) -> bool:
        """Seal what can be sealed; return whether there is more to look at."""
        if self._container:
            size = len(self._text)
            self._text, over = self._container.step(self._text, final=final)
            if over:
                self._container = None
                # What takes nothing would be opened again and again.
                self._may_enter = len(self._text) < size
            return over
        if blank := _BLANK_LINES.match(self._text):
            self._text = self._text[blank.end() :]
        parsed = self._engine.parse(self._text, final=final)
        line = len(parsed.lines) if final else settled(parsed)
        self._seal(parsed, line)
        self._text = parsed.source(line)
        self._left = [span for span in parsed.spans if span.start >= line]
        return self._enter(parsed, line)

    def _seal(self, parsed: Parsed, line: int) -> None:
        """Seal the blocks above `line`."""
        self._engine.commit(line)
        for span in parsed.spans:
            if span.tokens and span.start < line:
                self._sealer.block(span.tokens, parsed.source(span.start, span.end))

    def _enter(self, parsed: Parsed, line: int) -> bool:
        """Open a container if what is left is one block that is worth it."""
        may_enter, self._may_enter = self._may_enter, True
        if len(self._left) != 1 or parsed.undecided is not None or not may_enter:
            return False
        span = self._left[0]
        if span.first != line:
            return False
        long = len(self._text) >= self._enter_at
        self._container = open_container(self._sealer, span, parsed, long=long)
        if self._container is None:
            return False
        self._text = self._text[self._container.consumed :]
        self._left = []
        return True

    def _tail(self) -> tuple[str, str]:
        self._engine.rewind()
        if self._container:
            return self._container.tail()
        return self._engine.open_html([t for span in self._left for t in span.tokens]), ""


def _end_of_code(indent: int) -> re.Pattern[str]:
    """A line that is no more code of a fence with this indent: its last, or one further left."""
    further_left = rf"|[ \t>]{{0,{indent - 1}}}+[^\s>]" if indent else ""
    return re.compile(rf"\n(?:[ \t>]*+(?:```|~~~){further_left})")
