"""`<br>` as a line break: the one element of HTML that models write for want of markdown.

No other breaks a line in a cell of a table. It becomes the token of a line break, and no
HTML passes through the parser.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

__all__ = ["BREAK", "line_breaks_plugin"]

#: The markup of such a token.
BREAK = "<br>"

_BREAK = re.compile(r"<br[ \t]*/?>[ \t]*\n?[ \t]*", re.IGNORECASE)


def line_breaks_plugin(md: MarkdownIt) -> None:
    """Tokens `hardbreak` with the markup `<br>`."""
    md.inline.ruler.before("autolink", "line_break", _line_break)


def _line_break(state: StateInline, silent: bool) -> bool:
    found = _BREAK.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.pending = state.pending.rstrip(" ")
        state.push("hardbreak", "br", 0).markup = BREAK
    state.pos = found.end()
    return True
