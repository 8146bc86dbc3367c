"""`Chat`: a conversation from Python."""

from __future__ import annotations

import asyncio
import queue
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypedDict

from .approval import Approval, ask
from .driver import Run
from .errors import Interrupted
from .events import ApprovalEvent, Event
from .interrupts import interrupts
from .messages import Content, Message
from .namespace import in_cell, is_last_line, running_execution
from .request import Deadlines, Options
from .response import Response
from .schema import as_schema
from .secret import secret_headers
from .session import Session
from .tools.tool import tools_of
from .views.choose import choose_view
from .views.frontend import is_main_thread
from .views.protocol import NullView, View

if TYPE_CHECKING:
    from .response import T
else:
    from typing import TypeVar

    T = TypeVar("T")

__all__ = ["Chat", "ChatOptions", "raise_for_status"]


class ChatOptions(TypedDict, total=False):
    """What `Chat` takes by name; `Chat` says what each is."""

    model: str | None
    system: str | None
    base_url: str | None
    api_key_env: str | None
    headers: Mapping[str, str] | None
    temperature: float | None
    max_tokens: int | None
    params: Mapping[str, Any] | None
    timeout: float | None
    first_token_timeout: float | None
    idle_timeout: float | None
    tools: Iterable[Any]
    approve: bool
    max_rounds: int
    schema: type | Mapping[str, Any] | None
    view: str


def raise_for_status(response: Response[T], *, is_shown: bool = False) -> Response[T]:
    """`response`, if it is complete.

    Args:
        response: of a turn that has ended.
        is_shown: whether a view has shown how it ended.

    Raises:
        NbstreamError, Interrupted: why it is not; its `response` is what came.
    """
    error = response.error
    if error is not None:
        error.response = response
        if isinstance(error, Interrupted):
            error.is_shown = is_shown
        raise error.with_traceback(None)  # where we failed says nothing to who asked
    return response


class Chat(Generic[T]):
    """A conversation with a model; every turn remembers those before.

    Args:
        model: the model's name; `local` is the embedded one. Without it: the one that
            the endpoint has, or the embedded one where there is no endpoint.
        system: the system message.
        base_url: the endpoint, up to and with `/v1`; by default `OPENAI_BASE_URL`, then
            OpenAI's own.
        api_key_env: the *name* of the environment variable that holds the key.
        headers: further HTTP headers.
        temperature, max_tokens: as the API has them.
        params: further parameters of the API, by name.
        timeout: seconds for a whole answer; None is no bound.
        first_token_timeout, idle_timeout: seconds until an answer begins, and between two
            pieces of it; None is no bound.
        tools: functions that the model may call, `Tool`s, or servers of them (`nbstream.mcp`).
        approve: whether the user is asked before every call.
        max_rounds: how many requests a turn may take, where the model calls tools.
        schema: what answers must look like: a type, or a JSON schema; the object is in
            `Response.parsed`.
        view: how `send` shows the answer: `auto`, `widget`, `display`, `text` or `none`.
        stream: whether the answer is to come piece by piece; False is for servers that refuse
            to stream.

    Example:
        >>> chat = Chat("local", system="You are terse.")  # doctest: +SKIP
        >>> chat.send("Name a colour.").text  # doctest: +SKIP
        'Blue.'
    """

    def __init__(  # noqa: PLR0913  # the API's own parameters, all but one by keyword
        self,
        model: str | None = None,
        *,
        system: str | None = None,
        base_url: str | None = None,
        api_key_env: str | None = None,
        headers: Mapping[str, str] | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        params: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        first_token_timeout: float | None = 600.0,
        idle_timeout: float | None = 120.0,
        tools: Iterable[Any] = (),
        approve: bool = False,
        max_rounds: int = 8,
        schema: type[T] | Mapping[str, Any] | None = None,
        view: str = "auto",
        stream: bool = True,
    ) -> None:
        self.session = Session("chat", system)
        self.session.how_to_reset = "chat.reset()"
        self.session.how_to_go_on = "chat.send('Continue.')"
        self.view = view
        self.options = Options(
            model=model,
            base_url=base_url,
            api_key_env=api_key_env,
            headers=secret_headers((headers or {}).items()),
            temperature=temperature,
            max_tokens=max_tokens,
            params=dict(params or {}),
            deadlines=Deadlines(first_token=first_token_timeout, idle=idle_timeout, total=timeout),
            tools=tools_of(tools),
            approve=approve,
            max_rounds=max_rounds,
            schema=None if schema is None else as_schema(schema),
            stream=stream,
        )
        self.last: Response[T] | None = None

    @classmethod
    def of(cls, session: Session, options: Options) -> Self:
        """A chat that goes on with a session."""
        chat = cls()
        chat.session, chat.options = session, options
        return chat

    @property
    def messages(self) -> list[Message]:
        """The conversation so far."""
        return self.session.messages

    def reset(self) -> None:
        """Forget the conversation; the system message stays."""
        system = self.session.system
        self.session.reset()
        self.session.system = system

    def send(self, prompt: Content) -> Response[T]:
        """Ask, show the answer as it comes, and return it.

        Raises:
            NbstreamError, Interrupted: the answer is not complete; the error's
                `response`, and `last`, are what came.
        """
        blocking = is_main_thread()
        with interrupts() as held:
            run = self._start(prompt, self._view(blocking=True), blocking=blocking)
            response = run.wait(held)
        return self._shown(response)

    async def asend(self, prompt: Content) -> Response[T]:
        """As `send`, without blocking the event loop; cancelling stops the answer.

        A call that waits for approval asks at the prompt where a cell awaits this, because
        no button reaches the kernel then; elsewhere buttons and code (`chat.last.approvals`)
        answer.
        """
        loop = asyncio.get_running_loop()
        run: Run

        def ask_here(event: Event) -> None:
            if isinstance(event, ApprovalEvent):
                event.approval.is_at_prompt = True
                loop.call_soon_threadsafe(_ask, event.approval, run)

        asks_here = bool(self.options.tools) and in_cell()
        run = self._start(prompt, self._view(), ask_here if asks_here else None)
        await _ended(run)
        return self._shown(run.response)

    def stream(self, prompt: Content) -> Iterator[Event]:
        """Ask, and give each event as it comes; closing the iterator stops the answer.

        A call that waits for approval is an event too: who does not answer it by
        `event.approval.run()` or `.reject()` is asked at the prompt.

        On some servers what the model thinks comes as text until a `thought` event says so, and
        where a model never ends its reasoning, an `answer` event says that this was the answer;
        `chat.session.responses[-1]` has the two apart.

        Raises:
            NbstreamError: after the last event, if the answer is not complete.
        """
        events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        run = self._start(prompt, NullView(), events.put)
        run.job.future.add_done_callback(lambda _: events.put(None))
        try:
            while (event := _next(events)) is not None:
                yield event
                if isinstance(event, ApprovalEvent):
                    _ask(event.approval, run)
        finally:
            run.job.cancel()
            if not sys.is_finalizing():  # the thread that reads is gone then
                run.wait()
        raise_for_status(run.response)

    async def astream(self, prompt: Content) -> AsyncIterator[Event]:
        """As `stream`, for `async for`."""
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event | None] = asyncio.Queue()

        def put(event: Event | None) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        run = self._start(prompt, NullView(), put)
        run.job.future.add_done_callback(lambda _: put(None))
        try:
            while (event := await events.get()) is not None:
                yield event
                if isinstance(event, ApprovalEvent):
                    _ask(event.approval, run)
        finally:
            run.job.cancel()
            await _ended(run)
        raise_for_status(run.response)

    def _shown(self, response: Response[T]) -> Response[T]:
        """What a view has shown; as the last line of a cell it is not shown once more."""
        is_shown = self.view != "none"
        if is_shown:
            response.shown_where(partial(is_last_line, running_execution()))
        return raise_for_status(response, is_shown=is_shown)

    def _view(self, *, blocking: bool = False) -> View:
        return choose_view(self.view, owns_cell=False, blocking=blocking, raises=True)

    def _start(
        self,
        prompt: Content,
        view: View,
        observe: Callable[[Event], None] | None = None,
        *,
        blocking: bool = False,
    ) -> Run:
        run = self.session.ask(prompt, self.options, view, observe=observe, blocking=blocking)
        self.last = run.response
        return run

    def __repr__(self) -> str:
        turns = len(self.session.responses)
        return f"<Chat with {self.options.model or 'the default model'}: {turns} turns>"


def _ask(approval: Approval, run: Run) -> None:
    """Ask at the prompt; an interrupt stops the answer, and gets no further: not into a loop."""
    try:
        with interrupts() as held, held.breaking_in():
            ask(approval)
    except KeyboardInterrupt:
        run.job.cancel()


def _next(events: queue.SimpleQueue[Event | None]) -> Event | None:
    """The next event; short waits let a KeyboardInterrupt through on every system."""
    while True:
        with suppress(queue.Empty):
            return events.get(timeout=0.2)


async def _ended(run: Run) -> None:
    """Wait for the end; when the waiting is cancelled, stop the answer first."""
    future = asyncio.wrap_future(run.job.future)
    try:
        await asyncio.shield(future)
    except asyncio.CancelledError:
        run.job.cancel()
        await future
        raise
