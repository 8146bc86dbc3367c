"""Which conversation a panel shows: that of its cell, when the cell runs again.

While the kernel lives, a cell that makes a panel again under the same name gets the same session.
Another kernel finds the turns in the file of the notebook, as they were saved below the panel;
by then the page has emptied the output of the cell, but not the file.
"""

from __future__ import annotations

import dis
import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from types import FrameType
from typing import Any

from ..namespace import namespace, running_cell
from ..session import Session
from ..views.frontend import is_attended
from .record import CONVERSATION_TYPE, read_turns

__all__ = ["Slot", "kept"]

# What comes of a file that cannot be read, is not a notebook, or has not this cell.
_NOT_THERE = (
    *(OSError, ValueError, RecursionError),
    *(KeyError, TypeError, AttributeError, StopIteration),
)
_LARGEST = 2**27  # bytes of a notebook that is looked into

log = logging.getLogger("nbstream")


@dataclass(frozen=True, slots=True)
class Slot:
    """What tells a panel from all others of its notebook.

    Attributes:
        cell: the id of the cell that makes or shows it.
        name: the variable that the cell puts it into; "" without one. A second panel for the
            same variable in one run, as in a loop, is `panel 2`.
    """

    cell: str
    name: str


class Kept:
    """The sessions of the panels of this kernel."""

    def __init__(self) -> None:
        self._sessions: dict[Slot, Session] = {}
        self._shown: set[Slot] = set()
        self._run: tuple[str, str] | None = None  # the cell's that made panels last
        self._made: set[str] = set()  # their names, in that run

    def slot(self, name: str | None = None) -> Slot | None:
        """The slot of a panel that the running cell makes; None where no cell is known.

        Args:
            name: by default the variable that the panel goes into.
        """
        run = running_cell()
        if run is None:
            return None
        if run != self._run:
            self._run = run
            self._made.clear()
        first = _assigned() if name is None else name
        names = chain([first], (f"{first} {number}".lstrip() for number in count(2)))
        name = next(each for each in names if each not in self._made)
        self._made.add(name)
        return Slot(run[0], name)

    def earlier(self, slot: Slot | None) -> Session | None:
        """The session that the panel of this slot had until now."""
        return None if slot is None else self._sessions.get(slot)

    def keep(self, slot: Slot | None, session: Session) -> None:
        """Remember whose session this is."""
        if slot is not None:
            self._sessions[slot] = session

    def show_saved(self, session: Session, name: str) -> None:
        """Let the turns that the running cell has had stand in `session`, where it lacks them.

        They are those saved below the panel of this name, or else below the only other one of
        the cell. Once for each: afterwards this kernel knows better than the file.
        """
        run = running_cell()
        if run is None or not is_attended():
            return
        slot = Slot(run[0], name)
        is_known = slot in self._shown or session.saved.branch
        self._shown.add(slot)
        if is_known:
            return
        if (other := self._renamed(slot)) is not None:
            session.show_saved(other.copy_of_shown())
        elif records := _saved_in(slot.cell):
            self.offer(session, name, records)

    def offer(self, session: Session, name: str, records: Iterable[Any]) -> None:
        """Let the turns stand in `session` that outputs have as records; anybody wrote them."""
        try:
            session.show_saved(read_turns(_of_panel(records, name)))
        except ValueError as error:
            log.warning("the conversation that is saved in this cell cannot be read: %s", error)

    def _renamed(self, slot: Slot) -> Session | None:
        """The session of the cell's only other panel, where the cell makes that no longer."""
        others = [
            session
            for each, session in self._sessions.items()
            if each.cell == slot.cell and each.name not in self._made
        ]
        return others[0] if len(others) == 1 and slot in self._sessions else None


def _of_panel(records: Iterable[Any], name: str) -> list[Any]:
    """Those of the panel of this name; or all, where the cell has had one panel, of another."""
    panels: dict[str, list[Any]] = {}
    for record in records:
        if isinstance(record, Mapping):
            panels.setdefault(str(record.get("panel")), []).append(record)
    only = next(iter(panels.values())) if len(panels) == 1 else []
    return panels.get(name, only)


def _saved_in(cell: str) -> list[Any]:
    """The records of turns in the outputs of a cell, as the file of the notebook has them."""
    path = Path(os.environ.get("JPY_SESSION_NAME", ""))  # by Jupyter Server
    try:
        if path.suffix != ".ipynb" or path.stat().st_size > _LARGEST:
            return []
        data = path.read_bytes()
        if CONVERSATION_TYPE.encode() not in data:
            return []
        cells = json.loads(data)["cells"]
        outputs = next(each["outputs"] for each in cells if each.get("id") == cell)
        found = [output["data"].get(CONVERSATION_TYPE) for output in outputs if "data" in output]
    except _NOT_THERE:
        log.debug("the notebook could not be looked into", exc_info=True)
        return []
    return [record for record in found if record is not None]


def _assigned() -> str:
    """The variable into which the running cell puts what is being made; "" for none."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001  # there is no other way to it
    variables = namespace()
    while frame is not None and not (
        frame.f_code.co_name == "<module>" and frame.f_globals is variables
    ):
        frame = frame.f_back
    if frame is None:
        return ""
    rest = (each for each in dis.get_instructions(frame.f_code) if each.offset > frame.f_lasti)
    after = next(rest, None)
    stores = ("STORE_NAME", "STORE_GLOBAL")
    return str(after.argval) if after is not None and after.opname in stores else ""


#: Those of this kernel.
kept = Kept()
