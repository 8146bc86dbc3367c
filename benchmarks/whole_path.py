"""The whole path: a scripted server, a real kernel, and what its front ends receive."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import corpus
from environments import FOLDER, UnavailableError, python_with, versions
from kernel import CellError, Execution, Kernel, kernel
from server import Answer, serving
from traffic import Traffic, busiest_second, traffic

__all__ = ["CONTENDERS", "SCENARIOS", "Contender", "Figures", "Run", "Scenario", "measure"]

_CELLS = Path(__file__).parent / "contenders"
_SDK = ("openai", "ipykernel")


@dataclass(frozen=True)
class Contender:
    """A way to show an answer: `contenders/<key>.ipy`, a set-up cell and the measured one.

    Attributes:
        key: the file's name.
        title: for the tables.
        packages: what its own environment needs; none: it runs in this one.
        shows: whether it shows the answer at all.
        is_ours: whether it is nbstream.
    """

    key: str
    title: str
    packages: tuple[str, ...] = ()
    shows: bool = True
    is_ours: bool = False


CONTENDERS = (
    Contender("bare", "the SDK's bare loop, printing nothing", shows=False),
    Contender("print", "print loop"),
    Contender("update_display", "`update_display` loop"),
    Contender("html_widget", "ipywidgets.HTML + markdown-it-py"),
    Contender("chatlas", "chatlas", ("chatlas", *_SDK)),
    Contender("chatlab", "chatlab", ("chatlab", *_SDK)),
    Contender("nbstream_widget", "nbstream, widget", is_ours=True),
    Contender("nbstream_display", "nbstream, no widgets", is_ours=True),
)


@dataclass(frozen=True)
class Scenario:
    """An answer, and how often it is measured: until `seconds` are spent or `runs` are made."""

    answer: Answer
    title: str
    runs: int
    seconds: float


SCENARIOS = (
    Scenario(Answer("burst", 8_000), "8,000 tokens as fast as they come", runs=5, seconds=8),
    Scenario(Answer("paced", 2_000, 200), "2,000 tokens at 200 a second", runs=2, seconds=12),
)
_WARM_UP = Answer("warm-up", 1_000)  # some of each kind of markdown


@dataclass(frozen=True)
class Run:
    """One measured cell: seconds of CPU and of the clock, and what it sent."""

    cpu: float
    wall: float
    traffic: Traffic
    busiest_second: int


@dataclass
class Figures:
    """All runs of a contender, by scenario, or why there are none."""

    contender: Contender
    runs: dict[str, list[Run]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    failure: str = ""


def measure(
    contenders: tuple[Contender, ...] = CONTENDERS, scenarios: tuple[Scenario, ...] = SCENARIOS
) -> Iterator[Figures]:
    """Measure one contender after the other, each in a kernel of its own."""
    with serving(_WARM_UP, *(scenario.answer for scenario in scenarios)) as base_url:
        for contender in contenders:
            figures = Figures(contender)
            try:
                _measure_one(figures, scenarios, base_url)
            except (CellError, UnavailableError) as error:
                figures.failure = str(error)
            yield figures


def _measure_one(figures: Figures, scenarios: tuple[Scenario, ...], base_url: str) -> None:
    contender = figures.contender
    python = python_with(contender.packages)
    figures.versions = versions(python, (contender.key, "openai", "ipykernel"))
    set_up, cell = (_CELLS / f"{contender.key}.ipy").read_text().split("# %%\n")
    env = {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "scripted",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "IPYTHONDIR": str(FOLDER / "ipython"),  # no one's own profile and history
    }
    with kernel(python, env) as running:
        running.run(set_up)
        running.run(cell.replace("MODEL", _WARM_UP.model))
        # The longest last: where it takes too long, the others are measured.
        for scenario in sorted(scenarios, key=lambda scenario: scenario.answer.tokens):
            code = cell.replace("MODEL", scenario.answer.model)
            with _told_apart(scenario):
                figures.runs[scenario.answer.model] = _repeat(running, code, contender, scenario)


@contextlib.contextmanager
def _told_apart(scenario: Scenario) -> Iterator[None]:
    try:
        yield
    except CellError as error:
        raise CellError(f"{scenario.title}: {error}") from error


def _repeat(running: Kernel, code: str, contender: Contender, scenario: Scenario) -> list[Run]:
    runs: list[Run] = []
    over = time.monotonic() + scenario.seconds
    while len(runs) < scenario.runs and (not runs or time.monotonic() < over):
        execution = running.run(code)
        if contender.shows:
            _check_shown(execution)
        runs.append(
            Run(
                execution.cpu,
                execution.wall,
                traffic(execution.messages),
                busiest_second(execution.messages),
            )
        )
    return runs


def _check_shown(execution: Execution) -> None:
    """An answer that did not arrive whole costs nothing, and says nothing.

    Raises:
        CellError: the answer's last words are not in what was sent at the end.
    """
    last = execution.messages[-200:]
    streamed = "".join(message.json()["text"] for message in last if message.kind == "stream")
    if corpus.END in streamed:
        return
    if not any(corpus.END.encode() in message.content for message in last):
        raise CellError("the answer was not shown to its end")
