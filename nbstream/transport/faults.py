"""What an endpoint refused, in one line, with what to type next.

Nothing here knows the SDK or sockets: the client hands over statuses, headers and bodies.
"""

from __future__ import annotations

import difflib
import email.utils
import json
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import urlsplit

from ..endpoints import NO_KEY, Endpoint
from ..errors import (
    APIResponseError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from ..events import ErrorEvent
from ..messages import Message
from ..request import Request
from ..wire.apierrors import CHECK_BASE_URL, SPENT_CODES, plain_words, reported_error
from .complaints import complaint_of, refuses_streaming
from .unreachable import proxy_wants_login

__all__ = [
    "HOW_TO_RESET",
    "heading",
    "is_quota_spent",
    "names_unknown_model",
    "no_model",
    "response_error",
    "retry_after",
    "status_error",
    "unknown_model",
]

#: What an error says to type where the conversation is too long; its session may know better.
HOW_TO_RESET = "%chat reset, or --no-history"

_CLASSES: dict[int, type[APIStatusError]] = {
    **dict.fromkeys((400, 413, 422), BadRequestError),
    **dict.fromkeys((401, 403), AuthenticationError),
    404: NotFoundError,
    429: RateLimitError,
}
_WHAT = {
    **dict.fromkeys((400, 413, 422), "does not accept the request"),
    **dict.fromkeys((401, 403), "refused the key"),
    404: "has no such model or path",
    405: "takes no chat completions there",
}
_KNOWN_STATUSES = frozenset(HTTPStatus)

_SPENT = re.compile(
    r"insufficient[ _](balance|credit|funds|quota)|credit balance is too low|out of credits",
    re.IGNORECASE,
)
# Between the word and what is said of it stands at most the model's name.
_UNKNOWN_MODEL = re.compile(
    r"\bmodels?\b\W{0,3}(?:(?:name|id|named|with id)\b\W{0,3})?(?:[\w./:@+-]{1,120}\W{0,3})?"
    r"(?:(?:is|was|could|does|do|can)\b ?)?"
    r"(?:not (?:be )?(?:found|exist|available|a valid|supported(?! (?:with|for|in|by|when)\b))"
    r"|(?:not )?exist|unknown|invalid)"
    r"|\b(?:unknown|invalid|no such|not a valid|not find(?: the)?) model\b",
    re.IGNORECASE,
)
# What servers say to any address that they do not know.
_NOT_FOUND = re.compile(
    r"(?:error\W+)?(?:404\W*)?(?:page |resource |url )?(?:not found|no)?\W*", re.IGNORECASE
)
# The words of llama.cpp, OpenAI, vLLM and OpenRouter.
_NO_PICTURES = re.compile(
    r"mmproj|(image|vision)\w*( inputs?| content)?\b.{0,30}\b(not|only) supported"
    r"|\bsupports? (image|vision)|not a multimodal model",
    re.IGNORECASE,
)
_LESS = {
    "picture": "send a smaller picture, or fewer",
    "rate": "wait a minute, or ask for less at once: a shorter prompt, --max-tokens N",
}
_OF_MESSAGES = re.compile(
    r"\bmessages?\b|\broles?\b|tool_(call|use|result)|\b(assistant|conversation|history|turns?)\b"
    r"|alternat|thinking|reasoning|signature|call_id|\binput\[",
    re.IGNORECASE,
)
_CHANGE = "change that, and ask again"
# Groq's codes for what the model wrote and could not be read.
_BADLY_WRITTEN = ("tool_use_failed", "json_validate_failed")
_AGAIN = "ask again; `error.detail` of the answer is all that the model wrote"
_VERSION = re.compile(r"/v\d+\w*(/|$)")  # Gemini's address ends in /v1beta/openai
_METHOD = "/chat/completions"


def status_error(
    status: int,
    headers: Mapping[str, str],
    body: str,
    endpoint: Endpoint,
    request: Request | None = None,
) -> APIStatusError:
    """The error for a response with an error status.

    Args:
        status: the HTTP status.
        headers: of the response.
        body: the response's body as text.
        endpoint: who answered; its key is taken out of the body.
        request: what was asked, if it was a chat completion.
    """
    said = _said(endpoint.redact(body))
    if status == 429:
        # Wherever it stands: gateways put it into `type` or `status`, or quote it.
        said = replace(said, code=next((s for s in SPENT_CODES if s in body), said.code))
    error = _refusal(status, said, endpoint, request, headers)
    error.should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", ""))
    words = error.server_message
    if _refuses_pictures(words, request) or _refuses_stream(words, request):
        error.should_retry = False  # llama.cpp says it with a 500
    return error


def _refusal(
    status: int,
    event: ErrorEvent,
    endpoint: Endpoint,
    request: Request | None,
    headers: Mapping[str, str],
) -> APIStatusError:
    """The error for a status, that of the response or one that a stream reports."""
    words, code = _words(event), event.code
    wait = retry_after(headers)
    wait = event.retry_after if wait is None else wait
    if status == 407:
        text = proxy_wants_login(endpoint)
    else:
        text = _happened(status, code, words, endpoint)
        if hint := (
            _hint_of_words(status, code, words, request)
            or _hint_of_status(status, endpoint, request)
            or (_AGAIN if code in _BADLY_WRITTEN else "")
            or (_hint_of_request(words, request) if words and status in (400, 422) else "")
            or _hint_of_headers(status, headers, wait)
        ):
            text += f" · {hint}"
    cls = _CLASSES.get(status, ServerError if status >= 500 else APIStatusError)
    error = cls(endpoint.redact(text), status_code=status, code=code)
    error.retry_after, error.server_message, error.detail = wait, words, event.detail
    return error


def _happened(status: int, code: str | None, words: str, endpoint: Endpoint) -> str:
    said = f": {words}" if words else ""
    if _is_spent(status, code, words):
        return f"{endpoint.host} says that the quota is spent ({status}){said}"
    if what := heading(status):
        return f"{what}: {endpoint.host}{said}"
    return f"{endpoint.host} {_what(status, endpoint)} ({status}){said}"


def heading(status: int) -> str:
    """`Rate limit (429)`, `Server error (503)`; "" where the host's name begins the line."""
    if status == 429:
        return "Rate limit (429)"
    return f"Server error ({status})" if status >= 500 else ""


def _what(status: int, endpoint: Endpoint) -> str:
    """What the host did, by the status alone."""
    if status == 401 and not _sends_login(endpoint):
        return "wants a key"
    if status in _WHAT:
        return _WHAT[status]
    if 300 <= status < 400:
        return "redirects elsewhere"
    return f"answered {HTTPStatus(status).phrase}" if status in _KNOWN_STATUSES else "answered"


def _hint_of_words(status: int, code: str | None, words: str, request: Request | None) -> str:
    """What the server's words call for; `status` is 0 for those of a stream."""
    if _refuses_pictures(words, request):
        return _without_pictures(request)
    if _refuses_stream(words, request):
        return "--no-stream asks for the answer in one piece (of a Chat: stream=False)"
    if _is_spent(status, code, words):
        return "check the plan and billing"
    if status not in (0, 400, 413, 422):
        return ""
    complaint = complaint_of(code, words)
    if complaint is None and status == 413:
        is_picture = request is not None and _has_picture(request.messages[-1])
        complaint = "picture" if is_picture else "context"
    return _shorten(request) if complaint == "context" else _LESS.get(complaint or "", "")


def _hint_of_request(words: str, request: Request | None) -> str:
    """What to do about a request that is refused for what may also stand in an earlier turn."""
    has_history = request is not None and any(m.role == "assistant" for m in request.messages)
    is_said = has_history and _OF_MESSAGES.search(words)
    earlier = f"; if an earlier turn is meant: {HOW_TO_RESET}" if is_said else ""
    return f"{_CHANGE}{earlier}"


def _hint_of_status(status: int, endpoint: Endpoint, request: Request | None) -> str:
    if status in (401, 403):
        return _key_hint(endpoint)
    if status in (404, 405, 410):
        model = ""
        if status == 404 and request is not None:
            model = f"the model {request.model!r} (%chat models) and "
        return _path_hint(endpoint) or f"check {model}the base URL {endpoint.address}"
    return ""


def _hint_of_headers(status: int, headers: Mapping[str, str], wait: float | None) -> str:
    if 300 <= status < 400:
        return f"no key follows there: set the base URL to the final address{_target(headers)}"
    if status in (408, 409, 429) or status >= 500:
        return f"try again in {math.ceil(wait)} s" if wait and 1 < wait < 1e6 else "try again"
    return ""


def _key_hint(endpoint: Endpoint) -> str:
    if endpoint.key.reveal() != NO_KEY:
        return f"check {endpoint.key_name}"
    if _sends_login(endpoint):
        return "check the Authorization header, or the login in the base URL"
    return f"type a key into %chat key, or set {endpoint.key_name}"


def _sends_login(endpoint: Endpoint) -> bool:
    names = [name.lower() for name, _ in endpoint.headers]
    return endpoint.key.reveal() != NO_KEY or not {"authorization", "api-key"}.isdisjoint(names)


def response_error(
    event: ErrorEvent, endpoint: Endpoint, request: Request, *, hint: str, is_first: bool
) -> APIResponseError | APIStatusError:
    """The error for a body that reports one, or is no chat completion.

    That a server is busy is an `APIStatusError`, as if it had said so by its status, where
    nothing came before it: another try may help.

    Args:
        event: what it reports.
        endpoint: who answered.
        request: what was asked.
        hint: what to do where the report does not tell.
        is_first: whether nothing of the answer came before it.
    """
    if is_first and event.status is not None:
        return _refusal(event.status, event, endpoint, request, {})
    words = _words(event)
    text = f"{endpoint.host}: {words}"
    if better := _hint_of_words(0, event.code, words, request):
        text += f" · {better}"
    elif text.endswith(CHECK_BASE_URL):
        better = _path_hint(endpoint) or f"{CHECK_BASE_URL} {endpoint.address}"
        text = text.removesuffix(CHECK_BASE_URL) + better
    else:
        text += f" · {hint}"
    error = APIResponseError(text, code=event.code)
    error.detail = event.detail
    return error


def is_quota_spent(error: APIStatusError) -> bool:
    """Whether another try fails until somebody pays."""
    return _is_spent(error.status_code, error.code, str(error))


def _said(body: str) -> ErrorEvent:
    """What the server itself says."""
    try:
        value = json.loads(body)
        error = reported_error(value)
    except (ValueError, RecursionError):
        return replace(reported_error(body), message=plain_words(body))
    inner = value.get("error") if isinstance(value, dict) else None
    kind = inner.get("type") if isinstance(inner, dict) else None
    if isinstance(kind, str) and (error.code or "").isdigit():
        return replace(error, code=kind)  # LiteLLM's `code` is the status, its `type` the reason
    return error


def _words(event: ErrorEvent) -> str:
    """What the server says, with the provider's own reason where it is a gateway."""
    return f"{event.message}: {event.reason}" if event.reason else event.message


def _is_spent(status: int, code: str | None, words: str) -> bool:
    return status == 402 or code in SPENT_CODES or _SPENT.search(words) is not None


def _refuses_pictures(words: str, request: Request | None) -> bool:
    is_said = _NO_PICTURES.search(words) is not None
    return is_said and request is not None and any(map(_has_picture, request.messages))


def _refuses_stream(words: str, request: Request | None) -> bool:
    return request is not None and request.options.stream and refuses_streaming(words)


def _has_picture(message: Message) -> bool:
    parts = message.content if isinstance(message.content, tuple) else ()
    return any(part.get("type") == "image_url" for part in parts)


def _without_pictures(request: Request | None) -> str:
    if request is not None and _has_picture(request.messages[-1]):
        return "name a model that takes pictures: -m MODEL"
    return "an earlier question has a picture: --no-history, or another --session"


def _shorten(request: Request | None) -> str:
    """What to do about a conversation that is too long, and how long it is."""
    size, results = "", 0
    if request is not None:
        count = len(request.messages)
        written = json.dumps([m.to_api() for m in request.messages], ensure_ascii=False)
        messages = "1 message" if count == 1 else f"{count} messages"
        size = f" ({messages}, {len(written):,} characters)"
        results = sum(len(str(m.content)) for m in request.messages if m.role == "tool")
    what = f"the conversation is too long for the model{size}"
    if size and results > len(written) / 2:
        return f"{what}, most of it results of tools: let them return less"
    return f"{what}: {HOW_TO_RESET}"


def _path_hint(endpoint: Endpoint) -> str:
    """What the base URL looks as if it should be, or ""."""
    url, query = endpoint.base_url, endpoint.query.shown
    before, found, _ = url.partition(_METHOD)
    if found:
        return f"should the base URL be {before}{query}?"
    if endpoint.wants_api_key_header or _VERSION.search(urlsplit(url).path):
        return ""
    return f"should the base URL be {url}/v1{query}?"


def _target(headers: Mapping[str, str]) -> str:
    """Where a redirect leads, as a base URL, if that can be said in short."""
    parts = urlsplit(plain_words(headers.get("location", "")))
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return ""
    return f", if you trust it: {parts.scheme}://{parts.netloc}{parts.path.removesuffix(_METHOD)}"


def no_model(offered: Sequence[str], endpoint: Endpoint) -> ConfigurationError:
    """No model was named, and the endpoint does not have exactly one."""
    name, listed = "NAME", ""
    if offered:
        name, listed = offered[0], f"; available: {_some(offered)}"
    return ConfigurationError(
        f"No model chosen for {endpoint.host}{listed} · type: %config ChatMagics.model = {name!r}, "
        "or -m NAME in a cell"
    )


def names_unknown_model(error: APIStatusError) -> bool:
    """Whether the model's name may be what the endpoint refuses; not all say 404.

    A 404 may say much else: OpenRouter's, that no provider of the model takes tools.
    """
    if not isinstance(error, NotFoundError | BadRequestError):
        return error.code == "model_not_found"
    is_bare = isinstance(error, NotFoundError) and _NOT_FOUND.fullmatch(error.server_message)
    is_said = error.code == "model_not_found" or _UNKNOWN_MODEL.search(error.server_message)
    return bool(is_bare or is_said)


def unknown_model(error: APIStatusError, model: str, offered: Iterable[str]) -> APIStatusError:
    """`error` with the nearest names that the endpoint offers."""
    offered = list(offered)
    near = difflib.get_close_matches(model, offered, n=3, cutoff=0.4) or offered
    if not near or model in offered:
        return error
    text = f"there is no model {model!r} here; the nearest: {_some(near)} · see %chat models"
    return type(error)(text, status_code=error.status_code, code=error.code)


def _some(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` (RFC 9110, 10.2.3: seconds or a date) asks for, or None."""
    milliseconds = headers.get("retry-after-ms", "")
    value = headers.get("retry-after", "")
    try:
        seconds = float(milliseconds) / 1000 if milliseconds else float(value)
    except ValueError:
        seconds = _seconds_until(value)
    return None if math.isnan(seconds) else max(0.0, seconds)


def _seconds_until(date: str) -> float:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return math.nan
