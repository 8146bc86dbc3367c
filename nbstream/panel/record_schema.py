"""What the file of a conversation may hold, as a JSON schema.

A file can come from anybody. What is of another type than it is shown as would only fail
much later, in the midst of showing it.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["SCHEMA"]

_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_MAYBE_NUMBER = {"type": ["number", "null"], "minimum": 0, "maximum": 1e15}
_MAYBE_COUNT = {"type": ["integer", "null"], "minimum": 0, "maximum": 10**15}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    properties = {**required, **(optional or {})}
    return {"type": "object", "required": list(required), "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"type": "null"}, schema]}


def _part(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """A content part of this kind has this content."""
    is_it = {"properties": {"type": {"const": kind}}}
    return {"if": is_it, "then": _object({kind: content})}


_PART = {
    **_object({"type": _TEXT}),
    "allOf": [
        _part("text", _TEXT),
        _part("image_url", _object({"url": _TEXT})),
        _part("file", _object({}, {"filename": _TEXT})),
    ],
}
_MESSAGE = _object({"role": _TEXT, "content": {"anyOf": [_MAYBE_TEXT, _list(_PART)]}})
_RESULT = {
    **_object(
        {"content": _TEXT, "is_error": {"type": "boolean"}},
        {
            "seconds": _MAYBE_NUMBER,
            "summary": _TEXT,
            "display": {"type": "object", "additionalProperties": _TEXT},
        },
    ),
    "additionalProperties": False,
}
_CALL = _object(
    {"id": _TEXT, "name": _TEXT, "arguments": _TEXT},
    {"asked": _TEXT, "extra": {"type": "object"}, "result": _or_null(_RESULT)},
)
_ROUND = _object(
    {},
    {
        "text": _TEXT,
        "reasoning": _TEXT,
        "refusal": _TEXT,
        "tool_calls": _list(_CALL),
        "model": _MAYBE_TEXT,
        "origin": _MAYBE_TEXT,
        "usage": _or_null({"type": "object", "additionalProperties": _MAYBE_COUNT}),
        "finish_reason": _MAYBE_TEXT,
        "reasoning_seconds": _MAYBE_NUMBER,
        "extra": {"type": "object"},
        "echo": {"type": "object"},
        "echo_reasoning_as": _MAYBE_TEXT,
        "is_unclosed": {"type": "boolean"},
        "leaked_call": _TEXT,
        "alternatives": {"type": "object", "additionalProperties": {"$ref": "#/$defs/round"}},
    },
)
_TIMING = {"type": "object", "additionalProperties": _MAYBE_NUMBER}
_RESPONSE = _object(
    {
        "status": {"enum": ["complete", "cancelled", "incomplete", "error"]},
        "model": _MAYBE_TEXT,
        "prompt": {**_list(_MESSAGE), "minItems": 1},
        "rounds": _list({"$ref": "#/$defs/round"}),
        "error": {"type": ["object", "null"]},
        "timing": _TIMING,
    },
    {"is_json": {"type": "boolean"}, "schema_form": _TEXT},
)
_TURN = _object({"typed": _TEXT, "attached": _list(_PART), "response": _RESPONSE})
_OPTIONS = _object(
    {},
    {
        "model": _MAYBE_TEXT,
        "system": _MAYBE_TEXT,
        "temperature": _MAYBE_NUMBER,
        "max_tokens": _MAYBE_COUNT,
    },
)

SCHEMA: Final[dict[str, Any]] = {
    **_object({"options": _OPTIONS, "turns": _list(_TURN), "branch": {"type": "array"}}),
    "$defs": {"round": _ROUND},
}
