"""Saved notebooks in other tools: as text files by jupytext, as pages of a book by Sphinx.

myst-nb and jupyter-book need an older markdown-it-py than nbstream, so they live in an environment
of their own, `.build/book` (`make book-tools`). They read the file, and need nothing of ours.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from nbstream.messages import Message, Usage
from nbstream.render.saved import bundle
from nbstream.response import Response, Timing
from nbstream.rounds import Round

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".build" / "book" / "bin"
GUIDE = ROOT / "docs" / "text_files.md"
ANSWER = """# Title

Hello **world** with $x^2$, $5 and {download}`/etc/passwd`.

```python
x = 1
```

```{include} /etc/passwd
```

```what-is-this
y
```

| a | b |
|---|--:|
| 1 | 2 |

- [x] done

Note[^1]. <script>alert(1)</script>

[^1]: foot

#### Deeper
"""
CELLS = [
    "%load_ext nbstream",
    "%%chat --out answer\nCompare {{ df }}.\n\nIt's # prose\n%magic\n# %% a mark\n```\nx = 1\n```",
    "%chat last",
    "import nbstream\n\nanswer = nbstream.last()",
    "%%nbchat\nHi\n\n\n# + a\n'''",
]


def saved() -> nbformat.NotebookNode:
    response = Response([Message("user", "Hi")], model="m")
    turn = Round(model="m", usage=Usage(1, 2, 3), finish_reason="stop", done=True)
    turn.reasoning.append("I *think*.")
    turn.text.append(ANSWER)
    response.rounds.append(turn)
    response.finish("complete", None, Timing(0.1, 1.0, 2.0))
    v4 = nbformat.v4
    cells = [v4.new_markdown_cell("# Page"), *map(v4.new_code_cell, CELLS)]
    cells[2].outputs = [v4.new_output("display_data", data=bundle(response))]
    notebook = v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "P"}
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    return notebook


# --- jupytext -----------------------------------------------------------------------


def tagged() -> nbformat.NotebookNode:
    """The notebook as the guide tells its readers to tag it."""
    notebook = saved()
    for cell in notebook.cells:
        if cell.source.startswith("%%"):
            cell.metadata["tags"] = ["active-ipynb"]
    return notebook


def test_a_text_file_gives_the_cells_back():
    jupytext = pytest.importorskip("jupytext")
    notebook = tagged()
    text = jupytext.writes(notebook, fmt="py:percent")
    ast.parse(text)  # so a linter reads it
    assert '# %% tags=["active-ipynb"]\n# %%chat --out answer\n# Compare {{ df }}.\n' in text
    again = jupytext.reads(text, fmt="py:percent")
    assert [cell.source for cell in again.cells] == [cell.source for cell in notebook.cells]
    assert jupytext.writes(again, fmt="py:percent") == text
    assert "active-ipynb" in GUIDE.read_text()


def test_myst_markdown_needs_no_tag():
    jupytext = pytest.importorskip("jupytext")
    notebook = saved()
    text = jupytext.writes(notebook, fmt="md:myst")
    again = jupytext.reads(text, fmt="md:myst")
    sources = [cell.source for cell in notebook.cells]
    assert [cell.source for cell in again.cells] == sources


@pytest.mark.shows("jupytext", "saved", "restored")
def test_a_notebook_that_is_paired_keeps_its_answers(tmp_path):
    pytest.importorskip("jupytext")
    notebook, text = tmp_path / "page.ipynb", tmp_path / "page.py"
    nbformat.write(tagged(), notebook)
    jupytext = [sys.executable, "-m", "jupytext"]
    subprocess.run([*jupytext, "--set-formats", "ipynb,py:percent", notebook], check=True)
    assert "Hello **world**" not in text.read_text()
    edited = text.read_text() + "\n# %%\n6 * 7\n"
    text.write_text(edited)
    later = notebook.stat().st_mtime + 60
    os.utime(text, (later, later))  # as an editor leaves it: newer than the notebook
    subprocess.run([*jupytext, "--sync", text], check=True)
    again = nbformat.read(notebook, as_version=4)
    assert [cell.source for cell in again.cells][-2:] == [CELLS[-1], "6 * 7"]
    assert again.cells[2].outputs == saved().cells[2].outputs


# --- books --------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path):
    if not (TOOLS / "jupyter-book").exists():
        pytest.skip("no environment for books: make book-tools")
    nbformat.write(saved(), tmp_path / "page.ipynb")
    return tmp_path


def settings(language: str, number: int = 0) -> str:
    """The settings that the guide tells its readers to type."""
    return GUIDE.read_text().split(f"```{language}\n")[number + 1].partition("```")[0]


def build(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [TOOLS / command[0], *command[1:]],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    (page,) = (p for p in folder.rglob("page.html") if "_sources" not in p.parts)
    return page.read_text(encoding="utf-8")


def assert_shown(page: str) -> None:
    for part in (
        "<details><summary>Reasoning</summary>",
        "<strong>world</strong>",
        '<span class="n">x</span>',
        "<table",
        "&lt;script&gt;",
        "{{ df }}",
    ):
        assert part in page
    assert "root:" not in page  # of /etc/passwd
    assert "<script>alert" not in page
    assert page.count("Hello <strong>") == 1


@pytest.mark.shows("myst-nb", "restored")
def test_a_page_of_sphinx_without_warnings(book):
    python = settings("python", 1)
    assert "myst_nb" in python
    (book / "conf.py").write_text(f'project = "Book"\nroot_doc = "page"\n{python}')
    assert_shown(
        build(book, "sphinx-build", "-q", "-W", "--keep-going", "-b", "html", ".", "_build/html")
    )


@pytest.mark.shows("jupyter-book", "restored")
def test_a_jupyter_book_without_warnings(book):
    (book / "_config.yml").write_text(settings("yaml"))
    (book / "_toc.yml").write_text("format: jb-book\nroot: page\n")
    assert_shown(build(book, "jupyter-book", "build", "-q", "-W", "--keep-going", "."))
