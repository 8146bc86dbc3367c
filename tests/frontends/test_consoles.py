"""Consoles, run for real: the text of an answer comes, is stopped, and is shown again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from programs import program
from replay import Hang, ReplayServer, Reply, chunk, completion

ROOT = Path(__file__).parents[2]
PARTS = ["First *one*.\n\n", "```python\nx = 1\n```\n\n", "The end."]
SETUP = (
    "%load_ext nbstream",
    "%config ChatMagics.model = 'replay-1'",
    "def go(line=''): get_ipython().run_cell_magic('chat', line, 'Go.')",
)
PATIENCE = 60  # seconds

pytestmark = pytest.mark.frontends


class JupyterConsole:
    """`jupyter console` behind a pseudo-terminal, at the prompt that takes plain lines.

    Attributes:
        shown: all that it has written so far, with the lines that were typed.
    """

    def __init__(self):
        pexpect = pytest.importorskip("pexpect")
        command = program("jupyter-console")
        self._child = pexpect.spawn(command, ["--simple-prompt"], encoding="utf8")
        self.shown = ""

    def type(self, code):
        self._child.sendline(code)

    def until(self, words):
        while words not in self.shown:
            read = self._child.read_nonblocking(4096, timeout=PATIENCE)
            self.shown = (self.shown + read).replace("\r\n", "\n")

    def interrupt(self):
        self._child.sendintr()

    def close(self):
        self._child.sendeof()
        self._child.close(force=True)


class QtConsole:
    """The widget that is QtConsole, and the console of Spyder, without a screen."""

    def __init__(self):
        pytest.importorskip("qtconsole")
        widgets = pytest.importorskip("qtpy.QtWidgets", exc_type=ImportError)
        from qtconsole.manager import QtKernelManager
        from qtconsole.rich_jupyter_widget import RichJupyterWidget

        self._app = widgets.QApplication.instance() or widgets.QApplication([])
        self._manager = QtKernelManager(kernel_name="python3")
        self._manager.start_kernel()
        self._client = self._manager.client()
        self._client.start_channels()
        self._console = RichJupyterWidget()
        self._console.kernel_manager, self._console.kernel_client = self._manager, self._client

    @property
    def shown(self):
        return self._console._control.toPlainText()

    def type(self, code):
        self._console.execute(code)

    def until(self, words):
        end = time.monotonic() + PATIENCE
        while words not in self.shown:
            assert time.monotonic() < end, self.shown
            self._app.processEvents()
            time.sleep(0.01)

    def interrupt(self):
        self._console.interrupt_kernel()

    def close(self):
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


CONSOLES = {"Jupyter console": JupyterConsole, "QtConsole": QtConsole}


@pytest.fixture
def server(monkeypatch):
    with ReplayServer() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
        yield running
        assert not running.unexpected


@pytest.fixture(params=CONSOLES)
def run(request, server):
    """`run(code)` types a line at the next prompt; `run.console` is the console."""
    console = CONSOLES[request.param]()
    try:
        yield Typist(console)
    finally:
        console.close()


class Typist:
    """Types one line at each prompt, the setup's first."""

    def __init__(self, console):
        self.console = console
        self._prompt = 1
        for line in SETUP:
            self(line)

    def __call__(self, code):
        self.at_prompt()
        self.console.type(code)
        self._prompt += 1

    def at_prompt(self):
        """What was shown up to the next prompt."""
        self.console.until(f"In [{self._prompt}]: ")
        return self.console.shown


@pytest.mark.shows("Jupyter console", "live", "restored")
@pytest.mark.shows("QtConsole", "live", "restored")
def test_each_part_comes_once_and_all_of_it_again(run, server):
    server.reply(completion(PARTS, gate="part"))
    run("go()")
    server.open("part-0")
    run.console.until("First *one*.")
    server.open("part-1")
    run.console.until("x = 1")
    assert "The end." not in run.console.shown
    server.open("part-2")
    shown = run.at_prompt()
    whole = "First *one*.\n\n```python\nx = 1\n```\n\nThe end.\n\nreplay-1 · "
    assert whole in shown
    assert shown.count("First *one*.") == 1
    run("%chat last")
    shown = run.at_prompt()
    assert shown.count(whole) == 2
    assert shown.count("First *one*.") == 2


@pytest.mark.shows("Jupyter console", "Stop")
@pytest.mark.shows("QtConsole", "Stop")
def test_an_interrupt_stops_the_answer(run, server):
    server.reply(Reply([chunk({"content": PARTS[0]}), chunk({"content": "Half an ans"}), Hang()]))
    run("go()")
    run.console.until("First *one*.")
    run.console.interrupt()
    shown = run.at_prompt()
    assert shown.count("First *one*.") == 1
    assert shown.count("Half an ans") == 1
    assert shown.count("Stopped. The text so far is kept.") == 1
    assert "Interrupted" not in shown
    assert server.requests[-1].aborted.wait(20)
    server.reply(completion("Fine."))
    run("go(); print(_chat.status, len(_chat.text))")
    assert "complete 5\n" in run.at_prompt()


@pytest.mark.shows("Jupyter console", "--bg")
@pytest.mark.shows("QtConsole", "--bg")
def test_an_answer_comes_beside_what_is_typed(run, server):
    server.reply(completion(PARTS, gate="part"))
    run("go('--bg')")
    run("6 * 7")
    assert "42\n" in run.at_prompt()
    for number in range(len(PARTS)):
        server.open(f"part-{number}")
    shown = ""
    while "replay-1 · " not in shown:  # a console may look for outputs only as it runs a line
        run("8 * 8")
        shown = run.at_prompt()
    for part in ("First *one*.", "x = 1", "The end."):
        assert shown.count(part) == 1
    run("print(_chat.status)")
    assert "complete\n" in run.at_prompt()
