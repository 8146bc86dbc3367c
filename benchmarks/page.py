"""What an answer costs the page: JupyterLab in Chromium, at 200 tokens a second."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server import Answer, serving

__all__ = ["CONTENDERS", "Figures", "measure"]

_TESTS = Path(__file__).parents[1] / "tests"
_CELLS = Path(__file__).parent / "contenders"
_RATE = 200  # tokens a second
_TOKENS, _TOKENS_QUICK = 8_000, 600
_LATEST = 45.0  # seconds after the end of the stream in which a page is waited for
_SWAP = 1.0  # seconds, at most, that Jupyter takes to render what is saved
_LONG_TASK = 50.0  # milliseconds, as the Long Tasks API has it

#: The cells that are measured, `contenders/<key>.ipy`, and their titles.
CONTENDERS = {
    "print": "print loop",
    "update_display": "`update_display` loop",
    "nbstream_widget": "nbstream, widget",
}

# Marks in the trace: now, and when the last frame of an answer came. After that Jupyter
# renders what is saved.
_MARK = """() => {
  performance.mark("begun");
  const observer = new MutationObserver((records) => {
    if (!records.some(({ target }) => target.getAttribute("aria-busy") === "false")) return;
    performance.mark("ended");
    observer.disconnect();
  });
  const options = { subtree: true, attributes: true, attributeFilter: ["aria-busy"] };
  observer.observe(document, options);
}"""
_CATEGORIES = ["toplevel", "blink.user_timing"]  # tasks, and marks


@dataclass
class Figures:
    """One answer in the page.

    Attributes:
        title: the contender's.
        tokens: of the answer.
        busy: the share of the time in which the main thread ran tasks, until the last frame.
        cpu: the same in CPU time, which other processes on the machine do not lengthen.
        tasks: those of more than 50 ms until then, in milliseconds.
        heaviest: the most CPU time of one task until then, in milliseconds.
        swap: those of more than 50 ms after it: Jupyter renders the saved answer.
        late: seconds from the end of the stream, at this rate, to the end of the cell.
        failure: why there are no figures.
    """

    title: str
    tokens: int
    busy: float = 0.0
    cpu: float = 0.0
    tasks: list[float] = field(default_factory=list)
    heaviest: float = 0.0
    swap: list[float] = field(default_factory=list)
    late: float = 0.0
    failure: str = ""

    @property
    def is_ours(self) -> bool:
        return self.title.startswith("nbstream")

    @property
    def longest(self) -> float:
        """The longest task before the swap in milliseconds; 0 where all are below 50."""
        return max(self.tasks, default=0.0)


def measure(*, quick: bool = False) -> Iterator[Figures]:
    """Measure one contender after the other, each in a page and a kernel of its own.

    Without a browser there is one `Figures`, which says so.
    """
    tokens = _TOKENS_QUICK if quick else _TOKENS
    with serving(Answer("warm-up", 200), Answer("paced", tokens, _RATE)) as base_url:
        try:
            with _lab(base_url) as (browser, server):
                for key, title in CONTENDERS.items():
                    yield _measure_one(browser, server, key, Figures(title, tokens))
        except LookupError as error:
            yield Figures("the page", tokens, failure=str(error))


@contextlib.contextmanager
def _lab(base_url: str) -> Iterator[tuple[Any, Any]]:
    """A browser, and a JupyterLab whose kernels ask the server at `base_url`."""
    sys.path[:0] = [str(_TESTS), str(_TESTS / "browser")]
    from chromium import FLAGS, find
    from harness import JupyterServer
    from playwright.sync_api import sync_playwright

    path = find()
    if path is None:
        raise LookupError("no Chromium: install one, or run tests/browser/chromium.py")
    with (
        tempfile.TemporaryDirectory() as folder,
        JupyterServer("lab", Path(folder)) as server,
        sync_playwright() as playwright,
    ):
        server.set_kernel_env({"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "scripted"})
        yield playwright.chromium.launch(executable_path=path, args=FLAGS), server
        server.stop_kernels()


def _measure_one(browser: Any, server: Any, key: str, figures: Figures) -> Figures:
    from harness import NotebookPage, write_notebook

    set_up, cell = (_CELLS / f"{key}.ipy").read_text().split("# %%\n")
    cells = [set_up, cell.replace("MODEL", "warm-up"), cell.replace("MODEL", "paced")]
    notebook = NotebookPage(browser, server, write_notebook(server.root / f"{key}.ipynb", cells))
    try:
        notebook.run(0)
        notebook.run(1)
        with _traced(notebook.page) as events:
            notebook.start(2)
            notebook.page.evaluate(_MARK)
            begun = time.monotonic()
            _wait(notebook, figures.tokens / _RATE + _LATEST)
            figures.late = time.monotonic() - begun - figures.tokens / _RATE
            notebook.page.evaluate("performance.mark('over')")
            notebook.page.wait_for_timeout(_SWAP * 1_000)
        return _evaluated(figures, events)
    finally:
        notebook.close()


def _wait(notebook: Any, seconds: float) -> None:
    """Wait for the end of the answer's cell, or so long.

    Jupyter Server drops messages of a kernel that sends too many: a page may never hear of
    the end. What it has done until then is measured all the same.
    """
    with contextlib.suppress(AssertionError):
        notebook.wait(2, seconds)


@contextlib.contextmanager
def _traced(page: Any) -> Iterator[list[dict[str, Any]]]:
    """Gives a list, which holds the events of Chrome's tracing when the block has ended."""
    events: list[dict[str, Any]] = []
    ended = threading.Event()
    session = page.context.new_cdp_session(page)
    session.on("Tracing.dataCollected", lambda data: events.extend(data["value"]))
    session.on("Tracing.tracingComplete", lambda _data: ended.set())
    config = {"includedCategories": _CATEGORIES}
    session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": config})
    yield events
    session.send("Tracing.end")
    while not ended.is_set():
        page.wait_for_timeout(50)


def _evaluated(figures: Figures, events: list[dict[str, Any]]) -> Figures:
    """Fill in what the trace says; its times are microseconds."""
    marks = {e["name"]: e for e in events if "blink.user_timing" in e["cat"]}
    begun = marks["begun"]["ts"]
    ended = marks.get("ended", marks["over"])["ts"]
    thread = marks["begun"]["pid"], marks["begun"]["tid"]
    tasks = [
        event
        for event in events
        if event["name"].endswith("RunTask")
        and (event["pid"], event["tid"]) == thread
        and event.get("ph") == "X"
        and event["ts"] >= begun
    ]
    stream = [task for task in tasks if task["ts"] + task["dur"] <= ended]
    figures.busy = sum(task["dur"] for task in stream) / (ended - begun)
    figures.cpu = sum(task.get("tdur", 0) for task in stream) / (ended - begun)
    figures.tasks = _long(stream)
    figures.heaviest = max((task.get("tdur", 0) for task in stream), default=0) / 1_000
    figures.swap = _long(task for task in tasks if task["ts"] + task["dur"] > ended)
    return figures


def _long(tasks: Iterable[dict[str, Any]]) -> list[float]:
    return [task["dur"] / 1_000 for task in tasks if task["dur"] > _LONG_TASK * 1_000]
