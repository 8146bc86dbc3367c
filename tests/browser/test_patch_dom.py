"""The operations, replayed by the page's own code in a browser, give the DOM of the whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spec
from growing import prefixes, random_document, random_paragraph, sizes
from long import LONG
from playwright.sync_api import Browser, Page
from shapes import shape

from nbstream.render import open_text
from nbstream.render.html import parser, render, sanitize
from nbstream.render.invisible import VisibleReader
from nbstream.render.patches import Document
from nbstream.render.style import RenderStyle
from nbstream.views.static import module

DOCUMENTS = sorted((Path(__file__).parents[1] / "markdown").glob("*.md"))
NEVER = 10**9

# Replays the frames; says where the live page or one that loads the snapshot is not as it
# should be. Colours come when a block is sealed, so only the last frame compares them.
REPLAY = """
(frames) => {
  const host = document.body;
  host.replaceChildren(document.createElement("div"));
  const live = host.firstElementChild;
  const view = createDocument(live);
  const wanted = document.createElement("div");
  const plain = (element, isLast) => {
    const copy = element.cloneNode(true);
    const codes = isLast ? [] : copy.querySelectorAll("pre > code");
    for (const code of codes) code.replaceChildren(code.textContent);
    copy.normalize();
    return copy.innerHTML;
  };
  for (const [i, frame] of frames.entries()) {
    const isLast = i === frames.length - 1;
    view.apply(frame.ops);
    wanted.innerHTML = frame.html;
    const late = document.createElement("div");
    createDocument(late).load(frame.snapshot);
    for (const [name, element] of Object.entries({ live, late })) {
      const [got, want] = [plain(element, isLast), plain(wanted, isLast)];
      if (got !== want) return { frame: i, name, got, want, ops: frame.ops };
    }
  }
  return null;
}
"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A blank page with the code that applies patches."""
    page = browser.new_page()
    page.add_script_tag(content=module("patch"))
    yield page
    page.close()


def frames(text: str, pieces: Any, *, enter_at: int) -> list[dict[str, Any]]:
    """What a view is sent for `text`, and what it should look like after each."""
    document = Document(anticipates=False)
    document._blocks._enter_at = enter_at
    document._blocks._lazy_at = float("inf")
    found = []
    signs, shown = VisibleReader(), ""
    for piece, _ in prefixes(text, pieces):
        document.feed(piece)
        ops = document.patch()
        shown += signs.read(piece)
        so_far = shown.removesuffix("\r")
        html = sanitize(parser().render(so_far, {"style": RenderStyle(is_part=True)}))
        found.append(
            {"ops": ops, "snapshot": json.loads(json.dumps(document.snapshot())), "html": html}
        )
    ops = document.close()
    found.append({"ops": ops, "snapshot": document.snapshot(), "html": render(text)})
    return found


def assert_same_dom(page: Page, text: str, pieces: Any, *, enter_at: int) -> None:
    difference = page.evaluate(REPLAY, frames(text, pieces, enter_at=enter_at))
    assert difference is None, text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("enter_at", [0, NEVER])
def test_our_documents(page, path, enter_at):
    text = path.read_text(encoding="utf-8")
    assert_same_dom(page, text, sizes(len(text)), enter_at=enter_at)


def test_the_specification(page):
    if not spec.FOLDER.exists():
        message = "no CommonMark examples: run tests/spec.py, or `make test`, which does"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    for i, example in enumerate(spec.commonmark()[:: 1 if LONG else 3]):
        assert_same_dom(page, example, [1] * len(example) if LONG else sizes(i), enter_at=0)


@pytest.mark.fuzz
def test_random_documents(page):
    for seed in range(2_000 if LONG else 30):
        text = random_document(10**6 + seed)
        assert_same_dom(page, text, sizes(seed), enter_at=0 if seed % 3 else NEVER)


@pytest.mark.fuzz
def test_random_paragraphs(page, monkeypatch):
    monkeypatch.setattr(open_text, "_SMALLEST", 1)
    names: set[str] = set()
    for seed in range(500 if LONG else 30):
        text = random_paragraph(seed)
        assert_same_dom(page, text, sizes(seed), enter_at=0)
        names.update(
            op[0] for frame in frames(text, sizes(seed), enter_at=0) for op in frame["ops"]
        )
    assert names >= {"part", "reopen"}


@pytest.mark.parametrize(
    "name", ["mixed", "fence", "table", "loose list", "paragraph", "line", "quote"]
)
def test_a_long_text_ends_right(page, name):
    text = shape(name, 2_000)
    document = Document()
    ops = []
    for piece, _ in prefixes(text, [28] * len(text)):
        document.feed(piece)
        ops += document.patch()
    ops += document.close()
    snapshot = document.snapshot()
    frame = {"ops": ops, "snapshot": snapshot, "html": render(text)}
    assert page.evaluate(REPLAY, [frame]) is None


def test_what_did_not_change_stays_the_same_node(page):
    text = "# Title\n\nFirst *one* here.\n\nThe second paragraph grows, word by word.\n\nEnd"
    document = Document()
    page.evaluate("""() => {
      document.body.replaceChildren(document.createElement("div"));
      window.view = createDocument(document.body.firstElementChild);
    }""")
    selected = ""
    for piece, prefix in prefixes(text, [3] * len(text)):
        document.feed(piece)
        page.evaluate("(ops) => view.apply(ops)", document.patch())
        if not selected and "one* he" in prefix:
            selected = page.evaluate("""() => {
              const text = document.querySelector("p").lastChild;
              getSelection().setBaseAndExtent(document.querySelector("em").firstChild, 1, text, 3);
              window.heading = document.querySelector("h1");
              return getSelection().toString();
            }""")
    assert selected == "ne he"
    assert page.evaluate("getSelection().toString()") == selected
    assert page.evaluate("heading.isConnected && heading === document.querySelector('h1')")


def test_elements_are_announced_when_they_are_complete(page):
    text = (
        "# a\n\n"
        + "".join(f"- item {i} with words\n" for i in range(100))
        + "\nend\n\n```py\nx\n```\n"
    )
    document = Document()
    page.evaluate("""() => {
      document.body.replaceChildren(document.createElement("div"));
      window.seen = [];
      const root = document.body.firstElementChild;
      window.view = createDocument(root, (element) => seen.push(element.localName));
    }""")
    for piece, _ in prefixes(text, [17] * len(text)):
        document.feed(piece)
        page.evaluate("(ops) => view.apply(ops)", document.patch())
    page.evaluate("(ops) => view.apply(ops)", document.close())
    seen = page.evaluate("seen")
    assert seen[0] == "h1"
    assert seen[-3:] == ["ul", "p", "div"]
    assert seen.count("li") == 100


# Replays the frames, and names each attribute that the page got.
ATTRIBUTES = """
async (frames) => {
  document.body.replaceChildren(document.createElement("div"));
  const view = createDocument(document.body.firstElementChild);
  const found = new Set();
  for (const ops of frames) {
    view.apply(ops);
    for (const element of document.body.querySelectorAll("*"))
      for (const name of element.getAttributeNames()) found.add(name);
  }
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  return [...found];
}
"""


def test_payloads_run_nothing_and_fetch_nothing(browser, shared):
    cases = json.loads((shared / "xss/payloads.json").read_bytes())
    page = browser.new_page()
    happened: list[str] = []
    page.on("dialog", lambda dialog: (happened.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: happened.append(request.url))
    page.add_script_tag(content=module("patch"))
    attributes: set[str] = set()
    for case in cases[:: 1 if LONG else 4]:
        document = Document(RenderStyle(image_hosts=frozenset({"allowed.example"})))
        frames = []
        for piece, _ in prefixes(f"{case['payload']}\n\n> - *{case['payload']}", [11] * 2_000):
            document.feed(piece)
            frames.append(document.patch())
        attributes.update(page.evaluate(ATTRIBUTES, [*frames, document.close()]))
        assert happened == [], case["payload"]
    page.close()
    allowed = "alt checked class dir disabled href rel src start target title type"
    assert attributes <= set(allowed.split())
