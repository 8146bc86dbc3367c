r"""Math: `\( \)` and `$ $` in a line, `\[ \]`, `$$ $$` and environments displayed.

An environment of TeX needs no delimiters, and models double the backslashes of `\\( \\)` and
`\\[ \\]`, which is how JupyterLab wants them. What is no formula between all of these, as
prices are none, is told by `dollars`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from .dollars import (
    ENDING,
    is_displayed_in_text,
    is_dollar_formula,
    is_escaped_text,
    is_regex,
)
from .tex import COST, ENVIRONMENTS, MAX_TOTAL, portable

__all__ = [
    "BLOCK_OPENING",
    "Formula",
    "closing_of",
    "formulas_size",
    "inline_formula",
    "math_plugin",
    "typesettable",
]

#: How a displayed formula opens at the start of a line.
BLOCK_OPENING = re.compile(r"\$\$|\\\\?\[|\\begin\{([A-Za-z]+\*?)\}")

_CLOSING = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "\\\\[": "\\\\]", "\\\\(": "\\\\)"}
_INLINE_OPENING = re.compile(r"\$\$?|\\\\?[(\[]|\\begin\{([A-Za-z]+\*?)\}")
_MAX_LINES = 100  # of one displayed formula: what looks ahead must not look ahead for ever
_MAX_INLINE = 2_000  # characters
_AROUND = 40  # characters beside a formula that tell what it is
# Up to the next `$`, but for those of formulas in text. Each piece is read in one way only.
_DOLLAR = re.compile(
    r"\$((?:[^$\\]++|\\(?:text[a-z]*+|mbox|hbox)\{(?:[^${}\\]++|\\.|\$[^${}]*+\$)*+\}|\\.)*+)\$",
    re.DOTALL,
)
_ENDS_WORD = re.compile(rf"{ENDING}?+(?![A-Za-z0-9$])")
_CITATION = re.compile(r"[\d\s,–-]+")  # `\[1\]`: brackets that somebody escaped
_PUNCTUATION = ".,;:"
_BEYOND = "beyond"  # the `info` of a formula that is one too many


class Formula(NamedTuple):
    """A formula in running text: its token's type and markup, its TeX, and where it ends."""

    kind: str
    markup: str
    content: str
    end: int


def math_plugin(md: MarkdownIt) -> None:
    r"""Tokens `math_block`, `math_inline` and `math_inline_block` (displayed, in a paragraph).

    `markup` is the opening delimiter to typeset with, `content` the TeX between the delimiters,
    and a block's `meta["opening"]` what it begins with, "" if that belongs to the TeX. A
    displayed formula that is open where the text ends may yet take in the lines below its
    first one, which is left in `env["open_formula"]`; `env["last_formula"]` is the first line
    of one that the text's last line closes. Of several, it is the first. `env["formulas"]`
    is how many characters the formulas have that were seen.
    """
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    md.block.ruler.before("fence", "math_block", _block, {"alt": interrupts})
    md.inline.ruler.before("escape", "math_inline", _inline)
    md.core.ruler.after("inline", "formulas", _count)


def typesettable(token: Token, *, one_line: bool) -> str | None:
    """The TeX of a formula's token as a front end may typeset it, None if it is code."""
    if token.info == _BEYOND:
        return None
    return portable(token.content, display=token.type != "math_inline", one_line=one_line)


def _count(state: StateCore) -> None:
    """Bound all formulas together: what they cost a page adds up."""
    total = state.env.get("formulas", 0)
    for token in _formulas(state.tokens):
        total += _cost(token)
        token.info = _BEYOND if total > MAX_TOTAL else ""
    state.env["formulas"] = total


def formulas_size(tokens: Sequence[Token]) -> int:
    """How many characters the formulas in these tokens count for."""
    return sum(map(_cost, _formulas(tokens)))


def _cost(formula: Token) -> int:
    """How many characters a formula counts for: to be drawn at all takes its time, too."""
    return len(formula.content) + COST


def _formulas(tokens: Sequence[Token]) -> Iterator[Token]:
    for block in tokens:
        if block.type == "math_block":
            yield block
        yield from (t for t in block.children or () if t.type.startswith("math_inline"))


# -- displayed -----------------------------------------------------------------------


def closing_of(opening: str) -> str | None:
    r"""What closes a formula that opens so, None if none does; of `\begin{…}`, its `\end`."""
    if opening.startswith("\\begin{"):
        name = opening[7:-1]
        return f"\\end{{{name}}}" if name in ENVIRONMENTS else None
    return _CLOSING.get(opening)


def _block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    if state.is_code_block(start_line):
        return False
    start = state.bMarks[start_line] + state.tShift[start_line]
    found = BLOCK_OPENING.match(state.src, start, state.eMarks[start_line])
    closing = found and closing_of(found[0])
    if not found or not closing:
        return False
    last = _last_line(state, start_line, end_line, found, closing)
    if last is None:
        return False
    if silent:
        return True
    token = state.push("math_block", "div", 0)
    source = state.getLines(start_line, last + 1, state.blkIndent, keepLastLF=False).strip()
    is_environment = found[1] is not None
    token.content = source if is_environment else source[len(found[0]) : -len(closing)]
    token.markup = "$$" if is_environment else found[0][-2:]
    token.meta["opening"] = "" if is_environment else found[0]
    token.map = [start_line, last + 1]
    state.line = last + 1
    return True


def _last_line(
    state: StateBlock, start_line: int, end_line: int, opening: re.Match[str], closing: str
) -> int | None:
    """The line that ends with the closing delimiter, or None where there is no formula."""
    limit = min(end_line, start_line + _MAX_LINES)
    is_at_the_end = limit == len(state.bMarks) - 1
    start = opening.end()
    is_open = state.src.find(closing, start, state.eMarks[limit - 1]) < 0
    if is_open and (not is_at_the_end or state.env.get("open_formula", limit) <= start_line):
        return None  # or one that is open above it is known already
    indent = min(state.blkIndent, state.sCount[start_line])
    depth = 1
    for line in range(start_line, limit):
        if line > start_line and (state.isEmpty(line) or state.sCount[line] < indent):
            if line == len(state.bMarks) - 2:  # it may be half a line, and no end
                _leave(state, "open_formula", start_line)
            return None
        if is_open:
            continue
        begin = state.bMarks[line] + state.tShift[line] if line > start_line else start
        text = state.src[begin : state.eMarks[line]].rstrip()
        if opening[1]:
            depth += text.count(opening[0]) - text.count(closing)
            text = text if depth else text.rstrip(_PUNCTUATION)
        found = text.find(closing) if not opening[1] else -1 if depth > 0 else text.rfind(closing)
        if found >= 0:
            whole = found == len(text) - len(closing) and not depth < 0
            whole = whole and (line > start_line or text[:found].strip() != "")
            if whole and line == len(state.bMarks) - 2:
                _leave(state, "last_formula", start_line)
            return line if whole else None
    if is_at_the_end:
        _leave(state, "open_formula", start_line)
    return None


def _leave(state: StateBlock, name: str, line: int) -> None:
    state.env[name] = min(line, state.env.get(name, line))


# -- in running text -----------------------------------------------------------------


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    found = _found(state.src, state.pos, state.posMax)
    if found is None or found.end > state.posMax:
        return False
    if found.kind == "text":
        state.pending += "" if silent else found.content
    elif not silent:
        token = state.push(found.kind, "span", 0)
        token.markup, token.content = found.markup, found.content
    state.pos = found.end
    return True


def inline_formula(text: str, start: int, end: int) -> Formula | None:
    """The formula in running text that begins at `start` and closes before `end`, if one does."""
    found = _found(text, start, end)
    return None if found is None or found.kind == "text" else found


def _found(text: str, start: int, end: int) -> Formula | None:
    """A formula, or what looks like one and is text as it stands, of the type `text`."""
    opening = _INLINE_OPENING.match(text, start, end)
    if opening is None:
        return None
    if opening[0] == "$":
        return _dollars(text, start, end)
    return _delimited(text, opening, end)


def _dollars(text: str, start: int, end: int) -> Formula | None:
    before = text[max(0, start - _AROUND) : start]
    last = before[-1:]
    if last == "$" or (last.isascii() and last.isalnum()):
        return None
    match = _DOLLAR.match(text, start, min(end, start + _MAX_INLINE))
    if match is None or not _ENDS_WORD.match(text, match.end(), end):
        return None
    after = text[match.end() : min(end, match.end() + _AROUND)]
    if not is_dollar_formula(match[1], before, after):
        return None
    return Formula("math_inline", "$", match[1], match.end())


def _delimited(text: str, opening: re.Match[str], end: int) -> Formula | None:
    closing, start = closing_of(opening[0]), opening.end()
    if closing is None:
        return None
    at = text.find(closing, start, min(end, start + _MAX_INLINE))
    content = text[start:at]
    if at < 0 or not content.strip():
        return None
    end_of_it = at + len(closing)
    if opening[1]:
        whole = text[opening.start() : end_of_it]
        return Formula("math_inline_block", "$$", whole, end_of_it)
    if opening[0].endswith("[") and _CITATION.fullmatch(content):
        return None
    before = text[max(0, opening.start() - _AROUND) : opening.start()]
    after = text[end_of_it : min(end, end_of_it + _AROUND)]
    if opening[0] == "$$":
        is_formula = is_displayed_in_text(content, before, after)
    elif is_regex(content, before, after):
        return Formula("text", "", text[opening.start() : end_of_it], end_of_it)
    else:
        is_formula = not is_escaped_text(content)
    kind = "math_inline" if opening[0].endswith("(") else "math_inline_block"
    return Formula(kind, opening[0][-2:], content, end_of_it) if is_formula else None
