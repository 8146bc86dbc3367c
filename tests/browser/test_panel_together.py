"""The chat panel in a real JupyterLab, beside cells, other views, tools and files."""

from __future__ import annotations

import base64
import json
import struct
import zlib

from panel_page import OPEN, PanelPage, chats, said
from playwright.sync_api import expect
from replay import MODELS, completion, whole


def png(width, height):
    """A picture of blue and orange stripes."""
    rows = b"".join(
        b"\0" + b"".join(COLORS[(x + y) // 20 % 2] for x in range(width)) for y in range(height)
    )
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


COLORS = (b"\x2a\x6f\xb5", b"\xf2\x9f\x3d")
PIXELS = png(120, 80)
PICTURE = {"name": "dot.png", "mimeType": "image/png", "buffer": PIXELS}

TOOLS = """
import nbstream
@nbstream.tool(approve=True)
def delete(path: str) -> str:
    "Delete a file."
    return f"deleted {path}"
panel = nbstream.ChatPanel(model="replay-1", tools=[delete])
panel
"""


def call(number, path):
    return {"name": "delete", "arguments": {"path": path}, "id": f"call_{number}"}


def test_calls_are_approved_and_tokens_counted(open_notebook, replay):
    usage = {"prompt_tokens": 600, "completion_tokens": 150, "total_tokens": 750}
    listing = {"data": [{"id": "replay-1", "context_length": 1000}, {"id": "replay-2"}]}
    replay.reply(whole(listing), to=MODELS)
    replay.reply(
        completion(reasoning="I have to delete them.", tool_calls=[call(1, "/tmp/a")]),
        completion(tool_calls=[call(2, "/tmp/b")]),
        completion(tool_calls=[call(3, "/tmp/c")]),
        completion("Two of three are gone.", usage=usage),
        completion("Bye.", usage=usage),
    )
    notebook = open_notebook([TOOLS])
    notebook.run(0)
    panel = PanelPage(notebook)
    panel.ask("Delete them.")
    panel.press("Run", 0)
    panel.press("Edit", 0)
    notebook.screenshot("panel-approval")
    arguments = panel.root.get_by_label("Arguments, as JSON")
    arguments.press("Control+a")
    panel.keyboard.insert_text('{"path": "/tmp/z"}')
    panel.press("Run", 0)
    expect(panel.button("Refuse", 0)).to_be_enabled()  # the one of the next call
    panel.button("Refuse", 0).press("Enter")
    panel.expect_ended(1)
    expect(panel.answer(0)).to_contain_text("Two of three are gone.")
    results = [m["content"] for m in chats(replay)[3]["messages"] if m["role"] == "tool"]
    assert results == [
        "deleted /tmp/a",
        '(The user ran it with {"path": "/tmp/z"} instead.)\ndeleted /tmp/z',
        "The user refused this call.",
    ]
    thinking = panel.answer(0).locator("details").first
    thinking.locator("summary").click()
    expect(thinking).to_contain_text("I have to delete them.")

    # What the last request took is what fills the context; all of them are the sum.
    totals = panel.root.locator(".nbs-totals")
    expect(totals).to_contain_text("context 75 % of 1,000")
    gauge = panel.root.locator(".nbs-gauge")
    expect(gauge).to_be_visible()
    whole_width = gauge.bounding_box()["width"]
    assert gauge.locator("span").bounding_box()["width"] / whole_width > 0.7
    expect(panel.answer(0).locator(".nbs-usage summary")).to_contain_text("first token")
    notebook.screenshot("panel-tools")
    asked = sum(7 for _ in range(3)) + 600
    expect(totals).to_contain_text(f"{asked} → ")
    panel.ask("Thanks.")
    panel.expect_ended(2)
    expect(totals).to_contain_text(f"{asked + 600:,} → ")


PASTE = """(field, [name, data, type]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const event = type.startsWith("image")
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
  field.dispatchEvent(event);
}"""
DROP_LARGE = """(field) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([new Uint8Array(8_000_001)], "large.png"));
  dataTransfer.items.add(new File(["A second one."], "second.txt"));
  field.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""


def test_a_question_from_a_file_is_edited_as_it_was_sent(open_notebook, replay):
    """Anybody can have written it: it is shown as it was typed, and nothing in it runs."""
    replay.reply(completion("Yes."), completion("No."))
    load = "panel.save('talk.json')\npanel = nbstream.ChatPanel.load('talk.json')\npanel"
    notebook = open_notebook([f"n = 4\n{OPEN}", f"del n\n{load}"])
    notebook.run(0)
    PanelPage(notebook).ask("Is {{ n }} even?")
    PanelPage(notebook).expect_ended(1)
    notebook.run(1)
    panel = PanelPage(notebook, notebook.output(1))
    panel.expect_questions("Is {{ n }} even?")
    panel.press("Edit the question", 0)
    expect(panel.root.get_by_label("The question, edited")).to_have_value("Is 4 even?")
    panel.keyboard.press("End")
    panel.keyboard.insert_text(" {{ n }}")
    panel.keyboard.press("Enter")
    expect(panel.answer(0)).to_contain_text("No.")
    panel.expect_questions("Is 4 even? {{ n }}")
    assert said(chats(replay)[-1]) == [("user", "Is 4 even? {{ n }}")]


def test_files_are_attached(open_notebook, replay):
    replay.reply(completion("A dot and a note."), completion("Only the dot."))
    notebook = open_notebook([OPEN])
    notebook.run(0)
    panel = PanelPage(notebook)
    chips = panel.root.locator(".nbs-composer .nbs-chip")
    with notebook.page.expect_file_chooser() as choosing:
        panel.press("Attach a picture or a file")
    choosing.value.set_files([PICTURE, {**PICTURE, "name": "other.png"}])
    expect(chips).to_have_count(2)
    panel.press("Remove other.png")
    expect(chips).to_have_text(["dot.png"])
    data = base64.b64encode(PIXELS).decode()
    panel.field.evaluate(PASTE, ["pasted.png", data, "image/png"])
    note = base64.b64encode("Ünicode notes".encode()).decode()
    panel.field.evaluate(PASTE, ["note.txt", note, "text/plain"])
    expect(chips).to_have_text(["dot.png", "pasted.png", "note.txt"])
    panel.field.evaluate(DROP_LARGE)
    expect(panel.problem).to_contain_text("large.png is too large: 8 MB go with a message")
    expect(chips).to_have_text(["dot.png", "pasted.png", "note.txt", "second.txt"])
    notebook.screenshot("panel-attached")
    panel.press("Remove second.txt")
    panel.ask("What is this?")
    panel.expect_ended(1)
    expect(chips).to_have_count(0)
    expect(panel.problem).to_be_empty()
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    ((_, content),) = said(chats(replay)[0])
    assert content == [
        {"type": "text", "text": "What is this?"},
        picture,
        picture,
        {"type": "text", "text": "note.txt:\n\nÜnicode notes"},
    ]
    shown = panel.turns.first.locator(".nbs-question")
    expect(shown.locator("img")).to_have_count(2)
    assert shown.locator("img").first.evaluate("e => e.complete && e.naturalWidth") == 120
    expect(shown.locator(".nbs-question-text")).to_have_text("What is this?")
    expect(shown.locator(".nbs-chip")).to_have_text(["note.txt"])
    notebook.screenshot("panel-pictures")

    # A file that is neither a picture nor a text comes back with the question.
    with notebook.page.expect_file_chooser() as choosing:
        panel.press("Attach a picture or a file")
    choosing.value.set_files({**PICTURE, "name": "junk.bin", "buffer": b"\x00\xff" * 9})
    panel.ask("And this?")
    expect(panel.problem).to_contain_text("junk.bin is neither an image")
    expect(panel.field).to_have_value("And this?")
    expect(chips).to_have_text(["junk.bin"])
    expect(chips.locator("img")).to_have_count(0)
    assert len(chats(replay)) == 1
    expect_edit_of_files(panel)
    ((_, content),) = said(chats(replay)[1])
    assert [part["type"] for part in content] == ["text", "image_url", "text"]


def expect_edit_of_files(panel):
    """What goes along with an edited question is seen, and can be taken away."""
    panel.press("Edit the question", 0)
    shown = panel.turns.first.locator(".nbs-question")
    expect(shown.locator(".nbs-chip")).to_have_text(["picture 1", "picture 1", "note.txt"])
    expect(shown.locator("img")).to_have_count(2)
    panel.notebook.screenshot("panel-editing-files")
    shown.get_by_role("button", name="Remove picture 1").first.click()
    assert panel.focused() == "The question, edited"
    panel.keyboard.press("Enter")
    expect(panel.answer(0)).to_contain_text("Only the dot.")
    panel.expect_ended(1)


LOAD = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'\n%chat panel talk"


def test_cells_and_the_panel_share_a_conversation(open_notebook, replay):
    replay.reply(
        completion("From the panel."),
        completion("From a cell.", gate="cell", piece=6),
        completion("Panel again."),
    )
    cells = [LOAD, "%%chat --session talk\nIn a cell?", "%chat history talk"]
    notebook = open_notebook(cells)
    notebook.run(0)
    panel = PanelPage(notebook)
    panel.ask("In the panel?")
    panel.expect_ended(1)
    notebook.start(1)
    panel.expect_questions("In the panel?", "In a cell?")
    replay.open("cell-0")
    expect(panel.answer(1)).to_contain_text("From a")
    expect(notebook.output(1)).to_contain_text("From a")
    expect(panel.stop).to_be_visible()
    notebook.screenshot("panel-and-cell")
    replay.open("cell-1")
    notebook.wait(1)
    panel.expect_ended(2)
    assert [text for _, text in said(chats(replay)[1])] == [
        "In the panel?",
        "From the panel.",
        "In a cell?",
    ]
    panel.ask("And now?")
    panel.expect_ended(3)
    assert [text for _, text in said(chats(replay)[2])][3:] == ["From a cell.", "And now?"]
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("[assistant]\nPanel again.")

    # Stop in the panel stops the cell that waits for the answer.
    replay.reply(completion("Never whole.", gate="never", piece=6))
    replay.open("never-0")
    notebook.write(1, "%%chat --session talk\nStop me?")
    notebook.start(1)
    expect(panel.root).to_contain_text("Never")
    panel.stop.click()
    notebook.wait(1)
    assert replay.requests[-1].aborted.wait(5)
    expect(panel.stop).to_be_hidden()

    notebook.write(2, "%chat panel talk")
    notebook.run(2)
    PanelPage(notebook, notebook.output(2)).expect_questions("In the panel?", "Stop me?")


COUNT = """() => {
  window.snapshots = 0;
  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  kernel.iopubMessage.connect((_, { header, content }) => {
    if (header.msg_type === "comm_msg" && content.data.method === "update") snapshots += 1;
  });
}"""
TWO = """
import nbstream
panel = nbstream.ChatPanel(model="replay-1")
other = nbstream.ChatPanel(model="replay-2")
panel
"""


def create_view(notebook, cell):
    """The output of a cell in a pane of its own, by the context menu."""
    notebook.output(cell).get_by_text("(saved)").click(button="right")
    notebook.page.get_by_role("menuitem", name="Create New View for").click()
    return notebook.page.locator(".jp-LinkedOutputView")


def test_two_views_are_equal(open_notebook, replay):
    words = [f"word{number} " for number in range(400)]
    replay.reply(
        completion(words),
        completion("Streams.", gate="two", piece=4),
        completion("Edited."),
    )
    notebook = open_notebook([OPEN])
    notebook.run(0)
    first = PanelPage(notebook)
    first.ask("Long?")
    first.expect_ended(1)
    notebook.page.wait_for_timeout(800)  # ms; the last snapshot that comes by itself
    notebook.page.evaluate(COUNT)
    second = PanelPage(notebook, create_view(notebook, 0))
    expect(second.answer(0)).to_contain_text("word399")
    notebook.page.wait_for_timeout(500)
    assert notebook.page.evaluate("snapshots") <= 1
    second.ask("Second view?")
    replay.open("two-0")
    for view in (first, second):
        view.expect_questions("Long?", "Second view?")
        expect(view.answer(1)).to_contain_text("Stre")
        expect(view.stop).to_be_visible()
    notebook.screenshot("panel-two-views")
    first.write("A draft in both")
    expect(second.field).to_have_value("A draft in both")
    for number in (1, 2, 3):
        replay.open(f"two-{number}")

    def expect_equal():
        for view in (first, second):
            view.expect_ended(2)
        texts = [
            [
                turn.locator(".nbs-bubble, .nbs-answer").all_inner_texts()
                for turn in view.turns.all()
            ]
            for view in (first, second)
        ]
        assert texts[0] == texts[1]

    expect_equal()
    second.press("Edit the question", 1)
    second.keyboard.press("Control+a")
    second.keyboard.insert_text("Edited?")
    second.keyboard.press("Enter")
    for view in (first, second):
        view.expect_questions("Long?", "Edited?")
        expect(view.answer(1)).to_contain_text("Edited.")
        expect(view.turns.nth(1)).to_contain_text("2/2")
    expect_equal()
    first.press("Delete this turn", 0)
    for view in (first, second):
        view.expect_questions("Edited?")


def test_two_panels_do_not_cross(open_notebook, replay):
    replay.reply(*[lambda request: answers[request.json["model"]]] * 2)
    answers = {
        "replay-1": completion(["one ", "eins"], gate="one"),
        "replay-2": completion(["two ", "zwei"], gate="two"),
    }
    notebook = open_notebook([TWO, "other"])
    notebook.run(0)
    notebook.run(1)
    first, second = PanelPage(notebook), PanelPage(notebook, notebook.output(1))
    first.ask("First?")
    second.ask("Second?")
    replay.open("two-0")
    expect(second.answer(0)).to_contain_text("two")
    replay.open("one-0")
    expect(first.answer(0)).to_contain_text("one")
    replay.open("two-1")
    second.expect_ended(1)
    expect(first.stop).to_be_visible()
    first.write("For the first")
    expect(second.field).to_have_value("")
    replay.open("one-1")
    first.expect_ended(1)
    expect(first.answer(0).locator(".nbs-text")).to_have_text("one eins")
    expect(second.answer(0).locator(".nbs-text")).to_have_text("two zwei")
    first.expect_questions("First?")
    second.expect_questions("Second?")
    asked = {request["model"]: said(request) for request in chats(replay)}
    assert asked == {"replay-1": [("user", "First?")], "replay-2": [("user", "Second?")]}


def test_the_file_keeps_the_conversation_as_text(open_notebook, replay):
    replay.reply(completion("It is **kept**."), completion("Still here."))
    notebook = open_notebook([OPEN, "panel.close()", "panel", "panel.open()"])
    notebook.run(0)
    panel = PanelPage(notebook)
    panel.ask("What <b>stays</b>?")
    panel.expect_ended(1)
    first = notebook.output(0)
    expect(first.get_by_text("Conversation, turn 1 (saved)")).to_be_visible()
    expect(first.get_by_text("kept", exact=True).last).to_be_hidden()
    expect_text_only(notebook.save())

    # Closed: the conversation alone, unfolded. And opened again in another cell.
    notebook.run(1)
    expect(panel.root).to_have_count(0)
    expect(first.get_by_text("(saved)")).to_have_count(0)
    expect(first.get_by_text("kept", exact=True)).to_be_visible()
    notebook.screenshot("panel-closed")
    notebook.run(2)
    again = PanelPage(notebook, notebook.output(2))
    again.expect_questions("What <b>stays</b>?")
    again.ask("And now?")
    again.expect_ended(2)
    expect(notebook.output(2).get_by_text("Conversation, turns 1–2 (saved)")).to_be_visible()
    expect_text_only(notebook.save())

    # The page is new, the kernel is not.
    notebook.reopen()
    notebook.run(3)
    last = PanelPage(notebook, notebook.output(3))
    last.expect_questions("What <b>stays</b>?", "And now?")
    expect(last.answer(1)).to_contain_text("Still here.")
    expect_text_only(notebook.save())

    # Without a kernel: no panel, no error box, but what was said.
    notebook.shut_down_kernel()
    notebook.reopen()
    output = notebook.output(3)
    expect(notebook.page.locator(".nbs-panel")).to_have_count(0)
    expect(output.locator(".jp-RenderedHTMLCommon")).to_have_count(1)
    output.get_by_text("(saved)").click()
    expect(output).to_contain_text("What <b>stays</b>?")
    expect(output.get_by_text("kept", exact=True)).to_be_visible()
    notebook.screenshot("panel-reopened")


def expect_text_only(saved):
    """The file has the conversation as markdown, and no widget."""
    text = json.dumps(saved.cells)
    assert "widget-view" not in text
    assert "nbstream.panel" not in text
    assert "It is **kept**." in text
    assert not saved.metadata.get("widgets")
