"""Footnotes in the live view: from a mark to its note and back, without names in the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from nbstream.render.patches import Document
from nbstream.views.static import module, stylesheet

TEXT = "A mark[^a], another[^b].\n\n" + "Between.\n\n" * 80 + "[^a]: First.\n[^b]: Second.\n"

SHOW = """(snapshot) => {
  for (let i = 0; i < 2; i += 1) {
    const answer = document.body.appendChild(document.createElement("div"));
    const text = answer.appendChild(document.createElement("div"));
    answer.className = "nbs-answer";
    text.className = "nbs-text";
    createDocument(text, addNoteLinks).load(snapshot);
    followNotes(answer);
  }
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Two answers of the same text, one below the other."""
    document = Document()
    document.feed(TEXT)
    document.close()
    page = browser.new_page()
    page.add_style_tag(content=stylesheet("answer", "code"))
    page.add_script_tag(content=module("patch") + module("notes"))
    page.evaluate(SHOW, document.snapshot())
    yield page
    page.close()


@pytest.mark.parametrize("press", [False, True], ids=["click", "key"])
def test_a_mark_leads_to_its_note_and_back(page: Page, press):
    answer = page.locator(".nbs-answer").nth(1)
    mark, note = answer.locator(".nbs-ref").nth(1), answer.locator(".nbs-note > sup").nth(1)
    expect(note).not_to_be_in_viewport()
    for start, end in ((mark, note), (note, mark)):
        start.press("Enter") if press else start.click()
        expect(end).to_be_in_viewport()
        expect(end).to_be_focused()
        expect(start).not_to_be_in_viewport()
    assert page.evaluate("location.hash") == ""
    assert page.locator("[id], [name], a").count() == 0


def test_the_live_view_links_notes():
    source = module("widget")
    assert source.count("addNoteLinks(") == 2
    assert source.count("followNotes(") == 2
