"""What a link may lead to, which images load, and bare addresses as links."""

from __future__ import annotations

import re
from typing import Any, cast
from urllib.parse import urlsplit

from markdown_it import MarkdownIt, helpers
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

__all__ = ["image_host", "is_safe_link", "links_plugin", "plain_text"]

_BRACKET = re.compile(r"[\[\]]")
_MAX_BRACKETS = 32  # open at once, at most; the parser's time grows with their square

# `http:path` and `http:/path` are relative for a browser, so two slashes and a host must follow.
_SAFE = re.compile(r"https?://[^/?#\\]|mailto:|#", re.IGNORECASE)
_SCHEME_BEFORE = re.compile(r"(?:^|[^A-Za-z0-9+.-])(https?)$", re.IGNORECASE)
_ADDRESS = re.compile(r"://[^\s<>\"`\x00-\x1f\x7f\u3000-\u303f\uff00-\uffef]+")
_NOT_AT_THE_END = frozenset("?!.,:;*_~']")


def is_safe_link(url: str) -> bool:
    """Whether `url`, as the parser normalized it, may be the target of a link."""
    return _SAFE.match(url) is not None


def image_host(url: str) -> str:
    """The host that an image would be fetched from, in lower case, or ""."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.hostname or "" if parts.scheme in ("http", "https") else ""


def links_plugin(md: MarkdownIt) -> None:
    """Bare `https://` addresses become links; images of hosts that are not allowed do too.

    The allowed hosts are `env["image_hosts"]`, a container of str; without it none is.
    """
    md.helpers = cast("Any", _Helpers())
    md.inline.ruler.push("address", _address)
    md.core.ruler.after("inline", "remote_images", _remote_images)


class _Helpers:
    """The parser's helpers for links, without the time that thousands of brackets take."""

    parseLinkDestination = staticmethod(helpers.parseLinkDestination)  # noqa: N815
    parseLinkTitle = staticmethod(helpers.parseLinkTitle)  # noqa: N815

    @staticmethod
    def parseLinkLabel(  # noqa: N802
        state: StateInline,
        start: int,
        disableNested: bool = False,  # noqa: FBT002, N803
    ) -> int:
        """The end of a label, or -1; also if too many brackets are open in it at once."""
        depth = 0
        for bracket in _BRACKET.finditer(state.src, start, state.posMax):
            depth += 1 if bracket[0] == "[" else -1
            if not 0 < depth <= _MAX_BRACKETS:
                break
        return -1 if depth > _MAX_BRACKETS else helpers.parseLinkLabel(state, start, disableNested)


def _address(state: StateInline, silent: bool) -> bool:
    """`https://…` in running text. The parser stops at the colon, so the scheme is behind."""
    if silent or state.linkLevel > 0 or not state.src.startswith("://", state.pos):
        return False
    before = _SCHEME_BEFORE.search(state.pending[-6:])
    rest = before and _ADDRESS.match(state.src, state.pos, state.posMax)
    if not before or not rest:
        return False
    scheme = before[1]
    end = _address_end(state.src, state.pos, rest.end())
    text = scheme + state.src[state.pos : end]
    url = state.md.normalizeLink(text)
    if not state.md.validateLink(url):
        return False
    state.pending = state.pending[: -len(scheme)]
    opening = state.push("link_open", "a", 1)
    opening.attrs = {"href": url}
    opening.markup, opening.info = "linkify", "auto"
    state.push("text", "", 0).content = state.md.normalizeLinkText(text)
    closing = state.push("link_close", "a", -1)
    closing.markup, closing.info = "linkify", "auto"
    state.pos = end
    return True


def _address_end(src: str, start: int, end: int) -> int:
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


def _remote_images(state: StateCore) -> None:
    allowed = state.env.get("image_hosts", ())
    for block in state.tokens:
        children = block.children
        if not children or not any(child.type == "image" for child in children):
            continue
        replaced: list[Token] = []
        depth = 0
        for child in children:
            depth += (child.type == "link_open") - (child.type == "link_close")
            if child.type != "image" or image_host(str(child.attrs["src"])) in allowed:
                replaced.append(child)
            else:
                replaced += _as_link(child, inside_link=depth > 0)
        block.children = replaced


def _as_link(image: Token, *, inside_link: bool) -> list[Token]:
    url = str(image.attrs["src"])
    text = Token("text", "", 0, content=plain_text(image.children) or url, level=image.level)
    if inside_link:
        return [text]
    opening = Token("link_open", "a", 1, attrs={"href": url}, level=image.level)
    if "title" in image.attrs:
        opening.attrs["title"] = image.attrs["title"]
    return [opening, text, Token("link_close", "a", -1, level=image.level)]


def plain_text(tokens: list[Token] | None) -> str:
    """The text of inline tokens, without its markup."""
    parts: list[str] = []
    for token in tokens or ():
        if token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        else:
            parts.append(plain_text(token.children) if token.children else token.content)
    return "".join(parts)
