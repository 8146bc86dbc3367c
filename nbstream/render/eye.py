"""How markdown that is still being written looks: as what it is about to become.

Nothing here changes what a text means in the end. Emphasis, code and links that are open
are closed for the moment. A formula stands as code until it is closed: half of its commands
could not be typeset, so that it would be a formula after one letter and none after the next.
The marks of a line that has not said yet what it is are held back, so that a list's `-` is
not the underline of a heading for one frame.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from .addresses import address_end, address_pattern
from .backslashes import is_in_regex
from .dollars import looks_like_tex
from .emphasis import is_east_asian
from .inline_html import HARMLESS_TAGS
from .math import closing_of, inline_formula

__all__ = ["completed", "header_as_table", "held_back", "open_cell"]

_MARKS_ONLY = re.compile(
    r"""
    [ \t]* (?: (?: > | [-*+] | \d{1,9}[.)] ) [ \t]+ )*     # quotes and items it is in
    (?: [-=*_+\#~`|:>]* | \d{1,9}[.)]? | !?\[[ xX^]?\]? | \$\$? | \\\\?[\[(]?
      | \\b(?:e|eg|egi|egin(?:\{[A-Za-z]*\*?\}?)?)? )
    [ \t]*
    """,
    re.VERBOSE,
)
_LONGEST_MARKS = 80  # characters

_LONGEST_VERBATIM = 2_000  # characters of code or of a formula in running text
_DEPTH = 50  # marks that may be open one in another
_REACH = 300  # characters; what has been open for longer is more likely not to close
_BRACKETS = r"\[\]"  # they may be those of a link
_ADDRESS = rf"https?://{address_pattern(_BRACKETS)}"
_MARK = re.compile(
    rf"\\\\[(\[]|\\begin\{{[A-Za-z]*\*?\}}|\\.|`+|<[^<>\s]*>|\$\$?|\\$|\[\^|!?\[|\]\(?|\*+|_+|~+|{_ADDRESS}",
    re.DOTALL,
)
_AT_THE_END = re.compile(
    r"(?<!\\)(?:\\\\)*([*_~]+|`+|<br?[ \t]*/?|</?(?:su?|k|kb|ma?|mar|"
    rf"{'|'.join(HARMLESS_TAGS)}))$",
    re.IGNORECASE,
)
_BEGINS_NO_EMPHASIS = re.compile(  # `*.py`, `**/*.py`, `2*3`
    r"[*_](?=[.,;:)\]}])|\*\*/\*|(?<=[A-Za-z0-9])[*~]+(?=[A-Za-z0-9])"
)
_NO_LABEL = re.compile(r"[\s\[\]]")
_LABELS = ("[", "![", "[^")
_HALF_OPEN = re.compile(r"[^()]*+(?:\([^()]*+\)[^()]*+)*+\)")  # `[a, b)` is an interval
_OPEN_DOLLAR = re.compile(r"(?<![A-Za-z0-9$])\$(?=[ ]?[^\s$])((?:[^$\\]|\\.)*+\\?)\Z", re.DOTALL)
_DELIMITER_ROW = re.compile(r"[ \t]*\|?[ \t:|-]*")
_BAR = re.compile(r"(?<!\\)\|")
_FIRST_BAR = re.compile(r"[ \t>]*\|")


def held_back(line: str) -> bool:
    """Whether the line that is being written has shown nothing but marks so far."""
    return len(line) <= _LONGEST_MARKS and _MARKS_ONLY.fullmatch(line) is not None


def header_as_table(paragraph: str) -> str | None:
    """A table with this header, if the paragraph looks like the beginning of one."""
    header, *more = paragraph.split("\n")
    if not header.startswith("|") or header.count("|") < 2 or len(more) > 1:
        return None
    if more and not _DELIMITER_ROW.fullmatch(more[0]):
        return None
    header = header if header.rstrip().endswith("|") else f"{header}|"
    columns = len(_BAR.findall(header.rstrip())) - 1
    return f"{header}\n|{'-|' * columns}\n"


def open_cell(row: str) -> int:
    """The number of the cell, counted from 0, that the end of a table's line stands in."""
    return len(_BAR.findall(row)) - (_FIRST_BAR.match(row) is not None)


def completed(text: str) -> str:
    """The text of a block with what is open in it closed.

    Marks at the very end are left out first: what they will be is decided by what follows,
    and half of a closing `**` or of a `<br>` is no sign of anything.
    """
    end = _AT_THE_END.search(text)
    reader = _Reader(text[: end.start(1)] if end else text)
    if end and reader.is_verbatim and end[1][0] != "`":
        reader = _Reader(text)
    return reader.completed()


class _Reader:
    """Reads inline markdown once, and knows what is open at its end.

    Attributes:
        is_verbatim: whether the end is inside of code or of a formula.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[_Mark] = []
        self._closing = ""  # of what is open and innermost
        self.is_verbatim = False
        position = 0
        while position >= 0 and (found := _MARK.search(self._text, position)):
            position = self._read(found[0], found.start(), found.end())

    def completed(self) -> str:
        text = self._text
        closing = [self._closing]
        for mark in reversed(self._open):
            if mark.text == "[^" and not _NO_LABEL.search(text, mark.start + 2):
                text = text[: mark.start]  # a footnote's label is nothing to read
                closing.clear()
            elif len(text) - mark.start <= _REACH and not self._is_half_open(mark):
                closing.append(mark.closing)
        return (text if self.is_verbatim else text.rstrip()) + "".join(closing)

    def _read(self, mark: str, start: int, end: int) -> int:
        """Take in one mark; return where to read on, or -1 where all the rest is open."""
        if mark == "$":
            return self._read_dollar(start, end)
        if mark[0] == "\\" and is_in_regex(self._text, start):
            return start + 2
        if mark[0] == "`" or closing_of(mark):
            return self._read_verbatim(mark, start, end)
        if mark[0] == "h":
            return address_end(self._text, start + len("http"), end)
        if mark[0] == "<":
            self._read_tag(mark.lower(), start)
        elif mark in _LABELS:
            self._open.append(_Mark(mark, start, self._link_closing(start, end)))
        elif mark[0] == "]":
            return self._read_link_end(mark, start, end)
        elif mark[0] in "*_~":
            self._read_emphasis(mark, start, end)
        return end

    def _read_tag(self, mark: str, start: int) -> None:
        """`<sub>` and its brothers open and close; every other tag is text or an address."""
        if mark.strip("</>") not in HARMLESS_TAGS:
            return
        if mark[1] != "/":
            self._open.append(_Mark(mark, start, f"</{mark[1:]}"))
            return
        opening = mark.replace("/", "")
        for i in reversed(range(max(0, len(self._open) - _DEPTH), len(self._open))):
            if self._open[i].text == opening:
                del self._open[i:]
                return

    def _read_verbatim(self, mark: str, start: int, end: int) -> int:
        if found := self._end_of_verbatim(mark, start, end):
            return found
        formula = closing_of(mark)
        content = self._text[end:].removesuffix(formula[0] if formula else "").strip()
        if not content:
            self._text = self._text[:start]
            return -1
        if len(self._text) - start > (_LONGEST_VERBATIM if formula else _REACH):
            return end
        closing = mark
        if formula:
            closing = self._begin_code(start, content if mark[-1] != "}" else mark + content)
        self._closing = closing
        self.is_verbatim = True
        return -1

    def _end_of_verbatim(self, mark: str, start: int, end: int) -> int:
        """Where code or a formula ends that is closed, 0 if it is open."""
        closing = closing_of(mark)
        if closing is None:
            pattern = re.compile(rf"(?<!`){mark}(?!`)")
            found = pattern.search(self._text, end, end + _LONGEST_VERBATIM)
            return found.end() if found else 0
        if formula := inline_formula(self._text, start, len(self._text)):
            return formula.end
        # One that is closed, and none, is text; its marks are escaped.
        is_closed = self._text.find(closing, end, end + _LONGEST_VERBATIM) >= 0
        return end if is_closed else 0

    def _read_dollar(self, start: int, end: int) -> int:
        if found := inline_formula(self._text, start, len(self._text)):
            return found.end
        if len(self._text) - start > _LONGEST_VERBATIM:
            return end
        opened = _OPEN_DOLLAR.match(self._text, start)
        if opened is None or not looks_like_tex(opened[1]):
            return end
        self._closing = self._begin_code(start, opened[1].strip())
        self.is_verbatim = True
        return -1

    def _begin_code(self, start: int, content: str) -> str:
        """Let the text end with this code; return what closes it."""
        ticks = _longer_ticks(content)
        self._text = f"{self._text[:start]}{ticks} {content}"
        return f" {ticks}"

    def _link_closing(self, start: int, end: int) -> str:
        """What closes a label, if it looks like a link's: a word of its own, in letters."""
        before = self._text[start - 1 : start]
        label = self._text[end : end + 2]
        is_word = not before.isalnum() and before != "$"
        return (
            "](#)" if is_word and label[:1] and (label[0].isalpha() or label[0] in "*_`\"'") else ""
        )

    def _is_half_open(self, mark: _Mark) -> bool:
        """Whether a label's bracket is an interval's, as in `[start, end)`."""
        return mark.text in _LABELS and _HALF_OPEN.match(self._text, mark.start) is not None

    def _read_link_end(self, mark: str, start: int, end: int) -> int:
        label = self._label()
        if label is None:
            return end
        if mark == "](":
            closing = self._text.find(")", end)
            if closing < 0:
                self._text = self._text[:start]
                self._open[label].closing = "](#)"
                return -1
            end = closing + 1
        del self._open[label:]
        return end

    def _read_emphasis(self, mark: str, start: int, end: int) -> None:
        opens, closes = self._flanks(mark[0], start, end)
        run = _Mark(mark, start, mark, len(mark), is_both=opens and closes)
        while closes and run.text and (opened := self._opening(run)) is not None:
            taken = min(len(run.text), len(self._open[opened].text))
            del self._open[opened + 1 :]
            self._open[opened].shorten(taken)
            run.shorten(taken)
            if not self._open[opened].text:
                del self._open[opened]
        if opens and run.text and (mark[0] != "~" or len(run.text) == 2):
            self._open_emphasis(run)

    def _open_emphasis(self, run: _Mark) -> None:
        """Let the marks open emphasis, which is closed for the moment if it is likely to be.

        Marks that can only open where the same are open have not closed those, as in
        `**「a」**b`. Both are shown as what they will stay.
        """
        if _BEGINS_NO_EMPHASIS.match(self._text, run.start):
            run.closing = ""
        for mark in self._open[-_DEPTH:]:
            if mark.text == run.text and mark.closing:
                mark.closing = run.closing = ""
        self._open.append(run)

    def _opening(self, run: _Mark) -> int | None:
        """The innermost of the open marks that these close (CommonMark, 6.2, rules 9 and 10)."""
        for i in self._candidates():
            mark = self._open[i]
            if mark.text[0] == run.text[0] and not (
                (mark.is_both or run.is_both)
                and (mark.size + run.size) % 3 == 0
                and (mark.size % 3 or run.size % 3)
            ):
                return i
        return None

    def _label(self) -> int | None:
        """The innermost open label."""
        return next((i for i in self._candidates() if self._open[i].text[0] in "[!"), None)

    def _candidates(self) -> Iterator[int]:
        """The places of what is open, from the innermost on, out to a label."""
        for i in reversed(range(max(0, len(self._open) - _DEPTH), len(self._open))):
            yield i
            if self._open[i].text[0] in "[!":
                return

    def _flanks(self, character: str, start: int, end: int) -> tuple[bool, bool]:
        """Whether a run of marks can open and close emphasis (CommonMark, 6.2)."""
        before = self._text[start - 1] if start else " "
        after = self._text[end] if end < len(self._text) else " "
        left = not after.isspace() and (
            not _is_punctuation(after) or before.isspace() or _is_punctuation(before)
        )
        right = not before.isspace() and (
            not _is_punctuation(before) or after.isspace() or _is_punctuation(after)
        )
        if character != "_" and (is_east_asian(before) or is_east_asian(after)):
            return not after.isspace(), not before.isspace()
        if character == "_":
            return (
                left and (not right or _is_punctuation(before)),
                right and (not left or _is_punctuation(after)),
            )
        return left, right


@dataclass(slots=True)
class _Mark:
    """A mark that opened something, where it stands, and what closes it ("": nothing).

    Of a run of emphasis marks, `text` is what is left, `size` is how many there were, and
    `is_both` is whether they could open and close.
    """

    text: str
    start: int
    closing: str
    size: int = 0
    is_both: bool = False

    def shorten(self, count: int) -> None:
        self.text = self.text[count:]
        self.closing = self.closing[count:]


def _longer_ticks(code: str) -> str:
    """What code that holds this stands between."""
    return "`" * (1 + max(map(len, re.findall("`+", code)), default=0))


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
