"""Structured output: what an answer must look like, and the object that it becomes.

https://platform.openai.com/docs/guides/structured-outputs
"""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import SchemaError, UsageError
from .tools.json_schema import without_refs
from .tools.signatures import readable
from .tools.typed_dicts import known_to_pydantic

__all__ = ["Schema", "as_schema"]

_WRAPPER = "value"  # the API wants an object; any other type stands in one


@dataclass(frozen=True, slots=True)
class Schema:
    """A form for answers.

    Attributes:
        name: what the errors and the request call it.
        json_schema: the JSON schema, an object's.
        is_strict: whether the server is asked to hold it to the letter.
        load: JSON data -> the object; raises ValueError where it does not fit.
    """

    name: str
    json_schema: Mapping[str, Any]
    is_strict: bool
    load: Callable[[Any], Any]

    def response_format(self) -> dict[str, Any]:
        """The request's `response_format`."""
        schema: dict[str, Any] = {"name": self.name, "schema": dict(self.json_schema)}
        if self.is_strict:
            schema["strict"] = True
        return {"type": "json_schema", "json_schema": schema}

    def parse(self, read: Callable[[], Any]) -> Any:
        """The object that an answer is.

        Args:
            read: gives the answer's JSON data; raises ValueError where it is none.

        Raises:
            SchemaError: the answer is no JSON, or does not fit.
        """
        try:
            return self.load(read())
        except ValueError as error:
            what = " · ".join(str(error).splitlines())
            raise SchemaError(f"the answer is no {self.name}: {what} · its text is kept") from error


def as_schema(value: Any) -> Schema:
    """A pydantic model, a dataclass, a TypedDict, any other type, or a JSON schema.

    Raises:
        UsageError: it has no form in JSON.
    """
    if isinstance(value, Schema):
        return value
    if isinstance(value, Mapping):
        return _of_json_schema(value)
    return _of_type(value)


def _of_json_schema(schema: Mapping[str, Any]) -> Schema:
    import jsonschema

    try:
        validator = jsonschema.validators.validator_for(schema)
        validator.check_schema(dict(schema))
    except jsonschema.SchemaError as error:
        raise UsageError(f"--schema: no JSON schema: {error.message}") from error

    def load(data: Any) -> Any:
        try:
            validator(dict(schema)).validate(data)
        except jsonschema.ValidationError as error:
            raise ValueError(f"{error.json_path}: {error.message}") from error
        return data

    return Schema(_name(schema.get("title", "answer")), schema, False, load)  # noqa: FBT003


def _of_type(kind: Any) -> Schema:
    import pydantic

    if inspect.isroutine(kind) or isinstance(kind, functools.partial):
        # pydantic takes one as a schema, and would call it with the answer.
        raise UsageError(
            f"--schema: {kind!r} is a function; give a type, or pass it by --tool to have it called"
        )
    try:
        adapter = pydantic.TypeAdapter(known_to_pydantic(kind))
        schema = without_refs(adapter.json_schema())
    except (pydantic.errors.PydanticUserError, AttributeError, TypeError) as error:
        first = str(error).partition("\n")[0]
        raise UsageError(
            f"--schema: {kind!r} cannot be said in JSON ({first}); use a pydantic model, a "
            "dataclass, a TypedDict or a JSON schema"
        ) from error
    is_object = schema.get("type") == "object" or "$ref" in schema
    if not is_object:
        definitions = {"$defs": schema.pop("$defs")} if "$defs" in schema else {}
        schema = {"type": "object", "properties": {_WRAPPER: schema}, **definitions}

    def load(data: Any) -> Any:
        if not is_object and isinstance(data, Mapping):
            data = data.get(_WRAPPER, data)
        try:
            return adapter.validate_json(json.dumps(data))
        except pydantic.ValidationError as error:
            raise ValueError(readable(error)) from error

    is_strict = _make_strict(schema)
    name = getattr(kind, "__name__", "answer") if is_object else "answer"
    return Schema(_name(name), schema, is_strict, load)


def _make_strict(schema: dict[str, Any]) -> bool:
    """Demand every field and no other, in place, as strict servers want it; say if that went.

    It does not where something is left open, as in `dict[str, int]` or a bare `list`.
    """
    parts = list(_walk(schema))
    if any(_is_open(each) for each in parts):
        return False
    for each in parts:
        if each.get("type") != "object":
            continue
        properties = each.get("properties", {})
        each.update(additionalProperties=False, required=list(properties))
        for entry in properties.values():
            entry.pop("default", None)
    return True


def _is_open(part: Mapping[str, Any]) -> bool:
    """Whether a part of a schema leaves keys or types open."""
    if part.get("type") == "object":
        has_free_keys = part.get("additionalProperties") not in (None, False)
        return has_free_keys or not all(part.get("properties", {}).values())
    return part.get("type") == "array" and not part.get(
        "items"
    )  # of a tuple they are `prefixItems`


def _walk(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object in the schema's own JSON, outermost first."""
    if isinstance(schema, dict):
        yield schema
        schema = schema.values()
    elif not isinstance(schema, list):
        return
    for entry in schema:
        yield from _walk(entry)


def _name(text: Any) -> str:
    """`text` as the API takes names."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", str(text))[:64] or "answer"
