"""Schemas of types, and what becomes of answers, without a server."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import jsonschema
import pydantic
import pytest

from nbstream.errors import SchemaError
from nbstream.schema import as_schema


class Tree(pydantic.BaseModel):
    value: int
    children: list[Tree] = []


class Nest(pydantic.RootModel[list["Nest"]]):
    pass


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]
    name: str = pydantic.Field(pattern="^[A-Z]")


Pet = Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


class Zoo(pydantic.BaseModel):
    pets: list[Pet]
    tags: set[str] = set()
    opened: dt.date | None = None


class Loose(TypedDict):
    x: int
    y: NotRequired[str]


class Linked(pydantic.BaseModel):
    url: pydantic.AnyUrl


class Looking(pydantic.BaseModel):
    text: str = pydantic.Field(json_schema_extra={"pattern": "^(?!a)"})


class Short(pydantic.BaseModel):
    text: str = pydantic.Field(max_length=5)


class Words(pydantic.BaseModel):
    """Fields that are called as the words of a schema are."""

    oneOf: int = 1  # noqa: N815
    default: int
    type: str
    uniqueItems: list[int]  # noqa: N815


class Son(pydantic.BaseModel):
    father: Son = pydantic.Field(description="His own.")


STRICT = [
    (Tree, {"value": 1, "children": [{"value": 2, "children": []}]}),
    (Nest, {"value": [[], [[]]]}),
    (Pet, {"value": {"kind": "dog", "name": "Rex"}}),
    (Zoo, {"pets": [{"kind": "cat", "lives": 1}], "tags": ["a"], "opened": None}),
    (set[str], {"value": ["a"]}),
    (Words, {"oneOf": 1, "default": 2, "type": "a", "uniqueItems": [1]}),
]
# What OpenAI's page does not list among what strict schemas may say.
REFUSED = {"oneOf", "allOf", "uniqueItems", "default", "prefixItems", "maxLength", "minLength"}


def parts(schema: dict[str, Any]):
    """All schemas in `schema`."""
    yield schema
    for word in ("properties", "$defs"):
        for each in schema.get(word, {}).values():
            yield from parts(each)
    for each in [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]:
        yield from parts(each)


@pytest.mark.parametrize(("kind", "data"), STRICT)
def test_a_strict_schema_says_only_what_strict_servers_know(kind, data):
    schema = as_schema(kind)
    form = schema.response_format()["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["type"] == "object"
    for part in parts(form["schema"]):
        assert not REFUSED & part.keys()
        assert part.keys() == {"$ref"} or "$ref" not in part
        if part.get("type") == "object":
            assert part["additionalProperties"] is False
            assert part["required"] == list(part["properties"])
    jsonschema.validate(data, form["schema"])
    expected = data.get("value", data) if kind in (Nest, Pet, set[str]) else data
    loaded = pydantic.TypeAdapter(kind).dump_python(schema.load(data), mode="json")
    assert loaded == expected


@pytest.mark.parametrize(
    "kind", [Loose, list[Loose], Linked, Looking, Short, Son, list[tuple[int, str]]]
)
def test_what_strict_servers_would_refuse_is_not_strict(kind):
    form = as_schema(kind).response_format()["json_schema"]
    assert "strict" not in form
    assert form["schema"]["type"] == "object"
    jsonschema.Draft202012Validator.check_schema(form["schema"])


def test_what_is_not_strict_is_said_as_it_is():
    loose = as_schema(Loose).json_schema
    assert loose["required"] == ["x"]
    assert as_schema(Short).json_schema["properties"]["text"]["maxLength"] == 5


# -- answers -------------------------------------------------------------------------


class Valued(pydantic.BaseModel):
    value: int
    other: str = ""


@pytest.mark.parametrize(
    ("data", "loaded"),
    [
        ({"value": 3}, 3),
        (3, 3),
        ({"value": 3, "other": "x"}, Valued(value=3, other="x")),
        ({"value": {"value": 3, "other": "x"}}, Valued(value=3, other="x")),
    ],
)
def test_only_the_wrapper_is_taken_off(data, loaded):
    assert as_schema(Valued | int).load(data) == loaded


@pytest.mark.parametrize("kind", [dict[str, Any], list[Any], {"type": "object"}])
def test_an_answer_that_is_nested_too_deeply_does_not_fit(kind):
    text = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"
    with pytest.raises(SchemaError, match=r"the answer is no .*: too deeply nested · its text"):
        as_schema(kind).parse(lambda: json.loads(text))


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [
        (list[int], {"a": 1}, "no answer: the answer: Input should be a valid array (got"),
        (Valued, [1], "no Valued: the answer: Input should be"),
        (Valued, {"value": "x"}, "no Valued: value: Input should be a valid integer"),
    ],
)
def test_what_is_wrong_is_said_of_the_answer(kind, data, says):
    with pytest.raises(SchemaError) as caught:
        as_schema(kind).parse(lambda: data)
    assert says in str(caught.value)
    assert "arguments" not in str(caught.value)
