"""Answers in `ipywidgets.Output`, and panels in boxes, in a real JupyterLab."""

from __future__ import annotations

import pytest
from long import only_long
from panel_page import PanelPage
from playwright.sync_api import expect
from replay import completion

SETUP = """import threading
import ipywidgets as w
import nbstream
from IPython.display import display

%load_ext nbstream
%config ChatMagics.model = 'replay-1'
chat = nbstream.Chat('replay-1')
out = w.Output()"""

BUTTON = """button = w.Button(description='Ask')
button.on_click(lambda _: {})
display(button, out)"""

# What a callback does: some ask while it runs, some start what goes on after it.
ASKS = {
    "in the callback": "ask()",
    "in a thread": "threading.Thread(target=ask).start()",
    "in the background": "ask_in_background()",
}
FUNCTIONS = """def ask():
    with out:
        print('before')
        chat.send('Go.')

def ask_in_background():
    with out:
        print('before')
        get_ipython().run_cell_magic('chat', '--bg', 'Go.')"""

PIECES = ["# First\n\n", "Second.\n\n", "- third\n"]


# What comes after the callback goes into the widget's state, which the page writes as well: on a
# machine that is too busy one of them may lose what the other wrote.
@pytest.mark.parametrize(
    "ask",
    [
        "in the callback",
        pytest.param("in a thread", marks=only_long),
        pytest.param("in the background", marks=only_long),
    ],
)
def test_an_answer_that_a_button_asks_for_grows_in_the_output(open_notebook, replay, ask):
    notebook = open_notebook([f"{SETUP}\n{FUNCTIONS}", BUTTON.format(ASKS[ask])])
    notebook.run(0)
    notebook.run(1)
    replay.reply(completion(PIECES, gate="piece"))
    notebook.output(1).get_by_role("button", name="Ask").click()
    replay.open("piece-0")
    replay.open("piece-1")
    shown = notebook.output(1)
    expect(shown.locator("h1")).to_contain_text("First")
    expect(shown.get_by_text("third")).to_have_count(0)
    notebook.screenshot(f"output-{ask.replace(' ', '-')}")
    replay.open("piece-2")
    expect(shown.locator("summary")).to_contain_text("replay-1 · ")
    expect(shown.locator("h1")).to_have_count(1)
    expect(shown.get_by_text("Second.")).to_have_count(1)
    expect(shown.locator("li")).to_have_text("third")
    if ask != "in a thread":  # where the page does not take what is printed after the callback
        assert shown.inner_text().index("before") < shown.inner_text().index("First")


def test_in_the_background_of_a_cell_it_stands_in_the_output_that_was_left(open_notebook, replay):
    show = "display(out)\nwith out:\n    get_ipython().run_cell_magic('chat', '--bg', 'Go.')"
    notebook = open_notebook([SETUP, show])
    notebook.run(0)
    replay.reply(completion(PIECES, gate="piece"))
    notebook.run(1)
    for number in range(3):
        replay.open(f"piece-{number}")
    taken = notebook.output(1)
    expect(taken.locator("summary")).to_contain_text("replay-1 · ")
    expect(taken.locator("h1")).to_contain_text("First")
    kinds = [list(output.data) for output in notebook.save().cells[1].outputs]
    assert kinds == [["application/vnd.jupyter.widget-view+json", "text/plain"]]


def test_interact_shows_what_its_function_asks_and_returns_once(open_notebook, replay):
    ask = "w.interact_manual(lambda word: chat.send(word), word=['a', 'b']);"
    notebook = open_notebook([SETUP, ask])
    notebook.run(0)
    notebook.run(1)
    shown = notebook.output(1)
    for title in ("One", "Two"):  # the second takes the place of the first
        replay.reply(completion(f"# {title}"))
        shown.get_by_role("button", name="Run Interact").click()
        expect(shown.get_by_role("heading", name=title)).to_be_visible()
        notebook.wait_idle()
        expect(shown.locator("summary")).to_have_count(1)


def test_panels_are_as_large_as_their_layout_and_answer_in_boxes(open_notebook, replay):
    boxes = """one, two = (nbstream.ChatPanel(model='replay-1') for _ in range(2))
one.layout.height, one.layout.width = '350px', '400px'
two.widget.layout = w.Layout(height='300px', flex='1')
w.Tab([w.HBox([one.widget, two.widget]), w.Label('other')])"""
    notebook = open_notebook([SETUP, boxes, "one.send('Go.')"])
    notebook.run(0)
    notebook.run(1)
    hosts = notebook.output(1).locator(".nbs-panel-host")
    expect(hosts).to_have_count(2)
    sizes = [hosts.nth(number).bounding_box() for number in range(2)]
    assert (sizes[0]["width"], sizes[0]["height"], sizes[1]["height"]) == (400, 350, 300)
    for number in range(2):
        inside = hosts.nth(number).locator(".nbs-panel").bounding_box()
        assert 0 < sizes[number]["height"] - inside["height"] < 10
    replay.reply(completion(PIECES))
    notebook.run(2)
    assert notebook.output(2).inner_text() == ""
    panel = PanelPage(notebook, hosts.nth(0))
    panel.expect_ended(1)
    replay.reply(completion("Again."))
    panel.ask("Once more")
    panel.expect_ended(2)
    notebook.screenshot("panels-in-boxes")
