"""`panel.widget` and `panel.layout`: the panel among other widgets."""

from __future__ import annotations

import anywidget
import ipywidgets
import pytest
from kernels import kernel
from replay import completion, silence

from nbstream import ChatPanel
from nbstream.panel import screen

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def panel(replay):
    panel = ChatPanel(model="replay-1", base_url=replay.base_url)
    yield panel
    panel.close()
    assert panel.screen not in screen._open


def test_the_widget_is_one_for_every_box(panel):
    widget = panel.widget
    assert isinstance(widget, anywidget.AnyWidget)
    assert panel.widget is widget
    assert panel.layout is widget.layout
    panel.layout.height = "400px"
    assert widget.layout.height == "400px"
    box, tabs = ipywidgets.VBox([widget]), ipywidgets.Tab([panel.widget])
    assert box.children == tabs.children == (widget,)


def test_a_closed_panel_has_a_new_widget(panel):
    first = panel.widget
    panel.close()
    assert first.comm is None
    second = panel.widget
    assert second is not first
    assert second.comm is not None


def test_the_widget_follows_the_conversation(panel, replay):
    widget = panel.widget
    sent = []
    widget.send = lambda content, buffers=None: sent.append(content)
    replay.reply(completion("Hello"))
    assert panel.send("Hi").wait(10)
    assert replay.wait_until(lambda: any("say" in frame for frame in list(sent)))
    (said,) = [frame["say"] for frame in sent if "say" in frame]
    assert said == "The answer is complete."


def test_in_a_kernel_a_box_shows_it_and_nothing_stays_open(replay):
    with kernel(OPENAI_API_KEY="sk-test") as nb:
        nb.run(
            "import ipywidgets, nbstream\n"
            f"panel = nbstream.ChatPanel(model='replay-1', base_url='{replay.base_url}')"
        )
        shown = nb.run("box = ipywidgets.VBox([panel.widget])\nbox", cell_id="one")
        (output,) = shown.outputs
        assert output[WIDGET]["model_id"] == nb.value("box.model_id")
        opened = [m["content"]["data"]["state"] for m in shown.messages if is_open(m)]
        assert any(state.get("_model_module") == "anywidget" for state in opened)
        replay.reply(completion("Hello"))
        answered = nb.run("r = panel.send('Hi'); r.wait(10); r.text")
        assert not answered.error
        assert nb.value("len(panel.responses)") == "1"
        # The cell runs again, and makes another panel: the first one is gone.
        nb.run("old = panel.widget; panel = nbstream.ChatPanel(model='m')", cell_id="two")
        nb.run("panel.widget; None", cell_id="one")
        assert nb.value("old.comm is None, panel.widget.comm is None") == "(True, False)"
        nb.run("%unload_ext nbstream")
        assert nb.value("len(nbstream.panel.screen._open)") == "0"


def is_open(message):
    return message["msg_type"] == "comm_open"


def test_a_question_from_code_shows_nothing_below_its_cell(replay):
    make = f"nbstream.ChatPanel(model='replay-1', base_url='{replay.base_url}')"
    with kernel(OPENAI_API_KEY="sk-test") as nb:
        nb.run(f"import nbstream\npanel, hidden = {make}, {make}\nwidget = panel.widget")
        replay.reply(silence(), silence())
        asked = nb.run("panel.send('Hi')")
        assert (asked.error, asked.outputs, asked.stdout) == ("", [], "")
        asked = nb.run("hidden.send('Hi')")
        assert (asked.error, asked.outputs) == ("", [])
        assert asked.stdout.count("\n") == 1
        assert "panel.open() shows it" in asked.stdout
        nb.run("panel.response.cancel()\nhidden.response.cancel()")


OUTPUT = """import ipywidgets, nbstream
from nbstream.views.capture import Capture
out = ipywidgets.Output()
with out:
    capture = Capture(blocking={blocking})
capture.show({{"text/plain": "late"}}, 4)
print([each["data"] for each in out.outputs], repr(out.msg_id))"""


def test_an_output_that_was_left_takes_what_is_shown_for_it():
    with kernel() as nb:
        shown = nb.run(OUTPUT.format(blocking=False))
        assert [each["text/plain"] for each in shown.outputs] == ["late"]
        assert shown.stdout == "[] ''\n"
        states = [
            m["content"]["data"].get("state", {})
            for m in shown.messages
            if "data" in m["content"] and m["msg_type"] == "comm_msg"
        ]
        ids = [bool(state["msg_id"]) for state in states if "msg_id" in state]
        assert ids == [True, False, True, False]
