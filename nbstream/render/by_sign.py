"""The parsers of blocks and of running text, which ask only the rules that begin with a sign.

markdown-it's own ask one rule after the other at each line, and at each sign that any of them
could begin with. So a text of nothing but such signs takes fifty times as long as prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

from markdown_it.parser_block import ParserBlock, RuleFuncBlockType
from markdown_it.parser_inline import ParserInline, RuleFuncInlineType
from markdown_it.ruler import Ruler
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from .invisible import ZERO_WIDTH

__all__ = ["BlockParser", "InlineParser"]

_Rule = TypeVar("_Rule", RuleFuncBlockType, RuleFuncInlineType)

#: What the blocks of each rule begin with; those of all others begin with anything.
_BLOCKS = {
    "blockquote": ">",
    "fence": "`~",
    "footnote": "[",
    "heading": "#",
    "hr": "*-_",
    "html_block": "<",
    "list": "*+-0123456789",
    "math_block": "$\\",
    "reference": "[",
}
#: The same of what stands in running text; addresses begin behind their scheme.
_INLINE = {
    "address": ":",
    "autolink": "<",
    "backslash": "\\",
    "backticks": "`",
    "data_address": ":",
    "data_image": "!",
    "emphasis": "*_",
    "entity": "&",
    "escape": "\\",
    "footnote_ref": "[",
    "html_inline": "<",
    "image": "!",
    "inline_html": "<",
    "line_break": "<",
    "link": "[",
    "math_inline": "$\\",
    "newline": "\n",
    "regex_backslash": "\\",
    "strikethrough": "~",
    "text": "",  # all the others
}
_ENDS_LABEL = "]"  # which the parser's helper for links looks for, token by token


def _by_sign(
    rules: Iterable[tuple[str, _Rule]], begins: dict[str, str], other: str
) -> dict[str, list[_Rule]]:
    """The rules for each sign, in order. Each of `other` stands for what none begins with."""
    named: list[tuple[str, _Rule]] = list(rules)
    signs = {*other, *(sign for name, _ in named for sign in begins.get(name, ""))}
    return {
        sign: [rule for name, rule in named if sign in begins.get(name, sign)] for sign in signs
    }


class BlockParser(ParserBlock):
    """The parser's own, to the same result."""

    def __init__(self) -> None:
        super().__init__()
        rules, self.ruler = self.ruler, _BlockRuler()
        for rule in rules.__rules__:
            self.ruler.push(rule.name, rule.fn, {"alt": rule.alt})


class _BlockRuler(Ruler[RuleFuncBlockType]):
    """Gives one rule instead of many: the first that takes a line, of those that may."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, tuple[list[RuleFuncBlockType], list[RuleFuncBlockType]]] = {}

    def getRules(self, chainName: str = "") -> list[RuleFuncBlockType]:  # noqa: N802, N803 - the parser's own names
        rules = super().getRules(chainName)
        made = self._made.get(chainName)
        if made is None or made[0] is not rules:
            made = self._made[chainName] = rules, [self._first(rules)]
        return made[1]

    def _first(self, rules: list[RuleFuncBlockType]) -> RuleFuncBlockType:
        names = {rule.fn: rule.name for rule in self.__rules__}
        table = _by_sign(((names[rule], rule) for rule in rules), _BLOCKS, "a")
        table.update((sign, rules) for sign in ZERO_WIDTH)  # behind which any may begin
        others = table["a"]

        def first(state: StateBlock, line: int, end_line: int, silent: bool) -> bool:  # noqa: FBT001 - the parser's own
            start = state.bMarks[line] + state.tShift[line]
            for rule in table.get(state.src[start : start + 1], others):
                if rule(state, line, end_line, silent):
                    return True
            return False

        return first


class InlineParser(ParserInline):
    """The parser's own, to the same result."""

    def __init__(self) -> None:
        super().__init__()
        self._rules: list[RuleFuncInlineType] = []  # that the table was made of
        self._table: dict[str, list[RuleFuncInlineType]] = {}

    def is_plain(self, src: str) -> bool:
        """Whether no sign in `src` begins anything."""
        self._note_rules()
        return self.terminator_re.search(src) is None

    def tokenize(self, state: StateInline) -> None:
        """Make tokens of the text from `state.pos` to `state.posMax`."""
        self._note_rules()
        src, end = state.src, state.posMax
        while (pos := state.pos) < end:
            found = self.terminator_re.search(src, pos, end)
            start = found.start() if found else end
            if start > pos:
                state.append_pending(src[pos:start])
                state.pos = start
            elif not self._take(state, src[pos], silent=False):
                state.append_pending(src[pos])
                state.pos = pos + 1
        if state.pending:
            state.pushPending()

    def skipToken(self, state: StateInline) -> None:  # noqa: N802 - the parser's own name
        """Go on behind the token at `state.pos`, without making it."""
        pos = state.pos
        if pos in state.cache:
            state.pos = state.cache[pos]
            return
        found = self.terminator_re.search(state.src, pos, state.posMax)
        start = found.start() if found else state.posMax
        if state.level >= state.md.options["maxNesting"]:
            state.pos = state.posMax
        elif start > pos:
            state.pos = start
        else:
            state.level += 1  # so that what looks ahead while it looks ahead ends somewhere
            if not self._take(state, state.src[pos], silent=True):
                state.pos = pos + 1
            state.level -= 1
        state.cache[pos] = state.pos

    def _take(self, state: StateInline, sign: str, *, silent: bool) -> bool:
        """Let a rule take what begins here with `sign`; return whether one does."""
        for rule in self._table.get(sign, ()):  # noqa: SIM110 - it is hot
            if rule(state, silent):
                return True
        return False

    def _note_rules(self) -> None:
        """Sort the rules, unless they are those of the last time."""
        rules = self.ruler.getRules("")
        if rules is not self._rules:
            self._rules = rules
            named = zip(self.ruler.get_active_rules(), rules, strict=True)
            self._table = _by_sign(named, _INLINE, "")
            self.terminator_re = re.compile(f"[{re.escape(''.join(self._table) + _ENDS_LABEL)}]")
