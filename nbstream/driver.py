"""Runs a turn: the one implementation behind cells, the panel and `Chat`.

A turn runs as one coroutine on the I/O thread and can be cancelled from anywhere. Its
life: resolve the endpoint and the model, send, read bytes into events into the response,
retry what failed before any output, close the record, hand it to the history, and close
the view.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace

from .client import Client, preload
from .dialects import Dialect
from .endpoints import Endpoint, LocalEndpoint, Secret, resolve
from .errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    IncompleteError,
    Interrupted,
    NbstreamError,
    NotFoundError,
)
from .events import ErrorEvent, Event, ReasoningEvent, RetryEvent, TextEvent, ToolCallEvent
from .faults import no_model, unknown_model
from .io_thread import Job, io_thread
from .messages import Message
from .pacer import Pacer
from .reducer import Reducer
from .request import Options, Request
from .response import Response, Round, Status, Timing
from .sse import Decoder
from .views.protocol import View

__all__ = ["Run", "Turn", "list_models", "shut_down", "start"]

_FINISH_GRACE = 5.0  # seconds for the usage after `finish_reason`; the answer is whole by then
_LONGEST_RETRY_AFTER = 60.0  # seconds; a server that asks for more is not waited for
_GO_ON = "%chat continue asks for the rest"
_TRICKLE = 0.001  # seconds; who waited longer for a piece lets more of them gather
_LOOKUP_TIME = 3.0  # seconds to find the names of models for an error message

_clients: dict[Endpoint, Client] = {}


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be run.

    Attributes:
        messages: the conversation to send, system message first.
        options: how to ask, and whom.
    """

    messages: tuple[Message, ...]
    options: Options


class Run:
    """A turn that runs, for those who wait for it."""

    def __init__(self, response: Response, job: Job) -> None:
        self.response = response
        self.job = job

    def wait(self) -> Response:
        """Wait until the answer has ended and the view has closed.

        A KeyboardInterrupt stops the answer; what came is kept, and the response says
        `cancelled`.
        """
        try:
            self.job.wait()
        except KeyboardInterrupt:
            self.job.cancel()
            self.job.wait()
        return self.response


def start(
    turn: Turn,
    response: Response,
    view: View,
    *,
    observe: Callable[[Event], None] | None = None,
    on_end: Callable[[Response], None] | None = None,
) -> Run:
    """Run `turn` on the I/O thread, filling `response`.

    Args:
        turn: what to run.
        response: a fresh response; it is `running` until the turn has ended.
        view: shows it; called on the I/O thread, in the caller's context.
        observe: called with every event, on the I/O thread.
        on_end: called once when the record is closed, before the view closes.
    """
    attempt = _Attempt(turn, response, Pacer(view, response), observe or _ignore)
    job = io_thread.submit(_run(attempt, on_end or _ignore))
    response.on_cancel(job.cancel)
    return Run(response, job)


def _ignore(_: object) -> None:
    pass


async def _run(attempt: _Attempt, on_end: Callable[[Response], None]) -> None:
    """Run to the end, in whatever way it ends, and close record, history and view."""
    response = attempt.response
    status: Status = "complete"
    error: BaseException | None = None
    total = attempt.turn.options.deadlines.total
    try:
        target = resolve(attempt.turn.options)  # before anything is shown
        attempt.pacer.open()
        async with asyncio.timeout(total):
            await attempt.with_retries(target)
    except asyncio.CancelledError:
        status, error = "cancelled", Interrupted("stopped; what came is kept")
    except TimeoutError:
        status = "incomplete" if attempt.has_output else "error"
        text = f"the answer took longer than {total:g} s · raise --timeout, or: {_GO_ON}"
        error = APITimeoutError(text)
    except (IncompleteError, APITimeoutError) as failure:
        status, error = "incomplete" if attempt.has_output else "error", failure
    except NbstreamError as failure:
        status, error = "error", failure
    except Exception as failure:  # noqa: BLE001  # a bug of ours must not lose what came
        status, error = "error", NbstreamError(f"{type(failure).__name__}: {failure}")
        error.__cause__ = failure
    finally:
        response.finish(status, error, attempt.timing())
        on_end(response)
        attempt.pacer.close()


class _Attempt:
    """Sends a turn's request, again where that helps, and reads the answer."""

    def __init__(
        self, turn: Turn, response: Response, pacer: Pacer, observe: Callable[[Event], None]
    ) -> None:
        self.turn = turn
        self.response = response
        self.pacer = pacer
        self._observe = observe
        self._sent = time.monotonic()
        self._first: float | None = None

    @property
    def has_output(self) -> bool:
        return any(not r.is_empty for r in self.response.rounds)

    def timing(self) -> Timing:
        now = time.monotonic()
        if self._first is None:
            return Timing(duration=now - self._sent)
        tokens = self.response.usage.completion_tokens
        streamed = now - self._first
        rate = tokens / streamed if tokens and streamed > 0 else None
        return Timing(self._first - self._sent, now - self._sent, rate)

    async def with_retries(self, target: Endpoint | LocalEndpoint) -> None:
        """Send the request until it is answered, or failed for good."""
        client, model = await _connect(self.turn.options, target)
        request = Request(self.turn.messages, self.turn.options, model)
        retries = 0
        while True:
            try:
                return await self._send(client, request)
            except BadRequestError as error:
                if not (request.stream_options and "stream_options" in str(error)):
                    raise
                request = replace(request, stream_options=False)
            except NotFoundError as error:
                raise await _with_nearest(error, client, model) from error
            except (APIConnectionError, APIStatusError) as error:
                delay = _retry_delay(error, retries)
                if self.has_output or retries >= self.turn.options.max_retries or delay is None:
                    raise
                retries += 1
                await self._wait(delay, retries, error)

    async def _send(self, client: Client, request: Request) -> None:
        turn = Round(model=request.model)
        self._sent = time.monotonic()
        deadlines = self.turn.options.deadlines
        deadline = asyncio.timeout(deadlines.first_token)
        try:
            async with deadline, client.stream(request) as body:
                self.response.rounds[:] = [turn]
                await self._read(body, turn, deadline, client.endpoint)
        except TimeoutError as error:
            if turn.ended:
                return
            host = client.endpoint.host
            if turn.is_empty:
                text = f"no answer from {host} within {deadlines.first_token:g} s · try again"
            else:
                text = f"nothing more from {host} for {deadlines.idle:g} s · {_GO_ON}"
            raise APITimeoutError(text) from error
        except IncompleteError:
            if not turn.ended:
                raise

    async def _read(
        self, body: AsyncIterator[bytes], turn: Round, deadline: asyncio.Timeout, endpoint: Endpoint
    ) -> None:
        decoder, dialect, reducer = Decoder(), Dialect(), Reducer(turn)
        loop = asyncio.get_running_loop()
        idle = self.turn.options.deadlines.idle
        asked = loop.time()
        async for data in body:
            events = [e for chunk in decoder.feed(data) for e in dialect.feed(chunk)]
            if not events:
                continue  # keep-alive comments do not count as progress
            self._take(events, reducer, endpoint)
            if turn.done:
                break
            wait = _FINISH_GRACE if turn.ended else idle
            deadline.reschedule(None if wait is None else loop.time() + wait)
            is_trickle = loop.time() - asked > _TRICKLE
            if is_trickle and self._observe is _ignore and not turn.ended:
                await self.pacer.rest()
            asked = loop.time()
        rest = [e for chunk in decoder.close() for e in dialect.feed(chunk)]
        self._take([*rest, *dialect.close()], reducer, endpoint)
        if not turn.ended:
            if turn.is_empty:
                raise IncompleteError(f"{endpoint.host} sent an empty answer · run the cell again")
            raise IncompleteError(f"{endpoint.host} ended the stream before the answer · {_GO_ON}")

    def _take(self, events: Iterable[Event], reducer: Reducer, endpoint: Endpoint) -> None:
        now = time.monotonic()
        failure: ErrorEvent | None = None
        for event in events:
            reducer.apply(event, now)
            self._observe(event)
            if isinstance(event, TextEvent | ReasoningEvent | ToolCallEvent):
                self._first = self._first or now
            elif isinstance(event, ErrorEvent):
                failure = failure or event
        self.pacer.notify()
        if failure is not None:
            text = endpoint.key.redact(failure.message)
            raise APIResponseError(f"{endpoint.host}: {text}", code=failure.code)

    async def _wait(self, delay: float, retry: int, error: NbstreamError) -> None:
        """Wait for the next try, counting down in the view."""
        self._observe(RetryEvent(retry, delay, str(error)))
        end = time.monotonic() + delay
        while (left := end - time.monotonic()) > 0:
            most = self.turn.options.max_retries
            what = str(error).partition(" · ")[0]  # without the hint, which is for the end
            self.response.notice = f"{what} · again in {math.ceil(left)} s ({retry} of {most})"
            self.pacer.notify()
            await asyncio.sleep(min(left, left % 1 or 1))
        self.response.notice = ""


async def _connect(options: Options, target: Endpoint | LocalEndpoint) -> tuple[Client, str]:
    """The client, and the name by which its endpoint knows the model."""
    await asyncio.to_thread(preload)
    if isinstance(target, LocalEndpoint):
        from . import local

        server = await asyncio.to_thread(local.ensure_server, target.path)
        endpoint = Endpoint(
            server.base_url,
            Secret(server.api_key),
            key_name="the embedded model",
            headers=server.request_headers,
        )
        return _client(endpoint, options), server.model
    client = _client(target, options)
    if options.model:
        return client, options.model
    offered = await client.models()
    if len(offered) != 1:
        raise no_model(offered, target)
    return client, offered[0]


def _client(endpoint: Endpoint, options: Options) -> Client:
    if endpoint not in _clients:
        _clients[endpoint] = Client(endpoint, options.deadlines)
    return _clients[endpoint]


async def _with_nearest(error: NotFoundError, client: Client, model: str) -> NotFoundError:
    try:
        async with asyncio.timeout(_LOOKUP_TIME):
            return unknown_model(error, model, await client.models())
    except (NbstreamError, TimeoutError):
        return error


def _retry_delay(error: APIConnectionError | APIStatusError, retries: int) -> float | None:
    """Seconds until the next try, or None where another try cannot help.

    The rules are the SDK's: connection errors, 408, 409, 429 and 5xx, at exponential
    delays from 0.5 to 8 s, or when the server says.
    """
    backoff = min(8.0, 0.5 * 2.0**retries) * (1 - 0.25 * random.random())  # noqa: S311
    if isinstance(error, APIConnectionError):
        return None if error.permanent else backoff
    if error.code == "insufficient_quota":
        return None
    if error.status_code not in (408, 409, 429) and error.status_code < 500:
        return None
    if error.retry_after is None:
        return backoff
    return error.retry_after if error.retry_after <= _LONGEST_RETRY_AFTER else None


def list_models(options: Options, target: Endpoint) -> list[str]:
    """The names of the models that an endpoint offers.

    Raises:
        APIConnectionError, APIStatusError: it could not be asked.
    """

    async def ask() -> list[str]:
        return await _client(target, options).models()

    return list(io_thread.submit(ask()).wait())


def shut_down() -> None:
    """Stop what runs, close all connections, end the I/O thread."""

    async def close() -> None:
        while _clients:
            _, client = _clients.popitem()
            await client.close()

    if _clients:
        io_thread.submit(close()).wait()
    io_thread.stop()
