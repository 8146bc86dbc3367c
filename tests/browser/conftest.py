"""Fixtures of the browser tests: Jupyter servers, a Chromium, notebooks in it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from chromium import launch
from harness import App, JupyterServer, NotebookPage, write_notebook
from playwright.sync_api import Browser, Page, expect, sync_playwright
from replay import ReplayServer

FOLDER = Path(__file__).parent
expect.set_options(timeout=30_000)  # ms; a kernel's first answer waits for its imports
FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the browser tests, and run them first: side by side, long files must not come last."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: FOLDER not in item.path.parents)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


class Chromium:
    """The Chromium of this process, and the pages that its tests have left for the next ones.

    It ends with the last browser test: Playwright keeps an event loop running in the main
    thread, where other tests run their own.
    """

    def __init__(self) -> None:
        self.left: dict[JupyterServer, Page] = {}
        self._open = ExitStack()
        self._browser: Browser | None = None

    def browser(self) -> Browser:
        if self._browser is None:
            self._browser = launch(self._open.enter_context(sync_playwright()))
        return self._browser

    def close(self) -> None:
        self.left.clear()
        self._browser = None
        self._open.close()


CHROMIUM = Chromium()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None):
    yield
    if nextitem is None or FOLDER not in nextitem.path.parents:
        CHROMIUM.close()


@pytest.fixture(scope="module")
def browser() -> Browser:
    """A Chromium. Without one, browser tests are skipped; in CI they fail."""
    return CHROMIUM.browser()


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., JupyterServer]]:
    """`jupyter(app, base_url="/")`: a server, started at first use and kept for the session."""
    servers: dict[tuple[App, str], JupyterServer] = {}

    def get(app: App, base_url: str = "/") -> JupyterServer:
        key = (app, base_url)
        if key not in servers:
            servers[key] = JupyterServer(app, tmp_path_factory.mktemp(app), base_url=base_url)
        return servers[key]

    yield get
    for server in servers.values():
        server.stop()


@pytest.fixture
def open_notebook(
    request: pytest.FixtureRequest,
    browser: Browser,
    jupyter: Callable[..., JupyterServer],
    replay: ReplayServer,
) -> Iterator[Callable[..., NotebookPage]]:
    """`open_notebook(cells, app="lab", base_url="/", **env)`: a new notebook, its kernel ready.

    `cells` are sources, or the path of a notebook on the disk of that server. The kernel's
    endpoint is the test's `replay` server; `env` adds variables. Tests use one JupyterLab
    after the other, as a user does; those marked `own_page` load it anew.
    """
    left = CHROMIUM.left
    is_own = request.node.get_closest_marker("own_page") is not None
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    pages: list[NotebookPage] = []
    numbers = itertools.count()

    def open_(
        cells: Sequence[str] | Path, app: App = "lab", base_url: str = "/", **env: str
    ) -> NotebookPage:
        server = jupyter(app, base_url)
        endpoint = {"OPENAI_BASE_URL": replay.base_url, "OPENAI_API_KEY": "sk-test"}
        server.set_kernel_env(endpoint | env)
        file = cells
        if not isinstance(cells, Path):
            file = write_notebook(server.root / f"{name}-{next(numbers)}.ipynb", cells)
        page = None if is_own else left.pop(server, None)
        pages.append(NotebookPage(browser, server, file, page))
        return pages[-1]

    yield open_
    has_failed = request.node.stash.get(FAILED, False)
    for number, page in enumerate(pages):
        if has_failed:
            print("\nsaved", page.screenshot(f"failed-{name}-{number}"))
            print(page.server.log())
        if has_failed or is_own or page.server in left or not page.can_be_left:
            page.close()
        else:
            left[page.server] = page.leave()
    for server in {page.server for page in pages}:
        server.stop_kernels()
