"""The tool loop over real HTTP: every call is answered, and the next request is valid."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import dataclasses
import json
import math
import os
import threading
import time
from typing import Annotated, Any, TypedDict

import pandas as pd
import pydantic
import pytest
from replay import Hang, ReplayServer, Reply, chunk, completion, cut, error

import nbstream
from nbstream.buffers import TextBuffer
from nbstream.chat import Chat
from nbstream.errors import (
    APITimeoutError,
    BadRequestError,
    IncompleteError,
    SchemaError,
    UsageError,
)
from nbstream.events import ToolResultEvent
from nbstream.io_thread import io_thread
from nbstream.render.saved import bundle
from nbstream.render.summary import call_line
from nbstream.request_messages import Recipient, request_messages
from nbstream.rounds import CallDraft, Round
from nbstream.schema import as_schema
from nbstream.views.outline import Outline
from nbstream.views.protocol import NullView


def ask(replay, *tools, prompt="Go.", **options):
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=tools, **options)
    return chat, chat.send(prompt)


def calls(*pairs, **more):
    return completion(
        tool_calls=[{"name": name, "arguments": arguments} for name, arguments in pairs], **more
    )


def sent(replay, number=-1):
    """The messages of a request, by default the last."""
    return replay.requests[number].json["messages"]


def results(replay, number=-1):
    return {m["tool_call_id"]: m["content"] for m in sent(replay, number) if m["role"] == "tool"}


def lookup_city(city: str) -> str:
    """Look a city up."""
    return f"{city}: 3.7 million people"


def test_a_call_is_run_and_its_result_goes_back(replay):
    replay.reply(calls(("lookup_city", {"city": "Berlin"})), completion("Large."))
    _, response = ask(replay, lookup_city)
    assert response.text == "Large."
    (call,) = response.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("lookup_city", {"city": "Berlin"})
    assert call.value == call.result.content == "Berlin: 3.7 million people"
    assert call.result.seconds >= 0
    first, second = (request.json for request in replay.requests)
    assert first["tools"][0]["function"]["name"] == "lookup_city"
    assert first["tools"] == second["tools"]
    assistant, answer = second["messages"][-2:]
    assert assistant["tool_calls"][0]["id"] == answer["tool_call_id"] == "call_0"
    assert answer["content"] == "Berlin: 3.7 million people"


def test_usage_is_summed_and_messages_are_the_whole_exchange(replay):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    replay.reply(
        calls(("lookup_city", {"city": "B"}), usage=usage), completion("Yes.", usage=usage)
    )
    _, response = ask(replay, lookup_city)
    assert response.usage.total_tokens == 30
    assert [m.role for m in response.messages] == ["user", "assistant", "tool", "assistant"]


def test_several_calls_run_in_one_turn_and_answer_in_order(replay):
    async def slow(n: int) -> int:
        await asyncio.sleep(0.05 * (3 - n))
        return n * n

    replay.reply(calls(*[("slow", {"n": n}) for n in range(3)]), completion("Done."))
    _, response = ask(replay, slow)
    assert [call.value for call in response.tool_calls] == [0, 1, 4]
    assert [m["content"] for m in sent(replay) if m["role"] == "tool"] == ["0", "1", "4"]


def test_plain_functions_run_on_the_thread_that_waits(replay):
    def where() -> str:
        return threading.current_thread().name

    replay.reply(calls(("where", {})), completion("There."))
    _, response = ask(replay, where)
    assert response.tool_calls[0].value == threading.main_thread().name


def test_plain_functions_run_on_threads_where_nobody_waits(replay):
    def where() -> str:
        return threading.current_thread().name

    replay.reply(calls(("where", {})), completion("There."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[where])
    response = asyncio.run(chat.asend("Go."))
    assert response.tool_calls[0].value == "nbstream-tool"


def raises() -> None:
    raise ValueError("no such thing")


def exits() -> None:
    raise SystemExit(3)


def unprintable() -> Any:
    class Bad:
        def __str__(self):
            raise RuntimeError

        __repr__ = __str__

    return Bad()


def circular() -> Any:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@dataclasses.dataclass
class City:
    name: str
    people: int


class CityModel(pydantic.BaseModel):
    name: str
    people: int


def raises_half_a_character() -> None:
    raise ValueError(os.fsdecode(b"caf\xe9.txt"))


@pytest.mark.parametrize(
    ("function", "said", "is_error"),
    [
        (raises_half_a_character, "ValueError: caf\ufffd.txt", True),
        (lambda: [os.fsdecode(b"caf\xe9.txt")], '["caf\ufffd.txt"]', False),
        (lambda: "\ud83d\ude00 \ude00", "\U0001f600 \ufffd", False),
        (raises, "ValueError: no such thing", True),
        (exits, "SystemExit: 3", True),
        (unprintable, "(Bad, whose str() raised RuntimeError)", False),
        (circular, "[[...]]", False),
        (lambda: None, "(the function returned nothing)", False),
        (lambda: "", "", False),
        (lambda: math.nan, "NaN", False),
        (lambda: {"a": math.inf}, '{"a": Infinity}', False),
        (lambda: b"\x00\xff" * 500, "(1,000 bytes)", False),
        (lambda: [1, "ä"], '[1, "ä"]', False),
        (lambda: {1: {2}}, '{"1": [2]}', False),
        (lambda: City("Bonn", 3), '{"name": "Bonn", "people": 3}', False),
        (lambda: CityModel(name="Bonn", people=3), '{"name": "Bonn", "people": 3}', False),
        (lambda: {"x": object}, '{"x": "<class \'object\'>"}', False),
        (lambda: 2 + 3j, "(2+3j)", False),
    ],
)
def test_whatever_a_tool_does_its_call_is_answered(replay, function, said, is_error):
    replay.reply(calls(("it", {})), completion("Fine."))
    _, response = ask(replay, nbstream.tool(name="it")(function))
    (call,) = response.tool_calls
    assert results(replay) == {"call_0": said}
    assert call.result.is_error is is_error
    assert response.text == "Fine."


CONTROL_FLOW = [
    StopIteration,
    StopAsyncIteration,
    GeneratorExit,
    asyncio.CancelledError,
    concurrent.futures.CancelledError,
    KeyError,
]


@pytest.mark.parametrize("error", CONTROL_FLOW)
@pytest.mark.parametrize("is_in_cell", [True, False])
def test_a_plain_tool_may_raise_anything(replay, error, is_in_cell):
    def it() -> None:
        raise error

    replay.reply(calls(("it", {})), completion("Fine."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[it], timeout=20)
    response = chat.send("Go.") if is_in_cell else asyncio.run(chat.asend("Go."))
    assert response.text == "Fine."
    assert results(replay) == {"call_0": error.__name__}
    assert response.tool_calls[0].result.is_error


@pytest.mark.parametrize("error", CONTROL_FLOW)
def test_an_async_tool_may_raise_anything(replay, error):
    async def it() -> None:
        raise error

    replay.reply(calls(("it", {})), completion("Fine."))
    _, response = ask(replay, it, timeout=20)
    assert response.text == "Fine."
    assert error.__name__ in results(replay)["call_0"]  # Python itself wraps StopIteration
    assert response.tool_calls[0].result.is_error


def unreadable(value: str) -> str:
    raise RuntimeError("no database")


Unreadable = Annotated[str, pydantic.AfterValidator(unreadable)]


def test_a_type_that_fails_to_read_its_argument_is_told(replay):
    def it(x: Unreadable) -> str:
        return x

    replay.reply(calls(("it", {"x": "a"})), completion("Fine."))
    ask(replay, it)
    assert results(replay) == {"call_0": "RuntimeError: no database"}


def test_the_value_is_the_object_itself(replay):
    thing = object()
    replay.reply(calls(("it", {})), completion("Fine."))
    _, response = ask(replay, nbstream.tool(name="it")(lambda: thing))
    assert response.tool_calls[0].value is thing


def test_a_hundred_megabytes_are_cut_for_the_model_only(replay):
    replay.reply(calls(("it", {})), completion("Fine."))
    _, response = ask(replay, nbstream.tool(name="it")(lambda: "x" * 100_000_000))
    assert len(response.tool_calls[0].value) == 100_000_000
    content = results(replay)["call_0"]
    assert len(content) < 21_000
    assert content.endswith("(… 99,980,000 more characters)")


def test_a_frame_is_compact_text_a_table_and_itself(replay):
    frame = pd.DataFrame({"city": ["Berlin", "Bonn"], "people": [3.7, 0.3]})
    replay.reply(calls(("it", {})), completion("Fine."))
    _, response = ask(replay, nbstream.tool(name="it")(lambda: frame))
    result = response.tool_calls[0].result
    assert result.value is frame
    assert result.content.startswith("DataFrame, 2 rows × 2 columns")
    assert "| 0 | Berlin | 3.7 |" in result.display["text/markdown"]
    assert result.summary == "2 rows"


@pytest.mark.parametrize("as_axes", [False, True])
def test_a_figure_is_seen_by_the_user_and_described_to_the_model(replay, as_axes):
    figures = pytest.importorskip("matplotlib.figure")
    axes = figures.Figure().subplots()
    axes.set_title("People by city")
    value = axes if as_axes else axes.figure  # what `df.plot()` returns
    replay.reply(calls(("it", {})), completion("Fine."))
    _, response = ask(replay, nbstream.tool(name="it")(lambda: value))
    assert results(replay) == {"call_0": "(a figure: People by city; the user sees it)"}
    assert response.tool_calls[0].result.display["image/png"].startswith("iVBOR")


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("nothing", "{}", "there is no tool 'nothing'; there are: lookup_city"),
        ("lookup_city", '{"city": ', "the arguments are no valid JSON"),
        ("lookup_city", "[]", "the arguments are no JSON object"),
        ("lookup_city", '{"city": "a", "city": "b"}', "the arguments say more than once"),
        ("lookup_city", '{"city": NaN}', "NaN is no JSON"),
        ("lookup_city", "{}", "city: Field required"),
        ("lookup_city", '{"city": 3}', "city: Input should be a valid string (got 3)"),
        ("lookup_city", '{"city": "a", "x": 1}', "x: Extra inputs are not permitted"),
    ],
)
def test_a_call_that_cannot_be_made_tells_the_model_why(replay, name, arguments, said):
    replay.reply(calls((name, arguments)), completion("I see."))
    _, response = ask(replay, lookup_city)
    assert said in results(replay)["call_0"]
    assert response.tool_calls[0].result.is_error
    assert response.text == "I see."
    json.loads(sent(replay)[1]["tool_calls"][0]["function"]["arguments"])  # valid when sent back


@pytest.mark.parametrize("arguments", ["", " \n", "null", " null\n", "{ }"])
def test_no_arguments_may_be_written_in_many_ways(replay, arguments):
    replay.reply(calls(("it", arguments)), completion("Fine."))
    ask(replay, nbstream.tool(name="it")(lambda: 1))
    assert results(replay) == {"call_0": "1"}
    assert json.loads(sent(replay)[1]["tool_calls"][0]["function"]["arguments"]) == {}


def test_no_more_rounds_than_allowed(replay):
    replay.reply(*[calls(("lookup_city", {"city": "B"})) for _ in range(3)])
    with pytest.raises(IncompleteError, match="stopped after 3 rounds of tools") as caught:
        ask(replay, lookup_city, max_rounds=3)
    assert len(replay.requests) == 3
    ran = [call.result is not None for call in caught.value.response.tool_calls]
    assert ran == [True, True, False]


def test_a_hanging_function_is_stopped_at_its_limit(replay):
    stopped = []

    @nbstream.tool(timeout=0.3)
    def hang() -> None:
        try:
            time.sleep(60)
        finally:
            stopped.append(True)

    replay.reply(calls(("hang", {})), completion("Too slow."))
    started = time.monotonic()
    _, response = ask(replay, hang)
    assert time.monotonic() - started < 10
    assert stopped
    assert results(replay) == {"call_0": "no result within 0.3 s: the call was stopped"}
    assert response.text == "Too slow."


def test_a_hanging_coroutine_is_stopped_at_its_limit(replay):
    @nbstream.tool(timeout=0.2)
    async def hang() -> None:
        await asyncio.sleep(60)

    replay.reply(calls(("hang", {})), completion("Too slow."))
    ask(replay, hang)
    assert results(replay) == {"call_0": "no result within 0.2 s: the call was stopped"}


def test_an_async_tool_that_blocks_is_left_behind_and_holds_up_no_other(replay):
    release = threading.Event()

    @nbstream.tool(timeout=0.2)
    async def block() -> None:
        release.wait(60)

    async def quick() -> int:
        return 1

    replay.reply(calls(("block", {})), calls(("quick", {})), completion("Too slow."))
    started = time.monotonic()
    _, response = ask(replay, block, quick)
    assert time.monotonic() - started < 10
    release.set()
    assert [call.result.content for call in response.tool_calls] == [
        "no result within 0.2 s: the call was stopped",
        "1",
    ]


def test_an_async_tool_that_blocks_can_be_stopped_and_stops_no_other_answer(replay):
    release, is_blocked = threading.Event(), threading.Event()

    async def block() -> None:
        is_blocked.set()
        release.wait(60)

    replay.reply(calls(("block", {})), completion("Another answer."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[block])
    run = chat.session.ask("Go.", chat.options, NullView())
    assert is_blocked.wait(10)
    assert ask(replay)[1].text == "Another answer."
    started = time.monotonic()
    run.response.cancel()
    assert run.wait().status == "cancelled"
    assert time.monotonic() - started < 0.5
    release.set()


def test_an_async_tool_is_cancelled_with_its_answer(replay):
    runs, has_ended = threading.Event(), threading.Event()

    async def sleep() -> None:
        try:
            runs.set()
            await asyncio.sleep(60)
        finally:
            has_ended.set()

    replay.reply(calls(("sleep", {})))
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[sleep])
    run = chat.session.ask("Go.", chat.options, NullView())
    assert runs.wait(10)
    run.response.cancel()
    assert run.wait().status == "cancelled"
    assert has_ended.wait(5)


def test_an_async_tool_may_ask_a_model_itself(replay):
    """And blocks meanwhile, also where that model calls async tools in its turn."""

    async def look() -> int:
        return 1

    inner = Chat("replay-1", base_url=replay.base_url, view="none", tools=[look])

    async def expert(question: str) -> str:
        return inner.send(question).text

    asked = calls(("expert", {"question": "Why?"}))
    replay.reply(asked, calls(("look", {})), completion("So."), completion("Well."))
    _, response = ask(replay, expert, timeout=20)
    assert inner.last.tool_calls[0].value == 1
    assert response.tool_calls[0].value == "So."
    assert response.text == "Well."


def test_async_tools_share_a_loop_and_have_the_context_of_their_cell(replay):
    cell = contextvars.ContextVar("cell")
    cell.set("In[7]")
    seen = []

    async def look() -> None:
        seen.append((asyncio.get_running_loop(), threading.current_thread().name, cell.get()))

    replay.reply(calls(("look", {})), calls(("look", {})), completion("There."))
    ask(replay, look)
    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert seen[0][1:] == ("nbstream-async-tools", "In[7]")


def test_waiting_on_the_io_thread_is_refused_at_once(replay):
    async def wait() -> None:
        io_thread.submit(asyncio.sleep(0)).wait()

    with pytest.raises(UsageError, match="cannot wait"):
        io_thread.submit(wait()).wait()


def test_a_function_that_hangs_on_a_thread_is_left_behind(replay):
    release = threading.Event()

    @nbstream.tool(timeout=0.2)
    def hang() -> None:
        release.wait(60)

    replay.reply(calls(("hang", {})), completion("Too slow."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[hang])
    response = asyncio.run(chat.asend("Go."))
    release.set()
    assert response.tool_calls[0].result.is_error
    assert response.text == "Too slow."


def test_the_functions_own_timeout_is_its_own(replay):
    def impatient() -> None:
        raise TimeoutError("the database is slow")

    replay.reply(calls(("impatient", {})), completion("Hm."))
    ask(replay, impatient)
    assert results(replay) == {"call_0": "TimeoutError: the database is slow"}


def test_a_tool_that_stops_the_answer(replay):
    """As ■ does while a tool runs: the open calls are answered, and the next turn is valid."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    replay.reply(calls(("interrupted", {}), ("lookup_city", {"city": "B"})))
    with pytest.raises(KeyboardInterrupt):
        chat, _ = ask(replay, interrupted, lookup_city)
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[interrupted, lookup_city])
    replay.reply(calls(("interrupted", {}), ("lookup_city", {"city": "B"})), completion("On."))
    with pytest.raises(KeyboardInterrupt):
        chat.send("Go.")
    assert chat.last.status == "cancelled"
    chat.send("Go on.")
    roles = [message["role"] for message in sent(replay)]
    assert roles == ["user", "assistant", "tool", "tool", "assistant", "user"]
    assert results(replay)["call_0"].startswith("stopped")


def test_calls_of_a_cut_stream_are_not_run(replay):
    ran = []
    reply = calls(("it", {"x": 1}), finish="tool_calls")
    whole = b"".join(json.dumps(step).encode() for step in reply.body if isinstance(step, dict))
    replay.reply(cut(reply, len(whole) // 2))
    with pytest.raises(nbstream.errors.NbstreamError):
        ask(replay, nbstream.tool(name="it")(lambda x: ran.append(x)))  # noqa: PLW0108  # not a builtin
    assert not ran
    assert len(replay.requests) == 1


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_calls_of_an_answer_that_was_cut_short_are_not_run(replay, finish):
    ran = []
    replay.reply(calls(("it", {}), finish=finish))
    _, response = ask(replay, nbstream.tool(name="it")(lambda: ran.append(1)))
    assert not ran
    assert response.tool_calls[0].result is None


def test_calls_are_run_where_the_finish_reason_says_stop(replay):
    replay.reply(calls(("lookup_city", {"city": "B"}), finish="stop"), completion("Yes."))
    _, response = ask(replay, lookup_city)
    assert response.text == "Yes."


def test_a_later_round_is_tried_again_before_it_says_anything(replay):
    replay.reply(calls(("lookup_city", {"city": "B"})), error(500), completion("Yes."))
    _, response = ask(replay, lookup_city)
    assert response.text == "Yes."
    assert len(response.rounds) == 2
    assert sent(replay, 1) == sent(replay, 2)


def test_an_error_in_a_later_round_keeps_what_came_before(replay):
    replay.reply(calls(("lookup_city", {"city": "B"})), error(400, "too long"))
    with pytest.raises(nbstream.errors.BadRequestError) as caught:
        ask(replay, lookup_city)
    assert caught.value.response.tool_calls[0].value == "B: 3.7 million people"


def test_stream_options_are_left_out_of_later_rounds_too(replay):
    replay.reply(
        error(400, "unknown field stream_options"),
        calls(("lookup_city", {"city": "B"})),
        completion("Yes."),
    )
    ask(replay, lookup_city)
    assert ["stream_options" in r.json for r in replay.requests] == [True, False, False]


def test_reasoning_goes_back_where_the_provider_demands_it(replay):
    replay.reply(
        completion(
            reasoning="Hm, where?", tool_calls=[{"name": "lookup_city", "arguments": {"city": "B"}}]
        ),
        completion("There.", reasoning="So there."),
        completion("Yes."),
    )
    chat, _ = ask(replay, lookup_city)
    chat.send("Sure?")
    echoed = [m.get("reasoning_content") for m in sent(replay) if m["role"] == "assistant"]
    assert echoed == ["Hm, where?", "So there."]


def test_a_signature_of_a_call_goes_back_with_it(replay):
    signature = {"google": {"thought_signature": "c2ln"}}
    call = {
        "index": 0,
        "id": "c1",
        "type": "function",
        "function": {"name": "lookup_city", "arguments": '{"city": "B"}'},
        "extra_content": signature,
    }
    head = Reply(
        [chunk({"tool_calls": [call]}), chunk({}, finish="tool_calls"), "data: [DONE]\n\n"]
    )
    replay.reply(head, completion("Yes."))
    ask(replay, lookup_city)
    assert sent(replay)[1]["tool_calls"][0]["extra_content"] == signature


def test_events_tell_the_results(replay):
    replay.reply(calls(("lookup_city", {"city": "B"})), completion("Yes."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[lookup_city])
    found = [event for event in chat.stream("Go.") if isinstance(event, ToolResultEvent)]
    assert [(event.slot, event.result.value) for event in found] == [(0, "B: 3.7 million people")]


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(UsageError, match="two tools are called 'lookup_city'"):
        Chat("x", tools=[lookup_city, nbstream.tool(name="lookup_city")(lambda: 1)])


# -- approval --------------------------------------------------------------------


def answering(monkeypatch, *lines):
    prompts: list[str] = []
    answers = list(lines)

    def read(prompt: str = "") -> str:
        prompts.append(prompt)
        return answers.pop(0)

    monkeypatch.setattr("builtins.input", read)
    return prompts


def test_the_user_is_asked_and_agrees(replay, monkeypatch):
    prompts = answering(monkeypatch, "y")
    replay.reply(calls(("lookup_city", {"city": "Berlin"})), completion("Yes."))
    _, response = ask(replay, lookup_city, approve=True)
    assert prompts == ['Run lookup_city({"city": "Berlin"})? [y]es, [e]dit, [n]o: ']
    assert response.tool_calls[0].value


def test_the_user_refuses_and_says_why(replay, monkeypatch):
    ran = []

    @nbstream.tool(approve=True)
    def delete(path: str) -> None:
        ran.append(path)

    answering(monkeypatch, "n", "not that one")
    replay.reply(calls(("delete", {"path": "/"})), completion("Good."))
    _, response = ask(replay, delete)
    assert not ran
    assert results(replay) == {"call_0": "The user rejected this call. not that one"}
    assert response.tool_calls[0].result.is_error


def test_the_user_changes_the_arguments(replay, monkeypatch):
    prompts = answering(monkeypatch, "e", '{"town": "Bonn"}', "e", "", "e", '{"city": "Bonn"}')
    replay.reply(calls(("lookup_city", {"city": "Berlin"})), completion("Yes."))
    _, response = ask(replay, lookup_city, approve=True)
    assert response.tool_calls[0].value == "Bonn: 3.7 million people"
    assert prompts[2].startswith("city: Field required\n")
    said = results(replay)["call_0"]
    assert said == ('(The user ran it with {"city": "Bonn"} instead.)\nBonn: 3.7 million people')
    asked = sent(replay)[1]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(asked) == {"city": "Berlin"}
    # What is shown and kept is what ran.
    (call,) = response.tool_calls
    assert (call.arguments, json.loads(call.asked)) == ('{"city": "Bonn"}', {"city": "Berlin"})
    assert call_line(call).startswith('lookup_city("Bonn") → Bonn: 3.7 million people')
    assert "Berlin" not in bundle(response)["text/markdown"]
    restored = nbstream.Response.from_dict(json.loads(json.dumps(response.to_dict())))
    assert restored == response
    assert restored.messages == response.messages


def test_the_page_shows_what_ran_under_what_was_asked():
    response, outline = nbstream.Response(), Outline()
    draft = CallDraft("call_0", "lookup_city", TextBuffer('{"city": "Berlin"}'))
    response.rounds.append(Round(calls=[draft], finish_reason="tool_calls"))
    list(outline.advance(response))
    draft.changed = '{"city": "Bonn"}'
    operations = outline.advance(response)
    (section,) = outline.state()["sections"]
    asked, _, ran = section["text"].partition("The user changed that, and ran:")
    assert (json.loads(asked), json.loads(ran)) == ({"city": "Berlin"}, {"city": "Bonn"})
    assert section["title"] == 'lookup_city("Bonn")'
    assert ["title", section["id"], section["title"]] in operations


def test_nothing_runs_where_nobody_can_be_asked(replay, monkeypatch):
    def read(prompt: str = "") -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", read)
    ran = []
    replay.reply(calls(("it", {})), completion("Fine."))
    ask(replay, nbstream.tool(name="it", approve=True)(lambda: ran.append(1)))
    assert not ran
    assert "nobody could be asked" in results(replay)["call_0"]


def test_code_answers_where_no_cell_waits(replay):
    replay.reply(calls(("lookup_city", {"city": "Berlin"})), completion("Yes."))
    chat = Chat(
        "replay-1", base_url=replay.base_url, view="none", tools=[lookup_city], approve=True
    )

    async def answered() -> nbstream.Response:
        asked = asyncio.ensure_future(chat.asend("Go."))
        while not (chat.last and chat.last.approvals):  # noqa: ASYNC110  # no event for it
            await asyncio.sleep(0.01)
        (approval,) = chat.last.approvals
        assert approval.call.name == "lookup_city"
        assert len(replay.requests) == 1
        approval.run({"city": "Bonn"})
        return await asked

    response = asyncio.run(answered())
    assert response.tool_calls[0].value == "Bonn: 3.7 million people"
    assert not response.approvals


async def collected(events):
    return [event async for event in events]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_call_that_waits_is_an_event_of_a_stream(replay, monkeypatch, is_async):
    """Who does not answer it is asked at the prompt: a loop over the events never hangs."""
    prompts = answering(monkeypatch, "y")
    replay.reply(calls(("lookup_city", {"city": "Berlin"})), completion("Yes."))
    replay.reply(calls(("lookup_city", {"city": "Bonn"})), completion("No."))
    options = {"base_url": replay.base_url, "tools": [lookup_city], "approve": True}
    chat = Chat("replay-1", **options)
    stream = chat.astream("Go.") if is_async else chat.stream("Go.")
    events = asyncio.run(collected(stream)) if is_async else list(stream)
    (waits,) = (event for event in events if event.kind == "approval")
    assert waits.approval.call.name == "lookup_city"
    assert len(prompts) == 1
    for event in chat.stream("And?"):
        if event.kind == "approval":
            event.approval.reject()
    assert len(prompts) == 1
    assert chat.last.tool_calls[0].result.is_error


@pytest.mark.parametrize(
    ("name", "arguments", "sent_name", "sent_arguments"),
    [
        ("multi_tool_use.parallel", "{}", "multi_tool_use_parallel", {}),
        ("", "{}", "_", {}),
        ("f" * 70, "{}", "f" * 64, {}),
        ("f", '{"a": NaN}', "f", {"invalid_json": '{"a": NaN}'}),
        ("f", '{"a": 1e999}', "f", {"invalid_json": '{"a": 1e999}'}),
        ("f", r'{"a": "\ud83d"}', "f", {"invalid_json": r'{"a": "\ud83d"}'}),
    ],
)
def test_what_a_strict_server_refuses_is_not_sent_back(
    replay, name, arguments, sent_name, sent_arguments
):
    """One such call in the history would fail every request that follows."""
    replay.reply(calls((name, arguments)), completion("Sorry."), completion("Hello."))
    chat, response = ask(replay, lookup_city)
    assert response.text == "Sorry."
    assert (response.tool_calls[0].name, response.tool_calls[0].arguments) == (name, arguments)
    chat.send("Again.")
    for number in (1, 2):
        (call,) = sent(replay, number)[1]["tool_calls"]
        assert call["function"]["name"] == sent_name
        assert json.loads(call["function"]["arguments"]) == sent_arguments


def test_what_one_provider_wants_back_goes_to_no_other(replay):
    extra = {"extra_content": {"google": {"thought_signature": "sig"}}}
    delta = {"index": 0, "id": "c", "function": {"name": "lookup_city", "arguments": "{}"}}
    stream = [
        chunk({"reasoning_content": "Hm.", "thinking_blocks": [{"signature": "sig"}]}),
        chunk({"tool_calls": [{**delta, **extra}]}, finish="tool_calls"),
    ]
    replay.reply(Reply(stream), completion("One."), completion("Two."))
    chat, _ = ask(replay, lookup_city)
    asked = sent(replay, 1)[1]
    assert {"reasoning_content", "thinking_blocks"} < asked.keys()
    assert asked["tool_calls"][0]["extra_content"] == extra["extra_content"]
    restored = nbstream.Response.from_dict(chat.last.to_dict())
    with ReplayServer() as other:
        other.reply(completion("Three."))
        chat.options = dataclasses.replace(chat.options, base_url=other.base_url)
        chat.send("And?")
        first = sent(other)[1]
        assert first.keys() == {"role", "content", "tool_calls"}
        assert first["tool_calls"][0].keys() == {"id", "type", "function"}
    chat.options = dataclasses.replace(chat.options, base_url=replay.base_url)
    chat.send("And here?")
    assert sent(replay)[1] == asked
    own = request_messages(restored.messages, Recipient(replay.origin, "replay-1"))
    assert own[:3] == sent(replay)[:3]
    for origin, model in (("https://elsewhere.test", "replay-1"), (replay.origin, "replay-2")):
        assert "thinking_blocks" not in str(
            request_messages(restored.messages, Recipient(origin, model))
        )


def test_a_turn_that_was_refused_with_its_results_is_not_sent_again(replay):
    def large() -> str:
        return "x" * 10_000

    too_long = error(400, {"message": "too long", "code": "context_length_exceeded"})
    replay.reply(completion("Hello."), calls(("large", {})), too_long, completion("Two."))
    chat, _ = ask(replay, large)
    with pytest.raises(BadRequestError, match="most of it results of tools: let them return less"):
        chat.send("Look.")
    assert chat.last.tool_calls[0].value == "x" * 10_000
    assert chat.send("What is 1 + 1?").text == "Two."
    assert [message["role"] for message in sent(replay)] == ["user", "assistant", "user"]


def test_the_time_of_the_answer_is_the_time_of_its_tools(replay):
    def slow() -> None:
        time.sleep(30)

    replay.reply(calls(("slow", {})))
    with pytest.raises(APITimeoutError, match="the answer took longer than 1 s"):
        ask(replay, slow, timeout=1)
    started = time.monotonic()
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[slow], timeout=1)
    replay.reply(calls(("slow", {})))
    with pytest.raises(APITimeoutError):
        chat.send("Go.")
    assert time.monotonic() - started < 20
    assert chat.last.tool_calls[0].result.is_error
    assert "user" not in chat.last.tool_calls[0].result.content


def test_a_model_that_a_tool_asks_is_stopped_with_the_tool(replay):
    inner = Chat("replay-1", base_url=replay.base_url, view="none")

    @nbstream.tool(timeout=0.5)
    def asks() -> str:
        return inner.send("Inside.").text

    replay.reply(
        calls(("asks", {})), Reply([chunk({"content": "So"}), Hang()]), completion("Late.")
    )
    _, response = ask(replay, asks)
    assert response.text == "Late."
    assert "no result within 0.5 s" in response.tool_calls[0].result.content
    inner.last.wait(5)
    assert (inner.last.status, inner.last.text) == ("cancelled", "So")


def test_the_notice_stays_while_a_call_waits(replay):
    """Calls that run, end and are answered beside it do not take it away."""
    release = threading.Event()

    async def other() -> int:
        while not release.is_set():  # noqa: ASYNC110  # set by another thread
            await asyncio.sleep(0.01)
        return 1

    approved = nbstream.tool(approve=True)(lookup_city)
    cities = [("lookup_city", {"city": "Berlin"}), ("lookup_city", {"city": "Bonn"})]
    replay.reply(calls(*cities, ("other", {})), completion("Yes."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[approved, other])
    run = chat.session.ask("Go.", chat.options, NullView())
    response = run.response
    until(lambda: len(response.approvals) == 2 and response.rounds[0].calls[2].running_since)
    until(lambda: response.notice == "2 calls need your approval")
    release.set()
    until(lambda: response.rounds[0].calls[2].result)
    until(lambda: response.notice)
    response.approvals[0].run()
    until(lambda: response.rounds[0].calls[0].result)
    until(lambda: response.notice == "lookup_city needs your approval")
    response.approvals[0].reject()
    assert run.wait().text == "Yes."
    assert response.notice == ""


def until(holds):
    """Wait until something holds, and fail where it does not."""
    due = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < due
        time.sleep(0.01)


# -- structured output -----------------------------------------------------------


class CityDict(TypedDict):
    name: str
    people: int


CITY = '{"name": "Berlin", "people": 3700000}'


@pytest.mark.parametrize(
    ("schema", "text", "parsed"),
    [
        (CityModel, CITY, CityModel(name="Berlin", people=3_700_000)),
        (City, CITY, City("Berlin", 3_700_000)),
        (CityDict, CITY, {"name": "Berlin", "people": 3_700_000}),
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (list[int], "[1, 2]", [1, 2]),
        ({"type": "object", "required": ["a"]}, '{"a": 1}', {"a": 1}),
        (City, f"Here it is:\n```json\n{CITY}\n```", City("Berlin", 3_700_000)),
    ],
)
def test_an_answer_becomes_an_object(replay, schema, text, parsed):
    replay.reply(completion(text))
    _, response = ask(replay, schema=schema)
    assert response.parsed == parsed
    assert type(response.parsed) is type(parsed)
    form = replay.requests[0].json["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"]["type"] == "object"


def test_a_strict_schema_demands_all_and_no_more(replay):
    class Talk(pydantic.BaseModel):
        title: str
        minutes: int = 30
        speakers: list[CityModel] = []

    replay.reply(completion('{"title": "a", "minutes": 1, "speakers": []}'))
    ask(replay, schema=Talk)
    form = replay.requests[0].json["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["required"] == ["title", "minutes", "speakers"]
    assert form["schema"]["additionalProperties"] is False
    assert "default" not in json.dumps(form)


def test_a_schema_with_free_keys_is_not_strict(replay):
    replay.reply(completion('{"a": 1}'))
    _, response = ask(replay, schema=dict[str, int])
    assert "strict" not in replay.requests[0].json["response_format"]["json_schema"]
    assert response.parsed == {"a": 1}


@pytest.mark.parametrize("schema", [list, tuple[int, str], dict[str, Any], Any])
def test_a_schema_that_leaves_types_open_is_not_strict(schema):
    form = as_schema(schema).response_format()
    assert "strict" not in form["json_schema"]


@pytest.mark.parametrize("text", ['{"name": "Berlin"}', "It is Berlin.", '{"name": "Ber'])
def test_an_answer_that_does_not_fit_is_an_error_that_keeps_the_text(replay, text):
    replay.reply(completion(text))
    with pytest.raises(SchemaError, match="the answer is no City") as caught:
        ask(replay, schema=City)
    assert caught.value.response.text == text
    assert caught.value.response.parsed is None


@pytest.mark.parametrize(
    ("finish", "said"),
    [("length", r"at the token limit · --max-tokens N"), ("content_filter", "content filter")],
)
def test_an_object_that_was_cut_is_incomplete(replay, finish, said):
    replay.reply(completion('{"name": "Ber', finish=finish))
    with pytest.raises(IncompleteError, match=f"the answer is no whole City: .*{said}") as caught:
        ask(replay, schema=City)
    response = caught.value.response
    assert (response.status, response.text) == ("incomplete", '{"name": "Ber')


def test_an_object_that_is_whole_at_the_limit_is_an_object(replay):
    replay.reply(completion(CITY, finish="length"))
    _, response = ask(replay, schema=City)
    assert response.parsed == City("Berlin", 3_700_000)


def test_a_refusal_has_no_object(replay):
    replay.reply(Reply([chunk({"refusal": "I won't."}), chunk({}, finish="stop")]))
    _, response = ask(replay, schema=City)
    assert response.refusal == "I won't."
    assert response.parsed is None


@pytest.mark.parametrize(
    "schema", [{"type": "nonsense"}, pd.DataFrame, 3, City("Bonn", 3), lookup_city]
)
def test_what_is_no_schema_is_said_at_once(schema):
    with pytest.raises(UsageError, match="--schema"):
        Chat("x", schema=schema)
