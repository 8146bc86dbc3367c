"""Opens and closes streams, and maps errors: the only module that knows the SDK.

The SDK gives requests, authentication and exception classes. Its retries are off (ours
are visible), its redirects are off (a key must not follow them), and its parsing of the
stream is not used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from .endpoints import Endpoint
from .errors import APIStatusError, IncompleteError
from .faults import connection_error, retry_after, status_error
from .request import Deadlines, Request

__all__ = ["Client", "preload"]


def preload() -> None:
    """Import the SDK, which takes a second or more: not on the thread that reads streams."""
    import openai  # noqa: F401


class Client:
    """Requests to one endpoint, over connections that are kept.

    Belongs to the event loop on which it is first used.
    """

    def __init__(self, endpoint: Endpoint, deadlines: Deadlines) -> None:
        import openai

        self.endpoint = endpoint
        on_this_machine = endpoint.host.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]")
        timeout = openai.Timeout(None, connect=deadlines.connect)
        self._sdk = openai.AsyncOpenAI(
            api_key=endpoint.key.reveal(),
            base_url=endpoint.base_url,
            default_headers=dict(endpoint.headers),
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultAsyncHttpxClient(
                follow_redirects=False,
                timeout=timeout,
                trust_env=not on_this_machine,  # no proxy reaches a server of this machine
            ),
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
        with self._mapped(request.model):
            manager = create(**arguments)
            response = await manager.__aenter__()
        try:
            yield self._body(response)
        finally:
            await manager.__aexit__(None, None, None)

    async def _body(self, response: Any) -> AsyncIterator[bytes]:
        try:
            async for data in response.iter_bytes():
                yield data
        except Exception as error:  # httpx's or httpx2's, by the SDK's version
            text = f"the connection to {self.endpoint.host} broke inside the answer ({error})"
            text = self.endpoint.key.redact(text)
            raise IncompleteError(f"{text} · %chat continue asks for the rest") from error

    async def models(self) -> list[str]:
        """The names of the models that the endpoint lists.

        Raises:
            APIConnectionError, APIStatusError: as for `stream`.
        """
        with self._mapped(""):
            page = await self._sdk.models.list()
        return sorted(model.id for model in page.data or ())

    def _mapped(self, model: str) -> _Mapped:
        return _Mapped(self.endpoint, model)

    async def close(self) -> None:
        await self._sdk.close()


class _Mapped:
    """Turns the SDK's exceptions into nbstream's, the cause attached."""

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._endpoint = endpoint
        self._model = model

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _tb: object) -> None:
        import openai

        if isinstance(error, openai.APIStatusError):
            raise self._status_error(error) from error
        if isinstance(error, openai.OpenAIError):
            raise connection_error(error, self._endpoint) from error

    def _status_error(self, error: Any) -> APIStatusError:
        response = error.response
        mapped = status_error(response.status_code, response.text, self._endpoint, self._model)
        mapped.retry_after = retry_after(response.headers)
        return mapped
