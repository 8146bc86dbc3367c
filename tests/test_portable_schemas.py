"""Schemas as Anthropic, Gemini and OpenAI take them, and what comes back of it."""

# ruff: noqa: N803, PLC2401  # names that are not ASCII are what is tested

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

import numpy as np
import pydantic
import pytest
from replay import completion
from test_tool_loop import ask, calls

from nbstream.chat import Chat
from nbstream.errors import UsageError
from nbstream.schema import as_schema
from nbstream.tools.json_schema import portable
from nbstream.tools.names import function_name, parameter_name
from nbstream.tools.tool import as_tool, parse_arguments, tools_of

FIELD = pydantic.Field(ge=1)
INF, NAN = float("inf"), float("nan")


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Level(enum.Enum):
    OFF = 0
    ON = "on"
    AUTO = None


@dataclasses.dataclass
class Ort:
    straße: str
    höhe: float = 0.0


class Offen(pydantic.BaseModel):
    höchstens: float = INF


class Huge:
    """Stands for an integer that Python does not write out."""


class Ring(pydantic.BaseModel):
    mehr: list[Ring] = []
    größe: Literal[1, 2] = 1


def taking(hint: Any = None, default: Any = None, has_default: bool = False) -> Any:
    """A function of one parameter."""
    if has_default:

        def f(x=default):
            return x
    else:

        def f(x):  # type: ignore[misc]
            return x

    if hint is not None:
        f.__annotations__["x"] = hint
    return f


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """All schemas in `schema`."""
    if not isinstance(schema, dict):
        return
    yield schema
    for word in ("properties", "$defs"):
        for each in schema.get(word, {}).values():
            yield from parts(each)
    for word in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for each in schema.get(word, []):
            yield from parts(each)
    for word in ("items", "additionalProperties"):
        yield from parts(schema.get(word))


def check(function: dict[str, Any]) -> None:
    """Hold a function of a request to the rules of the three."""
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", function["name"])
    json.dumps(function, allow_nan=False)
    for part in parts(function["parameters"]):
        assert isinstance(part.get("type", ""), str)
        assert all(
            re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name) for name in part.get("properties", ())
        )
        assert set(part.get("required", ())) <= part.get("properties", {}).keys()
        assert part.get("format", "date-time") == "date-time"
        assert "const" not in part
        if part.get("type") == "array":
            assert "items" in part
        if "enum" in part:
            assert part["type"] == "string"
            assert all(isinstance(value, str) and value for value in part["enum"])


@pytest.mark.parametrize(
    ("hint", "written", "value"),
    [
        (Size, "2", Size.LARGE),
        (Size, 2, Size.LARGE),
        (Level, "0", Level.OFF),
        (Level, "on", Level.ON),
        (Level, None, Level.AUTO),
        (Literal[1, 2, 3], "3", 3),
        (Literal["a", 1, True] | None, "true", True),
        (Literal["", "a"], "", ""),
        (Literal[5], "5", 5),
        (list[Literal[1, 2]], ["1", 2], [1, 2]),
        (Literal[1, 2] | None, "2", 2),
        (dict[str, Size], {"größe": "1"}, {"größe": Size.SMALL}),
        (Ort, {"strasse": "A", "hohe": 3}, Ort("A", 3.0)),
        (Ort, {"straße": "A", "höhe": 3}, Ort("A", 3.0)),
        (list[Ort] | None, [{"strasse": "A"}], [Ort("A")]),
        (Ring, {"mehr": [{"grosse": "2"}]}, Ring(mehr=[Ring(größe=2)])),
        (dt.date, "2024-02-29", dt.date(2024, 2, 29)),
        (
            UUID,
            "12345678-1234-5678-1234-567812345678",
            UUID("12345678" + "1234567812345678" + "12345678"),
        ),
        (pydantic.AnyUrl, "https://a.example/", pydantic.AnyUrl("https://a.example/")),
        (tuple[int, str], [1, "a"], (1, "a")),
    ],
)
def test_what_all_take_comes_back_as_the_function_wants_it(hint, written, value):
    made = as_tool(taking(hint))
    check(made.to_api()["function"])
    got = made.bind(parse_arguments(json.dumps({"x": written})))()
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    "hint",
    [
        str, int, Literal["a", "b"], list[int], dt.datetime, dict[str, float], int | None,
        Annotated[int, pydantic.Field(ge=1, description="d")], Literal["größe", "a"],
    ],
)  # fmt: skip
def test_what_all_take_anyway_stays_as_it_is(hint):
    made = as_tool(taking(hint))
    assert json.dumps(made.to_api()["function"]["parameters"]) == json.dumps(made.parameters)


def test_names_that_are_not_ascii(replay):
    def wetter_für(größe: int, 城市: str, *, temperatur_in_celsius: float = 1.0) -> Any:
        """Das Wetter."""
        return größe, 城市, temperatur_in_celsius

    replay.reply(completion("?"))
    chat, _ = ask(replay, wetter_für)
    function = replay.requests[0].json["tools"][0]["function"]
    check(function)
    assert function["description"] == "wetter_für: Das Wetter."
    first, second, third = function["parameters"]["properties"]
    assert (first, third) == ("grosse", "temperatur_in_celsius")
    assert function["parameters"]["properties"][second]["description"] == "城市"
    replay.reply(calls((function["name"], {first: 3, second: "柏林"})), completion("."))
    response = chat.send("Go.")
    assert response.tool_calls[0].value == (3, "柏林", 1.0)
    assert replay.requests[0].json["tools"] == replay.requests[-1].json["tools"]  # cached prompts
    replay.reply(calls(("wetter_für", {"größe": 3, "城市": "柏林"})), completion("."))
    assert chat.send("Go.").tool_calls[0].value == (3, "柏林", 1.0)


def test_names_that_would_be_written_alike_stay_apart():
    assert function_name("天气") != function_name("城市")
    assert parameter_name("höhe", {"hohe"}) != "hohe"
    both = portable({"properties": {"höhe": {}, "hohe": {}, "a" * 70: {}, "a" * 71: {}}})
    assert len(both["properties"]) == 4
    assert all(len(name) <= 64 for name in both["properties"])
    assert function_name("21st_magic") == "_21st_magic"
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", function_name("数" * 100))

    def f(höhe: int, hohe: int) -> tuple[int, int]:
        return höhe, hohe

    made = as_tool(f)
    first, second = made.to_api()["function"]["parameters"]["properties"]
    assert second == "hohe"
    assert made.bind({first: 1, second: 2})() == (1, 2)


def test_schemas_of_servers():
    written = portable(
        {
            "type": "object",
            "properties": {
                "filter[id]": {
                    "type": ["string", "null"],
                    "format": "uri",
                    "description": "Which.",
                },
                "$top": {"type": ["integer", "string"], "enum": [1, 2, "all"]},
                "rows": {"type": "array"},
                "kind": {"const": "x"},
                "format": {"type": "string", "default": {"format": "uri"}},
                "any": True,
            },
            "required": ["filter[id]"],
        }
    )
    check({"name": "f", "parameters": written})
    assert written["required"] == ["filter_id_"]
    assert written["properties"]["filter_id_"]["description"] == "filter[id]: Which."
    assert written["properties"]["format"]["default"] == {"format": "uri"}
    assert written["properties"]["rows"] == {"type": "array", "items": {}}


@pytest.mark.parametrize(
    "node",
    [
        {"type": []}, {"type": [["a"]]}, {"enum": []}, {"enum": 3}, {"const": None}, {"format": 3},
        {"properties": 3, "required": [[1]]}, {"properties": {"ä": {}}, "required": [[1], "ä"]},
        {"anyOf": {}}, {"items": [{}]}, {"prefixItems": 3, "type": "array"}, {"description": 3},
    ],
)  # fmt: skip
def test_a_hostile_schema_fails_nothing(node):
    json.dumps(portable({"properties": {"a": node}, **node}))


def test_a_schema_that_is_too_deep_stays():
    node: dict[str, Any] = {}
    for _ in range(100_000):
        node = {"items": node}
    assert portable(node) == {"items": node["items"]}


# -- parameters without a hint ---------------------------------------------------


@pytest.mark.parametrize(
    ("default", "schema", "written", "value"),
    [
        (True, {"type": "boolean", "default": True}, "false", False),
        (3, {"type": "integer", "default": 3}, "5", 5),
        (2.5, {"type": "number", "default": 2.5}, 4, 4.0),
        ("a", {"type": "string", "default": "a"}, "5", "5"),
        ([1], {"type": "array", "items": {"type": "integer"}, "default": [1]}, "[2]", [2]),
        ([], {"type": "array", "items": {}, "default": []}, ["a"], ["a"]),
        ({}, {"type": "object", "additionalProperties": True, "default": {}}, {"a": 1}, {"a": 1}),
        (None, {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}, "a", "a"),
        (
            dt.date(2024, 1, 2),
            {"type": "string", "format": "date", "default": "2024-01-02"},
            "2024-02-29",
            dt.date(2024, 2, 29),
        ),
        (np.float64(1), {"type": "number"}, 2, 2.0),
        (object, {"type": "string"}, "a", "a"),
        # A guess holds nobody back.
        (3, {"type": "integer", "default": 3}, "many", "many"),
        (3, {"type": "integer", "default": 3}, 2.5, 2.5),
        ([], {"type": "array", "items": {}, "default": []}, None, None),
    ],
)
def test_a_parameter_without_a_hint_has_its_defaults_type(default, schema, written, value):
    made = as_tool(taking(None, default, has_default=True))
    assert made.parameters["properties"]["x"] == schema
    got = made.bind({"x": written})()
    assert (got, type(got)) == (value, type(value))
    assert made.bind({})() is default


def test_a_parameter_without_a_hint_or_a_default_is_a_text():
    def f(a, *, b: Any, c=FIELD, **rest):
        return a, rest

    made = as_tool(f).parameters
    assert made["properties"]["a"] == {"type": "string"}
    assert "type" not in made["properties"]["b"]
    assert made["additionalProperties"] is True
    assert as_tool(f).bind({"a": 1, "b": 2, "c": 3, "d": 4})() == (1, {"d": 4})


# -- what JSON cannot say --------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "default", "says"),
    [
        (float, INF, "tool f: the default of x is inf, which JSON cannot say · use None"),
        (float, -INF, "tool f: the default of x is -inf,"),
        (float | None, NAN, "tool f: the default of x is nan,"),
        (None, INF, "tool f: the default of x is inf,"),
        (dict, {"a": [INF]}, ""),
        (Offen, Offen(), "tool f: the default of x.höchstens is inf,"),
        (list[Offen], None, "tool f: the default of x.höchstens is inf,"),
        (int, Huge, "tool f: the default of x is a number of too many digits,"),
        (enum.Enum("E", {"A": INF, "B": 1}), None, "tool f: the enum of x is inf,"),
    ],
)
def test_a_default_that_json_cannot_say_is_named(replay, hint, default, says):
    function = taking(hint, 10**5000 if default is Huge else default, has_default=True)
    if not says:  # pydantic says null for it, deep inside
        json.dumps(as_tool(function).to_api(), allow_nan=False)
        return
    with pytest.raises(UsageError) as caught:
        Chat("replay-1", base_url=replay.base_url, view="none", tools=[function])
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("default", [object(), b"\xff", {object()}, 1j, "\ud800", len, dt.time(1)])
def test_other_defaults_hold_nobody_back(replay, default):
    function = taking(None, default, has_default=True)
    replay.reply(calls(("f", {})), completion("."))
    _, response = ask(replay, *tools_of([function]))
    assert response.tool_calls[0].result.is_error is False
    assert as_tool(function).bind({})() is default


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (dict[str, Offen], "--schema dict: the default of höchstens is inf,"),
        ({"properties": {"a": {"enum": [NAN]}}}, "--schema answer: the enum of a is nan,"),
        ({"title": "T", "properties": {"a": {"minimum": -INF}}}, "--schema T: the minimum of a is"),
    ],
)
def test_a_schema_that_json_cannot_say_is_named(kind, says):
    with pytest.raises(UsageError) as caught:
        as_schema(kind)
    assert str(caught.value).startswith(says)


def test_a_strict_schema_has_no_defaults():
    schema = as_schema(list[Offen])
    assert schema.is_strict
    json.dumps(schema.response_format(), allow_nan=False)
