"""The growing text: what it shows is exact at every moment, and costs what the text costs."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
import spec
from growing import (
    HtmlPage,
    assert_exact,
    documents,
    prefixes,
    random_document,
    random_paragraph,
    sizes,
    whole,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from long import LONG
from shapes import SHAPES, shape

from nbstream.render import containers, open_text, structure
from nbstream.render.blocks import Blocks
from nbstream.render.engine import Engine
from nbstream.render.sealer import Sealer

DOCUMENTS = sorted((Path(__file__).parent / "markdown").glob("*.md"))
NEVER = 10**9


@pytest.fixture(scope="module")
def examples() -> list[str]:
    """The examples of others; without them the test is skipped, and fails in CI."""
    if not spec.FOLDER.exists():
        message = "no CommonMark examples: run tests/spec.py, or `make test`, which does"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return [*spec.commonmark(), *spec.fixtures()]


@pytest.mark.parametrize("enter_at", [0, NEVER])
def test_every_prefix_of_the_specification(examples, enter_at):
    assert len(examples) > 652
    for example in examples:
        assert_exact(example[:2_000], enter_at=enter_at)
    print(f"{len(examples)} examples, {sum(map(len, examples))} prefixes")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("enter_at", [0, NEVER])
def test_every_prefix_of_our_documents(path, enter_at):
    assert_exact(path.read_text(encoding="utf-8"), enter_at=enter_at)


@pytest.mark.fuzz
@settings(derandomize=True, deadline=None, max_examples=5_000 if LONG else 150)
@given(documents, st.integers(0, 10**6), st.sampled_from([0, 0, NEVER]))
def test_generated_documents_in_random_pieces(text, seed, enter_at):
    assert_exact(text, sizes(seed), enter_at=enter_at)


@pytest.mark.fuzz
def test_random_documents_letter_by_letter():
    for seed in range(5_000 if LONG else 40):
        assert_exact(random_document(seed), enter_at=0 if seed % 3 else NEVER)


@pytest.mark.fuzz
def test_random_paragraphs(monkeypatch):
    monkeypatch.setattr(open_text, "_SMALLEST", 1)
    names: Counter[str] = Counter()
    for seed in range(5_000 if LONG else 150):
        names.update(assert_exact(random_paragraph(seed), sizes(seed), enter_at=0))
    print(dict(names))
    assert names["add_text"] > 400
    assert names["reopen"] > 5


def test_a_text_that_comes_at_once_is_the_same():
    for seed in range(200):
        text = random_document(seed)
        assert_exact(text, [len(text)], enter_at=0)
        page = HtmlPage()
        Blocks(page).advance(text, final=True)
        assert page.html == whole(text)


# -- each rule is there for a reason ---------------------------------------------


def _partial_lines_decide(monkeypatch):
    parse = Engine.parse

    def eager(engine, text, *, final):
        parsed = parse(engine, text, final=final)
        parsed.complete = len(parsed.lines)
        return parsed

    monkeypatch.setattr(Engine, "parse", eager)


def _tables_are_decided_by_their_first_line(monkeypatch):
    monkeypatch.setattr(structure, "is_decided", lambda span, parsed: span.first < parsed.complete)


def _definitions_stand_alone(monkeypatch):
    monkeypatch.setattr(structure, "_definitions", lambda *_args: iter(()))


def _nothing_is_rendered_again(monkeypatch):
    monkeypatch.setattr(Sealer, "render_again", lambda *_args, **_options: None)


def _partial_lines_loosen(monkeypatch):
    look = containers._OpenList._children

    def eager(self, tokens):
        items = look(self, tokens)
        self._tight = self._seems_tight
        return items

    monkeypatch.setattr(containers._OpenList, "_children", eager)


def _line_ends_are_not_held(monkeypatch):
    monkeypatch.setattr(
        Blocks, "_normalized", lambda _blocks, text, **_options: text.replace("\r", "\n")
    )


def _lines_of_a_paragraph_are_decided(monkeypatch):
    monkeypatch.setattr(open_text, "_SMALLEST", 1)
    monkeypatch.setattr(open_text, "_is_decided", lambda *_args: True)


def _paragraphs_stay_paragraphs(monkeypatch):
    monkeypatch.setattr(open_text, "_SMALLEST", 1)
    monkeypatch.setattr(open_text, "_prefix", lambda _span: "")


def _formulas_do_not_look_ahead(monkeypatch):
    parse = Engine.parse

    def blind(engine, text, *, final):
        parsed = parse(engine, text, final=final)
        parsed.undecided = None
        return parsed

    monkeypatch.setattr(Engine, "parse", blind)


@pytest.mark.parametrize(
    ("leave_out", "text"),
    [
        (_partial_lines_decide, "a\n#b\n"),
        (_tables_are_decided_by_their_first_line, "a\nb|c\n-|-x\n"),
        (_tables_are_decided_by_their_first_line, "# a | b\n--|--\n"),
        (_tables_are_decided_by_their_first_line, "[^1]: a\nb|c\n\t--|-- d\n"),
        (_definitions_stand_alone, "[a]: http://b.c\n'd\ne'\n\n[a]\n"),
        (_nothing_is_rendered_again, "[a]\n\nb\n\n[a]: http://b.c\n"),
        (_nothing_is_rendered_again, "[^a]\n\nb\n\n[^a]: c\n"),
        (_partial_lines_loosen, "- a\n- b\n\n-c\n"),
        (_line_ends_are_not_held, "a\r\nb\n"),
        (_lines_of_a_paragraph_are_decided, "word b\n1. c d\n"),
        (_paragraphs_stay_paragraphs, "word b c\n===\n"),
        (_formulas_do_not_look_ahead, "$$\n# a\n$$\n"),
        (_formulas_do_not_look_ahead, "a\n\\[\nb\\]c\n"),
        (_formulas_do_not_look_ahead, "> a\n> $$b\n> |c|\n> |-|\n> d $$\n"),
        (_formulas_do_not_look_ahead, "1000000. a\n     \\[ x\n     \\]y\n"),
    ],
)
def test_leaving_out_a_rule_is_noticed(monkeypatch, leave_out, text):
    assert_exact(text, enter_at=0)
    leave_out(monkeypatch)
    with pytest.raises(AssertionError):
        assert_exact(text, enter_at=0)


# -- what is sealed --------------------------------------------------------------


def calls(text: str, **options: object) -> list[str]:
    page = HtmlPage()
    blocks = Blocks(page, **options)
    for piece, _ in prefixes(text):
        blocks.advance(piece)
    return page.calls


@pytest.mark.parametrize(
    "text",
    [
        "# a\n",
        "a\n===\n",
        "---\n",
        "a\n\n",
        "> a\n\n",
        "$$\na\n$$\n",
        "\\[ a \\]\n",
        "| a |\n|--|\n| b |\n\n",
        "- a\n\nb",
        "1. a\n\n   b\n\nc",
        "[^1]: a\n\nb",
        "    a\n\nb",
    ],
)
def test_a_block_is_sealed_as_soon_as_it_is_over(text):
    assert calls(text) == ["seal"]
    assert calls(text[:-1]) == []


@pytest.mark.parametrize(
    "text", ["- a\n\n-", "- a\n\n2", "    a\n\n ", "1. a\n\n1", "a\n-", "- a\n"]
)
def test_what_may_go_on_is_not_sealed(text):
    assert calls(text) == []


@pytest.mark.parametrize(
    ("text", "sealed"),
    [
        ("word *a b* `c d` [e](https://f.g) h\\*i ", "word *a b* `c d` [e](https://f.g) h\\*i"),
        ("in snake_case, a < b & c! *(d)* ", "in snake_case, a < b & c! *(d)*"),
        ("costs $5 or $6, $x + y$ is ", "costs $5 or $6, $x + y$ is"),
        ("the $n$th of $x_i$s is ", "the $n$th of $x_i$s is"),
        ("word $a b$t", "word"),
        ("> word\n> *a* \n> b\n> c", "> word\n> *a*\n> b"),
        ("word [a b ", "word"),
        ("word *a b ", "word"),
        ("word `a b ", "word"),
        ("word $a b ", "word"),
        ("word \\(a b ", "word"),
        ("word *a **b* c ", "word"),
        ("word [a](b c ", "word"),
        ("word <a`b c ", "word"),
    ],
)
def test_a_paragraph_is_sealed_up_to_what_is_open(monkeypatch, text, sealed):
    monkeypatch.setattr(open_text, "_SMALLEST", 1)
    page = HtmlPage()
    Blocks(page, enter_at=0).advance(text)
    assert page.open
    assert "".join(page.open) == whole(sealed).removesuffix("\n")


def test_a_definition_renders_only_who_asked_again():
    text = "[a]\n\n" + "b\n\n" * 50 + "[b] [c]\n\n[a]: http://b.c\n\n"
    page = HtmlPage()
    Blocks(page).advance(text)
    blocks = Blocks(page := HtmlPage())
    for piece, _ in prefixes(text):
        blocks.advance(piece)
    assert page.calls.count("seal") == 52
    # Once for each letter of the host: what it would be if the text ended there.
    assert 1 <= page.calls.count("replace") <= len("b.c")


def test_a_definition_may_come_late_into_an_open_table_or_list():
    rows = "| [a] | b |\n" * 30
    assert_exact(f"| [a] | b |\n|--|--|\n{rows}\n[a]: http://b.c\n", enter_at=0)
    assert_exact(f"- [a]\n{'- b [a] c' * 3}\n- d\n  [a]: e\n\n  [a]: http://b.c\n- f\n", enter_at=0)


@pytest.mark.parametrize(
    "text", [">\n> 1\n> ש\n", "> 1 2\n> ש a\n>\n> b\n", "- 1\n  ש\n- a\n- b\n"]
)
def test_a_direction_may_show_late(text):
    assert_exact(text, enter_at=0)


@pytest.mark.parametrize("sign", ["\u200b", "\ufeff"])
@pytest.mark.parametrize(
    "text", ["{s}- a\n- b\n", "{s}- \n- \n", "{s}> a\n>\n> b\n", "> {s}- a\n> - b\n"]
)
def test_a_sign_of_no_width_before_a_mark_stops_nothing(text, sign):
    text = text.replace("{s}", sign)
    assert_exact(text, enter_at=0)
    assert_exact(f"{text}{text}\nc\n", enter_at=0)


def test_open_markup_that_is_completed_changes_nothing_that_is_sealed():
    for seed in range(150):
        text = random_document(seed)
        page = HtmlPage()
        blocks = Blocks(page, anticipates=True, enter_at=0, lazy_at=float("inf"))
        for piece, _ in prefixes(text, sizes(seed)):
            blocks.advance(piece)
        blocks.advance("", final=True)
        assert page.html == whole(text)


# -- what it costs ---------------------------------------------------------------

PIECE = 28  # characters: 7 tokens, as they come in a thirtieth of a second at 200 a second
SHORT, TALL = 2_000, 128_000 if LONG else 16_000  # tokens


def costs(text: str) -> tuple[float, int]:
    """Characters parsed for one that came, and those parsed in the worst frame."""
    page = HtmlPage()
    blocks = Blocks(page, anticipates=True)
    worst = before = 0
    for start in range(0, len(text), PIECE):
        blocks.advance(text[start : start + PIECE])
        worst = max(worst, blocks.parsed - before)
        before = blocks.parsed
    blocks.advance("", final=True)
    assert page.html == whole(text)
    return blocks.parsed / len(text), worst


@pytest.mark.parametrize("name", SHAPES)
def test_a_character_costs_the_same_in_a_long_text(name):
    short, _ = costs(shape(name, SHORT))
    tall, worst = costs(shape(name, TALL))
    print(f"{name}: {short:.1f} characters parsed for each in {SHORT} tokens, {tall:.1f} in {TALL}")
    assert tall <= 1.2 * short + 0.1
    if SHAPES[name].is_sealed:
        assert worst < 10_000


def test_long_blocks_cost_a_few_parses_of_themselves():
    for name, lines in (("fence", 5_000), ("table", 1_000), ("list", 1_000)):
        text = "\n".join(shape(name, 100_000).split("\n")[: lines + 2])
        once = Blocks(HtmlPage())
        once.advance(text, final=True)
        ratio = costs(text)[0] / (once.parsed / len(text))
        print(f"{name} of {lines} lines: {ratio:.1f} parses")
        assert ratio < 6


def test_a_definition_that_many_blocks_wait_for_makes_no_frame_dear():
    text = "".join(f"[a] and {i}\n\n" for i in range(500))
    definition = "[a]: https://example.com/" + "x" * 100
    page = HtmlPage()
    blocks = Blocks(page)
    blocks.advance(text)
    for piece, _ in prefixes(definition):
        before = blocks.parsed
        blocks.advance(piece)
        assert blocks.parsed - before < 5_000
    assert "replace" in page.calls
    blocks.advance("", final=True)
    assert page.html == whole(text + definition)
