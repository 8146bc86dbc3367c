"""A real Jupyter server and its pages in a real browser.

`JupyterServer` runs JupyterLab or Notebook 7 as a process of its own, with the token and
XSRF check that it has by default and none of the user's settings. `NotebookPage` is one
notebook in a page of it: cells are counted from 0.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import nbformat
from playwright.sync_api import Browser, Locator, Page, expect

App = Literal["lab", "notebook"]

SCREENSHOTS = Path(__file__).parent / "screenshots"
VIEWPORT: Any = {"width": 1200, "height": 900}
SLOW = 90.0  # seconds: a cold start of Jupyter on a small, busy machine
CELL = 60.0  # seconds: a cell that does little

MODULES: dict[App, str] = {"lab": "jupyterlab", "notebook": "notebook"}
PAGES: dict[App, str] = {"lab": "lab/tree/{}?reset", "notebook": "notebooks/{}"}

SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "apputils-extension/themes": {"theme": "JupyterLab Light"},
}

# What a page would ask at each start, and a server find out with Node.js: it takes seconds.
PAGE_CONFIG = {
    "buildCheck": False,
    "disabledExtensions": {"@jupyterlab/extensionmanager-extension": True},
}

# Each kernel reads its environment anew, for the server outlives a test.
STARTUP = """
import json, os, pathlib
os.environ.update(json.loads(pathlib.Path({path!r}).read_text()))
del json, os, pathlib
"""


class JupyterServer:
    """A Jupyter server process whose home, settings and notebooks are in `folder`.

    Attributes:
        url: with `base_url`, ending in a slash.
        token: what opens it.
        root: the folder of the notebooks.
    """

    def __init__(self, app: App, folder: Path, *, base_url: str = "/") -> None:
        self.app = app
        self.root = folder / "notebooks"
        self._kernel_env = folder / "kernel_env.json"
        self._runtime = folder / "runtime"
        self._log = folder / "server.log"
        self.root.mkdir(parents=True)
        self.set_kernel_env({})
        _write_settings(folder, self._kernel_env)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULES[app], *_options(app, self.root, base_url)],
                env=_environment(folder),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            info = self._wait_for_start()
        except BaseException:
            self.stop()
            raise
        self.url: str = info["url"]
        self.token: str = info["token"]

    def _wait_for_start(self) -> dict[str, Any]:
        file = self._runtime / f"jpserver-{self._process.pid}.json"

        def started() -> dict[str, Any] | None:
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.app} ended:\n{self.log()}")
            try:
                return json.loads(file.read_text())
            except (FileNotFoundError, ValueError):
                return None

        return wait_for(started, f"{self.app} to start", SLOW)

    def log(self) -> str:
        """What the server wrote, its last part."""
        return self._log.read_text(errors="replace")[-5000:]

    def set_kernel_env(self, env: Mapping[str, str]) -> None:
        """Environment variables of the kernels that start from now on."""
        self._kernel_env.write_text(json.dumps(dict(env)))

    def api(self, path: str, method: str = "GET") -> Any:
        """Ask Jupyter's REST API: `api("kernels")`; return the JSON, or None."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}api/{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def stop_kernels(self) -> None:
        """End every kernel, as a test leaves them behind."""
        for kernel in self.api("kernels"):
            self.api(f"kernels/{kernel['id']}", "DELETE")

    def stop(self) -> None:
        """End the server; it ends its kernels."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


def _options(app: App, root: Path, base_url: str) -> list[str]:
    expose = {"lab": "LabApp", "notebook": "JupyterNotebookApp"}[app]
    return [
        "--no-browser",
        "--allow-root",
        "--ServerApp.port=0",
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.base_url={base_url}",
        f"--{expose}.expose_app_in_browser=True",  # `jupyterapp`, for commands and states
    ]


def _environment(folder: Path) -> dict[str, str]:
    private = {
        "HOME": folder / "home",
        "IPYTHONDIR": folder / "ipython",
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTER_DATA_DIR": folder / "data",
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
    }
    return {**os.environ, **{name: str(path) for name, path in private.items()}}


def _write_settings(folder: Path, kernel_env: Path) -> None:
    (folder / "home").mkdir()
    for name, values in SETTINGS.items():
        file = folder / f"config/lab/user-settings/@jupyterlab/{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    page_config = folder / "config/labconfig/page_config.json"
    page_config.parent.mkdir(parents=True)
    page_config.write_text(json.dumps(PAGE_CONFIG))
    startup = folder / "ipython/profile_default/startup/00-environment.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(STARTUP.format(path=str(kernel_env)))


class NotebookPage:
    """A notebook, alone in a page.

    Args:
        browser: where a new page is made.
        server: whose notebook it is.
        file: the notebook on the disk.
        page: one that another notebook of this server has left (`leave`): loading JupyterLab
            takes most of the time that opening a notebook does.

    Attributes:
        page: Playwright's page.
    """

    def __init__(
        self, browser: Browser, server: JupyterServer, file: Path, page: Page | None = None
    ) -> None:
        self.server = server
        self.file = file
        if page is not None:
            self.page: Page = page
            self._open()
            return
        self.page = browser.new_page(viewport=VIEWPORT)
        self.page.set_default_timeout(CELL * 1000)
        self.page.on("dialog", lambda dialog: dialog.accept())  # "leave without saving?"
        self._login()
        self.reopen()

    @property
    def _path(self) -> str:
        return self.file.relative_to(self.server.root).as_posix()

    def _login(self) -> None:
        """Get the cookie, so that no later address carries the token."""
        self.page.goto(f"{self.server.url}api/me?token={self.server.token}")

    def _open(self) -> None:
        """Open the notebook in the JupyterLab that is there."""
        # Not waited for: it takes two seconds more than the notebook does.
        self.page.evaluate(f"path => {{ {_OPEN} }}", self._path)
        self.page.wait_for_function(f"path => {_WIDGET}?.context?.path === path", arg=self._path)
        self.page.wait_for_function(_READY, timeout=SLOW * 1000)
        expect(self.cell(0)).to_be_visible()

    def reopen(self) -> None:
        """Load the page anew and wait until its kernel is ready."""
        address = PAGES[self.server.app].format(self._path)
        self.page.goto(self.server.url + address, timeout=SLOW * 1000)
        self.page.wait_for_function(_READY, timeout=SLOW * 1000)
        expect(self.cell(0)).to_be_visible()

    @property
    def can_be_left(self) -> bool:
        """Whether another notebook can open in this page."""
        return self.server.app == "lab" and not self.page.is_closed()

    def leave(self) -> Page:
        """Close the notebook, but not JupyterLab; return the page as it was at first."""
        self.theme("Light")
        self.page.evaluate(_CLOSE_ALL)
        self.page.emulate_media(reduced_motion="null")
        self.page.set_viewport_size(VIEWPORT)
        return self.page

    def close(self) -> None:
        self.page.close()

    # -- cells -----------------------------------------------------------------------

    def cell(self, number: int) -> Locator:
        return self.page.locator(f"{_PANEL} .jp-Notebook-cell").nth(number)

    def output(self, number: int) -> Locator:
        """The whole output area of a cell."""
        return self.cell(number).locator(".jp-Cell-outputArea")

    def prompt(self, number: int) -> str:
        """`[ ]:`, `[*]:` while it runs, `[3]:` afterwards."""
        return self.cell(number).locator(".jp-InputPrompt").inner_text().strip()

    def write(self, number: int, source: str) -> None:
        """Replace a cell's source, by the keyboard."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)

    def start(self, number: int) -> None:
        """Run a cell by Shift+Enter and return while it runs."""
        before = self.prompt(number)
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        wait_for(lambda: self.prompt(number) != before, f"cell {number} to start", CELL, self.page)

    def wait(self, number: int, timeout: float = CELL) -> None:
        """Wait until a cell that was started has ended, in whatever way."""
        prompt = self.cell(number).locator(".jp-InputPrompt")
        expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=timeout * 1000)

    def run(self, number: int, timeout: float = CELL) -> None:
        """Run a cell and wait for its end."""
        self.start(number)
        self.wait(number, timeout)
        self.wait_idle(timeout)

    # -- kernel ----------------------------------------------------------------------

    @property
    def kernel(self) -> str:
        """The id of the kernel."""
        return str(self.page.evaluate(f"{_SESSION}.session.kernel.id"))

    def wait_idle(self, timeout: float = CELL) -> None:
        self.page.wait_for_function(_READY, timeout=timeout * 1000)

    def interrupt(self) -> None:
        """Press the toolbar's ■."""
        self.page.locator(f"{_PANEL} [data-command='notebook:interrupt-kernel']").first.click()

    def shut_down_kernel(self) -> None:
        self.server.api(f"kernels/{self.kernel}", "DELETE")

    def restart_kernel(self) -> None:
        """Restart it and wait until it is ready."""
        self.page.evaluate(f"{_SESSION}.restartKernel()")
        self.wait_idle(SLOW)

    # -- document --------------------------------------------------------------------

    def save(self) -> nbformat.NotebookNode:
        """Press Ctrl+S and return what is then on the disk."""
        before = self.file.stat().st_mtime_ns
        self.page.keyboard.press("Control+s")

        def saved() -> bool:
            clean = self.page.evaluate(f"!{_WIDGET}.context.model.dirty")
            return clean and self.file.stat().st_mtime_ns != before

        wait_for(saved, "the notebook to be saved", CELL, self.page)
        return nbformat.read(self.file, as_version=4)

    def theme(self, name: Literal["Light", "Dark"]) -> None:
        """Switch Jupyter's own theme."""
        light = "true" if name == "Light" else "false"
        body = self.page.locator("body")
        if body.get_attribute("data-jp-theme-light") == light:
            return
        execute = "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})"
        self.page.evaluate(execute, f"JupyterLab {name}")
        expect(body).to_have_attribute("data-jp-theme-light", light)
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)  # it covers the page

    def screenshot(self, name: str) -> Path:
        """Save the page as `screenshots/NAME.png`."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path


_PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
_WIDGET = "jupyterapp.shell.currentWidget"
_SESSION = f"{_WIDGET}.sessionContext"
_OPEN = "jupyterapp.commands.execute('docmanager:open', { path })"
_CLOSE_ALL = """async () => {
  for (const widget of [...jupyterapp.shell.widgets("main")]) {
    if (widget.context) {
      widget.context.model.dirty = false;  // nobody is asked whether to save
      await widget.context.sessionContext.shutdown().catch(() => {});  // where it still runs
    }
    widget.dispose();
  }
}"""
_READY = """() => {
  const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
  return session?.isReady && session.session?.kernel?.status === "idle";
}"""


def waits_for(gate: Path) -> str:
    """A cell's source that ends when the file `gate` exists."""
    return (
        f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)\n"
    )


def write_notebook(path: Path, cells: Sequence[str]) -> Path:
    """A notebook of code cells."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, path)
    return path


def wait_for(
    condition: Callable[[], Any], what: str, timeout: float, page: Page | None = None
) -> Any:
    """Wait until `condition()` is true and return its value; with a page, that lives meanwhile.

    Raises:
        TimeoutError: it stayed false.
    """
    due = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > due:
            raise TimeoutError(f"waited {timeout:.0f} s for {what}")
        if page is None:
            time.sleep(0.05)
        else:
            page.wait_for_timeout(50)
    return value
