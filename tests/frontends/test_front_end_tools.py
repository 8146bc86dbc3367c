"""Tools that run a notebook as a whole, each where it is installed (`make test-frontends`)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from programs import program
from replay import ReplayServer, completion

ROOT = Path(__file__).parents[2]
RECORD = "application/vnd.nbstream.response+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
PARTS = ["First *one*.\n\n", "```python\nx = 1\n```\n\n", "The end."]
SETUP = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'\nimport nbstream"
PATIENCE = 60  # seconds

pytestmark = pytest.mark.frontends


@pytest.fixture
def server(monkeypatch):
    with ReplayServer() as running:
        running.fallback = completion(PARTS, pace=0.3)
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        yield running


def notebook(path, *cells):
    made = [nbformat.v4.new_code_cell(cell) for cell in (SETUP, *cells)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    written = nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel})
    nbformat.write(written, path)


def run(*words, fails=False):
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode != 0) is fails, done.stderr
    return done


def outputs(path):
    """The mime bundles of each cell."""
    cells = nbformat.read(path, as_version=4).cells
    return [[o.data for o in cell.get("outputs", ()) if "data" in o] for cell in cells]


# -- runs that nobody sees -----------------------------------------------------------

CELLS = (
    "%%chat --bg\nGo.",
    "panel = nbstream.ChatPanel(model='replay-1')\npanel",
    "panel.send('Hi');",
)
RUNNERS = {
    "execute": lambda path, out: ("jupyter-execute", str(path), "--inplace"),
    "papermill": lambda path, out: ("papermill", str(path), str(out)),
    "nbconvert": lambda path, out: (
        "jupyter-nbconvert",
        *("--to", "notebook", "--execute", str(path), "--output", str(out)),
    ),
}


def again(path):
    """The page of a file, made without a kernel."""
    page, _ = HTMLExporter().from_filename(str(path))
    return page


@pytest.mark.shows("jupyter execute", "panel", "--bg", "saved", "restored")
@pytest.mark.shows("papermill", "panel", "--bg", "saved", "restored")
@pytest.mark.shows("nbconvert --execute", "panel", "--bg", "saved", "restored")
@pytest.mark.parametrize("session", [None, "/home/x/y.ipynb"])
@pytest.mark.parametrize("runner", RUNNERS)
def test_a_run_keeps_what_was_answered_in_the_background(
    server, tmp_path, monkeypatch, runner, session
):
    if session:  # a notebook of Jupyter Server runs the tool
        monkeypatch.setenv("JPY_SESSION_NAME", session)
    path, out = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    notebook(path, *CELLS)
    name, *words = RUNNERS[runner](path, out)
    run(program(name), *words)
    written = out if out.exists() else path
    _, (answer,), (panel,), *_ = outputs(written)
    assert answer["text/markdown"].startswith("".join(PARTS))
    assert answer[RECORD]["status"] == "complete"
    assert "".join(PARTS) in panel["text/markdown"]
    assert WIDGET not in written.read_text()
    assert "widget-state" not in written.read_text()
    assert again(written).count("<p>First <em>one</em>.</p>") == 2  # of the cell, and of the panel


def test_a_run_fails_where_nobody_can_approve(server, tmp_path):
    server.reply(completion(tool_calls=[{"name": "f", "arguments": {}}]), completion("I see."))
    path = tmp_path / "in.ipynb"
    notebook(path, "def f():\n    'Do it.'", "%%chat --approve --tool f\nGo.")
    done = run(program("jupyter-execute"), str(path), fails=True)
    assert "nobody is here to approve f" in done.stderr


@contextmanager
def voila(path, port):
    words = [program("voila"), str(path), "--no-browser", f"--port={port}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()


@pytest.mark.shows("voila", "panel", "--bg")
def test_voila_shows_the_panel_and_the_answer(server, tmp_path, unused_port):
    path = tmp_path / "in.ipynb"
    notebook(path, *CELLS[:2])
    with voila(path, unused_port) as address:
        page = read(address)
    scripts = re.findall(r'cell-output\+json">(.*?)</script>', page, re.DOTALL)
    answer, panel = (json.loads(each)["data"] for each in scripts)
    assert answer["text/markdown"].startswith("".join(PARTS))
    assert WIDGET in panel


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def read(address):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                return answer.read().decode()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.shows("ploomber-engine", "panel", "--bg", "saved", "restored")
def test_ploomber_engine_runs_without_a_kernel(server, tmp_path):
    path, out = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    notebook(path, *CELLS[:2], "answer = panel.send('Hi')")  # it shows a value in spite of a `;`
    run(program("ploomber-engine"), str(path), str(out))
    _, shown, _, conversation = outputs(out)
    assert "\n\n".join(o["text/markdown"] for o in shown).startswith("First *one*.")
    assert shown[-1][RECORD]["rounds"][0]["text"] == "".join(PARTS)
    assert again(out).count("<p>First <em>one</em>.</p>") == 2
    assert "".join(PARTS) in conversation[-1]["text/markdown"]
    notebook(path, "%%chat --bogus\nGo.")
    run(program("ploomber-engine"), str(path), str(out), fails=True)
    cells = json.loads(out.read_text())["cells"]
    failed = [o for cell in cells for o in cell.get("outputs", ()) if o["output_type"] == "error"]
    assert [o["traceback"] for o in failed] == [[f"UsageError: {failed[0]['evalue']}"]]


# -- a kernel of another environment than the server's --------------------------------


@pytest.mark.parametrize(
    ("has", "lacks"),
    [
        ((), "ipywidgets and anywidget"),
        (("@jupyter-widgets/jupyterlab-manager",), "anywidget"),
        (("@jupyter-widgets/jupyterlab-manager", "anywidget"), ""),
    ],
)
def test_a_server_without_widgets_is_told_and_gets_text(server, tmp_path, monkeypatch, has, lacks):
    """An environment that serves JupyterLab, with the server's own process in it."""
    environment = tmp_path / "server"
    (environment / "share/jupyter/lab/static").mkdir(parents=True)
    for name in has:
        (environment / "share/jupyter/labextensions" / name).mkdir(parents=True)
    (environment / "bin").mkdir()
    (environment / "bin/python").symlink_to(sys.executable)
    run_in = environment / "bin/jupyter-lab"
    code = tmp_path / "cells.py"
    code.write_text(STARTS_A_KERNEL)
    run_in.write_text(f"exec(open({str(code)!r}).read())")
    monkeypatch.setenv("JPY_SESSION_NAME", "/x/y.ipynb")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests"), *sys.path]))
    done = run(str(environment / "bin/python"), str(run_in))
    loaded, first, again, kinds = json.loads(done.stdout.splitlines()[-1])
    assert (f"has no {lacks} in its environment" in loaded) is bool(lacks)
    assert first == again == ""
    assert ("comm_open" in kinds) is not bool(lacks)


STARTS_A_KERNEL = f"""
import json
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
KernelManager.kernel_spec = KernelSpec(
    argv=[{sys.executable!r}, "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]
)
from kernels import Kernel
nb = Kernel({{}})
results = [nb.run(cell) for cell in (
    "%load_ext nbstream\\n%config ChatMagics.model = 'replay-1'", "%%chat\\nGo.", "%%chat\\nGo."
)]
nb.shut_down()
kinds = [m["msg_type"] for m in results[1].messages]
print(json.dumps([*(r.stdout for r in results), kinds]))
"""
