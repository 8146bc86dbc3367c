"""Where a link leads, where its text says that it leads elsewhere.

A link whose text is an address of one host and whose target is of another one shows the
target's host behind the text. `[node.js](…)` is a name, and no address.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from .links import plain_text

__all__ = ["link_hosts_plugin"]

_SHOWN = re.compile(
    r"(?: [a-z][a-z0-9+.-]{1,20}:[/\\]{2} | (?<![\w.-])(?=www\.) ) ([^\s/?\#<>()\[\]\"'|\\]++)",
    re.IGNORECASE | re.VERBOSE,
)
_MAY_HOLD_LINK = re.compile(r"\[|://|www\.", re.IGNORECASE)
_LONGEST_TEXT = 2_000  # characters
_BEHIND_A_HOST = ".,;:!?*_~…"
_LOOK_LATIN = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")


def link_hosts_plugin(md: MarkdownIt) -> None:
    """Links whose text is another host's address get a text with that of their target."""
    md.core.ruler.after("addresses", "link_hosts", _link_hosts)


def _link_hosts(state: StateCore) -> None:
    for block in state.tokens:
        children = block.children
        if not children or not _MAY_HOLD_LINK.search(block.content):
            continue
        shown: list[Token] = []
        start = 0
        for child in children:
            if child.type == "link_open":
                start = len(shown)
            elif child.type == "link_close":
                host = _other_host(shown[start], plain_text(shown[start + 1 :]), state.md)
                if host:
                    shown.append(Token("text", "", 0, content=f" ({host})", level=child.level + 1))
            shown.append(child)
        block.children = shown


def _other_host(link: Token, text: str, md: MarkdownIt) -> str:
    """The host of the link's target, where its text names another; else ""."""
    named = [match[1] for match in _SHOWN.finditer(text[:_LONGEST_TEXT])]
    target = _host(str(link.attrs["href"])) if named else ""
    if not target or text.endswith(f"({target})"):  # as a text that was saved says already
        return ""
    hosts = [re.split("[:@]", name.rstrip(_BEHIND_A_HOST))[0] for name in named]
    alike = all(
        _same(_host(md.normalizeLink(f"http://{host}")), target) and not _is_look_alike(host)
        for host in hosts
    )
    return "" if alike else target


def _host(url: str) -> str:
    if url.startswith("mailto:"):
        return url.partition("?")[0].rpartition("@")[2]
    try:
        return unquote(urlsplit(url).hostname or "")
    except ValueError:
        return ""


def _same(one: str, other: str) -> bool:
    return one.removeprefix("www.").rstrip(".") == other.removeprefix("www.").rstrip(".")


def _is_look_alike(host: str) -> bool:
    """Whether letters of other scripts that look like Latin ones stand beside Latin ones."""
    if host.isascii():
        return False
    names = [unicodedata.name(char, "") for char in host if char.isalpha()]
    return any(name.startswith(_LOOK_LATIN) for name in names) and any(
        name.startswith("LATIN") for name in names
    )
