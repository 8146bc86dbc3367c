"""Diagrams of Mermaid in a saved notebook: drawn where they only draw, else code.

Proved by the requests that a server of the test gets, in a notebook that nobody trusts and in
the page that nbconvert makes of it. The same diagrams as the model wrote them do ask for what
they name, so the test can fail.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest
from diagrams import HARMLESS, HOSTILE, fence
from harness import NotebookPage, wait_for
from playwright.sync_api import Browser, expect
from watching import converted, show_all_cells

from nbstream.render.safe_markdown import safe_markdown
from nbstream.render.style import RenderStyle

DRAWN = ".jp-RenderedMermaid"
FAULTY = f"{DRAWN}.jp-mod-warning"
FOR_MERMAID = ".jp-Mermaid > pre.mermaid"
#: What the diagrams of `HOSTILE` load, as a model writes them.
LOADED = {f"/{name}" for name in ("shape", "label", "mindmap", "state", "note", "init", "head")}


class Asked:
    """A server that gives nothing, and the paths that it was asked for."""

    def __init__(self) -> None:
        paths: list[str] = []
        self.paths = paths

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                paths.append(self.path)
                self.send_error(404)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def servers() -> Iterator[Callable[[], Asked]]:
    with ExitStack() as stack:

        def start() -> Asked:
            server = Asked()
            stack.callback(server.close)
            return server

        yield start


def notebook_file(path: Path, outputs: list[str]) -> Path:
    """A notebook whose cells have these markdown outputs, and which no kernel has run."""
    cells = [
        nbformat.v4.new_code_cell(
            f"# {number}",
            outputs=[nbformat.v4.new_output("display_data", data={"text/markdown": markdown})],
        )
        for number, markdown in enumerate(outputs)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def foreign(notebook: NotebookPage) -> list[str]:
    """The requests from now on that leave for another host."""
    own = (notebook.server.url, "blob:", "data:")
    requests: list[str] = []

    def note(url: str) -> None:
        if not url.startswith(own):
            requests.append(url)

    notebook.page.on("request", lambda request: note(request.url))
    return requests


@pytest.mark.own_page
def test_diagrams_draw_and_ask_for_nothing(open_notebook, jupyter, servers):
    folder = jupyter("lab").root
    # The control: what the model wrote.
    asked = servers()
    raw = [fence(code, asked.address) for code in HOSTILE]
    notebook = open_notebook(notebook_file(folder / "diagrams-raw.ipynb", raw))
    show_all_cells(notebook)
    wait_for(lambda: set(asked.paths) >= LOADED, f"requests of {LOADED}", 60, notebook.page)

    asked = servers()
    hostile = safe_markdown("\n\n".join(fence(code, asked.address) for code in HOSTILE))
    all_code = safe_markdown("\n\n".join(map(fence, HARMLESS)), RenderStyle(diagrams=False))
    # Each a text of its own: together they are bounded.
    saved = [*(safe_markdown(fence(code)) for code in HARMLESS), hostile, all_code]
    notebook.file = notebook_file(folder / "diagrams-saved.ipynb", saved)
    requests = foreign(notebook)
    notebook.reopen()
    show_all_cells(notebook)
    for number in range(len(HARMLESS)):
        expect(notebook.output(number).locator(f"{DRAWN} img")).to_have_count(1)
    expect(notebook.page.locator(FAULTY)).to_have_count(0)
    for number, count in ((len(HARMLESS), len(HOSTILE)), (len(HARMLESS) + 1, len(HARMLESS))):
        expect(notebook.output(number).locator("pre > code")).to_have_count(count)
        expect(notebook.output(number).locator(DRAWN)).to_have_count(0)
    notebook.screenshot("diagrams")
    assert requests == []
    assert asked.paths == []


def test_the_page_of_nbconvert_draws_no_other_diagrams(browser: Browser, servers, tmp_path):
    asked = servers()
    hostile = [fence(code, asked.address) for code in HOSTILE]
    saved = [safe_markdown(text) for text in [*map(fence, HARMLESS), *hostile]]
    named = (("saved", saved, len(HARMLESS)), ("raw", hostile, len(hostile)))
    for name, outputs, count in named:
        file = converted(notebook_file(tmp_path / f"{name}.ipynb", outputs), tmp_path)
        page = browser.new_page()
        page.route("https://**", lambda route: route.abort())  # its own libraries
        page.goto(file.as_uri())
        expect(page.locator(FOR_MERMAID)).to_have_count(count)
        page.close()
        # It writes a diagram into the page as if it were HTML, before Mermaid reads it.
        assert bool(asked.paths) == (name == "raw")
