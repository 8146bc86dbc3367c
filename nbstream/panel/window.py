"""The conversation as a page shows it, and what changed since the last frame.

The turns of the current branch stand below each other, each with a question and an answer.
An answer is an `Outline`, and changes by its operations. The operations here:

==========================  ==========================================================
`["new", turn]`             a turn that the page does not have yet; its place follows
`["turns", ids, places]`    the turns that there are, in order; the others go. `places`:
                            `[number, count]` of those that have alternatives, by id
`["in", id, operations]`    the answer of a turn changed
`["about", about]`          what stands beside the conversation: see `Screen`
==========================  ==========================================================
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import traitlets

from ..conversation import Turn
from ..render.style import RenderStyle
from ..response import Response
from ..session import Session
from ..views.channel import Channel, FrameWidget
from ..views.outline import Operation, Outline
from ..views.static import module, stylesheet
from ..views.widget import ending
from .questions import question_of

__all__ = ["STYLES", "PanelWidget", "Window"]

STYLES = ("plain", "answer", "code", "panel", "head", "conversation", "composer")

# What a cell, or a program with a `Chat`, is told to type; a panel has a button.
_GO_ON = re.compile(
    r"(?:\.? To go on, type:|,? or:| ·|,)? ?(?:%chat continue|chat\.send\('Continue\.'\))"
    r"(?: asks for the rest| goes on)?"
)


_FAILED = "The panel could not show all of this answer: the conversation saved below has it."

log = logging.getLogger("nbstream")


class PanelWidget(FrameWidget):
    """A panel in the page.

    `name` is the panel's, under which a tab remembers what was typed and not sent. `place` is
    where it stands once it does: the ids of the `cell`, of its `run` and of the `view`, and the
    name under which the conversation of the `panel` is kept.
    """

    name = traitlets.Unicode().tag(sync=True)
    place = traitlets.Dict().tag(sync=True)
    _esm = module("panel")
    _css = stylesheet(*STYLES)


class Window:
    """Shows a session in pages. Everything here happens on the I/O thread.

    Args:
        session: whose turns are shown.
        about: gives what stands beside the conversation, as JSON data.
        hear: is told what the reader does, with its buffers, on the kernel's thread.
        style: how answers look.
        name: under which a tab remembers what was typed.
    """

    def __init__(
        self,
        session: Session,
        about: Callable[[], dict[str, Any]],
        hear: Callable[[Any, list[Any]], None],
        style: RenderStyle,
        name: str,
    ) -> None:
        self._session = session
        self._about = about
        self._style = style
        self._cards: dict[int, Card] = {}
        self._layout: list[Any] = []
        self._sync()
        self._channel = Channel(partial(PanelWidget, name=name), self, hear)

    @property
    def widget(self) -> PanelWidget:
        widget = self._channel.widget
        assert isinstance(widget, PanelWidget)
        return widget

    @property
    def size(self) -> int:
        return sum(card.size for card in self._cards.values())

    def state(self) -> dict[str, Any]:
        ids, places = self._layout
        cards = [self._cards[turn_id].state() for turn_id in ids]
        return {"turns": cards, "places": places, "about": self._about()}

    def sync(self) -> None:
        """Turns came or went, or something beside them changed."""
        self._channel.send([*self._sync(), ["about", self._about()]])

    def advance(self, turn: Turn, response: Response) -> None:
        """An answer has grown, or ended."""
        card = self._cards.get(turn.id)
        if card is None or card.is_over:
            return
        operations = card.advance(response)
        if not response.done:
            self._channel.send([["in", turn.id, operations]] if operations else [])
            return
        mark = _ending(response)["mark"]
        say = {"say": mark or "The answer is complete."}
        self._channel.send([["in", turn.id, operations], ["about", self._about()]], **say)

    def close(self) -> None:
        self._channel.close()

    def _sync(self) -> list[Operation]:
        """The operations by which the page gets the turns that there are."""
        saved = self._session.saved.branch
        found = [*((turn, 1, 1) for turn in saved), *self._session.places()]
        operations: list[Operation] = []
        cards = {}
        for turn, _, _ in found:
            card = self._cards.get(turn.id)
            if card is None:
                run = self._session.running(turn)
                outline = Outline(self._style)
                card = Card(turn, outline, blocking=run is not None and run.is_blocking)
                operations.append(["new", card.state()])
            elif turn.response.done and not card.is_over:  # it failed before it was shown
                operations.append(["in", turn.id, card.advance(turn.response)])
            cards[turn.id] = card
        self._cards = cards
        places = {str(turn.id): [number, count] for turn, number, count in found if count > 1}
        layout = [list(cards), places]
        if layout != self._layout:
            self._layout = layout
            operations.append(["turns", *layout])
        return operations


class Card:
    """A turn as it is shown."""

    def __init__(self, turn: Turn, outline: Outline, *, blocking: bool) -> None:
        self._id = turn.id
        self._question = question_of(turn)
        self._blocking = blocking
        self._opened = time.monotonic()
        self._outline = outline
        self._has_failed = False
        self._ended: dict[str, Any] | None = None  # the answer, which changes no more
        shown = [self._question[name] or "" for name in ("typed", "plain", "sent")]
        self._size = sum(map(len, [*shown, *self._question["pictures"]]))
        self.advance(turn.response)

    @property
    def is_over(self) -> bool:
        return self._ended is not None

    @property
    def size(self) -> int:
        return self._size + self._outline.size

    def advance(self, response: Response) -> list[Operation]:
        """What changed since the last time."""
        if self.is_over:
            return []
        is_done = response.done  # first: what comes in between is then in the last state
        operations = self._grown(response)
        if is_done:
            end = _ending(response)
            if self._has_failed:
                end["mark"] = f"{end['mark']} {_FAILED}".lstrip()
            self._ended = {**self._answer(), "end": end}
            self._size += self._outline.size  # counted once, not with every frame of the others
            self._outline = Outline()
            operations.append(["end", end])
        return operations

    def _grown(self, response: Response) -> list[Operation]:
        """What came of the answer; nothing any more once that could not be shown."""
        if self._has_failed:
            return []
        try:
            return self._outline.advance(response)
        except Exception:
            log.exception("an answer could not be shown in the panel; it is saved below it")
            self._has_failed = True
            return []

    def state(self) -> dict[str, Any]:
        answer = self._ended if self._ended is not None else self._answer()
        return {"id": self._id, "question": self._question, "answer": answer}

    def _answer(self) -> dict[str, Any]:
        seconds = round(time.monotonic() - self._opened, 1)
        return {
            **self._outline.state(),
            "seconds": seconds,
            "blocking": self._blocking,
            "end": None,
        }


def _ending(response: Response) -> dict[str, Any]:
    """How an answer ended, and whether it is a part, of which the page offers the rest."""
    end = ending(response)
    mark, hints = _GO_ON.subn("", end["mark"])
    return {**end, "mark": mark, "isPart": hints > 0}
