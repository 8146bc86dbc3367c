"""Histories that strict servers take: one function writes them, checked against their rules."""

from __future__ import annotations

import dataclasses
import json
import random
import re
from contextlib import suppress

import history_rules
import pytest
from long import LONG
from replay import ReplayServer, Reply, Request, chunk, completion, error

from nbstream import Chat, Response
from nbstream.conversation import Conversation, history, past_tools
from nbstream.errors import BadRequestError, IncompleteError, NbstreamError
from nbstream.messages import Message, ToolResult
from nbstream.request import Options
from nbstream.request import Request as ChatRequest
from nbstream.request_messages import NO_ANSWER, Recipient, request_messages
from nbstream.response import Timing
from nbstream.rounds import CallDraft, Round

CONVERSATIONS = 3_000 if LONG else 300
DIALOGUES = 200 if LONG else 25

MAKERS = [
    ("https://a.test", "one"),
    ("https://a.test", "two"),
    ("https://b.test", "one"),
    ("https://c.test", "mistral"),
]
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("search", "run", "look-up")
]
NEVER = ("https://d.test", "none of them")


# -- random conversations --------------------------------------------------------


def random_round(dice: random.Random, maker: tuple[str, str], *, is_last: bool) -> Round:
    """An answer as real servers have sent it, or a part of one; private fields name who made it."""
    origin, model = maker
    said = dice.choice(["", "", "  \n", "Text.", "Some more text."])
    answer = Round(origin=origin, asked_model=model)
    answer.text.append(said)
    private = f"private of {origin} {model}"
    if dice.random() < 0.5:
        answer.reasoning.append(dice.choice([private, ""]))
        forms = ["reasoning_content", "reasoning", "<think>", "[THINK]", "thinking", None]
        answer.echo_reasoning_as = dice.choice(forms)
    if dice.random() < 0.3:
        answer.echo["thinking_blocks"] = [{"signature": private}]
    if not is_last or dice.random() < 0.3:
        for index in range(dice.choice([1, 1, 2, 3])):
            ids = ["call_0", f"call_{index}", "x" * 70, "functions.run:0", "", "aaaaaaaaa", "é !"]
            arguments = dice.choice(["{}", "", '{"a": 1}', "[1]", '{"a":', "null", "{'a': 1}"])
            name = dice.choice(["search", "run", "look-up", "multi.tool", "", "ü"])
            draft = CallDraft(dice.choice(ids), name)
            draft.arguments.append(arguments)
            if dice.random() < 0.3:
                draft.extra["extra_content"] = {"google": {"thought_signature": private}}
            if dice.random() < 0.8:
                draft.result = ToolResult(
                    dice.choice(["42", ""]), status="failed" if dice.random() < 0.2 else "completed"
                )
            answer.calls.append(draft)
    if not is_last or dice.random() < 0.8:
        answer.finish_reason = "tool_calls" if answer.calls else "stop"
    return answer


def random_response(dice: random.Random) -> Response:
    response = Response([Message("user", dice.choice(["What?", "And?"]))])
    maker = dice.choice(MAKERS)
    count = dice.choice([0, 1, 1, 2, 3])
    for number in range(count):
        response.rounds.append(random_round(dice, maker, is_last=number + 1 == count))
    response.offered_tools = tuple(TOOLS) if dice.random() < 0.8 else ()
    response.finish(dice.choice(["complete", "cancelled", "incomplete", "error"]), None, Timing())
    if dice.random() < 0.3:  # the same from a file
        response = Response.from_dict(json.loads(json.dumps(response.to_dict())))
    return response


def random_branch(dice: random.Random) -> list:
    """A branch of a conversation in which turns were asked beside others and taken out."""
    conversation = Conversation()
    for _ in range(dice.choice([1, 2, 3, 6, 12])):
        turns = list(conversation)
        after = dice.choice([None, *turns]) if dice.random() < 0.2 else None
        after = after or next(reversed(conversation.branch), None)
        conversation.add(random_response(dice), after)
        if dice.random() < 0.1:
            conversation.remove(dice.choice(list(conversation)))
    return conversation.branch


def request_of(branch: list, maker: tuple[str, str]) -> dict:
    origin, model = maker
    messages = (Message("system", "Be brief."), *history(branch), Message("user", "Now?"))
    request = ChatRequest(messages, Options(), model, past_tools=past_tools(branch))
    return request.to_api(to=origin)


@pytest.mark.fuzz
def test_random_conversations_keep_the_rules_of_strict_servers():
    fields = set()
    for seed in range(CONVERSATIONS):
        dice = random.Random(seed)
        branch = random_branch(dice)
        request = request_of(branch, NEVER)
        assert not history_rules.broken(request), seed
        assert "private of" not in json.dumps(request), seed
        assert request_of(branch, NEVER) == request
        for maker in MAKERS:
            messages = request_of(branch, maker)["messages"]
            assert not list(history_rules.order(messages)), seed
            assert not list(history_rules.contents(messages)), seed
            ids = [call["id"] for message in messages for call in message.get("tool_calls", ())]
            assert len(ids) == len(set(ids)), seed
            for field in ("reasoning_content", "reasoning", "thinking_blocks"):
                fields |= {field for message in messages if field in message}
            others = [f"private of {o} {m}" for o, m in MAKERS if (o, m) != maker]
            assert not [each for each in others if each in json.dumps(messages)], seed
    assert fields == {"reasoning_content", "reasoning", "thinking_blocks"}  # they were there


# -- real conversations with a strict server -------------------------------------


def strict_answer(dice: random.Random):
    """A server that checks each history, and answers in one of the ways that leave odd ones."""

    def answer(request: Request) -> Reply:  # noqa: PLR0911  # a kind of answer each
        faults = history_rules.broken({**request.json, "messages": ids_as_mistral(request)})
        if faults:
            return error(400, "; ".join(faults))
        call = {"name": dice.choice(["lookup", "unknown"]), "arguments": {"city": "Bonn"}}
        kind = dice.random()
        if kind < 0.35:
            return completion(dice.choice(["Fine.", "", " "]), tool_calls=[call])
        if kind < 0.45:
            body = [chunk({"tool_calls": [{"function": {"name": "lookup", "arguments": "{}"}}]})]
            return Reply([*body, chunk({}, finish="tool_calls"), "data: [DONE]\n\n"])
        if kind < 0.55:
            return completion("", reasoning="Hm.")
        if kind < 0.65:
            return Reply([chunk({"content": "Half an"})], framing="close")
        if kind < 0.75:
            return completion("")
        return completion("Fine.", reasoning=dice.choice([None, "Hm."]))

    return answer


def ids_as_mistral(request: Request) -> list:
    """The messages with ids that this server made itself in Mistral's form."""
    text = json.dumps(request.json["messages"])
    return json.loads(re.sub(r'"call_(\d)"', r'"aaaaaaaa\1"', text))


def lookup(city: str) -> str:
    """Look a city up."""
    return city


@pytest.mark.parametrize("seed", range(DIALOGUES))
def test_a_session_never_gets_stuck_at_a_strict_server(replay, seed):
    dice = random.Random(seed)
    replay.fallback = strict_answer(dice)
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[lookup], max_rounds=3)
    with_tools = chat.options.tools
    for _ in range(6):
        tools = with_tools if dice.random() < 0.5 else ()
        model = dice.choice(["replay-1", "replay-1", "replay-2"])
        chat.options = dataclasses.replace(chat.options, tools=tools, model=model)
        with suppress(NbstreamError):
            chat.send("Go on.")
        assert not isinstance(chat.last.error, BadRequestError), chat.last.error
        if dice.random() < 0.2 and chat.session.turns:
            chat.session.remove(dice.choice(chat.session.turns))


# -- the rules, one by one -------------------------------------------------------


def calls(*names: str, **more):
    return completion(
        tool_calls=[{"name": name, "arguments": {"city": "B"}} for name in names], **more
    )


def ask(replay, *tools, **options):
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=tools, **options)
    chat.send("Go.")
    return chat


def without_tools(chat):
    chat.options = dataclasses.replace(chat.options, tools=())
    return chat


def sent(replay, number=-1):
    return replay.requests[number].json


def test_a_history_with_calls_goes_with_its_tools_and_none_is_to_be_called(replay):
    replay.reply(calls("lookup"), completion("Yes."), completion("Sure."), completion("Bye."))
    chat = without_tools(ask(replay, lookup))
    chat.send("Sure?")
    assert sent(replay)["tools"] == sent(replay, 0)["tools"]
    assert sent(replay)["tool_choice"] == "none"
    assert "tool_choice" not in sent(replay, 0)
    restored = Response.from_dict(json.loads(json.dumps(chat.session.responses[0].to_dict())))
    assert list(restored.offered_tools) == sent(replay, 0)["tools"]
    chat.reset()
    chat.send("Hello.")
    assert not {"tools", "tool_choice"} & sent(replay).keys()


def test_only_the_tools_of_this_turn_are_offered(replay):
    def other(city: str) -> str:
        return city

    replay.reply(calls("lookup"), completion("Yes."), calls("lookup", "other"), completion("Sure."))
    chat = ask(replay, lookup)
    chat.options = dataclasses.replace(chat.options, tools=Chat("m", tools=[other]).options.tools)
    response = chat.send("Sure?")
    assert [tool["function"]["name"] for tool in sent(replay)["tools"]] == ["other"]
    first, second = response.tool_calls
    assert "not offered in this turn" in first.result.content
    assert first.result.is_error
    assert second.value == "B"


def test_a_call_that_was_not_offered_is_answered_and_not_run(replay):
    ran = []

    def note(city: str) -> str:
        ran.append(city)
        return city

    replay.reply(calls("note"), completion("Yes."), calls("note"), completion("Sorry."))
    response = without_tools(ask(replay, note)).send("Again.")
    assert ran == ["B"]
    assert response.text == "Sorry."
    assert "not offered in this turn" in response.tool_calls[0].result.content
    assert sent(replay)["messages"][-1]["content"] == response.tool_calls[0].result.content


def test_tools_that_are_sent_as_a_parameter_are_the_users_own(replay):
    replay.reply(calls("lookup"), completion("Yes."), calls("mine"), completion("Sure."))
    chat = without_tools(ask(replay, lookup))
    own = [{"type": "function", "function": {"name": "mine", "parameters": {"type": "object"}}}]
    chat.options = dataclasses.replace(chat.options, params={"tools": own})
    assert chat.send("Mine?").tool_calls[0].result is None
    assert sent(replay)["tools"] == own
    assert "tool_choice" not in sent(replay)
    chat.options = dataclasses.replace(chat.options, params={})
    chat.send("Sure?")
    assert [tool["function"]["name"] for tool in sent(replay)["tools"]] == ["lookup", "mine"]
    assert not list(history_rules.order(sent(replay)["messages"]))


@pytest.mark.parametrize(
    ("refused", "lacks"),
    [
        ("tool_choice: 'none' is not supported by this backend", {"tool_choice"}),
        ("Unrecognized request argument supplied: tool_choice", {"tool_choice"}),
        ("model 'gemma' does not support tools", {"tools", "tool_choice"}),
        ("`tool calling` is not supported with this model", {"tools", "tool_choice"}),
    ],
)
def test_what_a_server_refuses_of_past_tools_is_left_out_from_then_on(replay, refused, lacks):
    replay.reply(
        calls("lookup"),
        completion("Yes."),
        error(400, refused),
        completion("One."),
        completion("Two."),
    )
    chat = without_tools(ask(replay, lookup))
    chat.send("One?")
    chat.send("Two?")
    for number in (3, 4):
        assert not lacks & sent(replay, number).keys()
    assert len(replay.requests) == 5


def test_an_assistant_of_fixed_words_stands_between_results_and_a_question(replay):
    replay.reply(calls("lookup"), calls("lookup"), completion("Now."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none", tools=[lookup], max_rounds=2)
    with pytest.raises(IncompleteError):
        chat.send("Go.")
    chat.send("And now?")
    roles = [(m["role"], m.get("content")) for m in sent(replay)["messages"]]
    assert roles[-2:] == [("assistant", NO_ANSWER), ("user", "And now?")]
    assert NO_ANSWER not in str(chat.session.messages)
    assert all(
        NO_ANSWER not in str(response._repr_mimebundle_()) for response in chat.session.responses
    )


def test_ids_stay_for_who_made_them_and_fit_everybody_else(replay):
    ids = ["toolu_01AbC", "functions.lookup:0"]
    call = [{"name": "lookup", "arguments": {"city": "B"}, "id": each} for each in ids]
    replay.reply(completion(tool_calls=call), completion("Yes."), completion("Sure."))
    chat = ask(replay, lookup)
    chat.send("Sure?")
    assert [c["id"] for c in sent(replay)["messages"][1]["tool_calls"]] == ids
    with ReplayServer() as other:
        other.reply(completion("Three."), completion("Four."))
        chat.options = dataclasses.replace(chat.options, base_url=other.base_url)
        chat.send("Three?")
        chat.send("Four?")
        first, second = (each.json for each in other.requests)
    assert not history_rules.broken(first)
    assert second["messages"][:4] == first["messages"][:4]


def test_ids_that_come_again_in_a_later_turn_are_told_apart(replay):
    replay.reply(calls("lookup"), completion("One."), calls("lookup"), completion("Two."))
    ask(replay, lookup).send("Again.")
    messages = sent(replay)["messages"]
    ids = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    answered = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert ids == answered
    assert ids[0] == "call_0"
    assert len(set(ids)) == 2


def test_equal_conversations_are_equal_requests(replay):
    body = [chunk({"tool_calls": [{"function": {"name": "lookup", "arguments": '{"city": "B"}'}}]})]
    one = Reply([*body, chunk({}, finish="tool_calls"), "data: [DONE]\n\n"])
    replay.reply(*[one, completion("Yes."), one, completion("Sure.")] * 2)
    for _ in range(2):
        ask(replay, lookup).send("Again.")
    bodies = [request.body for request in replay.requests]
    assert bodies[:4] == bodies[4:]


# -- reasoning -------------------------------------------------------------------


def thinking(delta: dict, *, calls_tool: bool) -> Reply:
    call = {"index": 0, "id": "c", "function": {"name": "lookup", "arguments": '{"city": "B"}'}}
    last = chunk({"tool_calls": [call]}) if calls_tool else chunk({"content": "Yes."})
    finish = "tool_calls" if calls_tool else "stop"
    body = [chunk(delta), last, chunk({}, finish=finish), "data: [DONE]\n\n"]
    return Reply(body)


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"reasoning_content": "Hm."}, {"content": None, "reasoning_content": "Hm."}),
        ({"reasoning": "Hm."}, {"content": None, "reasoning": "Hm."}),
        ({"content": "<think>Hm.</think>Ah."}, {"content": "<think>\nHm.\n</think>\n\nAh."}),
        ({"content": "[THINK]Hm.[/THINK]Ah."}, {"content": "[THINK]\nHm.\n[/THINK]\n\nAh."}),
        ({"content": "Hm.\n</think>\n\nAh."}, {"content": "<think>\nHm.\n</think>\n\nAh."}),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
        ),
        (
            {"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "s"}]},
            {"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "s"}]},
        ),
    ],
)
def test_reasoning_goes_back_in_a_tool_turn_in_the_form_in_which_it_came(replay, delta, expected):
    replay.reply(thinking(delta, calls_tool=True), completion("Yes."), completion("Sure."))
    chat = ask(replay, lookup)
    for number in (1, 2):
        if number == 2:
            chat.send("Sure?")
        assistant = sent(replay, number)["messages"][1]
        assert {name: assistant.get(name) for name in expected} == expected


def test_reasoning_of_a_turn_without_calls_stays_here(replay):
    replay.reply(thinking({"reasoning_content": "Hm."}, calls_tool=False), completion("Sure."))
    ask(replay, lookup).send("Sure?")
    assert sent(replay)["messages"][1] == {"role": "assistant", "content": "Yes."}


def test_another_model_of_the_same_gateway_gets_no_private_field(replay):
    blocks = [{"type": "thinking", "thinking": "Hm.", "signature": "sig"}]
    delta = {"reasoning_content": "Hm.", "thinking_blocks": blocks}
    replay.reply(thinking(delta, calls_tool=True), completion("Yes."), completion("Sure."))
    chat = ask(replay, lookup)
    chat.options = dataclasses.replace(chat.options, model="replay-2")
    chat.send("Sure?")
    assert sent(replay)["messages"][1].keys() == {"role", "content", "tool_calls"}


def test_a_call_without_thoughts_gets_an_empty_field_where_others_have_some(replay):
    replay.reply(
        thinking({"reasoning_content": "Hm."}, calls_tool=True),
        thinking({}, calls_tool=True),
        completion("Yes."),
    )
    ask(replay, lookup)
    with_calls = [m for m in sent(replay)["messages"] if m.get("tool_calls")]
    assert [m["reasoning_content"] for m in with_calls] == ["Hm.", ""]


@pytest.mark.parametrize(
    "refused",
    [
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
        "thinking is enabled but reasoning_content is missing in assistant tool call message",
        "Missing `reasoning_content` field in the assistant message at message index 1",
    ],
)
def test_a_field_that_a_server_demands_is_sent_once_more_and_remembered(replay, refused):
    replay.reply(
        calls("lookup"),
        completion("Yes."),
        error(400, refused),
        completion("One."),
        calls("lookup"),
        completion("Two."),
    )
    chat = ask(replay, lookup)
    chat.send("One?")
    chat.send("Two?")
    for number in (3, 4, 5):
        with_calls = [m for m in sent(replay, number)["messages"] if m.get("tool_calls")]
        assert {m["reasoning_content"] for m in with_calls} == {""}
    assert len(replay.requests) == 6


def test_a_field_that_a_server_demands_and_still_refuses_is_an_error(replay):
    refused = "reasoning_content is missing in assistant tool call message at index 1"
    replay.reply(calls("lookup"), error(400, refused), error(400, refused))
    with pytest.raises(BadRequestError, match="reasoning_content is missing"):
        ask(replay, lookup)
    replay.reply(calls("lookup"), completion("Yes."))  # it may have been something else
    ask(replay, lookup)
    assert not any("reasoning_content" in message for message in sent(replay)["messages"])


@pytest.mark.parametrize(
    ("refused", "field"),
    [
        ("'messages.1' : property 'reasoning' is unsupported", "reasoning"),
        ("messages[2].name: Extra inputs are not permitted", "name"),
        (
            "Unknown name \"thinking_blocks\" at 'messages[1]': Cannot find field.",
            "thinking_blocks",
        ),
    ],
)
def test_a_field_of_messages_that_a_server_refuses_is_left_out(replay, refused, field):
    first = {"reasoning": "Hm.", "thinking_blocks": [{"signature": "s"}]}
    replay.reply(
        thinking(first, calls_tool=True),
        error(400, refused),
        completion("Yes."),
        completion("Two."),
    )
    chat = ask(replay, lookup)
    assert chat.last.text == "Yes."
    chat.send("Two?")
    assert any(field in message for message in sent(replay, 1)["messages"])
    for number in (2, 3):
        assert not any(field in message for message in sent(replay, number)["messages"])


def test_gemini_gets_the_mark_for_calls_that_it_has_not_signed(replay):
    refused = "Function call is missing a thought_signature in functionCall parts."
    replay.reply(calls("lookup"), completion("Yes."), error(400, refused), completion("Sure."))
    ask(replay, lookup).send("Sure?")
    (call,) = sent(replay)["messages"][1]["tool_calls"]
    mark = {"thought_signature": "skip_thought_signature_validator"}
    assert call["extra_content"] == {"google": mark}


def test_a_refused_history_says_how_the_session_goes_on(replay):
    of_history = ("messages.1: invalid", "Invalid 'input[3].call_id': string too long.")
    refused = [error(400, each) for each in (*of_history, "top_k: bad", "messages.0: invalid")]
    replay.reply(completion("Yes."), *refused)
    chat = ask(replay)
    for _ in of_history:
        with pytest.raises(BadRequestError, match=r"if an earlier turn is meant: chat.reset\(\)$"):
            chat.send("And?")
    with pytest.raises(BadRequestError, match=r"change that, and ask again$"):
        chat.send("And?")
    chat.reset()
    with pytest.raises(BadRequestError, match=r"change that, and ask again$"):
        chat.send("And?")


def test_what_is_learnt_of_one_model_is_not_held_against_another(replay):
    refused = "reasoning_content is missing in assistant tool call message at index 1"
    replay.reply(calls("lookup"), error(400, refused), completion("Yes."), completion("Sure."))
    chat = ask(replay, lookup)
    chat.options = dataclasses.replace(chat.options, model="replay-2")
    chat.send("Sure?")
    assert not any("reasoning_content" in message for message in sent(replay)["messages"])


def test_a_message_without_a_known_maker_keeps_nothing_private():
    """Records that were saved before models were told apart."""
    call = CallDraft("call_0", "lookup", extra={"signature": "s"}, result=ToolResult("42"))
    old = Round(calls=[call], echo={"thinking_blocks": []}, finish_reason="tool_calls")
    messages = [Message("user", "Go."), old.message(), *old.results(), Message("user", "On.")]
    written = request_messages(messages, Recipient("https://a.test", "one"))
    assert written[1].keys() == {"role", "content", "tool_calls"}
    assert "signature" not in written[1]["tool_calls"][0]
    assert not list(history_rules.calls(written))
