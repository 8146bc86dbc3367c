"""Footnotes: `[^label]` in the text, `[^label]: note` where the model wrote it.

A note stays where it is defined, under its own label, instead of being gathered and
numbered at the end: models write their notes last anyway, and so what a block looks like
depends on which labels are defined and on nothing else.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from .block_rules import bounded

__all__ = ["footnotes_plugin", "reference_key"]

_DEFINITION = re.compile(r"\[\^([^\s\[\]]+)\]:")
_REFERENCE = re.compile(r"\[\^([^\s\[\]]+)\]")
_INDENT = 4  # columns, as in pandoc's and markdown-it's footnotes


def reference_key(label: str) -> str:
    """The key of a note in `env["references"]`; no link label can begin like this."""
    return f"[^{label}"


def footnotes_plugin(md: MarkdownIt) -> None:
    """Tokens `footnote_open` and `footnote_close` (block), `footnote_ref` (inline).

    `meta["label"]` is the label. Definitions are kept in `env["references"]`, beside
    those of links.
    """
    rule = bounded(_definition, 1)
    md.block.ruler.before("reference", "footnote", rule, {"alt": ["paragraph", "reference"]})
    md.inline.ruler.before("link", "footnote_ref", _reference)


def _definition(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    if state.is_code_block(start_line):
        return False
    start = state.bMarks[start_line] + state.tShift[start_line]
    match = _DEFINITION.match(state.src, start, state.eMarks[start_line])
    if match is None:
        return False
    if silent:
        return True

    references = state.env.setdefault("references", {})
    key = reference_key(match[1])
    if key not in references:
        references[key] = {"title": "", "href": "", "map": [start_line, start_line + 1]}

    opening = state.push("footnote_open", "div", 1)
    opening.meta = {"label": match[1]}
    opening.map = lines = [start_line, 0]
    _contents(state, start_line, end_line, match.end())
    lines[1] = state.line
    state.push("footnote_close", "div", -1)
    return True


def _contents(state: StateBlock, line: int, end_line: int, start: int) -> None:
    """Parse the note's own blocks: the rest of its first line, then what is indented."""
    kept = state.bMarks[line], state.tShift[line], state.sCount[line], state.parentType
    text = state.src[start : state.eMarks[line]]
    indent = len(text) - len(text.lstrip(" \t"))

    state.blkIndent += _INDENT
    state.bMarks[line] = start
    state.tShift[line] = indent
    state.sCount[line] = state.blkIndent  # whatever the space after the colon
    state.parentType = "footnote"
    if indent < len(text):
        state.md.block.tokenize(state, line, end_line)
    else:
        state.line = line + 1
        if state.line < end_line and not state.isEmpty(state.line):
            state.md.block.tokenize(state, state.line, end_line)
    state.blkIndent -= _INDENT
    state.bMarks[line], state.tShift[line], state.sCount[line], state.parentType = kept


def _reference(state: StateInline, silent: bool) -> bool:
    if not state.src.startswith("[^", state.pos):
        return False
    match = _REFERENCE.match(state.src, state.pos, state.posMax)
    if match is None or state.env.get("references", {}).get(reference_key(match[1])) is None:
        return False
    if not silent:
        token = state.push("footnote_ref", "sup", 0)
        token.meta = {"label": match[1]}
        token.content = match[1]
    state.pos = match.end()
    return True
