"""Every notebook of the project, run in a real kernel.

They run with the embedded model, as for a reader without a key. The one about tools runs as for
a reader with a large model: a scripted server says what such a model may say, and the functions
of the notebook are really called. With the embedded model it takes a minute, in the long run only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from long import only_long
from nbclient import NotebookClient
from replay import Reply, completion

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
RECORD = "application/vnd.nbstream.response+json"

pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


def read(path: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are not committed"
    return notebook


def execute(notebook: nbformat.NotebookNode) -> None:
    place = {"metadata": {"path": NOTEBOOKS[0].parent}}
    NotebookClient(notebook, timeout=300, resources=place).execute()
    assert "widgets" not in notebook.metadata


def records(notebook: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """The answers in a notebook, each of which is its cell's only output."""
    asked = [cell for cell in notebook.cells if cell.source.startswith("%%chat")]
    assert asked
    return [output.data[RECORD] for cell in asked for (output,) in [cell.outputs]]


def calls_of(record: dict[str, Any]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, arguments and result of each call."""
    found = [call for turn in record["rounds"] for call in turn.get("tool_calls", [])]
    return [(call["name"], json.loads(call["arguments"]), call["result"]) for call in found]


def executed(name: str) -> nbformat.NotebookNode:
    (path,) = (path for path in NOTEBOOKS if path.stem == name)
    notebook = read(path)
    execute(notebook)
    return notebook


def assert_answered(notebook: nbformat.NotebookNode) -> None:
    for record in records(notebook):
        assert record["status"] == "complete"
        assert record["rounds"][-1]["text"].strip()
        assert record["timing"]["tokens_per_second"] > 0


def shown_last(notebook: nbformat.NotebookNode, part: str) -> str:
    """The text of what the cell with this line displays."""
    (cell,) = (cell for cell in notebook.cells if part in cell.source and cell.get("outputs"))
    return str(cell.outputs[-1].data["text/plain"])


def shown(notebook: nbformat.NotebookNode, source: str) -> str:
    """The text of what a cell displays."""
    (cell,) = (cell for cell in notebook.cells if cell.source == source)
    return str(cell.outputs[-1].data["text/plain"])


@pytest.fixture
def nobody(monkeypatch):
    """A reader with neither a key nor an endpoint."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["panel", "quickstart", "tools"]


def test_the_quickstart(nobody):
    assert_answered(executed("quickstart"))


def test_the_panel(nobody):
    notebook = executed("panel")
    panel, *_ = (cell for cell in notebook.cells if cell.cell_type == "code")
    (talk,) = [output.data["text/markdown"] for output in panel.outputs]
    assert talk.count("<strong>You</strong>") == 2
    assert talk.startswith("<strong>You</strong>")  # closed: not folded any more
    assert "⚠" not in talk
    assert shown(notebook, "panel.response is response, len(panel.responses), panel.busy") == (
        "(True, 1, False)"
    )
    assert shown_last(notebook, "panel.save(talk)") == "True"


@only_long
def test_the_tools_with_the_embedded_model(nobody):
    """What it is said to be able to do."""
    notebook = executed("tools")
    assert_answered(notebook)
    described, plotted, why, _, added, _ = map(calls_of, records(notebook))
    ((name, arguments, result),) = described
    assert (name, arguments) == ("describe_column", {"column": "revenue"})
    assert "| 1 | 1283 | 1190 | 976 |" in result["display"]["text/markdown"]
    ((name, arguments, result),) = plotted
    assert (name, arguments) == ("plot_by", {"value": "revenue", "by": "city"})
    assert result["display"]["image/png"]
    assert [name for name, _, _ in why] == ["plot_by"]
    assert [(name, result["content"]) for name, _, result in added] == [("add", "42")]
    assert shown(notebook, "feedback.parsed").startswith("Feedback(city='Hamburg', stars=2, ")


def calls(*pairs: tuple[str, dict[str, str]]) -> Reply:
    return completion(tool_calls=[{"name": n, "arguments": a, "id": f"{n}-{a}"} for n, a in pairs])


EXPLANATION = (
    "From week 6 on, Hamburg sold about a third fewer cups a week. In the same week its price "
    "went up from 3.20 to 3.90, and in the other cities neither changed much."
)
CONVERSATION = [
    calls(("describe_column", {"column": "revenue"})),
    completion("Berlin took in between **1,283** and **1,414** a week, more than the others."),
    calls(("plot_by", {"value": "revenue", "by": "city"})),
    completion("Berlin is ahead, then come Hamburg and Munich."),
    calls(("plot_by", {"value": "cups", "by": "week"})),
    calls(("describe_column", {"column": "cups"}), ("describe_column", {"column": "price"})),
    completion(EXPLANATION),
    completion('{"city": "Hamburg", "stars": 2, "complaint": "price"}'),
]


def test_the_tools_with_a_large_model(replay, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", replay.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-canary-1")
    replay.reply(*CONVERSATION)
    notebook = read(NOTEBOOKS[-1])
    settings = notebook.cells[1]
    name, temperature, limit = settings.source.splitlines()[1:]
    assert "temperature" in temperature
    assert "max_tokens" in limit
    # What the notebook tells a reader with a model to do.
    settings.source = "%load_ext nbstream\n" + name.replace("local", "replay-1")
    execute(notebook)
    assert len(replay.requests) == len(CONVERSATION)
    found = records(notebook)
    assert all(record["status"] == "complete" for record in found)
    steps = calls_of(found[2])
    assert [name for name, _, _ in steps] == ["plot_by", "describe_column", "describe_column"]
    assert not any(result["status"] == "failed" for _, _, result in steps)
    assert found[2]["rounds"][-1]["text"] == EXPLANATION
    expected = "Feedback(city='Hamburg', stars=2, complaint='price')"
    assert shown(notebook, "feedback.parsed") == expected
    assert found[-2]["model"] == "local"
