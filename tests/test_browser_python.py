"""A Python that runs in the browser, as JupyterLite's does: what is missing is told in one line."""

from __future__ import annotations

import os
import subprocess
import sys


def test_a_python_in_the_browser_is_told_what_is_missing(tmp_path):
    """As in JupyterLite: neither threads nor sockets. One line, and nothing is half loaded."""
    code = """
import sys, threading
sys.platform = "emscripten"
def no_thread(self): raise RuntimeError("can't start new thread")
threading.Thread.start = no_thread
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(history_length=0)
shell.run_cell("%load_ext nbstream")
print("loaded:", "chat" in shell.magics_manager.magics["cell"])
print("heavy:", {"openai", "nh3", "anywidget"} & set(sys.modules))
shell.run_cell("import nbstream; nbstream.Chat('m', base_url='http://127.0.0.1:9/v1').send('Hi')")
shell.run_cell("nbstream.ChatPanel(model='m').send('Hi')")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "IPYTHONDIR": str(tmp_path), "NO_COLOR": "1"},
    )
    told = [line for line in done.stdout.splitlines() if "ConfigurationError" in line]
    assert len(told) == 3
    assert all("needs threads and sockets" in line for line in told)
    assert "loaded: False" in done.stdout
    assert "heavy: set()" in done.stdout
    assert "Traceback" not in done.stdout
    assert "never awaited" not in done.stderr
