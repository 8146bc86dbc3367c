"""Formulas: which there are, their bounds, and what is written where a reader lacks something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from growing import HtmlPage, assert_exact
from test_safe_markdown import assert_same, formulas_in_source

from nbstream.render.blocks import Blocks
from nbstream.render.html import parser, render
from nbstream.render.math import inline_formula
from nbstream.render.safe_markdown import safe_markdown
from nbstream.render.tex import COST, MAX_NESTING, MAX_SIZE, MAX_TOTAL, portable

FOLDER = Path(__file__).parent / "dollars"


def lines(name: str) -> list[str]:
    """The sentences of a file; its first line says what they are."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    return [line.replace("\\n\\", "\n") for line in text.splitlines()[1:]]


PRICES = lines("prices.txt")
FORMULAS = [line.split("\t") for line in lines("formulas.txt")]


def formulas(markdown: str) -> list[str]:
    """The TeX of the formulas that the parser finds."""
    tokens = (t for block in parser().parse(markdown, {}) for t in (block, *(block.children or ())))
    return [token.content.strip() for token in tokens if token.type.startswith("math_")]


# -- dollars -------------------------------------------------------------------------


@pytest.mark.parametrize("sentence", PRICES)
def test_prices_are_no_formulas(sentence):
    assert formulas(sentence) == []
    assert formulas_in_source(safe_markdown(sentence)) == []
    assert_same(sentence)


@pytest.mark.parametrize(("sentence", "expected"), [(line[0], line[1:]) for line in FORMULAS])
def test_formulas_are_no_prices(sentence, expected):
    assert formulas(sentence) == expected
    assert render(sentence).count("nbs-math") == len(expected)
    assert len(formulas_in_source(safe_markdown(sentence))) == len(expected)
    assert_same(sentence)


def test_there_are_enough_sentences():
    assert len(set(PRICES)) >= 100
    assert len({line[0] for line in FORMULAS}) >= 100


@pytest.mark.parametrize("sentence", [*PRICES[::4], *(line[0] for line in FORMULAS[::4])])
def test_sentences_grow_exactly(sentence):
    assert_exact(f"{sentence} {sentence}\n{sentence}\n\n> {sentence}\n")


# -- delimiters and environments -----------------------------------------------------


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("\\\\(x\\\\) and \\\\[y\\\\]", ["x", "y"]),
        ("\\\\[\nx\n\\\\]", ["x"]),
        ("a\n\\begin{align}\nb &= c\n\\end{align}\nd", ["\\begin{align}\nb &= c\n\\end{align}"]),
        ("\\begin{cases} a \\end{cases}.", ["\\begin{cases} a \\end{cases}."]),
        (
            "> \\begin{pmatrix}\n> 1\n> \\end{pmatrix}",
            ["\\begin{pmatrix}\n1\n\\end{pmatrix}"],
        ),
        ("So \\begin{gather*} x \\end{gather*} holds.", ["\\begin{gather*} x \\end{gather*}"]),
        (
            "\\begin{matrix}\n\\begin{matrix} a\n\\end{matrix}\n\\end{matrix}",
            ["\\begin{matrix}\n\\begin{matrix} a\n\\end{matrix}\n\\end{matrix}"],
        ),
        ("\\begin{itemize}\n\\item a\n\\end{itemize}", []),
        ("\\begin{align}\na\n\n\\end{align}", []),
        ("\\begin{align} a", []),
        ("`\\\\(x\\\\)` and C:\\\\(x86)\\\\b", []),
        ("re.match(\\(a|b\\)) and \\d+\\(x\\)", []),
        ("see \\[the last page\\] and \\(see below\\)", []),
        ("is \\(a|b\\) and \\(P(A|B)\\)?", ["a|b", "P(A|B)"]),
    ],
)
def test_delimiters(markdown, expected):
    assert formulas(markdown) == expected
    assert_same(markdown)
    assert_exact(markdown, enter_at=0)
    assert_exact(f"{markdown}\nword\n", enter_at=0)


@pytest.mark.parametrize(
    "text",
    [
        *("\\d+\\(x\\)", "re.match(\\(a|b\\))", "^\\(a\\)+$", "\\w+\\.\\w+", "\\(\\d{3}\\)-\\d{4}"),
        *("\\[\\d\\]", "\\s*\\[a-z\\]\\s*", "(?:\\d+\\.)?\\$", "\\\\(\\d\\\\)", "\\d\\{2\\}\\("),
    ],
)
def test_a_regular_expression_keeps_its_backslashes(text):
    markdown = f"Take {text} for it."
    assert render(markdown) == f"<p>{markdown}</p>"
    assert_same(markdown)
    assert_exact(f"{markdown} {markdown}\n", enter_at=0)


@pytest.mark.parametrize("opening", ["\\begin{align}", "\\\\[", "\\["])
def test_what_looks_ahead_has_an_end(opening):
    text = f"a\n\n{opening}\n" + "b\n" * 120 + "c"
    page = HtmlPage()
    blocks = Blocks(page, enter_at=0)
    for character in text:
        blocks.advance(character)
    assert "seal" in page.calls
    assert formulas(text) == []


@pytest.mark.parametrize(
    ("open_text", "shown"),
    [
        ("a \\\\(x + y", "x + y"),
        ("\\begin{align}\nx &= y", "x &amp;= y"),
        ("a \\begin{cases} x", "x"),
        ("a $ \\alpha + b", "\\alpha + b"),
    ],
)
def test_an_open_formula_is_code_for_the_moment(open_text, shown):
    page = HtmlPage()
    Blocks(page, anticipates=True).advance(open_text)
    (code,) = re.findall("<code>(.*)</code>", page.tails[0], re.DOTALL)
    assert code.endswith(shown)


@pytest.mark.parametrize("text", ["\\", "\\beg", "\\begin{ali", "\\begin{align}", "\\\\", "\\\\["])
def test_the_beginning_of_a_formula_is_held_back(text):
    page = HtmlPage()
    Blocks(page, anticipates=True).advance(text)
    assert page.tails == ("", "")


# -- bounds --------------------------------------------------------------------------


def nested(opening: str, closing: str, depth: int) -> str:
    return opening * depth + "x" + closing * depth


NESTED = [
    ("\\frac{1}{", "}"),
    ("\\sqrt{", "}"),
    ("{", "}"),
    ("\\left(", "\\right)"),
    ("\\begin{matrix}", "\\end{matrix}"),
    ("x^{", "}"),
    ("\\displaystyle ", ""),
    ("\\text{", "}"),
    ("\\color{red}{", "}"),
]


@pytest.mark.parametrize(("opening", "closing"), NESTED)
def test_what_is_nested_too_deep_is_code(opening, closing):
    deep, flat = nested(opening, closing, MAX_NESTING + 5), nested(opening, closing, 12)
    for markdown in (f"\\({deep}\\)", f"$$\n{deep}\n$$", f"- \\[{deep}\\]"):
        assert "nbs-math" not in render(markdown)
        assert "<code>" in render(markdown) or "<pre>" in render(markdown)
        assert formulas_in_source(safe_markdown(markdown)) == []
    assert portable(flat, display=True, one_line=False) is not None
    assert portable("+".join([f"{{{flat}}}"] * 5), display=True, one_line=False) is not None


def test_what_is_too_long_is_code():
    for tex in ("x_1+" * (MAX_SIZE // 4 + 1), "\\text{_a_b_c}" * 200):
        assert "nbs-math" not in render(f"$$\n{tex}\n$$")
        assert "$$" not in safe_markdown(f"$$\n{tex}\n$$")
    assert "nbs-math" in render(f"$$\n{'x_1+' * 500}1\n$$")


def test_the_formulas_of_an_answer_are_bounded_together():
    formula = "x_1+" * 20 + "1"
    many = [f"a ${formula}$ b\n", f"$$\n{formula}\n$$\n", f"- ${formula}$\n\n> \\({formula}\\)\n"]
    text = "\n".join(many * 100) + "\n| a |\n|--|\n" + f"| ${formula}$ |\n" * 100
    count = MAX_TOTAL // (len(formula) + COST)
    assert count - 9 <= render(text).count("nbs-math") <= count
    assert len(formulas_in_source(safe_markdown(text))) == render(text).count("nbs-math")
    page = HtmlPage()
    blocks = Blocks(page, lazy_at=float("inf"))
    for start in range(0, len(text), 997):
        blocks.advance(text[start : start + 997])
        assert page.html == parser().render(text[: start + 997], {})
    blocks.advance("", final=True)
    assert page.html == parser().render(text, {})


# -- what not every reader draws -----------------------------------------------------


@pytest.mark.parametrize(
    ("tex", "written"),
    [
        ("\\ket{x}", "\\lvert x\\rangle"),
        ("\\braket{a|b}", "\\langle a\\vert b\\rangle"),
        ("a \\coloneqq b", "a := b"),
        ("\\text{if $x$}", "\\text{if }x"),
        ("\\text{if \\(x\\)}", "\\text{if }x"),
        ("\\text{50\\% of a_b}", "\\text{50}\\%\\text{ of a}\\_\\text{b}"),
        ("x_\\text{a_b}", "x_{\\text{a}\\_\\text{b}}"),
        ("\\textbf{a & \\textit{b # c}}", "\\textbf{a }\\&\\textbf{ }\\textit{b }\\#\\textit{ c}"),
        ("\\mbox{a^b}", "\\text{a}\\hat{\\ }\\text{b}"),
        ("\\text{caf\\'e}", "\\text{café}"),
        ("\\text{plain}", "\\text{plain}"),
        ("\\color{Red}{x} y", "{\\color{red}{x}} y"),
        ("{\\color{red} x}", "{\\color{red}{x}}"),
        ("\\textcolor{blue}{x^2}", "{\\color{blue}{x^2}}"),
        ("\\colorbox{yellow}{a}", "\\boxed{\\text{a}}"),
        ("\\bm{x}", "\\boldsymbol{x}"),
        ("\\xRightarrow[a]{b}", "\\mathrel{\\overset{b}{\\underset{a}{\\Longrightarrow}}}"),
        ("\\begin{pmatrix*}[r] 1 \\end{pmatrix*}", "\\begin{pmatrix} 1 \\end{pmatrix}"),
        (
            "\\begin{rcases} 1 \\end{rcases}",
            "\\left.\\begin{array}{ll} 1 \\end{array}\\right\\rbrace",
        ),
        ("\\begin{equation} x \\end{equation}", "{ x }"),
        ("\\color{#f00}{x}", None),
        ("\\color{url(x)}{x}", None),
        ("\\color{red", None),
        ("\\ket", None),
        ("\\text{$5}", None),
        ("\\ket{\\href{x}{y}}", None),
        ("\\text{\\href{x}{y}_}", None),
        ("\\$5", None),
    ],
)
def test_what_a_reader_lacks_is_written_in_other_words(tex, written):
    found = portable(tex, display=False, one_line=True)
    assert found == written
    if found is not None:
        assert portable(found, display=False, one_line=True) == found


@pytest.mark.parametrize(
    "name",
    [
        *("href", "style", "cssId", "class", "require", "def", "newcommand", "let", "mmlToken"),
        *("unicode", "raise", "lower", "rule", "Rule", "rlap", "llap", "kern", "toggle", "mathtip"),
        *(
            "bbox",
            "enclose",
            "fcolorboxx",
            "definecolor",
            "ref",
            "includegraphics",
            "verb",
        ),
    ],
)
def test_what_does_more_than_typeset_is_code(name):
    for tex in (f"\\{name}{{a}}{{b}}", f"\\text{{\\{name}{{a}}{{b}}_}}", f"\\ket{{\\{name} a}}"):
        assert portable(tex, display=True, one_line=False) is None


# -- what it costs -------------------------------------------------------------------

PIECES = [
    "\\(",
    "\\[",
    "$",
    "\\begin{",
    "\\begin{align}\n",
    "\\\\(",
    "\\\\[\n",
    "$a_{",
    "$$",
    "$5 ",
]


@pytest.mark.parametrize("piece", PIECES)
def test_hostile_text_is_parsed_a_bounded_number_of_times(piece):
    def parsed(size: int) -> tuple[int, int]:
        text = (piece * size)[:size]
        page = HtmlPage()
        blocks = Blocks(page, anticipates=True)
        worst = before = 0
        for start in range(0, size, 28):
            blocks.advance(text[start : start + 28])
            worst, before = max(worst, blocks.parsed - before), blocks.parsed
        blocks.advance("", final=True)
        return blocks.parsed, worst

    (short, _), (tall, worst) = parsed(16_000), parsed(64_000)
    assert tall <= 4.5 * short
    assert worst <= 45_000  # what is open twice, and what is in it


def test_a_formula_is_looked_for_in_a_bounded_text():
    for piece in ("$", "\\(", "\\[", "$$", "\\begin{align}"):
        text = f"{piece}x{' ' * 100_000}"
        assert inline_formula(text, 0, len(text)) is None
