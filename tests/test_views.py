"""Which view an answer gets, and the live widget in a real kernel."""

from __future__ import annotations

import json
import re
import textwrap
import zlib
from pathlib import Path

import answers
import pytest
from kernels import kernel

from nbstream.errors import UsageError
from nbstream.messages import ToolResult
from nbstream.response import Response
from nbstream.views.choose import choose_view
from nbstream.views.outline import Outline
from nbstream.views.static import module, stylesheet
from nbstream.views.terminal import TerminalView

RECORD = "application/vnd.nbstream.response+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
PREAMBLE = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import answers
from nbstream.response import Response
from nbstream.views.choose import choose_view

def show(name, steps, every=1, owns_cell=True, **end):
    response = Response()
    view = choose_view(name, owns_cell=owns_cell)
    view.open(response)
    for i, _ in enumerate(answers.grow(response, steps)):
        if i % every == 0:
            view.update(response)
    answers.finish(response, **end)
    view.close(response)
"""


@pytest.fixture(scope="module")
def nb():
    """A kernel as Jupyter Server starts one."""
    with kernel(JPY_SESSION_NAME="notebook.ipynb") as running:
        assert not running.run(PREAMBLE).error
        yield running


def text_of(count: int) -> str:
    """`count` tokens (of about 4.5 characters) of markdown that is not all the same."""
    part = answers.ANSWER
    parts = [part.replace("Berlin", f"Berlin {i}") for i in range(count * 9 // 2 // len(part) + 1)]
    return "\n\n".join(parts)[: count * 9 // 2]


# --- which view ---------------------------------------------------------------------


def test_plain_python_gets_text():
    assert isinstance(choose_view("auto", owns_cell=False), TerminalView)


def test_an_unknown_view_is_named_with_those_there_are():
    with pytest.raises(UsageError, match="no view 'tree': use one of auto, widget, display, text"):
        choose_view("tree", owns_cell=True)


@pytest.mark.parametrize(
    ("name", "variable", "expected"),
    [
        ("auto", "JPY_SESSION_NAME", "widget"),
        ("auto", "VSCODE_PID", "widget"),
        ("auto", "VSCODE_CWD", "widget"),
        ("auto", None, "display"),
        ("display", "JPY_SESSION_NAME", "display"),
        ("text", "JPY_SESSION_NAME", "text"),
        ("widget", None, "widget"),
    ],
)
def test_a_kernel_gets_what_its_front_end_is_known_to_have(nb, name, variable, expected):
    result = nb.run(
        textwrap.dedent(f"""
        from unittest import mock
        import nbstream.views.choose as choose
        clean = {{k: v for k, v in os.environ.items() if not k.startswith(("JPY_", "VSCODE_"))}}
        with mock.patch.dict(os.environ, clean, clear=True):
            if {variable!r}:
                os.environ[{variable!r}] = "1"
            view = choose_view({name!r}, owns_cell=True)
        response = Response()
        view.open(response)
        answers.finish(response)
        view.close(response)
        """)
    )
    assert not result.error
    kinds = {"widget": "comm_open", "display": "display_data", "text": "stream"}
    seen = [m["msg_type"] for m in result.messages if m["msg_type"] in kinds.values()]
    assert seen[0] == kinds[expected]


@pytest.mark.parametrize("fault", ["import", "creation"])
def test_without_working_widgets_the_display_view_shows_the_answer(nb, fault):
    result = nb.run(
        textwrap.dedent(f"""
        from unittest import mock
        import anywidget, nbstream.views.widget
        broken = (
            mock.patch.dict(sys.modules, {{"nbstream.views.widget": None}})
            if {fault!r} == "import"
            else mock.patch.object(anywidget.AnyWidget, "__init__", side_effect=OSError)
        )
        with broken:
            show("widget", answers.rich())
        """)
    )
    assert not result.error
    assert "comm_open" not in [m["msg_type"] for m in result.messages]
    assert RECORD in result.outputs[-1]


# --- the live widget ----------------------------------------------------------------


def of_widget(result):
    """The messages between the kernel and the widget in the page."""
    return [m for m in result.messages if m["msg_type"].startswith("comm_")]


def size(message, *, without=()):
    """Bytes of a message's content and buffers, as they go to the page."""
    content = json.loads(json.dumps(message["content"], default=str))
    state = content.get("data", {}).get("state", {})
    for name in without:
        state.pop(name, None)
    text = json.dumps(content, ensure_ascii=False).encode()
    return len(text) + sum(len(buffer) for buffer in message["buffers"])


def bytes_per_character(result, text):
    """Of all that was sent to show and save an answer, the widget's own code left out."""
    sent = [m for m in result.messages if m["msg_type"] not in ("status", "execute_input")]
    return sum(size(m, without=("_esm", "_css")) for m in sent) / len(text)


def snapshots(messages):
    found = [zlib.decompress(m["buffers"][0]) for m in messages if m["buffers"]]
    return [json.loads(data) for data in found]


def test_the_widget_gives_way_to_the_bundle_and_nothing_of_it_stays(nb):
    result = nb.run("show('widget', answers.rich())")
    assert not result.error
    messages = of_widget(result)
    opened = [m["content"]["comm_id"] for m in messages if m["msg_type"] == "comm_open"]
    closed = [m["content"]["comm_id"] for m in messages if m["msg_type"] == "comm_close"]
    assert len(opened) == 2  # the widget and its layout
    assert sorted(opened) == sorted(closed)
    assert (
        WIDGET
        in next(m for m in result.messages if m["msg_type"] == "display_data")["content"]["data"]
    )
    (bundle,) = result.outputs
    assert set(bundle) == {"text/markdown", "text/plain", RECORD}
    kinds = [m["msg_type"] for m in result.messages]
    assert kinds.index("update_display_data") < kinds.index("comm_close")
    assert nb.value("len(__import__('ipywidgets').Widget.get_manager_state()['state'])") == "0"


@pytest.mark.parametrize("status", ["cancelled", "incomplete", "error"])
def test_a_bad_end_leaves_the_bundle_too(nb, status):
    result = nb.run(f"show('widget', answers.rich(), status={status!r}, error=OSError('x'))")
    assert [set(bundle) for bundle in result.outputs] == [{"text/markdown", "text/plain", RECORD}]
    assert {m["msg_type"] for m in of_widget(result)[-2:]} == {"comm_close"}
    end = of_widget(result)[-3]["content"]["data"]["content"]
    assert end["ops"][-1][0] == "end"
    assert end["say"] == end["ops"][-1][1]["mark"] != ""


@pytest.mark.parametrize("name", ["widget", "display"])
@pytest.mark.parametrize("owns_cell", [True, False])
def test_where_nothing_came_the_cell_keeps_its_error_only(nb, name, owns_cell):
    steps = [("notice", "503 · again in 1 s"), ("notice", ""), ("round", "m")]
    result = nb.run(
        f"show({name!r}, {steps!r}, owns_cell={owns_cell}, status='error', error=OSError('no'))"
    )
    assert not result.error
    if owns_cell:
        assert result.outputs == []
    else:
        assert "⚠ no" in result.outputs[0]["text/markdown"]
    assert len([m for m in of_widget(result) if m["msg_type"] == "comm_close"]) in (0, 2)


def test_a_frame_that_fails_does_not_lose_the_answer(nb):
    result = nb.run(
        "from unittest import mock\n"
        "with mock.patch('nbstream.views.outline.Document.patch', side_effect=KeyError('bug')):\n"
        "    show('widget', answers.rich())"
    )
    assert not result.error
    (bundle,) = result.outputs
    assert "Berlin and Munich" in bundle["text/markdown"]
    assert len([m for m in of_widget(result) if m["msg_type"] == "comm_close"]) == 2


def test_frames_are_numbered_without_a_gap(nb):
    result = nb.run("show('widget', answers.rich())")
    numbers = []
    for message in of_widget(result):
        if message["buffers"]:
            numbers += [snapshot["seq"] for snapshot in snapshots([message])]
        elif message["content"]["data"].get("method") == "custom":
            numbers.append(message["content"]["data"]["content"]["seq"])
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 100


def test_snapshots_grow_by_half(nb):
    text = text_of(4_000)
    nb.run(f"text = {text!r}")
    result = nb.run(
        "from unittest import mock\n"
        "with mock.patch('nbstream.views.channel._LOADING', 0):\n"
        "    show('widget', [('round', 'm'), *answers.pieces('text', text, 100)])"
    )
    sizes = [len(json.dumps(found["state"])) for found in snapshots(of_widget(result))]
    assert len(sizes) > 8
    assert sum(sizes) < 4 * sizes[-1]


def test_an_answer_that_stalls_at_once_is_in_a_snapshot(nb):
    """The page may still be loading the widget's code, deaf to messages."""
    result = nb.run(
        textwrap.dedent("""
        import asyncio, contextvars, threading

        async def stall():
            response, view = Response(), choose_view("widget", owns_cell=True)
            view.open(response)
            for _ in answers.grow(response, [("round", "m"), ("text", "A first word")]):
                view.update(response)
            await asyncio.sleep(1)
            print("stalled")
            view.close(answers.finish(response))

        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(asyncio.run, stall()))
        thread.start()
        thread.join()
        """)
    )
    assert result.stdout == "stalled\n"
    opening, stalled, *_ = snapshots(of_widget(result))
    assert (opening["seq"], stalled["seq"]) == (0, 2)
    assert "A first word" in json.dumps(stalled["state"])


@pytest.mark.parametrize(
    ("tokens", "tokens_per_frame", "limit"),
    [(8_000, 500, 5), (8_000, 2_000, 5), (2_000, 7, 12)],
    ids=["fast", "in four frames", "200 a second"],
)
@pytest.mark.parametrize("kind", ["markdown", "prose"])
def test_bytes_per_character_of_answer(nb, tokens, tokens_per_frame, limit, kind):
    text = text_of(tokens)
    if kind == "prose":
        words = text.split()
        text = "\n\n".join(" ".join(words[i : i + 80]) for i in range(0, len(words), 80))
    nb.run(f"text = {text!r}")
    result = nb.run(
        "show('widget', [('round', 'm'), *answers.pieces('text', text, "
        f"{tokens_per_frame * 9 // 2}), ('finish', 'stop')])",
        timeout=120,
    )
    assert not result.error
    cost = bytes_per_character(result, text)
    print(f"{kind}, {tokens_per_frame} tokens a frame: {cost:.1f} bytes a character")
    assert cost < limit


# --- the outline --------------------------------------------------------------------


def untimed(state):
    """A call's state without the seconds for which it has run."""
    return {name: None if name == "runs" else value for name, value in state.items()}


class Replica:
    """The sections as a page knows them that replays the operations."""

    def __init__(self):
        self.sections = {}
        self.order = []

    def apply(self, name, number, *rest):
        section = self.sections.get(number)
        if name == "add":
            kind, before, title = rest
            at = len(self.order) if before is None else self.order.index(before)
            self.order.insert(at, number)
            self.sections[number] = {"id": number, "kind": kind, "title": title}
            call = {"text": "", "state": {}, "result": None}
            more = call if kind == "call" else {"settled": False}
            self.sections[number] |= more
        elif name == "text":
            section["text"] += rest[0]
        elif name == "title":
            section["title"] = rest[0]
        elif name == "result":
            section["result"] = rest[0]
        elif name == "state":
            section["state"] = untimed(rest[0])
        elif name == "settle":
            section["settled"] = True
        elif name == "drop":
            self.order.remove(number)
            del self.sections[number]

    def state(self):
        return [self.sections[number] for number in self.order]


@pytest.mark.parametrize(
    ("steps", "kinds"),
    [
        (answers.rich(), ["reasoning", "call", "call", "reasoning", "answer"]),
        (answers.thought(), ["reasoning", "answer"]),
        (answers.unclosed(), ["answer"]),
    ],
)
def test_operations_and_state_say_the_same(steps, kinds):
    """What the documents say of themselves is the renderer's to test."""
    outline, response, replica = Outline(), Response(), Replica()
    for _ in answers.grow(response, steps):
        for op in outline.advance(response):
            replica.apply(*op)
        state = outline.state()["sections"]
        shown = [{k: v for k, v in s.items() if k != "doc"} for s in state]
        for section in shown:
            if section["kind"] == "call":
                section["state"] = untimed(section["state"])
        assert shown == replica.state()
    assert [section["kind"] for section in replica.state()] == kinds


def test_late_reasoning_stands_above_the_answer():
    outline, response = Outline(), Response()
    steps = [("round", "m"), ("text", "a"), ("reasoning", "why"), ("refusal", "no")]
    added = [
        op
        for _ in answers.grow(response, steps)
        for op in outline.advance(response)
        if op[0] == "add"
    ]
    assert [(op[2], op[3]) for op in added] == [
        ("answer", None),
        ("reasoning", 1),
        ("refusal", None),
    ]


def test_a_long_result_is_cut_in_the_page():
    outline, response = Outline(), Response()
    steps = [("round", "m"), ("call", "f"), ("result", ToolResult("x" * 10_000))]
    for _ in answers.grow(response, steps):
        operations = outline.advance(response)
    (result,) = [op for op in operations if op[0] == "result"]
    assert result[2]["text"].endswith("x\n… 6,000 more characters")
    assert len(json.dumps(outline.state())) < 5_000


def test_the_picture_of_a_result_counts():
    """It is in every snapshot."""
    outline, response = Outline(), Response()
    plot = ToolResult("a plot", display={"image/png": "A" * 50_000})
    for _ in answers.grow(response, [("round", "m"), ("call", "f"), ("result", plot)]):
        outline.advance(response)
    assert 50_000 < outline.size <= len(json.dumps(outline.state()))


def test_an_advance_without_news_says_nothing():
    outline, response = Outline(), Response()
    for _ in answers.grow(response, answers.rich()):
        outline.advance(response)
        assert outline.advance(response) == []


# --- the page's parts ---------------------------------------------------------------


def test_the_parts_are_joined_into_one_module():
    source = module("widget")
    assert source.count("export default function") == 1
    assert "\nimport " not in source
    assert "\nexport function" not in source
    names = re.findall(r"^(?:async )?(?:function|const) (\w+)", source, re.MULTILINE)
    assert len(names) > 20
    assert len(names) == len(set(names)), "two parts use one name"
    assert ".nbs-answer" in stylesheet("answer", "code")


def test_the_parts_use_no_network_and_no_foreign_html():
    source = module("widget")
    assert not re.findall(r"https?://|\bfetch\(|XMLHttpRequest|WebSocket|importScripts", source)
    places = re.findall(r".*(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write).*", source)
    assert [line.strip() for line in places] == ["template.innerHTML = html;"]
