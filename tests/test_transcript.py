"""A conversation as the notebook keeps it, and as a file: whatever stands in its texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from bs4 import BeautifulSoup
from harmless import assert_harmless
from long import LONG
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from nested_documents import TRICKY, nested_document

import nbstream
from nbstream.buffers import TextBuffer
from nbstream.conversation import Conversation, Turn
from nbstream.data_images import is_data_image
from nbstream.errors import APIResponseError, UsageError
from nbstream.messages import Message, ToolResult
from nbstream.panel.questions import question_of
from nbstream.panel.transcript import _groups, _ranges, turn_markdown
from nbstream.render.safe_text import clean
from nbstream.response import Response, Timing
from nbstream.rounds import CallDraft, Round
from nbstream.views.outline import Outline

PLAIN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
READERS = (PLAIN.render, markdown2html_mistune)
FOLDS = 3  # of a turn: reasoning, a call, the usage
PICTURE = "data:image/png;base64,AAAA"


def turn_of(question: str, answer: str, name: str) -> Turn:
    """A turn with `name` wherever there is a name: model, tool, file, address of a picture."""
    content = (
        {"type": "text", "text": question},
        {"type": "image_url", "image_url": {"url": PICTURE}},
        {"type": "image_url", "image_url": {"url": name}},
        {"type": "file", "file": {"filename": name, "file_data": ""}},
    )
    response = Response([Message("user", content)], model=name)
    call = CallDraft("1", name, TextBuffer(name), result=ToolResult(answer, summary=name))
    text, thought = TextBuffer(answer), TextBuffer(answer)
    response.rounds = [Round(text=text, reasoning=thought, calls=[call], model=name)]
    response.finish("error", APIResponseError(name), Timing())
    return Conversation().add(response, None, typed=question)


def assert_reads_as_it_is(question: str, answer: str, name: str) -> None:
    """Assert that every reader of the saved turn sees its texts, and no tags but ours."""
    saved = turn_markdown(turn_of(question, answer, name))
    for read in READERS:
        html = read(saved)
        assert_harmless(html, folds=FOLDS, images=True)
        page = BeautifulSoup(html, "html.parser")
        attached, *written = [image["src"] for image in page("img")]
        assert attached == PICTURE
        assert all(map(is_data_image, written))
        assert words(page.find("blockquote", recursive=False)) == clean(question).split()
        you, model = page("strong")[0], strong_after_question(page)
        assert you.get_text() == "You"
        assert words(model) == (clean(name).split() or ["The", "model"])


def strong_after_question(page: BeautifulSoup):
    paragraphs = page.find("blockquote", recursive=False).find_next_siblings("p")
    # Behind the picture, its address and the file's name.
    return paragraphs[3].strong


def words(element) -> list[str]:
    for line_break in element("br"):
        line_break.replace_with("\n")
    return element.get_text().split()


def random_name(chance: Random) -> str:
    return " ".join(chance.choice(TRICKY) for _ in range(chance.randint(1, 4)))


# -- safe markdown -------------------------------------------------------------------


@pytest.mark.fuzz
def test_a_turn_reads_as_it_is():
    count = 5_000 if LONG else 120
    for seed in range(count):
        chance = Random(seed)
        question, answer = nested_document(chance), nested_document(chance)
        assert_reads_as_it_is(question, answer, random_name(chance))
    print(f"{count} turns")


def test_payloads_are_text(payloads):
    for payload in payloads if LONG else payloads[::2]:
        assert_reads_as_it_is(payload, payload, payload)
    print(f"{len(payloads)} payloads")


@pytest.mark.parametrize(
    "text",
    [
        "</blockquote>",
        "a\n\n</blockquote>\n\n</details>",
        "```\n</blockquote>\n```\n    </details>",
        "![x](https://leak.test/a.png)",
        "<img src=https://leak.test/a.png>",
        "[x](javascript:alert(1)) <javascript:alert(1)>",
        "**a** _b_ `c` $d$ \\(e\\) $$f$$",
        "&lt;b&gt; &#60;",
        "https://bare.test www.bare.test a@bare.test",
        "  two\n\n\tfour\r\nend ",
        "\0\x1b[31m\x85\u2028\ud800",
    ],
)
def test_names_and_questions_are_no_markdown(text):
    assert_reads_as_it_is(text, text, text)


def test_a_question_keeps_its_lines_and_their_indents():
    saved = turn_markdown(turn_of("a:\n  b\n\n\tc", "x", "m"))
    quote = saved.split("\n\n")[1]
    assert quote == (
        "<blockquote>a:<br>&nbsp;&nbsp;b<br><br>&nbsp;&nbsp;&nbsp;&nbsp;c</blockquote>"
    )


@pytest.mark.parametrize("folded", [True, False])
def test_no_text_leaves_its_group(folded, payloads):
    texts = [turn_markdown(turn_of(each, each, each)) for each in payloads]
    groups = [text for _, text in _groups(texts, folded=folded)]
    assert len(groups) > 2
    count = 0
    for group in groups:
        assert group.startswith("<details>") == folded
        count += group.count("<strong>You</strong>\n")
        folds = FOLDS * group.count("<strong>You</strong>\n") + folded
        for read in READERS:
            assert_harmless(read(group), folds=folds, nested=folded, images=True)
    assert count == len(texts)


def test_few_outputs_and_little_sent_again():
    sizes = [Random(7).randrange(200, 4_000) for _ in range(1_000)]
    sent = 0
    before: list[tuple[int, int]] = []
    for count in range(1, len(sizes) + 1):
        ranges = _ranges(sizes[:count])
        assert [number for first, last in ranges for number in range(first, last)] == list(
            range(count)
        )
        sent += sum(sum(sizes[a:b]) for a, b in set(ranges) - set(before))
        before = ranges
    print(f"{len(before)} outputs, each character sent {sent / sum(sizes):.1f} times")
    assert len(before) < sum(sizes) / 60_000
    assert sent < 20 * sum(sizes)


# -- a file from somebody else -------------------------------------------------------


@pytest.fixture
def payloads(shared) -> list[str]:
    found = json.loads((shared / "xss" / "payloads.json").read_text(encoding="utf-8"))
    assert len(found) >= 230
    return [case["payload"] for case in found]


@pytest.fixture
def record(tmp_path) -> dict[str, Any]:
    """What `save` writes of a conversation that has something in every field."""
    panel = nbstream.ChatPanel(model="model-1", system="Be brief.")
    first = turn_of("a", "b", "c").response
    first.rounds[0].alternatives = {1: Round(text=TextBuffer("d"))}
    first.rounds[0].reasoning_seconds = 1.5
    first.rounds[0].finish_reason = "stop"
    turn = panel.session.conversation.add(first, None, typed="a", attached=first.prompt[0].content)
    panel.session.conversation.add(turn_of("e", "f", "g").response, turn, typed="e")
    panel.save(tmp_path / "talk.json")
    return json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))


def load(data: Any, folder: Path) -> nbstream.ChatPanel:
    (folder / "talk.json").write_text(json.dumps(data), encoding="utf-8")
    return nbstream.ChatPanel.load(folder / "talk.json")


def show(panel: nbstream.ChatPanel) -> str:
    """All that a panel shows of its conversation, as data for the page and as markdown."""
    state = []
    for turn in panel.session.turns:
        outline = Outline()
        outline.advance(turn.response)
        state.append([question_of(turn), outline.state()])
    assert panel.session.messages
    assert panel.settings.options
    return json.dumps([state, panel.settings.state(), repr(panel)]) + panel.to_markdown()


def places(data: Any, path: tuple = ()) -> Iterator[tuple]:
    """The paths of all values in JSON data."""
    yield path
    if isinstance(data, (dict, list)):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(value, (*path, key))


def changed(data: Any, path: tuple, value: Any) -> Any:
    """A copy of `data` with another value in one place."""
    if not path:
        return value
    copy = json.loads(json.dumps(data))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


STRANGE = (None, True, -1, 1e300, float("nan"), "<b>\ud800", [], {}, [[]], {"a": 1}, ["x"])


def test_a_record_is_shown_or_refused_whatever_is_in_it(record, tmp_path):
    shown = refused = 0
    for number, path in enumerate(places(record)):
        for value in STRANGE if LONG else STRANGE[number % 3 :: 3]:
            try:
                panel = load(changed(record, path, value), tmp_path)
            except UsageError as error:
                refused += "\n" not in str(error)
                continue
            if panel.session.turns:
                show(panel).encode("utf-8", "replace")
            shown += 1
    print(f"{shown} shown, {refused} refused")
    assert shown > 30
    assert refused > 100


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("turns", 0, "after"), 2, "KeyError"),  # a later turn: a ring
        (("turns", 0, "after"), "self", "KeyError"),
        (("branch",), [99], "KeyError"),
        (("turns", 1, "response", "status"), "running", "status cannot be"),
        (("turns", 1, "response", "prompt"), [], "prompt cannot be"),
        (("turns", 0, "response", "rounds", 0, "tool_calls", 0, "result"), "x", "result cannot be"),
        (("nbstream",), 99, "version 99"),
        ((), [], "TypeError"),
    ],
)
def test_what_is_no_conversation_is_refused(record, tmp_path, path, value, reason):
    if value == 2:
        value = record["turns"][1]["id"]
    elif value == "self":
        value = record["turns"][0]["id"]
    with pytest.raises(UsageError, match=reason):
        load(changed(record, path, value), tmp_path)


@pytest.mark.parametrize("depth", [5, 300])
def test_nothing_is_so_deep_that_it_fails_later(record, tmp_path, depth):
    deep: dict[str, Any] = {"text": "a"}
    for _ in range(depth):
        deep = {"text": "a", "alternatives": {"1": deep}, "extra": {"e": deep.get("extra", {})}}
    data = changed(record, ("turns", 0, "response", "rounds", 0), deep)
    if depth == 5:
        assert "Choice 2" in show(load(data, tmp_path))
    else:
        with pytest.raises(UsageError, match="nested more than 100 levels"):
            load(data, tmp_path)
    (tmp_path / "talk.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(UsageError, match="RecursionError"):
        nbstream.ChatPanel.load(tmp_path / "talk.json")


def test_addresses_in_a_record_are_text(record, tmp_path):
    for url in ("javascript:alert(1)", "data:text/html,<script>", "https://leak.test/a.png"):
        part = {"type": "image_url", "image_url": {"url": url}}
        data = changed(record, ("turns", 0, "response", "prompt", 0, "content", 1), part)
        panel = load(data, tmp_path)
        question = question_of(panel.session.turns[0])
        assert question["pictures"] == []
        assert url in question["files"]
        for read in READERS:
            page = BeautifulSoup(read(panel.to_markdown()), "html.parser")
            assert url in page.get_text()
            assert not page(href=True)


def test_a_record_does_not_choose_whom_to_ask(record, tmp_path):
    record["options"] |= {"base_url": "http://evil.test/v1", "api_key_env": "HOME", "headers": {}}
    options = load(record, tmp_path).chat.options
    assert (options.base_url, options.api_key_env, options.model) == (None, None, "model-1")
