"""Which of CommonMark's examples our parser reads in another way than its reference, and why."""

from __future__ import annotations

import os

import pytest
import spec
from markdown_it import MarkdownIt
from normal_html import normal_html

from nbstream.render.html import parser
from nbstream.render.links import is_safe_link
from nbstream.render.style import RenderStyle

#: The numbers of those that differ, beside the ends of lines, which are kept.
DIFFERENT = {
    12: "`\\[…\\]` is a formula",
    143: "what stands behind a fence's language is shown",
    146: "what stands behind a fence's language is shown",
    202: "a path keeps its backslashes",
    495: "`\\(…\\)` is a formula",
    498: "`\\(…\\)` is a formula",
}


def test_what_differs_from_commonmark():
    if not spec.FOLDER.exists():
        message = "no CommonMark examples: run tests/spec.py, or `make test`, which does"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    stock = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    stock.disable(["html_block", "html_inline"])
    stock.validateLink = is_safe_link
    env = {"style": RenderStyle(line_breaks=False)}
    examples = spec.commonmark()
    assert len(examples) == 652
    different = [
        number
        for number, text in enumerate(examples, 1)
        if normal_html(parser().render(text, dict(env))) != normal_html(stock.render(text))
    ]
    assert different == list(DIFFERENT)
