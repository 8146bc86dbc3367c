"""Answers that once took a page down: each appears, live and saved, in a page that answers."""

from __future__ import annotations

import time

import nbformat
from diagrams import TOO_LARGE, fence
from harness import NotebookPage
from playwright.sync_api import expect
from replay import completion
from watching import show_all_cells

from nbstream.render.safe_markdown import safe_markdown

LOAD = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'"
INPUTS = {
    "fractions": "$" + r"\frac{1}{" * 75 + "x" + "}" * 75 + "$",
    "roots": "$" + r"\sqrt{" * 120 + "x" + "}" * 120 + "$",
    "a long formula": "$$\n" + "x_1+" * 5_000 + "1\n$$",
    "braces": "$" + "{" * 300 + "x" + "}" * 300 + "$",
    "delimiters": "$$" + r"\left(" * 100 + "x" + r"\right)" * 100 + "$$",
    "powers": "$$" + "x^{" * 100 + "x" + "}" * 100 + "$$",
    "many formulas": "\n\n".join(
        f"The ${{x}}_{{{i}}}$ is $\\frac{{{i}}}{{2}}$." for i in range(250)
    ),
    "a deep list": "\n".join("  " * i + f"- leaf{i}" for i in range(50)),
    "many marks": "1. " * 50 + "leaf49",
    "deep quotes": "> " * 60 + "leaf49",
    "a long row": "| a | b |\n|---|---|\n|" + " c |" * 3_000,
    "diagrams": "\n\n".join(map(fence, TOO_LARGE)),
    "a drawn diagram": fence("graph TD\n" + "\n".join(f"A{i}-->A{i + 1}" for i in range(95))),
}
NAMES = list(INPUTS)
ANSWER = "1 + 1"


def shows(notebook: NotebookPage, number: int) -> None:
    expect(notebook.output(number)).to_contain_text("END", timeout=60_000)
    assert notebook.page.evaluate(ANSWER) == 2


def test_each_appears_while_it_streams(open_notebook, replay):
    for i, text in enumerate(INPUTS.values()):
        replay.reply(completion([f"{text}\n\n", "END"], gate=f"{i}"))
    notebook = open_notebook([LOAD, *(f"%%chat\n{name}" for name in INPUTS)])
    notebook.run(0)
    for i, name in enumerate(NAMES):
        notebook.start(i + 1)
        began = time.monotonic()
        replay.open(f"{i}-0")
        live = notebook.output(i + 1).locator(".nbs-answer > .nbs-text").first
        expect(live.locator(":scope > *").first).to_be_attached(timeout=60_000)
        assert notebook.page.evaluate(ANSWER) == 2
        print(f"{name}: live {time.monotonic() - began:.1f} s")
        began = time.monotonic()
        replay.open(f"{i}-1")
        notebook.wait(i + 1)
        expect(notebook.output(i + 1).locator(".nbs-answer")).to_have_count(0)
        shows(notebook, i + 1)
        print(f"{name}: swapped {time.monotonic() - began:.1f} s")


def test_each_opens_saved(open_notebook, jupyter):
    saved = [safe_markdown(f"{text}\n\nEND") for text in INPUTS.values()]
    cells = [
        nbformat.v4.new_code_cell(
            f"# {name}",
            outputs=[nbformat.v4.new_output("display_data", data={"text/markdown": markdown})],
        )
        for name, markdown in zip(NAMES, saved, strict=True)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    file = jupyter("lab").root / "crash-inputs.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), file)
    began = time.monotonic()
    notebook = open_notebook(file)
    show_all_cells(notebook)
    for number in range(len(cells)):
        shows(notebook, number)
    print(f"all open after {time.monotonic() - began:.1f} s")
    for name in ("a deep list", "many marks", "deep quotes"):
        expect(notebook.output(NAMES.index(name))).to_contain_text("leaf49")
    drawn = notebook.output(NAMES.index("a drawn diagram")).locator(".jp-RenderedMermaid img")
    expect(drawn).to_have_count(1)
    assert notebook.page.evaluate(ANSWER) == 2
    print(f"all drawn after {time.monotonic() - began:.1f} s")
