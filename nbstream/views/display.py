"""The live view without widgets: outputs that are added, and one that is updated.

What can no longer change goes into outputs of its own, and only the last output is sent
again as the answer grows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from IPython.display import DisplayHandle, clear_output, display

from ..render.extract import link_definitions
from ..render.saved import bundle, content_markdown, display_markdown
from ..render.style import DEFAULT_STYLE, RenderStyle
from ..render.summary import plain_summary
from ..response import Response, Timing
from .ending import leave, leaves_nothing
from .hooks import CellHooks
from .parts import Parts, Place, excerpt

__all__ = ["DisplayView"]

log = logging.getLogger("nbstream")

_GROUP = 2_000  # characters: front ends take few large outputs better than many small ones


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
        self._hooks = CellHooks()
        self._parts = Parts()
        self._part_style = replace(style, is_part=True)
        self._tail: DisplayHandle | None = None
        self._done: list[_Done] = []

    def open(self, response: Response) -> None:
        """Nothing is shown before there is something to show."""

    def update(self, response: Response) -> None:
        if self._parts.follow(response):
            self._tail = None
            self._done.clear()  # the places are other ones now
        if not self._parts.is_due(response):
            return
        ends = [Place.end(turn) for turn in response.rounds]
        stable = self._parts.stable(response)
        if stable != ends and self._parts.size(stable) >= _GROUP:
            self._seal(response, stable)
        self._put(self._data(excerpt(response, self._parts.sealed, ends), response.notice))
        self._parts.looked_at(response)

    def _seal(self, response: Response, stable: list[Place]) -> None:
        """Leave what stands before these places in an output that is done."""
        data = self._data(self._parts.next(response, stable))
        self._put(data)
        if self._tail is not None:
            self._done.append(_Done(self._tail, self._parts.sealed, stable, data["text/markdown"]))
        self._parts.sealed, self._tail = stable, None

    def close(self, response: Response) -> None:
        if leaves_nothing(response, owns_cell=self._owns_cell):
            if self._tail is not None:
                with self._hooks:
                    clear_output()
            return
        leave(partial(self._replace, response), response, style=self._style)

    def _replace(self, response: Response, data: dict[str, Any]) -> None:
        """Put static output in the place of the live one, or behind what is done of it."""
        if self._parts.has_sealed:
            # What a tool has printed or shown stands in the cell too, and stays.
            if self._owns_cell and not response.tool_calls:
                with self._hooks:
                    clear_output(wait=True)
                self._tail = None
            else:
                data = self._shortened(response, data)
        self._put(data)

    def _shortened(self, response: Response, data: dict[str, Any]) -> dict[str, Any]:
        """`data` without the text that stands in outputs that are done."""
        try:
            definitions = [link_definitions(str(turn.text)) for turn in response.rounds]
            rest = bundle(self._parts.rest(response, definitions), self._part_style)[
                "text/markdown"
            ]
            if any(definitions):
                self._link(response, definitions)
        except Exception:
            log.exception("an answer could not be parted; what was shown of it stands there twice")
            return data
        return {**data, "text/markdown": rest}

    def _link(self, response: Response, definitions: Sequence[str]) -> None:
        """Show outputs that are done once more, where they name links that were defined later."""
        for done in self._done:
            part = excerpt(response, done.starts, done.ends, definitions)
            part.finish("complete", None, Timing())
            data = self._data(part)
            if data["text/markdown"] != done.markdown:
                with self._hooks:
                    done.output.update(data, raw=True)

    def _data(self, part: Response, notice: str = "") -> dict[str, Any]:
        content = content_markdown(part, self._part_style)
        parts = [each for each in (content, display_markdown(notice, self._style)) if each]
        return {"text/markdown": "\n\n".join(parts), "text/plain": plain_summary(part)}

    def _put(self, data: dict[str, Any]) -> None:
        """Show `data` as the last output, which is made if there is none."""
        with self._hooks:
            if self._tail is not None:
                self._tail.update(data, raw=True)
            elif data["text/markdown"]:
                self._tail = display(data, raw=True, display_id=True)


@dataclass(frozen=True, slots=True)
class _Done:
    """An output that is done: what of each round stands in it, and as which markdown."""

    output: DisplayHandle
    starts: list[Place]
    ends: list[Place]
    markdown: str
