"""Every exception that nbstream raises.

::

    NbstreamError                 one line in a notebook, the cause attached
    ├── UsageError                what was typed: options, names, an empty prompt
    ├── ConfigurationError        no key, no model, a missing extra
    ├── LocalModelError           the embedded model: fetching, reading, running it
    ├── APIConnectionError        the endpoint was not reached
    ├── APITimeoutError           a deadline passed: first token, idle or total
    ├── APIStatusError            the endpoint answered with an error status
    │   ├── BadRequestError       400, 413, 422
    │   ├── AuthenticationError   401, 403
    │   ├── NotFoundError         404
    │   ├── RateLimitError        429
    │   └── ServerError           5xx
    ├── SchemaError               the answer does not fit the schema that was asked for
    ├── APIResponseError          the body is no chat completion, or says `error`
    └── IncompleteError           the stream ended before the answer did

    Interrupted                   a KeyboardInterrupt that stopped an answer

The names of the API errors are the OpenAI SDK's where it has the same thing.
"""

from __future__ import annotations

from collections.abc import Callable as _Callable
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any

from .record_fields import Fields as _Fields

if _TYPE_CHECKING:
    from .response import Response as _Response

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "Failure",
    "IncompleteError",
    "Interrupted",
    "LocalModelError",
    "NbstreamError",
    "NotFoundError",
    "RateLimitError",
    "SchemaError",
    "ServerError",
    "UsageError",
    "causes",
    "error_from_dict",
    "error_to_dict",
    "named_causes",
]


_MAX_NAMED = 3  # of errors that came together


def causes(error: BaseException) -> list[BaseException]:
    """The errors that an exception group holds, at any depth; any other one is its own cause."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [cause for each in error.exceptions for cause in causes(each)]


def named_causes(error: BaseException, say: _Callable[[BaseException], str] = str) -> str:
    """`ValueError: no such city`; of several errors that came together, the first ones.

    Args:
        error: any error, or a group of them.
        say: gives the message of one.
    """
    found = causes(error)[:_MAX_NAMED]
    return "; ".join(f"{type(each).__name__}: {say(each)}".removesuffix(": ") for each in found)


class _OneLine:
    """IPython shows such an exception as one line instead of a traceback.

    Attributes:
        response: what came before it, as a `Response`, where there is one.
    """

    response: _Response | None = None

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {' '.join(str(self).split())}"]


class NbstreamError(_OneLine, Exception):
    """Base class. The message says what happened and what to do next, in one line."""


class UsageError(NbstreamError):
    """What was typed cannot be run; nothing was sent."""


class ConfigurationError(NbstreamError):
    """Something has to be set before a request can be sent."""


class LocalModelError(NbstreamError):
    """The embedded model could not be fetched, read or run."""


class APIConnectionError(NbstreamError):
    """The endpoint was not reached, or the connection broke before any answer.

    Attributes:
        permanent: whether another try would only fail again.
    """

    permanent: bool = False


class APITimeoutError(NbstreamError):
    """One of nbstream's own deadlines passed."""


class APIStatusError(NbstreamError):
    """The endpoint answered with an error status.

    Attributes:
        status_code: the HTTP status.
        code: the `error.code` or `error.type` of the body, or None.
        server_message: what the server itself said, in one line, or "".
        detail: what else the body says at length, or None: what the model wrote where that
            could not be read (Groq), or what the provider behind a gateway said (OpenRouter).
        retry_after: seconds that the server asks to wait, or None.
        should_retry: whether the server itself says that another try may help, or None.
    """

    detail: str | None = None
    server_message: str = ""
    retry_after: float | None = None
    should_retry: bool | None = None

    def __init__(self, message: str, *, status_code: int = 0, code: str | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.code = code


class BadRequestError(APIStatusError):
    """400, 413 or 422: the server does not accept the request as it is."""


class AuthenticationError(APIStatusError):
    """401 or 403: no key, a wrong key, or a key without the right."""


class NotFoundError(APIStatusError):
    """404: the model, or the path of the base URL, does not exist."""


class RateLimitError(APIStatusError):
    """429: too many requests, or a spent quota."""


class ServerError(APIStatusError):
    """5xx: the server failed."""


class APIResponseError(NbstreamError):
    """The body is not a chat completion, or it reports an error inside the stream.

    Attributes:
        code: the `error.code` or `error.type` that the stream carried, or None.
        detail: as an `APIStatusError` has it.
    """

    detail: str | None = None

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class SchemaError(NbstreamError):
    """The answer is whole, and is not what `--schema` asked for."""


class IncompleteError(NbstreamError):
    """The stream ended without `finish_reason` or `[DONE]`: the answer is a part."""


class Interrupted(_OneLine, KeyboardInterrupt):
    """The reader stopped the answer; what came is kept.

    Attributes:
        is_shown: whether the answer says so where the reader sees it.
    """

    is_shown: bool = False


#: What an answer that is not complete holds.
Failure = NbstreamError | Interrupted

_BY_NAME: dict[str, type[Failure]] = {
    name: cls
    for name, cls in globals().items()
    if isinstance(cls, type) and issubclass(cls, (NbstreamError, Interrupted))
}


_KEPT = ("status_code", "code", "detail")


def error_to_dict(error: BaseException) -> dict[str, object]:
    """An error as JSON data: `type`, `message`, and of `_KEPT` what there is."""
    data: dict[str, object] = {"type": type(error).__name__, "message": str(error)}
    for name in _KEPT:
        value = getattr(error, name, None)
        if value is not None:
            data[name] = value
    return data


def error_from_dict(data: Any) -> Failure:
    """The error that `error_to_dict` wrote; an unknown type comes back as `NbstreamError`.

    Raises:
        ValueError: it is none.
    """
    record = _Fields.of(data)
    cls = _BY_NAME.get(record.text("type", ""), NbstreamError)
    error = cls(record.text("message", ""))
    kept = {
        "status_code": record.count("status_code"),
        "code": record.word_or_number("code"),
        "detail": record.text_or_none("detail"),
    }
    for name, value in kept.items():
        if value is not None and hasattr(error, name):
            setattr(error, name, value)
    return error
