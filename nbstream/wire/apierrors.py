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

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..events import ErrorEvent

__all__ = [
    "CHECK_BASE_URL",
    "SPENT_CODES",
    "foreign_body",
    "one_line",
    "plain_words",
    "read_error",
    "reported_error",
]

CHECK_BASE_URL = "check the base URL"  # how the error for a foreign body ends

_MESSAGE = ("message", "detail", "msg", "status_msg", "error_msg", "error", "reason")
_CODE = ("code", "type", "status_code", "status", "error_code")
#: OpenAI's, Moonshot's and LiteLLM's codes where another try fails until somebody pays. The
#: words of OpenAI are no sign: Gemini says the same where a minute's waiting helps.
SPENT_CODES = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "exceeded_current_quota_error",
    "insufficient_balance",
    "insufficient_credits",
)
# Codes of busy servers, without what is neither a letter nor a digit: those of OpenAI, Anthropic,
# Gemini, Groq, Bedrock, Moonshot and Mistral among them.
_TOO_MANY = re.compile(r"ratelimit|toomanyrequests|throttl|resourceexhausted|engineoverloaded")
_OVERLOADED = re.compile(r"overload|unavailable|overcapacity|capacityexceeded|serverbusy|slowdown")
_WAITS = ("retry_after", "retryAfter", "retry_after_seconds", "retryDelay", "retry_delay")
_WAITS_MS = ("retry_after_ms", "retryAfterMs")
_DURATION = r"\d{1,9}(?:\.\d{1,12})?\s?[a-z]{1,12}"
_TRY_AGAIN = re.compile(
    r"\b(?:(?:re)?try(?:ing)?\b[^.!?\n]{0,40}?\b(?:in|after)|wait(?: for)?)\W{1,3}"
    r"(?:(?:about|approximately|another|at least) )?"
    rf"((?:{_DURATION}[\s,]{{0,2}}(?:and )?){{1,4}})",
    re.IGNORECASE,
)
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,12})?)\s?([a-z]{0,12})", re.IGNORECASE)
_UNITS = (("ms", 0.001), ("milli", 0.001), ("h", 3600), ("d", 86_400), ("m", 60), ("s", 1))
_DEEPEST = 3  # errors that stand in each other, as those behind several gateways do
_SHORT = 120  # characters of a body that is no answer
_LONG = 400  # characters of a message that is meant to be read
_NAME = 60  # characters of a provider's name, or of a time to wait
_MOST_DETAILS = 20
_LONGEST_WAIT = 1e9  # seconds
_LOOKED_AT = 8192  # characters of a page; the patterns below are not linear on hostile text
_KEPT = 2**16  # characters of what a model wrote, or of what a provider behind a gateway said

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


def reported_error(value: Any, depth: int = 0) -> ErrorEvent:
    """The error that `value` is: its message, its code and the rest, as far as it has them."""
    levels = list(_levels(value))
    code = status = wait = None
    for level in levels:
        code = _code(level) or code
        status = _status(level) or status
        wait = _first_wait(level) if wait is None else wait
    if spent := next((s for level in levels for s in _codes(level) if s in SPENT_CODES), None):
        code, status = spent, None
    inner = levels[-1] if levels else _first(value)
    message = _message(inner) or "an error without a message"
    if wait is None:
        wait = _wait_in_words(_full_message(inner))
    error = ErrorEvent(message, code, status, wait)
    return _with_reason(error, inner, depth) if isinstance(inner, Mapping) else error


def _levels(value: Any) -> Iterator[Mapping[str, Any]]:
    """The error, from what it stands in to what says most of it."""
    while isinstance(value := _first(value), Mapping):
        yield value
        value = value.get("error") or value.get("errors")


def _first(value: Any) -> Any:
    while isinstance(value, list) and value:
        value = value[0]
    return value


def _with_reason(error: ErrorEvent, value: Mapping[str, Any], depth: int) -> ErrorEvent:
    """`error` with what stands beside its message and says more.

    A gateway's message may be the same for every fault: OpenRouter has the provider's own words
    in `error.metadata.raw`. Groq has what the model wrote in `error.failed_generation`.
    """
    written = value.get("failed_generation")
    if written and isinstance(written, str):
        shown = one_line(written[:_LOOKED_AT], _SHORT)
        return replace(error, reason=f"{shown!r}", detail=_kept(written))
    about = value.get("metadata")
    if not isinstance(about, Mapping) or depth == _DEEPEST:
        return error
    raw = about.get("raw")
    if not raw:
        return error
    provider = one_line(_text(about.get("provider_name"))[:_LOOKED_AT], _NAME)
    said = _raw_reason(raw, depth)
    words = f"{said.message}: {said.reason}" if said.reason else said.message
    return replace(
        error,
        reason=one_line(f"{provider}: {words}" if provider else words),
        retry_after=said.retry_after if error.retry_after is None else error.retry_after,
        detail=_kept(raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False)),
    )


def _kept(text: str) -> str:
    return _KEY.sub("…", text[:_KEPT])


def _raw_reason(raw: Any, depth: int) -> ErrorEvent:
    """What a provider said to a gateway: JSON, JSON as a text, or words."""
    if isinstance(raw, str):
        words = raw[:_KEPT]
        try:
            raw = json.loads(words)
        except (ValueError, RecursionError):
            is_page = words.lstrip().startswith("<")
            said = plain_words(words) if is_page else one_line(words[:_LOOKED_AT])
            return ErrorEvent(said, retry_after=_wait_in_words(words))
    return reported_error(raw, depth + 1)


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


def _codes(value: Mapping[str, Any]) -> Iterator[str]:
    for name in _CODE:
        code = value.get(name)
        if code and code != "error" and isinstance(code, str | int):
            yield str(code)


def _code(value: Mapping[str, Any]) -> str | None:
    return next(_codes(value), None)


def _status(value: Mapping[str, Any]) -> int | None:
    """The HTTP status of a busy server that a code stands for, or None."""
    for code in _codes(value):
        if len(code) == 3 and (code == "429" or "500" <= code < "600"):
            return int(code) if code.isascii() and code.isdecimal() else None
        plain = "".join(filter(str.isalnum, code[:_SHORT].lower()))
        if _TOO_MANY.search(plain):
            return 429
        if _OVERLOADED.search(plain):
            return 503
    return None


def _first_wait(value: Mapping[str, Any]) -> float | None:
    """The seconds that fields of an error ask to wait, or None.

    Gemini has them in `details`, as a `google.rpc.RetryInfo`
    (https://cloud.google.com/apis/design/errors#error_details); others beside the message.
    """
    details = value.get("details")
    places = [value, value.get("metadata"), *(details if isinstance(details, list) else ())]
    for place in places[:_MOST_DETAILS]:
        if not isinstance(place, Mapping):
            continue
        for names, unit in ((_WAITS, 1.0), (_WAITS_MS, 0.001)):
            for name in names:
                seconds = _seconds(place.get(name))
                if seconds is not None:
                    return seconds * unit
    return None


def _seconds(value: Any) -> float | None:
    if isinstance(value, Mapping):  # a `google.protobuf.Duration` as an object
        value = value.get("seconds")
    if isinstance(value, str):
        return _duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _LONGEST_WAIT and math.isfinite(value) else None


def _wait_in_words(text: str) -> float | None:
    """The seconds in words such as `Please try again in 1m30.5s` (OpenAI, Groq), or None."""
    found = _TRY_AGAIN.search(text[:_LOOKED_AT])
    return _duration(found[1]) if found else None


def _duration(text: str) -> float | None:
    """`3s`, `20ms`, `1m30.5s`, `2 minutes` or `1.5` in seconds; None where it is none."""
    seconds = None
    for number, unit in _PART.findall(text[:_NAME]):
        name = unit.lower()
        size = next((size for start, size in _UNITS if name.startswith(start)), None)
        if name and size is None:
            break
        seconds = (seconds or 0.0) + float(number) * (size or 1)
    return seconds


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _full_message(value: Any) -> str:
    """The message as it came, of which `_message` shows the beginning."""
    for _ in range(_DEEPEST):
        if not isinstance(value, Mapping):
            break
        value = next((value[name] for name in _MESSAGE if value.get(name)), None)
    return _text(value)


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
