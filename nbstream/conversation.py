"""A conversation as data: a tree of turns, of which one branch is the current one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .errors import BadRequestError
from .messages import Message, api_name, tool_name
from .response import Response
from .rounds import tool_message

__all__ = ["Conversation", "Turn", "came_to_nothing", "history", "past_tools"]

_NOT_RUN = "(not run: the answer was stopped)"
_NO_WORDS = "(an answer without text: an image or a sound)"

_ids = itertools.count(1)


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A question and its answer.

    Attributes:
        id: a number that no other turn of any conversation has.
        response: the question as it was sent, and the answer.
        typed: the question as it was typed, before values took the place of `{{names}}`; None
            where it was sent as it came.
        typed_here: whether the user typed it in this kernel: only then may its `{{names}}` be
            evaluated again. A file can come from anybody.
        attached: the content parts that were attached to it.
        key: who asked, such as a cell's id, or None.
    """

    id: int
    response: Response
    typed: str | None = None
    typed_here: bool = False
    attached: tuple[Mapping[str, Any], ...] = ()
    key: str | None = None


class Conversation:
    """Turns, each after another one or first.

    Where several turns come after the same one, the conversation branches there, and one
    of them is chosen. The `branch` leads along the chosen ones, from the first to the last.
    """

    def __init__(self) -> None:
        self._turns: dict[int, Turn] = {}
        self._before: dict[int, int | None] = {}
        self._after: dict[int | None, list[int]] = {}  # in the order of asking
        self._chosen: dict[int | None, int] = {}

    @property
    def branch(self) -> list[Turn]:
        turns: list[Turn] = []
        at: int | None = None
        while (at := self._chosen.get(at)) is not None:
            turns.append(self._turns[at])
        return turns

    def __getitem__(self, turn_id: int) -> Turn:
        return self._turns[turn_id]

    def __contains__(self, turn: Turn) -> bool:
        return turn.id in self._turns

    def __iter__(self) -> Iterator[Turn]:
        """All turns of all branches, each after the one that it follows."""
        waiting = list(reversed(self._after.get(None, [])))
        while waiting:
            at = waiting.pop()
            yield self._turns[at]
            waiting += reversed(self._after.get(at, []))

    def after(self, turn: Turn) -> list[Turn]:
        """The turns that follow this one, each on a branch of its own."""
        return [self._turns[at] for at in self._after.get(turn.id, ())]

    def before(self, turn: Turn) -> Turn | None:
        """The turn that this one follows."""
        at = self._before[turn.id]
        return None if at is None else self._turns[at]

    def alternatives(self, turn: Turn) -> list[Turn]:
        """The turns at this one's place, itself among them, in the order of asking."""
        return [self._turns[at] for at in self._after[self._before[turn.id]]]

    def add(self, response: Response, after: Turn | None, **about: Any) -> Turn:
        """Put a new turn after another one (None: at the beginning), and choose it.

        Args:
            response: the turn's.
            after: the turn that it follows.
            about: further attributes of the `Turn`.
        """
        turn = Turn(next(_ids), response, **about)
        self.put(turn, after)
        return turn

    def put(self, turn: Turn, after: Turn | None) -> None:
        """The same with a turn that there is."""
        at = None if after is None else after.id
        self._turns[turn.id] = turn
        self._before[turn.id] = at
        self._after.setdefault(at, []).append(turn.id)
        self.choose(turn)

    def choose(self, turn: Turn) -> None:
        """Make the branch lead through a turn."""
        at: int | None = turn.id
        while at is not None:
            before = self._before[at]
            self._chosen[before] = at
            at = before

    def cut(self, turn: Turn) -> None:
        """Remove a turn and all that follow it; the one asked before it is chosen."""
        waiting = [turn]
        for each in waiting:  # grows meanwhile
            waiting += [self._turns[at] for at in self._after.get(each.id, ())]
        for each in reversed(waiting):
            self.remove(each)

    def remove(self, turn: Turn) -> None:
        """Remove a turn; those that followed it take its place."""
        before = self._before.pop(turn.id)
        followers = self._after.pop(turn.id, [])
        place = self._after[before]
        at = place.index(turn.id)
        place[at : at + 1] = followers
        for follower in followers:
            self._before[follower] = before
        del self._turns[turn.id]
        chosen = self._chosen.pop(turn.id, None)
        if self._chosen.get(before) != turn.id:
            return
        if chosen is None and place:
            chosen = place[max(0, at - 1)]
        if chosen is None:
            del self._chosen[before]
        else:
            self._chosen[before] = chosen

    def copy(self) -> Conversation:
        """The same turns in a tree of its own."""
        copy = Conversation()
        copy._turns = dict(self._turns)
        copy._before = dict(self._before)
        copy._after = {at: list(after) for at, after in self._after.items()}
        copy._chosen = dict(self._chosen)
        return copy

    def behind(self, earlier: Conversation) -> Conversation:
        """The turns of both in a tree of its own: these follow the last one of its branch."""
        joined = earlier.copy()
        last = next(reversed(earlier.branch), None)
        for turn in self:
            joined.put(turn, self.before(turn) or last)
        for turn in self.branch[-1:]:
            joined.choose(turn)
        return joined


def came_to_nothing(response: Response, error: BaseException | None = None) -> bool:
    """Whether nothing came that a later request can carry.

    `error` is why it is not whole, where the record is not closed yet.

    A turn that was refused with the results of its tools would be refused again with each
    later one.
    """
    if isinstance(error or response.error, BadRequestError):
        return True
    return not any(turn.is_kept for turn in response.rounds)


def history(turns: Iterable[Turn]) -> list[Message]:
    """Turns as later requests carry them; those that still run or came to nothing are left out."""
    ended = [turn.response for turn in turns if turn.response.done]
    return [m for response in ended if not came_to_nothing(response) for m in _messages(response)]


def past_tools(turns: Iterable[Turn]) -> tuple[Mapping[str, Any], ...]:
    """The tools, in the API's form, that turns which called some were offered.

    Of two with one name the later one counts. What was called and never offered has the
    barest schema: servers look for the name at most.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for turn in turns:
        calls = turn.response.tool_calls
        if calls and turn.response.done:
            found |= {tool_name(tool): tool for tool in turn.response.offered_tools}
            for name in (api_name(call.name) for call in calls):
                found.setdefault(name, {"type": "function", "function": _barest(name)})
    return tuple(found.values())


def _barest(name: str) -> dict[str, Any]:
    return {"name": name, "parameters": {"type": "object", "properties": {}}}


def _messages(response: Response) -> Iterator[Message]:
    """The messages of a turn as an API takes them: no half calls, and every call answered."""
    yield from response.prompt
    for turn in response.rounds:
        if not turn.is_kept:
            continue
        message = turn.message()
        if turn.has_half_call:
            message = replace(message, tool_calls=())
        if turn.has_media and not (message.content or message.tool_calls):
            message = replace(message, content=_NO_WORDS)
        yield message
        for call in message.tool_calls:
            yield tool_message(call, _NOT_RUN if call.answer is None else call.answer)
