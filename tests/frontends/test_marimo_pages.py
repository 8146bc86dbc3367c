"""A notebook of marimo, run by marimo itself: answers stand in the page, and once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from replay import Cut, Reply, chunk, completion

pytest.importorskip("marimo")

RUN = """
import marimo as mo
import nbstream
chat = nbstream.Chat('m', base_url={url!r})
"""
ANSWER = "Hello **world**, with $x^2$ and `code`.\n\n<script>alert(1)</script>\n"


@pytest.fixture
def run(replay, tmp_path):
    """Runs cells in marimo, and gives each one's outputs."""

    def run(*cells: str) -> list[list[dict[str, Any]]]:
        notebook, out = tmp_path / "page.py", tmp_path / "page.ipynb"
        functions = [function(RUN.format(url=replay.base_url), ""), *map(function, cells)]
        app = "".join(["import marimo\n\napp = marimo.App()\n", *functions])
        notebook.write_text(app, encoding="utf-8")
        command = ["-m", "marimo", "-q", "export", "ipynb", str(notebook), "-o", str(out)]
        done = subprocess.run(
            [sys.executable, *command, "--include-outputs", "-f"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OPENAI_API_KEY": "sk-test"},
        )
        assert out.exists(), done.stdout + done.stderr
        shown = json.loads(out.read_text(encoding="utf-8"))["cells"]
        return [each["outputs"] for each in shown[1:]]

    return run


def function(code: str, takes: str = "mo, nbstream, chat") -> str:
    body = "".join(f"    {line}\n" for line in code.strip().splitlines())
    gives = "" if takes else "mo, nbstream, chat"
    return f"\n\n@app.cell\ndef _({takes}):\n{body}    return {gives}\n"


def html(output):
    return "".join(output["data"]["text/html"])


@pytest.mark.shows("marimo", "saved")
def test_an_answer_stands_in_the_page_once(run, replay):
    replay.reply(completion(ANSWER, reasoning="hm"), completion("Second."))
    last_line, two = run("chat.send('Hi')", "mo.output.append('mine')\nanswer = chat.send('Again')")
    (output,) = last_line
    shown = html(output)
    assert shown.count("<strong>world</strong>") == 1
    assert "||(x^2||)</marimo-tex>" in shown
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<details><summary>Reasoning" in shown
    (output,) = two
    assert "mine" in html(output)
    assert html(output).count("Second.") == 1


def test_answers_stand_below_each_other(run, replay):
    replay.reply(completion("One."), completion("Two."))
    (outputs,) = run("for word in 'ab':\n    chat.send(word)")
    (output,) = outputs
    assert html(output).index("One.") < html(output).index("Two.")


def test_an_answer_that_failed_is_marked(run, replay):
    replay.reply(Reply([chunk({"content": "Half an"}), Cut()]))
    code = """
try:
    chat.send('Hi')
except nbstream.errors.IncompleteError:
    pass
"""
    (outputs,) = run(code)
    (output,) = outputs
    assert "Half an" in html(output)
    assert "⚠ Incomplete" in html(output)


@pytest.mark.shows("marimo", "panel")
def test_the_panel_is_a_widget_of_marimo(run, replay):
    replay.reply(completion("Hello"))
    code = """
panel = nbstream.ChatPanel(chat)
widget = mo.ui.anywidget(panel.widget)
response = panel.send('Hi')
response.wait(10)
print(response.text, len(panel.responses))
widget
"""
    (outputs,) = run(code)
    assert [each["text"] for each in outputs if "text" in each] == [["Hello 1\n"]]
    (shown,) = [each["data"] for each in outputs if "data" in each]
    assert "marimo-anywidget" in json.dumps(shown)
