"""What a page may hold that was rendered, with HTML allowed, from a model's answer."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from nbstream.data_images import is_data_image

__all__ = ["assert_harmless"]

_NAMES = """
a blockquote br code del details div em h1 h2 h3 h4 h5 h6 hr img input kbd li mark ol p pre s span
strong sub summary sup table tbody td th thead tr u ul
"""
TAGS = frozenset(_NAMES.split())
VOID = frozenset({"br", "hr", "img", "input"})
#: What a renderer writes by itself, as regular expressions for the whole value.
ATTRIBUTES = {
    "a": {"href": r"(https?://[^/?#\\]|mailto:|#).*", "title": r".*", "class": "anchor-link"},
    "code": {"class": r"language-[a-z0-9+#._-]+"},
    "div": {"class": "highlight|jp-Mermaid", "dir": "rtl"},
    "p": {"dir": "rtl", "style": "text-align:right"},
    "pre": {"dir": "ltr", "class": "mermaid"},
    "input": {
        "class": "task-list-item-checkbox",
        "type": "checkbox",
        "checked": "",
        "disabled": "",
    },
    "li": {"class": "task-list-item"},
    "ol": {"start": r"\d{1,9}"},
    "span": {"class": r"[a-z0-9]{1,3}"},  # of Pygments
    "td": {"style": r"text-align: ?(left|right|center)"},
    "th": {"style": r"text-align: ?(left|right|center)"},
    **{f"h{level}": {"id": r".*"} for level in range(1, 7)},  # nbconvert's, of the heading's text
}


def assert_harmless(html: str, *, folds: int, nested: bool = False, images: bool = False) -> str:
    """Assert that `html` is nothing but text in our renderer's tags; return that text.

    Args:
        html: the page, or a part of it.
        folds: how many `<details>` there are to be, all at the top.
        nested: whether folds may stand in folds.
        images: whether images are allowed.
    """
    page = _Page(nested=nested, images=images)
    page.feed(html)
    page.close()
    assert not page.open, f"{page.open} are not closed"
    assert page.folds == folds
    return "".join(page.text)


class _Page(HTMLParser):
    def __init__(self, *, nested: bool, images: bool) -> None:
        super().__init__()
        self._around = ["details"] if nested else []
        self.open: list[str] = []
        self.folds = 0
        self.text: list[str] = []
        self._tags = TAGS if images else TAGS - {"img"}

    def handle_starttag(self, tag, attrs) -> None:
        is_data = tag == "img" and is_data_image(dict(attrs).get("src") or "")
        assert tag in self._tags or is_data, f"<{tag}> of the model"
        for name, value in attrs:
            if tag == "img":
                assert name in ("alt", "src", "title"), name
                continue
            allowed = ATTRIBUTES.get(tag, {}).get(name)
            assert allowed is not None, f"{name}={value!r} of the model in <{tag}>"
            assert re.fullmatch(allowed, value or "", re.DOTALL), f"{name}={value!r} in <{tag}>"
        if tag == "details":
            assert all(each in self._around for each in self.open), "a fold inside of something"
            self.folds += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        if tag not in VOID:
            assert self.open, f"</{tag}> closes nothing"
            assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data) -> None:
        self.text.append(data)

    def handle_comment(self, data) -> None:
        raise AssertionError(f"a comment of the model: {data!r}")

    handle_decl = handle_pi = unknown_decl = handle_comment
