"""What endpoints take of a request, learnt from what they refuse.

Servers that speak the API differ in what they accept, and no list of names could keep up with
them. A request goes out in the API's own form. Where a 400 names a part of it, the request goes
out once more in the next form. Where that one is answered, what was learnt holds for this
endpoint and model until the kernel ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..errors import BadRequestError
from ..messages import REASONING_FIELDS
from ..request import Compatibility, Request
from ..schema_forms import SCHEMA_FORMS

__all__ = ["known", "learn", "remember"]

_known: dict[tuple[str, str], Compatibility] = {}

# What every message and call must have.
_REQUIRED = frozenset({"content", "function", "id", "role", "tool_call_id", "tool_calls", "type"})
_REFUSED = re.compile(
    r"unsupported|not (be )?(supported|permitted|allowed|accepted|recogni[sz]ed)|unrecogni[sz]ed"
    r"|unexpected|unknown|forbidden|\bextra\b|additional propert|does not (support|take|accept)",
    re.IGNORECASE,
)
_NO_TOOLS = re.compile(
    r"\b(tools?|tool use|tool calling|function calling)\b.{0,40}\b(not|un)\s?(support|allow|enabl)"
    r"|not support.{0,40}\b(tools?|tool use|tool calling|function calling)\b",
    re.IGNORECASE,
)
# The words of OpenAI, Azure, DeepSeek, Gemini, Groq, vLLM, SGLang, llama.cpp, Ollama, Mistral,
# Together, Fireworks, xAI and Qwen about a `response_format`.
_REFUSES_SCHEMA = re.compile(
    r"response[ _-]?(format|schema|mime[ _]type)|json[ _-]?(schema|object|mode)"
    r"|output_(config|format)|structured[ _-]?output|controlled generation"
    r"|(guided|constrained)[ _](json|decoding)|text\.format|\bgrammar\b|word .?json",
    re.IGNORECASE,
)
# About tools, or about what the model wrote, which is another matter.
_OF_SOMETHING_ELSE = re.compile(
    r"\btools?[.\[]|input_schema|function_declarations|schema for function"
    r"|failed to (generate|validate)|generated json|expected schema",
    re.IGNORECASE,
)


def known(origin: str, model: str) -> Compatibility:
    """What is known of a model at an endpoint (scheme, host and port)."""
    return _known.get((origin, model), Compatibility())


def learn(origin: str, request: Request, error: Exception) -> Compatibility | None:
    """What a refused request teaches, or None where there is no other form to try.

    Args:
        origin: the endpoint that refused it.
        request: what it refused.
        error: what it said.
    """
    if not isinstance(error, BadRequestError):
        return None
    return _lesson(origin, request, error.server_message)


def remember(origin: str, request: Request) -> None:
    """Keep what was learnt for a request that was answered.

    Usage is worth another try in each turn: a gateway may ask another server by then.
    """
    learnt = replace(request.takes, stream_options=True)
    if learnt != known(origin, request.model):
        _known[origin, request.model] = learnt


def _lesson(origin: str, request: Request, words: str) -> Compatibility | None:
    """What else to try where a server complains in these words.

    Each lesson takes one form away, so that they come to an end.
    """
    takes = request.takes
    if takes.stream_options and "stream_options" in words:
        return replace(takes, stream_options=False)
    if request.carries_past_tools:
        if takes.tool_choice_none and "tool_choice" in words:
            return replace(takes, tool_choice_none=False)
        if _NO_TOOLS.search(words):
            return replace(takes, past_tools=False)
    return _of_schema(request, words) or _of_messages(origin, request, words)


def _of_messages(origin: str, request: Request, words: str) -> Compatibility | None:
    """What a complaint about a field of the messages, or of their calls, teaches."""
    takes = request.takes
    messages: list[dict[str, Any]] = request.to_api(to=origin)["messages"]
    if "thought_signature" in words and not takes.wants_signatures and _has_calls(messages):
        return replace(takes, wants_signatures=True)
    if _REFUSED.search(words):
        carried = {name for message in messages for name in _optional_fields(message)}
        named = {name for name in carried if _names(words, name)}
        return replace(takes, refused_fields=takes.refused_fields | named) if named else None
    for field in REASONING_FIELDS:
        if takes.reasoning_field is None and _names(words, field) and _has_calls(messages):
            return replace(takes, reasoning_field=field)
    return None


def _has_calls(messages: list[dict[str, Any]]) -> bool:
    return any("tool_calls" in message for message in messages)


def _optional_fields(message: dict[str, Any]) -> Iterator[str]:
    """The fields of a message and of its calls that it can do without."""
    for fields in (message, *message.get("tool_calls", ())):
        yield from fields.keys() - _REQUIRED


def _names(words: str, field: str) -> bool:
    """Whether a server names this field of a message; some fields are words of English too."""
    is_word = rf"(?<![\w-]){re.escape(field)}(?![\w-])"
    if "_" in field:
        return re.search(is_word, words) is not None
    is_marked = rf"(?:['\"`.\]/]{re.escape(field)}(?![\w-]))"
    return "messages" in words and re.search(is_marked, words) is not None


def _of_schema(request: Request, words: str) -> Compatibility | None:
    """The next form to ask for an answer by a schema, where this one is refused.

    Some take a schema, but not beside tools: what is learnt with tools holds for these alone.
    """
    takes, form = request.takes, request.schema_form
    if form == "tool":
        is_forced = takes.forced_calls and re.search("tool[ _]?choice", words, re.IGNORECASE)
        return replace(takes, forced_calls=False) if is_forced else None
    if form is None or not _REFUSES_SCHEMA.search(words) or _OF_SOMETHING_ELSE.search(words):
        return None
    following = SCHEMA_FORMS[SCHEMA_FORMS.index(form) + 1]
    if request.tools:
        return replace(takes, schema_form_beside_tools=following)
    return replace(takes, schema_form=following)
