"""Blocks as models write them: fences, tables, line breaks. Nothing that is written vanishes."""

from __future__ import annotations

import re
from itertools import count
from random import Random

import pytest
from bs4 import BeautifulSoup
from growing import HtmlPage, assert_exact, sizes, whole
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from normal_html import normal_html

from nbstream.render.blocks import Blocks
from nbstream.render.extract import code_blocks, tables
from nbstream.render.html import render
from nbstream.render.safe_markdown import safe_markdown
from nbstream.render.style import RenderStyle

#: What saved text is read by, beside nbconvert.
PLAIN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
T = "```"


def readers(markdown: str) -> list[str]:
    """HTML of the live view, and of the saved text in two readers."""
    saved = safe_markdown(markdown)
    return [render(markdown), PLAIN.render(saved), markdown2html_mistune(saved)]


def assert_kept(markdown: str, words: list[str]) -> None:
    for html in readers(markdown):
        text = BeautifulSoup(html, "html.parser").get_text()
        assert [word for word in words if word not in text] == []


# -- nothing vanishes ------------------------------------------------------------------


def _in_lists(depth: int) -> str:
    return "".join(f"{'  ' * i}- w{i}w\n" for i in range(depth))


def _in_numbered_lists(depth: int) -> str:
    return "".join(f"{'   ' * i}1. w{i}w\n" for i in range(depth))


def _in_quotes(depth: int) -> str:
    return "".join(f"{'> ' * (i + 1)}w{i}w\n{'> ' * (i + 1)}\n" for i in range(depth))


def _in_turns(depth: int) -> str:
    marks = ["- ", "> ", "1. "]
    lines, before = [], ""
    for i in range(depth):
        mark = marks[i % 3]
        lines.append(f"{before}{mark}w{i}w\n{before}{mark if mark == '> ' else ''}\n")
        before += mark if mark == "> " else " " * len(mark)
    return "".join(lines)


def _in_notes(depth: int) -> str:
    return "".join(f"{'    ' * i}[^{i}]: w{i}w\n\n" for i in range(depth))


@pytest.mark.parametrize("depth", [10, 49, 50, 51, 120])
@pytest.mark.parametrize(
    "nested", [_in_lists, _in_numbered_lists, _in_quotes, _in_turns, _in_notes]
)
def test_deep_nesting_loses_nothing(nested, depth):
    text = f"{nested(depth)}\nafter w{depth}w\n\n{T}py\nx = 'last'\n{T}\n"
    assert_kept(text, [f"w{i}w" for i in range(depth + 1)])
    assert "x = 'last'\n" in [block.text for block in code_blocks(text)]


@pytest.mark.parametrize("mark", ["1. ", "- ", "> ", "> - ", "[^a]: "])
def test_a_line_of_marks_loses_nothing(mark):
    text = f"{mark * 130}deep\n\nafter\n\n{T}py\ncode\n{T}\n"
    assert_kept(text, ["deep", "after", "code"])
    assert [block.text for block in code_blocks(text)] == ["code\n"]
    assert_exact(text[: len(mark) * 60], sizes(1), enter_at=0)


@pytest.mark.parametrize("depth", [10, 60])
def test_code_deep_in_lists_is_code(depth):
    indent = "  " * depth
    text = f"{_in_lists(depth)}{indent}{T}py\n{indent}code = 1\n{indent}{T}\nafter\n"
    assert [block.text for block in code_blocks(text)] == ["code = 1\n"]
    assert_kept(text, ["code = 1", "after"])


@pytest.mark.parametrize(
    "text",
    [
        "*" * 100 + "word" + "*" * 100,
        "_*" * 50 + "word" + "*_" * 50,
        "[" * 100 + "word" + "](https://a.b)" * 100,
        "**a " * 100 + "word" + "**" * 100,
        "~~**" * 50 + "word" + "**~~" * 50,
        "![" * 40 + "word" + "](https://a.b)" * 40,
    ],
)
def test_deep_inline_markup_loses_nothing(text):
    assert_kept(f"{text} end", ["word", "end"])


@pytest.mark.parametrize(
    "text",
    [
        "[word]: not a link",
        "[^1]: word",
        "<!-- word -->",
        "<div title='word'>\n</div>",
        "|a|\n|-|\n|b|c|word|",
        "[//]: # (word)",
        "[comment]: <> (word)",
    ],
)
def test_what_looks_like_nothing_to_show_is_shown(text):
    assert_kept(text, ["word"])


def _document(chance: Random, words: count[int], depth: int) -> str:
    def word() -> str:
        return f"w{next(words)}w"

    kind = chance.randrange(9 if depth else 6)
    if kind == 0:
        return f"{'#' * chance.randint(1, 6)} {word()}"
    if kind == 1:
        return f"| {word()} | {word()} |\n|---|---|\n| {word()} | `{word()}` | {word()} |"
    if kind == 2:
        return f"{T}py\n{word()}\n{T} And then {word()} it"
    if kind == 3:
        return f"Here is {word()}: {T}python\n{word()}{T}\n"
    if kind <= 5:
        return f"{word()} **{word()}**\n{word()}"
    inside = "\n\n".join(_document(chance, words, depth - 1) for _ in range(chance.randint(1, 2)))
    first, rest = chance.choice([("- ", "  "), ("1. ", "   "), ("> ", "> ")])
    return first + inside.replace("\n", f"\n{rest}")


def test_every_word_of_generated_documents_is_kept():
    for seed in range(60):
        chance, words = Random(seed), count()
        depth = chance.choice([1, 3, 8, 30])
        text = "\n\n".join(_document(chance, words, depth) for _ in range(4))
        assert_kept(text, [f"w{i}w" for i in range(next(words))])


# -- fences ------------------------------------------------------------------------------

FENCES = [
    # in a fence of markdown a line with a word opens an inner one
    (f"{T}markdown\n# T\n\n{T}python\nx\n{T}\n\nrest\n{T}\nafter\n", "markdown", "<p>after"),
    (f"{T}md\n{T} js\nx\n{T}\n{T}\nafter\n", "md", "<p>after"),
    (f"{T}md\n{T}py\nprint(1){T}\n\nb\n{T}\nafter\n", "md", "<p>after"),
    ("~~~markdown\n~~~py\nx\n~~~\n~~~\nafter\n", "markdown", "<p>after"),
    (f"````markdown\n{T}py\nx\n````\nafter\n", "markdown", "<p>after"),
    # the closing run behind code
    (f"{T}python\nprint(1){T}\n\nafter\n", "python", "<p>after"),
    ("~~~js\nf() ~~~  \n\nafter\n", "js", "<p>after"),
    # words behind the closing run
    (f"{T}python\nx\n{T} And then after\n", "python", "<p>And then after"),
    (f"{T}python\nx\n{T} Then:\n\n- after\n", "python", "<li>after"),
    (f"{T}\nx\n{T} 然后 after\n", "", "after</p>"),
    # the opening run behind words
    (f"Here is the code: {T}python\nx\n{T}\nafter\n", "python", "<p>after"),
    (f"Code:{T}js\nx\n{T} and so on: {T}css\ny\n{T}\nafter\n", "js", "<p>after"),
    # any indent in a list item
    (f"- a\n\n        {T}py\n        x\n        {T}\n- after\n", "py", "<li><p>after"),
    (f"1. a:\n          {T}py\n          x\n     {T}\n2. after\n", "py", "<li>after"),
    (f"- a: {T}py\n  x\n  {T} and then after\n", "py", "and then after</li>"),
    (f"> {T}py\n> x\n> {T} And then after\n> that\n>\n> b\n>\n> c\n", "py", "<p>And then after"),
]


@pytest.mark.parametrize(("text", "language", "after"), FENCES)
@pytest.mark.parametrize("enter_at", [0, 10**9])
def test_fences_as_models_write_them(text, language, after, enter_at):
    assert after in whole(text)
    assert code_blocks(text)[0].language == language
    assert not any(block.text.count("after") for block in code_blocks(text))
    assert_exact(text, enter_at=enter_at)
    assert_exact(text, [len(text)], enter_at=enter_at)
    for html in (PLAIN.render(safe_markdown(text)), markdown2html_mistune(safe_markdown(text))):
        assert normal_html(html) == normal_html(whole(text))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"{T}python\ns = 'a{T}b'\n{T}\n", f"s = 'a{T}b'\n"),
        (f"{T}python\nprint(1){T}\nx\n{T}\n", f"print(1){T}\nx\n"),
        (f"{T}python\nuse {T}x{T}\n\ny\n{T}\n", f"use {T}x{T}\n\ny\n"),
        (f"{T}python\n'''{T}\n\n'''\n{T}\n", f"'''{T}\n\n'''\n"),
        (f"{T}sh\n{T}python\n{T}\n", f"{T}python\n"),
        (f"{T}sh\n{T} js {{1,3}}\n{T}\n", f"{T} js {{1,3}}\n"),
        (f"{T}python\nx\n    {T}\n{T}\n", f"x\n    {T}\n"),
    ],
)
def test_other_lines_stay_code(text, code):
    assert [block.text for block in code_blocks(text)] == [code]
    assert_exact(text, enter_at=0)


def test_no_code_is_cut_short_that_another_parser_keeps():
    """A fence around any text without a run of marks is that text."""
    for seed in range(200):
        chance = Random(seed)
        lines = chance.choices(["x = 1", "", "  y", "`a`", "``", "# b", "> c", "- d", "'''"], k=9)
        code = "".join(f"{line}\n" for line in lines)
        language = chance.choice(["", "python", "md", "markdown title=x"])
        assert [b.text for b in code_blocks(f"{T}{language}\n{code}{T}\nafter\n")] == [code]


# -- tables ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("| a | b |", ["a", "b"]),
        ("| `x|y` | b |", ["`x|y`", "b"]),
        ("| `x\\|y` | b |", ["`x|y`", "b"]),
        ("| $|x|$ | \\(p|q\\) |", ["$|x|$", "\\(p|q\\)"]),
        ("| `a | b` |", ["`a", "b`"]),  # as many as there are columns
        ("| ``x`|y`` | b |", ["``x`|y``", "b"]),
        ("| a | b | c |", ["a", "b", "c"]),
        ("| `a|b | c|d` |", ["`a", "b", "c", "d`"]),
        ("| a |", ["a", ""]),
        ("| US$5 | US$6 |", ["US$5", "US$6"]),
    ],
)
def test_the_cells_of_a_row(row, cells):
    text = f"| h | i |\n|---|---|\n| 1 | 2 |\n{row}\n"
    width = max(2, len(cells))
    (table,) = tables(text)
    assert table.rows[-1] == cells
    assert table.header == ["h", "i", *[""] * (width - 2)]
    assert {len(row) for row in table.rows} == {width}
    for enter_at in (0, 10**9):
        assert_exact(text, enter_at=enter_at)
    for html in readers(text):
        (row_shown,) = BeautifulSoup(html, "html.parser").select("tbody tr")[1:]
        shown = [re.sub(r"\\vert ?", "|", cell.get_text()) for cell in row_shown("td")]
        shown = [re.sub(r"^\$(p.*)\$$", r"\\(\1\\)", cell) for cell in shown]
        assert shown[: len(cells)] == [re.sub(r"^(`+)(.*)\1$", r"\2", cell) for cell in cells]
        assert "\\" not in "".join(shown).replace("\\(", "").replace("\\)", "")


def test_a_row_out_of_all_proportion_costs_what_it_is():
    text = "|a|b|\n|-|-|\n" + "|1|2|\n" * 300 + "|x" * 5_000 + "|end|\n"
    assert len(safe_markdown(text)) < 4 * len(text)
    (table,) = tables(text)
    assert len(table.header) == 2
    assert table.rows[-1][-1].endswith("|end")
    assert_kept(text, ["end"])


def _cost(columns: int) -> float:
    """Characters parsed for one of a table, as it comes in small pieces."""
    header = f"|{'|'.join(f' c{i} ' for i in range(columns))}|\n|{'---|' * columns}\n"
    row = f"|{'|'.join(f' val{i % 10} ' for i in range(columns))}|\n"
    page = HtmlPage()
    blocks = Blocks(page, anticipates=True)
    blocks.advance(header + row)
    before, text = blocks.parsed, row * (20_000 // len(row))
    for start in range(0, len(text), 28):
        blocks.advance(text[start : start + 28])
    cost = (blocks.parsed - before) / len(text)
    blocks.advance("", final=True)
    assert page.html == whole(header + row + text)
    return cost


def test_a_wide_table_costs_as_much_a_character_as_a_narrow_one():
    narrow, wide = _cost(12), _cost(200)
    print(f"{narrow:.1f} characters parsed for each in 12 columns, {wide:.1f} in 200")
    assert wide < 1.2 * narrow


# -- lines -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a\nb", "<p>a<br>\nb</p>"),
        ("- a\n  b", "<ul><li>a<br>\nb</li></ul>"),
        ("> a\n> b", "<blockquote><p>a<br>\nb</p></blockquote>"),
        ("a *b\nc* d", "<p>a <em>b<br>\nc</em> d</p>"),
    ],
)
def test_line_breaks_are_kept(text, html):
    assert render(text) == html
    assert render(text, RenderStyle(line_breaks=False)) == html.replace("<br>", "")
    for seen in (PLAIN.render(safe_markdown(text)), markdown2html_mistune(safe_markdown(text))):
        assert seen.count("<br") == 1
    assert "\\" not in safe_markdown(text, RenderStyle(line_breaks=False))


def test_line_breaks_of_a_growing_text_may_be_spaces():
    page = HtmlPage()
    blocks = Blocks(page, RenderStyle(line_breaks=False))
    blocks.advance("a\nb")
    blocks.advance("\nc\n", final=True)
    assert page.html == "<p>a\nb\nc</p>"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("-       word", "<ul><li>word</li></ul>"),
        ("10.         word", '<ol start="10"><li>word</li></ol>'),
        ("\ufeff# a", "<h1>a</h1>"),
        ("\u200b\u200d## a", "<h2>a</h2>"),
        ("\ufeff- a", "<ul><li>a</li></ul>"),
        ("> [!NOTE]\n> a", "<blockquote><p><strong>Note</strong><br>\na</p></blockquote>"),
        ("> [!tip] a", "<blockquote><p><strong>Tip</strong> a</p></blockquote>"),
        ("> [!OTHER]\n> a", "<blockquote><p>[!OTHER]<br>\na</p></blockquote>"),
        ("[!NOTE]\na", "<p>[!NOTE]<br>\na</p>"),
    ],
)
def test_what_a_line_begins_with(text, html):
    assert render(text) == html
    for enter_at in (0, 10**9):
        assert_exact(text, enter_at=enter_at)


@pytest.mark.parametrize("kind", ["NOTE", "TIP", "IMPORTANT", "WARNING", "CAUTION"])
def test_callouts_say_what_they_are(kind):
    text = f"> [!{kind}]\n> a\n>\n> b\n"
    for html in readers(text):
        quote = BeautifulSoup(html, "html.parser").blockquote
        assert quote.strong.get_text() == kind.capitalize()
        assert "[!" not in quote.get_text()
    assert_exact(text, enter_at=0)
