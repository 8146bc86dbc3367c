"""What the saved notebook keeps of an answer."""

from __future__ import annotations

import json
import math
import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from harmless import assert_harmless
from long import LONG
from markdown_it import MarkdownIt
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from nbstream.buffers import TextBuffer
from nbstream.errors import APIResponseError, IncompleteError, Interrupted
from nbstream.messages import Message, ToolResult, Usage
from nbstream.render.saved import RECORD_TYPE, bundle, content_markdown, display_markdown
from nbstream.render.style import RenderStyle
from nbstream.response import Response, Timing
from nbstream.rounds import CallDraft, Round

PERMISSIVE = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def call(name="lookup_city", arguments='{"city": "Berlin"}', result="3 rows") -> CallDraft:
    done = None if result is None else ToolResult(result, seconds=0.2)
    return CallDraft("call_1", name, TextBuffer(arguments), result=done)


def answer(*rounds: Round, status="complete", error=None) -> Response:
    response = Response([Message("user", "Compare.")], model="gpt-5")
    response.rounds = list(rounds)
    if status != "running":
        response.finish(status, error, Timing(0.4, 12.3, 52.0))
    return response


def said(text: str, **fields) -> Round:
    fields = {"model": "gpt-5", "finish_reason": "stop", "usage": Usage(12, 340, 352)} | fields
    return Round(text=TextBuffer(text), **fields)


def markdown(response: Response, **options) -> str:
    return bundle(response, **options)["text/markdown"]


def headlines(saved: str) -> list[str]:
    """The summaries of the folds, and the first line of what stands between them."""
    parts = re.findall(
        r"<details><summary>(.*)</summary>[\s\S]*?\n</details>|^(.+)", saved, re.MULTILINE
    )
    return [fold or line for fold, line in parts]


# -- how it looks --------------------------------------------------------------------


def test_an_answer():
    assert markdown(answer(said("Berlin has **3.7 million** people.\n"))) == (
        "Berlin has **3.7 million** people.\n"
        "\n"
        "<details><summary>gpt-5 · 12 in · 340 out · 0.4 s to first token · 52 tokens/s"
        "</summary>\n"
        "\n"
        "| Model | gpt-5 |\n"
        "| --- | --- |\n"
        "| Prompt tokens | 12 |\n"
        "| Completion tokens | 340 |\n"
        "| Time to first token | 0.4 s |\n"
        "| Duration | 12 s |\n"
        "| Tokens per second | 52 |\n"
        "| Finish reason | stop |\n"
        "| Ended | complete |\n"
        "\n"
        "</details>"
    )


def test_rounds_come_in_order():
    first = said(
        "", reasoning=TextBuffer("I look it *up*."), reasoning_seconds=3.2, calls=[call(), call()]
    )
    second = said("Done.", reasoning=TextBuffer("Now I know."))
    saved = markdown(answer(first, second))
    assert headlines(saved) == [
        "Reasoning · 3.2 s",
        'lookup_city("Berlin") → 3 rows · 0.2 s',
        'lookup_city("Berlin") → 3 rows · 0.2 s',
        "Reasoning",
        "Done.",
        "gpt-5 · 24 in · 680 out · 0.4 s to first token · 52 tokens/s",
    ]
    assert "\n\nI look it *up*.\n\n" in saved


def test_a_call_shows_its_arguments_and_its_result():
    saved = content_markdown(answer(said("", calls=[call(result="a | b\n1 | 2")])))
    assert saved == (
        '<details><summary>lookup_city("Berlin") → 2 lines · 0.2 s</summary>\n'
        "\n"
        "```json\n"
        "{\n"
        '  "city": "Berlin"\n'
        "}\n"
        "```\n"
        "\n"
        "```\n"
        "a | b\n"
        "1 | 2\n"
        "```\n"
        "\n"
        "</details>"
    )


def test_a_call_that_did_not_run_has_no_result():
    saved = content_markdown(answer(said("", calls=[call(arguments='{"a', result=None)])))
    assert saved.count("```") == 2
    assert '```json\n{\n  "a\n```' in saved


def test_long_results_are_kept_whole_in_the_record_only():
    data = bundle(answer(said("", calls=[call(result="x" * 100_000)])))
    assert "… 96,000 more characters" in data["text/markdown"]
    assert len(data["text/markdown"]) < 6_000
    kept = Response.from_dict(data[RECORD_TYPE])
    assert len(kept.tool_calls[0].result.content) == 100_000


def test_a_refusal_is_the_answer():
    saved = markdown(answer(said("", refusal=TextBuffer("I *cannot*."))))
    assert saved.startswith("I *cannot*.\n\n<details>")


def test_other_choices_are_folded():
    others = {2: Round(text=TextBuffer("Third")), 1: Round(text=TextBuffer("Second"))}
    saved = markdown(answer(said("First", alternatives=others)))
    assert headlines(saved)[:3] == ["First", "Choice 2", "Choice 3"]
    assert "\n\nSecond\n\n</details>" in saved


# -- how it ended --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "mark"),
    [
        (
            answer(said("a", finish_reason="length")),
            "Cut off at the token limit. To go on, type: %",
        ),
        (
            answer(said("a", finish_reason="content_filter")),
            "Cut off by the content filter.",
        ),
        (answer(said("a"), status="cancelled", error=Interrupted()), "Stopped. The text so far"),
        (
            answer(said("a"), status="incomplete", error=IncompleteError("it broke off")),
            "Incomplete: it broke off",
        ),
        (answer(said("a"), status="error", error=APIResponseError("</b> *x*")), "&lt;/b> "),
        (answer(said("a"), status="running"), "Still running: this is what had come so far."),
        (answer(), "Empty: the model sent no text."),
    ],
)
def test_an_answer_that_is_not_whole_says_so(response, mark):
    data = bundle(response)
    (marked,) = re.findall(r"^<strong>⚠ (.*)</strong>$", data["text/markdown"], re.MULTILINE)
    assert marked.startswith(mark)
    for html in (
        PERMISSIVE.render(data["text/markdown"]),
        markdown2html_mistune(data["text/markdown"]),
    ):
        assert "⚠" in BeautifulSoup(html, "html.parser").strong.get_text()
    restored = Response.from_dict(data[RECORD_TYPE])
    assert restored == response or (response.status, restored.status) == ("running", "incomplete")


def test_a_whole_answer_has_no_mark():
    assert "⚠" not in markdown(answer(said("a")))


def test_what_is_still_coming_can_be_shown_without_an_ending():
    response = answer(said("*a"), status="running")
    assert content_markdown(response) == "\\*a"
    assert content_markdown(Response()) == ""
    assert display_markdown("<b>") == "&lt;b>"


# -- the three parts -----------------------------------------------------------------


def test_the_bundle_has_three_parts():
    response = answer(said("Berlin."))
    data = bundle(response)
    assert list(data) == ["text/markdown", "text/plain", RECORD_TYPE]
    assert data["text/plain"].startswith("Berlin. · gpt-5 · ")
    assert "\n" not in data["text/plain"]
    assert Response.from_dict(data[RECORD_TYPE]) == response
    assert response._repr_mimebundle_() == data


def test_the_size_of_what_is_saved():
    text = "The rent is **higher** in `Munich`, by 300 € a month; see [the table](#t).\n\n" * 450
    data = bundle(answer(said(text)))
    assert len(json.dumps(data, ensure_ascii=False).encode()) < 2.1 * len(text.encode()) + 1_000


def test_images_of_allowed_hosts_stay_images():
    response = answer(
        said("![a](https://x.y/i.png)", reasoning=TextBuffer("![b](https://x.y/j.png)"))
    )
    assert "![b](https://x.y/j.png)" in markdown(response, style=RenderStyle(frozenset({"x.y"})))
    assert "![a](https://x.y/i.png)" in markdown(response, style=RenderStyle(frozenset({"x.y"})))
    assert "![" not in markdown(response)


def strange() -> Response:
    """A response with what JSON, or a front end, cannot take."""
    extra = {
        "logprob": math.nan,
        "tuple": (1, math.inf),
        7: "key",
        "lone": "a\ud800",
        "o": object(),
    }
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    turn = said(
        "a\ud800b\0", extra=extra | {"deep": deep}, model="m\udfff", calls=[call("n\ud800")]
    )
    return answer(turn, status="error", error=APIResponseError("\ud800\x1b[31m"))


def test_what_is_saved_is_json_whatever_came():
    data = bundle(strange())
    json.loads(json.dumps(data, allow_nan=False, ensure_ascii=False).encode("utf-8"))
    output = nbformat.v4.new_output("display_data", data=data)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])])
    nbformat.validate(notebook)
    extra = data[RECORD_TYPE]["rounds"][0]["extra"]
    assert (extra["logprob"], extra["tuple"], extra["lone"]) == (None, [1, None], "a\ufffd")
    assert Response.from_dict(data[RECORD_TYPE]).text == "a\ufffdb\0"


# -- hostile text --------------------------------------------------------------------


def hostile(payload: str) -> Response:
    """A response with `payload` wherever a model, a tool or a server can put something."""
    calls = [call(payload, payload, payload), call("f", json.dumps({payload: payload}), payload)]
    calls[1].result = ToolResult(payload, status="failed")
    first = said(payload, reasoning=TextBuffer(payload), calls=calls)
    others = {1: Round(text=TextBuffer(payload))}
    second = said("", refusal=TextBuffer(payload), alternatives=others, model=payload)
    second.finish_reason = payload
    return answer(first, second, status="incomplete", error=APIResponseError(payload))


def test_nothing_hostile_leaves_its_fold(shared):
    cases = json.loads((shared / "xss" / "payloads.json").read_text(encoding="utf-8"))
    assert len(cases) >= 230
    closings = [{"payload": p} for p in ("</details>", "</summary>", "\n\n</details>\n\n", "```\n")]
    for case in cases + closings:
        saved = markdown(hostile(case["payload"]))
        for html in (PERMISSIVE.render(saved), markdown2html_mistune(saved)):
            assert_harmless(html, folds=5)
    print(f"{len(cases)} payloads")


def test_our_own_tags_have_no_attributes(shared):
    cases = json.loads((shared / "xss" / "payloads.json").read_text(encoding="utf-8"))
    for case in cases:
        saved = re.sub(
            r"^(`{3,}).*\n[\s\S]*?^\1$", "", markdown(hostile(case["payload"])), flags=re.MULTILINE
        )
        for tag in re.findall(r"<[A-Za-z/!?][^>]*>", re.sub(r"`[^`\n]*`", "", saved)):
            assert re.fullmatch(r"</?[a-z]+>|<[\w.+-]+(://|:|@)[^\s<>\"`]+>", tag), tag


def test_summaries_hold_nothing_that_mathjax_or_jupyterlab_reads():
    name = r"f$a$ \(b\) \begin{c} \\[d\\] @@1@@ <e> &lt;"
    saved = content_markdown(answer(said("", calls=[call(name, "{}", "x")])))
    summary = saved.splitlines()[0]
    assert re.sub(r"</?span>", "", summary) == (
        "<details><summary>f&#36;a&#36; &#92;(b&#92;) &#92;begin{c} &#92;&#92;[d&#92;&#92;] "
        "&#64;@1@@ &lt;e> …() → x · 0.2 s</summary>"
    )
    # MathJax pairs nothing across the border of an element.
    assert summary.count("<span>&#36;</span>") == 2
    assert summary.count("<span>&#92;</span>") == 7


def test_the_page_that_nbconvert_makes(shared):
    """The whole way to HTML, as anyone exports a notebook."""
    cases = json.loads((shared / "xss" / "payloads.json").read_text(encoding="utf-8"))
    cases = cases if LONG else cases[::8]
    outputs = [
        nbformat.v4.new_output("display_data", data=bundle(hostile(case["payload"])))
        for case in cases
    ]
    cells = [nbformat.v4.new_code_cell("%%chat", outputs=outputs)]
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=cells))
    shown = BeautifulSoup(page, "html.parser").select(".jp-RenderedMarkdown")
    assert len(shown) == len(cases)
    for output in shown:
        assert_harmless(output.decode_contents(), folds=5)


def test_line_breaks_are_kept_unless_they_are_not_wanted():
    response = answer(said("a\nb", reasoning=TextBuffer("c\nd")))
    assert "a\\\nb" in markdown(response)
    assert "c\\\nd" in markdown(response)
    assert "\\" not in markdown(response, style=RenderStyle(line_breaks=False))


# -- without times -------------------------------------------------------------------


def run_of(number: int) -> Response:
    """The same answer as ever, by another run."""
    first = said(
        "", reasoning=TextBuffer("Hm."), reasoning_seconds=1.0 * number, id=f"cmpl-{number}"
    )
    first.calls = [call(), call(arguments='{"city": "Bonn"}')]
    for slot, draft in enumerate(first.calls):
        draft.id = f"call_{number}_{slot}"
        draft.result = ToolResult("3 rows", seconds=0.5 * number)
    last = said("It is **so**.", id=f"cmpl-{number}-b", alternatives={1: said("Or so.")})
    last.alternatives[1].id = f"cmpl-{number}-b"
    response = Response([Message("user", "Compare.")], model="gpt-5")
    response.rounds = [first, last]
    response.finish("complete", None, Timing(0.1 * number, 2.0 * number, 30.0 * number))
    return response


def test_equal_answers_are_equal_outputs_without_times():
    style = RenderStyle(saved_timings=False)
    one, two = run_of(1), run_of(2)
    before = two.to_dict()
    assert bundle(one, style) == bundle(two, style)
    assert bundle(one) != bundle(two)
    assert two.to_dict() == before  # the variable has them all
    saved = bundle(one, style)
    assert not re.search(r"\d s\b|tokens/s|first token|Duration", saved["text/markdown"])
    assert (
        "12 in · 340 out" in saved["text/markdown"] or "24 in · 680 out" in saved["text/markdown"]
    )
    restored = Response.from_dict(saved[RECORD_TYPE])
    assert restored.text == "It is **so**."
    ids = [each.id for each in restored.tool_calls]
    assert len(set(ids)) == 2
    assert [m.tool_call_id for m in restored.messages if m.role == "tool"] == ids
    assert json.dumps(saved) == json.dumps(bundle(restored, style))


def test_what_cannot_be_rendered_has_no_times_either(monkeypatch):
    monkeypatch.setattr("nbstream.render.saved.content_markdown", lambda *_: 1 / 0)
    style = RenderStyle(saved_timings=False)
    assert bundle(run_of(1), style) == bundle(run_of(2), style)


def test_how_it_ended_is_said_without_times_too():
    style = RenderStyle(saved_timings=False)
    running = answer(said("Half"), status="running")
    assert "Still running" in markdown(running, style=style)
    stopped = answer(said("Half", finish_reason=None), status="cancelled", error=Interrupted("x"))
    assert "%chat continue" in markdown(stopped, style=style)
