r"""Math: `\( \)` and `$ $` in a line, `\[ \]` and `$$ $$` displayed.

Dollar signs are prices more often than math, so a `$` opens only before a character that
is not a space, and the next `$` must close it: not after a space, and not before a letter
or a digit, unless the letters are an English ending, as in `$n$th` and `$x_i$s`. That is
pandoc's rule (https://pandoc.org/MANUAL.html#extension-tex_math_dollars), a little
stricter: pandoc takes `$HOME/$USER` for a formula, and what begins with a digit and is
words, as in `$5 or 10$`.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

__all__ = ["ENDING", "dollar_formula", "math_plugin"]

#: A pattern of the letters that may stand right behind a formula's `$`, as in `$n$th`.
ENDING = r"(?:ths?|st|nd|rd|s)"

_CLOSING = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}
_MAX_LINES = 100  # of one displayed formula: what looks ahead must not look ahead for ever
_MAX_INLINE = 2_000  # characters
_DOLLAR = re.compile(
    rf"\$(?![\s$])((?:[^$\\]|\\.)+?)(?<!\s)\$(?={ENDING}?+(?![A-Za-z0-9$]))", re.DOTALL
)
_CITATION = re.compile(r"[\d\s,–-]+")  # `\[1\]`: brackets that somebody escaped
_PRICES = re.compile(r"\d[^\\^_={}<>+*/|]*\s[^\\^_={}<>+*/|]*")


def math_plugin(md: MarkdownIt) -> None:
    r"""Tokens `math_block`, `math_inline` and `math_inline_block` (displayed, in a paragraph).

    `markup` is the opening delimiter, `content` the TeX between the delimiters. A displayed
    formula that is open where the text ends may yet take in the lines below its first one,
    which is left in `env["open_formula"]`; `env["last_formula"]` is the first line of one
    that the text's last line closes. Of several, it is the first.
    """
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    md.block.ruler.before("fence", "math_block", _block, {"alt": interrupts})
    md.inline.ruler.before("escape", "math_inline", _inline)


def dollar_formula(text: str, start: int, end: int) -> re.Match[str] | None:
    """The formula between single dollar signs that begins at `start`, its TeX as group 1."""
    before = text[start - 1 : start]
    if before == "$" or (before.isascii() and before.isalnum()):
        return None
    match = _DOLLAR.match(text, start, min(end, start + _MAX_INLINE))
    return None if match is None or _PRICES.fullmatch(match[1]) else match


def _block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    if state.is_code_block(start_line):
        return False
    start = state.bMarks[start_line] + state.tShift[start_line]
    opening = state.src[start : start + 2]
    if opening not in ("$$", "\\["):
        return False
    last = _last_line(state, start_line, end_line, _CLOSING[opening])
    if last is None:
        return False
    if silent:
        return True
    token = state.push("math_block", "div", 0)
    token.markup = opening
    token.content = state.getLines(start_line, last + 1, state.blkIndent, keepLastLF=False).strip()[
        2:-2
    ]
    token.map = [start_line, last + 1]
    state.line = last + 1
    return True


def _last_line(state: StateBlock, start_line: int, end_line: int, closing: str) -> int | None:
    """The line that ends with the closing delimiter, or None where there is no formula."""
    limit = min(end_line, start_line + _MAX_LINES)
    is_at_the_end = limit == len(state.bMarks) - 1
    start = state.bMarks[start_line] + state.tShift[start_line] + 2
    if state.src.find(closing, start, state.eMarks[limit - 1]) < 0 and not is_at_the_end:
        return None
    indent = min(state.blkIndent, state.sCount[start_line])
    for line in range(start_line, limit):
        if line > start_line and (state.isEmpty(line) or state.sCount[line] < indent):
            if line == len(state.bMarks) - 2:  # it may be half a line, and no end
                _leave(state, "open_formula", start_line)
            return None
        begin = state.bMarks[line] + state.tShift[line] if line > start_line else start
        text = state.src[begin : state.eMarks[line]].rstrip()
        found = text.find(closing)
        if found >= 0:
            whole = found == len(text) - 2 and (line > start_line or text[:found].strip())
            if whole and line == len(state.bMarks) - 2:
                _leave(state, "last_formula", start_line)
            return line if whole else None
    if is_at_the_end:
        _leave(state, "open_formula", start_line)
    return None


def _leave(state: StateBlock, name: str, line: int) -> None:
    state.env[name] = min(line, state.env.get(name, line))


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] == "$" and not state.src.startswith("$$", state.pos):
        found = _dollars(state)
    elif state.src[state.pos : state.pos + 2] in _CLOSING:
        found = _delimited(state)
    else:
        return False
    if found is None:
        return False
    kind, markup, content, end = found
    if not silent:
        token = state.push(kind, "span", 0)
        token.markup, token.content = markup, content
    state.pos = end
    return True


def _dollars(state: StateInline) -> tuple[str, str, str, int] | None:
    match = dollar_formula(state.src, state.pos, state.posMax)
    return match and ("math_inline", "$", match[1], match.end())


def _delimited(state: StateInline) -> tuple[str, str, str, int] | None:
    opening = state.src[state.pos : state.pos + 2]
    start = state.pos + 2
    end = state.src.find(_CLOSING[opening], start, min(state.posMax, start + _MAX_INLINE))
    content = state.src[start:end]
    if end < 0 or not content.strip() or (opening == "\\[" and _CITATION.fullmatch(content)):
        return None
    kind = "math_inline" if opening == "\\(" else "math_inline_block"
    return kind, opening, content, end + 2
