"""The measuring code of `benchmarks/`, on cases whose figures are known."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import corpus  # noqa: E402
import hostile_text  # noqa: E402
import renderer  # noqa: E402
import report  # noqa: E402
import short  # noqa: E402
import whole_path  # noqa: E402
import wire  # noqa: E402
from kernel import Message  # noqa: E402
from results import Goal, Results, goals, summaries  # noqa: E402
from server import Answer  # noqa: E402
from traffic import busiest_second, outputs, traffic  # noqa: E402

SCENARIO = whole_path.Scenario(Answer("tiny", 60), "60 tokens", runs=2, seconds=60)


@pytest.fixture(scope="module")
def printed() -> whole_path.Figures:
    """The print loop in a real kernel: what it must send is known exactly."""
    contenders = tuple(c for c in whole_path.CONTENDERS if c.key == "print")
    (figures,) = whole_path.measure(contenders, (SCENARIO,))
    return figures


def message(kind: str, at: float = 0.0, buffers: tuple[int, ...] = (), **content) -> Message:
    return Message(kind, at, json.dumps(content).encode(), buffers)


@pytest.mark.parametrize("tokens", [50, 2_000])
def test_an_answer_has_as_many_pieces_as_asked_for_and_an_end(tokens):
    answer = corpus.answer(tokens)
    assert len(answer) == tokens
    assert "".join(answer).endswith(f"{corpus.END}\n")
    assert answer == corpus.answer(tokens)
    assert answer[:10] != corpus.answer(tokens, seed=2)[:10]


def test_pieces_are_about_as_long_as_tokens():
    answer = corpus.answer(8_000)
    assert 4.2 < len("".join(answer)) / len(answer) < 4.8


@pytest.mark.parametrize("shape", corpus.GIANTS)
def test_a_giant_is_one_block(shape):
    from nbstream.render.html import parser

    tokens = parser().parse("".join(corpus.giant(shape, 500)))
    top = [t.type for t in tokens if t.level == 0 and t.nesting >= 0]
    assert len(top) == 1


def test_outputs_are_what_a_front_end_ends_with():
    shown = outputs(
        [
            message("display_data", data={"text/plain": "gone"}, transient={}),
            message("clear_output", wait=True),
            message("display_data", data={"text/plain": "a"}, transient={"display_id": "x"}),
            message("stream", name="stdout", text="one "),
            message("stream", name="stdout", text="two"),
            message("update_display_data", data={"text/plain": "b"}, transient={"display_id": "x"}),
            message("update_display_data", data={"text/plain": "c"}, transient={"display_id": "y"}),
        ]
    )
    assert shown == [{"text/plain": "b"}, ["one ", "two"]]


def test_traffic_tells_live_saved_and_program_apart():
    state = {"_esm": "x" * 1000, "_css": "y" * 100, "_model_name": "AnyModel"}
    opened = message("comm_open", data={"state": state})
    live = message("comm_msg", buffers=(500,), data={})
    shown = message("display_data", data={"text/plain": "é"}, transient={})
    counted = traffic([message("status", execution_state="busy"), opened, live, shown])
    saved = len('{"text/plain": "é"}'.encode())
    assert counted.messages == 3
    assert counted.saved == saved
    assert counted.program == 1102 + 2  # both with their quotes
    assert counted.counted == opened.size + live.size + shown.size - counted.program
    assert live.size == len(live.content) + 500


def test_the_busiest_second_is_any_second():
    times = [0.0, 0.6, 0.9, 1.2, 1.5, 3.0]
    assert busiest_second([message("stream", at) for at in times]) == 4


def test_the_print_loop_sends_one_message_a_token(printed):
    assert not printed.failure
    runs = printed.runs["tiny"]
    assert len(runs) == SCENARIO.runs
    text = "".join(corpus.answer(60))
    for run in runs:
        assert run.traffic.messages == 60
        assert run.traffic.saved == len(json.dumps(text))
        wire_size = sum(len(json.dumps({"name": "stdout", "text": t})) for t in corpus.answer(60))
        assert run.traffic.counted == wire_size
        assert 0 < run.cpu < 60 * 0.1
        assert run.wall > 0


def test_a_contender_that_fails_is_said_to_be_missing():
    # In this environment, in which it is not installed.
    missing = whole_path.Contender("chatlab", "chatlab without chatlab")
    (figures,) = whole_path.measure((missing,), (SCENARIO,))
    assert figures.failure == "ModuleNotFoundError: No module named 'chatlab'"
    assert not figures.runs
    page = report.page(Results([figures]), (SCENARIO,))
    assert "chatlab without chatlab: not measured (ModuleNotFoundError" in page


def test_the_renderer_is_measured_by_all_its_frames():
    (figures,) = renderer.measure([(renderer.PROSE, 300)])
    assert figures.tokens == 300
    assert figures.parsed >= figures.characters
    assert 0 < figures.worst <= figures.seconds
    assert figures.full > 0


def test_the_wire_parts_read_the_same_text():
    body = wire._scripted(100)
    events = wire._events(body)
    assert b"".join(events) == body
    text = "".join(corpus.answer(100))
    assert str(wire._read_ours(events).text) == text
    assert wire._read_sdk(events).choices[0].message.content == text


def test_the_page_has_a_row_a_contender_and_ratios(printed, tmp_path):
    results = Results([printed])
    page = report.page(results, (SCENARIO,))
    cpu = summaries(results.whole_path, SCENARIO)["print"].cpu
    assert f"| print loop | {cpu:,.0f} µs/token | – | 1.00 × |" in page
    picture = tmp_path / "results.png"
    (figures,) = renderer.measure([(renderer.PROSE, 200)])
    report.plot(Results([printed], [figures]), (SCENARIO,), picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_goals_are_met_up_to_their_limit():
    assert Goal("", 5.0, 5).is_met
    assert not Goal("", 5.01, 5).is_met
    assert goals(Results(), (SCENARIO,)) == []


def test_short_answers_are_compared_with_the_bare_loop():
    bare = short.Figures("bare", [0.5, 0.5], [0.1, 0.1], [0.02, 0.03, 0.02])
    ours = short.Figures("nbstream_none", [0.2, 0.2], [0.7, 0.7], [0.024, 0.024, 0.5])
    shown = short.Figures("nbstream_widget", [0.2, 0.2], [0.9, 0.9], [0.06, 0.06, 0.04])
    found = [(round(g.value, 3), g.is_met) for g in goals(Results(short=[bare, ours, shown]), ())]
    assert found == [(1.2, True), (100, True), (40, False), (300, False)]
    page = report.page(Results(short=[bare, ours, shown]), ())
    assert "| **nbstream, no view** | 24 ms | 24 ms | 500 ms | 0.20 s | 0.70 s |" in page


def test_short_answers_are_measured_in_real_kernels(monkeypatch):
    monkeypatch.setattr(short, "CONTENDERS", {"nbstream_none": "nbstream, no view"})
    (figures,) = short.measure(quick=True)
    assert (len(figures.firsts), len(figures.loads), len(figures.cells)) == (2, 2, 3)
    assert all(each > 0 for each in (figures.cell, figures.load, figures.first))


def test_hostile_texts_are_grown_saved_and_taken_apart(monkeypatch):
    monkeypatch.setattr(hostile_text, "SIZES", (500, 1_000))
    (figures,) = hostile_text.measure(["$5 "])
    assert hostile_text.hostile("an equation's lines", 100).startswith("\\begin{align}\na &= b")
    assert len(hostile_text.hostile("200 columns", 1_000)) == 1_000
    assert figures.per_character >= hostile_text.per_character(figures.live) > 0
    assert 0 < figures.worst <= figures.live[-1]
    page = report.page(Results(hostile=[figures]), ())
    assert "| &#39;&#36;5 &#39; |" in page
    assert [goal.unit for goal in goals(Results(hostile=[figures]), ())] == ["µs", "×", "ms"]
