"""What JupyterLab's own renderer makes of saved text: what ours makes of the model's."""

from __future__ import annotations

from random import Random

import pytest
from bs4 import BeautifulSoup
from long import LONG
from nested_documents import nested_document
from normal_html import normal_html
from test_safe_markdown import CONSTRUCTS, payloads

from nbstream.render.html import parser
from nbstream.render.safe_markdown import safe_markdown
from nbstream.render.safe_text import clean
from nbstream.render.style import RenderStyle

#: HTML of markdown, before anything is typeset in it.
RENDER = """async (texts) => {
    const { rendermime } = jupyterapp.shell.currentWidget.content;
    const mimeType = "text/markdown";
    const { sanitizer, markdownParser, translator } = rendermime;
    const options = { mimeType, sanitizer, markdownParser, translator, resolver: null,
                      linkHandler: null, latexTypesetter: null };
    const pages = [];
    for (const text of texts) {
        const renderer = rendermime.getFactory(mimeType).createRenderer(options);
        await renderer.renderModel(rendermime.createModel({ data: { [mimeType]: text } }));
        pages.push(renderer.node.innerHTML);
        renderer.dispose();
    }
    return pages;
}"""
_AT_ONCE = 250  # documents
CODE = RenderStyle(diagrams=False)  # else JupyterLab draws them


def seen(html: str) -> str:
    """What a reader sees of a page of JupyterLab's, in one form."""
    soup = BeautifulSoup(html, "html.parser")
    for anchor in soup.select("a.jp-InternalAnchorLink"):
        anchor.decompose()
    for image in soup.select('img[alt="Image"]'):  # which had no text
        image["alt"] = ""
    return normal_html(str(soup))


def assert_same(notebook, texts: list[str]) -> None:
    for start in range(0, len(texts), _AT_ONCE):
        part = texts[start : start + _AT_ONCE]
        pages = notebook.page.evaluate(RENDER, [safe_markdown(text, CODE) for text in part])
        for text, page in zip(part, pages, strict=True):
            assert seen(page) == normal_html(parser().render(clean(text), {})), text
    print(f"{len(texts)} documents")


@pytest.mark.fuzz
def test_generated_documents_are_the_same_in_jupyterlab(open_notebook):
    texts = [nested_document(Random(seed)) for seed in range(5_000 if LONG else 100)]
    texts += ["[a (\n\n- `b]: #c`", "[a\n\nx\n\n    b]: #c"]
    texts += ["<kbd>&copy &ltb &amp;</kbd> &copy", "[](https://a.b)\n\n[a]: https://c.d"]
    assert_same(open_notebook(["0"]), texts)


def test_payloads_are_the_same_in_jupyterlab(open_notebook, shared):
    texts = []
    for number, payload in enumerate(payloads(shared)):
        line = " ".join(payload.split())
        some = CONSTRUCTS[number % 12 :: 12]
        texts += [each.replace("{any}", payload).replace("{line}", line) for each in some]
    assert_same(open_notebook(["0"]), texts)
