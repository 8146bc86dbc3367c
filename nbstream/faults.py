"""What went wrong, in one line, with what to type next.

Nothing here knows the SDK or sockets: the client hands over statuses, bodies and causes.
"""

from __future__ import annotations

import difflib
import email.utils
import json
import socket
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from .apierrors import plain_words, reported_error
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
from .proxies import proxy_of

__all__ = ["connection_error", "no_model", "retry_after", "status_error", "unknown_model"]


def _words_and_code(body: str) -> tuple[str, str | None]:
    """What the server itself says: its message in one short line, and its code."""
    try:
        error = reported_error(json.loads(body))
    except ValueError:
        return plain_words(body), None
    return error.message, error.code


def status_error(status: int, body: str, endpoint: Endpoint, model: str) -> APIStatusError:
    """The error for a response with an error status.

    Args:
        status: the HTTP status.
        body: the response's body as text.
        endpoint: who answered; its key is taken out of the body.
        model: the model that was asked for.
    """
    words, code = _words_and_code(endpoint.redact(body))
    said = f": {words}" if words else ""
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
    elif status == 407:
        text = _proxy_wants_login(endpoint)
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
    return cls(endpoint.redact(text), status_code=status, code=code)


def _is_context_overflow(code: str | None, words: str) -> bool:
    signs = ("context length", "context size", "context_length", "maximum context", "too long")
    return code in ("context_length_exceeded", "exceed_context_size_error") or any(
        sign in words.lower() for sign in signs
    )


def connection_error(cause: BaseException, endpoint: Endpoint) -> APIConnectionError:
    """The error for an endpoint that was not reached, with the real cause in words."""
    root = _root(cause)
    text, permanent = _connection_words(root, endpoint)
    error = APIConnectionError(endpoint.redact(text))
    error.permanent = permanent
    if isinstance(root, OSError):  # others may lead to the request, and so to the key
        root.__context__ = root.__cause__ = None
        error.__cause__ = root.with_traceback(None)
    return error


def _connection_words(root: BaseException, endpoint: Endpoint) -> tuple[str, bool]:
    """What happened and what to do, and whether another try would only fail again."""
    host = endpoint.host
    proxy = "" if endpoint.is_on_this_machine else proxy_of(endpoint.base_url)
    asked = f"the proxy {proxy}" if proxy else host
    hint = f"check HTTPS_PROXY and HTTP_PROXY, or add {host} to NO_PROXY" if proxy else ""
    permanent = True
    if type(root).__name__ == "ProxyError":
        if str(root).startswith("407"):
            return _proxy_wants_login(endpoint), True
        text = f"the proxy {proxy} does not let {host} be reached: {root} · {hint}"
    elif isinstance(root, socket.gaierror):
        hint = hint or f"check the base URL {endpoint.base_url}"
        text = f"there is no host {asked!r} (DNS) · {hint}"
    elif isinstance(root, ConnectionRefusedError) or "refused" in str(root).lower():
        hint = hint or "is the server running?"
        text = f"nothing listens at {asked} (connection refused) · {hint}"
    elif isinstance(root, ssl.SSLCertVerificationError):
        hint = "if the CA is your own, set SSL_CERT_FILE to its certificates"
        text = f"the certificate of {host} is not trusted: {root.verify_message} · {hint}"
    elif isinstance(root, ssl.SSLError) or "ssl" in str(root).lower():
        hint = "is it http? Or is the CA your own? Then set SSL_CERT_FILE"
        text = f"no safe connection to {host}: {root} · {hint}"
    elif "timeout" in type(root).__name__.lower() or isinstance(root, TimeoutError):
        hint = hint or "is the address right, is it up?"
        text = f"{asked} did not take the connection in time · {hint}"
    else:
        text = f"the connection to {asked} failed: {root or type(root).__name__} · try again"
        permanent = False
    return text, permanent


def _proxy_wants_login(endpoint: Endpoint) -> str:
    scheme = urlsplit(endpoint.base_url).scheme.upper()
    return (
        f"the proxy {proxy_of(endpoint.base_url)} wants a login (407) · "
        f"set {scheme}_PROXY to http://USER:PASSWORD@HOST:PORT"
    )


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
