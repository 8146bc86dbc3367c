"""The pages of a notebook come and go while an answer streams in its kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from harness import SLOW, NotebookPage
from playwright.sync_api import Browser, expect
from replay import completion

CELLS = [
    "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'",
    "%%chat --out answer\nHi",
    "%chat last",
    "print(answer is _chat, answer.status)\n%chat history",
]


@pytest.fixture
def another_page(browser: Browser) -> Iterator[Callable[[NotebookPage], NotebookPage]]:
    """`another_page(notebook)`: one more page of the same notebook and kernel."""
    with ExitStack() as pages:

        def open_(notebook: NotebookPage) -> NotebookPage:
            page = NotebookPage(browser, notebook.server, notebook.file)
            return pages.enter_context(closing(page))

        yield open_


def assert_the_answer_is_there(notebook: NotebookPage) -> None:
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("one two three")
    expect(notebook.output(2)).to_contain_text("replay-1")
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text("True complete")
    expect(notebook.output(3)).to_contain_text("[assistant]\none two three")


def test_an_answer_goes_on_without_its_page(open_notebook, another_page, replay):
    replay.reply(completion(["one ", "two ", "three"], gate="piece"))
    notebook = open_notebook(CELLS)
    kernel = notebook.kernel
    notebook.run(0)
    notebook.start(1)
    replay.open("piece-0")
    expect(notebook.output(1)).to_contain_text("one")
    notebook.page.close()
    replay.open("piece-1")
    replay.open("piece-2")
    assert replay.requests[0].finished.wait(30)
    again = another_page(notebook)
    assert again.kernel == kernel
    assert_the_answer_is_there(again)


def test_an_answer_is_in_every_tab(open_notebook, another_page, replay):
    replay.reply(completion(["one ", "two ", "three"], gate="piece"))
    first = open_notebook(CELLS)
    second = another_page(first)
    assert second.kernel == first.kernel
    first.run(0)
    first.start(1)
    replay.open("piece-0")
    expect(first.output(1)).to_contain_text("one")
    replay.open("piece-1")
    replay.open("piece-2")
    first.wait(1)
    expect(first.output(1)).to_contain_text("one two three")
    second.wait_idle(SLOW)
    assert_the_answer_is_there(second)
    assert_the_answer_is_there(first)
