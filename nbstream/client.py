"""Opens and closes streams, and maps errors: the only module that knows the SDK.

The SDK gives requests, authentication and exception classes. Its retries are off (ours
are visible), its redirects are off (a key must not follow them), and its parsing of the
stream is not used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from .endpoints import Endpoint
from .errors import ConfigurationError, IncompleteError, NbstreamError
from .faults import connection_error, retry_after, status_error
from .request import Deadlines, Request
from .secret import Headers

__all__ = ["Client", "preload"]

_T = TypeVar("_T")


def preload() -> None:
    """Import the SDK, which takes a second or more: not on the thread that reads streams."""
    import openai  # noqa: F401


class Client:
    """Requests to one endpoint, over connections that are kept.

    Belongs to the event loop on which it is first used.
    """

    def __init__(self, endpoint: Endpoint, deadlines: Deadlines) -> None:
        self.endpoint = endpoint
        failure = ""
        try:
            self._sdk = _open_sdk(endpoint, deadlines)
        except Exception as error:  # noqa: BLE001  # whatever the environment's proxies cause
            failure = endpoint.redact(str(error))
        if failure:
            raise ConfigurationError(
                f"no request can be made: {failure} · check SSL_CERT_FILE, HTTP_PROXY, HTTPS_PROXY"
            )

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of a streamed chat completion, in pieces as they arrive.

        Raises:
            APIConnectionError: the endpoint was not reached.
            APIStatusError: it answered with an error status; `retry_after` is set on it
                (seconds, or None).
            IncompleteError: the connection broke inside the body.
        """
        name = "max_completion_tokens" if self.endpoint.is_openai else "max_tokens"
        arguments = request.to_api(max_tokens_name=name)
        create = self._sdk.chat.completions.with_streaming_response.create
        manager = create(**arguments)
        response = await self._mapped(manager.__aenter__(), request.model)
        try:
            yield self._body(response)
        finally:
            await manager.__aexit__(None, None, None)

    async def _body(self, response: Any) -> AsyncIterator[bytes]:
        try:
            async for data in response.iter_bytes():
                yield data
        except Exception as error:  # noqa: BLE001  # httpx's or httpx2's, by the SDK's version
            cause = self.endpoint.redact(str(error))
        else:
            return
        text = f"the connection to {self.endpoint.host} broke inside the answer ({cause})"
        raise IncompleteError(f"{text} · %chat continue asks for the rest")

    async def models(self) -> list[str]:
        """The names of the models that the endpoint lists.

        Raises:
            APIConnectionError, APIStatusError: as for `stream`.
        """
        page = await self._mapped(self._sdk.models.list(), "")
        return sorted(model.id for model in page.data or ())

    async def _mapped(self, answer: Awaitable[_T], model: str) -> _T:
        """What the SDK answers, its exceptions turned into nbstream's.

        Those are raised when the SDK's are over: one that hung on as the context would lead
        to the request, and so to the key.
        """
        import openai

        failure: NbstreamError
        try:
            return await answer
        except openai.APIStatusError as error:
            response = error.response
            failure = status_error(response.status_code, response.text, self.endpoint, model)
            failure.retry_after = retry_after(response.headers)
        except openai.OpenAIError as error:
            failure = connection_error(error, self.endpoint)
        raise failure

    async def close(self) -> None:
        await self._sdk.close()


def _open_sdk(endpoint: Endpoint, deadlines: Deadlines) -> Any:
    import openai

    timeout = openai.Timeout(None, connect=deadlines.connect)
    # No proxy reaches a server of this machine.
    direct = {f"all://{urlsplit(endpoint.base_url).hostname}": None}
    return openai.AsyncOpenAI(
        api_key=endpoint.key.reveal(),
        base_url=endpoint.base_url,
        default_headers=_plain(endpoint.headers),
        max_retries=0,
        timeout=timeout,
        http_client=openai.DefaultAsyncHttpxClient(
            follow_redirects=False,
            timeout=timeout,
            mounts=direct if endpoint.is_on_this_machine else None,
        ),
    )


def _plain(headers: Headers) -> dict[str, str]:
    """Headers for the SDK, in which `Authorization` replaces its own, however it is written."""
    names = {"authorization": "Authorization"}
    return {names.get(name.lower(), name): value.reveal() for name, value in headers}
