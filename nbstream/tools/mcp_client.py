"""The HTTP client beneath the SDK: every request ends in an answer of the protocol.

A server that refuses, is not reached, or breaks off in the middle becomes an error that
answers the very message that was sent. The SDK alone would tell little of it, end the
session for all calls, or, in its first major version, wait for ever.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from ..endpoints import Endpoint
from ..errors import ConfigurationError
from ..secret import Headers
from ..transport.proxies import has_login, mounts_for
from ..transport.unreachable import connection_error
from ..wire.apierrors import one_line, plain_words, reported_error
from .mcp_connection import CLOSED

__all__ = ["MAX_BODY", "make_client"]

MAX_BODY = 32 * 2**20  # bytes of an answer: a picture of 20 MB in base64, and words

_CONNECT_TIME = 10.0  # seconds
_NOTICE_TIME = 5.0  # seconds for a message that wants no answer
_END_TIME = 1.0  # seconds for the end of a session, which Python's own end waits for
_REFUSAL_TIME = 5.0  # seconds for the body of an error, once its status is there
_REFUSAL_SIZE = 2**16  # bytes of it
_MAX_REDIRECTS = 3
_REFUSED = -32603  # the protocol's code for an internal error
_SESSION = "mcp-session-id"
_BLANK_LINES = (b"\n\n", b"\r\r", b"\n\r\n")  # one ends an event


def make_client(endpoint: Endpoint, variables: str) -> Any:
    """The client for one session with a server. Takes its time: it reads certificates.

    Args:
        endpoint: where the server is, with the headers that every request carries.
        variables: the names of those that the headers are from, for messages.

    Raises:
        ConfigurationError: the environment's proxies or certificates are not as they should.
    """
    http, client_class, _ = _library()
    failure = ""
    try:
        return client_class(
            _Exchange(endpoint, variables),
            headers=_plain(endpoint.headers),
            timeout=http.Timeout(None, connect=_CONNECT_TIME),
            # A call over a connection that its server closes meanwhile fails, and may have
            # been carried out.
            limits=http.Limits(max_keepalive_connections=0),
            mounts=mounts_for(endpoint),
            follow_redirects=False,
        )
    except Exception as error:  # noqa: BLE001  # whatever the environment causes
        failure = "" if has_login() else endpoint.redact(str(error))
        failure = failure or type(error).__name__
    raise ConfigurationError(
        f"no request can be made: {failure} · check SSL_CERT_FILE, HTTP_PROXY, HTTPS_PROXY"
    )


def _plain(headers: Headers) -> dict[str, str]:
    return {name: value.reveal() for name, value in headers}


@functools.cache
def _library() -> tuple[Any, Any, Any]:
    """The HTTP library that the SDK speaks through, a client and a body for it.

    From the SDK's second major version on it is httpx2.
    """
    from mcp.client import streamable_http

    names = vars(streamable_http)
    http: Any = names.get("httpx2") or names["httpx"]

    class Client(http.AsyncClient):  # type: ignore[misc]  # of a library that is found here
        def __init__(self, exchange: _Exchange, **settings: Any) -> None:
            super().__init__(**settings)
            self._exchange = exchange

        async def send(self, request: Any, **_: Any) -> Any:
            send = functools.partial(super().send, stream=True, follow_redirects=False)
            return await self._exchange.answer(request, send)

    class Body(http.AsyncByteStream):  # type: ignore[misc]  # as above
        def __init__(self, pieces: Any, response: Any) -> None:
            self._pieces = pieces
            self._response = response

        def __aiter__(self) -> AsyncIterator[bytes]:
            return aiter(self._pieces)

        async def aclose(self) -> None:
            await self._pieces.aclose()
            await self._response.aclose()

    return http, Client, Body


class _Refusal(Exception):  # noqa: N818  # what goes to the SDK as an answer
    """What a server did instead of an answer, in words.

    Args:
        text: what happened, and what to type next.
        is_over: whether the session has ended by that.
    """

    def __init__(self, text: str, *, is_over: bool = False) -> None:
        super().__init__(text)
        self.code, words = CLOSED if is_over else (_REFUSED, "")
        self.text = f"{words}: {text}" if is_over else text


class _Exchange:
    """Carries messages to a server, and makes of what comes back an answer to each."""

    def __init__(self, endpoint: Endpoint, variables: str) -> None:
        self._endpoint = endpoint
        self._variables = variables
        self._http, _, self._body = _library()

    async def answer(self, request: Any, send: Callable[[Any], Any]) -> Any:
        """The response to a request; it is never an error of HTTP."""
        number = _number(request)
        if request.method == "DELETE":  # the session's end
            return await self._notified(request, send, _END_TIME)
        if request.method == "POST" and number is None:
            return await self._notified(request, send, _NOTICE_TIME)
        is_rest = request.method == "GET"  # of an answer that broke off
        if is_rest and "last-event-id" not in request.headers:
            # What a server says unasked is not needed: the tools are listed with every turn.
            return self._http.Response(405, request=request)
        try:
            return await self._checked(await self._followed(request, send), number)
        except _Refusal as error:
            refusal = error
        except Exception as error:  # noqa: BLE001  # every library's own
            refusal = self._broken(error)
        return self._refused(request, number, refusal)

    async def _notified(self, request: Any, send: Callable[[Any], Any], seconds: float) -> Any:
        """Send what wants no answer. Where it fails, the next question tells."""
        with suppress(Exception):
            async with asyncio.timeout(seconds):
                response = await self._followed(request, send)
                await response.aclose()
        return self._http.Response(204 if request.method == "DELETE" else 202, request=request)

    async def _followed(self, request: Any, send: Callable[[Any], Any]) -> Any:
        """The response, also where the server adds a slash; no header goes to another host."""
        for _ in range(_MAX_REDIRECTS):
            response = await send(request)
            following = response.next_request
            if following is None:
                return response
            await response.aclose()
            place = following.url.copy_with(userinfo=b"", query=None, fragment=None)
            is_same = following.method == request.method and not following.url.userinfo
            if not is_same or _origin(following.url) != _origin(request.url):
                to = one_line(self._endpoint.redact(str(place)))
                raise _Refusal(
                    f"{self._endpoint.host} redirects to {to} ({response.status_code}) · "
                    "if that is the server, take its address"
                )
            request = following
        raise _Refusal(f"{self._endpoint.host} redirects without end · check the address")

    async def _checked(self, response: Any, number: Any) -> Any:
        """The response as the SDK can read it: bounded, and ended by an answer.

        Raises:
            _Refusal: it is none.
        """
        if not response.is_success:
            raise await self._refusal(response)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        headers = {
            name: response.headers[name]
            for name in ("content-type", _SESSION)
            if name in response.headers
        }
        make = functools.partial(
            self._http.Response, 200, headers=headers, request=response.request
        )
        if kind == "text/event-stream":
            pieces = self._events(response, number)
            return make(stream=self._body(pieces, response))
        body = await _beginning(response, MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise self._too_long()
        if kind != "application/json" or not await asyncio.to_thread(_is_message, body):
            what = "a web page" if kind == "text/html" else kind or "nothing"
            what = "other JSON" if kind == "application/json" else what
            raise _Refusal(
                f"{self._endpoint.host} answers with {what}, not as an MCP server · "
                f"check the address {self._endpoint.base_url}: it often ends in /mcp"
            )
        return make(content=body)

    async def _events(self, response: Any, number: Any) -> AsyncIterator[bytes]:
        """The whole events of a stream, and an error where it ends.

        The SDK reads no further than to the answer. What it has an id of, it asks for again.
        """
        pending, size, has_id = bytearray(), 0, False
        refusal = _Refusal(
            f"{self._endpoint.host} ended its answer before the result · try again", is_over=True
        )
        try:
            async for data in response.aiter_bytes():
                size += len(data)
                if size > MAX_BODY:
                    has_id, refusal = False, self._too_long()
                    break
                looked_at = max(0, len(pending) - 2)
                pending += data
                if end := _last_event(pending, looked_at):
                    whole = bytes(pending[:end])
                    del pending[:end]
                    has_id = has_id or _has_id(whole)
                    yield whole
        except Exception as error:  # noqa: BLE001  # every library's own
            refusal = self._broken(error)
        if not has_id:
            yield _event(_message(number, refusal))

    async def _refusal(self, response: Any) -> _Refusal:
        """What a status says, with the server's own words."""
        status, host = response.status_code, self._endpoint.host
        if status == 404 and _SESSION in response.request.headers:
            await response.aclose()
            return _Refusal(f"{host} has ended the session (404) · try again", is_over=True)
        body = b""
        with suppress(Exception):
            async with asyncio.timeout(_REFUSAL_TIME):
                body = await _beginning(response, _REFUSAL_SIZE)
        words = self._endpoint.redact(_words(body.decode("utf-8", "replace")))
        said = f": {one_line(words)}" if words else ""
        what, hint = self._by_status(status)
        return _Refusal(f"{host} {what} ({status}){said} · {hint}")

    def _by_status(self, status: int) -> tuple[str, str]:
        """What a server did, and what to do."""
        address = f"check the address {self._endpoint.base_url}"
        if status in (401, 403):
            if self._variables:
                return "refused access", f"check what {self._variables} holds"
            return "wants a key", (
                "name the variable that holds it: headers={'Authorization': 'NAME'}, or after "
                "mcp:ADDRESS --header-env Authorization NAME"
            )
        if status in (404, 405, 410):
            return "has no MCP server there", f"{address}: it often ends in /mcp"
        if status == 429:
            return "has had too many requests", "wait, and try again"
        if status >= 500:
            return "failed", "try again"
        known = status in {each.value for each in HTTPStatus}
        return f"answered {HTTPStatus(status).phrase}" if known else "answered", address

    def _broken(self, error: Exception) -> _Refusal:
        """What an exception of the library says of the connection."""
        text = str(connection_error(error, self._endpoint))
        return _Refusal(text.replace("the base URL", "the address"), is_over=True)

    def _too_long(self) -> _Refusal:
        size = MAX_BODY // 2**20
        return _Refusal(f"{self._endpoint.host} answers with more than {size} MB · ask for less")

    def _refused(self, request: Any, number: Any, refusal: _Refusal) -> Any:
        """A refusal as the server's answer."""
        message = _message(number, refusal)
        if request.method == "GET":
            kind, body = "text/event-stream", _event(message)
        else:
            kind, body = "application/json", json.dumps(message).encode()
        headers = {"content-type": kind}
        return self._http.Response(200, headers=headers, content=body, request=request)


def _number(request: Any) -> Any:
    """The id of the message, where it wants an answer. The SDK knows whose a rest is."""
    if request.method != "POST":
        return 0
    message = json.loads(request.content)
    return message.get("id") if "method" in message else None


def _message(number: Any, refusal: _Refusal) -> Mapping[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": number,
        "error": {"code": refusal.code, "message": refusal.text},
    }


def _event(message: Mapping[str, Any]) -> bytes:
    return b"event: message\ndata: %b\n\n" % json.dumps(message).encode()


def _last_event(data: bytearray, start: int) -> int:
    """Where the last whole event ends that ends behind `start`, or 0."""
    found = [(data.rfind(line, start), len(line)) for line in _BLANK_LINES]
    return max(place + length if place >= 0 else 0 for place, length in found)


def _has_id(events: bytes) -> bool:
    return any(line.startswith(b"id:") and line[3:].strip() for line in events.splitlines())


def _is_message(body: bytes) -> bool:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "jsonrpc" in value


async def _beginning(response: Any, size: int) -> bytes:
    """The first bytes of a body; the rest is not waited for."""
    body = bytearray()
    try:
        async for data in response.aiter_bytes():
            body += data
            if len(body) >= size:
                break
    finally:
        await response.aclose()
    return bytes(body[:size])


def _words(body: str) -> str:
    """What the body of an error says."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return plain_words(body)
    return reported_error(value).message if value else ""


def _origin(url: Any) -> tuple[Any, ...]:
    return url.scheme, url.host, url.port
