"""Short answers: how long a cell takes that waits for one, and the first cell of a kernel."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from environments import FOLDER
from kernel import Kernel, kernel
from server import Answer, serving

__all__ = ["CONTENDERS", "Figures", "measure"]

_CELLS = Path(__file__).parent / "contenders"
_ANSWER = Answer("short", 20, 1_000)
_WARM_UP = 3  # cells that are not counted

#: The cells that are measured, `contenders/<key>.ipy`, and their titles.
CONTENDERS = {
    "bare": "the SDK's bare loop, printing nothing",
    "nbstream_none": "nbstream, no view",
    "nbstream_widget": "nbstream, widget",
    "nbstream_display": "nbstream, no widgets",
}


@dataclass
class Figures:
    """A contender's cells, in seconds.

    Attributes:
        key: of `CONTENDERS`.
        loads: the set-up cells: `%load_ext`, or the SDK's import.
        firsts: the first cell behind each of them.
        cells: those in a kernel that has answered before.
    """

    key: str
    loads: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    cells: list[float] = field(default_factory=list)

    @property
    def title(self) -> str:
        return CONTENDERS[self.key]

    @property
    def is_ours(self) -> bool:
        return self.key.startswith("nbstream")

    @property
    def cell(self) -> float:
        return median(self.cells)

    @property
    def load(self) -> float:
        return median(self.loads)

    @property
    def first(self) -> float:
        """Of the SDK with its import, which takes the most of it."""
        with_load = (load + first for load, first in zip(self.loads, self.firsts, strict=True))
        return median(self.firsts if self.is_ours else with_load)


def measure(*, quick: bool = False) -> list[Figures]:
    """Measure all side by side, so that what else the machine does meets them alike."""
    kernels, cells = (1, 3) if quick else (7, 40)
    figures = [Figures(key) for key in CONTENDERS]
    with serving(_ANSWER) as base_url:
        for _ in range(kernels):
            for each in figures:
                with _ready(each, base_url):
                    pass
        with contextlib.ExitStack() as stack:
            running = [stack.enter_context(_ready(each, base_url)) for each in figures]
            for number in range(_WARM_UP + cells):
                for each, its in zip(figures, running, strict=True):
                    wall = its.run(_code(each.key)[1]).wall
                    if number >= _WARM_UP:
                        each.cells.append(wall)
    return figures


def _code(key: str) -> tuple[str, str]:
    set_up, cell = (_CELLS / f"{key}.ipy").read_text().split("# %%\n")
    return set_up, cell.replace("MODEL", _ANSWER.model)


@contextlib.contextmanager
def _ready(figures: Figures, base_url: str) -> Iterator[Kernel]:
    """A kernel that has run its first cell, right behind the set-up."""
    env = {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "scripted",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "IPYTHONDIR": str(FOLDER / "ipython"),  # no one's own profile and history
    }
    set_up, cell = _code(figures.key)
    with kernel(sys.executable, env) as running:
        running.run("pass")
        figures.loads.append(running.run(set_up).wall)
        figures.firsts.append(running.run(cell).wall)
        yield running
