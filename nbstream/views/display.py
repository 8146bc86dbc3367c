"""The live view without widgets: outputs that are added, and one that is updated.

What can no longer change goes into outputs of its own, and only the last output is sent
again as the answer grows. So what is sent in all grows as the answer does, and not with
its square.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from typing import Any

from IPython.display import DisplayHandle, clear_output, display

from ..buffers import TextBuffer
from ..render.blocks import settled_length
from ..render.extract import link_definitions
from ..render.saved import bundle, content_markdown, display_markdown
from ..render.style import DEFAULT_STYLE, RenderStyle
from ..render.summary import plain_summary
from ..response import Response, Timing
from ..rounds import Round
from .ending import leave, leaves_nothing

__all__ = ["DisplayView"]

log = logging.getLogger("nbstream")

_GROUP = 2_000  # characters: front ends take few large outputs better than many small ones
_LARGE = 4_000  # characters of what is open: from there on it is sent again only when it ...
_GROWTH = 1.25  # ... has grown by a quarter


class DisplayView:
    """Shows an answer by `display` and `update_display`.

    Args:
        owns_cell: whether the cell's output may be replaced by the bundle at the end.
            Otherwise what was shown stays, and the last output becomes the rest.
        style: how answers look.

    Attributes:
        interval: seconds between updates; each makes a front end render a whole output.
    """

    interval = 0.25

    def __init__(
        self,
        *,
        owns_cell: bool,
        style: RenderStyle = DEFAULT_STYLE,
    ) -> None:
        self._owns_cell = owns_cell
        self._style = style
        self._sealed: list[_Place] = []  # of each round, what stands in outputs that are done
        self._tail: DisplayHandle | None = None
        self._shown_size = 0
        # The rounds whose first text was reasoning, and those whose reasoning was text.
        self._reread: set[tuple[int, bool]] = set()
        self._shown_events: tuple[Any, ...] = ()
        self._done: list[_Done] = []

    def open(self, response: Response) -> None:
        """Nothing is shown before there is something to show."""

    def update(self, response: Response) -> None:
        self._sealed += [_Place()] * (len(response.rounds) - len(self._sealed))
        self._leave_what_was_read(response)
        if not self._is_due(response):
            return
        ends = [_Place.end(turn) for turn in response.rounds]
        stable = _stable(response, self._sealed)
        if stable != ends and _size(self._sealed, stable) >= _GROUP:
            self._seal(response, stable)
        self._put(self._data(_excerpt(response, self._sealed, ends), response.notice))
        self._shown_size = _size(self._sealed, ends)

    def _seal(self, response: Response, stable: list[_Place]) -> None:
        """Leave what stands before these places in an output that is done."""
        excerpt = _excerpt(response, self._sealed, stable)
        excerpt.finish("complete", None, Timing())
        data = self._data(excerpt)
        self._put(data)
        if self._tail is not None:
            self._done.append(_Done(self._tail, self._sealed, stable, data["text/markdown"]))
        self._sealed, self._tail = stable, None

    def close(self, response: Response) -> None:
        if leaves_nothing(response, owns_cell=self._owns_cell):
            if self._tail is not None:
                clear_output()
            return
        leave(partial(self._replace, response), response, style=self._style)

    def _replace(self, response: Response, data: dict[str, Any]) -> None:
        """Put static output in the place of the live one, or behind what is done of it."""
        if any(place != _Place() for place in self._sealed):
            # What a tool has printed or shown stands in the cell too, and stays.
            if self._owns_cell and not response.tool_calls:
                clear_output(wait=True)
                self._tail = None
            else:
                data = self._shortened(response, data)
        self._put(data)

    def _shortened(self, response: Response, data: dict[str, Any]) -> dict[str, Any]:
        """`data` without the text that stands in outputs that are done."""
        try:
            definitions = [link_definitions(str(turn.text)) for turn in response.rounds]
            rest = self._rest(response, definitions)
            if any(definitions):
                self._link(response, definitions)
        except Exception:
            log.exception("an answer could not be parted; what was shown of it stands there twice")
            return data
        return {**data, "text/markdown": rest}

    def _link(self, response: Response, definitions: Sequence[str]) -> None:
        """Show outputs that are done once more, where they name links that were defined later."""
        for done in self._done:
            excerpt = _excerpt(response, done.starts, done.ends, definitions)
            excerpt.finish("complete", None, Timing())
            data = self._data(excerpt)
            if data["text/markdown"] != done.markdown:
                done.output.update(data, raw=True)

    def _leave_what_was_read(self, response: Response) -> None:
        """Text turns out to be reasoning, or the other way round.

        What of it is in outputs that are done stands there; an answer is shown once more.
        """
        for i, turn in enumerate(response.rounds):
            place = (i, turn.is_unclosed)
            if not (turn.is_reread or turn.is_unclosed) or place in self._reread:
                continue
            self._reread.add(place)
            self._shown_size = 0
            if self._sealed[i] != _Place():
                self._sealed[:i] = [_Place.end(earlier) for earlier in response.rounds[:i]]
                self._sealed[i] = _Place(reasoning=len(turn.reasoning))
                self._tail = None
                self._done.clear()  # the places are other ones now

    def _is_due(self, response: Response) -> bool:
        """Whether there is news, and enough of it."""
        calls = [call for turn in response.rounds for call in turn.calls]
        results = sum(call.result is not None for call in calls)
        events = (len(response.rounds), len(calls), results, response.notice)
        size = _size(self._sealed, [_Place.end(turn) for turn in response.rounds])
        grown = size >= self._shown_size * (_GROWTH if size > _LARGE else 1)
        is_due = events != self._shown_events or (size != self._shown_size and grown)
        if is_due:
            self._shown_events = events
        return is_due

    def _data(self, excerpt: Response, notice: str = "") -> dict[str, Any]:
        content = content_markdown(excerpt, self._style)
        parts = [part for part in (content, display_markdown(notice, self._style)) if part]
        return {"text/markdown": "\n\n".join(parts), "text/plain": plain_summary(excerpt)}

    def _rest(self, response: Response, definitions: Sequence[str]) -> str:
        """The markdown of what does not stand in outputs that are done, with mark and usage."""
        self._sealed += [_Place()] * (len(response.rounds) - len(self._sealed))
        ends = [_Place.end(turn) for turn in response.rounds]
        rest = _excerpt(response, self._sealed, ends, definitions)
        for part, turn in zip(rest.rounds, response.rounds, strict=True):
            part.alternatives = turn.alternatives
        rest.finish(response.status, response.error, response.timing)
        markdown: str = bundle(rest, self._style)["text/markdown"]
        return markdown

    def _put(self, data: dict[str, Any]) -> None:
        """Show `data` as the last output, which is made if there is none."""
        if self._tail is not None:
            self._tail.update(data, raw=True)
        elif data["text/markdown"]:
            self._tail = display(data, raw=True, display_id=True)


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a round: so much of it stands before."""

    reasoning: int = 0
    text: int = 0
    refusal: int = 0
    calls: int = 0
    arguments: int = 0

    @classmethod
    def end(cls, turn: Round) -> _Place:
        return cls(
            len(turn.reasoning),
            len(turn.text),
            len(turn.refusal),
            len(turn.calls),
            sum(len(call.arguments) for call in turn.calls),
        )

    @property
    def characters(self) -> int:
        return self.reasoning + self.text + self.refusal + self.arguments


def _size(starts: list[_Place], ends: list[_Place]) -> int:
    return sum(place.characters for place in ends) - sum(place.characters for place in starts)


def _stable(response: Response, starts: list[_Place]) -> list[_Place]:
    """The place in each round before which nothing changes any more."""
    *done, last = response.rounds or [Round()]
    start = (starts or [_Place()])[-1]
    part = start if response.is_json else _stable_part(last, start)  # JSON is one block
    return [*(_Place.end(turn) for turn in done), part]


def _stable_part(turn: Round, start: _Place) -> _Place:
    end = _Place.end(turn)
    if not (end.text or end.refusal or end.calls):
        return start
    if not (end.refusal or end.calls):
        text = start.text + settled_length(turn.text.since(start.text))
        return replace(start, reasoning=end.reasoning, text=text)
    return replace(start, reasoning=end.reasoning, text=end.text)


@dataclass(frozen=True, slots=True)
class _Done:
    """An output that is done: what of each round stands in it, and as which markdown."""

    output: DisplayHandle
    starts: list[_Place]
    ends: list[_Place]
    markdown: str


def _excerpt(
    response: Response,
    starts: list[_Place],
    ends: list[_Place],
    definitions: Sequence[str] = (),
) -> Response:
    """A response that holds what stands between two places.

    Args:
        response: what came.
        starts, ends: the places in each round; of rounds that came later, nothing.
        definitions: of each round, what is to be known about its links.
    """
    excerpt = Response(model=response.requested_model, is_json=response.is_json)
    excerpt.rounds = [
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
    return excerpt


def _piece(text: TextBuffer, start: int, end: int, known: str = "") -> TextBuffer:
    piece = text.since(start)[: end - start]
    return TextBuffer(f"{known}\n{piece}" if known and piece else piece)
