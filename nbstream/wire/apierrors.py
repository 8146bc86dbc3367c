"""The error that a provider's JSON or text reports, in whatever shape.

{"error": {"message": …, "code": …, "type": …}}      OpenAI, and most others
{"error": "…"}   {"detail": …}   {"message": …}      Ollama, FastAPI, Mistral
{"object": "error", "message": …}                    vLLM
{"type": "error", "error": {…}}                      Anthropic
{"success": false, "errors": [{"message": …}]}       Cloudflare
{"base_resp": {"status_code": …, "status_msg": …}}   MiniMax
{"text": …, "error_code": …}   {"code": …, "msg": …} FastChat, Zhipu
[{"error": {…}}]                                     Gemini
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..events import ErrorEvent

__all__ = [
    "CHECK_BASE_URL",
    "foreign_body",
    "one_line",
    "plain_words",
    "read_error",
    "reported_error",
]

CHECK_BASE_URL = "check the base URL"  # how the error for a foreign body ends

_MESSAGE = ("message", "detail", "msg", "status_msg", "error_msg", "error", "reason")
_CODE = ("code", "type", "status_code", "status", "error_code")
_SHORT = 120  # characters of a body that is no answer
_LONG = 400  # characters of a message that is meant to be read
_LOOKED_AT = 8192  # characters of a page; the patterns below are not linear on hostile text

_TITLE = re.compile(r"(?is)<title[^<>]*>(.*?)</title>")
_MARKUP = re.compile(r"(?is)<(script|style)\b.*?</\1>|<!--.*?-->|<[^<>]*>")
_HALF_TAG = re.compile(r"<[^<>]*\Z")
_KEY = re.compile(r"\b(?:sk|gsk|xai|pk|rk|hf|r8|nvapi)[-_][\w*-]{6,}|\bAIza[\w-]{20,}")


def read_error(chunk: Mapping[str, Any]) -> ErrorEvent | None:
    """The error in a chunk's JSON object, or None where it reports none."""
    if chunk.get("error"):
        return reported_error(chunk)
    if chunk.get("choices") or chunk.get("usage"):
        return None
    status = chunk.get("base_resp")
    if isinstance(status, Mapping) and status.get("status_code"):
        return reported_error(status)
    if chunk.get("error_code"):
        return reported_error({"message": chunk.get("text"), **chunk})
    is_error = (
        "error" in (chunk.get("object"), chunk.get("type"))
        or chunk.get("errors")
        or (chunk.get("code") and chunk.get("msg"))
        or any(isinstance(chunk.get(name), str) and chunk[name] for name in ("message", "detail"))
    )
    return reported_error(chunk) if is_error else None


def reported_error(value: Any) -> ErrorEvent:
    """The error that `value` is: its message and its code, as far as it has them."""
    while isinstance(value, list) and value:
        value = value[0]
    code = None
    while isinstance(value, Mapping):
        code = _code(value) or code
        inner = value.get("error") or value.get("errors")
        if isinstance(inner, list) and inner:
            inner = inner[0]
        if not isinstance(inner, Mapping):
            break
        value = inner
    return ErrorEvent(_message(value) or "an error without a message", code)


def foreign_body(text: str) -> ErrorEvent:
    """The error for a body that is neither a stream nor JSON."""
    shown = plain_words(text)
    kind = "a web page" if text[:_LOOKED_AT].lstrip()[:1] == "<" else "text"
    said = f": {shown!r}" if shown else ""
    return ErrorEvent(f"no chat completion but {kind}{said} · {CHECK_BASE_URL}")


def plain_words(text: str) -> str:
    """The title, else the beginning, of a page or a text, in one short line."""
    head = text[:_LOOKED_AT]
    if len(head) < len(text):
        head = _HALF_TAG.sub("", head)
    title = _TITLE.search(head)
    return one_line(_MARKUP.sub(" ", title[1] if title else head), _SHORT)


def _code(value: Mapping[str, Any]) -> str | None:
    for name in _CODE:
        code = value.get(name)
        if code and code != "error" and isinstance(code, str | int):
            return str(code)
    return None


def _message(value: Any) -> str:
    if isinstance(value, Mapping):
        for name in _MESSAGE:
            if value.get(name):
                return _message(value[name])
        return one_line(str(dict(value)), _SHORT) if value else ""
    if isinstance(value, list):
        return one_line("; ".join(_field_error(entry) for entry in value[:_LONG]), _LONG)
    return "" if value is None else one_line(str(value), _LONG)


def _field_error(entry: Any) -> str:
    """FastAPI's `detail` names each wrong field in a list."""
    if not isinstance(entry, Mapping):
        return str(entry)
    place = entry.get("loc")
    where = ".".join(map(str, place)) + ": " if isinstance(place, list) else ""
    return where + _message(entry)


def one_line(text: str, limit: int = _LONG) -> str:
    """`text` without line breaks, control characters and what looks like a key."""
    if len(text) > _LOOKED_AT:
        text = text[:_LOOKED_AT] + "…"  # half a key may stand there, and is known by it
    text = _KEY.sub("…", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
