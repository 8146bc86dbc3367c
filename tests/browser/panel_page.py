"""The chat panel in a page, used as a person uses it: by keyboard and mouse."""

from __future__ import annotations

from typing import Any

from harness import NotebookPage
from playwright.sync_api import Locator, expect
from replay import CHAT, Hang, ReplayServer, Reply, chunk

OPEN = "import nbstream\npanel = nbstream.ChatPanel(model='replay-1')\npanel"
#: An answer that stands still after a few words.
PART = Reply([chunk({"content": "Half an ans"}), Hang()])


class PanelPage:
    """One view of a panel.

    Attributes:
        root: the whole panel.
        field: where a question is written.
    """

    def __init__(self, notebook: NotebookPage, within: Locator | None = None) -> None:
        self.notebook = notebook
        self.keyboard = notebook.page.keyboard
        self.root = (within or notebook.output(0)).locator(".nbs-panel")
        self.field = self.root.get_by_label("Your question")
        self.stop = self.root.get_by_role("button", name="Stop the answer")
        self.problem = self.root.locator(".nbs-composer .nbs-problem")
        self.turns = self.root.locator("article")
        self.waiting = self.root.locator(".nbs-letter")

    def write(self, text: str) -> None:
        """Type at the end of the draft."""
        self.field.click()
        self.keyboard.press("Control+End")
        self.keyboard.insert_text(text)

    def ask(self, text: str) -> None:
        """Write a question and send it."""
        self.write(text)
        self.keyboard.press("Enter")

    def button(self, name: str, turn: int | None = None) -> Locator:
        """A button of the panel, or of a turn, counted from 0."""
        place = self.root if turn is None else self.turns.nth(turn)
        return place.get_by_role("button", name=name, exact=True)

    def press(self, name: str, turn: int | None = None) -> None:
        """Click a button."""
        self.button(name, turn).click()

    def answer(self, turn: int) -> Locator:
        return self.turns.nth(turn).locator(".nbs-answer")

    def expect_ended(self, turns: int) -> None:
        """Wait until there are so many turns, and none is being answered."""
        expect(self.turns).to_have_count(turns)
        expect(self.turns.nth(turns - 1).locator(".nbs-usage")).to_be_visible()
        expect(self.stop).to_be_hidden()

    def expect_questions(self, *texts: str) -> None:
        expect(self.turns.locator(".nbs-question-text")).to_have_text(list(texts))

    def focused(self) -> str | None:
        """The accessible name of what has the focus."""
        script = "() => document.activeElement.ariaLabel || document.activeElement.innerText"
        name: str | None = self.notebook.page.evaluate(script)
        return name


def chats(replay: ReplayServer) -> list[Any]:
    """The bodies of the requests for an answer: a panel asks for the models, too."""
    return [request.json for request in replay.requests if request.route == CHAT]


def said(request: Any) -> list[tuple[str, Any]]:
    """Who said what in a request's messages."""
    return [(message["role"], message["content"]) for message in request["messages"]]
