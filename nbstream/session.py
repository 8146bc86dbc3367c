"""Named conversations: what is remembered, and what a cell that runs again replaces."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from .driver import Run, Turn, start
from .events import Event
from .messages import Content, Message
from .request import Options
from .response import Response
from .views.protocol import View

__all__ = ["Session", "Sessions"]

_NOT_RUN = "(not run: the answer was stopped)"


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str | None
    response: Response


class Session:
    """A conversation: the turns that were asked and answered, in order.

    Attributes:
        name: what `--session` calls it.
        system: the system message of every request, or None.
        options: how the last turn was asked, or None.
    """

    def __init__(self, name: str = "default", system: str | None = None) -> None:
        self.name = name
        self.system = system
        self.options: Options | None = None
        self._entries: list[_Entry] = []
        self._lock = threading.Lock()

    @property
    def responses(self) -> list[Response]:
        """The remembered answers, in order."""
        return [entry.response for entry in self._entries]

    @property
    def messages(self) -> list[Message]:
        """The conversation as the next request would carry it."""
        return [*self._system(), *self._before(len(self._entries))]

    def ask(
        self,
        prompt: Content,
        options: Options,
        view: View,
        *,
        key: str | None = None,
        remember: bool = True,
        blocking: bool = False,
        observe: Callable[[Event], None] | None = None,
    ) -> Run:
        """Start a turn.

        Args:
            prompt: the user's message.
            options: how to ask, and whom.
            view: where the answer shows.
            key: who asks, such as a cell's id. A turn with the key of an earlier one
                sees only what came before that one, and takes its place.
            remember: False sends the prompt alone, and keeps nothing.
            blocking: whether the caller waits for the answer (see `driver.start`).
            observe: called with every event, on the I/O thread.
        """
        history = self._before(self._position(key)) if remember else []
        message = Message("user", prompt)
        response = Response([message], model=options.model, is_json=options.schema is not None)
        self.options = options
        turn = Turn((*self._system(), *history, message), options)

        def record(ended: Response) -> None:
            if remember:
                self._record(key, ended)

        return start(turn, response, view, blocking=blocking, observe=observe, on_end=record)

    def later_than(self, key: str | None) -> int:
        """How many turns came after the one with this key."""
        return max(0, len(self._entries) - self._position(key) - 1)

    def reset(self) -> None:
        """Forget the turns and the system message."""
        with self._lock:
            self._entries.clear()
            self.system = None

    def _record(self, key: str | None, response: Response) -> None:
        # What came to nothing that can be sent again leaves the history as it was.
        if all(message.role != "assistant" for message in _valid(response)):
            return
        with self._lock:
            self._entries[self._position(key) :] = [_Entry(key, response)]

    def _position(self, key: str | None) -> int:
        """Where the turn with this key stands, else the end."""
        if key is not None:
            for position, entry in enumerate(self._entries):
                if entry.key == key:
                    return position
        return len(self._entries)

    def _system(self) -> list[Message]:
        return [Message("system", self.system)] if self.system else []

    def _before(self, position: int) -> list[Message]:
        return [m for entry in self._entries[:position] for m in _valid(entry.response)]


def _valid(response: Response) -> Iterator[Message]:
    """The messages of a turn as an API takes them: no half calls, and every call answered."""
    yield from response.prompt
    for turn in response.rounds:
        message = turn.message(with_calls=bool(response.tool_calls))
        if not turn.ended:
            message = replace(message, tool_calls=())
        if not (message.content or message.tool_calls):
            continue
        yield message
        for call in message.tool_calls:
            content = _NOT_RUN if call.result is None else call.result.content
            yield Message("tool", content, tool_call_id=call.id)


class Sessions:
    """The sessions of a kernel, by name; one that is asked for is there."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def __getitem__(self, name: str) -> Session:
        return self._sessions.setdefault(name, Session(name))

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def clear(self) -> None:
        self._sessions.clear()
