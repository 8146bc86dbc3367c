"""What endpoints take of a request, learnt from what they refuse.

Servers that speak the API differ in what they accept, and no list of names could keep up with
them. A request goes out in the API's own form. Where a 400 names a part of it, the request goes
out once more in the next form, and what was learnt holds for this endpoint and model until the
kernel ends.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..errors import BadRequestError
from ..request import Compatibility, Request
from ..schema_forms import SCHEMA_FORMS

__all__ = ["known", "learn"]

_known: dict[tuple[str, str], Compatibility] = {}

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
    """What a refused request teaches, or None where it is refused in every form."""
    if not isinstance(error, BadRequestError):
        return None
    learnt = _lesson(request, str(error))
    if learnt is not None:
        _known[origin, request.model] = learnt
    elif request.schema_form == "tool" and _REFUSES_SCHEMA.search(str(error)):
        # No form helped: it may be this one schema that it does not take.
        _known[origin, request.model] = replace(
            request.takes, schema_form="json_schema", schema_form_beside_tools="json_schema"
        )
    return learnt


def _lesson(request: Request, words: str) -> Compatibility | None:
    """What else to try where a server complains in these words; each form is tried once."""
    takes = request.takes
    if takes.stream_options and "stream_options" in words:
        return replace(takes, stream_options=False)
    return _of_schema(request, words)


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
