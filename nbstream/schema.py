"""Structured output: what an answer must look like, and the object that it becomes.

https://platform.openai.com/docs/guides/structured-outputs
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import SchemaError, UsageError
from .messages import api_name
from .tools.json_schema import check_sayable, without_refs
from .tools.signatures import readable
from .tools.typed_dicts import known_to_pydantic

__all__ = ["Schema", "as_schema"]

_WRAPPER = "value"  # the API wants an object; any other type stands in one

# What OpenAI's strict mode knows; see "Supported schemas" on the page above.
_STRICT_WORDS = {
    *("$defs", "additionalProperties", "anyOf", "const", "description", "enum", "format"),
    *("exclusiveMaximum", "exclusiveMinimum", "items", "maxItems", "maximum", "minItems"),
    *("minimum", "multipleOf", "pattern", "properties", "required", "title", "type"),
}
_STRICT_FORMATS = {
    *("date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"),
}


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
        except (ValueError, RecursionError) as error:
            is_deep = isinstance(error, RecursionError)
            what = "too deeply nested" if is_deep else " · ".join(str(error).splitlines())
            raise SchemaError(f"the answer is no {self.name}: {what} · its text is kept") from error


def as_schema(value: Any) -> Schema:
    """A pydantic model, a dataclass, a TypedDict, any other type, or a JSON schema.

    Raises:
        UsageError: it has no form in JSON.
    """
    if isinstance(value, Schema):
        return value
    schema = _of_json_schema(value) if isinstance(value, Mapping) else _of_type(value)
    check_sayable(f"--schema {schema.name}", schema.json_schema)
    return schema


def _of_json_schema(schema: Mapping[str, Any]) -> Schema:
    import jsonschema

    if not all(isinstance(key, str) for key in schema):
        raise UsageError("--schema: no JSON schema: its keys are no text (quote the whole of it)")
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

    return Schema(api_name(str(schema.get("title") or "answer")), schema, False, load)  # noqa: FBT003


def _of_type(kind: Any) -> Schema:
    import pydantic

    if inspect.isroutine(kind) or isinstance(kind, functools.partial):
        # pydantic takes one as a schema, and would call it with the answer.
        raise UsageError(
            f"--schema: {kind!r} is a function; give a type, or pass it by --tool to have it called"
        )
    try:
        adapter = pydantic.TypeAdapter(known_to_pydantic(kind))
        schema = _with_its_root(without_refs(adapter.json_schema()))
    except (pydantic.errors.PydanticUserError, AttributeError, TypeError) as error:
        first = str(error).partition("\n")[0]
        raise UsageError(
            f"--schema: {kind!r} cannot be said in JSON ({first}); use a pydantic model, a "
            "dataclass, a TypedDict or a JSON schema"
        ) from error
    is_object = schema.get("type") == "object"
    if not is_object:
        definitions = {"$defs": schema.pop("$defs")} if "$defs" in schema else {}
        schema = {"type": "object", "properties": {_WRAPPER: schema}, **definitions}

    def load(data: Any) -> Any:
        # An object with more in it is the answer itself, without the wrapper.
        if not is_object and isinstance(data, Mapping) and data.keys() == {_WRAPPER}:
            data = data[_WRAPPER]
        try:
            return adapter.validate_json(json.dumps(data))
        except pydantic.ValidationError as error:
            raise ValueError(readable(error, "the answer")) from error

    strict = None if _may_lack_keys(adapter.core_schema) else _strict_or_none(schema)
    name = getattr(kind, "__name__", "answer") if is_object else "answer"
    return Schema(api_name(name), strict or schema, strict is not None, load)


def _with_its_root(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` with its root written out, which is a reference where a type holds itself."""
    definitions = schema.get("$defs", {})
    root = definitions.get(str(schema.get("$ref")).removeprefix("#/$defs/"))
    return schema if root is None else {**root, "$defs": definitions}


# -- strict schemas --------------------------------------------------------------


class _NotStrictError(Exception):
    """What a schema says cannot be said to a strict server."""


def _strict_or_none(schema: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return _strict(schema)
    except _NotStrictError:
        return None


def _strict(part: Any) -> dict[str, Any]:
    """A part of a schema as strict servers take it: every field demanded, and no other.

    They refuse a request with a word that they do not know.

    Raises:
        _NotStrictError: it cannot be said so, as `dict[str, int]` or a bare `list`.
    """
    if not isinstance(part, dict):
        raise _NotStrictError
    # A set takes a list in which something stands twice.
    said = {word: each for word, each in part.items() if word not in ("default", "uniqueItems")}
    if "oneOf" in said:  # pydantic's word where a field tells the types apart
        said["anyOf"] = said.pop("oneOf")
    if not _is_sayable(said):
        raise _NotStrictError
    for word in said.keys() & {"properties", "$defs"}:
        said[word] = {name: _strict(each) for name, each in said[word].items()}
    if "anyOf" in said:
        said["anyOf"] = [_strict(each) for each in said["anyOf"]]
    if "items" in said:
        said["items"] = _strict(said["items"])
    if said.get("type") == "object":
        said.update(additionalProperties=False, required=list(said["properties"]))
    return said


def _is_sayable(part: Mapping[str, Any]) -> bool:
    """Whether a part of a schema uses what strict servers know, and leaves nothing open."""
    if "$ref" in part:
        return len(part) == 1
    return (
        part.keys() <= _STRICT_WORDS
        and not part.keys().isdisjoint({"anyOf", "const", "enum", "type"})
        and (part.get("type") != "array" or "items" in part)
        and (part.get("type") != "object" or "properties" in part)
        and part.get("additionalProperties") in (None, False)
        and part.get("format") in (None, *_STRICT_FORMATS)
        and "(?" not in part.get("pattern", "")  # no looking around
    )


def _may_lack_keys(core: Any) -> bool:
    """Whether a TypedDict in pydantic's own schema has keys that may be missing.

    A strict server would always send them: it knows null, and the type does not.
    """
    if isinstance(core, dict):
        if core.get("type") == "typed-dict-field" and core.get("required") is False:
            return True
        core = core.values()
    elif not isinstance(core, list | tuple):
        return False
    return any(_may_lack_keys(each) for each in core)
