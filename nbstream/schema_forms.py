"""The forms in which a request can ask for an answer by a schema.

`json_schema` is the API's own. DeepSeek takes `json_object` only, and wants to read of JSON in
the messages. Gemini 2 and Groq take neither beside tools: there a tool's arguments are the answer.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from .schema import Schema
from .tools.json_schema import portable

__all__ = ["SCHEMA_FORMS", "SchemaForm", "ask_for"]

SchemaForm = Literal["json_schema", "json_object", "tool"]

#: In the order in which they are tried.
SCHEMA_FORMS: Final[tuple[SchemaForm, ...]] = ("json_schema", "json_object", "tool")

_IN_WORDS = "Answer with one JSON object and nothing else. It must fit this JSON schema:"


def ask_for(
    schema: Schema,
    form: SchemaForm,
    arguments: dict[str, Any],
    *,
    answer_tool: str | None,
    has_tools: bool,
    forced: bool,
) -> None:
    """Put a schema into a request's `arguments`.

    Args:
        schema: what the answer must look like.
        form: how to say so.
        arguments: of `chat.completions.create`, with messages and tools.
        answer_tool: the name of the tool whose call is the answer, in the form `tool`.
        has_tools: whether the model may call other tools first.
        forced: whether it may be told that it must call.
    """
    if form == "json_schema":
        arguments["response_format"] = schema.response_format()
    elif form == "json_object":
        arguments["response_format"] = {"type": "json_object"}
        said = f"{_IN_WORDS}\n{json.dumps(schema.json_schema, ensure_ascii=False)}"
        arguments["messages"] = _with_system(arguments["messages"], said)
    else:
        function = {
            "name": answer_tool,
            "parameters": portable(schema.json_schema),
            "description": "Give your final answer by calling this, once.",
        }
        tool = {"type": "function", "function": function}
        arguments["tools"] = [*arguments.get("tools", ()), tool]
        named = {"type": "function", "function": {"name": answer_tool}}
        arguments.pop("tool_choice", None)
        if forced:
            arguments["tool_choice"] = "required" if has_tools else named


def _with_system(messages: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """`messages` with a word more in the system message; a request of its own keeps the history."""
    first = messages[0] if messages else {}
    if first.get("role") in ("system", "developer") and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{text}"}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]
