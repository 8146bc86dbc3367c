"""Hostile answers in a real browser: no script, no request, nothing but plain content.

First every frame that a view sends, in a page that is nothing else; then JupyterLab:
live, after the swap, saved and reopened, and converted by nbconvert.
"""

from __future__ import annotations

import base64
import math
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import answers
import hostile
import nbformat
import pytest
from harness import NotebookPage, wait_for, write_notebook
from playwright.sync_api import Browser, Page, expect
from replay import completion, error
from test_live_page import PAGE

from nbstream.errors import APIResponseError
from nbstream.response import Response
from nbstream.views import widget
from nbstream.views.static import module

LONG = os.environ.get("NBSTREAM_LONG") == "1"
PLACES_A_PAYLOAD = len(hostile.PLACES) if LONG else 2
PLACES_IN_LAB = len(hostile.PLACES) if LONG else 1
STEPS_A_FRAME = 1 if LONG else 3
TESTS = Path(__file__).parents[1]
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
        page.on("pageerror", lambda error: self.errors.append(str(error)))
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


# --- every frame --------------------------------------------------------------------


class SentWidget:
    """In the place of the widget: keeps what is sent to the page."""

    def __init__(self, snapshot: bytes) -> None:
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


@pytest.fixture
def sent(monkeypatch):
    """`sent(steps, error)`: the messages of an answer that grows by these steps."""
    monkeypatch.setattr(widget, "AnswerWidget", SentWidget)
    handle = SimpleNamespace(update=lambda *_data, **_options: None)
    monkeypatch.setattr(widget, "display", lambda *_data, **_options: handle)

    def send(steps: Iterator[answers.Step], error: str) -> list[dict[str, object]]:
        response, view = Response(), widget.WidgetView(owns_cell=False)
        view.open(response)
        for _ in answers.grow(response, steps):
            view.update(response)
        view.close(answers.finish(response, "error", APIResponseError(error)))
        assert not view._has_failed
        return view._channel.widget.messages

    return send


@pytest.fixture
def bare(browser) -> Iterator[tuple[Page, Watch]]:
    """A page without anything in it, on a server that has nothing else."""
    page = browser.new_page()
    page.route(ORIGIN, lambda route: route.fulfill(body="<body>", content_type="text/html"))
    page.goto(ORIGIN)
    yield page, Watch(page, ORIGIN, re.compile("$"))
    page.close()


def test_the_watch_sees_what_hostile_html_does(bare):
    page, watch = bare
    page.evaluate(
        "html => { document.body.className = 'jp-OutputArea'; document.body.innerHTML = html; }",
        CONTROL,
    )
    page.wait_for_timeout(200)
    found = "\n".join(watch.take())
    for expected in ("alert(control) ran", "strange id", "strange onclick", "strange data-a"):
        assert expected in found
    assert "strange href" in found
    assert f"{ORIGIN}x-relative" in found
    assert "https://leak.test/a.png" in found


def test_no_frame_harms_the_page(bare, sent, shared):
    page, watch = bare
    cut = hostile.cutter(random.Random(0), everywhere=LONG)
    attacks = hostile.payloads(shared)
    assert len(attacks) >= 230
    count = 0
    for group in hostile.groups(attacks):
        messages = sent(hostile.script(group, cut, PLACES_A_PAYLOAD), group[0].text)
        play(page, messages)
        count += len(messages)
        assert watch.look() > 100
        assert watch.take() == [], [attack.number for attack in group]
    print(f"{len(attacks)} payloads, {count} messages")


def play(page: Page, messages: list[dict[str, object]]) -> None:
    """Show the messages in a new view, and their end in a second one, which comes late."""
    page.evaluate("document.body.replaceChildren()")
    page.evaluate(PAGE, {"source": module("widget"), "snapshot": messages[0]["snapshot"]})
    page.evaluate("view()")
    page.evaluate("deliver", messages[1:])
    page.wait_for_selector(".nbs-answer[aria-busy=false]")
    page.evaluate("view()")


# --- JupyterLab ---------------------------------------------------------------------

SET_UP = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS / "browser")!r}]
import hostile
%load_ext nbstream
%config ChatMagics.model = 'replay-1'
"""


def test_no_answer_harms_a_notebook(open_notebook, browser, replay, shared, tmp_path):
    attacks = hostile.payloads(shared)
    texts = [attack.text for attack in attacks]
    tools = [{"name": text, "arguments": {text: text}} for text in texts[::23]]
    whole = "\n\n".join([*texts, hostile.END])
    replay.reply(completion(whole, reasoning=texts[3], tool_calls=tools, model=texts[5], piece=97))
    replay.reply(error(400, " ".join(texts[::9])))
    gate = tmp_path / "gate"
    setup = f"{SET_UP}attacks = hostile.payloads(Path({str(shared)!r}))"
    notebook = open_notebook(
        [
            setup,
            f"hostile.show(attacks, Path({str(gate)!r}), {PLACES_IN_LAB}, {STEPS_A_FRAME})",
            "hostile.endings(attacks)",
            "%%chat\nAll of them at once",
            "%%chat\nThis one fails",
            "from IPython.display import HTML\nHTML('''" + CONTROL + "''')",
        ]
    )
    watch = Watch(notebook.page, notebook.server.url, JUPYTER)
    show_all_cells(notebook)
    notebook.run(0)
    control(notebook, watch, 5)

    notebook.start(1)
    live = notebook.output(1).locator(".nbs-answer", has_text=hostile.END)
    expect(live).to_have_count(math.ceil(len(attacks) / hostile.AT_ONCE), timeout=120_000)
    assert_harmless(watch, "live")
    gate.touch()
    notebook.wait(1)
    for number in (2, 3, 4):
        notebook.run(number)
    shows_all(notebook, len(attacks))
    assert_harmless(watch, "after the swap")

    saved = notebook.save()
    notebook.shut_down_kernel()
    for is_trusted in (False, True):
        notebook.file = copy_of(saved, notebook, is_trusted=is_trusted)
        notebook.reopen()
        show_all_cells(notebook)
        shows_all(notebook, len(attacks))
        assert is_trusted == all(notebook.page.evaluate(TRUST))
        assert_harmless(watch, f"reopened, trusted: {is_trusted}")
    assert_converted_harmless(browser, notebook.file, tmp_path)


CELLS = "jupyterapp.shell.currentWidget.content"
TRUST = f"{CELLS}.widgets.map((cell) => cell.model.trusted)"


def show_all_cells(notebook: NotebookPage) -> None:
    """JupyterLab paints what is in sight, and adds cells when it is idle; here all is looked at."""
    # Without its windows it would no longer add the cells that are missing yet.
    notebook.page.wait_for_function(f"{CELLS}.widgets.every((cell) => !cell.isPlaceholder())")
    notebook.page.evaluate(
        f"{CELLS}.notebookConfig = {{ ...{CELLS}.notebookConfig, windowingMode: 'none' }}"
    )


def control(notebook: NotebookPage, watch: Watch, number: int) -> None:
    """The watch sees what a cell of the user's own does."""
    watch.take()
    notebook.run(number)
    expect(notebook.output(number)).to_contain_text("Control")
    watch.look()
    found: list[str] = []
    signs = ("alert(control) ran", "strange id", "strange onclick", "leak.test", "x-relative")

    def is_all_noticed() -> bool:
        found.extend(watch.take())
        return all(any(sign in entry for entry in found) for sign in signs)

    wait_for(is_all_noticed, "the watch to notice it all", 20, notebook.page)
    notebook.write(number, "pass")
    notebook.run(number)
    watch.take()


def assert_harmless(watch: Watch, phase: str) -> None:
    count = watch.look()
    assert count > 1_000
    print(f"{phase}: {count} elements")
    found = list(dict.fromkeys(watch.take()))
    assert not found, "\n".join([phase, *found])


def shows_all(notebook: NotebookPage, attacks: int) -> None:
    """Wait until every output is there to its last words."""
    saved = ".jp-RenderedMarkdown:not(.nbs-answer)"
    ended = notebook.output(1).locator(saved, has_text=hostile.END)
    expect(ended).to_have_count(math.ceil(attacks / hostile.AT_ONCE), timeout=60_000)
    for number in (2, 3):
        expect(notebook.output(number).locator(saved)).to_contain_text(hostile.END)
    expect(notebook.output(4)).to_contain_text("BadRequestError")


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
