"""Nothing that a model wrote may vanish: each leaf of generated documents holds a word of its own.

Each word stands in what is live, whole and streamed, in what is saved as its readers see it,
and that of code in `code_blocks`, in the same order.
"""

from __future__ import annotations

import re
from itertools import count
from random import Random

import pytest
from bs4 import BeautifulSoup
from growing import assert_exact, sizes
from long import LONG
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from nbstream.render.extract import code_blocks
from nbstream.render.html import render
from nbstream.render.patches import Document
from nbstream.render.safe_markdown import safe_markdown

PLAIN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
T = "```"
WORD = re.compile(r"[wc]\d+z")


class Words:
    """Words that differ: `w1z` in text, `c2z` in code."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.made: list[str] = []

    def text(self) -> str:
        return self._next("w")

    def code(self) -> str:
        return self._next("c")

    def _next(self, kind: str) -> str:
        self.made.append(f"{kind}{next(self._numbers)}z")
        return self.made[-1]


def leaf(chance: Random, words: Words) -> str:
    """A block that holds no other; `code()` only where `code_blocks` has it."""
    w, c = words.text, words.code
    kinds = (
        lambda: f"{w()} **{w()}** *{w()}* `{w()}` ~~{w()}~~\n{w()}  \n{w()}\\\n{w()}",
        lambda: f"{'#' * chance.randint(1, 6)} {w()}",
        lambda: f"{w()}\n{chance.choice('=-') * 3}",
        lambda: (
            f"| {w()} | {w()} |\n|---|---|\n| {w()} |\n| {w()} | `{w()}|{w()}` | {w()} | {w()} |"
        ),
        lambda: f"{T}python\n{c()}\n{T}",
        lambda: f"~~~\n{c()}\n\n  {c()}\n~~~",
        lambda: f"{T}python title={w()}\n{c()}\n{T}",
        lambda: f"{T}src/{w()}.py\n{c()}\n{T}",
        lambda: f"{T}md\n{c()}\n{T}py\n{c()}\n{T}\n{c()}\n{T}",
        lambda: f"{T}py\n{c()}{T}\n",
        lambda: f"{T}py\n{c()}\n{T} And then {w()} it",
        lambda: f"Here is {w()}: {T}python\n{c()}\n{T}",
        lambda: f"> [!NOTE]\n> {w()}\n\n> [!tip] {w()}",
        lambda: f"{w()}[^n{w()}]\n\n[^n{w()}]: {w()}\n\n    {w()}",
        lambda: f"[{w()}]: https://x.example/{w()} '{w()}'",
        lambda: f"[{w()}][r]\n\n[r]: https://r.example\n\n[r]: https://r.example/{w()}",
        lambda: f"![{w()}](https://x.example/i.png) [{w()}](https://x.example)",
        lambda: (
            f"[](https://{w()}.example) [ ](https://x.example/{w()}) ![](https://{w()}.example)"
        ),
        lambda: f"[{w()}](./{w()}) [<https://{w()}.example>](https://x.example)",
        lambda: f"<div title='{w()}'>{w()}</div>\n<details><summary>{w()}</summary>{w()}",
        lambda: f"[//]: # ({w()})\n\n[comment]: <> ({w()})\n\n<!-- {w()} -->",
        lambda: (
            f"${w()}_1$ and \\({w()}^2\\)\n\n$$\n{w()}\n$$\n\n\\begin{{align}}{w()}\\end{{align}}"
        ),
        lambda: f"- [ ] {w()}\n- [x] {w()}\n-       {w()}",
        lambda: f"{w()}\n: {w()}",
        lambda: f"x<sub>{w()}</sub> <kbd>{w()} <u>{w()}</u> C:\\{w()}\\.{w()}",
        lambda: f"שלום {w()} `{w()}` [{w()}](https://x.example) <sup>{w()}</sup>",
        lambda: f"{T}mermaid\ngraph TD\n  A[{c()}]\n{T}",
        lambda: f"{w()}<br>{w()} a\u202e{w()} \x1b[1m{w()}\x1b[0m",
    )
    return chance.choice(kinds)()


def document(chance: Random, words: Words) -> str:
    """Blocks in containers, which nest one to sixty levels deep, and blocks behind them."""
    parts = []
    for _ in range(chance.randint(1, 3)):
        marks = chance.choices(["- ", "1. ", "> ", "* ", "10) "], k=chance.choice([0, 1, 2, 5, 60]))
        if chance.random() < 0.2:
            marks = marks[:1] * len(marks)
        text = "\n\n".join(leaf(chance, words) for _ in range(chance.randint(1, 3)))
        parts.append(_within(marks, text, chance, words))
    return "\n\n".join([*parts, leaf(chance, words)])


def _within(marks: list[str], text: str, chance: Random, words: Words) -> str:
    on_one_line = chance.random() < 0.4
    for mark in reversed(marks):
        rest = mark if mark == "> " else " " * len(mark)
        if not on_one_line:
            text = f"{words.text()}\n\n{text}"
        text = mark + text.replace("\n", f"\n{rest}")
    return text


def text_of(html: str) -> str:
    return BeautifulSoup(html, "html.parser").get_text()


def streamed(markdown: str, chance: Random) -> str:
    """The text of a page that got `markdown` in pieces."""
    view = Document()
    start = 0
    while start < len(markdown):
        end = start + chance.choice([1, 3, 10, 40])
        view.feed(markdown[start:end])
        view.patch()
        start = end
    view.close()
    return text_of("".join(block[0] for block in view.snapshot()["blocks"]))


def assert_all_is_there(markdown: str, words: list[str], chance: Random) -> None:
    saved = safe_markdown(markdown)
    live = text_of(render(markdown))
    pages = {
        "live": live,
        "streamed": streamed(markdown, chance),
        "markdown-it": text_of(PLAIN.render(saved)),
        "nbconvert": text_of(markdown2html_mistune(saved)),
    }
    for name, page in pages.items():
        assert [word for word in words if word not in page] == [], f"{name}: {markdown}"
    code = WORD.findall("\n".join(block.text for block in code_blocks(markdown)))
    shown = [word for word in WORD.findall(live) if word in code]
    assert shown == code, markdown
    if "    " not in markdown:  # what is indented so far in a deep place may become text
        assert set(code) >= {word for word in words if word[0] == "c"}, markdown


@pytest.mark.fuzz
def test_every_word_of_generated_documents_is_there():
    number = 3_000 if LONG else 100
    for seed in range(number):
        chance, words = Random(seed), Words()
        assert_all_is_there(document(chance, words), words.made, chance)
    print(f"{number} documents")


@pytest.mark.parametrize("seed", range(30))
def test_the_words_stand_there_at_every_moment(seed):
    chance, words = Random(10_000 + seed), Words()
    text = "\n\n".join(leaf(chance, words) for _ in range(4))
    assert_exact(text, sizes(seed), enter_at=0)


# -- what CommonMark hides -------------------------------------------------------------

LINK = '<a href="https://a.b"'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[a]: https://a.b 't'", "[a]: https://a.b 't'"),
        (
            "[a]: https://a.b\n\nx\n\n[c]: <https://d.e>\n\ny",
            "xy[a]: https://a.b\n[c]: https://d.e",
        ),
        ("[a]: https://a.b\n\n[a]", "a"),
        ("[a]\n\n[a]: https://a.b", "a"),
        ("[x][A] ![y][b]\n\n[a]: https://a.b\n[b]: https://c.d", "x y"),
        ("[a]\n\n[a]: https://a.b\n[a]: https://c.d", "a[a]: https://c.d"),
        ("- [a]: https://a.b\n- x\n> [b]: https://c.d", "x[a]: https://a.b\n[b]: https://c.d"),
        ("[a`b]: https://a.b 'c`d'", "[ab]: https://a.b 'cd'"),
        ("[a `b]: #c`", "[a b]: #c"),
        ("[a (\n\n- `b]: #c`", "[a (b]: #c"),
        ("[a\n\nx\n\n    b]: #c", "[axb]: #c\n"),
        ("[a]: https://a.b\n'x\ny'", "[a]: https://a.b 'x y'"),
        ("`[a]`\n\n[a]: https://a.b", "[a][a]: https://a.b"),
        (f"[a]: https://a.b\ne {T}py\nx\n{T}\n", "ex\n[a]: https://a.b"),
    ],
)
def test_a_definition_that_nothing_refers_to_is_shown_behind_the_text(text, shown):
    assert text_of(render(text)) == shown
    for page in (PLAIN.render(safe_markdown(text)), markdown2html_mistune(safe_markdown(text))):
        assert "".join(text_of(page).split()) == "".join(shown.split())
    for enter_at in (0, 10**9):
        assert_exact(text, enter_at=enter_at)
        assert_exact(text, [len(text)], enter_at=enter_at)


def test_what_a_later_link_refers_to_is_not_shown():
    view = Document()
    for piece in ("[a]: https://a.b\n\n", "x\n\n" * 20, "[a]", "(https://c.d) [a]\n\n"):
        view.feed(piece)
        view.patch()
        assert "[a]:" not in str(view.snapshot())
    view.close()
    assert "[a]:" not in str(view.snapshot())


@pytest.mark.parametrize(
    ("info", "title"),
    [
        ("python", ""),
        ("", ""),
        ("no-such", ""),
        ("{python}", ""),
        ("python title=a.py", "title=a.py"),
        ("python:src/app.py", "src/app.py"),
        ("python,linenos", "linenos"),
        ("js {1,3}", "{1,3}"),
        ("src/app.py", "src/app.py"),
        ("12:15:src/app.ts", "12:15:src/app.ts"),
        ("no-such x", "no-such x"),
        ("py &#x202e;<b>&amp;", "⟨U+202E⟩<b>&"),
    ],
)
def test_what_a_fence_says_beside_its_language_is_above_the_code(info, title):
    text = f"{T}{info}\nx\n{T}\n"
    for page in (
        render(text),
        PLAIN.render(safe_markdown(text)),
        markdown2html_mistune(safe_markdown(text)),
    ):
        soup = BeautifulSoup(page, "html.parser")
        assert soup.pre.get_text().strip() == "x"
        soup.pre.decompose()
        assert soup.get_text().strip() == title
    assert [block.text for block in code_blocks(text)] == ["x\n"]
    assert_exact(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[](https://a.b)", "https://a.b"),
        ("[ ](https://a.b)", "https://a.b"),
        ("[<u></u>](https://a.b)", "https://a.b"),
        ("[](mailto:a@b.cc)", "mailto:a@b.cc"),
        ("[<https://a.b>](https://c.d)", "https://a.b (c.d)"),
        ("[<a@b.cc>](https://c.d)", "a@b.cc"),
        ("www.a.b@c.d", "www.a.b@c.d (c.d)"),
        ("[www&#46;a.b][r]\n\n[r]: https://c.d", "www.a.b (c.d)"),
    ],
)
def test_each_link_shows_where_it_leads_and_leads_there(text, shown):
    saved = safe_markdown(text)
    for page in (render(text), PLAIN.render(saved), markdown2html_mistune(saved)):
        (link,) = BeautifulSoup(page, "html.parser")("a")
        assert link.get_text().strip() == shown
        assert link["href"] == BeautifulSoup(render(text), "html.parser").a["href"]
