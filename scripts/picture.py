"""Takes the README's picture: the embedded model answering in a real JupyterLab."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT / "tests")]

from chromium import find  # noqa: E402  # the browser tests' own harness
from harness import JupyterServer, NotebookPage, write_notebook  # noqa: E402

PICTURE = ROOT / "docs" / "quickstart.png"
QUESTION = """%%chat --out answer --temperature 0 --param seed 1
Write a Python function that says whether a number is even, with an example."""
CELLS = ["%load_ext nbstream", QUESTION, "answer.code_blocks, answer.usage.completion_tokens"]


def main() -> None:
    # The server gets a home of its own; the model is the user's.
    os.environ.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        with JupyterServer("lab", Path(folder)) as server:
            page = NotebookPage(browser, server, write_notebook(server.root / "demo.ipynb", CELLS))
            page.page.set_viewport_size({"width": 1000, "height": 560})
            page.page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
            for number in range(len(CELLS)):
                page.run(number, timeout=120)
            page.page.mouse.move(0, 0)
            PICTURE.parent.mkdir(exist_ok=True)
            page.page.screenshot(path=PICTURE)
        browser.close()
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
