"""What a link may lead to, and which images load."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt, helpers
from markdown_it.common.utils import escapeHtml, unescapeAll
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from ..data_images import is_data_image
from .style import DEFAULT_STYLE

__all__ = ["image_host", "is_safe_link", "links_plugin", "plain_text"]

_BRACKET = re.compile(r"[\[\]]")
_MAX_BRACKETS = 32  # open at once, at most; the parser's time grows with their square
# `[a](https://x.test/a b.pdf)`: CommonMark has no spaces in a target, models have.
_SPACED_TARGET = re.compile(
    r"""
    (https?:// (?: [^\s<>()"']
        | (?<=\S)'(?=[^\s)]) | \([^\n<>()"']*+\) | [ ]++(?=[^\s)"'<>])
    ){1,2000}+ )
    (?= [ ]*+ (?: "[^"\n]{0,300}+" | '[^'\n]{0,300}+' )?+ [ ]*+ \) )
    """,
    re.VERBOSE | re.IGNORECASE,
)

# `http:path` and `http:/path` are relative for a browser, so two slashes and a host must follow.
_SAFE = re.compile(r"https?://[^/?#\\]|mailto:|#", re.IGNORECASE)
_NEEDS_HOST = re.compile(r"https?:", re.IGNORECASE)


def is_safe_link(url: str) -> bool:
    """Whether `url`, as the parser normalized it, may be the target of a link."""
    if _SAFE.match(url) is None:
        return False
    return _NEEDS_HOST.match(url) is None or _is_parsable(url)


def _is_parsable(url: str) -> bool:
    """Whether the sanitizer keeps this address; it parses addresses as browsers do."""
    return "href" in _url_parser().clean(f'<a href="{escapeHtml(url)}">')


@cache
def _url_parser() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags={"a"}, attributes={"a": {"href"}}, url_schemes={"http", "https"}, link_rel=None
    )


def image_host(url: str) -> str:
    """The host that an image would be fetched from, in lower case, or ""."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.hostname or "" if parts.scheme in ("http", "https") else ""


def links_plugin(md: MarkdownIt) -> None:
    """Images of hosts that are not allowed become links, and each link shows something.

    The allowed hosts are those of `env["style"]`, a `RenderStyle`; without it none is.
    """
    md.helpers = cast("Any", _Helpers())
    md.core.ruler.after("inline", "remote_images", _remote_images)
    md.core.ruler.after("inline", "link_texts", _link_texts)


class _Helpers:
    """The parser's helpers for links, without the time that thousands of brackets take."""

    parseLinkTitle = staticmethod(helpers.parseLinkTitle)  # noqa: N815

    @staticmethod
    def parseLinkDestination(string: str, pos: int, maximum: int) -> Any:  # noqa: N802
        """The target of a link or of a definition; that of a link may hold spaces."""
        if string.startswith(("data:", "<data:"), pos):  # which is none, and may be very long
            return helpers.parseLinkDestination("", 0, 0)
        is_link = string[max(0, pos - 10) : pos].rstrip(" ").endswith("(")
        if is_link and (spaced := _SPACED_TARGET.match(string, pos, maximum)):
            result = helpers.parseLinkDestination("", 0, 0)
            result.ok, result.pos, result.str = True, spaced.end(1), unescapeAll(spaced[1])
            return result
        return helpers.parseLinkDestination(string, pos, maximum)

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


def _remote_images(state: StateCore) -> None:
    allowed = state.env.get("style", DEFAULT_STYLE).image_hosts
    for block in state.tokens:
        children = block.children
        if not children or not any(child.type == "image" for child in children):
            continue
        replaced: list[Token] = []
        depth = 0
        for child in children:
            depth += (child.type == "link_open") - (child.type == "link_close")
            if child.type != "image" or _is_shown(str(child.attrs["src"]), allowed):
                replaced.append(child)
            else:
                replaced += _as_link(child, inside_link=depth > 0)
        block.children = replaced


def _is_shown(source: str, allowed: Collection[str]) -> bool:
    return image_host(source) in allowed or is_data_image(source)


def _as_link(image: Token, *, inside_link: bool) -> list[Token]:
    url = str(image.attrs["src"])
    text = Token("text", "", 0, content=plain_text(image.children) or url, level=image.level)
    if inside_link:
        return [text]
    opening = Token("link_open", "a", 1, attrs={"href": url}, level=image.level)
    if "title" in image.attrs:
        opening.attrs["title"] = image.attrs["title"]
    return [opening, text, Token("link_close", "a", -1, level=image.level)]


def _link_texts(state: StateCore) -> None:
    """A link without a text shows its address, and an address in a link's text is no link."""
    for block in state.tokens:
        if block.children and "[" in block.content:
            block.children = list(_with_texts(block.children))


def _with_texts(tokens: list[Token]) -> Iterator[Token]:
    depth = 0
    address = ""  # of the link that has shown nothing so far
    for token in tokens:
        if token.type == "link_open":
            depth += 1
            if depth > 1:
                continue
            address = str(token.attrs["href"])
        elif token.type == "link_close":
            depth -= 1
            if depth > 0:
                continue
            if address:
                yield Token("text", "", 0, content=address, level=token.level + 1)
        elif token.type == "image" or token.content.strip():
            address = ""
        yield token


def plain_text(tokens: list[Token] | None) -> str:
    """The text of inline tokens, without its markup."""
    parts: list[str] = []
    for token in tokens or ():
        if token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        else:
            parts.append(plain_text(token.children) if token.children else token.content)
    return "".join(parts)
