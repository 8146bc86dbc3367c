"""Pages that are watched for what hostile texts may not do in them.

A page that has nothing but a widget, a notebook in JupyterLab, and what nbconvert makes of it.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import nbformat
from harness import NotebookPage, write_notebook
from playwright.sync_api import Browser, Page

WATCH = (Path(__file__).parent / "watch.js").read_text(encoding="utf-8")
ORIGIN = "http://hostile.test/"
# What JupyterLab asks its own server for, whatever is in a notebook.
JUPYTER = re.compile(r"(lab/)?(api|extensions|static|tree)/|kernelspecs/|lsp/")
# What all of this must notice.
CONTROL = """<div class="jp-RenderedMarkdown"><p id="a" onclick="alert(1)" data-a="1">Control</p>
<img src="x-relative" onerror="alert('control')"><img src="https://leak.test/a.png">
<a href="javascript:alert(1)">a</a></div>"""


class Watch:
    """What a page does that it should not: code that ran, strange elements, requests.

    Args:
        page: before or after it has loaded.
        origin: the address of the page's own server.
        own: matches the paths there that the page asks for by itself.
    """

    def __init__(self, page: Page, origin: str, own: re.Pattern[str]) -> None:
        self._page = page
        self._origin = origin
        self._own = own
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.add_init_script(WATCH)
        page.evaluate(WATCH)
        page.on("request", lambda request: self._note(request.url))
        page.on("websocket", lambda socket: self._note(socket.url.replace("ws", "http", 1)))
        page.on("pageerror", lambda error: self.errors.append(error.stack or str(error)))
        page.route(self._is_foreign, lambda route: route.abort())

    def _is_foreign(self, url: str) -> bool:
        return not url.startswith((self._origin, "blob:", "data:"))

    def _note(self, url: str) -> None:
        path = url.removeprefix(self._origin)
        if self._is_foreign(url) or (path != url and not self._own.match(path)):
            self.requests.append(url)

    def look(self) -> int:
        """Go through all answers in the page; return how many elements they have."""
        return self._page.evaluate("watcher.look()")

    def take(self) -> list[str]:
        """What was noticed since the last time."""
        found = self._page.evaluate("watcher.found.splice(0)")
        found += self.requests + self.errors
        self.requests.clear()
        self.errors.clear()
        return found


class SentWidget:
    """In the place of the widget: keeps what is sent to the page."""

    def __init__(self, snapshot: bytes, **_traits: object) -> None:
        self.messages: list[dict[str, object]] = []
        self.snapshot = snapshot
        self.model_id = "model-1"
        self.layout = SimpleNamespace(close=lambda: None)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "snapshot":
            self.messages.append({"snapshot": base64.b64encode(value).decode()})

    def send(self, content: object) -> None:
        self.messages.append({"custom": content})

    def on_msg(self, _callback: object) -> None:
        pass

    def close(self) -> None:
        pass


@contextmanager
def bare_page(browser: Browser) -> Iterator[tuple[Page, Watch]]:
    """A page without anything in it, on a server that has nothing else."""
    page = browser.new_page()
    page.route(ORIGIN, lambda route: route.fulfill(body="<body>", content_type="text/html"))
    page.goto(ORIGIN)
    yield page, Watch(page, ORIGIN, re.compile("$"))
    page.close()


# --- JupyterLab ---------------------------------------------------------------------

CELLS = "jupyterapp.shell.currentWidget.content"
TRUST = f"{CELLS}.widgets.map((cell) => cell.model.trusted)"


def show_all_cells(notebook: NotebookPage) -> None:
    """JupyterLab paints what is in sight, and adds cells when it is idle; here all is looked at."""
    # Without its windows it would no longer add the cells that are missing yet.
    notebook.page.wait_for_function(f"{CELLS}.widgets.every((cell) => !cell.isPlaceholder())")
    notebook.page.evaluate(
        f"{CELLS}.notebookConfig = {{ ...{CELLS}.notebookConfig, windowingMode: 'none' }}"
    )


def assert_harmless(watch: Watch, phase: str) -> None:
    count = watch.look()
    assert count > 1_000
    print(f"{phase}: {count} elements")
    found = list(dict.fromkeys(watch.take()))
    assert not found, "\n".join([phase, *found])


def copy_of(saved: nbformat.NotebookNode, notebook: NotebookPage, *, is_trusted: bool) -> Path:
    """A copy that nobody has run: Jupyter knows the notebooks that it trusts by their content."""
    file = notebook.file.with_name(f"copy-{is_trusted}.ipynb")
    saved.metadata["copy"] = str(is_trusted)
    nbformat.write(saved, file)
    if is_trusted:
        data = {"JUPYTER_DATA_DIR": str(notebook.server.root.parent / "data")}
        command = [sys.executable, "-m", "jupyter", "trust", str(file)]
        subprocess.run(command, check=True, env={**os.environ, **data}, timeout=60)
    return file


def assert_converted_harmless(browser: Browser, file: Path, folder: Path) -> None:
    """`jupyter nbconvert --to html`: the page does no more than that of an empty notebook."""
    empty = write_notebook(folder / "empty.ipynb", [])
    expected, count = seen_in(browser, converted(empty, folder))
    assert expected, "the page of an empty notebook loads MathJax"
    assert count == 0
    found, count = seen_in(browser, converted(file, folder))
    assert count > 1_000
    print(f"converted: {count} elements")
    found = [entry for entry in found if entry not in expected]
    assert not found, "\n".join(found)


def converted(file: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(file)]
    subprocess.run([*command, "--output-dir", str(folder)], check=True, timeout=60)
    return folder / f"{file.stem}.html"


def seen_in(browser: Browser, file: Path) -> tuple[list[str], int]:
    """What the watch notices in a file, and how many elements answers have there."""
    page = browser.new_page()
    watch = Watch(page, "file://", re.compile(re.escape(str(file)) + "$"))
    page.goto(file.as_uri())
    page.wait_for_timeout(500)
    count = watch.look()
    found = watch.take()
    page.close()
    return found, count
