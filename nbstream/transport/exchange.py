"""One request after the other of a turn: sends it, again where that helps, and reads the answer."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any

from ..endpoints import Endpoint, LocalEndpoint
from ..errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    IncompleteError,
    NbstreamError,
)
from ..events import (
    ErrorEvent,
    Event,
    ExtraEvent,
    ReasoningEvent,
    RefusalEvent,
    RetryEvent,
    TextEvent,
    ToolCallEvent,
)
from ..messages import Message
from ..pacer import Pacer
from ..request import Compatibility, Options, Request
from ..response import Response, Timing
from ..rounds import MEDIA, Round
from ..tools.tool import Tool
from ..wire.answer_call import AnswerCall
from ..wire.apierrors import one_line
from ..wire.calls import made_up_ids
from ..wire.dialects import Dialect
from ..wire.reducer import Reducer
from ..wire.sse import Decoder
from . import compatibility
from .client import Body, Client
from .connections import connect
from .faults import heading, names_unknown_model, response_error, unknown_model
from .retries import retry_delay

__all__ = ["Exchange"]

_FINISH_GRACE = 5.0  # seconds for the usage after `finish_reason`; the answer is whole by then
_SHORT = 0.2  # seconds; an answer that ends within them is read as it comes, for its end's sake
_LAST_GRACE = 0.1  # seconds for the end of the body after `[DONE]`
_LEAST_STREAMED = 0.05  # seconds; what came in less came at once, at no rate
# Who waited so long, in seconds, for so few bytes lets more of them gather.
_TRICKLE_WAIT = 0.001
_TRICKLE_SIZE = 8192
# An answer grows by text, by these events, and by what comes in pieces of these fields.
_GROWTH = (ReasoningEvent, ToolCallEvent, RefusalEvent)
_CONTENT = MEDIA | {"reasoning_details", "thinking_blocks"}
_LONGEST_STRAY = 120  # characters of what came in the place of an event
_LOOKUP_TIME = 3.0  # seconds to find the names of models for an error message


class Exchange:
    """Asks one model, round after round, each into a new `Round` of the response.

    Args:
        options: how to ask.
        response: gets the rounds.
        pacer: is told what came.
        observe: called with every event; None: nobody listens, and small pieces may gather.
    """

    def __init__(
        self,
        options: Options,
        response: Response,
        pacer: Pacer,
        observe: Callable[[Event], None] | None,
    ) -> None:
        self._options = options
        self._response = response
        self._pacer = pacer
        self._observe = observe
        self._is_open = False
        self._sent = time.monotonic()
        self._answer: Round | None = None  # to the request that is being made
        self._first: float | None = None  # when the first token of the turn came
        self._last: float | None = None  # when the last token of the round came
        self._streamed = 0.0  # seconds in which tokens came, over all rounds

    async def open(
        self,
        target: Endpoint | LocalEndpoint,
        tools: tuple[Tool, ...],
        past_tools: tuple[Mapping[str, Any], ...] = (),
    ) -> None:
        """Find the model; what comes next is for it.

        Args:
            target: whom to ask.
            tools: what the model may call.
            past_tools: what it could call earlier in the conversation, in the API's form.
        """
        self._client, model = await connect(self._options, target)
        self._is_open = True
        takes = compatibility.known(self._origin, model)
        self._request = Request((), self._options, model, tools, past_tools, takes)
        own = self._options.params.get("tools")  # the user's, and run by the user
        offered = own if isinstance(own, list) else [tool.to_api() for tool in tools]
        self._response.offered_tools = tuple(each for each in offered if isinstance(each, Mapping))
        self._sent = time.monotonic()

    def close(self) -> None:
        """Nothing more is asked."""
        if self._is_open:
            self._is_open = False
            self._client.release()

    def timing(self) -> Timing:
        now = time.monotonic()
        if self._first is None:
            return Timing(duration=now - self._sent)
        tokens = self._response.usage.completion_tokens
        came_at_once = self._streamed < _LEAST_STREAMED
        rate = tokens / self._streamed if tokens and not came_at_once else None
        return Timing(self._first - self._sent, now - self._sent, rate)

    async def ask(self, messages: tuple[Message, ...]) -> Round:
        """Send the conversation until it is answered, or has failed for good."""
        self._request = replace(self._request, messages=messages)
        self._answer = None
        retries = 0
        while True:
            try:
                answer = await self._send()
            except (APIConnectionError, APIStatusError) as error:
                takes = compatibility.learn(self._origin, self._request, error)
                if takes is not None:
                    self._ask_otherwise(takes)
                    continue
                if isinstance(error, APIStatusError) and names_unknown_model(error):
                    raise await _with_nearest(error, self._client, self._request.model) from error
                delay = retry_delay(error, retries)
                if self._has_output or retries >= self._options.max_retries or delay is None:
                    raise
                retries += 1
                await self._wait(delay, retries, error)
            else:
                compatibility.remember(self._origin, self._request)
                return answer

    def _ask_otherwise(self, takes: Compatibility) -> None:
        """Ask in another form from now on, and say so where it is one that a user notices."""
        refused = self._request.schema_form
        self._request = replace(self._request, takes=takes)
        form = self._request.schema_form
        if form != refused:
            host = self._client.endpoint.host
            self._response.notice = f"{host} does not take {refused} here · asking by {form}"
            self._pacer.notify()

    @property
    def _origin(self) -> str:
        return self._client.endpoint.origin

    @property
    def _has_output(self) -> bool:
        return self._answer is not None and not _is_empty(self._answer)

    @property
    def _hint(self) -> str:
        """What to do about an answer that was cut."""
        go_on = self._response.go_on
        return f"{go_on} asks for the rest" if go_on else "ask again"

    async def _send(self) -> Round:
        model = self._request.model
        turn = Round(model=model, origin=self._origin, asked_model=model)
        if self._first is None:
            self._sent = time.monotonic()
        deadlines = self._options.deadlines
        deadline = asyncio.timeout(deadlines.first_token)
        try:
            async with deadline, self._client.stream(self._request) as body:
                self._begin(turn)
                await self._read(body, turn, deadline)
        except TimeoutError as error:
            if self._is_over(turn):
                return turn
            host = self._client.endpoint.host
            if _is_empty(turn):
                text = f"no answer from {host} within {deadlines.first_token:g} s · try again"
            else:
                text = f"nothing more from {host} for {deadlines.idle:g} s · {self._hint}"
            raise APITimeoutError(text) from error
        except IncompleteError as error:
            raise IncompleteError(f"{error} · {self._hint}") from None
        finally:
            _forget_early_reasons(turn)
        return turn

    @property
    def _place(self) -> str:
        """Where the round stands in its conversation: equal conversations have equal ids."""
        turns = sum(message.role == "user" for message in self._request.messages)
        return f"{turns}.{len(self._response.rounds)}"

    def _is_over(self, turn: Round) -> bool:
        """Whether nothing of the answer is missing, if no more comes; usage may follow.

        A reason proves it where none was wrong before, and where every choice that was
        asked for has one.
        """
        if turn.done:
            return True
        asked = self._options.params.get("n")
        is_missing = type(asked) is int and len(turn.alternatives) + 1 < asked
        return not (is_missing or turn.has_early_reason) and _has_reasons(turn)

    def _begin(self, turn: Round) -> None:
        """The server answers: `turn` takes the place of an earlier try's."""
        rounds = self._response.rounds
        # In one step: who reads on another thread always finds a last round.
        rounds[len(rounds) - (self._answer is not None) :] = [turn]
        self._answer = turn
        self._last = None
        self._response.notice = ""
        form = self._request.schema_form
        self._response.schema_form = None if form == "json_schema" else form

    async def _read(self, body: Body, turn: Round, deadline: asyncio.Timeout) -> None:
        """Read the whole body.

        Raises:
            IncompleteError: that was not the whole answer.
        """
        reader = _Reader(self._place, self._request.answer_tool)
        reducer = Reducer(turn)
        broke: IncompleteError | None = None
        try:
            await self._receive(body, reader, turn, reducer, deadline)
        except IncompleteError as error:
            broke = error
        except BaseException:  # a Stop, a deadline, an error in the stream
            self._take(reader.flush(), reducer)
            raise
        # Half a body that is no stream is not an answer of another kind.
        with suppress(APIResponseError, APIStatusError) if broke else nullcontext():
            self._take(reader.close(is_orderly=broke is None), reducer)
        if broke is None and _has_reasons(turn):
            turn.done = turn.done or turn.has_early_reason
        elif not self._is_over(turn) or _says_nothing(turn):
            raise broke or self._incomplete(turn, reader)

    def _incomplete(self, turn: Round, reader: _Reader) -> IncompleteError:
        """The body ended in order, and before the answer."""
        said = one_line(self._client.endpoint.redact(reader.stray), _LONGEST_STRAY)
        what = "sent an empty answer" if _is_empty(turn) else "ended the stream before the answer"
        text = f"{self._client.endpoint.host} {what}"
        return IncompleteError(f"{text}: {said!r}" if said else text)

    async def _receive(
        self,
        body: Body,
        reader: _Reader,
        turn: Round,
        reducer: Reducer,
        deadline: asyncio.Timeout,
    ) -> None:
        loop = asyncio.get_running_loop()
        began = asked = loop.time()
        gathered, has_rested = 0, False
        async for data in body.pieces:
            has_waited = loop.time() - asked > _TRICKLE_WAIT
            events = reader.feed(data)
            if not events:
                continue  # a keep-alive comment
            was_over = self._is_over(turn)
            self._take(events, reducer)
            if turn.done:
                await _read_to_end(body.pieces)
                break
            if any(map(_is_output, events)) or self._is_over(turn) > was_over:
                self._extend(deadline, turn)
            gathered += len(data)
            # Behind the first piece after a rest stand those that gathered meanwhile.
            if has_waited and not has_rested:
                is_trickle = gathered < _TRICKLE_SIZE and asked - began > _SHORT
                has_rested = is_trickle and self._observe is None and not turn.ended
                if has_rested:
                    await self._pacer.rest(body.unread)
                gathered = 0
            else:
                has_rested = False
            asked = loop.time()

    def _extend(self, deadline: asyncio.Timeout, turn: Round) -> None:
        """Something came: wait for the next piece, and for the usage when all is said.

        The first deadline holds until there is output: a server may name the model at once,
        and then load it for minutes.
        """
        wait = self._options.deadlines.idle
        if self._is_over(turn):
            wait = _FINISH_GRACE
        elif _is_empty(turn):
            return
        if wait is None:
            deadline.reschedule(None)
            return
        due = asyncio.get_running_loop().time() + wait
        # To move a deadline costs as much as to read a token: it may be off by a hundredth.
        if abs(due - (deadline.when() or 0.0)) > wait / 100:
            deadline.reschedule(due)

    def _take(self, events: Iterable[Event], reducer: Reducer) -> None:
        now = time.monotonic()
        failure: ErrorEvent | None = None
        for event in map(self._without_key, events):
            reducer.apply(event, now)
            self._tell(event)
            if _is_token(event):
                self._count(now)
            elif isinstance(event, ErrorEvent):
                failure = failure or event
        self._pacer.notify()
        if failure is not None:
            endpoint = self._client.endpoint
            raise response_error(
                failure, endpoint, self._request, hint=self._hint, is_first=not self._has_output
            )

    def _without_key(self, event: Event) -> Event:
        """`event`; a server's error may echo the key."""
        if not isinstance(event, ErrorEvent):
            return event
        redact = self._client.endpoint.redact
        return replace(
            event,
            message=redact(event.message),
            code=event.code and redact(event.code),
            reason=event.reason and redact(event.reason),
            detail=event.detail and redact(event.detail),
        )

    def _count(self, now: float) -> None:
        """A token came: the time since the last one of its round was spent on it."""
        if self._last is not None:
            self._streamed += now - self._last
        self._last = now
        self._first = self._first or now

    def _tell(self, event: Event) -> None:
        if self._observe is not None:
            self._observe(event)

    async def _wait(self, delay: float, retry: int, error: NbstreamError) -> None:
        """Wait for the next try, counting down in the view."""
        self._tell(RetryEvent(retry, delay, str(error)))
        end = time.monotonic() + delay
        status = error.status_code if isinstance(error, APIStatusError) else 0
        # Without the hint, which is for the end.
        what = heading(status) or str(error).partition(" · ")[0]
        while (left := end - time.monotonic()) > 0:
            most = self._options.max_retries
            self._response.notice = (
                f"{what}. Retrying in {math.ceil(left)} s, attempt {retry} of {most}"
            )
            self._pacer.notify()
            await asyncio.sleep(min(left, left % 1 or 1))
        self._response.notice = ""


async def _read_to_end(body: AsyncIterator[bytes]) -> None:
    """Read what stands behind `[DONE]`: only then does the connection end in good order."""
    with suppress(TimeoutError, IncompleteError):
        async with asyncio.timeout(_LAST_GRACE):
            async for _ in body:
                pass


class _Reader:
    """The body of a response -> events.

    Args:
        place: tells the round apart from others of its conversation.
        answer_tool: the tool whose call is the answer, or None.
    """

    def __init__(self, place: str, answer_tool: str | None) -> None:
        self._decoder, self._dialect = Decoder(), Dialect(made_up_ids(place))
        self._answer = None if answer_tool is None else AnswerCall(answer_tool)

    def feed(self, data: bytes) -> list[Event]:
        return self._read(self._decoder.feed(data))

    def _read(self, chunks: Iterable[Any]) -> list[Event]:
        events = [e for chunk in chunks for e in self._dialect.feed(chunk)]
        return events if self._answer is None else self._answer.feed(events)

    @property
    def stray(self) -> str:
        """The last words that came in the place of an event, or ""."""
        return self._decoder.stray

    def close(self, *, is_orderly: bool) -> list[Event]:
        """What its end completes, and what was held back."""
        return [*self._read(self._decoder.close()), *self.flush(is_orderly=is_orderly)]

    def flush(self, *, is_orderly: bool = False) -> list[Event]:
        """What was held back, such as a partial tag."""
        rest = self._dialect.close(is_orderly=is_orderly)
        return rest if self._answer is None else [*self._answer.feed(rest), *self._answer.close()]


def _is_output(event: Event) -> bool:
    """Whether the answer has grown; reasons, usage and unknown fields may come for ever."""
    if isinstance(event, TextEvent):
        return bool(event.text)  # an empty one opens a choice
    return isinstance(event, _GROWTH) or (isinstance(event, ExtraEvent) and event.name in _CONTENT)


def _is_token(event: Event) -> bool:
    if isinstance(event, TextEvent):
        return bool(event.text)
    return isinstance(event, ReasoningEvent | ToolCallEvent)


def _choices(turn: Round) -> tuple[Round, ...]:
    return (turn, *turn.alternatives.values())


def _has_reasons(turn: Round) -> bool:
    """Whether every choice has a reason to which no more came."""
    return all(choice.finish_reason is not None for choice in _choices(turn))


def _forget_early_reasons(turn: Round) -> None:
    """Leave no reason where it does not prove that the answer is whole."""
    if turn.has_early_reason and not turn.done:
        for choice in _choices(turn):
            choice.finish_reason = None
    turn.has_early_reason = False


def _is_empty(turn: Round) -> bool:
    """Whether no choice has anything yet."""
    return all(choice.is_empty for choice in _choices(turn))


def _says_nothing(turn: Round) -> bool:
    """Whether nothing was understood but, perhaps, `[DONE]`."""
    return _is_empty(turn) and not _has_reasons(turn)


async def _with_nearest(error: APIStatusError, client: Client, model: str) -> APIStatusError:
    try:
        async with asyncio.timeout(_LOOKUP_TIME):
            offered = [each.name for each in await client.models()]
            return unknown_model(error, model, offered)
    except (NbstreamError, TimeoutError):
        return error
