"""JSON laid out while it grows, and answers that were asked for as JSON."""

from __future__ import annotations

import io
import json
import random
import time

import answers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from long import LONG

from nbstream.render.json_text import JSONAnswer, JSONIndenter, indented, json_markdown
from nbstream.render.saved import content_markdown
from nbstream.response import Response
from nbstream.views.outline import Outline
from nbstream.views.terminal import TerminalView

seeded = settings(derandomize=True, deadline=None, max_examples=5_000 if LONG else 400)
WORDS = (
    *("{", "}", "[", "]", ",", ":", '"', '"a b"', "\\", "1", "true", " ", "\n", "\t", "no"),
    *("```", "~~~", "```json\n", "\n```\n", '{"a": ', "I am"),
)
texts = st.lists(st.sampled_from(WORDS), max_size=14).map("".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def as_shown(pieces: list[str], *, is_markdown: bool) -> str:
    answer = JSONAnswer(is_markdown=is_markdown)
    return "".join(map(answer.feed, pieces)) + answer.close()


def without_space(text: str) -> str:
    return "".join(text.split())


@seeded
@given(values)
def test_json_is_laid_out_as_python_does(value):
    laid_out = json.dumps(value, indent=2)
    assert indented(json.dumps(value, separators=(",", ":"))) == laid_out
    assert indented(laid_out.replace("\n", "\r\n\t")) == laid_out


@seeded
@given(texts, st.randoms(use_true_random=False))
def test_any_split_shows_the_same(text: str, rng: random.Random):
    ends = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(6)))
    pieces = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    for is_markdown in (True, False):
        whole = as_shown([text], is_markdown=is_markdown)
        assert as_shown(pieces, is_markdown=is_markdown) == whole
        assert as_shown(list(text), is_markdown=is_markdown) == whole
    assert without_space(whole) == without_space(text)
    indenter = JSONIndenter()
    assert "".join(map(indenter.feed, pieces)) == indented(text)


PROSE = "I am sorry, I cannot\nanswer that question."
CITY = '{"name":"New York",\n\t"of" : [ 1,{ } ]}'
LAID_OUT = """\
{
  "name": "New York",
  "of": [
    1,
    {}
  ]
}"""


@pytest.mark.parametrize(
    ("text", "shown", "plain"),
    [
        (PROSE, None, None),
        ('"A word," she said, "is [1, 2]."', None, None),
        ('The answer: {"a": 1,  "b": 2}', None, None),
        ("{name} is [a city](https://a.b): it is", None, None),
        ("[see  below]", None, None),
        ("{", None, None),
        (CITY, f"~~~json\n{LAID_OUT}\n~~~\n", LAID_OUT),
        (
            f"\n {CITY} I am  done.",
            f"~~~json\n{LAID_OUT}\n~~~\n I am  done.",
            f"{LAID_OUT} I am  done.",
        ),
        (f"```json\n{CITY}\n```", f"```json\n{LAID_OUT}\n```", ...),
        (
            f"Here  it is:\n~~~ JSON\n{CITY}\n~~~\nI am  done.",
            f"Here  it is:\n~~~ JSON\n{LAID_OUT}\n~~~\nI am  done.",
            ...,
        ),
        (f"```python\nf( {CITY} )\n```", None, None),
        ("```\n[see  below]\n```", None, None),
        (
            '{"a": 1,  and so  on',
            '~~~json\n{\n  "a": 1,  and so  on\n~~~\n',
            '{\n  "a": 1,  and so  on',
        ),
        (
            '{"a": "one\n  two"}',
            '~~~json\n{\n  "a": "one\n  two"}\n~~~\n',
            '{\n  "a": "one\n  two"}',
        ),
        ('{"a": [1, ', '~~~json\n{\n  "a": [\n    1,\n~~~\n', '{\n  "a": [\n    1,'),
    ],
)
def test_only_json_is_laid_out(text, shown, plain):
    """None: as it came; `...`: the same without markdown."""
    shown = text if shown is None else shown
    plain = text if plain is None else shown if plain is ... else plain
    assert json_markdown(text) == shown
    assert as_shown([text], is_markdown=False) == plain


@pytest.mark.parametrize("text", [PROSE, CITY, f"So:\n\n```json\n{CITY}\n```\n\nI am done."])
def test_every_view_shows_the_same_answer(text):
    response = Response(is_json=True)
    outline, paper = Outline(), io.StringIO()
    terminal = TerminalView(paper)
    terminal.open(response)
    for _ in answers.grow(response, [("round", "m"), *answers.pieces("text", text, 3)]):
        outline.advance(response)
        terminal.update(response)
    answers.finish(response)
    outline.advance(response)
    terminal.close(response)
    code = LAID_OUT if CITY in text else ""
    saved = content_markdown(response)
    live = json.dumps(outline.state()["sections"][0]["doc"])
    assert code in saved
    assert code in paper.getvalue()
    if code:
        assert saved.count("```json") == 1
        assert "language-json" in live
    for word in ("I am sorry, I cannot", "I am done."):
        assert (word in text) == (word in saved) == (word in live) == (word in paper.getvalue())


@pytest.mark.parametrize("part", ["\n", "{", "[", '{"a": ', "I am\n", "`", "```\n", '"'])
@pytest.mark.parametrize("start", ["", '{"a":', "```json\n"])
def test_the_cost_grows_with_the_text_alone(start, part):
    """Also of a text without sense, in single characters or all at once."""
    text = start + part * 20_000
    started = time.process_time()
    size = len(as_shown(list(text), is_markdown=True)) + len(json_markdown(text))
    assert time.process_time() - started < 4
    assert size < 200 * len(text)
