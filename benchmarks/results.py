"""What was measured, on which machine, and whether it meets the goals."""

from __future__ import annotations

import datetime as dt
import os
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import corpus
import hostile_text
import page
import renderer
import short
import whole_path
import wire
from environments import versions

__all__ = ["Goal", "Results", "Summary", "goals", "machine", "summaries"]

_PACKAGES = ("nbstream", "openai", "ipykernel", "ipywidgets", "anywidget", "markdown-it-py")


@dataclass
class Results:
    """The figures of a run; a part that was left out is empty."""

    whole_path: list[whole_path.Figures] = field(default_factory=list)
    renderer: list[renderer.Figures] = field(default_factory=list)
    hostile: list[hostile_text.Figures] = field(default_factory=list)
    wire: list[wire.Figures] = field(default_factory=list)
    page: list[page.Figures] = field(default_factory=list)
    short: list[short.Figures] = field(default_factory=list)


@dataclass(frozen=True)
class Summary:
    """A contender in one scenario, as the median of its runs.

    Attributes:
        cpu: microseconds of CPU a token; `cpu_range` is the least and the most.
        live, saved: bytes a character of the answer.
        program: bytes of a widget's own code, not in these.
        messages: how many; `busiest_second`: the most within one second.
        wall: seconds for the cell.
        runs: how many there were.
    """

    contender: whole_path.Contender
    cpu: float
    cpu_range: tuple[float, float]
    live: float
    saved: float
    program: int
    messages: int
    busiest_second: int
    wall: float
    runs: int

    @property
    def bytes(self) -> float:
        return self.live + self.saved


def summaries(
    figures: Iterable[whole_path.Figures], scenario: whole_path.Scenario
) -> dict[str, Summary]:
    """By the contender's key, those who were measured."""
    characters = len("".join(corpus.answer(scenario.answer.tokens)))
    return {
        entry.contender.key: _summary(
            entry.contender, entry.runs[scenario.answer.model], scenario.answer.tokens, characters
        )
        for entry in figures
        if entry.runs.get(scenario.answer.model)
    }


def _summary(
    contender: whole_path.Contender, runs: list[whole_path.Run], tokens: int, characters: int
) -> Summary:
    cpu = [run.cpu / tokens * 1e6 for run in runs]

    def middle(value: Callable[[whole_path.Run], float]) -> float:
        return median(value(run) for run in runs)

    return Summary(
        contender=contender,
        cpu=median(cpu),
        cpu_range=(min(cpu), max(cpu)),
        live=middle(lambda run: run.traffic.live) / characters,
        saved=middle(lambda run: run.traffic.saved) / characters,
        program=runs[0].traffic.program,
        messages=round(middle(lambda run: run.traffic.messages)),
        busiest_second=max(run.busiest_second for run in runs),
        wall=middle(lambda run: run.wall),
        runs=len(runs),
    )


# -- goals -----------------------------------------------------------------------------

# The print loop at 200 tokens a second where the goals were set: CPU in microseconds a token,
# and the share of the time in which the page was busy.
_PRINT_CPU = 615.0
_PRINT_BUSY = 0.30


@dataclass(frozen=True)
class Goal:
    """One of the project's goals: what was measured, and the most that it may be."""

    text: str
    value: float
    limit: float
    unit: str = ""

    @property
    def is_met(self) -> bool:
        return self.value <= self.limit


def goals(results: Results, scenarios: Iterable[whole_path.Scenario]) -> list[Goal]:
    """Those goals that were measured."""
    found: list[Goal] = []
    for scenario in scenarios:
        found += _path_goals(scenario, summaries(results.whole_path, scenario))
    found += _short_goals(results.short)
    found += _renderer_goals(results.renderer) + _hostile_goals(results.hostile)
    return found + _page_goals(results.page)


def _path_goals(scenario: whole_path.Scenario, by_key: dict[str, Summary]) -> list[Goal]:
    ours = by_key.get("nbstream_widget")
    if ours is None:
        return []
    if not scenario.answer.rate:
        found = [Goal("bytes a character, burst", ours.bytes, 5)]
        if bare := by_key.get("bare"):
            found.append(Goal("CPU, burst", ours.cpu / bare.cpu, 1, "× the bare loop"))
        return found
    at = f"{scenario.answer.rate:.0f} a second"
    found = [Goal(f"CPU a token, {at}", ours.cpu, 300, "µs")]
    if printing := by_key.get("print"):
        ratio = ours.cpu / printing.cpu
        found.append(Goal(f"CPU, {at}", ratio, 300 / _PRINT_CPU, "× the print loop"))
    return [
        *found,
        Goal(f"bytes a character, {at}", ours.bytes, 12),
        # 30 frames, and what opens and closes the view
        Goal("messages in the busiest second", ours.busiest_second, 36),
    ]


def _short_goals(figures: list[short.Figures]) -> list[Goal]:
    found: list[Goal] = []
    by_key = {entry.key: entry for entry in figures}
    bare = by_key.pop("bare", None)
    if bare is None:
        return []
    for key, ours in by_key.items():
        if key == "nbstream_none":
            ratio = ours.cell / bare.cell
            found.append(Goal("a short answer without a view", ratio, 1.3, "× the bare loop"))
        else:
            later = (ours.cell - bare.cell) * 1e3
            found.append(Goal(f"a short cell, {ours.title}", later, 30, "ms more"))
        first = (ours.first - bare.first) * 1e3
        found.append(Goal(f"the first cell, {ours.title}", first, 200, "ms more"))
    return found


def _renderer_goals(figures: list[renderer.Figures]) -> list[Goal]:
    prose = {entry.tokens: entry for entry in figures if entry.shape == renderer.PROSE}
    found = []
    if {2_000, 128_000} <= prose.keys():
        growth = prose[128_000].per_token / prose[2_000].per_token
        found = [
            Goal("a token at 128k tokens", growth, 1.2, "× one at 2k"),
            Goal("slowest frame at 128k tokens", prose[128_000].worst * 1e3, 10, "ms"),
        ]
    return found + [
        Goal(f"{entry.tokens:,} tokens of one {entry.shape}", entry.full_parses, 6, "full parses")
        for entry in figures
        if (entry.shape, entry.tokens) in _GIANTS
    ]


def _hostile_goals(figures: list[hostile_text.Figures]) -> list[Goal]:
    if not figures:
        return []
    dearest = max(f.per_character for f in figures)
    return [
        Goal("a character of hostile text", dearest, 20, "µs"),
        Goal("four times as much hostile text", max(f.growth for f in figures), 4.5, "×"),
        Goal("slowest frame in hostile text", max(f.worst for f in figures) * 1e3, 50, "ms"),
    ]


_GIANTS = (("table", 16_000), ("fence", 64_000))  # about 1,000 rows, and 5,000 lines


def _page_goals(figures: list[page.Figures]) -> list[Goal]:
    found: list[Goal] = []
    measured = [entry for entry in figures if not entry.failure]
    printing = next((entry for entry in measured if entry.title == page.CONTENDERS["print"]), None)
    for entry in measured:
        if not entry.is_ours:
            continue
        found.append(Goal("main thread of the page busy", entry.busy * 100, 15, "% of the time"))
        found.append(Goal("the same in CPU time", entry.cpu * 100, 15, "%"))
        if printing:
            ratio = entry.busy / printing.busy
            found.append(Goal("main thread busy", ratio, 0.15 / _PRINT_BUSY, "× the print loop"))
        found.append(Goal("longest task in the page", entry.longest, 50, "ms"))
        found.append(Goal("the most CPU time of a task in the page", entry.heaviest, 50, "ms"))
    return found


# -- the machine -------------------------------------------------------------------------


def machine() -> list[str]:
    """Lines on what all this ran on."""
    found = versions(sys.executable, _PACKAGES)
    system = f"{platform.system()} {platform.machine()}"
    today = dt.datetime.now(dt.UTC).date()
    python = f"Python {platform.python_version()}"
    return [
        f"{_processor()}, {os.cpu_count()} cores, {system}, {python}, {today}",
        ", ".join(f"{name} {version}" for name, version in found.items()),
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
