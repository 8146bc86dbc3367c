"""Bare addresses as links, as GFM has them: `https://…`, `www.…` and those of mail.

(https://github.github.com/gfm/#autolinks-extension-)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

__all__ = ["address_end", "address_pattern", "addresses_plugin"]

_STOP = r"\s<>\"`\x00-\x1f\x7f«»\u3000-\u303f\uff00-\uffef"
_LATIN = r"\u00c0-\u024f\u1e00-\u1eff"
# What follows such a host without a space is the sentence: `https://e.example继续` would lead to
# a host that somebody else may register. `www.bücher.example` goes on: no name of a top-level
# domain is half ASCII, but the others may be.
_HOST_IN_A_SENTENCE = (
    r"(?:[\w.:%+-]*+@)?+(?:localhost|[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)++)(?::\d++)?+"
    rf"(?=[^\x00-\x7f])(?![{_LATIN}][{_LATIN}A-Za-z0-9-]*+\.[{_LATIN}A-Za-z0-9])"
)


def address_pattern(stop: str = "") -> str:
    """A regular expression for an address behind its scheme; at each of `stop` it ends as well.

    Dashes, quotes and ellipses of a sentence are no part of an address: the host of
    `https://example.com—it’s` is one that somebody else may register. In a path a short dash is.
    """
    host = rf"[^{_STOP}{stop}/?\#\u2010-\u205e]+"
    return rf"(?:{_HOST_IN_A_SENTENCE}|{host}(?:[/?\#][^{_STOP}{stop}\u2014-\u205e]*)?)"


_SCHEME_BEFORE = re.compile(r"(?:^|[^A-Za-z0-9+.-])(https?)$", re.IGNORECASE)
_AFTER_SCHEME = re.compile(f"://{address_pattern()}")
_WITHOUT_SCHEME = re.compile(
    rf"""
      (?<![^\s*_~(]) (?P<web> www\.(?=\w){address_pattern()} )
    | (?<![\w.+/@-]) [A-Za-z0-9_.+-]+ @ [A-Za-z0-9_-]+ (?:\.[A-Za-z0-9_-]+)+ (?<![_0-9-]) (?![\w@-])
    """,
    re.VERBOSE,
)
_NOT_AT_THE_END = frozenset("?!.,:;*_~']")


def addresses_plugin(md: MarkdownIt) -> None:
    """Bare addresses in running text become links, with `info` "auto"."""
    md.inline.ruler.push("address", _address)
    md.core.ruler.after("inline", "addresses", _addresses)


def _address(state: StateInline, silent: bool) -> bool:
    """`https://…` in running text. The parser stops at the colon, so the scheme is behind."""
    if silent or state.linkLevel > 0 or not state.src.startswith("://", state.pos):
        return False
    before = _SCHEME_BEFORE.search(state.pending[-6:])
    rest = before and _AFTER_SCHEME.match(state.src, state.pos, state.posMax)
    if not before or not rest:
        return False
    scheme = before[1]
    end = address_end(state.src, state.pos, rest.end())
    text = scheme + state.src[state.pos : end]
    url = state.md.normalizeLink(text)
    if not state.md.validateLink(url):
        return False
    state.pending = state.pending[: -len(scheme)]
    if state.pending:
        state.pushPending()
    state.tokens += _link(url, text, state.level)
    state.pos = end
    return True


def address_end(src: str, start: int, end: int) -> int:
    """Leave out the sentence's own punctuation, and a bracket that was opened before it."""
    unpaired = src.count(")", start, end) - src.count("(", start, end)
    while end > start + 3:
        last = src[end - 1]
        if last == ")" and unpaired > 0:
            unpaired -= 1
        elif last not in _NOT_AT_THE_END:
            break
        end -= 1
    return end


def _addresses(state: StateCore) -> None:
    """Addresses without a scheme. The parser stops nowhere in them, so its text is searched."""
    for block in state.tokens:
        if block.children and ("www." in block.content or "@" in block.content):
            block.children = list(_linked(block.children, state.md))


def _linked(tokens: list[Token], md: MarkdownIt) -> Iterator[Token]:
    depth = 0
    before: Token | None = None
    for token in tokens:
        depth += (token.type == "link_open") - (token.type == "link_close")
        if token.type == "text" and not depth:
            # Behind code or an escaped character there is no start of a word.
            at_word_start = before is None or before.nesting != 0 or before.tag == "br"
            yield from _with_links(token, md, at_word_start=at_word_start)
        else:
            yield token
        before = token


def _with_links(text: Token, md: MarkdownIt, *, at_word_start: bool) -> Iterator[Token]:
    done = 0
    for found in _WITHOUT_SCHEME.finditer(text.content):
        start, end = found.span()
        if found["web"]:
            end = address_end(text.content, start, end)
        address = text.content[start:end]
        url = md.normalizeLink(("http://" if found["web"] else "mailto:") + address)
        if (start == 0 and not at_word_start) or address == "www" or not md.validateLink(url):
            continue
        if done < start:
            yield Token("text", "", 0, content=text.content[done:start], level=text.level)
        yield from _link(url, address, text.level)
        done = end
    if done:
        text.content = text.content[done:]
    if text.content:
        yield text


def _link(url: str, text: str, level: int) -> Iterator[Token]:
    yield Token(
        "link_open", "a", 1, attrs={"href": url}, markup="linkify", info="auto", level=level
    )
    yield Token("text", "", 0, content=text, level=level + 1)
    yield Token("link_close", "a", -1, markup="linkify", info="auto", level=level)
