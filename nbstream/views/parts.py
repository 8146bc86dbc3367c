"""Cuts a growing answer into parts, for views whose outputs are done once they are shown.

One part ends where the next one begins, at a place before which nothing changes any more. So
what is sent in all grows as the answer does, and not with its square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

from ..buffers import TextBuffer
from ..render.blocks import settled_length
from ..render.extract import unused_definitions
from ..response import Response, Timing
from ..rounds import Round

__all__ = ["Parts", "Place", "excerpt"]

_LARGE = 4_000  # characters of what is open: from there on it is looked at only when it ...
_GROWTH = 1.25  # ... has grown by a quarter


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a round: so much of it stands before."""

    reasoning: int = 0
    text: int = 0
    refusal: int = 0
    calls: int = 0
    arguments: int = 0

    @classmethod
    def end(cls, turn: Round) -> Place:
        return cls._behind(turn, len(turn.calls))

    @classmethod
    def _behind(cls, turn: Round, calls: int) -> Place:
        """The end of a round, but for the calls that follow the first ones."""
        arguments = sum(len(call.arguments) for call in turn.calls[:calls])
        return cls(len(turn.reasoning), len(turn.text), len(turn.refusal), calls, arguments)

    @classmethod
    def settled(cls, turn: Round, start: Place) -> Place:
        """Where, from `start` on, that begins which may still change."""
        if turn.refusal or turn.calls:
            run = (call.result is not None for call in turn.calls)
            done = next((at for at, is_over in enumerate(run) if not is_over), len(turn.calls))
            # A refusal has no blocks of its own: it is done when its round is.
            return replace(cls._behind(turn, done), refusal=start.refusal)
        if not turn.text:
            return start
        text = start.text + settled_length(turn.text.since(start.text))
        return replace(start, reasoning=len(turn.reasoning), text=text)

    @property
    def characters(self) -> int:
        return self.reasoning + self.text + self.refusal + self.arguments


class Parts:
    """What of each round of one answer stands in outputs that are done.

    Attributes:
        sealed: the place of each round up to which it does.
    """

    def __init__(self) -> None:
        self.sealed: list[Place] = []
        self._shown_size = 0
        self._shown_events: tuple[Any, ...] = ()
        # The rounds whose first text was reasoning, and those whose reasoning was text.
        self._reread: set[tuple[int, bool]] = set()

    @property
    def has_sealed(self) -> bool:
        """Whether there is any output that is done."""
        return any(place != Place() for place in self.sealed)

    def follow(self, response: Response) -> bool:
        """Know the rounds that came; return whether what is sealed was not what it seemed.

        Text turns out to be reasoning, or the other way round. What of it is in outputs that
        are done stands there; an answer is shown once more.
        """
        self.sealed += [Place()] * (len(response.rounds) - len(self.sealed))
        is_reread = False
        for i, turn in enumerate(response.rounds):
            place = (i, turn.is_unclosed)
            if not (turn.is_reread or turn.is_unclosed) or place in self._reread:
                continue
            self._reread.add(place)
            self._shown_size = 0
            if self.sealed[i] != Place():
                self.sealed[:i] = [Place.end(earlier) for earlier in response.rounds[:i]]
                self.sealed[i] = Place(reasoning=len(turn.reasoning))
                is_reread = True
        return is_reread

    def is_due(self, response: Response) -> bool:
        """Whether there is news since this was asked last, and enough of it."""
        calls = [call for turn in response.rounds for call in turn.calls]
        results = sum(call.result is not None for call in calls)
        events = (len(response.rounds), len(calls), results, response.notice)
        size = self.size([Place.end(turn) for turn in response.rounds])
        grown = size >= self._shown_size * (_GROWTH if size > _LARGE else 1)
        is_due = events != self._shown_events or (size != self._shown_size and grown)
        if is_due:
            self._shown_events = events
        return is_due

    def looked_at(self, response: Response) -> None:
        """What is not sealed by now is looked at again when `is_due` says so."""
        self._shown_size = self.size([Place.end(turn) for turn in response.rounds])

    def stable(self, response: Response) -> list[Place]:
        """The place in each round before which nothing changes any more."""
        *done, last = response.rounds or [Round()]
        start = (self.sealed or [Place()])[-1]
        part = start if response.is_json else Place.settled(last, start)  # JSON is one block
        return [*(Place.end(turn) for turn in done), part]

    def size(self, ends: list[Place]) -> int:
        """How many characters stand between what is sealed and these places."""
        sealed = sum(place.characters for place in self.sealed)
        return sum(place.characters for place in ends) - sealed

    def next(
        self, response: Response, ends: list[Place], definitions: Sequence[str] = ()
    ) -> Response:
        """A response that is over, and holds what comes before these places."""
        part = excerpt(response, self.sealed, ends, definitions)
        part.finish("complete", None, Timing())
        return part

    def rest(self, response: Response, definitions: Sequence[str] = ()) -> Response:
        """A response that ends as this one did, and holds what is not sealed."""
        self.sealed += [Place()] * (len(response.rounds) - len(self.sealed))
        ends = [Place.end(turn) for turn in response.rounds]
        rest = excerpt(response, self.sealed, ends, definitions)
        for part, turn in zip(rest.rounds, response.rounds, strict=True):
            part.alternatives = turn.alternatives
            # A part alone cannot tell that nothing refers to what it defines.
            if definitions and (unused := unused_definitions(str(turn.text))):
                part.text.append(f"\n\n{unused}\n")
        rest.finish(response.status, response.error, response.timing)
        return rest


def excerpt(
    response: Response,
    starts: list[Place],
    ends: list[Place],
    definitions: Sequence[str] = (),
) -> Response:
    """A response that holds what stands between two places.

    Args:
        response: what came.
        starts, ends: the places in each round; of rounds that came later, nothing.
        definitions: of each round, what is to be known about its links.
    """
    part = Response(model=response.requested_model, is_json=response.is_json)
    part.rounds = [
        replace(
            turn,
            reasoning=_piece(turn.reasoning, start.reasoning, end.reasoning),
            text=_piece(turn.text, start.text, end.text, known),
            refusal=_piece(turn.refusal, start.refusal, end.refusal),
            calls=turn.calls[start.calls : end.calls],
            alternatives={},
        )
        for turn, start, end, known in zip(
            response.rounds, starts, ends, definitions or repeat(""), strict=False
        )
    ]
    return part


def _piece(text: TextBuffer, start: int, end: int, known: str = "") -> TextBuffer:
    piece = text.since(start)[: end - start]
    return TextBuffer(f"{known}\n{piece}" if known and piece else piece)
