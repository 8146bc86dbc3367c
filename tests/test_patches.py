"""The operations that a view is sent: they lead to the whole, and they are lean."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from growing import prefixes, random_document, sizes
from shapes import shape
from test_html import assert_harmless

from nbstream.render import highlight
from nbstream.render.html import parser, sanitize
from nbstream.render.patches import Document, Op
from nbstream.render.safe_text import clean
from nbstream.render.style import RenderStyle


class View:
    """Replays operations as a page does, on HTML as text instead of on elements.

    Sealed HTML is what was cut off the tail's front, so it must come together to the whole.
    """

    def __init__(self) -> None:
        self.sealed = ""
        self.tail = ""
        self.after = ""
        self.container = 0

    def apply(self, ops: list[Op]) -> None:
        # As JSON, which is how they travel.
        for name, *arguments in json.loads(json.dumps(ops)):
            getattr(self, f"_{name}", lambda *_ignored: None)(*arguments)

    def _tail(self, keep: int, html: str) -> None:
        self.tail = units(self.tail)[: 2 * keep].decode("utf-16-le") + html

    def _after(self, keep: int, html: str) -> None:
        self.after = units(self.after)[: 2 * keep].decode("utf-16-le") + html

    def _seal(self, _count: int, length: int) -> None:
        self.sealed += units(self.tail)[: 2 * length].decode("utf-16-le")
        self.tail = units(self.tail)[2 * length :].decode("utf-16-le")

    def _enter(self, depth: int, length: int) -> None:
        self.container = len(self.sealed)
        self._seal(depth, length)

    def _part(self, length: int) -> None:
        self._seal(1, length)

    def _reopen(self) -> None:
        self.sealed = self.sealed[: self.container]
        self.tail = self.after = ""

    def _leave(self) -> None:
        assert self.tail == ""
        self.tail, self.after = self.after, ""


def units(text: str) -> bytes:
    return text.encode("utf-16-le")


def grown(text: str, pieces: Any, **options: Any) -> tuple[Document, list[list[Op]]]:
    """A document that was fed all of `text`, and its patches, the closing one included."""
    document = Document(**options)
    patches = []
    for piece, _ in prefixes(text, pieces):
        document.feed(piece)
        patches.append(document.patch())
    return document, [*patches, document.close()]


def test_nothing_new_is_nothing_to_do():
    document = Document()
    assert document.patch() == []
    document.feed("")
    assert document.patch() == []
    document.feed("a\n\nb")
    assert document.patch() != []
    assert document.patch() == []


def test_the_operations_of_a_short_text():
    assert grown("**a** b\n\n- c\n", [3, 3, 3, 2, 1])[1] == [
        [["tail", 0, "<p><strong>a</strong>"]],
        [],
        [["tail", 21, " b</p>"], ["seal", 1, 27]],
        [],
        [["tail", 0, "<ul><li>c"]],
        [["tail", 9, "</li></ul>"], ["seal", 1, 19]],
    ]


def test_the_operations_of_a_code_fence():
    assert grown("```python\nx = 1\n```\ny", [10, 3, 2, 3, 3, 2])[1] == [
        [
            ["tail", 0, '<div class="nbs-code highlight"><pre><code class="language-python">'],
            ["enter", 3, 67],
        ],
        [["code", "x ="]],
        [["code", " 1"]],
        [["code", "\n"]],
        [["leave"], ["tail", 0, "<p>y"], ["mark", 0, "2,1o,1,1mi,1"]],
        [["tail", 4, "</p>"], ["seal", 1, 8]],
    ]


def test_characters_are_counted_as_javascript_does():
    text = "😀 *é* 𝒳\n\n日本 😀😀\n\n" * 5
    document, patches = grown(text, sizes(1))
    view = View()
    for ops in patches:
        view.apply(ops)
    assert view.sealed == "".join(block[0] for block in document.snapshot()["blocks"])
    assert view.sealed == sanitize(parser().render(text, {}))
    assert document.parsed > len(text)
    assert (view.tail, view.after) == ("", "")


def test_a_snapshot_is_the_whole():
    for seed in range(150):
        text = random_document(seed)
        document, _ = grown(text, sizes(seed))
        snapshot = json.loads(json.dumps(document.snapshot()))
        html = "".join(block[0] for block in snapshot["blocks"])
        assert html == sanitize(parser().render(clean(text), {}))
        assert (snapshot["open"], snapshot["tail"], snapshot["after"]) == (None, "", "")


@pytest.mark.parametrize(("piece", "most"), [(28, 2.4), (10**6, 1.8)])
def test_the_operations_are_lean(piece, most):
    text = shape("mixed", 8_000)
    _, patches = grown(text, itertools.repeat(piece))
    size = sum(len(json.dumps(ops, ensure_ascii=False).encode()) for ops in patches)
    print(f"{size / len(text):.2f} bytes for each character, in pieces of {piece}")
    assert size < most * len(text)


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        ("a **b", "<p>a <strong>b</strong>"),
        ("a **b*", "<p>a <strong>b</strong>"),
        ("a *b **c", "<p>a <em>b <strong>c</strong></em>"),
        ("a **", "<p>a"),
        ("a `b", "<p>a <code>b</code>"),
        ("a ``b` c", "<p>a <code>b` c</code>"),
        ("`**a", "<p><code>**a</code>"),
        ("snake_case", "<p>snake_case"),
        ("2 * 3 * 4", "<p>2 * 3 * 4"),
        ("~~a", "<p><s>a</s>"),
        ("\\*a", "<p>*a"),
        ("**a *b", "<p><strong>a <em>b</em></strong>"),
        ("***a** b", "<p><em><strong>a</strong> b</em>"),
        ("重*重", "<p>重<em>重</em>"),
        ("**.env", "<p><strong>.env</strong>"),
        ("**a: 2*3", "<p><strong>a: 2*3</strong>"),
        ("*.py and *x", "<p>*.py and <em>x</em>"),
        ("**「a」**が **b", "<p><strong>「a」</strong>が <strong>b</strong>"),
        ("**注意：**请 **「b", "<p><strong>注意：</strong>请 <strong>「b</strong>"),
        ("a<br", "<p>a"),
        ("- a<br/", "<ul><li>a"),
        ("`a<br", "<p><code>a&lt;br</code>"),
        ('**"a"**b **c', '<p>**"a"**b <strong>c</strong>'),
        ("[a", '<p><a href="#">a</a>'),
        ("[a](https://b", '<p><a href="#">a</a>'),
        ("![a](https://b", '<p><a href="#">a</a>'),
        ("x[0", "<p>x[0"),
        ("a [1", "<p>a [1"),
        ("a[^1", "<p>a"),
        ("a \\(x_1 + y_", "<p>a <code>x_1 + y_</code>"),
        ("a \\(x\\", "<p>a <code>x</code>"),
        ("a **b $$x$", "<p>a <strong>b <code>x</code></strong>"),
        ("a \\(``b` c", "<p>a <code>``b` c</code>"),
        ("a \\(\\", "<p>a"),
        ("a $\\frac{b", "<p>a <code>\\frac{b</code>"),
        ("a $\\", "<p>a <code>\\</code>"),
        ("a **b $x^*", "<p>a <strong>b <code>x^*</code></strong>"),
        ("a $x^2 \\text{ if the", "<p>a <code>x^2 \\text{ if the</code>"),
        ("a $5 and 2^8 *b", "<p>a $5 and 2^8 <em>b</em>"),
        ("a $HOME/bin or to x^2 *b", "<p>a $HOME/bin or to x^2 <em>b</em>"),
        ("a $[b, c", "<p>a $[b, c"),
        ("a [b, c) d", "<p>a [b, c) d"),
        ("a [b (c) d", '<p>a <a href="#">b (c) d</a>'),
        ("- a **b", "<ul><li>a <strong>b</strong>"),
        ("| a | b", '<div class="nbs-table"><table><thead><tr><th>a</th><th>b'),
        ("| a |\n|-", '<div class="nbs-table"><table><thead><tr><th>a'),
        ("| a | **b", '<div class="nbs-table"><table><thead><tr><th>a</th><th><strong>b</strong>'),
    ],
)
def test_open_markup_looks_like_what_it_is_about_to_become(text, tail):
    document = Document()
    document.feed(text)
    document.patch()
    assert document.snapshot()["tail"] == tail
    exact = Document(anticipates=False)
    exact.feed(text)
    exact.patch()
    whole = sanitize(parser().render(text, {}))
    assert whole.startswith(exact.snapshot()["tail"])


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("| **a", ["<strong>a</strong>", "", ""]),
        ("| a | `b", ["a", "<code>b</code>", ""]),
        ("| a | b | *c", ["a", "b", "<em>c</em>"]),
        ("| [a](https://b", ['<a href="#">a</a>', "", ""]),
        ("| a \\| **b", ["a | <strong>b</strong>", "", ""]),
        ("a | **b", ["a", "<strong>b</strong>", ""]),
        ("| **a |", ["**a", "", ""]),
        ("| **a | b", ["**a", "b", ""]),
        ("| a | b | **c | d", ["a", "b", "**c"]),
    ],
)
@pytest.mark.parametrize("before", ["", "> ", "  "])
@pytest.mark.parametrize("rows", [0, 100])
def test_the_cell_that_is_written_is_the_one_that_is_completed(before, rows, row, cells):
    lines = ["| x | y | z |", "|---|---|---|", *["| x | **y** | z |"] * rows, row]
    document = Document()
    document.feed("- list\n\n" * (before == "  ") + "\n".join(before + line for line in lines))
    document.patch()
    expected = "</td><td>".join(cells)
    html = json.dumps(document.snapshot(), ensure_ascii=False).replace('\\"', '"')
    assert f"<tr><td>{expected}".removesuffix("</td><td>").removesuffix("</td><td>") in html
    assert html.count("<tr>") == rows + 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("then **(a)**b is it", "then **(a)**b"),
        ('the **"speed"**s of `code`', 'the **"speed"**s'),
        ("int *a and int *b or c", "int *a and int *b"),
        ("all **/*.txt files", "all **/*.txt"),
        ("a **/*.py or *.txt file", "a **/*.py"),
    ],
)
def test_marks_that_close_nothing_look_as_they_will_stay(text, shown):
    document = Document()
    seen = []
    for letter in text:
        document.feed(letter)
        document.patch()
        seen.append(document.snapshot()["tail"].removeprefix("<p>"))
    assert sanitize(parser().render(text, {})).startswith(f"<p>{shown}")
    assert all(html.startswith(shown) for html in seen[len(shown) - 1 :])


@pytest.mark.parametrize(
    "closed",
    [
        "The optimum $x^*$",
        "Let $\\mathbf{x}_i$",
        "Let $x \\in [a, b)$",
        "a $5 or $x_{i}^*$",
        "see https://x.y/_next/a.js",
        "见https://x.y/_a，那里",
        "see **https://x.y/_a**,",
        "see [https://x.y/_b](https://x.y/_b)",
    ],
)
@pytest.mark.parametrize("before", ["", "- ", "| a |\n|---|\n| "])
def test_what_is_in_formulas_and_addresses_opens_nothing(before, closed):
    document, exact = Document(), Document(anticipates=False)
    for each in (document, exact):
        each.feed(before + closed)
        each.patch()
    for piece in (" a", "nd the", " r", "est"):
        for each in (document, exact):
            each.feed(piece)
            each.patch()
        assert document.snapshot()["tail"] == exact.snapshot()["tail"]
    document.feed(" *b")
    document.patch()
    assert document.snapshot()["tail"].endswith("<em>b</em>")


@pytest.mark.parametrize(
    "formula",
    [
        "\\[\n\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}\n\\]",
        "$$\n\\begin{aligned}\n" + "a_{1} &= \\frac{1}{2} \\\\\n" * 30 + "\\end{aligned}\n$$",
        "$$x = \\frac{a}{b}$$",
        "\\(\\sqrt{x} + \\alpha_{i}\\)",
        "\\[ x \\]",
    ],
)
@pytest.mark.parametrize("before", ["", "- ", "> "])
def test_a_formula_is_code_until_it_is_closed(before, formula):
    indent = {"- ": "  "}.get(before, before)
    text = formula.replace("\n", f"\n{indent}") + "\n"
    assert forms_of_a_formula(before, text) == ["none", "code", "typeset"]


@pytest.mark.parametrize(
    "line", ["+ b", "- b", "# b", "> b", "1. b", "    b", "= b", "|a|b", "=", "---"]
)
@pytest.mark.parametrize(
    ("before", "indent"),
    [
        ("", ""),
        ("# a\n\n", ""),
        ("a\n\n", ""),
        ("a\n", ""),
        ("> a\n> ", "> "),
        ("1. a\n   ", "   "),
        ("1. a\n\n   ", "   "),
        ("-\ta\n\t", "\t"),
        ("- > ", "  > "),
        ("- a\n" * 300 + "- a\n  ", "  "),
        ("- a\n\n" * 200 + "- a\n\n  ", "  "),
        ("> a\n>\n" * 200 + "> a\n> ", "> "),
    ],
)
def test_the_lines_of_an_open_formula_are_no_blocks(before, indent, line):
    opening, closing = ("$$", "$$") if indent else ("\\[", "\\]")
    lines = f"\n{indent}".join([opening, "a", line, "+ c", closing])
    assert forms_of_a_formula(before, f"{lines}\n") == ["none", "code", "typeset"]


def forms_of_a_formula(before: str, text: str) -> list[str]:
    """The forms that the formula in a growing text takes one after the other."""
    blocks = re.compile("<(?:h1|hr|li|blockquote|table)>")
    expected = blocks.findall(parser().render(before + text, {}))
    document = Document()
    document.feed(before)
    document.patch()
    forms = []
    for letter in text:
        document.feed(letter)
        document.patch()
        html = json.dumps(document.snapshot())
        if "nbs-math" in html:
            forms.append("typeset")
        elif "<code>" not in html:
            forms.append("none")
        else:
            forms.append("code" if blocks.findall(html) == expected else "blocks")
    return [form for form, _ in itertools.groupby(forms)]


@pytest.mark.parametrize(
    "marks",
    ["-", "- ", "--", "---", "===", "#", "## ", "1", "12.", "> ", "```", "**", "- [x]", "|", "\\["],
)
def test_marks_wait_until_they_say_what_they_are(marks):
    document = Document()
    document.feed("text\n")
    document.patch()
    for letter in marks:
        document.feed(letter)
        assert document.patch() == []
    document.close()
    html = "".join(block[0] for block in document.snapshot()["blocks"])
    assert html == sanitize(parser().render(f"text\n{marks}", {}))


@pytest.mark.parametrize(
    ("before", "pieces", "shown"),
    [
        ("", ["4", "2"], ["<p>4", "<p>42"]),
        ("# a\n", ["42", ".", " b"], ["<p>42", "<p>42", '<ol start="42"><li>b']),
        ("a\n\n", ["4", ".", "2"], ["<p>4", "<p>4", "<p>4.2"]),
        ("a\n\n", ["4", "\n", "2"], ["<p>4", "<p>4", "<p>4"]),
        ("- a\n\n", ["2"], ["<ul><li>a"]),
        ("1. a\n", ["2"], ["<ol><li>a"]),
        ("> a\n\n", ["2"], ["<p>2"]),
    ],
)
def test_a_number_shows_where_nothing_else_is_open(before, pieces, shown):
    document = Document()
    document.feed(before)
    document.patch()
    for piece, tail in zip(pieces, shown, strict=True):
        document.feed(piece)
        document.patch()
        assert document.snapshot()["tail"] == tail
    at_once = Document()
    at_once.feed(before + pieces[0])
    at_once.patch()
    assert at_once.snapshot()["tail"] == shown[0]
    document.close()
    html = "".join(block[0] for block in document.snapshot()["blocks"])
    assert html == sanitize(parser().render(before + "".join(pieces), {}))


def test_colours_cover_the_code():
    code = "def f(x):  # 😀\n    return 'é😀' + x\n"
    _, patches = grown(f"```python\n{code}```\n", [10**6])
    (mark,) = [op for op in patches[0] if op[0] == "mark"]
    lengths = [int(re.match(r"\d+", run)[0]) for run in mark[2].split(",")]
    assert sum(lengths) == len(units(code)) // 2
    assert {re.sub(r"^\d+", "", run) for run in mark[2].split(",")} >= {"k", "nf", "c1", "s1", ""}


def test_a_language_is_loaded_while_its_code_comes():
    before = highlight._loading.cache_info().misses
    document = Document()
    document.feed("```fortran\nprint *, 1\n")
    document.patch()
    assert highlight._loading.cache_info().misses == before + 1
    highlight._loading("fortran").join()
    assert "pygments.lexers.fortran" in sys.modules
    document.feed("```\n")
    assert "mark" in [op[0] for op in document.patch()]


@pytest.mark.parametrize("fence", ["```\n", "```text\n", "```no-such\n", "    "])
def test_other_code_stays_plain(fence):
    _, patches = grown(f"{fence}def f(x): return 1\n", [10**6])
    assert "mark" not in [op[0] for op in patches[0]]


def test_a_long_paragraph_is_appended_to_until_it_is_parsed():
    text = "a [b " + "word *and* " * 2_000  # the bracket may yet be closed
    document, patches = grown(text, itertools.repeat(28), anticipates=False)
    names = [op[0] for ops in patches for op in ops]
    assert names.count("text") > 5 * names.count("tail")
    (block,) = document.snapshot()["blocks"]
    assert block == [sanitize(parser().render(text, {}))]


def test_text_is_appended_to_an_open_paragraph():
    document = Document(anticipates=False)
    document.feed("word " * 300 + "[and " * 500)
    document.patch()
    document.feed(" <x>")
    assert document.patch() == [["text", 0, " <x>"]]
    assert document.snapshot()["tail"].endswith("[and &lt;x&gt;")


@pytest.mark.parametrize(
    ("start", "depth"),
    [
        ("a `b`", 1),
        ("> a **b**", 2),
        ("- a\n  > b", 4),
        ("# a", 1),
        ("- ```\n  a", 5),
    ],
)
def test_text_is_appended_where_the_last_block_ends(start, depth):
    document = Document(anticipates=False)
    document._blocks._lazy_at = 0
    document.feed(start)
    document.patch()
    document._blocks._looked_at = 10**6
    document.feed(" <x>")
    assert document.patch() == [["text", depth, " <x>"]]
    assert document.snapshot()["tail"].endswith(" &lt;x&gt;")


CODE = "".join(f"def f{i}(x):\n    if x > {i}:\n\n        return x\n" for i in range(60))
WORDS = "more words than one, and then some"


def shown(text: str, piece: int) -> Iterator[str]:
    """What is open in a growing text, each time a piece of so many characters came."""
    document = Document()
    for start in range(0, len(text), piece):
        document.feed(text[start : start + piece])
        document.patch()
        snapshot = document.snapshot()
        yield "".join([*(snapshot["open"] or ["", ""])[1:], snapshot["tail"]])


@pytest.mark.parametrize(
    ("before", "indent"),
    [("1. a\n\n   ", "   "), ("> a\n>\n> ", "> "), ("- a\n  - b\n\n    ", "    ")],
)
def test_code_in_a_long_item_keeps_its_indent(before, indent):
    text = before + f"```python\n{CODE}".replace("\n", f"\n{indent}")
    for html in shown(text, 20):
        _, _, code = html.partition("<code")
        assert CODE.startswith(unescape(code.partition(">")[2]))
    assert len(code) > 2_500


@pytest.mark.parametrize(
    "text",
    [
        "- a\n" + f"  - **b** is {WORDS}.\n    1. *d* and `e` {WORDS}.\n" * 25,
        "- a\n" + f"\n  A paragraph with *e* in it, and {WORDS} {WORDS}.\n" * 25,
        "- a\n\n  | b | c |\n  |---|---|\n" + f"  | **some** | {WORDS} {WORDS} |\n" * 35,
        f"1. a\n\n```python\n{CODE}```\n".replace("\n", "\n   ") + "\n2. **b** and `c` and d\n",
        "- a\n" + f"  {WORDS}\n" * 60 + "\n  ```sh\n  ls\n  ```\n\n  #### b\n\n  c\n",
    ],
)
def test_blocks_in_a_long_item_are_shown_as_they_begin(text):
    for html in shown(text, 24):
        assert not re.search(r"\n\s*(?:[-|#]|\d\.|```)|\n\n *A|\n2\.", html), html[-200:]


def test_a_line_in_a_long_item_is_shown_as_what_it_becomes():
    line = "  - **b** is `c`, see [d](https://x.y/d) for *e* and **f** of it"
    short, long = Document(), Document()
    short.feed("- a\n  - b\n")
    long.feed("- a\n" + f"  - {WORDS}\n" * 80)
    for piece in (line[:7], *line[7:]):
        for document in (short, long):
            document.feed(piece)
            document.patch()
        ends = [d.snapshot()["tail"].rpartition("<li>")[2] for d in (short, long)]
        assert ends[0] == ends[1]


def test_control_characters_do_not_reach_the_page():
    document, patches = grown("a\x1b[31m\ud800 b\0\x07", [4, 4, 4])
    assert "\\u001b" not in json.dumps(patches)
    assert document.snapshot()["blocks"] == [["<p>a� b��</p>"]]


def test_payloads_at_every_stage(shared):
    cases = json.loads((shared / "xss/payloads.json").read_bytes())
    moments = 0
    for case in cases:
        for text in (case["payload"], f"[a]({case['payload']}", f"| {case['payload']} |\n|-|\n"):
            document = Document(RenderStyle(image_hosts=frozenset({"allowed.example"})))
            for piece, _ in prefixes(text, itertools.repeat(7)):
                document.feed(piece)
                for name, *arguments in document.patch():
                    if name in ("tail", "after", "refill", "replace"):
                        assert_harmless(document.snapshot()["tail"])
                    assert all(isinstance(a, str | int) for a in arguments)
                moments += 1
            document.close()
            for block in document.snapshot()["blocks"]:
                assert_harmless(block[0])
    print(f"{len(cases)} payloads, {moments} moments")


def test_much_code_gets_its_colours_over_several_frames():
    code = "x = [1, 2, 3]\n" * 1_200
    document = Document()
    document.feed(f"```python\n{code}```\n")
    assert "mark" not in [op[0] for op in document.patch()]
    frames = 1
    while not (ops := document.patch()):
        frames += 1
    assert 2 < frames < 20
    assert [op[0] for op in ops] == ["mark"]
    assert document.patch() == []
