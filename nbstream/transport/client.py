"""Opens and closes streams, and maps errors: the only module that knows the SDK.

The SDK gives requests, authentication and exception classes. Its retries are off (ours
are visible), its redirects are off (a key must not follow them), and its parsing of the
stream is not used.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, TypeVar

from ..endpoints import NO_KEY, Endpoint
from ..errors import (
    APIResponseError,
    APITimeoutError,
    ConfigurationError,
    IncompleteError,
    NbstreamError,
    NotFoundError,
)
from ..request import Deadlines, Request
from ..secret import Headers
from .addressing import address_request, drop_openai_variables
from .faults import status_error
from .listing import MAX_PAGES, Model, for_chat, models_in, next_pages, unique
from .proxies import has_login, mounts_for
from .unreachable import cause_of, connection_error
from .unread import unread_bytes

__all__ = ["Body", "Client", "preload", "preloaded"]

_T = TypeVar("_T")

# Many servers close a connection after a stream although they announce to keep it. A request
# that is sent over it meanwhile fails, and may have been carried out.
_OWN_CONNECTION = {"Connection": "close"}

_LISTING_TIME = 20.0  # seconds for the names of the models
_REFUSAL_TIME = 5.0  # seconds for the body of an error, once its status is there
_CLOSING_TIME = 1.0  # seconds for a body to notice that its connection is closed
_REFUSAL_SIZE = 2**16  # bytes of it


_closing: set[asyncio.Task[None]] = set()


_preloaded = threading.Event()


def preload() -> None:
    """Import the SDK, which takes a second or more: not on the thread that reads streams."""
    import openai

    with suppress(Exception):  # a client that asks nothing, for what the first one imports
        http = openai.DefaultAsyncHttpxClient(verify=False, trust_env=False)
        openai.AsyncOpenAI(api_key=NO_KEY, http_client=http).chat.completions  # noqa: B018
    _preloaded.set()


async def preloaded() -> None:
    """Wait until the SDK is there."""
    if not _preloaded.is_set():
        await asyncio.to_thread(preload)


class Body:
    """The body of an answer.

    Attributes:
        pieces: its bytes, as they arrive.
        unread: counts those that have arrived, and that `pieces` has not taken yet.
    """

    def __init__(self, pieces: AsyncIterator[bytes], unread: Callable[[], int]) -> None:
        self.pieces = pieces
        self.unread = unread


class Client:
    """Requests to one endpoint, each over a connection of its own.

    Belongs to the event loop on which it is first used.
    """

    def __init__(self, endpoint: Endpoint, deadlines: Deadlines) -> None:
        self.endpoint = endpoint
        self._users = 0
        self._is_retired = False
        failure = ""
        try:
            self._sdk = _open_sdk(endpoint, deadlines)
        except Exception as error:  # noqa: BLE001  # whatever the environment's proxies cause
            # It may quote half of a password that should have been escaped.
            what = "" if has_login() else str(error)
            failure = endpoint.redact(what) or type(error).__name__
        if failure:
            raise ConfigurationError(
                f"no request can be made: {failure} · check SSL_CERT_FILE, HTTP_PROXY, HTTPS_PROXY "
                "(in a login, / and @ are %2F and %40)"
            )

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Body]:
        """The body of a streamed chat completion.

        Raises:
            APIConnectionError: the endpoint was not reached.
            APIStatusError: it answered with an error status; `retry_after` is set on it
                (seconds, or None).
            IncompleteError: the connection broke inside the body.
        """
        name = "max_completion_tokens" if self.endpoint.is_openai else "max_tokens"
        arguments = request.to_api(to=self.endpoint.origin, max_tokens_name=name)
        create = self._sdk.chat.completions.with_streaming_response.create
        manager = create(**arguments)
        response = await self._mapped(manager.__aenter__(), request)
        pieces = response.iter_bytes()
        try:
            async with aclosing(self._body(pieces)) as body:
                yield Body(body, unread_bytes(response.http_response))
        finally:
            try:
                await manager.__aexit__(None, None, None)
            finally:
                await _run_out(pieces)

    async def _body(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        try:
            async for data in pieces:
                yield data
        except Exception as error:  # noqa: BLE001  # httpx's or httpx2's, by the SDK's version
            cause = self.endpoint.redact(cause_of(error))
        else:
            return
        raise IncompleteError(
            f"the connection to {self.endpoint.host} broke inside the answer ({cause})"
        )

    async def models(self) -> list[Model]:
        """The models that the endpoint lists.

        Raises:
            APIConnectionError, APIStatusError: as for `stream`.
            APIResponseError: what it sends is no list of models.
            APITimeoutError: it takes too long.
        """
        models: list[Model] = []
        try:
            async with asyncio.timeout(_LISTING_TIME):
                listing = await self._page({})
                models = self._listed(listing)
                with suppress(NbstreamError):  # what came is a list all the same
                    await self._add_pages(listing, models)
        except TimeoutError:
            if not models:
                text = f"{self.endpoint.host} did not list its models within {_LISTING_TIME:g} s"
                raise APITimeoutError(f"{text} · name one: -m NAME") from None
        except NotFoundError:
            if not self.endpoint.deployment:
                raise
            models = [Model(self.endpoint.deployment)]  # of which Azure's classic API has no list
        return for_chat(unique(models))

    async def _add_pages(self, listing: Any, models: list[Model]) -> None:
        """Put the models of the further pages into `models`.

        A page without a new name ends it, so that a server that does not know the parameter,
        or goes round in a circle, is asked no further.
        """
        ways = next_pages(listing, self.endpoint.origin)
        for _ in range(MAX_PAGES - 1):
            if not ways:
                return
            listing = await self._page(ways.pop(0))
            more = self._listed(listing)
            if {model.name for model in more} - {model.name for model in models}:
                models += more
                ways = next_pages(listing, self.endpoint.origin)

    async def _page(self, params: Mapping[str, str]) -> Any:
        """What stands at `/models`, or None where that is no JSON."""
        options = {"params": params} if params else {}
        try:
            request = self._sdk.get("/models", cast_to=object, options=options)
            return await self._mapped(request, None)
        except ValueError:
            return None

    def _listed(self, listing: Any) -> list[Model]:
        models = models_in(listing)
        if models is None:
            host = self.endpoint.host
            raise APIResponseError(f"{host} does not list its models · name one: -m NAME")
        return models

    async def _mapped(self, answer: Awaitable[_T], request: Request | None) -> _T:
        """What the SDK answers, its exceptions turned into nbstream's.

        Those are raised when the SDK's are over: one that hung on as the context would lead
        to the request, and so to the key.
        """
        import openai

        failure: NbstreamError
        try:
            return await answer
        except (_Refusal, openai.OpenAIError) as error:
            failure = self._failure(error, request)
        raise failure

    def _failure(self, error: BaseException, request: Request | None) -> NbstreamError:
        # Earlier versions of the SDK wrap whatever is raised.
        refusal = error if isinstance(error, _Refusal) else error.__cause__
        if not isinstance(refusal, _Refusal):
            return connection_error(error, self.endpoint)
        return status_error(refusal.status, refusal.headers, refusal.body, self.endpoint, request)

    def hold(self) -> None:
        """Somebody needs it, until `release`."""
        self._users += 1

    def release(self) -> None:
        """Who held it needs it no more."""
        self._users -= 1
        self._close_if_unused()

    def retire(self) -> None:
        """Close it as soon as nobody needs it."""
        self._is_retired = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._is_retired and not self._users:
            task = asyncio.get_running_loop().create_task(self.close())
            _closing.add(task)  # the loop itself keeps no task alive
            task.add_done_callback(_closing.discard)

    async def close(self) -> None:
        await self._sdk.close()


def _open_sdk(endpoint: Endpoint, deadlines: Deadlines) -> Any:
    import openai

    timeout = openai.Timeout(None, connect=deadlines.connect)
    headers = {**_OWN_CONNECTION, **_plain(endpoint.headers)}
    sdk = openai.AsyncOpenAI(
        api_key=endpoint.key.reveal(),
        base_url=endpoint.base_url,
        default_headers=headers,
        max_retries=0,
        timeout=timeout,
        http_client=openai.DefaultAsyncHttpxClient(
            follow_redirects=False,
            timeout=timeout,
            event_hooks={"request": [_addresser(endpoint)], "response": [_refuse_errors]},
            mounts=mounts_for(endpoint),
        ),
    )
    if not endpoint.is_openai:
        drop_openai_variables(sdk, headers)
    return sdk


def _addresser(endpoint: Endpoint) -> Callable[[Any], Awaitable[None]]:
    async def address(request: Any) -> None:
        address_request(request, endpoint)

    return address


class _Refusal(Exception):  # noqa: N818  # what the endpoint said, on its way through the SDK
    """An error status, and the beginning of its body."""

    def __init__(self, status: int, headers: Mapping[str, str], body: str) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers
        self.body = body


async def _refuse_errors(response: Any) -> None:
    """Raise what has an error status; the SDK would wait for the end of its body first.

    A body that is endless, stalls or breaks off says all that is wanted at its beginning.
    """
    if response.is_success:
        return
    body = bytearray()
    pieces = response.aiter_bytes()
    with suppress(Exception):
        async with asyncio.timeout(_REFUSAL_TIME):
            async for data in pieces:
                body += data
                if len(body) > _REFUSAL_SIZE:
                    break
    await response.aclose()
    await _run_out(pieces)
    text = body[:_REFUSAL_SIZE].decode("utf-8", "replace")
    raise _Refusal(response.status_code, response.headers, text)


async def _run_out(pieces: AsyncIterator[bytes]) -> None:
    """Let what reads a body end, whose response is closed.

    It is a generator that reads another one, and so on down to the socket, and none of them
    closes the next. One that is left in the midst is ended by Python's collector: some time
    later, in any order, and from any thread, where it may be running. Now that the socket is
    closed each of them ends at once, the innermost first.
    """
    with suppress(Exception):
        async with asyncio.timeout(_CLOSING_TIME):
            async for _ in pieces:
                pass


def _plain(headers: Headers) -> dict[str, str]:
    """Headers for the SDK, in which `Authorization` replaces its own, however it is written."""
    names = {"authorization": "Authorization"}
    return {names.get(name.lower(), name): value.reveal() for name, value in headers}
