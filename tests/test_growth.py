"""What hostile text costs: how much of it is parsed again, and that it is read as any other."""

from __future__ import annotations

from typing import Any

import pytest
from growing import random_document
from markdown_it.parser_inline import ParserInline

from nbstream.render import by_sign
from nbstream.render.credit import Credit
from nbstream.render.engine import Engine
from nbstream.render.html import make_parser
from nbstream.render.invisible import visible
from nbstream.render.patches import Document

PIECES = [
    *("\\(", "\\[", "\\\\(", "$", "$$", "$x$ ", "\\begin{align}\n", "|", "a|b\n", "```\n", "`"),
    *("- a\n", "* a\n  ", "- > a\n", "> ", "> a\n", "<sub>", "<u>*", "![a](data:", "![", "["),
    *("[x](https://y z", "[x](https://y z) ", "C:\\x\\.y", "*", "*a", "_a ", "~~a", "[^1]", "&"),
    *(
        "&#x202e;",
        "\u200b",
        "a\n",
        "!",
        "a@b.c ",
        "https://e.example继",
        "# a\n",
        "[a]: https://b.c\n",
    ),
]


def parsed(text: str, piece: int = 60) -> int:
    """How many characters are given to the parser while `text` grows and ends."""
    document = Document()
    for start in range(0, len(text), piece):
        document.feed(text[start : start + piece])
        document.patch()
    document.close()
    return document.parsed


@pytest.mark.parametrize("piece", PIECES)
def test_hostile_text_is_parsed_a_few_times(piece):
    short, tall = ((piece * size)[:size] for size in (8_000, 32_000))
    costs = parsed(short), parsed(tall)
    assert costs[1] <= 4.5 * costs[0]
    assert costs[1] <= 12 * len(visible(tall))


@pytest.mark.parametrize("before", ["", "> ", "- "])
def test_an_open_formula_is_not_parsed_again_for_each_line(before, monkeypatch):
    parse, sizes = Engine.tokens, []
    monkeypatch.setattr(Engine, "tokens", lambda self, t: sizes.append(len(t)) or parse(self, t))
    indent = before.replace("-", " ")
    lines = ["\\begin{align}", *("a_{1} &= b + \\frac{c}{d} \\\\" for _ in range(40))]
    text = before + f"\n{indent}".join([*lines, "\\end{align}"]) + "\n\nafter\n"
    parsed(text, 10)
    assert sum(sizes) < 8 * len(text)


def test_what_is_dear_is_text_until_it_is_over_and_then_what_it_is():
    document = Document()
    text = "*a* [b " * 2_000
    for start in range(0, len(text), 60):
        document.feed(text[start : start + 60])
        document.patch()
    assert document.snapshot()["tail"].endswith("*a* [b ")
    document.close()
    assert document.snapshot()["blocks"][0][0].count("<em>") == 2_000


def test_prose_is_always_afforded_and_marks_are_not():
    credit = Credit()
    for _ in range(500):
        credit.earn("some words more. " * 3)
        assert credit.affords("some words. " * 200)
        credit.spend("some words. " * 200)
    assert not credit.affords("[" * 2_000)
    for _ in range(100):
        credit.earn("[" * 60)
        credit.spend("[" * 600)
    assert not credit.affords("[" * 60)


def test_each_sign_asks_all_rules_that_could_take_it(monkeypatch: pytest.MonkeyPatch):
    ours = make_parser()
    monkeypatch.setattr(by_sign, "_BLOCKS", {})
    pattern = ParserInline().terminator_re
    signs = "".join(sign for sign in map(chr, range(128)) if pattern.match(sign))
    everywhere: dict[str, Any] = dict.fromkeys(by_sign._INLINE, signs)
    monkeypatch.setattr(by_sign, "_INLINE", {**everywhere, "text": ""})
    others = make_parser()
    expected = [others.render(random_document(seed)) for seed in range(300)]
    monkeypatch.undo()
    assert [ours.render(random_document(seed)) for seed in range(300)] == expected
