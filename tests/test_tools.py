"""Functions as tools: schemas from signatures, arguments checked before a call."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import enum
import functools
import inspect
import json
import keyword
import typing
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import pydantic
import pytest
import typing_extensions
from hypothesis import given, settings
from hypothesis import strategies as st

import nbstream
from nbstream.errors import UsageError
from nbstream.tools.json_schema import without_refs
from nbstream.tools.tool import (
    ArgumentsError,
    Tool,
    as_tool,
    parse_arguments,
    tool,
    tools_of,
    unique,
)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Place:
    name: str
    height: float = 0.0


class City(pydantic.BaseModel):
    name: str
    inside: list[Place] = []


class Point(typing.TypedDict):
    x: int
    label: typing.NotRequired[str]


class NewPoint(typing_extensions.TypedDict, total=False):
    x: int


class Tree(pydantic.BaseModel):
    value: int
    children: list[Tree] = []


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


Pet = Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


def schema_of(hint: Any, default: Any = inspect.Parameter.empty) -> dict[str, Any]:
    """The schema of one parameter."""
    return as_tool(function_of(hint, default)).parameters["properties"]["x"]


def value_of(hint: Any, value: Any) -> Any:
    """What a parameter gets when a model writes `value`."""
    text = json.dumps({"x": value})
    return as_tool(function_of(hint)).bind(parse_arguments(text))()


def function_of(hint: Any, default: Any = inspect.Parameter.empty) -> Any:
    def f(x):
        return x

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    f.__signature__ = inspect.Signature([inspect.Parameter("x", kind, default=default)])
    f.__annotations__ = {"x": hint}
    return f


def error_of(function: Any, arguments: dict[str, Any]) -> str:
    with pytest.raises(ArgumentsError) as caught:
        as_tool(function).bind(arguments)
    return str(caught.value)


# -- schemas ---------------------------------------------------------------------


def test_a_function_is_a_tool():
    def look_up(city: str, most: int = 3) -> list[str]:
        """Find a city.

        In the gazetteer.

        Args:
            city: its name,
                in English.
            most: how many.
        """
        return [city] * most

    made = as_tool(look_up)
    assert made.to_api() == {
        "type": "function",
        "function": {
            "name": "look_up",
            "description": "Find a city.\n\nIn the gazetteer.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "its name,\nin English."},
                    "most": {"type": "integer", "description": "how many.", "default": 3},
                },
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
    assert made.bind({"city": "Berlin"})() == ["Berlin"] * 3
    assert made.bind({"city": "Berlin", "most": 1})() == ["Berlin"]
    assert as_tool(made) is made


def test_a_function_without_anything():
    made = as_tool(lambda_named("ping"))
    assert made.to_api()["function"] == {
        "name": "ping",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    }
    assert made.bind({})() is None


def lambda_named(name: str) -> Any:
    def f():
        pass

    f.__name__ = name
    return f


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (Any, {}),
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045
        (Colour, {"title": "Colour", "type": "string", "enum": ["red", "blue"]}),
        (dt.date, {"type": "string", "format": "date"}),
        (dt.datetime, {"type": "string", "format": "date-time"}),
        (UUID, {"type": "string", "format": "uuid"}),
        (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
        (
            Annotated[int, pydantic.Field(ge=1, description="one or more")],
            {"type": "integer", "minimum": 1, "description": "one or more"},
        ),
    ],
)
def test_hints(hint, schema):
    assert schema_of(hint) == schema


@pytest.mark.parametrize("hint", [Place, City, Point, NewPoint, list[Place], Point | None, Pet])
def test_records_are_written_out(hint):
    text = json.dumps(schema_of(hint))
    assert '"properties"' in text
    assert "$" not in text
    assert "discriminator" not in text


def test_the_keys_of_a_typed_dict():
    schema = schema_of(Point)
    assert schema["required"] == ["x"]
    assert schema["properties"] == {"x": {"type": "integer"}, "label": {"type": "string"}}
    assert "required" not in schema_of(NewPoint)


def test_a_type_that_holds_itself_keeps_its_references():
    parameters = as_tool(function_of(Tree)).parameters
    assert parameters["properties"]["x"] == {"$ref": "#/$defs/Tree"}
    children = parameters["$defs"]["Tree"]["properties"]["children"]
    assert children["items"] == {"$ref": "#/$defs/Tree"}


@pytest.mark.parametrize(
    ("hint", "written", "value"),
    [
        (Any, {"a": [None, 1.5]}, {"a": [None, 1.5]}),
        (float, 3, 3.0),
        (int, 10**30, 10**30),
        (Colour, "red", Colour.RED),
        (dt.date, "2024-02-29", dt.date(2024, 2, 29)),
        (dt.timedelta, "PT90S", dt.timedelta(seconds=90)),
        (Decimal, "0.1", Decimal("0.1")),
        (Path, "a/b", Path("a/b")),
        (set[int], [1, 1, 2], {1, 2}),
        (tuple[int, str], [1, "a"], (1, "a")),
        (dict[int, str], {"1": "a"}, {1: "a"}),
        (Place, {"name": "Brocken"}, Place("Brocken")),
        (City, {"name": "B", "inside": [{"name": "C"}]}, City(name="B", inside=[Place("C")])),
        (Point, {"x": 1, "label": "a"}, {"x": 1, "label": "a"}),
        (NewPoint, {}, {}),
        (list[Point] | None, [{"x": 1}], [{"x": 1}]),
        (Optional[Place], None, None),  # noqa: UP045
        (Pet, {"kind": "dog"}, Dog(kind="dog")),
        (Annotated[dt.date, pydantic.Strict()], "2024-02-29", dt.date(2024, 2, 29)),
    ],
)
def test_values_are_what_the_hints_say(hint, written, value):
    made = value_of(hint, written)
    assert made == value
    assert type(made) is type(value)


STYLES = {
    "google": """
        What it does.

        Args:
            a: the first
            b (int): the second
        """,
    "numpy": """
        What it does.

        Parameters
        ----------
        a
            the first
        b : int
            the second
        """,
    "rest": """
        What it does.

        :param a: the first
        :param int b: the second
        """,
}


@pytest.mark.parametrize("style", STYLES)
def test_docstrings(style):
    def f(a: str, b: int): ...

    f.__doc__ = STYLES[style]
    made = as_tool(f)
    assert made.description == "What it does."
    texts = [each["description"] for each in made.parameters["properties"].values()]
    assert texts == ["the first", "the second"]


def test_numpy_describes_several_at_once():
    def f(a: int, b: int):
        """F.

        Parameters
        ----------
        a, b : int
            a side
        """

    properties = as_tool(f).parameters["properties"]
    assert [each["description"] for each in properties.values()] == ["a side", "a side"]


@pytest.mark.parametrize("text", [None, "", ":param", "Args:", "a\n\n:param x\n:", "%s {} \\ \0"])
def test_odd_docstrings(text):
    def f(a: str): ...

    f.__doc__ = text
    assert as_tool(f).parameters["properties"]["a"]["type"] == "string"


def test_a_docstring_speaks_before_an_annotation():
    def f(a: Annotated[str, "by annotation"], b: Annotated[int, pydantic.Field(description="B")]):
        """F.

        :param a: by docstring
        """

    properties = as_tool(f).parameters["properties"]
    assert [each["description"] for each in properties.values()] == ["by docstring", "B"]


# -- kinds of parameters and of functions ----------------------------------------


def test_parameters_of_every_kind():
    def f(a, /, b, *, c=3, **rest: int):
        return a, b, c, rest

    made = as_tool(f)
    assert list(made.parameters["properties"]) == ["a", "b", "c"]
    assert made.parameters["required"] == ["a", "b"]
    assert made.parameters["additionalProperties"] == {"type": "integer"}
    assert made.bind({"a": 1, "b": 2})() == (1, 2, 3, {})
    given = {"a": 1, "b": 2, "c": 4, "d": 5, "p0": 6, "self": 7}
    assert made.bind(given)() == (1, 2, 4, {"d": 5, "p0": 6, "self": 7})
    assert error_of(f, {"a": 1, "b": 2, "d": "x"}).startswith("d: Input should be a valid integer")


@pytest.mark.parametrize("name", ["schema", "_x", "self", "model_config", "json", "p0", "cls"])
def test_any_name_will_do(name):
    f = eval(f"lambda {name}: {name}")
    f.__name__ = "f"
    made = as_tool(f)
    assert made.parameters["required"] == [name]
    assert made.bind({name: 1})() == 1


def test_a_default_stays_the_functions_own():
    nothing = object()
    seen: list[int] = []

    def f(a=nothing, b=seen, /, c=nothing, d: list[int] = seen, e: float = float("nan")):
        return a is nothing, b is seen, c is nothing, d is seen

    made = as_tool(f)
    assert "required" not in made.parameters
    assert made.bind({})() == (True,) * 4
    assert made.bind({"b": 1})() == (True, False, True, True)
    assert "default" not in made.parameters["properties"]["a"]


def test_none_as_default_may_be_written():
    def f(a: int = None, b: Annotated[int, "B"] = None):  # noqa: RUF013  # as people write
        return a, b

    made = as_tool(f)
    assert made.bind({"a": None, "b": None})() == (None, None)
    assert made.bind({"a": 1})() == (1, None)
    assert made.parameters["properties"]["b"]["description"] == "B"


def test_a_pydantic_field_as_default():
    def f(a: int = pydantic.Field(3, ge=1, description="A"), b: int = pydantic.Field(ge=1)):
        return a, b

    made = as_tool(f)
    assert made.parameters["required"] == ["b"]
    assert made.parameters["properties"]["a"]["default"] == 3
    assert made.bind({"b": 1})() == (3, 1)
    assert error_of(f, {"b": 0}).startswith("b: Input should be greater than or equal to 1")


class Weather:
    """The weather."""

    def __init__(self, place: str = "Berlin") -> None:
        self.place = place

    def of(self, day: dt.date) -> Any:
        """One day's."""
        return self.place, day

    @nbstream.tool(name="of_all", approve=True)
    def of_everywhere(self, most: int) -> int:
        return most

    @classmethod
    def made(cls, place: str) -> str:
        return cls(place).place

    @staticmethod
    def unit(name: Literal["C", "F"]) -> str:
        return name

    async def __call__(self, day: dt.date) -> Any:
        """Any day's."""
        return day


def test_methods():
    day = dt.date(2024, 1, 2)
    made = as_tool(Weather().of)
    assert (made.name, made.description) == ("of", "One day's.")
    assert made.bind({"day": "2024-01-02"})() == ("Berlin", day)
    assert as_tool(Weather.made).bind({"place": "Ulm"})() == "Ulm"
    assert as_tool(Weather.unit).bind({"name": "C"})() == "C"
    decorated = as_tool(Weather().of_everywhere)
    assert (decorated.name, decorated.approve) == ("of_all", True)
    assert decorated.bind({"most": 3})() == 3


def test_objects_and_classes():
    called = as_tool(Weather())
    assert (called.name, called.description, called.is_async) == ("Weather", "Any day's.", True)
    assert asyncio.run(called.bind({"day": "2024-01-02"})()) == dt.date(2024, 1, 2)
    made = as_tool(Weather)
    assert (made.description, made.is_async) == ("The weather.", False)
    assert made.bind({"place": "Ulm"})().place == "Ulm"
    assert as_tool(Place).bind({"name": "Brocken"})() == Place("Brocken")


def test_a_partial_function_keeps_its_secrets_and_its_approval():
    @nbstream.tool(approve=True, timeout=3)
    def fetch(path: str, key: str, most: int = 5) -> Any:
        """Fetch it."""
        return path, key, most

    made = as_tool(functools.partial(fetch, key="sk-secret"))
    assert (made.name, made.description) == ("fetch", "Fetch it.")
    assert (made.approve, made.timeout) == (True, 3)
    assert "secret" not in json.dumps(made.to_api())
    assert list(made.parameters["properties"]) == ["path", "most"]
    assert made.bind({"path": "a"})() == ("a", "sk-secret", 5)
    assert error_of(functools.partial(fetch, key="k"), {"path": "a", "key": "mine"}).startswith(
        "key: Extra inputs are not permitted"
    )
    assert as_tool(functools.partial(fetch, "a")).parameters["required"] == ["key"]


def test_what_is_awaited():
    async def fetch(x: int) -> int:
        return x

    @functools.wraps(fetch)
    def waited_for(x: int) -> int:
        return asyncio.run(fetch(x))

    assert as_tool(fetch).is_async
    assert as_tool(functools.partial(fetch, 1)).is_async
    assert not as_tool(waited_for).is_async
    assert as_tool(waited_for).bind({"x": 2})() == 2


def test_the_decorator():
    @nbstream.tool
    def plain(x: int) -> int:
        return x

    @nbstream.tool(name="other", description="Other.", approve=True, timeout=1.5)
    def renamed(x: int) -> int:
        """Not this."""
        return x

    assert plain(1) == renamed(1) == 1
    assert as_tool(plain).name == "plain"
    made = as_tool(renamed)
    assert (made.name, made.description, made.approve, made.timeout) == (
        ("other", "Other.", True, 1.5)
    )


def test_the_decorator_on_what_carries_no_settings():
    size = as_tool(tool(name="size")(len))
    assert size.name == "size"
    assert size.bind({"obj": [1, 2]})() == 2
    weather = Weather()
    marked = tool(name="weather_of", approve=True)(weather.of)
    assert (as_tool(marked).name, as_tool(marked).approve) == ("weather_of", True)
    assert as_tool(weather.of).name == "of"
    assert as_tool(tool(name="double")(lambda x: 2 * x)).bind({"x": 2})() == 4


# -- what is no tool -------------------------------------------------------------


def takes_list(*names: str): ...


def unknown_hint(x: Nothing): ...  # noqa: F821


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "no tool: 3 is not a function"),
        (lambda x: x, "'<lambda>' cannot be its name; give one: @nbstream.tool(name=...)"),
        (lambda_named("name with spaces"), "'name with spaces' cannot be its name"),
        (lambda_named("x" * 65), "cannot be its name"),
        (takes_list, "tool takes_list: a model cannot fill *names; take a list instead"),
        (unknown_hint, "tool unknown_hint: its type hints fail: name 'Nothing' is not defined"),
        (function_of(typing.Callable[[int], int]), "tool f: a type hint cannot be said in JSON"),
        (function_of(Weather), "tool f: a type hint cannot be said in JSON"),
        (min, "tool min: its signature is not known"),
    ],
)
def test_what_is_no_tool_says_why(value, message):
    with pytest.raises(UsageError) as caught:
        as_tool(value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_of_one_name():
    def f(): ...

    source = Source()
    assert tools_of([f, source])[1] is source
    with pytest.raises(UsageError, match="two tools are called 'f'"):
        tools_of([f, lambda_named("f")])
    with pytest.raises(UsageError, match="two tools are called 'f'"):
        unique([as_tool(f), Tool("f", "", {}, lambda _: f)])


class Source:
    name = "source"

    async def tools(self) -> list[Tool]:
        return []


# -- arguments -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("{}", {}),
        (' {"a": [1, {"b": null}]} ', {"a": [1, {"b": None}]}),
        (" \n", {}),
        ("null", {}),
        ('{"a": {"x": 1}, "b": {"x": 1}}', {"a": {"x": 1}, "b": {"x": 1}}),
    ],
)
def test_arguments_are_an_object(text, value):
    assert parse_arguments(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "the arguments are no JSON object"),
        ("true", "the arguments are no JSON object"),
        ('{"a": 1', "the arguments are no valid JSON: Expecting"),
        ('{"a": 1} {}', "the arguments are no valid JSON: Extra data"),
        ("{'a': 1}", "the arguments are no valid JSON: Expecting property name"),
        ('{"a": NaN}', "NaN is no JSON: use a number, or null"),
        ('{"a": -Infinity}', "-Infinity is no JSON"),
        ('{"a": 1, "a": 2}', 'the arguments say more than once: ["a"]'),
        ('{"x": {"b": 1, "b": 2}}', 'the arguments say more than once: ["b"]'),
        ('{"a": ' + "[" * 100_000, "the arguments are no valid JSON"),
        ('{"a": ' + "1" * 5000 + "}", "the arguments are no valid JSON"),
    ],
)
def test_what_is_no_object_says_why(text, message):
    with pytest.raises(ArgumentsError) as caught:
        parse_arguments(text)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 300


def place_in(city: City, most: int, unit: Literal["m", "km"] = "m"): ...


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ({"city": {"name": "B"}}, ["most: Field required"]),
        (
            {"city": {"name": "B"}, "most": "three"},
            ["most: Input should be a valid integer", '(got "three")'],
        ),
        (
            {"city": {"name": "B", "inside": [{}]}, "most": 1, "unit": "mile"},
            ["city.inside.0.name: Field required", "unit: Input should be 'm' or 'km' (got \"mi"],
        ),
        (
            {"city": {"name": "B"}, "most": 1, "p1": 2},
            ["p1: Extra inputs are not permitted (got 2)"],
        ),
        ({"city": None, "most": None}, ["city: Input should be", "most: Input should be a valid"]),
    ],
)
def test_what_does_not_fit_says_what(arguments, lines):
    message = error_of(place_in, arguments)
    for line in lines:
        assert line in message


def test_what_is_wrong_is_said_shortly():
    def f(x: list[int]): ...

    message = error_of(f, {"x": ["long" * 1000] * 1000})
    assert message.count("\n") == 10
    assert message.endswith("\nand 990 more")
    assert len(message) < 3000
    assert len(error_of(f, {"k" * 10**6: 1})) < 500


@pytest.mark.parametrize(
    "text", [r'{"x": "\ud800"}', r'{"\ud800": 1}', r'{"\ud800": 1, "\ud800": 2}']
)
def test_half_a_character_is_refused_in_words_that_can_be_sent(text):
    with pytest.raises(ArgumentsError) as caught:
        as_tool(function_of(Any)).bind(parse_arguments(text))
    str(caught.value).encode()


def test_arguments_that_are_too_deep_are_refused():
    deep = parse_arguments('{"x": ' + "[" * 500 + "]" * 500 + "}")
    assert len(error_of(function_of(Any), deep)) < 500


# -- generated signatures --------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
SIMPLE = {
    int: st.integers(),
    str: st.text(),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    Literal["a", "b"]: st.sampled_from(["a", "b"]),
    Any: JSON,
}
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name)
)


@st.composite
def hints(draw) -> tuple[Any, st.SearchStrategy[Any]]:
    """A type hint, and values for it as JSON has them."""
    hint = draw(st.sampled_from(list(SIMPLE)))
    values = SIMPLE[hint]
    form = draw(st.sampled_from(["plain", "list", "dict", "optional"]))
    if form == "list":
        return list[hint], st.lists(values, max_size=3)
    if form == "dict":
        return dict[str, hint], st.dictionaries(st.text(), values, max_size=3)
    if form == "optional":
        return hint | None, st.none() | values
    return hint, values


KINDS = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.KEYWORD_ONLY)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.data())
def test_what_the_schema_takes_reaches_the_function(data):
    names = data.draw(st.lists(NAMES, unique=True, max_size=4))
    split = data.draw(st.integers(0, len(names)))
    taken: dict[str, Any] = {}

    def f(*args, **kwargs):
        return {**dict(zip(names, args, strict=False)), **kwargs}

    parameters = []
    for number, name in enumerate(names):
        hint, values = data.draw(hints())
        f.__annotations__[name] = hint
        taken[name] = data.draw(values)
        parameters.append(inspect.Parameter(name, KINDS[number >= split]))
    f.__signature__ = inspect.Signature(parameters)

    made = as_tool(f)
    assert list(made.parameters["properties"]) == names
    assert made.parameters.get("required", []) == names
    json.dumps(made.parameters)
    assert made.bind(parse_arguments(json.dumps(taken)))() == taken


# -- references ------------------------------------------------------------------


def test_what_is_beside_a_reference_stays():
    schema = {
        "properties": {"$ref": {"type": "string"}, "a": {"$ref": "#/$defs/A", "description": "d"}},
        "$defs": {"A": {"type": "integer", "description": "of A"}},
    }
    assert without_refs(schema) == {
        "properties": {"a": {"type": "integer", "description": "d"}, "$ref": {"type": "string"}}
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"$defs": 3, "properties": {}},
        {"$ref": "#/properties/a", "$defs": {"A": {}}},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}},
    ],
)
def test_references_that_lead_nowhere_stay(schema):
    assert without_refs(schema) == schema


def test_a_hostile_schema_stays_as_it_is():
    doubling = {f"D{n}": {"anyOf": [{"$ref": f"#/$defs/D{n + 1}"}] * 2} for n in range(60)}
    schema = {"$ref": "#/$defs/D0", "$defs": {**doubling, "D60": {"type": "null"}}}
    assert without_refs(schema) == schema
    chain = {f"D{n}": {"not": {"$ref": f"#/$defs/D{n + 1}"}} for n in range(499)}
    schema = {"$ref": "#/$defs/D0", "$defs": {**chain, "D499": {}}}
    assert without_refs(schema) == schema
