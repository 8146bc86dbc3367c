"""Saved Mermaid diagrams in JupyterLab and in nbconvert's page: drawn, and nothing is loaded."""

from __future__ import annotations

import nbformat
import pytest
from bs4 import BeautifulSoup
from harness import wait_for
from playwright.sync_api import expect
from watching import JUPYTER, Watch, converted, show_all_cells

from nbstream.render.safe_markdown import safe_markdown
from nbstream.render.style import RenderStyle

LEAK = "http://leak.test/x.png"
HARMLESS = [
    "graph TD\n  A[Init] -->|yes| B{Is it?}\n  B --> C((Done))",
    "flowchart LR\n  subgraph one\n    a1-->a2\n  end",
    "sequenceDiagram\n  Alice->>Bob: Hello\n  Note right of Bob: He thinks",
    "stateDiagram-v2\n  [*] --> Still\n  Still --> [*]",
    "erDiagram\n  CUSTOMER ||--o{ ORDER : places",
    "gantt\n  title Plan\n  section A\n  One :a1, 2024-01-01, 3d",
    'pie title Pets\n  "Dogs" : 3\n  "Cats" : 1',
]
HOSTILE = [
    f'flowchart TD\n  A@{{ img: "{LEAK}", label: "x", w: 60, h: 60 }}',
    f"flowchart TD\n  A[\"<img src='{LEAK}'>\"]",
    f'flowchart TD\n  A["#60;img src={LEAK}#62;"]',
    f"flowchart TD\n  A[\"&lt;img src='{LEAK}'&gt;\"]",
    f'flowchart TD\n  A["`![x]({LEAK})`"]',
    f'flowchart TD\n  A --> B\n  click A "{LEAK}"',
    f"flowchart TD\n  A --> B\n  style A fill:url({LEAK})",
    f"flowchart TD\n  A:::b\n  classDef b fill:url({LEAK})",
    f"flowchart TD\n  A --> B\n  linkStyle 0 stroke:url({LEAK})",
    f'%%{{init: {{"themeCSS": "@import url({LEAK})"}}}}%%\nflowchart TD\n  A --> B',
    f"---\nconfig:\n  themeCSS: '@import url({LEAK})'\n---\nflowchart TD\n  A --> B",
    f"sequenceDiagram\n  participant A\n  link A: x @ {LEAK}\n  A->>A: x",
    f'classDiagram\n  class A\n  link A "{LEAK}"',
    f'C4Context\n  Person(a, "b", "c", $sprite="{LEAK}")',
]
# What JupyterLab draws, and what it makes of a diagram that it cannot draw.
DRAWN = ".jp-RenderedMermaid img, .jp-RenderedMermaid svg"


def fence(code: str) -> str:
    return f"```mermaid\n{code}\n```"


def saved(path, texts: list[str]):
    """A notebook with one output for each text, which nobody trusts."""
    outputs = [nbformat.v4.new_output("display_data", {"text/markdown": text}) for text in texts]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("", outputs=outputs)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def opened(open_notebook, jupyter):
    """`opened(name, texts)`: these outputs in JupyterLab, and what the page asks for."""

    def open_(name: str, texts: list[str]):
        server = jupyter("lab", "/")
        notebook = open_notebook(saved(server.root / f"{name}.ipynb", texts))
        watch = Watch(notebook.page, server.url, JUPYTER)
        notebook.reopen()
        show_all_cells(notebook)
        return notebook, watch

    return open_


@pytest.mark.own_page
def test_diagrams_are_drawn_and_none_loads_anything(opened):
    texts = [safe_markdown(fence(code)) for code in [*HOSTILE, *HARMLESS]]
    notebook, watch = opened("diagrams", texts)
    expect(notebook.output(0).locator(DRAWN)).to_have_count(len(HARMLESS))
    expect(notebook.output(0).locator("pre:not(.jp-RenderedMermaid *) code")).to_have_count(
        len(HOSTILE)
    )
    notebook.screenshot("diagrams")
    assert [url for url in watch.requests if "leak.test" in url] == []


@pytest.mark.own_page
def test_what_is_kept_from_being_drawn_would_load(opened):
    notebook, watch = opened("leaks", [fence(HOSTILE[0]), fence(HOSTILE[1])])
    figures = notebook.output(0).locator(".jp-RenderedMermaid, .jp-RenderedMarkdown details")
    expect(figures).not_to_have_count(0)
    wait_for(lambda: LEAK in watch.requests, "the image to be asked for", 30, notebook.page)


def test_the_page_of_nbconvert_draws_the_harmless_ones_alone(tmp_path):
    texts = [safe_markdown(fence(code)) for code in [*HOSTILE, *HARMLESS]]
    page = BeautifulSoup(
        converted(saved(tmp_path / "a.ipynb", texts), tmp_path).read_text(), "html.parser"
    )
    drawn = page.select(".jp-Mermaid pre.mermaid")
    assert [each.get_text().strip() for each in drawn] == [code.strip() for code in HARMLESS]
    raw = converted(saved(tmp_path / "raw.ipynb", [fence(code) for code in HOSTILE]), tmp_path)
    raw_page = BeautifulSoup(raw.read_text(), "html.parser")
    assert len(raw_page.select(".jp-Mermaid pre.mermaid")) == len(HOSTILE)


def test_without_diagrams_all_are_code(tmp_path):
    style = RenderStyle(diagrams=False)
    assert all("mermaid" not in safe_markdown(fence(code), style) for code in HARMLESS)
