"""A paragraph as one line of safe HTML, where markdown cannot say that it stands at the right.

Jupyter's front ends set paragraphs to the left whatever their direction; only a style of the
paragraph's own element says otherwise. It is ours, and so is every other attribute's name here.
In a block of HTML no reader looks for markdown, so what is inside is written as HTML as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from markdown_it.token import Token

from .inline_html import HARMLESS_TAGS
from .links import is_safe_link, plain_text
from .safe_text import attribute_text, html_inline, html_text
from .tex import portable

__all__ = ["right_to_left_paragraph"]

# What HTML would read in a formula: an entity, or a tag.
_NOT_IN_HTML = re.compile(r"&(?=\#?\w+;)|<(?=[A-Za-z/!?])")


def right_to_left_paragraph(tokens: Sequence[Token]) -> str:
    """A paragraph with these inline tokens, at the right."""
    inside = "".join(_WRITERS.get(token.type, _text)(token) for token in tokens)
    return f'<p dir="rtl" style="text-align:right">{inside.strip()}</p>'


def _text(token: Token) -> str:
    return html_inline(token.content)


def _break(token: Token) -> str:
    return "<br>" if token.type == "hardbreak" else " "


def _code(token: Token) -> str:
    code = token.content if token.type == "code_inline" else " ".join(token.content.split())
    return f"<code>{attribute_text(code)}</code>"


def _math(token: Token) -> str:
    display = token.type == "math_inline_block"
    tex = portable(token.content, display=display, one_line=True)
    if tex is None or _NOT_IN_HTML.search(tex):
        return _code(token)
    return f"$${tex}$$" if display else f"${tex}$"


def _tag(token: Token) -> str:
    return f"<{token.tag}>" if token.nesting == 1 else f"</{token.tag}>"


def _note(token: Token) -> str:
    return f"<sup>{html_text(token.content)}</sup>"


def _link_open(token: Token) -> str:
    url = str(token.attrs["href"])
    # A link that leads nowhere keeps its element, so that the closing tag has one to close.
    target = f' href="{attribute_text(url)}"' if is_safe_link(url) else ""
    return f"<a{target}{_title(token)}>"


def _image(token: Token) -> str:
    source = attribute_text(str(token.attrs["src"]))
    text = attribute_text(plain_text(token.children))
    return f'<img src="{source}" alt="{text}"{_title(token)}>'


def _title(token: Token) -> str:
    title = attribute_text(str(token.attrs.get("title", "")))
    return f' title="{title}"' if title else ""


_TAGS = ("em", "strong", "s", *HARMLESS_TAGS)
_WRITERS: dict[str, Callable[[Token], str]] = {
    "softbreak": _break,
    "hardbreak": _break,
    "code_inline": _code,
    "math_inline": _math,
    "math_inline_block": _math,
    "footnote_ref": _note,
    "link_open": _link_open,
    "link_close": _tag,
    "image": _image,
    **{f"{tag}_{end}": _tag for tag in _TAGS for end in ("open", "close")},
}
