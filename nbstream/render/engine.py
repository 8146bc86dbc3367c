"""The parser as the growing text uses it: blocks first, what is inside them when needed."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any

from markdown_it.token import Token

from .credit import Credit
from .definitions import Definition, unused_definitions
from .direction import mark_direction
from .eye import completed, header_as_table, open_cell
from .html import parse_inside, parser
from .math import BLOCK_OPENING, closing_of, formulas_size
from .open_formula import OpenFormula
from .references import References
from .structure import Parsed, is_blank, spans
from .style import DEFAULT_STYLE, RenderStyle

__all__ = ["Engine"]

_LEFT_BY_A_PARSE = (
    "open_formula",
    "last_formula",
    "duplicate_refs",
    "cuts",
    "definitions",
    "used_labels",
)
# The marks of quotes and items before a fence or a formula.
_BEFORE_FENCE = re.compile(r"(?:[ \t>]|(?:[-*+]|\d{1,9}[.)])(?=[ \t]))*")
_LONGEST_LINE = 1_000  # characters of running text that are parsed again for each that comes
_WITH_TEXT = ("inline", "fence", "code_block", "math_block", "hr")


class Engine:
    """The parser with the definitions of one growing text.

    Attributes:
        references: the definitions of links and footnotes.
        changed: labels that may have come to mean something else; for others to empty.
        anticipates: whether open markup is shown as what it is about to become.
        parsed: how many characters were given to the parser in all.
        open_code: of the code fence that the last `open_html` ended in, how many characters
            stand before each line; None if it ended in something else.
    """

    def __init__(self, style: RenderStyle = DEFAULT_STYLE, *, anticipates: bool) -> None:
        self.anticipates = anticipates
        self.references = References()
        self.changed: set[str] = set()
        self.parsed = 0
        self.open_code: int | None = None
        self._lines: list[str] = []  # of the text that was parsed last
        self._last_line = ""  # of these, "" where all are complete
        self._shown: _Shown | None = None  # by the last `open_html`, as far as it can go on
        self._open_formula: int | None = None  # the line of these that one begins on
        self._formula: OpenFormula | None = None  # that the last `open_html` ended in
        self._sealed_formulas = 0
        self._definitions: list[Definition] = []  # that hold for good
        self._new_definitions: list[Definition] = []  # of the text that was parsed last
        self._md = parser()
        self._env: dict[str, Any] = {"references": self.references, "style": style}

    def parse(self, text: str, *, final: bool) -> Parsed:
        """Find the blocks of the text that is open; its definitions are provisional."""
        self.changed.update(self.references.provisional)
        self.references.restart()
        for name in _LEFT_BY_A_PARSE:
            self._env.pop(name, None)
        lines = text.split("\n")
        complete = len(lines) if final else len(lines) - 1
        self._lines, self._last_line = lines, lines[-1]
        if not lines[-1]:
            lines.pop()
        complete = min(complete, len(lines))
        tokens = self.tokens(text)
        if cuts := self._env.get("cuts"):
            return self._parse_in_lines(text, cuts, final=final)
        self._new_definitions = self._env.pop("definitions", [])
        found = spans(tokens, lines)
        self._open_formula = self._env.get("open_formula")
        self.changed.update(self.references.provisional)
        undecided = None if final else self._undecided(lines, complete)
        return Parsed(text, lines, complete, found, undecided)

    def _parse_in_lines(self, text: str, cuts: list[int], *, final: bool) -> Parsed:
        """`parse` of the same text, in which each block begins on a line of its own."""
        parts = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
        parsed = self.parse("\n".join(parts), final=final)
        parsed.line_ends = [cut + number for number, cut in enumerate(cuts)]
        if not final and "\n" not in parts[-1]:
            parsed.complete -= 1
        return parsed

    def _undecided(self, lines: list[str], complete: int) -> int | None:
        """The first line of which a formula that is open, or seems closed, may make another."""
        line = self._open_formula
        last: int | None = self._env.get("last_formula")
        if last is not None and complete < len(lines):
            # The block above it goes on if this turns out to be no formula.
            last -= last > 0 and not is_blank(lines[last - 1])
            line = last if line is None else min(line, last)
        return line

    def tokens(self, text: str) -> list[Token]:
        """The block tokens of `text`."""
        self.parsed += len(text)
        tokens: list[Token] = []
        self._md.block.parse(text, self._md, self._env, tokens)
        mark_direction(tokens)
        return tokens

    def commit(self, line: int) -> None:
        """The definitions above this line of the text that was parsed last hold for good."""
        self.changed.update(self.references.commit(line))
        self._definitions += [each for each in self._new_definitions if each.line < line]
        self._new_definitions = [each for each in self._new_definitions if each.line >= line]

    def take_used_labels(self) -> set[str]:
        """The labels that links refer to, of all that was rendered since the last `rewind`."""
        used: set[str] = self._env.pop("used_labels", set())
        return used

    def unused_definitions(self, used: Collection[str]) -> list[Token]:
        """A block of the definitions that nothing refers to, as the text has ended."""
        definitions, self._definitions = self._definitions, []
        return unused_definitions(self._md, definitions, used, self._env)

    def html(self, tokens: list[Token]) -> str:
        """Parse what is inside these blocks, and render them."""
        inlines = [token for token in tokens if token.type == "inline"]
        self.parsed += sum(len(token.content) for token in inlines)
        return self.shell(parse_inside(tokens, self._env))

    def sealed_html(self, tokens: list[Token]) -> str:
        """`html` of what is behind all that is sealed, and will be sealed too."""
        self.rewind()
        html = self.html(tokens)
        self.keep()
        return html

    def rewind(self, formulas: int | None = None) -> None:
        """Count formulas from here: from what is sealed, or from so many characters of them."""
        self._env["formulas"] = self._sealed_formulas if formulas is None else formulas
        self._env.pop("used_labels", None)

    def keep(self) -> int:
        """What was counted since is sealed; return how many characters of formulas are."""
        self._sealed_formulas = self._env.get("formulas", 0)
        return self._sealed_formulas

    def open_html(self, tokens: list[Token]) -> str:
        """`html` of blocks at the end of the text that was parsed last, which goes on."""
        self.open_code = self._code_indent(tokens)
        self._shown = self._formula = None
        if not self.anticipates:
            return self.html(tokens)
        tokens = self._with_open_formula(tokens)
        last = self._open_inline(tokens)
        if last is not None and tokens[-1].type == "paragraph_close" and tokens[-1].level == 0:
            table = self.tokens(header_as_table(last.content) or "")
            if table and table[0].type == "table_open":
                tokens = [*tokens[:-3], *table]
                last = None if "\n" in last.content else self._open_cell(table)
        if last is None:
            return self.html(tokens)
        source = last.content
        last.content = completed(source)
        html = self.html(tokens)
        if self._formula or (self._last_line and not source.startswith("[")):  # a task's box
            space = self._last_line[len(self._last_line.rstrip()) :]
            before = self._env["formulas"] - formulas_size([last])
            self._shown = _Shown(tokens, last, source + space, html, before)
        return html

    def more(self, inside: str, after: str, text: str, credit: Credit) -> tuple[str, str] | None:
        """What `open_html` gave for one of these, and with it both, as `text` goes on with it.

        None if that cannot be said without a parse of blocks, because `text` is no more of a
        line of running text, or is too dear.
        """
        shown = self._shown
        if shown is None or shown.html != (after or inside):
            self._shown = None
            return None
        if self._formula is not None:
            shown.source = self._formula.source
        elif not self._takes(shown, text, credit):
            self._shown = None
            return None
        shown.last.content, shown.last.children = completed(shown.source), []
        self.rewind(shown.formulas)
        self.html([shown.last])
        shown.html = self.shell(shown.tokens)
        return (inside, shown.html) if after else (shown.html, "")

    def is_in_formula(self, text: str) -> bool:
        """Whether `text`, which came, is more of a formula that is open and shown as code."""
        if self._shown is None or self._formula is None:
            return False
        if not self._formula.takes(text):
            self._formula = None
        return self._formula is not None

    def _takes(self, shown: _Shown, text: str, credit: Credit) -> bool:
        """Whether `text` is more of the line that `shown` ends in, and may be parsed with it."""
        if re.search(r"[\n|]", text):
            return False
        shown.source += text
        if len(shown.source) > _LONGEST_LINE or not credit.affords(shown.source):
            return False
        credit.spend(shown.source)
        return True

    def _with_open_formula(self, tokens: list[Token]) -> list[Token]:
        """`tokens` with a formula that goes on to the end of the text as one paragraph.

        While it is open its lines are what they begin with: `+ b` is an item of a list, and
        `=` underlines a heading. So the text is parsed again as if the formula ended here.
        """
        line, self._formula = self._open_formula, None
        if line is None or not tokens or not tokens[0].map:
            return tokens
        before = _BEFORE_FENCE.match(self._lines[line])
        opening = before and BLOCK_OPENING.match(self._lines[line], before.end())
        if not before or not opening:
            return tokens
        closing = re.sub(r"[^\s>]", " ", before[0]) + (closing_of(opening[0]) or "")
        closed = self.tokens("\n".join([*self._lines, closing]))
        closed = _siblings(closed, tokens[0].level, tokens[0].map[0])
        for i, token in enumerate(closed):
            if token.type == "math_block" and token.map and token.map[0] == line:
                _hide_alike(closed, tokens)
                text = "\n".join([*self._lines, *([] if self._last_line else [""])][line:])
                self._formula = OpenFormula(before[0], opening[0], text[before.end() :])
                return [*closed[:i], *_paragraph(token, opening[0]), *closed[i + 1 :]]
        return tokens

    def _code_indent(self, tokens: list[Token]) -> int | None:
        """What stands before the lines of the code fence that is open at the end, if one is."""
        last = next((token for token in reversed(tokens) if token.type in _WITH_TEXT), None)
        if last is None or last.type != "fence" or not last.map:
            return None
        first, end = last.map
        if last.meta.get("decided") is not None or end < len(self._lines):
            return None
        before = _BEFORE_FENCE.match(self._lines[first])
        return before and before.end()

    def _open_inline(self, tokens: list[Token]) -> Token | None:
        """The running text that the end of what was parsed last stands in, if it is one."""
        at = next((i for i in reversed(range(len(tokens))) if tokens[i].type in _WITH_TEXT), None)
        if at is None or tokens[at].type != "inline":
            return None
        after = tokens[at + 1].type if at + 1 < len(tokens) else ""
        if after == "td_close":
            return self._open_cell(tokens)
        return None if after == "th_close" else tokens[at]  # the delimiter row is below

    def _open_cell(self, tokens: list[Token]) -> Token | None:
        """The text of that cell of a table's last row; those behind it only fill up the row."""
        start = max(i for i, token in enumerate(tokens) if token.type == "tr_open")
        cells = [token for token in tokens[start:] if token.type == "inline"]
        number = open_cell(self._last_line)
        return cells[number] if self._last_line and number < len(cells) else None

    def shell(self, tokens: list[Token]) -> str:
        """Render tokens as they are."""
        html: str = self._md.renderer.render(tokens, self._md.options, self._env)
        return html


@dataclass(slots=True)
class _Shown:
    """Blocks that end in running text, its source so far and the HTML of them all.

    `formulas` is how many characters of formulas stand before that text.
    """

    tokens: list[Token]
    last: Token
    source: str
    html: str
    formulas: int


def _siblings(tokens: list[Token], level: int, line: int) -> list[Token]:
    """The blocks on this level that begin on `line` or below, of one parent."""
    starts = (i for i, t in enumerate(tokens) if t.level == level and t.map and t.map[0] >= line)
    start = next(starts, len(tokens))
    return list(takewhile(lambda token: token.level >= level, tokens[start:]))


def _hide_alike(tokens: list[Token], shown: list[Token]) -> None:
    """Where these are items of a list, let them be tight if those that are `shown` are."""
    if shown[0].type == "list_item_open":
        own = [t for t in shown if t.level == 2 and t.type == "paragraph_open"]
        for token in tokens:
            if own and token.level == 2 and token.type in ("paragraph_open", "paragraph_close"):
                token.hidden = own[0].hidden


def _paragraph(formula: Token, opening: str) -> list[Token]:
    """A formula that is open as running text."""
    level, text = formula.level, formula.meta["opening"] + formula.content.rstrip()
    if not formula.meta["opening"]:  # an environment's end is in it, which we added
        text = text.removesuffix(closing_of(opening) or "").rstrip()
    return [
        Token("paragraph_open", "p", 1, level=level, map=formula.map, block=True),
        Token("inline", "", 0, level=level + 1, map=formula.map, content=text, children=[]),
        Token("paragraph_close", "p", -1, level=level, block=True),
    ]
