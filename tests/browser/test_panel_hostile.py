"""Hostile texts in the chat panel: in every place where it shows a text, nothing but text.

First every message that a kernel sends, in a page that is nothing else; then JupyterLab:
a conversation from somebody else's file, live, saved and reopened, and converted by nbconvert.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import answers
import hostile
import pytest
from long import LONG, only_long
from panel_page import PanelPage
from playwright.sync_api import Page, expect
from replay import completion
from test_live_page import PAGE
from watching import (
    JUPYTER,
    TRUST,
    SentWidget,
    Watch,
    assert_converted_harmless,
    assert_harmless,
    bare_page,
    copy_of,
)

import nbstream
from nbstream.attachments import attach, file_part
from nbstream.errors import APIResponseError
from nbstream.messages import Message
from nbstream.panel import window
from nbstream.render.style import RenderStyle
from nbstream.response import Response
from nbstream.tools.tool import Tool
from nbstream.transport.listing import Model
from nbstream.views.static import module

PLACES_A_PAYLOAD = len(hostile.PLACES) if LONG else 1
TESTS = Path(__file__).parents[1]
ADDRESSES = ("javascript:alert(1)", "data:text/html,<script>alert(2)</script>", "//leak.test/a.png")
ADDRESSES += ("https://leak.test/a.png", "data:image/svg+xml,<svg onload=alert(3)>")
ADDRESSES += ("data:image/png;base64,AAAA' onerror=alert(4)", "data:image/png;base64,AAAA")
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(5)'><script>alert(6)</script></svg>"


def images(*addresses: str) -> list[dict[str, Any]]:
    return [{"type": "image_url", "image_url": {"url": address}} for address in addresses]


# --- every message ------------------------------------------------------------------


@pytest.fixture
def bare(browser):
    with bare_page(browser) as page:
        yield page


@pytest.fixture
def shown(monkeypatch):
    """`shown(attacks)`: the messages of a panel that has each of these wherever a text goes."""
    monkeypatch.setattr(window, "PanelWidget", SentWidget)

    def show(attacks: list[hostile.Payload]) -> list[dict[str, object]]:
        panel = panel_with([attack.text for attack in attacks])
        screen, session = panel.screen, panel.session
        shows = window.Window(session, screen._about, lambda *_: None, RenderStyle(), "name")
        cut = hostile.cutter(random.Random(0), everywhere=LONG)
        turn = None
        for attack in attacks:
            response = Response([Message("user", question(attack.text))], model=attack.text)
            turn = session.conversation.add(response, turn, typed=attack.text)
            shows.sync()
            script = hostile.script([attack], cut, PLACES_A_PAYLOAD)
            for _ in answers.grow(response, script):
                shows.advance(turn, response)
            answers.finish(response, "error", APIResponseError(attack.text))
            shows.advance(turn, response)
        return shows.widget.messages

    return show


def panel_with(texts: list[str]) -> nbstream.ChatPanel:
    """A panel whose model, system message, tools and models have these names."""
    tools = [Tool(text, text, {}, lambda _: print) for text in texts]
    panel = nbstream.ChatPanel(model=texts[0], system="\n".join(texts), tools=tools)
    panel.settings._models = [Model(text) for text in texts]
    panel.settings._problem = texts[-1]
    return panel


def question(text: str) -> Any:
    files = [file_part(SVG, "picture.png"), file_part(text.encode(), f"{text}.html")]
    named = {"type": "file", "file": {"filename": text, "file_data": ""}}
    return attach(f"sent: {text}", [*images(*ADDRESSES, text), *files, named])


def test_no_message_harms_the_page(bare, shown, shared):
    page, watch = bare
    attacks = hostile.payloads(shared)
    assert len(attacks) >= 230
    count = elements = 0
    for group in hostile.groups(attacks if LONG else attacks[::4]):
        messages = shown(list(group))
        count += len(messages)
        play(page, messages, [attack.text for attack in group])
        elements += watch.look()
        assert watch.take() == [], [attack.number for attack in group]
    print(f"{len(attacks)} payloads, {count} messages, {elements} elements")
    assert elements > 5_000


def play(page: Page, messages: list[dict[str, object]], texts: list[str]) -> None:
    """Show the messages in a new panel, and do there what shows further texts."""
    page.evaluate("document.body.replaceChildren()")
    page.evaluate(PAGE, {"source": module("panel"), "snapshot": messages[0]["snapshot"]})
    page.evaluate("view()")
    page.evaluate("deliver", messages[1:])
    page.evaluate(ACT, texts)


# Everything that a reader can do by which a text appears; the kernel's replies are the texts.
ACT = """async (texts) => {
  const find = (label) => document.querySelector(`[aria-label="${label}"]`);
  const pause = () => new Promise((resolve) => setTimeout(resolve));
  const field = find("Your question");
  function type(text) {
    field.value = text;
    field.dispatchEvent(new Event("input"));
  }
  async function reply(what, content) {
    const asked = sent.filter((message) => message.do === what).at(-1);
    if (!asked) throw new Error(`nobody asked for ${what}`);
    deliver([{ custom: { re: asked.n, ...content } }]);
    await pause();
  }
  /** A reply is heard when the snapshots before it are unpacked. */
  async function need(selector, least) {
    const due = Date.now() + 10_000;
    while (document.querySelectorAll(selector).length < least) {
      if (Date.now() > due) throw new Error(`fewer than ${least} of ${selector}`);
      await pause();
    }
  }

  find("Settings").click();
  await need(".nbs-settings option", texts.length);
  await need(".nbs-check", texts.length);
  type("{{");
  await reply("names", { names: texts.map((text) => [text, text]) });
  await need(".nbs-name", Math.min(8, texts.length));

  const picker = find("Files to attach");
  const files = new DataTransfer();
  for (const text of texts) {
    files.items.add(new File(["<svg onload=alert(7)>"], text, { type: "image/png" }));
    files.items.add(new File(["<script>alert(8)</script>"], `${text}.html`, { type: "text/html" }));
  }
  picker.files = files.files;
  picker.dispatchEvent(new Event("change"));
  while (document.querySelectorAll(".nbs-chip-name").length < 2 * texts.length) await pause();

  for (const text of texts) {
    type(text);
    find("Show what will be sent").click();
    await pause();
    await reply("preview", { text, pictures: [], files: [text] });
    await need(".nbs-preview pre", 1);
    find("Show what will be sent").click();
  }
  type(texts.join("\\n"));
  find("Send").click();
  await pause();
  await need(".nbs-letter .nbs-chip", texts.length);
  await reply("send", { error: texts.join(" ") });
  await need(".nbs-composer .nbs-problem:not(:empty)", 1);

  const turns = [...document.querySelectorAll("article")];
  if (turns.length === 0) throw new Error("no turns");
  for (const turn of turns) {
    turn.scrollIntoView();
    while (!turn.hasChildNodes()) await pause();
    turn.querySelector('[aria-label="Edit the question"]').click();
    for (const fold of turn.querySelectorAll("details")) fold.open = true;
  }
  await need("textarea.nbs-editor", turns.length);
}"""


# --- JupyterLab ---------------------------------------------------------------------


def write_talk(path: Path, attacks: list[hostile.Payload]) -> None:
    """A saved conversation as somebody else may write it."""
    turns = [talk_turn(attack) for attack in attacks]
    for turn in turns[1:]:
        turn["after"] = turn["id"] - 1
    text = " ".join(attack.text for attack in attacks[:20])
    options = {"model": "replay-1", "system": text}
    record = {"nbstream": 1, "options": options, "turns": turns, "branch": [turns[-1]["id"]]}
    path.write_text(json.dumps(record), encoding="utf-8")


def talk_turn(attack: hostile.Payload) -> dict[str, Any]:
    text = attack.text
    display = {"text/markdown": text, "text/html": text, "image/png": text, "image/jpeg": "AAAA"}
    results = [{"content": text}, {"content": text, "summary": text, "display": display}]
    calls = [
        {"id": text, "name": text, "arguments": text, "result": {"is_error": False, **result}}
        for result in results
    ]
    said = {"text": text, "reasoning": text, "refusal": text, "model": text, "tool_calls": calls}
    image = ADDRESSES[attack.number % len(ADDRESSES)]
    parts = [{"type": "text", "text": text}, *images(image, text)]
    named = {"type": "file", "file": {"filename": text, "file_data": "data:text/html,x"}}
    response = {
        "version": 1,
        "status": "error",
        "model": text,
        "prompt": [{"role": "user", "content": [*parts, named]}],
        "rounds": [{**said, "alternatives": {"1": {"text": text}}, "finish_reason": text}],
        "error": {"type": text, "message": text},
        "timing": {},
    }
    typed = text if attack.number % 2 else ""
    about = {"id": attack.number, "after": None, "typed": typed, "attached": parts}
    return {**about, "response": response}


@pytest.mark.own_page
@only_long  # in JupyterLab; the short run has every message above, and the cells' test in there
@pytest.mark.timeout(300)
def test_no_conversation_harms_a_notebook(open_notebook, browser, replay, shared, tmp_path):
    attacks = hostile.payloads(shared)
    talk = tmp_path / "talk.json"
    write_talk(talk, attacks)
    whole = "\n\n".join([*(attack.text for attack in attacks), hostile.END])
    replay.models = [attack.text for attack in attacks]
    replay.reply(completion(whole, reasoning=attacks[3].text, model=attacks[5].text, piece=97))
    notebook = open_notebook(
        [f"import nbstream\npanel = nbstream.ChatPanel.load({str(talk)!r})\npanel", "panel.close()"]
    )
    watch = Watch(notebook.page, notebook.server.url, JUPYTER)
    notebook.run(0)
    panel = PanelPage(notebook)
    expect(panel.turns).to_have_count(len(attacks))
    panel.press("Settings")
    panel.ask(" ".join(attack.text for attack in attacks[:5]))
    panel.expect_ended(len(attacks) + 1)
    open_all(notebook.page)
    assert_harmless(watch, "live")
    notebook.run(1)

    saved = notebook.save()
    assert "widget-view" not in json.dumps(saved)
    notebook.shut_down_kernel()
    for is_trusted in (False, True):
        notebook.file = copy_of(saved, notebook, is_trusted=is_trusted)
        notebook.reopen()
        end = notebook.output(0).locator(".jp-RenderedMarkdown", has_text=hostile.END)
        expect(end).to_have_count(1)
        assert is_trusted == all(notebook.page.evaluate(TRUST))
        assert_harmless(watch, f"reopened, trusted: {is_trusted}")
    assert_converted_harmless(browser, notebook.file, tmp_path)


def open_all(page: Page) -> None:
    """Fill every turn of the panel, and open all folds in the page."""
    page.evaluate("""async () => {
      for (const turn of document.querySelectorAll(".nbs-panel article")) {
        turn.scrollIntoView();
        while (!turn.hasChildNodes()) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      for (const fold of document.querySelectorAll(".jp-OutputArea details")) fold.open = true;
    }""")
