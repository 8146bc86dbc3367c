"""The chat panel: its variables, what its pages ask for, and what the notebook keeps of it."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import textwrap
import time
import zlib
from unittest import mock

import answers
import nbformat
import pytest
from kernels import kernel
from long import only_long
from nbclient import NotebookClient
from replay import Hang, Reply, chunk, completion, error, models, silence, whole

from nbstream import Chat, ChatPanel
from nbstream.errors import UsageError
from nbstream.messages import Message
from nbstream.panel.record import CONVERSATION_TYPE
from nbstream.panel.window import Window
from nbstream.render.style import RenderStyle
from nbstream.response import Response
from nbstream.session import Place, Session

ENV = {"JPY_SESSION_NAME": "x.ipynb", "OPENAI_API_KEY": "sk-test-canary-2"}
TURNS = 100
PANEL = "application/vnd.nbstream.panel+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)

# --- the panel in plain Python ------------------------------------------------------


@pytest.fixture
def panel(replay):
    return ChatPanel(model="replay-1", base_url=replay.base_url)


# The traits follow the page on the notebook's own thread.
UNTIL_IDLE = "import asyncio\nwhile panel.busy: await asyncio.sleep(0.01)"


def settled(panel, count):
    """Wait until `count` turns have ended, and the panel knows."""
    due = time.monotonic() + 10
    while not (len(panel.responses) == count and not panel.busy) and time.monotonic() < due:
        time.sleep(0.005)
    assert (len(panel.responses), panel.busy) == (count, False)


def test_a_panel_at_first(panel):
    assert panel.response is None
    assert panel.responses == []
    assert not panel.busy
    assert panel.to_markdown() == ""
    assert repr(panel) == "<ChatPanel with replay-1: 0 turns>"
    assert isinstance(panel.chat, Chat)
    panel.close()  # it was never shown
    panel.close()


def test_send_returns_at_once(panel, replay):
    replay.reply(completion(["one ", "two"], gate="piece"))
    response = panel.send("Hi")
    assert response.status == "running"
    assert panel.response is response is panel.chat.last is panel.responses[-1]
    assert panel.busy
    replay.open("piece-0")
    assert replay.wait_until(lambda: response.text == "one ")
    replay.open("piece-1")
    assert response.wait(10)
    assert response.text == "one two"
    settled(panel, 1)


@pytest.mark.parametrize(
    "prompt", [3, None, b"text", ["text"], [], [{"text": "a"}], {"type": "text"}]
)
def test_what_is_no_prompt_is_refused(panel, replay, prompt):
    for ask in (panel.send, panel.chat.send):
        with pytest.raises(UsageError, match="a prompt is text, and this is a"):
            ask(prompt)
    assert not replay.requests
    assert panel.responses == []
    replay.reply(completion("fine"))
    assert panel.send([{"type": "text", "text": "parts"}]).wait(10)
    settled(panel, 1)
    assert "parts" in panel.to_markdown()


def test_observers_hear_of_each_answer(panel, replay):
    seen = []
    panel.observe(lambda change: seen.append((change.name, change.new)))
    replay.reply(silence(), silence())
    first, second = panel.send("same"), panel.send("same")
    first.cancel()
    second.cancel()
    first.wait(10)
    second.wait(10)
    settled(panel, 2)
    new = [value for name, value in seen if name == "response"]
    assert len(new) == 2
    assert new[0] is first
    assert new[1] is second  # equal to the first one, so far
    assert [value for name, value in seen if name == "busy"] == [True, False]
    assert [len(value) for name, value in seen if name == "responses"] == [1, 2]


def test_an_observer_that_fails_stops_nothing(panel, replay, caplog):
    panel.observe(lambda _: 1 / 0)
    replay.reply(completion("A"), completion("B"))
    for text in "AB":
        response = panel.send("Hi")
        assert panel.chat.last is panel.response is response
        assert response.wait(10)
        assert response.text == text
    settled(panel, 2)
    assert "ZeroDivisionError" in caplog.text
    assert not panel.session._runs


def test_a_panel_made_in_a_loop_that_has_ended(replay):
    """Nobody is there to be told on the loop's thread; the answer still ends well."""

    async def make():
        return ChatPanel(model="replay-1", base_url=replay.base_url)

    panel = asyncio.run(make())
    replay.reply(completion("x"))
    panel.send("Hi").wait(10)
    settled(panel, 1)


def test_the_panel_of_a_chat(replay):
    chat = Chat("replay-1", base_url=replay.base_url, system="S", view="none")
    replay.reply(completion("A"), completion("B"))
    chat.send("a")
    panel = ChatPanel(chat)
    assert [r.text for r in panel.responses] == ["A"]
    panel.send("b").wait(10)
    assert [m["content"] for m in replay.requests[-1].json["messages"]] == ["S", "a", "A", "b"]
    assert [r.text for r in chat.session.responses] == ["A", "B"]


@pytest.mark.parametrize(
    ("chat", "options", "says"),
    [
        ("gpt-4o", {}, r"'gpt-4o' is no Chat: for a model write ChatPanel\(model=...\)"),
        (Chat(), {"model": "m"}, "a Chat has its own model"),
    ],
)
def test_what_a_panel_does_not_take(chat, options, says):
    with pytest.raises(UsageError, match=says):
        ChatPanel(chat, **options)


def test_two_panels(replay):
    panels = [ChatPanel(model=name, base_url=replay.base_url) for name in ("m-1", "m-2")]
    replay.fallback = lambda request: completion(request.json["model"], model=request.json["model"])
    responses = [panel.send(f"to {number}") for panel in panels for number in range(3)]
    for response in responses:
        assert response.wait(10)
    for panel, name in zip(panels, ("m-1", "m-2"), strict=True):
        settled(panel, 3)
        assert {r.text for r in panel.responses} == {name}
    for request in replay.requests:
        assert {m["content"] for m in request.json["messages"]} <= {
            "to 0",
            "to 1",
            "to 2",
            request.json["model"],
        }


def test_markdown(panel, replay):
    replay.reply(completion("**Hello**"), error(400, "no such thing"))
    panel.send("a\n  <b>&").wait(10)
    panel.send("b").wait(10)
    first, second = panel.to_markdown().split("\n\n---\n\n")
    assert "<blockquote>a<br>&nbsp;&nbsp;&lt;b>&amp;</blockquote>" in first
    assert "**Hello**" in first
    assert "no such thing" in second


def test_a_picture_is_not_sent_again_with_each_piece_of_an_answer():
    """And still a page that comes late gets all of it."""
    picture = (
        "data:image/png;base64," + base64.b64encode(random.Random(1).randbytes(300_000)).decode()
    )
    packed = []

    async def stream():
        session = Session()
        window = Window(session, dict, lambda *_: None, RenderStyle(), "n")
        window.widget.observe(lambda change: packed.append(change.new), "snapshot")
        question = ({"type": "image_url", "image_url": {"url": picture}},)
        response = Response([Message("user", question)])
        turn = session.conversation.add(response, None)
        window.sync()
        for _ in answers.grow(response, [("round", "m"), *[("text", "word ")] * 600]):
            window.advance(turn, response)
            await asyncio.sleep(0)
        size = sum(map(len, packed))
        window.widget._handle_custom_msg({"want": "snapshot"}, [])
        await asyncio.sleep(0.01)
        window.close()
        return size

    with mock.patch.multiple("nbstream.views.channel", _REFRESH=0.05, _PER_SECOND=100_000):
        assert len(picture) < asyncio.run(stream()) < 4 * len(picture)
    (card,) = json.loads(zlib.decompress(packed[-1]))["state"]["turns"]
    assert card["question"]["pictures"] == [picture]
    assert str(card["answer"]).count("word") == 600


# --- save and load ------------------------------------------------------------------


def lookup(city: str) -> str:
    """Look a city up."""
    return f"{city}: 3.7 million"


def test_a_conversation_comes_back_from_its_file(replay, tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "sk-canary-77")
    panel = ChatPanel(
        model="replay-1",
        base_url=replay.base_url,
        api_key_env="SOME_KEY",
        headers={"X-Team": "canary-78"},
        system="Be brief.",
        temperature=0.5,
        tools=[lookup],
    )
    call = {"name": "lookup", "arguments": {"city": "Berlin"}}
    replay.reply(
        completion(reasoning="hm", tool_calls=[call]),
        completion("A lot."),
        completion("B"),
        completion("C"),
        Reply([chunk({"content": "Half"})]),
        silence(),
    )
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    panel.send("How many?").wait(10)
    panel.send(({"type": "text", "text": "And this?"}, picture)).wait(10)
    (first, second) = panel.session.turns
    panel.session.choose(first)

    panel.ask("Other branch", Place(after=first, typed="Other {{branch}}", keep=True)).wait(10)
    panel.send("cut").wait(10)
    file = tmp_path / "talk.json"
    running = panel.send("runs on")
    assert replay.wait_requests(6)
    panel.save(file)
    running.cancel()
    running.wait(10)

    text = file.read_text()
    for secret in ("canary", "SOME_KEY", "X-Team", "base_url", replay.base_url):
        assert secret not in text
    loaded = ChatPanel.load(file, base_url=replay.base_url)
    assert loaded.chat.options.model == "replay-1"
    assert (loaded.session.system, loaded.chat.options.temperature) == ("Be brief.", 0.5)
    kept = panel.session.turns[:-1]
    assert [t.response.status for t in kept] == ["complete", "complete", "incomplete"]
    assert [t.response.text for t in loaded.session.turns] == ["A lot.", "C", "Half"]
    assert loaded.session.turns[0].response == kept[0].response
    assert loaded.session.turns[2].response == kept[2].response
    assert loaded.session.turns[1].typed == "Other {{branch}}"
    before, after = loaded.session.conversation.alternatives(loaded.session.turns[1])
    assert after is loaded.session.turns[1]
    assert before.response == second.response
    assert before.response.prompt[0].content[1] == picture
    (tool_call,) = loaded.responses[0].tool_calls
    assert tool_call.result.content == "Berlin: 3.7 million"
    assert not loaded.session.can_undo  # there is nothing that loading took out
    assert not loaded.busy
    replay.reply(completion("On."))
    loaded.send("Go on").wait(10)
    roles = [m["role"] for m in replay.requests[-1].json["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant"] + [
        "user",
        "assistant",
    ] * 2 + ["user"]
    again = tmp_path / "again.json"
    loaded.save(again)
    assert ChatPanel.load(again).session.turns[0].response == kept[0].response


def test_load_into_a_chat(panel, replay, tmp_path):
    replay.reply(completion("A"))
    panel.send("a").wait(10)
    panel.save(tmp_path / "talk.json")
    chat = Chat("other", base_url=replay.base_url)
    loaded = ChatPanel.load(tmp_path / "talk.json", chat=chat)
    assert loaded.chat is chat
    assert [r.text for r in loaded.responses] == ["A"]


def record(**changes):
    response = {
        "version": 1,
        "status": "complete",
        "model": "m",
        "is_json": False,
        "prompt": [{"role": "user", "content": "a"}],
        "rounds": [],
        "error": None,
        "timing": {"first_token": None, "duration": None, "tokens_per_second": None},
    }
    turn = {"id": 1, "after": None, "typed": "a", "attached": [], "response": response}
    return {"nbstream": 1, "options": {"model": "m"}, "turns": [turn], "branch": [1]} | changes


def turn_with(**changes):
    turn = record()["turns"][0]
    return {
        **turn,
        **{k: v for k, v in changes.items() if k in turn},
        "response": turn["response"] | {k: v for k, v in changes.items() if k not in turn},
    }


def test_the_record_that_the_next_test_breaks_is_a_good_one(tmp_path):
    file = tmp_path / "talk.json"
    file.write_text(json.dumps(record(turns=[turn_with(typed="b")])))
    assert ChatPanel.load(file).session.turns[0].typed == "b"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no json",
        "[]",
        "null",
        "3",
        "{}",
        "[" * 100_000,
        b"\xff\xfe\x00",
        json.dumps({"nbformat": 4, "cells": []}),
        record(nbstream=2),
        record(options=None),
        record(options={"model": 5}),
        record(options={"temperature": "hot"}),
        record(options={"system": ["x"]}),
        record(turns=None),
        record(turns=[None]),
        record(turns=[{}]),
        record(turns=[turn_with(after=7)]),
        record(turns=[turn_with(attached=[3])]),
        record(turns=[turn_with(attached=[{"type": "file"}])]),
        record(turns=[turn_with(status="running")]),
        record(turns=[turn_with(status="splendid")]),
        record(turns=[turn_with(version=99)]),
        record(turns=[turn_with(prompt=[{"role": "user"}])]),
        record(turns=[turn_with(prompt=[{"role": "user", "content": 5}])]),
        record(turns=[turn_with(prompt=[{"role": "user", "content": [{"type": "text"}]}])]),
        record(turns=[turn_with(prompt=[])]),
        record(turns=[turn_with(rounds=[{"text": 5}])]),
        record(turns=[turn_with(timing={"wrong": 1})]),
        record(branch=[9]),
        record(branch=None),
    ],
    ids=lambda content: str(content)[-70:].replace("/", "_"),
)
def test_a_wrong_file_is_one_line(tmp_path, content):
    file = tmp_path / "talk.json"
    data = content if isinstance(content, str | bytes) else json.dumps(content)
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(UsageError, match=r"talk\.json is no conversation") as caught:
        ChatPanel.load(file)
    assert len(str(caught.value)) < 400


def test_a_file_that_is_not_there(panel, tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        ChatPanel.load(tmp_path / "none.json")
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        ChatPanel.load(tmp_path)
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        panel.save(tmp_path / "none" / "talk.json")


def test_save_while_answers_end(panel, replay, tmp_path):
    """What ends in the midst of saving is in the file, or is not, but nothing in between."""
    replay.fallback = completion("ok")
    file = tmp_path / "talk.json"
    for number in range(20):
        response = panel.send(str(number))
        while not response.done:
            panel.save(file)
        ChatPanel.load(file)
    response.wait(10)
    panel.save(file)
    assert len(ChatPanel.load(file).responses) == 20


# --- a page -------------------------------------------------------------------------


class Page:
    """The front end of a panel: what it knows, and what its reader asks for."""

    def __init__(self, nb, result):
        self.nb = nb
        self.heard = []  # replies, names of operations, and what is to be said, in order
        self.cards, self.order, self.places, self.about = {}, [], {}, {}
        (opened,) = [
            m
            for m in result.messages
            if m["msg_type"] == "comm_open" and "_esm" in m["content"]["data"]["state"]
        ]
        self.comm = opened["content"]["comm_id"]
        self._snapshot(opened["buffers"][0])

    def _snapshot(self, data):
        state = json.loads(zlib.decompress(data))["state"]
        self.cards = {card["id"]: card for card in state["turns"]}
        self.order, self.places, self.about = [*self.cards], state["places"], state["about"]

    def _apply(self, name, *rest):
        self.heard.append(name)
        if name == "new":
            self.cards[rest[0]["id"]] = rest[0]
        elif name == "turns":
            self.order, self.places = rest
            self.cards = {i: self.cards[i] for i in self.order}
        elif name == "in":
            for operation in rest[1]:
                if operation[0] == "end":
                    self.cards[rest[0]]["answer"]["end"] = operation[1]
        elif name == "about":
            (self.about,) = rest

    def read(self, timeout=10):
        message = self.nb.client.get_iopub_msg(timeout=timeout)
        content = message["content"]
        if message["msg_type"] != "comm_msg" or content["comm_id"] != self.comm:
            return {}
        if message["buffers"]:
            self._snapshot(message["buffers"][0])
            self.heard.append("snapshot")
        said = content["data"].get("content", {})
        for operation in said.get("ops", ()):
            self._apply(*operation)
        if "say" in said:
            self.heard.append(said["say"])
        return said

    def until(self, condition):
        due = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < due, (self.heard[-20:], self.about)
            self.read()

    def ended(self, count):
        """Wait until there are `count` turns, and all of them have ended."""
        self.until(
            lambda: (
                len(self.order) == count
                and all(card["answer"]["end"] for card in self.cards.values())
                and self.about["running"] is None
            )
        )

    def tell(self, content, buffers=()):
        client = self.nb.client
        data = {"comm_id": self.comm, "data": {"method": "custom", "content": content}}
        message = client.session.msg("comm_msg", data)
        message["buffers"] = list(buffers)
        client.shell_channel.send(message)

    def ask(self, do, buffers=(), **what):
        self.heard.clear()
        n = f"n-{time.monotonic()}"
        self.tell({"do": do, "n": n, **what}, buffers)
        due = time.monotonic() + 10
        while time.monotonic() < due:
            said = self.read()
            if said.get("re") == n:
                return {k: v for k, v in said.items() if k != "re"}
        raise AssertionError(f"no reply to {do}: {self.heard}")

    def send(self, text, **what):
        return self.ask("send", text=text, **what)

    @property
    def texts(self):
        return [self.cards[i]["question"]["typed"] for i in self.order]

    @property
    def answers(self):
        return [self.ask("text", turn=i)["text"] for i in self.order]


@pytest.fixture(scope="module")
def running():
    with kernel(**ENV) as running:
        assert not running.run("import nbstream, threading, time").error
        yield running


@pytest.fixture
def nb(running, replay):
    running.run(
        f"%config ChatMagics.base_url = '{replay.base_url}'\n"
        "%config ChatMagics.model = 'replay-1'\n%chat reset"
    )
    yield running
    closed = running.run(
        "from nbstream.panel import screen\n"
        "for each in list(screen._open):\n"
        "    each._session.clear()\n"
        "    each.close()"
    )
    assert not closed.error, closed.traceback


@pytest.fixture
def page(nb, replay):
    return open_page(nb, replay)


def open_page(nb, replay, name="panel"):
    result = nb.run(
        f"{name} = nbstream.ChatPanel(model='replay-1', base_url='{replay.base_url}')\n"
        f"{name}.open()"
    )
    assert not result.error, result.traceback
    return Page(nb, result)


def asked(replay):
    """The requests but those for the models, which a panel makes when it likes."""
    return [request for request in replay.requests if request.method == "POST"]


def sent(replay):
    return [m["content"] for m in asked(replay)[-1].json["messages"]]


def test_a_page_asks_and_reads(page, replay):
    replay.reply(completion("**Hi**"))
    assert page.send("Hello") == {}
    # Before the reply, as operations or in a snapshot.
    assert page.texts == ["Hello"]
    assert "snapshot" in page.heard or page.heard.index("new") < page.heard.index("turns")
    page.ended(1)
    assert page.texts == ["Hello"]
    assert page.answers == ["**Hi**"]
    assert "The answer is complete." in page.heard or page.cards[page.order[0]]["answer"]["end"]
    assert page.about["count"] == 1
    assert page.about["usage"] == [7, 2]
    assert not page.nb.run(UNTIL_IDLE).error
    assert page.nb.value("panel.response.text, _chat is panel.response, panel.busy") == (
        "('**Hi**', True, False)"
    )


def test_traits_are_told_on_the_thread_of_the_notebook(nb, page, replay):
    nb.run(
        "seen = []\n"
        "main = threading.main_thread()\n"
        "panel.observe(lambda c: seen.append((c.name, threading.current_thread() is main)))"
    )
    replay.reply(completion("x"))
    page.send("Hi")
    page.ended(1)
    assert not nb.run(UNTIL_IDLE).error
    assert nb.value("sorted(set(seen))") == str(
        [("busy", True), ("response", True), ("responses", True)]
    )
    assert nb.value("[name for name, _ in seen].count('busy')") == "2"


def test_an_observer_that_fails_is_shown_and_the_question_is_asked(nb, page, replay):
    nb.run("panel.observe(lambda change: 1 / 0, ['response', 'busy'])")
    replay.reply(completion("A"), completion("B"))
    assert page.send("a") == {}
    page.ended(1)
    assert not nb.run(UNTIL_IDLE).error
    result = nb.run("panel.send('b').wait()\nprint('on')")
    assert "ZeroDivisionError" in result.traceback[-1]
    assert result.status == "ok"
    assert result.stdout.startswith("on")
    page.ended(2)
    assert nb.value("_chat is panel.response, panel.response.text") == "(True, 'B')"


def test_other_cells_run_while_the_panel_streams(nb, page, replay):
    replay.reply(completion(["one ", "two"], gate="piece"))
    page.send("Hi")
    assert nb.value("panel.busy, panel.response.status, panel.response.done") == (
        "(True, 'running', False)"
    )
    replay.open("piece-0")
    assert not nb.run("while panel.response.text != 'one ': time.sleep(0.01)").error
    replay.open("piece-1")
    assert not nb.run("await panel.response").error
    assert nb.value("panel.response.text") == "one two"


def test_values_of_variables_are_sent(nb, page, replay):
    nb.run("name = 'Ada'")
    replay.reply(completion("x"))
    assert page.send("Who is {{ name }}, \\{{?") == {}
    page.ended(1)
    assert sent(replay) == ["Who is Ada, {{?"]
    question = page.cards[page.order[0]]["question"]
    assert (question["typed"], question["sent"]) == (
        "Who is {{ name }}, \\{{?",
        "Who is Ada, {{?",
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ nobody }}", "there is no 'nobody' in the notebook"),
        ("{{ 1 / 0 }}", "raised ZeroDivisionError"),
        ("{{ 1 + }}", "is no expression"),
        ("  \n ", "nothing to send"),
    ],
)
def test_what_cannot_be_sent_is_said_and_nothing_is_kept(page, replay, text, says):
    assert says in page.send(text)["error"]
    assert says in page.ask("preview", text=text)["error"]
    assert page.order == []
    assert not replay.requests


def test_attachments(page, replay):
    replay.reply(completion("x"), completion("y"))
    files = [PNG, b"a,b\n1,2\n"]
    assert page.ask("send", files, text="Look", files=["p.png", "t.csv"]) == {}
    page.ended(1)
    text, picture, table = sent(replay)[0]
    assert text == {"type": "text", "text": "Look"}
    assert picture["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert table["text"] == "t.csv:\n\na,b\n1,2\n"
    assert page.cards[page.order[0]]["question"]["pictures"] == [picture["image_url"]["url"]]
    assert page.ask("send", [PNG], text="", files=["p.png"]) == {}  # a picture alone
    page.ended(2)
    assert "attach them again" in page.ask("send", [PNG], text="x", files=["a", "b"])["error"]
    assert "neither an image" in page.ask("send", [b"\0\1"], text="x", files=["a.bin"])["error"]
    assert len(asked(replay)) == 2


def test_edit_opens_a_branch_and_keeps_what_was_attached(page, replay):
    replay.reply(*(completion(name) for name in "ABC"))
    page.ask("send", [PNG], text="a", files=["p.png"])
    page.ended(1)
    page.send("b")
    page.ended(2)
    first, _ = page.order
    assert page.ask("edit", turn=first, text="a2") == {}
    page.ended(1)
    assert page.texts == ["a2"]
    assert [part["type"] for part in sent(replay)[0]] == ["text", "image_url"]
    assert page.places == {str(page.order[0]): [2, 2]}
    assert page.ask("branch", turn=page.order[0], by=1) == {}  # there is none further on
    assert page.texts == ["a2"]
    page.ask("branch", turn=page.order[0], by=-1)
    assert page.texts == ["a", "b"]
    assert page.answers == ["A", "B"]
    assert page.nb.value("[r.text for r in panel.responses]") == "['A', 'B']"


def test_an_attachment_is_left_out_when_the_question_is_edited(page, replay):
    replay.reply(completion("A"), completion("B"))
    page.ask("send", [b"a,b", PNG, b"c,d"], text="a", files=["t.csv", "p.png", "u.csv"])
    page.ended(1)
    assert page.cards[page.order[0]]["question"]["attached"] == ["t.csv", 0, "u.csv"]
    assert page.ask("edit", turn=page.order[0], text="b", without=[0, 1]) == {}
    page.ended(1)
    assert [part["text"] for part in sent(replay)[0]] == ["b", "u.csv:\n\nc,d"]
    assert page.cards[page.order[0]]["question"]["attached"] == ["u.csv"]


# Somebody else's text, such as that of a web page.
DATA = "Buy now! {{ ran.append(1) }} \\{{ and {{"


def editor(page):
    """What the last question's editor holds at first."""
    question = page.cards[page.order[-1]]["question"]
    return question["typed"] if question["plain"] is None else question["plain"]


def edit_last(page, text, **what):
    """Edit the last question, and wait for the answer."""
    before = page.order[-1]
    assert page.ask("edit", turn=before, text=text, **what) == {}
    page.until(lambda: page.order[-1] != before)
    page.ended(len(page.order))


def test_a_question_of_a_cell_is_edited_as_it_was_typed(nb, replay):
    replay.fallback = completion("x")
    typed = "Sum up {{ web }} for \\{{me}}"
    nb.run(f"web, ran = {DATA!r}, []")
    assert not nb.run(f"%%chat --session typed\n{typed}").error
    assert sent(replay) == [f"Sum up {DATA} for {{{{me}}}}"]
    page = Page(nb, nb.run("%chat panel typed"))
    assert editor(page) == page.texts[0] == typed
    edit_last(page, f"{typed}!")
    assert sent(replay) == [f"Sum up {DATA} for {{{{me}}}}!"]
    nb.run("web = 'it'")
    assert editor(page) == f"{typed}!"
    edit_last(page, typed)
    assert sent(replay) == ["Sum up it for {{me}}"]
    assert nb.value("ran") == "[]"


SOMEBODY = {"role": "user", "content": DATA}


@pytest.mark.parametrize(
    "asked_by",
    [
        "panel.send(data).wait()",
        "panel.chat.view = 'none'\npanel.chat.send(data)",
        "panel = nbstream.ChatPanel.load(path, base_url=url)",
        "%%chat --session data --no-interpolate\n" + DATA,
    ],
    ids=["panel", "chat", "file", "cell"],
)
def test_text_that_came_as_data_is_edited_as_it_is(nb, page, replay, tmp_path, asked_by):
    """Code in it runs neither when its question is edited, nor when that one is."""
    replay.fallback = completion("x")
    file = tmp_path / "talk.json"
    typed = "Look: {{ ran.append(2) }}"  # the file came from anywhere
    turn = turn_with(typed=typed, prompt=[SOMEBODY], rounds=[{"text": "A"}])
    file.write_text(json.dumps(record(turns=[turn])))
    nb.run(f"data, ran, path, url = {DATA!r}, [], {str(file)!r}, {replay.base_url!r}")
    assert not nb.run(asked_by).error
    in_cell = asked_by.startswith("%%")
    page = Page(nb, nb.run("%chat panel data" if in_cell else "panel.close()\npanel.open()"))
    assert editor(page) == DATA
    page.ask("again", turn=page.order[0])
    page.until(lambda: page.places)
    page.ended(1)
    assert sent(replay) == [DATA]
    assert page.texts == [typed if "load" in asked_by else DATA]
    for _ in range(2):
        edit_last(page, f"{editor(page)}!")
    assert sent(replay) == [f"{DATA}!!"]
    assert page.texts == [f"{DATA}!!"]
    assert nb.value("ran") == "[]"


def test_a_file_that_was_sent_alone_is_no_text_to_edit(page, replay):
    replay.fallback = completion("x")
    page.ask("send", [b"a,{{ 1 / 0 }}"], text="", files=["t.csv"])
    page.ended(1)
    assert editor(page) == ""
    assert page.nb.value("'Attached: t.csv' in panel.to_markdown()") == "True"
    edit_last(page, "Sum {{ 1 + 1 }}")
    assert [part["text"] for part in sent(replay)[0]] == ["Sum 2", "t.csv:\n\na,{{ 1 / 0 }}"]


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TABLE = {"type": "text", "text": "t.csv:\n\na,b"}


@pytest.mark.parametrize("flag", ["", "--no-interpolate", None])
def test_what_was_attached_beside_the_panel_goes_along_when_edited(nb, replay, tmp_path, flag):
    replay.fallback = completion("x")
    (tmp_path / "t.csv").write_text("a,b")
    nb.run(f"table, picture = {str(tmp_path / 't.csv')!r}, {PICTURE['image_url']['url']!r}")
    if flag is None:
        parts = ({"type": "text", "text": "What?"}, TABLE, PICTURE)
        nb.run(
            f"panel = nbstream.ChatPanel(model='m', base_url='{replay.base_url}')\n"
            f"panel.ask({parts}, nbstream.session.Place(attached=({TABLE},))).wait()"
        )
    else:
        assert not nb.run(
            f"%%chat {flag} --session with{flag} --attach table --attach picture\nWhat?"
        ).error
    page = Page(nb, nb.run("panel.open()" if flag is None else f"%chat panel with{flag}"))
    question = page.cards[page.order[0]]["question"]
    assert (editor(page), question["attached"]) == ("What?", ["t.csv", 0])
    edit_last(page, "And?")
    assert sent(replay)[0][1:] == [TABLE, PICTURE]
    edit_last(page, "And?", without=[0])
    assert sent(replay)[0] == [{"type": "text", "text": "And?"}, PICTURE]
    edit_last(page, "And?", without=[0])
    assert sent(replay) == ["And?"]


def test_edit_stops_what_runs(page, replay):
    replay.reply(Reply([chunk({"content": "Half"}), Hang()]), completion("B"))
    page.send("a")
    assert replay.wait_requests(1)
    page.ask("edit", turn=page.order[0], text="b")
    page.ended(1)
    assert replay.requests[0].aborted.wait(5)
    assert sent(replay) == ["b"]
    assert page.places == {str(page.order[0]): [2, 2]}


def test_again_replaces_a_failure_and_branches_from_an_answer(page, replay):
    replay.reply(error(400, "no"), completion("A"), completion("B"))
    page.send("a")
    page.ended(1)
    assert "no" in page.cards[page.order[0]]["answer"]["end"]["mark"]
    page.ask("again", turn=page.order[0])
    page.ended(1)
    assert page.places == {}
    assert page.answers == ["A"]
    page.ask("again", turn=page.order[0])
    page.ended(1)
    assert page.answers == ["B"]
    assert page.places == {str(page.order[0]): [2, 2]}
    assert sent(replay) == ["a"]


@pytest.mark.parametrize(
    "options", [{"api_key_env": "NOT_SET_ANYWHERE"}, {"base_url": "localhost"}]
)
def test_what_fails_before_it_is_asked_says_so_at_its_turn(nb, replay, options):
    options = {"base_url": replay.base_url, **options}
    result = nb.run(f"panel = nbstream.ChatPanel(model='m', **{options!r})\npanel.open()")
    page = Page(nb, result)
    page.send("a")
    page.ended(1)
    assert page.cards[page.order[0]]["answer"]["end"]["usage"].endswith(" · failed")
    assert not replay.requests


def test_continue(page, replay):
    replay.reply(completion("Once upon", finish="length"), completion(" a time."))
    page.send("a")
    page.ended(1)
    assert page.cards[page.order[0]]["answer"]["end"]["isPart"]
    page.ask("continue", turn=page.order[0])
    page.ended(2)
    assert page.texts == ["a", "Continue."]
    assert sent(replay)[:2] == ["a", "Once upon"]


def test_what_goes_on_already_is_not_continued_again(page, replay):
    part = Reply([chunk({"content": "Half"}), Hang()])
    replay.reply(part, part, part, completion("rest"))
    page.send("a")
    assert replay.wait_requests(1)
    (first,) = page.order
    page.ask("decide", turn=first, what={"stop": True})
    page.ended(1)
    assert page.ask("continue", turn=first) == {}
    assert replay.wait_requests(2)
    assert page.ask("continue", turn=first) == {}
    assert page.texts == ["a", "Continue."]
    assert not replay.requests[1].aborted.is_set()
    page.ask("edit", turn=page.order[1], text="b")
    assert replay.wait_requests(3)
    assert page.ask("continue", turn=first) == {}  # something else ran: that is stopped
    page.ended(2)
    assert replay.requests[2].aborted.wait(5)
    assert page.answers[-1] == "rest"


def test_remove_clear_undo(page, replay):
    replay.reply(*(completion(name) for name in "ABCD"))
    for number, name in enumerate("abc"):
        page.send(name)
        page.ended(number + 1)
    assert not page.about["undo"]
    page.ask("remove", turn=page.order[1])
    assert page.texts == ["a", "c"]
    assert page.about["undo"]
    page.ask("undo")
    assert page.texts == ["a", "b", "c"]
    page.ask("clear")
    page.ask("clear")
    assert page.order == []
    assert page.nb.value("panel.response, panel.responses, panel.busy") == "(None, [], False)"
    page.ask("undo")
    assert page.texts == ["a", "b", "c"]
    assert not page.about["undo"]
    page.ask("remove", turn=page.order[0])
    page.send("d")
    page.ended(3)
    assert sent(replay) == ["b", "B", "c", "C", "d"]
    assert not page.about["undo"]


@pytest.mark.parametrize("action", ["remove", "clear"])
def test_taking_out_what_runs_stops_it(page, replay, action):
    replay.reply(Reply([chunk({"content": "Half"}), Hang()]))
    page.send("a")
    assert replay.wait_requests(1)
    page.ask(action, turn=page.order[0])
    assert page.order == []
    assert replay.requests[0].aborted.wait(5)
    page.ask("undo")
    page.ended(1)
    assert page.texts == ["a"]


def test_stop(page, replay):
    replay.reply(Reply([chunk({"content": "Half"}), Hang()]))
    page.send("a")
    assert replay.wait_until(lambda: replay.requests and replay.requests[0].sent)
    assert page.about["running"] == page.order[0]
    page.ask("decide", turn=page.order[0], what={"stop": True})
    page.ended(1)
    assert replay.requests[0].aborted.wait(5)
    assert page.nb.value("panel.response.status") == "cancelled"
    page.ask("decide", turn=page.order[0], what={"stop": True})  # it is stopped already


def test_a_call_is_decided_in_the_page(nb, replay):
    nb.run("def double(x: int) -> int:\n    'Double it.'\n    return 2 * x")
    result = nb.run(
        f"panel = nbstream.ChatPanel(model='m', base_url='{replay.base_url}', "
        "tools=[double], approve=True)\npanel.open()"
    )
    page = Page(nb, result)
    call = {"name": "double", "arguments": {"x": 2}, "id": "c-1"}
    replay.reply(completion(tool_calls=[call]), completion("Six."))
    page.send("a")
    assert not nb.run("while not panel.response.approvals: time.sleep(0.01)").error
    page.ask("decide", turn=page.order[0], what={"run": "wrong", "arguments": "{}"})
    page.ask("decide", turn=page.order[0], what={"run": "c-1", "arguments": '{"x": 3}'})
    page.ended(1)
    assert asked(replay)[-1].json["messages"][-1]["content"].endswith("\n6")
    assert page.about["tools"] == [["double", True]]
    page.ask("set", tool="double", on=False)
    assert page.about["tools"] == [["double", False]]
    replay.reply(completion("x"))
    page.send("b")
    page.ended(2)
    assert asked(replay)[-1].json["tool_choice"] == "none"  # what the history called


def test_settings(page, replay):
    replay.reply(completion("x"))
    for change in ({"model": " m-2 "}, {"system": "Be kind."}, {"temperature": "0.25"}):
        assert page.ask("set", **change) == {}
    assert (page.about["model"], page.about["system"], page.about["temperature"]) == (
        "m-2",
        "Be kind.",
        0.25,
    )
    page.send("a")
    page.ended(1)
    body = replay.requests[0].json
    assert (body["model"], body["temperature"]) == ("m-2", 0.25)
    assert sent(replay)[0] == "Be kind." or body["messages"][0]["content"] == "Be kind."
    for wrong in ("hot", -1, "nan", [1], 10**400):
        assert "is no temperature" in page.ask("set", temperature=wrong)["error"]
    for nothing in ({"model": 5}, {"system": None}, {"tool": "x"}, {"colour": "red"}):
        assert page.ask("set", **nothing) == {}
    assert page.ask("set", temperature="") == {}
    assert page.about["temperature"] is None
    assert page.about["model"] == "m-2"


def test_names_of_ones_own_for_models(replay):
    names = {"fast": "vendor/m-mini"}
    panel = ChatPanel(model="replay-1", base_url=replay.base_url, aliases=names)
    panel.settings.set({"model": "fast"})
    assert panel.settings.state()["model"] == "fast"
    assert panel.settings.state()["models"] == ["fast"]
    replay.reply(completion("Yes."))
    panel.send("Go?").wait()
    assert replay.requests[-1].json["model"] == "vendor/m-mini"


def test_models(page, replay):
    replay.reply(models(["m-1", "m-2"]), to="/v1/models")
    assert page.ask("models") == {}
    page.until(lambda: page.about["models"] == ["m-1", "m-2"])
    replay.reply(error(500, "no"), to="/v1/models")
    page.ask("models")
    page.until(lambda: page.about["problem"])


def test_how_much_of_the_context_is_used(page, replay):
    listing = {"data": [{"id": "replay-1", "context_length": 100}, {"id": "other"}]}
    replay.reply(whole(listing), to="/v1/models")
    replay.reply(completion("x"))
    page.send("a")
    page.until(lambda: page.about["context"] == [8, 100])


def test_names(nb, page):
    nb.run(
        "import pandas as pd, json as j\nframe = pd.DataFrame({'a': [1], 'b': [2]})\n"
        "fruits = ['apple']\n_hidden = 1\n"
        "class Odd:\n"
        "    @property\n"
        "    def shape(self): raise OSError\n"
        "    @property\n"
        "    def __class__(self): raise OSError\n"
        "fodd = Odd()\n"
        "def fable(): pass"
    )
    assert page.ask("names", prefix="f")["names"] == [
        ["fodd", "Odd"],
        ["frame", "DataFrame 1 × 2"],
        ["fruits", "list of 1"],
        ["fable", "function"],  # behind the data
    ]
    names = [name for name, _ in page.ask("names")["names"]]
    assert "panel" in names
    assert not {"_hidden", "pd", "In", "exit"} & set(names)
    nb.run("del fodd")


def test_preview(nb, page):
    nb.run("name = 'Ada'")
    assert page.ask("preview", text="For {{name}}") == {
        "text": "For Ada",
        "pictures": [],
        "files": [],
    }


MALFORMED = [
    None,
    3,
    "send",
    [],
    {},
    {"do": None},
    {"do": ["send"]},
    {"do": {}},
    {"do": "sing", "n": 1},
    {"do": "__class__", "n": 1},
    {"want": "money"},
    {"do": "send"},
    {"do": "send", "text": None, "n": {"a": []}},
    {"do": "send", "text": "x", "files": 3},
    {"do": "send", "text": "x", "files": ["gone.png"]},
    {"do": "edit", "text": "x"},
    {"do": "edit", "turn": {}, "text": "x"},
    {"do": "edit", "turn": "T", "text": " ", "without": [{}]},
    *({"do": do} for do in ("again", "continue", "branch", "remove", "decide", "text")),
    *({"do": do, "turn": 10**9} for do in ("edit", "again", "continue", "branch", "remove")),
    *(
        {"do": do, "turn": [1]}
        for do in ("again", "continue", "branch", "remove", "decide", "text")
    ),
    {"do": "branch", "turn": "T"},
    {"do": "branch", "turn": "T", "by": "far"},
    {"do": "branch", "turn": "T", "by": None},
    {"do": "decide", "turn": "T"},
    {"do": "decide", "turn": "T", "what": 3},
    {"do": "decide", "turn": "T", "what": {"run": [], "arguments": 3}},
    {"do": "preview"},
    {"do": "names", "prefix": 3},
    {"do": "set", "temperature": {}},
    {"do": "set", "model": []},
]


def test_no_message_harms_the_panel(page, replay):
    replay.reply(completion("A"), completion("B"))
    page.send("a")
    page.ended(1)
    (turn,) = page.order
    page.heard.clear()
    seen = []
    for said in MALFORMED:
        if isinstance(said, dict) and said.get("turn") == "T":
            said = {**said, "turn": turn}  # noqa: PLW2901
        page.tell(said)
        page.tell(said, [b"\0\1", b""])
    marker = page.nb.start("1")
    while True:
        message = page.nb.client.get_iopub_msg(timeout=10)
        seen.append(message)
        if (
            message["parent_header"].get("msg_id") == marker
            and message["content"].get("execution_state") == "idle"
        ):
            break
    assert "comm_close" not in [m["msg_type"] for m in seen]
    assert "error" not in [m["msg_type"] for m in seen]
    page.tell({"want": "snapshot"})
    page.until(lambda: "snapshot" in page.heard)
    page.send("b")
    page.ended(2)
    assert page.answers == ["A", "B"]
    assert len(asked(replay)) == 2


def test_two_pages_of_one_panel_and_a_page_that_comes_late(page, replay):
    replay.reply(completion("A " * 400))
    page.send("a")
    page.ended(1)
    late = Page.__new__(Page)
    late.__dict__ = {**page.__dict__, "cards": {}, "order": [], "heard": []}
    late.tell({"want": "snapshot"})
    late.until(lambda: late.order)
    assert late.texts == ["a"]
    assert late.cards[late.order[0]]["answer"]["end"]
    assert late.heard.count("snapshot") == 1


# --- beside cells -------------------------------------------------------------------


def test_a_session_is_shared_with_cells(nb, replay):
    replay.reply(completion("A"), completion("B"), completion("C"))
    assert not nb.run("%%chat --session shared\na", cell_id="one").error
    page = Page(nb, nb.run("%chat panel shared"))
    assert page.texts == ["a"]
    assert page.answers == ["A"]
    page.send("b")
    page.ended(2)
    assert sent(replay) == ["a", "A", "b"]
    nb.start("%%chat --session shared\nc", cell_id="two")
    page.ended(3)
    assert sent(replay) == ["a", "A", "b", "B", "c"]
    assert page.texts[-1] == "c"
    assert nb.value("_chat.text") == "C"
    again = nb.run("%chat panel shared")
    assert "comm_open" not in [m["msg_type"] for m in again.messages]  # one widget, two places
    nb.run("%chat reset shared")
    page.tell({"want": "snapshot"})
    page.until(lambda: page.order == [])
    assert not page.about["undo"]


def test_a_running_cell_is_shown_in_a_panel_that_opens(nb, replay):
    replay.reply(completion(["one ", "two"], gate="piece"))
    nb.run("%%chat --bg\na")
    page = Page(nb, nb.run("%chat panel"))
    assert page.about["running"] == page.order[0]
    replay.open("piece-0")
    replay.open("piece-1")
    page.ended(1)
    assert page.answers == ["one two"]


def test_each_end_is_said_once(nb, page, replay):
    """Also where a panel was closed and opened again while the answer ran."""
    replay.reply(completion(["one ", "two"], gate="piece"))
    page.send("a")
    nb.run("panel.close()")
    page = Page(nb, nb.run("panel.open()"))
    replay.open("piece-0")
    replay.open("piece-1")
    page.ended(1)
    page.ask("names")
    page.ask("names")
    assert page.about["count"] == 1
    assert page.answers == ["one two"]


def test_code_goes_into_a_cell(nb, replay):
    assert "the last answer has no code" in nb.run("%reset -f\n%chat code").error
    nb.run("import nbstream, threading, time")
    replay.reply(completion("```python\nx = 1\n```\n\n```\ny = 2\n```\n"), completion("none"))
    nb.run("%%chat\nCode?")
    for line, text in (("", "x = 1"), (" 1", "x = 1"), (" 2", "y = 2")):
        payload = nb.run(f"%chat code{line}").reply["content"]["payload"]
        assert [(p["source"], p["text"], p["replace"]) for p in payload] == [
            ("set_next_input", text, True)
        ]
    for wrong in ("3", "0", "-1", "two", "²", "1.0"):
        result = nb.run(f"%chat code {wrong}")
        assert "the last answer has 2 code blocks: %chat code N" in result.error
        assert len(result.traceback) == 1
    assert "%chat help" in nb.run("%chat code 1 2").error
    nb.run("%%chat\nNone?")
    assert "the last answer has no code" in nb.run("%chat code").error


# --- what the notebook keeps --------------------------------------------------------


def outputs_of(nb, cell, until):
    """The outputs of a cell as they are when cell `until` has ended, and the bytes they took."""
    outputs, size = {}, 0
    while True:
        message = nb.client.get_iopub_msg(timeout=20)
        content = message["content"]
        parent = message["parent_header"].get("msg_id")
        if message["msg_type"] in ("display_data", "update_display_data"):
            size += len(json.dumps(content))
            if parent == cell or message["msg_type"] == "update_display_data":
                name = content["transient"].get("display_id") or "the panel"
                if message["msg_type"] == "display_data" or name in outputs:
                    outputs[name] = content["data"]
        if parent == until and content.get("execution_state") == "idle":
            return list(outputs.values()), size


def markdown(outputs):
    return [data["text/markdown"] for data in outputs if data.get("text/markdown")]


def test_the_static_conversation(nb, replay):
    replay.fallback = completion("The answer.")
    cell = nb.start(
        f"panel = nbstream.ChatPanel(model='m', base_url='{replay.base_url}')\npanel.open()"
    )
    last = nb.start("panel.send('First?').wait(); time.sleep(0.1)")
    (widget, *outputs), _ = outputs_of(nb, cell, last)
    assert {PANEL, WIDGET} <= set(widget)
    assert [set(data) for data in outputs] == [{"text/markdown", "text/plain", CONVERSATION_TYPE}]
    assert markdown(outputs)[0].startswith("<details><summary>Conversation, turn 1 (saved) · ")
    cell = nb.start("panel.open()")  # it moves here
    (widget, *outputs), _ = outputs_of(nb, cell, cell)
    assert "First?" in markdown(outputs)[0]
    nb.run("panel.close()")
    assert nb.value("len(__import__('ipywidgets').Widget.get_manager_state()['state'])") == "0"
    cell = nb.start("panel.open()\npanel.close()")
    (_, *outputs), _ = outputs_of(nb, cell, cell)
    (text,) = markdown(outputs)
    assert text.startswith("<strong>You</strong>")
    assert "The answer." in text


def test_moving_empties_the_old_place_and_closing_does_not(nb, replay):
    replay.fallback = completion("x")
    nb.run(
        f"panel = nbstream.ChatPanel(model='m', base_url='{replay.base_url}')\n"
        "panel.send('q').wait()"
    )
    cell = nb.start("panel.open()")
    last = nb.start("panel.open()")
    outputs, _ = outputs_of(nb, cell, last)
    assert markdown(outputs) == []
    cell = nb.start("panel.open()\npanel.close()")
    last = nb.start("panel.open()")
    outputs, _ = outputs_of(nb, cell, last)
    assert "<strong>You</strong>" in markdown(outputs)[0]


def test_an_answer_that_outlives_its_window_is_kept(nb, replay):
    replay.reply(completion(["one ", "two"], gate="late"))
    cell = nb.start(
        f"panel = nbstream.ChatPanel(model='m', base_url='{replay.base_url}')\n"
        "panel.open()\npanel.send('q')\npanel.close()"
    )
    replay.open("late-0")
    replay.open("late-1")
    last = nb.start("panel.response.wait(); time.sleep(0.1)")
    outputs, _ = outputs_of(nb, cell, last)
    (text,) = markdown(outputs)
    assert "one two" in text
    assert text.startswith("<strong>You</strong>")


@only_long
def test_a_turn_costs_the_notebook_no_more_than_those_before(nb, replay):
    replay.fallback = completion("word " * 100, piece=100)
    cell = nb.start(
        f"panel = nbstream.ChatPanel(model='m', base_url='{replay.base_url}')\npanel.open()"
    )
    nb.collect(cell)
    sizes = []
    for _ in range(2):
        last = nb.start(f"for _ in range({TURNS}): panel.send('q').wait()\ntime.sleep(0.2)")
        _, size = outputs_of(nb, cell, last)
        sizes.append(size / TURNS)
    print(f"{sizes[0]:.0f} bytes a turn, then {sizes[1]:.0f}")
    assert 1_000 < sizes[1] < 1.3 * sizes[0]
    assert sizes[1] < 20_000


@pytest.mark.parametrize("is_open", [True, False])
def test_unloading_leaves_nothing_behind(nb, replay, is_open):
    replay.reply(Reply([chunk({"content": "Half"}), Hang()]))
    cell = nb.start(
        textwrap.dedent(f"""
        panel = nbstream.ChatPanel(model='m', base_url='{replay.base_url}')
        {"panel.open()" if is_open else ""}
        response = panel.send('q')
        while response.text != 'Half': time.sleep(0.01)
        """)
    )
    unload = nb.start("%unload_ext nbstream")
    outputs, _ = outputs_of(nb, cell, unload)
    count = (
        "[t.name for t in threading.enumerate() if 'nbstream' in t.name], "
        "len(get_ipython().kernel.comm_manager.comms), response.done"
    )
    assert nb.value(count) == "([], 0, True)"
    if is_open:
        assert "Half" in markdown(outputs)[-1]
        assert markdown(outputs)[-1].startswith("<strong>You</strong>")
    assert not nb.run("%load_ext nbstream").error
    replay.reply(completion("more"))
    assert nb.value("panel.send('b').wait(10), panel.response.text") == "(True, 'more')"
    assert not nb.run("panel.open()\npanel.close()").error


def test_a_panel_that_its_cell_replaces_is_closed(nb, replay):
    """What nobody sees any more asks no more; what the new panel shows goes on."""
    replay.fallback = silence()
    options = f"model='m', base_url='{replay.base_url}'"
    make = f"p = nbstream.ChatPanel({options})"
    assert not nb.run(f"talk = nbstream.Chat({options})").error
    assert not nb.run(f"{make}\np.open()\nfirst, r = p, p.send('Go.')", cell_id="one").error
    assert replay.wait_requests(1)
    other = f"p, _ = nbstream.ChatPanel({options}), 0"
    assert not nb.run(f"{other}\np.open()\nq = p\nq.open()", cell_id="one").error
    assert replay.requests[0].aborted.wait(10)
    assert nb.value("r.wait(10), r.status, first.screen._window is None") == (
        "(True, 'cancelled', True)"
    )
    assert nb.value("p.screen._window is None") == "False"

    shared = "p = nbstream.ChatPanel(talk)\np.open()"
    assert not nb.run(f"{shared}\nr = p.send('Go.')", cell_id="two").error
    assert not nb.run(shared, cell_id="two").error
    assert nb.value("r.status") == "running"
    assert not nb.run("r.cancel(); r.wait(10)").error


def test_two_panels_in_a_kernel(nb, replay):
    first = open_page(nb, replay, "first")
    second = open_page(nb, replay, "second")
    replay.fallback = lambda request: completion(f"to {request.json['messages'][-1]['content']}")
    first.send("1")
    first.ended(1)
    second.send("2")
    second.ended(1)
    assert first.comm != second.comm
    assert nb.value("first.response.text, second.response.text, _chat is second.response") == (
        "('to 1', 'to 2', True)"
    )


# --- without widgets ----------------------------------------------------------------


@pytest.fixture(scope="module")
def unknown_front_end():
    with kernel(OPENAI_API_KEY="sk-test") as running:
        assert not running.run("import nbstream").error
        yield running


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        ("p = nbstream.ChatPanel(model='m'{})\np.open()", ", view='widget'"),
        ("{}\n%chat panel", "%config ChatMagics.view = 'widget'"),
    ],
)
def test_a_front_end_of_which_nothing_is_known(unknown_front_end, make, setting):
    result = unknown_front_end.run(make.format(""))
    (output,) = result.outputs
    assert 'if it does, set <code>view="widget"</code>' in output["text/markdown"]
    result = unknown_front_end.run(make.format(setting))
    widget, output = result.outputs
    assert {PANEL, WIDGET} <= set(widget)
    assert "will be saved here" in output["text/markdown"]


def test_a_notebook_that_is_executed_keeps_no_widget(replay, monkeypatch):
    """Nobody is there to see one: there is the static conversation."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    replay.reply(completion("**Hello**"))
    make = f"import nbstream\npanel = nbstream.ChatPanel(model='m', base_url='{replay.base_url}')"
    cells = [make, "panel.send('Hi').wait()", "panel", "panel.close()"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    assert "widgets" not in notebook.metadata
    (output,) = notebook.cells[2].outputs
    assert set(output.data) == {"text/markdown", "text/plain", CONVERSATION_TYPE}
    assert output.data["text/markdown"].startswith("<strong>You</strong>")
    assert "**Hello**" in output.data["text/markdown"]
