"""When an answer is over, what its end is called, and what is offered after it."""

from __future__ import annotations

import pytest
from replay import DONE, Cut, Gate, Hang, Reply, Wait, chunk, completion, cut

from nbstream.chat import Chat
from nbstream.events import ErrorEvent, TextEvent
from nbstream.panel.window import _ending
from nbstream.render.saved import bundle
from nbstream.render.summary import mark, plain_summary
from nbstream.request import Deadlines, Options
from nbstream.response import Response
from nbstream.session import CONTINUE, Session
from nbstream.tools.tool import tools_of
from nbstream.views.protocol import NullView

STOP = chunk({}, finish="stop")
CALL = completion(tool_calls=[{"name": "lookup", "arguments": {"city": "Berlin"}}], piece=3)
SEND_ON = "chat.send('Continue.')"


def ask(replay, *steps, session=None, place=True, framing="chunked", observe=None, **options):
    """The response to a stream of these steps."""
    if steps:
        replay.reply(Reply(steps, framing=framing))
    asked = Options(
        model="replay-1",
        base_url=replay.base_url,
        deadlines=Deadlines(**options.pop("deadlines", {})),
        **options,
    )
    keywords = {} if place else {"place": None}
    session = session or Session("ends")
    return session.ask("Hello?", asked, NullView(), observe=observe, **keywords).wait()


def early(text):
    return chunk({"content": text}, finish="stop")


@pytest.fixture
def grace(monkeypatch):
    monkeypatch.setattr("nbstream.transport.exchange._FINISH_GRACE", 0.2)


# --- which reason is believed ---------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        chunk({"content": "x"}),
        chunk({"reasoning_content": "x"}),
        chunk({"refusal": "x"}),
        chunk({"images": [{"type": "image_url", "image_url": {"url": "data:,"}}]}),
        chunk({"audio": {"id": "a", "data": "AA"}}),
        chunk({"content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}),
        chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}),
    ],
    ids=["text", "reasoning", "refusal", "image", "sound", "part", "call"],
)
def test_output_behind_a_reason_takes_it_back(replay, more):
    response = ask(replay, early("a"), more, STOP, Cut(), DONE)
    assert response.status == "incomplete"
    assert response.finish_reason is None
    assert not response.rounds[-1].ended
    assert Response.from_dict(response.to_dict()) == response
    response = ask(replay, early("a"), more, STOP)
    assert (response.status, response.finish_reason) == ("complete", "stop")
    assert Response.from_dict(response.to_dict()).rounds[-1].ended
    assert ask(replay, early("a"), more, DONE).status == "complete"
    assert ask(replay, early("a"), more).status == "incomplete"


@pytest.mark.parametrize(
    "less",
    [
        b": alive\n\n",
        chunk({}),
        chunk({"content": ""}),
        chunk({"role": "assistant", "content": None}),
        chunk(None, usage={"total_tokens": 3}),
        STOP,
        chunk({"content": ""}, finish="stop"),
        b"data: ping\n\n",
    ],
)
def test_what_is_no_output_takes_nothing_back(replay, less):
    response = ask(replay, chunk({"content": "a"}), STOP, less, Cut(), DONE)
    assert (response.status, response.finish_reason) == ("complete", "stop")


def test_words_that_come_late_are_kept_where_reasons_came_early(replay, grace):
    response = ask(replay, early("a"), early("b"), Wait(0.6), early("c"), Wait(0.6), DONE)
    assert (response.status, response.text) == ("complete", "abc")


def test_a_first_reason_is_believed_when_it_stays_silent(replay, grace):
    assert ask(replay, early("a"), Hang()).status == "complete"


def test_reasons_without_output_are_no_progress(replay):
    steps = [step for _ in range(200) for step in (STOP, Wait(0.02))]
    response = ask(replay, early("a"), early("b"), *steps, deadlines={"idle": 0.3})
    assert (response.status, response.text) == ("incomplete", "ab")


def test_each_output_moves_the_deadline(replay):
    steps = [step for _ in range(6) for step in (early("a"), Wait(0.2))]
    response = ask(replay, *steps, DONE, deadlines={"idle": 0.5})
    assert (response.status, response.text) == ("complete", "a" * 6)


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_an_end_in_order_needs_no_done(replay, framing):
    response = ask(replay, early("a"), early("b"), framing=framing)
    assert (response.status, response.text) == ("complete", "ab")


def test_a_block_of_reasoning_stays_open_over_reasons(replay):
    response = ask(replay, *map(early, ["<think>", "hm", "</think>", "4"]), DONE)
    assert (response.reasoning, response.text) == ("hm", "4")


def test_calls_with_early_reasons_run_only_when_all_is_proven(replay):
    called = []

    def lookup(city: str) -> str:
        """Look a city up."""
        called.append(city)
        return "found"

    half = [step for step in cut(CALL, 900).body if not isinstance(step, Cut)]
    options = {"tools": tools_of([lookup])}
    steps = (early(""), *half, chunk({}, finish="tool_calls"), chunk({"content": "!"}), Cut(), DONE)
    assert ask(replay, *steps, **options).status == "incomplete"
    assert not called
    whole = [step for step in CALL.body if step != DONE]
    replay.reply(Reply([early("Let me see."), *whole]), completion("done"))
    assert ask(replay, **options).text == "done"
    assert called == ["Berlin"]


# --- several choices --------------------------------------------------------------------------


def choices(*deltas, finish=None):
    """A chunk with one delta for each index."""
    return chunk(
        None,
        choices=[{"index": i, "delta": d, "finish_reason": finish} for i, d in enumerate(deltas)],
    )


ROLES = choices({"role": "assistant"}, {"role": "assistant"})
SECOND = {"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}


def test_a_choice_that_only_a_role_has_opened_is_open(replay, grace):
    texts = []
    response = ask(replay, ROLES, early("a"), Cut(), DONE, observe=texts.append)
    assert response.status == "incomplete"
    assert [e.text for e in texts if isinstance(e, TextEvent) and e.text] == ["a"]
    assert response.timing.first_token is not None
    late = ask(replay, ROLES, early("a"), Wait(0.6), chunk(None, choices=[SECOND]), Hang())
    assert (late.status, late.choices) == ("complete", ["a", "b"])


def test_a_choice_that_was_asked_for_is_waited_for(replay, grace):
    steps = (early("a"), Wait(0.6), chunk(None, choices=[SECOND]), Hang())
    response = ask(replay, *steps, params={"n": 2})
    assert (response.status, response.choices) == ("complete", ["a", "b"])
    assert ask(replay, early("a"), params={"n": 2}).status == "complete"  # it takes no `n`


def test_a_choice_with_output_is_output(replay):
    error = {"error": {"message": "busy", "code": 429}}
    response = ask(replay, chunk(None, choices=[SECOND]), error)
    assert (response.status, len(replay.requests)) == ("error", 1)


# --- what the end is called ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason",
    [
        *("stop", "STOP", "end_turn", "stop_sequence", "eos", "EOS_TOKEN", "complete"),
        *("Completed", "tool_calls", "TOOL_USE", "function_call", "End_Turn"),
    ],
)
def test_the_reasons_of_a_whole_answer_are_not_marked(replay, reason):
    response = ask(replay, chunk({"content": "a"}, finish=reason), DONE)
    assert (response.status, mark(response)) == ("complete", None)


@pytest.mark.parametrize(
    "reason", ["refusal", "OTHER", "pause_turn", "unknown", "stopped", "lang: x"]
)
def test_other_reasons_are_told(replay, reason):
    response = ask(replay, chunk({"content": "a"}, finish=reason), DONE)
    assert mark(response) == f"Ended: {reason}"
    assert f"<strong>⚠ Ended: {reason}</strong>" in bundle(response)["text/markdown"]
    assert reason in plain_summary(response)
    assert _ending(response)["mark"] == f"Ended: {reason}"


def test_a_reason_is_one_short_line_whatever_was_sent(replay):
    reason = "<script>\n\x1b[31m\u202e" + "x" * 100_000
    response = ask(replay, chunk({"content": "a"}, finish=reason), DONE)
    line = mark(response)
    assert line.startswith("Ended: <script>")
    assert line.isprintable()
    assert len(line) < 60
    assert len(response.finish_reason) <= 100
    assert "<script>" not in bundle(response)["text/markdown"]


def test_the_reason_of_another_choice_is_told(replay):
    second = {**SECOND, "finish_reason": "OTHER"}
    response = ask(replay, early("a"), chunk(None, choices=[second]), DONE)
    assert mark(response) == "Choice 2 ended: OTHER"


@pytest.mark.parametrize(
    "steps", [(DONE,), ({"type": "x", "delta": "Hi"}, DONE), (chunk(None), DONE)]
)
def test_what_is_understood_in_nothing_is_no_answer(replay, steps):
    response = ask(replay, *steps)
    assert response.status == "error"
    assert str(response.error) == f"{replay.host} sent an empty answer · ask again"


@pytest.mark.parametrize(
    "delta",
    [
        {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]},
        {"audio": {"id": "a", "data": "AA", "transcript": "Hi"}},
    ],
)
def test_an_answer_without_text_is_not_called_empty(replay, delta):
    session = Session("picture")
    response = ask(replay, chunk(delta), STOP, DONE, session=session)
    assert mark(response) is None
    assert "(an image or a sound)" in plain_summary(response)
    assert [m.role for m in session.messages] == ["user", "assistant"]
    assert all(message.content for message in session.messages)
    cut_short = ask(replay, chunk(delta), Cut(), DONE)
    assert cut_short.status == "incomplete"


# --- what is offered then -----------------------------------------------------------------------

THOUGHT = chunk({"reasoning_content": "hm"})
HALF = [step for step in cut(CALL, 900).body if not isinstance(step, Cut)]


@pytest.mark.parametrize(
    ("steps", "is_offered"),
    [
        ((THOUGHT, Cut(), DONE), True),
        ((THOUGHT, chunk({}, finish="length"), DONE), True),
        ((THOUGHT, STOP, DONE), True),
        ((chunk({"content": "a"}), chunk({}, finish="length"), DONE), True),
        ((chunk({"content": "a"}), Cut(), DONE), True),
        ((*HALF, Cut(), DONE), False),
        ((chunk({"content": "a"}), *HALF, Cut(), DONE), False),
        ((chunk({"content": "a"}), *HALF, chunk({}, finish="length"), DONE), False),
        ((chunk({}, finish="length"), DONE), False),
        ((b": hello\n\n", Cut(), DONE), False),
    ],
)
def test_the_rest_is_offered_where_it_can_be_asked_for(replay, steps, is_offered):
    """And then the command works: the history has what came."""
    session = Session("offer")
    response = ask(replay, *steps, session=session)
    line = mark(response)
    assert ("%chat continue" in line) is is_offered, line
    assert _ending(response)["isPart"] is is_offered
    if is_offered:
        assert session.responses == [response]
        replay.reply(completion("the rest"))
        asked = Options(model="replay-1", base_url=replay.base_url)
        assert session.ask(CONTINUE, asked, NullView()).wait().text == "the rest"
        sent = replay.requests[-1].json["messages"]
        assert [m["role"] for m in sent] == ["user", "assistant", "user"]
        assert all(message["content"] for message in sent)


@pytest.mark.parametrize(
    "steps",
    [(chunk({"content": "a"}), Cut(), DONE), (chunk({"content": "a"}, finish="length"), DONE)],
)
def test_what_nobody_remembers_is_not_offered(replay, steps):
    response = ask(replay, *steps, place=False)
    assert "continue" not in mark(response)
    assert not response.error or str(response.error).endswith(" · ask again")


def test_a_stop_offers_the_rest_only_where_there_is_one(replay):
    for steps, is_offered in (((THOUGHT,), True), (HALF, False)):
        replay.reply(Reply([*steps, Gate("stop")]))
        asked = Options(model="replay-1", base_url=replay.base_url)
        run = Session("stop").ask("Hello?", asked, NullView())
        assert replay.wait_reached("stop")
        assert replay.wait_until(lambda run=run: bool(run.response.rounds[-1:]))
        assert replay.wait_until(lambda run=run: not run.response.rounds[-1].is_empty)
        run.response.cancel()
        assert ("%chat continue" in mark(run.wait())) is is_offered


def test_a_chat_is_told_how_it_goes_on(replay):
    replay.reply(Reply([chunk({"content": "a"}), Cut(), DONE]), completion("b"))
    chat = Chat("replay-1", base_url=replay.base_url, view="none")
    with pytest.raises(Exception, match="inside the answer") as caught:
        chat.send("Hello?")
    assert str(caught.value).endswith(f" · {SEND_ON} asks for the rest")
    end = _ending(chat.last)
    assert (end["isPart"], SEND_ON in end["mark"]) == (True, False)
    assert chat.send("Continue.").text == "b"


def test_the_rounds_of_tools_go_on_where_somebody_remembers_them(replay):
    def lookup(city: str) -> str:
        """Look a city up."""
        return city

    options = {"tools": tools_of([lookup]), "max_rounds": 1}
    replay.fallback = CALL
    assert str(ask(replay, **options).error).endswith(", %chat continue goes on")
    assert str(ask(replay, place=False, **options).error).endswith("--max-rounds N allows more")


# --- a busy server ------------------------------------------------------------------------------


def test_a_busy_server_inside_a_stream_is_asked_again_and_seen(replay):
    busy = {"error": {"message": "try again in 10ms", "code": 429}}
    replay.reply(Reply([chunk({"role": "assistant"}), busy]), completion("fine"))
    events = []
    response = ask(replay, observe=events.append)
    assert (response.text, len(response.rounds)) == ("fine", 1)
    kinds = [event.kind for event in events]
    assert kinds.count("retry") == 1
    assert [e.retry_after for e in events if isinstance(e, ErrorEvent)] == [pytest.approx(0.01)]


@pytest.mark.parametrize("before", [{"content": "a"}, {"reasoning_content": "a"}])
def test_it_is_not_asked_again_after_output(replay, before):
    busy = {"error": {"message": "busy", "type": "overloaded_error"}}
    response = ask(replay, chunk(before), busy)
    assert (response.status, len(replay.requests)) == ("error", 1)
    assert str(response.error).endswith("%chat continue asks for the rest")


def test_a_key_in_what_a_gateway_adds_is_not_shown(replay, monkeypatch):
    monkeypatch.setenv("MINE", "canary-0123456789")
    about = {"raw": "no: canary-0123456789", "provider_name": "canary-0123456789"}
    body = {"error": {"message": "no", "metadata": about}}
    response = ask(replay, body, api_key_env="MINE")
    assert "no: [key]" in response.error.detail
    assert "canary" not in f"{response.error} {response.to_dict()}"
