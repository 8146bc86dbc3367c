"""Every notebook of the project, run in a real kernel with the embedded model."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
RECORD = "application/vnd.nbstream.response+json"


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.local
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not committed"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": path.parent}}).execute()
    asked = [cell for cell in notebook.cells if cell.source.startswith("%%chat")]
    assert asked
    for cell in asked:
        (output,) = cell.outputs
        record = output.data[RECORD]
        assert record["status"] == "complete"
        assert record["rounds"][-1]["text"].strip()
        assert record["timing"]["tokens_per_second"] > 0
    assert "widgets" not in notebook.metadata
