"""marimo, Panel and solara in a real Chromium: answers and panels live in their pages."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from programs import program
from replay import Hang, ReplayServer, Reply, chunk, completion

ROOT = Path(__file__).parents[2]
PATIENCE = 60  # seconds
PIECES = ["# Title\n\nFirst *one*.\n\n", "| a | b |\n|---|---|\n| 1 | 2 |\n\n", "The end."]
HOSTILE = "<img src=x onerror=hit()><script>hit()</script>\n\n[a](javascript:hit())\n\nThe end."

pytestmark = pytest.mark.frontends


@pytest.fixture
def server(monkeypatch, tmp_path):
    with ReplayServer() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("HOME", str(tmp_path))
        yield running


@pytest.fixture
def page(browser):
    playwright = pytest.importorskip("playwright.sync_api")
    playwright.expect.set_options(timeout=PATIENCE * 1000)
    page = browser.new_page(viewport={"width": 1100, "height": 1800})
    page.set_default_timeout(PATIENCE * 1000)
    page.add_init_script("window.hits = 0; window.hit = () => { hits += 1; }")
    yield page
    page.close()


@contextmanager
def served(log, address, name, *words):
    """A page of a program of this environment; `words` name its port."""
    command = [program(name), *words]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=dict(os.environ),
        )
    try:
        due = time.monotonic() + PATIENCE
        while not answers(address):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < due, log.read_text()
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE)


def answers(address):
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE):
            return True
    except OSError:
        return False


@pytest.fixture
def port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def ask_and_stop(page, server, panel):
    """Type a question into a panel, see the answer grow and end; stop the next one."""
    from playwright.sync_api import expect

    def ask(text):
        panel.get_by_label("Your question").click()
        page.keyboard.insert_text(text)
        page.keyboard.press("Enter")

    server.reply(completion(PIECES, gate="piece"))
    ask("What is it?")
    server.open("piece-0")
    expect(panel.locator("h1")).to_have_text("Title")
    for number in (1, 2):
        server.open(f"piece-{number}")
    expect(panel.locator(".nbs-usage")).to_be_visible()
    cell = panel.locator("td").first
    assert cell.evaluate("cell => getComputedStyle(cell).paddingLeft") != "1px"
    server.reply(Reply([chunk({"content": "Half an ans"}), Hang()]))
    ask("And this?")
    expect(panel.get_by_text("Half an")).to_be_visible()
    panel.get_by_role("button", name="Stop the answer").click()
    expect(panel.locator(".nbs-mark")).to_contain_text("Stopped")
    server.reply(completion(HOSTILE))
    ask("Be evil.")
    expect(panel.locator(".nbs-usage")).to_have_count(3)
    assert page.evaluate("hits") == 0


# -- marimo --------------------------------------------------------------------------


def marimo_notebook(path, *cells):
    """Cells by what they take, what they say and what they give."""
    start = "import marimo as mo\nimport nbstream\nmake = lambda: nbstream.Chat('replay-1')"
    written = "import marimo\n\napp = marimo.App()\n"
    for takes, code, gives in (("", start, "mo, nbstream, make"), *cells):
        body = "".join(f"    {line}\n" for line in [*code.splitlines(), f"return ({gives})"])
        written += f"\n\n@app.cell\ndef _({takes}):\n{body}"
    path.write_text(written)


@contextmanager
def marimo(tmp_path, port, *cells):
    marimo_notebook(tmp_path / "page.py", *cells)
    words = ("-q", "run", "--headless", "--no-token", "--port", port, "page.py")
    address = f"http://127.0.0.1:{port}/"
    with served(tmp_path / "marimo.log", address, "marimo", *words):
        yield address


@pytest.mark.shows("marimo", "Stop", "panel")
def test_panels_in_marimo(server, page, tmp_path, port):
    wrapped = "panel = nbstream.ChatPanel(model='replay-1')\nmo.ui.anywidget(panel.widget)"
    bare = "other = nbstream.ChatPanel(model='replay-1')\nother"
    cells = [("mo, nbstream", code, "") for code in (wrapped, bare)]
    with marimo(tmp_path, port, *cells) as address:
        page.goto(address)
        panels = page.locator(".nbs-panel")
        panels.nth(1).wait_for()
        ask_and_stop(page, server, panels.nth(0))
        assert panels.nth(1).locator("article").count() == 0
        server.reply(completion("Mine."))
        panels.nth(1).get_by_label("Your question").click()
        page.keyboard.insert_text("Yours?")
        page.keyboard.press("Enter")
        panels.nth(1).get_by_text("Mine.").wait_for()


@pytest.mark.shows("marimo", "live")
def test_answers_in_marimo_grow_and_stand_once(server, page, tmp_path, port):
    from playwright.sync_api import expect

    button = "go = mo.ui.button(label='Again', value=0, on_click=lambda n: n + 1)\ngo"
    last = "go.value\nmake().send('last')"
    middle = "go.value\nanswer = make().send('middle')\nmo.vstack([answer, mo.md('Below.')])"
    asked = []

    def script(request):
        words = request.json["messages"][-1]["content"]
        asked.append(words)
        if words == "last":
            return completion(["# a\n\n", "Rest."], gate="a")
        return completion(f"## {words}\n\n{HOSTILE}")

    server.fallback = script
    cells = [("mo, make, go", code, "") for code in (last, middle)]
    with marimo(tmp_path, port, ("mo", button, "go,"), *cells) as address:
        page.goto(address)
        server.open("a-0")
        title = page.get_by_role("heading", name="a", exact=True)
        expect(title).to_be_visible()
        assert page.get_by_text("Rest.").count() == 0
        server.open("a-1")
        expect(page.get_by_text("Below.")).to_be_visible()
        expect(page.get_by_role("heading", name="middle")).to_have_count(1)
        size = "element => parseFloat(getComputedStyle(element).fontSize)"
        assert title.evaluate(size) > 20
        page.get_by_role("button", name="Again").click()
        assert server.wait_until(lambda: len(asked) == 4, PATIENCE)
        expect(page.locator("small")).to_have_count(2)
        expect(title).to_have_count(1)
        expect(page.get_by_text("Rest.")).to_have_count(1)
        assert page.evaluate("hits") == 0


# -- Panel and solara ----------------------------------------------------------------

PANEL = """import nbstream
import panel as pn
pn.extension('ipywidgets')
panel = nbstream.ChatPanel(model='replay-1')
panel.layout.height = '500px'
pn.Column(pn.pane.IPyWidget(panel.widget, sizing_mode='stretch_width')).servable()
"""

SOLARA = """import nbstream
import solara

@solara.component
def Page():
    panel = solara.use_memo(lambda: nbstream.ChatPanel(model='replay-1'), [])
    solara.display(panel.widget)
"""


@pytest.mark.shows("Panel", "live", "Stop", "panel")
def test_a_panel_in_panel(server, page, tmp_path, port):
    pytest.importorskip("ipywidgets_bokeh")
    (tmp_path / "page.py").write_text(PANEL)
    # Its page gets this file from a public server; here it is the one that is installed.
    file = Path(sys.prefix) / "share/jupyter/nbextensions/anywidget/index.js"
    page.route(
        "https://unpkg.com/anywidget@*/**",
        lambda route: route.fulfill(
            path=file,
            content_type="text/javascript",
            headers={"access-control-allow-origin": "*"},
        ),
    )
    address = f"http://127.0.0.1:{port}/page"
    with served(tmp_path / "panel.log", address, "panel", "serve", "page.py", "--port", port):
        page.goto(address)
        host = page.locator(".nbs-panel-host")
        host.wait_for()
        assert host.bounding_box()["height"] == 500
        ask_and_stop(page, server, page.locator(".nbs-panel"))


@pytest.mark.shows("solara", "live", "Stop", "panel")
def test_a_panel_in_solara(server, page, tmp_path, port):
    assets = Path(sys.prefix) / "share/solara/cdn"
    if not assets.exists():
        pytest.skip("solara-assets is not installed: its page would ask public servers")
    (tmp_path / "page.py").write_text(SOLARA)
    words = ("run", "page.py", "--no-open", "--production", "--port", port)
    address = f"http://127.0.0.1:{port}/"
    with served(tmp_path / "solara.log", address, "solara", *words):
        page.goto(address)
        page.locator(".nbs-panel").wait_for()
        ask_and_stop(page, server, page.locator(".nbs-panel"))
