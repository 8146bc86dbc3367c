"""Tools in a real JupyterLab: arguments, running, results, approval, structured answers."""

from __future__ import annotations

import json

from playwright.sync_api import expect
from replay import completion

LOAD = """\
%load_ext nbstream
%config ChatMagics.model = 'replay-1'
import asyncio, nbstream, pandas as pd, pathlib
from matplotlib.figure import Figure

async def lookup_city(city: str) -> pd.DataFrame:
    "Look a city up."
    while not pathlib.Path("GATE").exists():
        await asyncio.sleep(0.05)
    return pd.DataFrame({"city": [city, "<img src=x onerror=alert(1)>"], "people": [3.7, 0.3]})

def plot(title: str) -> Figure:
    "Draw the cities."
    figure = Figure(figsize=(4, 2))
    axes = figure.subplots()
    axes.bar(["Berlin", "Bonn"], [3.7, 0.3])
    axes.set_title(title)
    return figure

def fails() -> None:
    raise ValueError("no such <b>thing</b>")

@nbstream.tool(approve=True)
def delete(path: str) -> str:
    "Delete a file."
    return f"deleted {path}"
"""
CITY = """
import dataclasses

@dataclasses.dataclass
class City:
    name: str
    districts: list[str]
"""
CALLS = [
    {"name": "lookup_city", "arguments": {"city": "Berlin"}, "id": "call_1"},
    {"name": "plot", "arguments": {"title": "People"}, "id": "call_2"},
    {"name": "fails", "arguments": {}, "id": "call_3"},
]
DELETE = {"name": "delete", "arguments": {"path": "/tmp/x"}, "id": "call_1"}


def fold(live, name):
    return live.locator("details", has_text=name)


def test_calls_run_and_show_what_they_came_to(open_notebook, replay, tmp_path):
    replay.reply(
        completion(reasoning="I look it up.", tool_calls=CALLS, gate="call", piece=8),
        completion("Berlin is **large**."),
    )
    gate = tmp_path / "gate"
    load = LOAD.replace("GATE", str(gate))
    cell = "%%chat --out answer --tool lookup_city --tool plot --tool fails\nGo."
    notebook = open_notebook([load, cell, "answer.tool_calls[0].value.shape"])
    notebook.run(0)
    notebook.start(1)
    output = notebook.output(1)
    live = output.locator(".nbs-answer")
    for number in range(4):
        replay.open(f"call-{number}")
    expect(fold(live, "lookup_city")).to_contain_text("lookup_city…")
    expect(fold(live, "lookup_city").locator("pre")).to_contain_text('"city"')
    for number in range(4, 40):
        replay.open(f"call-{number}")
    expect(live.locator(".nbs-runs summary", has_text="lookup_city")).to_contain_text(
        'lookup_city("Berlin") · '
    )
    expect(fold(live, "fails")).to_contain_text("failed: ValueError")
    expect(live.locator(".nbs-call > img")).to_be_visible()
    notebook.screenshot("tools-running")
    gate.touch()
    notebook.wait(1)
    notebook.wait_idle()

    expect(output).to_contain_text("Berlin is large.")
    expect(live).to_have_count(0)
    assert output.locator("img").evaluate("e => e.complete && e.naturalWidth") > 100
    folds = output.locator("details")
    expect(folds.nth(1)).to_contain_text('lookup_city("Berlin") → 2 rows')
    for number in range(4):
        folds.nth(number).evaluate("e => { e.open = true; }")
    expect(folds.nth(1).locator("table")).to_contain_text("<img src=x onerror=alert(1)>")
    notebook.screenshot("tools-static")
    saved = notebook.save()
    assert "<img" not in json.dumps(saved.cells[1].outputs[0].data["text/markdown"])
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("(2, 2)")
    notebook.shut_down_kernel()
    notebook.reopen()
    assert notebook.output(1).locator("img").evaluate("e => e.complete && e.naturalWidth") > 100


def test_a_prompt_in_the_cell_asks(open_notebook, replay):
    replay.reply(completion(tool_calls=[DELETE]), completion("It is gone."))
    notebook = open_notebook([LOAD, "%%chat --out answer --tool delete\nGo."])
    notebook.run(0)
    notebook.start(1)
    live = notebook.output(1).locator(".nbs-answer")
    expect(live.locator(".nbs-waits")).to_contain_text("Answer at the prompt below")
    expect(live.locator(".nbs-waits pre")).to_contain_text('"path": "/tmp/x"')
    field = notebook.output(1).locator("input")
    expect(field).to_be_visible()
    notebook.screenshot("approval-prompt")
    assert len(replay.requests) == 1
    field.fill("y")
    field.press("Enter")
    notebook.wait(1)
    expect(notebook.output(1)).to_contain_text("It is gone.")
    assert replay.requests[1].json["messages"][-1]["content"] == "deleted /tmp/x"


def test_buttons_ask_where_the_kernel_is_free(open_notebook, replay):
    replay.reply(
        completion(tool_calls=[DELETE]),
        completion(tool_calls=[{**DELETE, "id": "call_2"}]),
        completion("Both are done."),
    )
    notebook = open_notebook([LOAD, "%%chat --bg --out answer --tool delete\nGo.", "1 + 1"])
    notebook.run(0)
    notebook.run(1)
    live = notebook.output(1).locator(".nbs-answer")
    expect(live.get_by_role("button", name="Run")).to_be_visible()
    notebook.run(2)  # other cells run while it waits
    expect(notebook.output(2)).to_contain_text("2")
    notebook.screenshot("approval-buttons")
    live.get_by_role("button", name="Edit").click()
    field = live.get_by_role("textbox")
    field.fill("{nonsense")
    live.get_by_role("button", name="Run").click()
    expect(live.get_by_role("alert")).to_contain_text("This is not valid JSON")
    expect(live.locator("pre")).to_be_hidden()  # the arguments stand there once
    field.fill('{"file": 3}')
    live.get_by_role("button", name="Run").click()
    expect(live.get_by_role("alert")).to_contain_text("path: Field required")
    expect(live.get_by_role("textbox")).to_have_value('{\n  "file": 3\n}')  # what was typed is kept
    live.get_by_role("textbox").fill('{"path": "/tmp/y"}')
    notebook.screenshot("approval-edit")
    live.get_by_role("button", name="Run").click()
    expect(fold(live, "deleted /tmp/y")).to_have_count(1)
    live.get_by_role("button", name="Reject").click()
    output = notebook.output(1)
    expect(output).to_contain_text("Both are done.")
    results = [m["content"] for m in replay.requests[2].json["messages"] if m["role"] == "tool"]
    assert results == [
        '(The user ran it with {"path": "/tmp/y"} instead.)\ndeleted /tmp/y',
        "The user rejected this call.",
    ]


def test_json_is_readable_while_it_grows(open_notebook, replay):
    pieces = ['{"name": "Ber', 'lin", "districts": ["Mitte', '", "Wedding"]}']
    replay.reply(completion(pieces, gate="piece"))
    notebook = open_notebook([LOAD + CITY, "%%chat --out a --schema City\nBerlin?", "a.parsed"])
    notebook.run(0)
    notebook.start(1)
    live = notebook.output(1).locator(".nbs-answer")
    replay.open("piece-0")
    replay.open("piece-1")
    expect(live.locator("code")).to_have_text(
        '{\n  "name": "Berlin",\n  "districts": [\n    "Mitte'
    )
    notebook.screenshot("json-live")
    replay.open("piece-2")
    notebook.wait(1)
    expect(notebook.output(1).locator("code")).to_contain_text('    "Wedding"\n  ]\n}')
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text(
        "City(name='Berlin', districts=['Mitte', 'Wedding'])"
    )
