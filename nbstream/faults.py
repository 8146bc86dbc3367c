"""What went wrong, in one line, with what to type next.

Nothing here knows the SDK or sockets: the client hands over statuses, bodies and causes.
"""

from __future__ import annotations

import difflib
import json
import re
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .endpoints import Endpoint
from .errors import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    NotFoundError,
    RateLimitError,
    ServerError,
)

__all__ = ["connection_error", "excerpt", "no_model", "status_error", "unknown_model"]

_EXCERPT = 200  # characters of a server's own words


def excerpt(body: str, limit: int = _EXCERPT) -> str:
    """The server's own words in one short line: an error message, else plain text."""
    text = _message_of(body) or re.sub(r"(?is)<(script|style)\b.*?</\1>|<[^>]*>", " ", body)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _message_of(body: str) -> str:
    try:
        data: Any = json.loads(body)
    except ValueError:
        return ""
    if isinstance(data, list) and data:
        data = data[0]  # Gemini's compatibility layer wraps its errors in a list
    if isinstance(data, dict):
        error = data.get("error", data)
        if isinstance(error, str):
            return error
        if isinstance(error, dict):
            for name in ("message", "detail", "msg"):
                if error.get(name):
                    return _words(error[name])
    return ""


def _words(value: Any) -> str:
    """FastAPI's 422 names the fields in a list; anything else is its own text."""
    if isinstance(value, list):
        return "; ".join(
            f"{'.'.join(map(str, entry.get('loc', ())))}: {entry.get('msg', entry)}"
            if isinstance(entry, dict)
            else str(entry)
            for entry in value
        )
    return str(value)


def _code_of(body: str) -> str | None:
    try:
        error = json.loads(body)["error"]
        code = error.get("code") or error.get("type")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return None if code is None else str(code)


def status_error(status: int, body: str, endpoint: Endpoint, model: str) -> APIStatusError:
    """The error for a response with an error status.

    Args:
        status: the HTTP status.
        body: the response's body as text.
        endpoint: who answered; its key is taken out of the body.
        model: the model that was asked for.
    """
    body = endpoint.key.redact(body)
    words = excerpt(body)
    said = f": {words}" if words else ""
    code = _code_of(body)
    host = endpoint.host
    cls: type[APIStatusError] = APIStatusError
    if status in (401, 403):
        cls = AuthenticationError
        text = f"{host} refused the key ({status}){said} · check {endpoint.key_name}"
    elif status == 404:
        cls = NotFoundError
        text = f"{host} has no such model or path (404){said} · model {model!r}; see %chat models"
        if not endpoint.base_url.endswith("/v1"):
            text += f", and whether {endpoint.base_url} should end in /v1"
    elif status in (400, 413, 422):
        cls = BadRequestError
        text = f"{host} does not accept the request ({status}){said}"
        if _is_context_overflow(code, words):
            text += " · the conversation is too long for the model: %chat reset, or --no-history"
    elif status == 429:
        cls = RateLimitError
        hint = "check the plan and billing" if code == "insufficient_quota" else "try again later"
        text = f"{host} has had too many requests (429){said} · {hint}"
    elif status >= 500:
        cls = ServerError
        text = f"{host} failed ({status}){said} · try again"
    elif 300 <= status < 400:
        text = (
            f"{host} redirects elsewhere ({status}), which is not followed with a key · "
            "set --base-url to the final address"
        )
    else:
        text = f"{host} answered {status}{said}"
    return cls(text, status_code=status, code=code)


def _is_context_overflow(code: str | None, words: str) -> bool:
    signs = ("context length", "context size", "context_length", "maximum context", "too long")
    return code in ("context_length_exceeded", "exceed_context_size_error") or any(
        sign in words.lower() for sign in signs
    )


def connection_error(cause: BaseException, endpoint: Endpoint) -> APIConnectionError:
    """The error for an endpoint that was not reached, with the real cause in words."""
    root = _root(cause)
    host = endpoint.host
    permanent = True
    if isinstance(root, socket.gaierror):
        text = f"there is no host {host!r} (DNS) · check the base URL {endpoint.base_url}"
    elif isinstance(root, ConnectionRefusedError) or "refused" in str(root).lower():
        text = f"nothing listens at {host} (connection refused) · is the server running?"
    elif isinstance(root, ssl.SSLError) or "ssl" in str(root).lower():
        hint = "is it http? Or is the CA your own? Then set SSL_CERT_FILE"
        text = f"no safe connection to {host}: {root} · {hint}"
    elif "timeout" in type(root).__name__.lower() or isinstance(root, TimeoutError):
        text = f"{host} did not take the connection in time · is the address right, is it up?"
    else:
        text = f"the connection to {host} failed: {root or type(root).__name__} · try again"
        permanent = False
    error = APIConnectionError(endpoint.key.redact(text))
    error.permanent = permanent
    return error


def _root(error: BaseException) -> BaseException:
    """The innermost cause that says something."""
    seen = {id(error)}
    while True:
        inner = error.__cause__ or error.__context__
        if isinstance(error, BaseExceptionGroup) and error.exceptions:
            inner = error.exceptions[0]
        if inner is None or id(inner) in seen:
            return error
        seen.add(id(inner))
        error = inner


def no_model(offered: Sequence[str], endpoint: Endpoint) -> ConfigurationError:
    """No model was named, and the endpoint does not have exactly one."""
    names = _some(offered)
    listed = f"; it offers {names}" if names else ""
    return ConfigurationError(
        f"which model of {endpoint.host}? Pass -m NAME or set %config ChatMagics.model{listed}"
    )


def unknown_model(error: NotFoundError, model: str, offered: Iterable[str]) -> NotFoundError:
    """`error` with the nearest names that the endpoint offers."""
    offered = list(offered)
    near = difflib.get_close_matches(model, offered, n=3, cutoff=0.4) or offered
    if not near or model in offered:
        return error
    text = f"there is no model {model!r} here; the nearest: {_some(near)} · see %chat models"
    return NotFoundError(text, status_code=error.status_code, code=error.code)


def _some(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` (RFC 9110, 10.2.3: seconds or a date) asks for, or None."""
    import email.utils
    import time

    milliseconds = headers.get("retry-after-ms", "")
    value = headers.get("retry-after", "")
    try:
        if milliseconds:
            return float(milliseconds) / 1000
        return float(value)
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
