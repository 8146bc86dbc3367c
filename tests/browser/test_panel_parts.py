"""The parts of the chat panel in a page that has nothing else; the test plays the kernel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from panel_page import PanelPage
from playwright.sync_api import Page, expect
from test_panel_page import open_panel
from watching import bare_page

from nbstream.panel.window import Window
from nbstream.views.static import module

GONE = "the kernel has restarted or ended: run the cell of the panel again"
ENDS = pytest.mark.parametrize(
    "ending",
    ["kernel.statusChanged.emit('restarting')", "kernel.disposed.emit()"],
    ids=["restarted", "shut down"],
)


@pytest.fixture
def page(browser):
    with bare_page(browser) as (page, watch):
        yield page
        assert watch.errors == []


class BarePanel(PanelPage):
    """A panel in a page of its own."""

    def __init__(self, page: Page, shows: Window) -> None:
        super().__init__(SimpleNamespace(page=page), page.locator("body > div").first)
        self._page = page
        self._shows = shows
        self._about = shows._about

    def sent(self, what: str) -> list[dict[str, Any]]:
        """What the page asked for so far by the action `what`."""
        return self._page.evaluate("what => sent.filter((message) => message.do === what)", what)

    def hears(self, *messages: dict[str, Any]) -> None:
        """The page gets messages of the kernel, one right after the other."""
        self._page.evaluate("deliver", messages)

    def about(self, **changed: Any) -> dict[str, Any]:
        """The message that says what stands beside the turns: a snapshot, which takes longer."""
        about = self._about()
        self._shows._about = lambda: {**about, **changed}
        self._shows._channel._is_wanted = True
        self._shows.sync()
        return self._shows.widget.messages[-1]


def reply(message: dict[str, Any], **reply: Any) -> dict[str, Any]:
    """The kernel's reply to a message of the page."""
    return {"custom": {"re": message["n"], **reply}}


@pytest.fixture
def show(page, monkeypatch):
    """`show(turns, **options)`: a panel with so many turns, as `open_panel` makes it."""

    def show(turns: int, **options: Any) -> BarePanel:
        options = {"text": "An *answer*.", **options}
        return BarePanel(page, open_panel(page, monkeypatch, turns, **options))

    return show


@ENDS
def test_an_answer_ends_with_the_kernel(page, show, ending):
    panel = show(2, is_running=True)
    expect(panel.stop).to_be_visible()
    panel.write("A draft")
    page.evaluate(ending)
    page.evaluate("view()")  # a view that comes later shows the same
    for root in page.locator(".nbs-panel").all():
        answer = root.locator("article").nth(1).locator(".nbs-answer")
        expect(answer).to_contain_text("An answer.")
        expect(answer).to_contain_text("⚠ Incomplete: the kernel has restarted or ended")
        expect(answer).to_have_attribute("aria-busy", "false")
        expect(root.locator(".nbs-status")).to_have_count(0)
        expect(root.locator("article").nth(0)).not_to_contain_text("The kernel")
        expect(root.get_by_role("button", name="Stop the answer")).to_be_hidden()
        expect(root.locator(".nbs-composer .nbs-problem")).to_have_text(GONE)

    panel.ask("?")
    expect(panel.problem).to_have_text(GONE)
    expect(panel.field).to_have_value("A draft?")
    assert panel.sent("send") == []


@ENDS
def test_a_question_comes_back_when_the_kernel_ends(page, show, ending):
    panel = show(1)
    panel.ask("Is anybody there?")
    expect(panel.waiting).to_have_text("Is anybody there?Sending…")
    page.evaluate(ending)
    expect(panel.waiting).to_have_count(0)
    expect(panel.field).to_have_value("Is anybody there?")
    expect(panel.problem).to_have_text(GONE)


def test_a_question_comes_back_that_cannot_be_sent(page, show):
    panel = show(1)
    page.evaluate("() => { sent.push = () => { throw new Error('Kernel is dead'); }; }")
    panel.ask("Is anybody there?")
    expect(panel.waiting).to_have_count(0)
    expect(panel.field).to_have_value("Is anybody there?")
    expect(panel.problem).to_contain_text("could not send this (Kernel is dead): run the cell")


def test_questions_that_wait_are_asked_one_after_the_other(page, show):
    panel = show(1)
    for text in ("First?", "Second?", "Third?"):
        panel.ask(text)
    expect(panel.waiting).to_have_text(
        [
            "First?Sending…",
            *(
                f"{text}?Waits: it is sent when the answer before it has ended."
                for text in ("Second", "Third")
            ),
        ]
    )
    (first,) = panel.sent("send")
    assert first["text"] == "First?"
    panel.hears(panel.about(running=7), reply(first))
    expect(panel.waiting).to_have_count(2)
    expect(panel.stop).to_be_visible()
    assert len(panel.sent("send")) == 1
    panel.hears(panel.about())
    expect(panel.waiting.first).to_have_text("Second?Sending…")
    _, second = panel.sent("send")
    assert second["text"] == "Second?"

    # It is not taken: what was to follow it comes back with it.
    panel.write("Draft")
    panel.hears(reply(second, error="there is no 'x' in the notebook"))
    expect(panel.field).to_have_value("Second?\n\nThird?\n\nDraft")
    expect(panel.problem).to_have_text("there is no 'x' in the notebook")
    expect(panel.waiting).to_have_count(0)
    assert len(panel.sent("send")) == 2


def test_a_snapshot_that_cannot_be_shown_keeps_no_later_one_back(page, show):
    panel = show(1)
    said = []
    page.on("console", lambda message: said.append(message.text))
    panel.hears(panel.about(context=None))
    panel.hears(panel.about(model="replay-2"))
    expect(panel.root.locator(".nbs-title")).to_have_text("replay-2")
    assert "could not show a snapshot" in said[0]


@pytest.fixture
def parts(page):
    """A page in which scripts can use what makes drafts."""
    page.add_script_tag(content=module("draft"))
    return page


def test_drafts_are_left_to_the_panels_that_come_after(parts):
    assert parts.evaluate("""() => {
      const names = ["first", "second", "third"];
      const drafts = names.map((name) => createDraft(name, "a.ipynb"));
      for (const [i, draft] of drafts.entries()) {
        draft.see(true);
        draft.write(names[i]);
        draft.leave();
        draft.write(`${names[i]}, and more`);  // in the view that is still there
      }
      drafts[1].see(false);
      const later = ["second new", "third new", "other", "more"];
      return later.map((name) => createDraft(name, "a.ipynb").text);
    }""") == ["second, and more", "first, and more", "third, and more", ""]
    parts.reload()
    parts.add_script_tag(content=module("draft"))
    again = parts.evaluate(
        """() => ["second new", "next"].map((name) => createDraft(name, "a.ipynb").text)"""
    )
    assert again == ["second, and more", ""]


def test_a_tab_that_keeps_nothing_keeps_nobody_from_typing(parts):
    assert (
        parts.evaluate("""() => {
      Storage.prototype.setItem = () => { throw new Error("QuotaExceededError"); };
      const draft = createDraft("name", "a.ipynb");
      draft.write("typed");
      return draft.text;
    }""")
        == "typed"
    )


FILES = """
const file = (name, ms, fails) => ({
  name,
  size: 10,
  type: "image/png",
  arrayBuffer: () => new Promise((resolve, reject) => setTimeout(
    () => fails ? reject(new Error("NotFoundError")) : resolve(new ArrayBuffer(10)), ms)),
});
const draft = createDraft("name", "a.ipynb");
const names = () => draft.files.map(({ name }) => name);
URL.createObjectURL = () => "blob:x";
"""


def test_files_are_read_beside_each_other(parts):
    assert parts.evaluate(
        "async () => {"
        + FILES
        + """
      await Promise.all([draft.attach([file("slow", 40)]), draft.attach([file("fast", 1)])]);
      const both = names();
      const reading = draft.attach([file("late", 20)]);
      draft.detach(draft.files[0]);
      const { files } = draft.take();
      await reading;
      return [both, files.map(({ name }) => name), names()];
    }"""
    ) == [["fast", "slow"], ["slow"], ["late"]]


def test_a_folder_that_is_dropped_is_named(parts):
    assert parts.evaluate(
        "async () => {"
        + FILES
        + """
      let told = 0;
      draft.watch(() => { told += 1; });
      await draft.attach([file("one", 1), file("a folder", 1, true), file("two", 1)]);
      return [names(), draft.problem, told > 0];
    }"""
    ) == [["one", "two"], "a folder cannot be read: attach files, of a folder one by one", True]


PASTE = """(field, [text, name]) => {
  const clipboardData = new DataTransfer();
  if (text) clipboardData.items.add(text, "text/plain");
  clipboardData.items.add(new File([new Uint8Array(9)], name, { type: "image/png" }));
  const options = { clipboardData, bubbles: true, cancelable: true };
  return !field.dispatchEvent(new ClipboardEvent("paste", options));
}"""


def test_words_are_pasted_as_words(show):
    panel = show(0)
    chips = panel.root.locator(".nbs-composer .nbs-chip")
    assert not panel.field.evaluate(PASTE, ["a\tb\n1\t2", "image.png"])  # left to the browser
    assert panel.field.evaluate(PASTE, ["", "image.png"])
    assert panel.field.evaluate(PASTE, ["/home/me/dot.png", "dot.png"])
    expect(chips).to_have_text(["image.png", "dot.png"])


def test_an_edit_outlives_its_view(page, show):
    panel = show(1)
    panel.press("Edit the question", 0)
    editor = panel.root.get_by_label("Edit question")
    editor.fill("A better question?")
    editor.dispatch_event("keydown", {"key": "Escape", "isComposing": True})  # ends a composition
    page.evaluate("view()")
    second = page.get_by_label("Edit question").nth(1)
    expect(second).to_have_value("A better question?")
    second.press("Enter")
    (edit,) = panel.sent("edit")
    assert (edit["text"], edit["without"]) == ("A better question?", [])
    editor.press("Escape")
    page.evaluate("view()")
    expect(page.locator(".nbs-panel").nth(2).locator(".nbs-editor")).to_have_count(0)


def test_the_preview_is_of_the_draft_as_it_stands(page, show):
    panel = show(0)
    preview = panel.root.locator(".nbs-preview")
    note = panel.root.locator(".nbs-composer .nbs-waiting-note")
    page.evaluate("() => { kernel.status = 'busy'; }")
    panel.write("First {{x}}")
    panel.press("Show what will be sent")
    expect(note).to_have_text("Waits: the kernel is running a cell.")
    panel.keyboard.press("Escape")
    panel.field.fill("Second {{x}}")
    expect(note).to_be_empty()
    panel.press("Show what will be sent")
    first, second = panel.sent("preview")
    panel.hears(reply(first, text="First 1"))
    expect(preview).to_be_hidden()
    panel.hears(reply(second, text="Second 1"))
    expect(preview.locator("pre")).to_have_text("Second 1")
    panel.write("!")
    expect(preview).to_be_hidden()
    panel.press("Show what will be sent")
    panel.field.press("Enter")
    panel.hears(reply(panel.sent("preview")[2], text="Second 1!"))
    expect(panel.waiting).to_have_count(1)
    expect(preview).to_be_hidden()
    tool = panel.button("Show what will be sent")
    expect(tool).to_have_attribute("aria-expanded", "false")


def test_an_answer_is_copied_now_or_never(page, show):
    text = "An *answer*:\n\n```python\nx = 1\n```\n"
    panel = show(1, text=text)
    page.evaluate("""() => {
      window.copied = [];
      const clipboard = { writeText: async (text) => void copied.push(text) };
      Object.defineProperty(navigator, "clipboard", { value: clipboard });
    }""")
    panel.press("Copy the answer", 0)
    panel.hears(reply(panel.sent("text")[0], text=text))
    page.wait_for_function("copied.length === 1")
    panel.press("Copy the answer", 0)
    page.wait_for_function("copied.length === 2")  # the kernel runs a cell
    panel.hears(reply(panel.sent("text")[1], text=text))
    panel.press("Copy the answer", 0)
    panel.hears(reply(panel.sent("text")[2], text=""))  # as of a refusal
    page.wait_for_function("copied.length === 3")
    shown = "An answer:\n\nx = 1"
    assert page.evaluate("copied") == [text, shown, shown]


def test_the_focus_is_never_lost(page, show):
    panel = show(2)
    panel.hears(panel.about(undo=True))

    def press(name):
        panel.button(name).focus()
        panel.keyboard.press("Enter")

    press("Clear the conversation")
    panel.hears(panel.about(count=0, undo=True))
    expect(panel.button("Clear the conversation")).to_be_hidden()
    assert panel.focused() == "Undo"
    press("Undo")
    panel.hears(panel.about(undo=False))
    expect(panel.button("Undo")).to_be_hidden()
    assert panel.focused() == "Settings"
    assert panel.field.evaluate(PASTE, ["", "image.png"])
    press("Remove image.png")
    expect(panel.root.locator(".nbs-composer .nbs-chip")).to_have_count(0)
    assert panel.focused() == "Your question"


def test_the_name_of_another_model_can_be_typed_while_the_list_comes(page, show):
    panel = show(0)
    panel.press("Settings")
    model, name = panel.root.get_by_role("combobox"), panel.root.get_by_label("Name of the model")
    model.select_option("Other…")
    panel.keyboard.press("Control+a")
    panel.keyboard.type("my-own-mod")
    panel.hears(panel.about(models=["replay-1", "replay-2"]))
    expect(model.locator("option")).to_have_count(3)
    expect(model).to_have_value("Other…")
    expect(name).to_be_focused()
    panel.keyboard.type("el")
    panel.keyboard.press("Enter")
    assert [message["model"] for message in panel.sent("set")] == ["my-own-model"]
    panel.hears(panel.about(model="my-own-model", models=["replay-1", "replay-2"]))
    expect(name).to_be_hidden()
    expect(model).to_have_value("my-own-model")
    expect(model).to_be_focused()


def test_two_panels_name_their_lists_differently(page, show):
    show(0)
    show(0)
    page.locator(".nbs-panel").nth(1).wait_for()
    first, second = page.locator(".nbs-names").evaluate_all("all => all.map(({ id }) => id)")
    assert first != second
