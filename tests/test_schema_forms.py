"""`--schema` at endpoints that do not take `json_schema`: by `json_object`, then by a tool."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from replay import Gate, Reply, chunk, completion, error
from test_tool_loop import calls

from nbstream.chat import Chat
from nbstream.errors import APIStatusError, BadRequestError, SchemaError
from nbstream.events import (
    DoneEvent,
    FinishEvent,
    ReasoningEvent,
    TextEvent,
    ThoughtEvent,
    ToolCallEvent,
)
from nbstream.render.summary import usage_rows
from nbstream.response import Response
from nbstream.wire.answer_call import AnswerCall

REFUSED = "This response_format type is unavailable now"
BESIDE_TOOLS = "Function calling with a response mime type: 'application/json' is unsupported"
BERLIN = '{"name": "Berlin", "people": 3700000}'


@dataclasses.dataclass
class City:
    name: str
    people: int


def lookup(name: str) -> str:
    """Look a city up."""
    return f"{name}: 3.7 million"


def chat_with(replay, *tools, schema: Any = City, **options: Any) -> Chat:
    return Chat(
        "replay-1", base_url=replay.base_url, view="none", tools=tools, schema=schema, **options
    )


def forms(replay) -> list[str]:
    """How each request asked for the schema."""
    found = []
    for request in replay.requests:
        names = [tool["function"]["name"] for tool in request.json.get("tools", ())]
        kind = request.json.get("response_format", {}).get("type")
        found.append(kind or ("tool" if "City" in names else "none"))
    return found


def test_json_object_says_the_schema_in_the_prompt_and_is_remembered(replay):
    replay.reply(error(400, REFUSED), completion(BERLIN), completion(BERLIN))
    chat = chat_with(replay, system="Be brief.")
    first, second = chat.send("Berlin?"), chat.send("Again.")
    assert first.parsed == second.parsed == City("Berlin", 3_700_000)
    assert forms(replay) == ["json_schema", "json_object", "json_object"]
    system, *rest = replay.requests[2].json["messages"]
    assert system["content"].startswith("Be brief.\n\n")
    assert '"people"' in system["content"]
    assert "JSON" in system["content"]
    assert [m["content"] for m in rest] == ["Berlin?", BERLIN, "Again."]
    assert "JSON" not in json.dumps([m.to_api() for m in chat.messages])
    assert replay.requests[0].json["messages"][0]["content"] == "Be brief."


def test_without_a_system_message_one_says_it(replay):
    replay.reply(
        error(422, "response_format.type `json_schema` is unavailable"), completion(BERLIN)
    )
    assert chat_with(replay).send("Berlin?").parsed == City("Berlin", 3_700_000)
    assert [m["role"] for m in replay.requests[1].json["messages"]] == ["system", "user"]


def test_a_tool_is_asked_for_where_nothing_else_is_taken(replay):
    replay.reply(error(400, REFUSED), error(400, "json_object is not supported"))
    replay.reply(calls(("City", BERLIN)), completion("Large."))
    chat = chat_with(replay)
    response = chat.send("Berlin?")
    assert forms(replay) == ["json_schema", "json_object", "tool"]
    sent = replay.requests[2].json
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "City"}}
    assert set(sent["tools"][0]["function"]["parameters"]["properties"]) == {"name", "people"}
    assert (response.text, response.parsed) == (BERLIN, City("Berlin", 3_700_000))
    assert response.json() == json.loads(BERLIN)
    assert (response.status, response.tool_calls) == ("complete", [])
    # The next turn's history has an answer, and no call that nobody answered.
    chat.options = dataclasses.replace(chat.options, schema=None)
    assert chat.send("And so?").text == "Large."
    messages = replay.requests[3].json["messages"]
    assert messages[1] == {"role": "assistant", "content": BERLIN}
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]


def test_it_is_told_how_it_was_asked(replay):
    answer = completion(BERLIN, before=(Gate("asked again"),))
    replay.reply(error(400, REFUSED), answer)
    chat = chat_with(replay)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(chat.send, "Berlin?")
        assert replay.wait_reached("asked again")
        assert chat.last.notice.endswith("does not take json_schema here · asking by json_object")
        replay.open("asked again")
        response = asking.result()
    assert response.notice == ""
    assert dict(usage_rows(response))["Schema asked by"] == "json_object"
    assert Response.from_dict(response.to_dict()) == response
    replay.reply(completion(BERLIN))
    other = Chat("replay-2", base_url=replay.base_url, view="none", schema=City).send("Berlin?")
    assert "Schema asked by" not in dict(usage_rows(other))


def test_beside_tools_a_tool_is_the_answer_and_that_holds_beside_tools_only(replay):
    replay.reply(error(400, BESIDE_TOOLS), error(400, BESIDE_TOOLS))
    replay.reply(calls(("lookup", {"name": "Berlin"})), calls(("City", BERLIN)))
    response = chat_with(replay, lookup, approve=False).send("Berlin?")
    assert response.parsed == City("Berlin", 3_700_000)
    assert [call.name for call in response.tool_calls] == ["lookup"]
    assert [r.json.get("tool_choice") for r in replay.requests] == [None, None, *["required"] * 2]
    replay.reply(completion(BERLIN), calls(("City", BERLIN)))
    assert chat_with(replay).send("Berlin?").parsed == City("Berlin", 3_700_000)
    assert chat_with(replay, lookup).send("Berlin?").parsed == City("Berlin", 3_700_000)
    assert forms(replay)[-2:] == ["json_schema", "tool"]


def test_the_answer_asks_no_approval(replay):
    replay.reply(error(400, BESIDE_TOOLS), error(400, BESIDE_TOOLS), calls(("City", BERLIN)))
    response = chat_with(replay, lookup, approve=True).send("Berlin?")
    assert response.parsed == City("Berlin", 3_700_000)


def test_a_user_tool_of_the_same_name_stays_the_users(replay):
    def City(name: str) -> str:  # noqa: N802  # as the schema
        return name

    replay.reply(error(400, BESIDE_TOOLS), error(400, BESIDE_TOOLS))
    replay.reply(calls(("City", {"name": "B"})), calls(("answer_City", BERLIN)))
    response = chat_with(replay, City).send("Berlin?")
    assert [call.value for call in response.tool_calls] == ["B"]
    assert response.text == BERLIN


def test_a_call_that_cannot_be_forced_is_hoped_for(replay):
    replay.reply(error(400, REFUSED), error(400, "JSON mode is not enabled"))
    replay.reply(error(400, "Thinking mode does not support this tool_choice"))
    replay.reply(calls(("City", BERLIN)), completion(BERLIN))
    chat = chat_with(replay)
    assert chat.send("Berlin?").parsed == City("Berlin", 3_700_000)
    assert "tool_choice" not in replay.requests[3].json
    assert chat.send("Again.").parsed == City("Berlin", 3_700_000)  # by text, as it likes
    assert len(replay.requests) == 5


def test_names_and_choices_of_a_tool_are_read_back(replay):
    kind = {
        "title": "City",
        "type": "object",
        "properties": {"größe": {"enum": [1, 2]}, "format": {"type": "array"}},
    }
    replay.reply(error(400, REFUSED), error(400, REFUSED))
    replay.reply(calls(("City", {"grosse": "2", "format": "[1]"})))
    response = chat_with(replay, schema=kind).send("How large?")
    assert response.parsed == {"größe": 2, "format": [1]}


def test_where_no_form_helps_the_words_are_shown_and_nothing_is_remembered(replay):
    replay.reply(*[error(400, "JSON schema is too complex")] * 3, completion(BERLIN))
    with pytest.raises(BadRequestError, match="too complex"):
        chat_with(replay).send("Berlin?")
    assert chat_with(replay).send("Berlin?").parsed == City("Berlin", 3_700_000)
    assert forms(replay) == ["json_schema", "json_object", "tool", "json_schema"]


@pytest.mark.parametrize(
    "words",
    [
        REFUSED,
        BESIDE_TOOLS,
        "json mode cannot be combined with tool/function calling",
        "This model does not support response format `json_schema`. See supported models at ...",
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported here.",
        "Failed to deserialize the JSON body: response_format: unknown variant `json_schema`",
        "Structured outputs are not supported by this model",
        "Invalid JSON payload received. Unknown name \"x\" at 'generation_config.response_schema'",
        "JSON schema conversion failed:\nUnrecognized schema",
        "The provided JSON schema contains features not supported by xgrammar",
        "invalid JSON schema in format",
        "Json mode is not enabled for models/gemma",
        "Invalid schema for response_format 'City': In context=(), 'required' is required",
    ],
)
def test_what_refuses_a_schema(replay, words):
    replay.reply(error(400, words), completion(BERLIN))
    assert chat_with(replay).send("Berlin?").parsed == City("Berlin", 3_700_000)
    assert forms(replay) == ["json_schema", "json_object"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "temperature must be at most 2"),
        (400, "Failed to generate JSON. Please adjust your prompt."),
        (400, "Generated JSON does not match the expected schema"),
        (400, "Invalid schema for function 'lookup': JSON schema is wrong"),
        (400, "tools.0.custom.input_schema: JSON schema is invalid"),
        (401, "response_format is not for you"),
    ],
)
def test_what_refuses_something_else(replay, status, words):
    replay.reply(error(status, words))
    with pytest.raises(APIStatusError):
        chat_with(replay, lookup).send("Berlin?")
    assert len(replay.requests) == 1


def test_without_a_schema_nothing_is_asked_otherwise(replay):
    replay.reply(error(400, REFUSED))
    with pytest.raises(BadRequestError):
        chat_with(replay, schema=None).send("Berlin?")
    assert len(replay.requests) == 1


def test_prose_beside_the_call_is_kept_as_reasoning(replay):
    call = {"index": 0, "id": "c", "function": {"name": "City", "arguments": BERLIN}}
    body = [
        chunk({"content": "Here it is: "}),
        chunk({"tool_calls": [call]}),
        chunk({"content": "!"}),
    ]
    replay.reply(error(400, REFUSED), error(400, REFUSED))
    replay.reply(Reply([*body, chunk({}, finish="tool_calls"), "data: [DONE]\n\n"]))
    response = chat_with(replay).send("Berlin?")
    assert (response.text, response.reasoning) == (BERLIN, "Here it is: !")
    assert response.parsed == City("Berlin", 3_700_000)


def test_an_answer_that_does_not_fit_is_an_error_that_keeps_it(replay):
    replay.reply(error(400, REFUSED), error(400, REFUSED), calls(("City", '{"name": "B"}')))
    chat = chat_with(replay)
    with pytest.raises(SchemaError, match="people"):
        chat.send("Berlin?")
    assert chat.last.text == '{"name": "B"}'


# -- the events ------------------------------------------------------------------


def read(*events):
    reader = AnswerCall("City")
    found = [new for event in events for new in reader.feed([event])] + reader.close()
    return [event for event in found if not (isinstance(event, TextEvent) and not event.text)]


def test_arguments_are_text_while_they_come():
    first = ToolCallEvent(0, "c", "City")
    reader = AnswerCall("City")
    assert reader.feed([first]) == []
    assert reader.feed([ToolCallEvent(0, arguments='{"a"')]) == [TextEvent('{"a"')]
    assert reader.feed([ToolCallEvent(0, arguments=": 1}")]) == [TextEvent(": 1}")]
    assert reader.close() == []


@pytest.mark.parametrize("name", [("Ci", "City"), ("functions.City",), ("City<|channel|>x",)])
def test_its_name_is_read_as_any_tools(name):
    opened = [ToolCallEvent(0, "c", part) for part in name]
    assert read(*opened, ToolCallEvent(0, arguments="{}")) == [TextEvent("{}")]


def test_other_calls_are_counted_without_it():
    mine = ToolCallEvent(1, "b", "lookup", '{"a": 1}')
    events = read(ToolCallEvent(0, "a", "City", "{}"), mine, ToolCallEvent(2, "c", "other"))
    assert events == [
        TextEvent("{}"),
        ToolCallEvent(0, "b", "lookup", '{"a": 1}'),
        ToolCallEvent(1, "c", "other"),
    ]


def test_what_is_held_comes_before_the_end():
    finish, done = FinishEvent("stop"), DoneEvent()
    assert read(TextEvent("a"), TextEvent("b"), finish, done) == [TextEvent("ab"), finish, done]
    assert read(ToolCallEvent(0, "a", "City"), finish) == [TextEvent("{}"), finish]
    assert read(TextEvent("a"), ThoughtEvent(), TextEvent("b")) == [
        TextEvent("a"),
        ThoughtEvent(),
        TextEvent("b"),
    ]


def test_each_choice_has_its_own():
    events = read(
        ReasoningEvent("hm", 0, "reasoning_content"),
        TextEvent("x", 1),
        TextEvent("y", 0),
        ToolCallEvent(0, "a", "City", "{}", choice=0),
        FinishEvent("tool_calls", 0),
        FinishEvent("stop", 1),
    )
    assert events == [
        ReasoningEvent("hm", 0, "reasoning_content"),
        ReasoningEvent("y", 0, "reasoning_content"),
        TextEvent("{}", 0),
        FinishEvent("tool_calls", 0),
        TextEvent("x", 1),
        FinishEvent("stop", 1),
    ]
