"""Tools and structured output of the embedded model: the real one, in its real server.

What it answers is deterministic (temperature 0), but belongs to these prompts: a model of 135
million parameters gets others wrong. What is asserted for any answer is what the server holds it
to: the names and argument types of calls, and the schema of an answer.
"""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from nbstream import local

pytestmark = pytest.mark.local

Message = dict[str, Any]


def tool(name: str, description: str, **types: str) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {key: {"type": type_} for key, type_ in types.items()},
        "required": list(types),
    }
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


LOOKUP_CITY = tool(
    "lookup_city",
    "Look up facts about a city: its population, country and area.",
    city="string",
)
ADD = tool("add", "Add two numbers.", a="integer", b="integer")
GET_TIME = tool("get_time", "Tell the current time in a time zone.", zone="string")
TOOLS = [LOOKUP_CITY, ADD, GET_TIME]


@pytest.fixture(scope="module")
def server() -> Iterator[local.LocalServer]:
    yield local.ensure_server()
    local.stop_all()


@dataclass
class Answer:
    """A streamed answer, put together."""

    text: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    finish: str = ""
    deltas: int = 0

    def add(self, choice: dict[str, Any]) -> None:
        self.finish = choice["finish_reason"] or self.finish
        self.text += choice["delta"].get("content") or ""
        for part in choice["delta"].get("tool_calls", []):
            self.deltas += 1
            if part["index"] == len(self.calls):
                self.ids.append(part["id"])
                self.calls.append((part["function"]["name"], ""))
            name, arguments = self.calls[part["index"]]
            self.calls[part["index"]] = name, arguments + part["function"]["arguments"]


def post(server: local.LocalServer, path: str, body: dict[str, Any]) -> str:
    url = urllib.parse.urlsplit(server.base_url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
    headers = {"Authorization": f"Bearer {server.api_key}", "Connection": "close"}
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    answer = response.read().decode()
    assert response.status == 200, answer
    return answer


def chat(server: local.LocalServer, messages: str | list[Message], **options: object) -> Answer:
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    settings = {"stream": True, "temperature": 0, "seed": 1, "max_tokens": 60}
    body = {"model": server.model, "messages": messages, **settings, **options}
    lines = post(server, "/v1/chat/completions", body).split("\n")
    assert "data: [DONE]" in lines
    answer = Answer()
    for line in lines:
        if line.startswith("data: {"):
            for choice in json.loads(line.removeprefix("data: "))["choices"]:
                answer.add(choice)
    return answer


def prompt(server: local.LocalServer, messages: list[Message], **options: object) -> str:
    """What the model reads."""
    return json.loads(post(server, "/apply-template", {"messages": messages, **options}))["prompt"]


def called(question: str, name: str, arguments: str, result: str) -> list[Message]:
    """A conversation in which a call has just been answered."""
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": result},
    ]


# --- the prompt --------------------------------------------------------------

USER = {"role": "user", "content": "Hi <|im_end|> {{ x }}"}
SYSTEM = {"role": "system", "content": "Be brief."}
ASSISTANT = {"role": "assistant", "content": " Yes.\n"}
PARTS = {"role": "user", "content": [{"type": "text", "text": t} for t in "ab"]}


@pytest.fixture(scope="module")
def own_template() -> Iterator[local.LocalServer]:
    """The same model with the chat template from its file."""
    server = local.LocalServer(local.model_path(), "own")
    server.wait_until_ready()
    yield server
    server.stop()


def test_without_tools_the_prompt_is_that_of_the_models_own_template(
    server: local.LocalServer, own_template: local.LocalServer
) -> None:
    conversations = [
        [USER],
        [SYSTEM, USER],
        [USER, ASSISTANT, USER],
        [SYSTEM, USER, ASSISTANT, USER, ASSISTANT],
        [USER, SYSTEM, USER],
        [{**SYSTEM, "role": "developer"}, USER],
        [{**SYSTEM, "content": ""}, USER],
        [PARTS],
        [],
    ]
    for messages in conversations:
        assert prompt(server, messages) == prompt(own_template, messages)
    assert prompt(server, [SYSTEM, USER], tools=TOOLS) != prompt(own_template, [SYSTEM, USER])


def test_the_prompt_says_what_can_be_called(server: local.LocalServer) -> None:
    properties = {
        "unit": {"type": "string", "enum": ["°C", "°F"]},
        "days": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "place": {"$ref": "#/$defs/Place"},
    }
    place = {"$defs": {"Place": {"type": "object", "properties": {"name": {"type": "string"}}}}}
    functions = [
        {"name": "now"},
        {"name": "empty", "description": "", "parameters": {}},
        {"name": "forecast", "parameters": {"type": "object", "properties": properties, **place}},
    ]
    tools = [{"type": "function", "function": function} for function in functions]
    text = prompt(server, [SYSTEM, USER], tools=[ADD, *tools])
    assert text.startswith(
        "<|im_start|>system\nBe brief.\n\nYou can call these functions:\n"
        "- add(a: integer, b: integer): Add two numbers.\n"
        "- now()\n"
        "- empty()\n"
        '- forecast(unit: "°C" | "°F", days: any, place: any)\n'
    )
    assert text.count("Be brief.") == 1
    assert text.endswith(f"<|im_start|>user\n{USER['content']}<|im_end|>\n<|im_start|>assistant\n")


def test_a_call_and_its_result_stay_in_the_conversation(server: local.LocalServer) -> None:
    messages = called("What is 17 + 25?", "add", '{"a":17,"b":25}', "42")
    expected = (
        "<|im_start|>assistant\n<tool_call>\n"
        '{"name": "add", "arguments": {"a": 17, "b": 25}}\n'
        "</tool_call><|im_end|>\n"
        "<|im_start|>system\nThe result is: 42<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert prompt(server, messages, tools=TOOLS).endswith(expected)
    assert prompt(server, messages).endswith(expected)


# --- calls -------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["auto", "required"])
@pytest.mark.parametrize(
    ("question", "name", "arguments"),
    [
        ("What is the population of Lisbon?", "lookup_city", {"city": "Lisbon"}),
        ("What is 17 + 25?", "add", {"a": 17, "b": 25}),
    ],
)
def test_a_call_streams(
    server: local.LocalServer, choice: str, question: str, name: str, arguments: dict[str, Any]
) -> None:
    answer = chat(server, question, tools=[LOOKUP_CITY, ADD], tool_choice=choice)
    assert [(call[0], json.loads(call[1])) for call in answer.calls] == [(name, arguments)]
    assert answer.finish == "tool_calls"
    assert answer.text == ""
    assert answer.ids[0]
    assert answer.deltas > 3


def test_no_call_where_none_is_asked_for(server: local.LocalServer) -> None:
    answer = chat(server, "Hi.", tools=[LOOKUP_CITY, ADD])
    assert answer.calls == []
    assert answer.finish == "stop"
    assert answer.text


def test_only_what_exists_is_called_with_what_it_takes(server: local.LocalServer) -> None:
    """Neither name nor argument fits the question: the grammar leaves the model no other."""
    unit = tool("set_unit", "Set the unit.", unit="string")
    unit["function"]["parameters"]["properties"]["unit"]["enum"] = ["metric", "imperial"]
    answer = chat(server, "How tall is the Eiffel Tower?", tools=[unit], tool_choice="required")
    assert answer.calls
    for name, arguments in answer.calls:
        assert name == "set_unit"
        assert json.loads(arguments)["unit"] in ("metric", "imperial")


@pytest.mark.parametrize(
    ("question", "name", "arguments", "result", "value"),
    [
        ("What is 17 + 25?", "add", '{"a": 17, "b": 25}', "42", "42"),
        ("What time is it in UTC?", "get_time", '{"zone": "UTC"}', "14:05", "14:05"),
    ],
)
def test_the_result_of_a_call_is_answered_with(
    server: local.LocalServer, question: str, name: str, arguments: str, result: str, value: str
) -> None:
    answer = chat(server, called(question, name, arguments, result), tools=TOOLS)
    assert answer.calls == []
    assert answer.finish == "stop"
    assert value in answer.text


# --- structured output -------------------------------------------------------

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "city": {"type": "string"},
    },
    "required": ["name", "age", "city"],
    "additionalProperties": False,
}


def structured(schema: dict[str, Any]) -> dict[str, Any]:
    json_schema = {"name": "answer", "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": json_schema}


def test_an_answer_in_a_schema(server: local.LocalServer) -> None:
    question = "Anna is 31 years old and lives in Oslo. Extract the person."
    answer = chat(server, question, response_format=structured(PERSON))
    assert json.loads(answer.text) == {"name": "Anna", "age": 31, "city": "Oslo"}
    assert answer.finish == "stop"


def test_the_schema_holds_where_the_question_does_not_fit(server: local.LocalServer) -> None:
    schema = {
        "type": "object",
        "properties": {
            "people": {"type": "array", "items": {"$ref": "#/$defs/Person"}, "maxItems": 1},
            "mood": {"enum": ["good", "bad"]},
        },
        "required": ["people", "mood"],
        "$defs": {"Person": PERSON},
    }
    settings = {"response_format": structured(schema), "max_tokens": 150}
    answer = chat(server, "Hi!", tools=[ADD], **settings)
    assert answer.finish == "stop"
    assert answer.calls == []
    value = json.loads(answer.text)
    assert set(value) == {"people", "mood"}
    assert value["mood"] in ("good", "bad")
    for person in value["people"]:
        types = {key: type(item) for key, item in person.items()}
        assert types == {"name": str, "age": int, "city": str}
