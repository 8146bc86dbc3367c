"""The arguments of a call as they were meant, by the schema that the model had.

`json_schema.portable` writes names and choices as every provider takes them; this reads what a
model made of it. Models also write lists, objects and numbers as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .json_schema import IS_TYPE, said_as, text_of

__all__ = ["as_meant"]

_MOST_CHOICES = 200  # schemas that one value may fit; a hostile one refers to itself
_COMBINING = ("anyOf", "oneOf", "allOf")
_SAYING = ("type", "enum", "const", "$ref", *_COMBINING)  # what a value is


def as_meant(schema: Mapping[str, Any], value: Any) -> Any:
    """`value` with the names and choices of `schema`, and with what was meant by texts.

    A text becomes something else only where `schema` takes no text there, and takes what the
    text says as JSON. All else stays as it is: whoever checks the arguments says what is wrong.

    Args:
        schema: as it was before `portable`.
        value: what a model wrote.
    """
    return _Reader(schema).read([schema], value)


class _Reader:
    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema

    def read(self, schemas: list[Any], value: Any) -> Any:
        """`value`, which should fit one of these schemas."""
        choices = list(self._choices(schemas))
        if not choices:
            return value
        if isinstance(value, str):
            value = _not_a_text(choices, value)
        if isinstance(value, dict):
            return self._object(choices, value)
        if isinstance(value, list):
            return [self.read(_of_item(choices, i), each) for i, each in enumerate(value)]
        return value

    def _object(self, choices: list[Mapping[str, Any]], value: dict[str, Any]) -> dict[str, Any]:
        known: dict[str, list[Any]] = {}
        meant: dict[str, str] = {}
        others = []
        for choice in choices:
            properties = choice.get("properties")
            if isinstance(properties, Mapping):
                for name, each in properties.items():
                    known.setdefault(name, []).append(each)
                meant |= {other: name for name, other in said_as(properties).items()}
            others.append(choice.get("additionalProperties"))
        read = {}
        for key, each in value.items():
            name = key if key in known or meant.get(key) in value else meant.get(key, key)
            read[name] = self.read(known.get(name, others), each)
        return read

    def _choices(self, schemas: list[Any]) -> Iterator[Mapping[str, Any]]:
        """The schemas that these are a choice of, with what they refer to."""
        waiting, followed = list(schemas), set()
        for number, schema in enumerate(waiting):  # grows meanwhile
            if number == _MOST_CHOICES:
                return
            if not isinstance(schema, Mapping):
                continue
            yield schema
            for word in _COMBINING:
                if isinstance(schema.get(word), list):
                    waiting += schema[word]
            reference = schema.get("$ref")
            if isinstance(reference, str) and reference not in followed:
                followed.add(reference)
                waiting.append(self._referred(reference))

    def _referred(self, reference: str) -> Any:
        node: Any = self._root
        for part in filter(None, reference.removeprefix("#").split("/")):
            node = node.get(part) if isinstance(node, Mapping) else None
        return node


def _of_item(choices: list[Mapping[str, Any]], number: int) -> list[Any]:
    """The schemas of an array's item."""
    found = []
    for choice in choices:
        first = choice.get("prefixItems")
        if isinstance(first, list) and number < len(first):
            found.append(first[number])
        else:
            found.append(choice.get("items"))
    return found


def _not_a_text(choices: list[Mapping[str, Any]], text: str) -> Any:
    """What a text means where none is taken; the text itself where one is, or in doubt."""
    members: list[Any] = []
    kinds: set[str] = set()
    for choice in choices:
        if not any(word in choice for word in _SAYING):
            return text  # anything will do
        listed = [*_list(choice.get("enum")), *([choice["const"]] if "const" in choice else [])]
        types = {kind for kind in _list(choice.get("type")) if isinstance(kind, str)}
        if not listed and "string" in types:
            return text
        members += listed
        if not listed:
            kinds |= types
    if text in members:
        return text
    for member in members:
        if text_of(member) == text:
            return member
    return _parsed(text, kinds)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _parsed(text: str, kinds: set[str]) -> Any:
    """`text` read as JSON, if that is of one of these types."""
    if not kinds:
        return text
    try:
        value = json.loads(text, strict=False, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return value if any(IS_TYPE[kind](value) for kind in kinds & IS_TYPE.keys()) else text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
