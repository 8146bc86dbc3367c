"""Line breaks: the end of a line, and `<br>`, the one element that models write for them.

Models mean the ends of their lines, and no reader misses them where none is meant. So they are
kept, unless `env["style"]`, a `RenderStyle`, says no: then they are spaces, as in CommonMark.
In a cell of a table nothing but `<br>` breaks a line. It becomes the token of a line break, and
no HTML passes through the parser.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, newline

from .style import DEFAULT_STYLE

__all__ = ["BREAK", "line_breaks_plugin"]

#: The markup of such a token.
BREAK = "<br>"

_BREAK = re.compile(r"<br[ \t]*/?>[ \t]*\n?[ \t]*", re.IGNORECASE)


def line_breaks_plugin(md: MarkdownIt) -> None:
    """Tokens `hardbreak`, with the markup `<br>` where that was written."""
    md.inline.ruler.at("newline", _line_end)
    md.inline.ruler.before("autolink", "line_break", _line_break)


def _line_end(state: StateInline, silent: bool) -> bool:
    found = newline(state, silent)
    if found and not silent and state.env.get("style", DEFAULT_STYLE).line_breaks:
        state.tokens[-1].type = "hardbreak"
    return found


def _line_break(state: StateInline, silent: bool) -> bool:
    found = _BREAK.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.pending = state.pending.rstrip(" ")
        state.push("hardbreak", "br", 0).markup = BREAK
    state.pos = found.end()
    return True
