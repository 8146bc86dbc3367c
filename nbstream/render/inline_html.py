"""The few elements of HTML that do no harm in running text: `<sub> <sup> <kbd> <u> <mark>`.

They are tokens, as emphasis is, where both tags stand in one block with nothing half open
between them. A tag without its other one is text, and so is every tag with an attribute.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

__all__ = ["HARMLESS_TAGS", "inline_html_plugin"]

HARMLESS_TAGS = ("sub", "sup", "kbd", "u", "mark")

_TAG = re.compile(rf"<(/?)({'|'.join(HARMLESS_TAGS)})>", re.IGNORECASE)
_MAX_DEPTH = 8
_META = "inline_tag"  # of a text token that may become a tag


def inline_html_plugin(md: MarkdownIt) -> None:
    """Tokens `sub_open`, `sub_close` and so on."""
    md.inline.ruler.before("autolink", "inline_html", _tag)
    md.inline.ruler2.before("fragments_join", "inline_html", _pair)


def _tag(state: StateInline, silent: bool) -> bool:
    found = _TAG.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        token = state.push("text", "", 0)
        token.content = found[0]
        token.meta = {_META: (found[2].lower(), bool(found[1]))}
    state.pos = found.end()
    return True


@dataclass(slots=True)
class _Opened:
    """A tag that is open, and how deep the elements in it nest."""

    name: str
    token: Token
    depth: int = 0


@dataclass(slots=True)
class _Scope:
    """What is open in one block, emphasis or link; `depth` is that of what stands in it."""

    opened: list[_Opened] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    depth: int = 0

    def note(self, depth: int) -> None:
        if self.opened:
            self.opened[-1].depth = max(self.opened[-1].depth, depth)
        else:
            self.depth = max(self.depth, depth)

    def open(self, name: str, token: Token) -> None:
        self.opened.append(_Opened(name, token))
        self.counts[name] = self.counts.get(name, 0) + 1

    def pop(self) -> _Opened:
        opened = self.opened.pop()
        self.counts[opened.name] -= 1
        return opened


def _pair(state: StateInline) -> None:
    """Make elements of the tags that belong together; the others stay text."""
    if not any(_META in token.meta for token in state.tokens):
        return
    scopes = [_Scope()]
    for token in state.tokens:
        if token.nesting == 1:
            scopes.append(_Scope())
        elif token.nesting == -1 and len(scopes) > 1:
            scope = scopes.pop()
            while scope.opened:
                inner = scope.pop()
                scope.note(inner.depth)
            scopes[-1].note(scope.depth)
        elif _META in token.meta:
            name, closes = token.meta.pop(_META)
            if not closes:
                scopes[-1].open(name, token)
            elif scopes[-1].counts.get(name):
                _close(scopes[-1], name, token)


def _close(scope: _Scope, name: str, token: Token) -> None:
    opened = scope.pop()
    while opened.name != name:
        scope.note(opened.depth)
        opened = scope.pop()
    depth = opened.depth + 1
    if depth <= _MAX_DEPTH:
        _become(opened.token, f"{name}_open", name, 1)
        _become(token, f"{name}_close", name, -1)
    scope.note(min(depth, _MAX_DEPTH))


def _become(token: Token, kind: str, tag: str, nesting: int) -> None:
    token.type, token.tag, token.content = kind, tag, ""
    token.nesting = nesting  # type: ignore[assignment]
