"""The end of a view: what it leaves whatever failed in it, and what goes on meanwhile."""

from __future__ import annotations

import contextvars
import io
import textwrap
import threading
from dataclasses import dataclass
from unittest import mock

import answers
import pytest
from kernels import kernel
from replay import Cut, Hang, Reply, Wait, chunk, completion

from nbstream.driver import Question, start
from nbstream.io_thread import io_thread
from nbstream.messages import Message
from nbstream.request import Options
from nbstream.response import Response
from nbstream.schema import as_schema
from nbstream.views.protocol import NullView
from nbstream.views.terminal import TerminalView

RECORD = "application/vnd.nbstream.response+json"
BUNDLE = {"text/markdown", "text/plain", RECORD}
WAIT = 10  # seconds, at most


# --- what goes on meanwhile ---------------------------------------------------------


class Slow(NullView):
    """A view whose end takes as long as the test wants."""

    def __init__(self):
        self.closing, self.may_end, self.closed = (threading.Event() for _ in range(3))

    def close(self, response):
        self.status = response.status
        self.closing.set()
        assert self.may_end.wait(WAIT)
        self.closed.set()


class Frames(NullView):
    """A view that tells what it showed."""

    def __init__(self):
        self.texts = []

    def update(self, response):
        self.texts.append(response.text)

    close = update


@pytest.fixture
def begin(replay):
    def begin(*views, reply, on_end=None, **options):
        replay.reply(reply)
        prompt = Message("user", "Hello?")
        options = Options(model="replay-1", base_url=replay.base_url, **options)
        question = Question((prompt,), options)
        return start(question, Response([prompt]), views, on_end=on_end)

    return begin


@pytest.fixture
def slow():
    view = Slow()
    yield view
    view.may_end.set()


def test_other_answers_go_on_while_a_view_closes(begin, slow, replay):
    first = begin(slow, reply=completion("The first."))
    assert slow.closing.wait(WAIT)
    frames = Frames()
    second = begin(frames, reply=completion(["one ", "two"], gate="piece"))
    for number, text in enumerate(["one ", "one two"]):
        replay.open(f"piece-{number}")
        assert replay.wait_until(lambda text=text: text in frames.texts)
    assert second.wait().status == "complete"
    third = begin(reply=Reply([chunk({"content": "part"}), Hang()]))
    assert replay.wait_until(lambda: third.response.text == "part")
    third.response.cancel()
    assert third.wait().status == "cancelled"
    assert not first.job.future.done()
    slow.may_end.set()
    assert first.wait().text == "The first."
    assert slow.closed.is_set()


def test_the_history_comes_first_and_the_cell_waits_for_the_view(begin, slow):
    order = []

    def on_end(response, _error):
        order.append(("history", response.status))

    run = begin(slow, reply=completion("Yes."), on_end=on_end)
    assert run.response.wait(WAIT)  # who waits for the answer alone is not held up
    assert slow.closing.wait(WAIT)
    assert order == [("history", "running")]
    assert slow.status == "complete"
    waiting = threading.Thread(target=lambda: order.append(("cell", run.wait().status)))
    waiting.start()
    assert len(order) == 1
    slow.may_end.set()
    waiting.join(WAIT)
    assert order[1:] == [("cell", "complete")]
    assert slow.closed.is_set()


def test_a_stop_does_not_cut_off_what_a_view_leaves(begin, slow):
    run = begin(slow, reply=completion("All of it."))
    assert slow.closing.wait(WAIT)
    for _ in range(3):
        run.job.cancel()
        io_thread.submit(_nothing()).wait()
    assert not run.job.future.done()
    slow.may_end.set()
    assert run.wait().status == "complete"
    assert slow.closed.is_set()


async def _nothing():
    pass


def test_a_view_closes_in_the_context_of_who_asked(begin):
    cell = contextvars.ContextVar("cell")
    seen = []

    class Shown(NullView):
        def update(self, _response):
            seen.append((cell.get(), threading.current_thread()))

        close = update

    cell.set("third")
    begin(Shown(), reply=completion("Yes.")).wait()
    assert {name for name, _ in seen} == {"third"}
    *io, other = (thread for _, thread in seen)
    assert io
    assert other not in io


def test_the_users_schema_holds_up_no_other_answer(begin):
    made, may_go_on = threading.Event(), threading.Event()

    @dataclass
    class City:
        name: str

        def __post_init__(self):
            made.set()
            assert may_go_on.wait(WAIT)

    run = begin(reply=completion('{"name": "Berlin"}'), schema=as_schema(City))
    assert made.wait(WAIT)
    try:
        assert begin(reply=completion("Another one.")).wait().text == "Another one."
    finally:
        may_go_on.set()
    assert run.wait().parsed.name == "Berlin"


def test_who_keeps_a_run_does_not_keep_its_views(begin):
    view = Frames()
    run = begin(view, reply=completion("Yes."))
    run.wait()
    assert not run._pacer._views
    assert not run._pacer._live


@pytest.mark.parametrize("fails_in", ["open", "update", "close"])
def test_a_view_that_fails_is_closed_and_takes_nobody_with_it(begin, caplog, fails_in):
    calls = []

    class Failing(NullView):
        def _call(self, name):
            calls.append(name)
            if name == fails_in:
                raise OSError("no paint")

        def open(self, _response):
            self._call("open")

        def update(self, _response):
            self._call("update")

        def close(self, _response):
            self._call("close")

    frames = Frames()
    run = begin(Failing(), frames, reply=completion(["one ", "two"]))
    assert run.wait().status == "complete"
    assert frames.texts[-1] == "one two"
    assert (calls[0], calls[-1], calls.count("close")) == ("open", "close", 1)
    assert calls.count("update") == {"open": 0, "update": 1}.get(fails_in, calls.count("update"))
    assert "no paint" in caplog.text


# --- what is left in the notebook ---------------------------------------------------

PART = "## Title\n\nSome *words* of `code`.\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n- item\n\n"
TEXT = PART * 60
CUT = Reply(
    [
        chunk({"role": "assistant", "reasoning_content": "Let me **think**."}),
        chunk({"content": TEXT[:4_000]}),
        Wait(0.3),
        chunk({"content": TEXT[4_000:]}),
        chunk({"content": "The last words"}),
        Cut(),
    ]
)

#: What may fail, by the view. `bundle` and the rest of `saved` fail for both.
FAULTS = {
    "widget": [
        "views.outline.Document.patch",
        "views.outline.Document.close",
        "views.outline.Outline.advance",
        "views.outline.Outline.state",
        "views.channel.Channel.send",
        "views.widget.display",
        "views.widget.ending",
        "views.widget.mark",
    ],
    "display": [
        "views.display.DisplayView.update",
        "views.display.content_markdown",
        "views.display.link_definitions",
        "views.display.plain_summary",
        "views.display.excerpt",
        "views.parts.settled_length",
        "views.parts.Parts.rest",
    ],
}
BOTH = [
    "render.saved.safe_markdown",
    "render.saved.content_markdown",
    "render.saved.usage_line",
    "render.saved.plain_summary",
    "render.saved.mark",
    "render.safe_markdown._BlockWriter.write",
    "views.ending.bundle",
]


@pytest.fixture(scope="module")
def nb(server):
    with kernel(
        JPY_SESSION_NAME="x.ipynb", OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="sk-test"
    ) as running:
        loaded = running.run(
            textwrap.dedent("""
            import contextlib, importlib, logging
            from unittest import mock
            import nbstream
            import nbstream.views.display, nbstream.views.widget
            from nbstream.errors import NbstreamError
            from nbstream.response import Response
            logging.getLogger("nbstream").disabled = True
            %config ChatMagics.model = "replay-1"
            """)
        )
        assert not loaded.error, loaded.error
        yield running


@pytest.mark.parametrize(
    ("owns_cell", "view", "fault"),
    [
        *((True, view, fault) for view, own in FAULTS.items() for fault in (*own, *BOTH)),
        *((False, "display", fault) for fault in (*FAULTS["display"], "views.ending.bundle")),
        (False, "widget", "views.widget.display"),
    ],
)
def test_a_cut_answer_is_saved_marked_and_with_its_record(nb, server, owns_cell, view, fault):
    server.reply(CUT)
    nb.run(f"broken = mock.patch('nbstream.{fault}', side_effect=KeyError('bug')); broken.start()")
    if owns_cell:
        result = nb.run(f"%%chat --view {view} --no-history\nGo.")
        assert result.error.startswith("IncompleteError")
    else:
        result = nb.run(
            f"chat = nbstream.Chat('replay-1', view={view!r})\n"
            "with contextlib.suppress(NbstreamError): chat.send('Go.')"
        )
        assert not result.error
    assert not nb.run("broken.stop()").error
    saved = result.outputs[-1]
    assert set(saved) == BUNDLE
    *_, ending = saved["text/markdown"].partition("⚠ ")
    assert ending.startswith(("Incomplete: ", "incomplete"))
    text = "".join(output["text/markdown"] for output in result.outputs)
    assert text.count("The last words") in (1, 2)  # 2: what could not be parted
    assert text.count("Title") >= 60
    restored = Response.from_dict(saved[RECORD])
    assert restored.text == TEXT + "The last words"
    assert restored.status == "incomplete"
    if owns_cell:
        assert len(result.outputs) == 1
    assert nb.value("len(__import__('ipywidgets').Widget.get_manager_state()['state'])") == "0"


def test_a_text_that_cannot_be_rendered_stands_there_to_the_letter(nb, server):
    server.reply(completion("<b>Bold</b> **words**\n\n```\nfence"))
    nb.run("broken = mock.patch('nbstream.render.saved.safe_markdown', side_effect=KeyError)")
    result = nb.run(
        "broken.start()\nnbstream.Chat('replay-1', view='widget').send('Go.')\nbroken.stop()"
    )
    assert not result.error
    lines = result.outputs[0]["text/markdown"].split("\n")
    assert lines[:5] == ["````", "<b>Bold</b> **words**", "", "```", "fence"]


def test_a_live_text_that_cannot_be_rendered_goes_on_to_the_letter(nb):
    result = nb.run(
        textwrap.dedent("""
        from nbstream.rounds import Round
        from nbstream.views.outline import Document, Outline
        feed = Document.feed
        def failing(self, text):
            feed(self, text)
            if "bad" in text: raise KeyError("bug")
        response, outline = Response(), Outline()
        response.rounds.append(Round())
        turn, log = response.rounds[0], []
        with mock.patch.object(Document, "feed", failing):
            turn.reasoning.append("why")
            for piece in ("", "*good* ", "\\n<bad>", " & *more*"):
                turn.text.append(piece)
                log.append([op[:3] if op[0] != "doc" else op for op in outline.advance(response)])
        print(log[2], log[3], [s.get("doc", {}).get("tail") for s in outline.state()["sections"]])
        """)
    )
    assert not result.error
    plain = "<pre>\\n*good* \\n&lt;bad&gt;"
    assert result.stdout.strip() == (
        f"[['drop', 2], ['add', 3, 'answer'], ['doc', 3, [['tail', 0, '{plain}']]]] "
        "[['doc', 3, [['text', 1, ' & *more*']]]] "
        f"['<p>why', '{plain} &amp; *more*']"
    )


@pytest.mark.parametrize("fault", ["_Shown.laid_out", "call_line", "mark", "usage_line"])
def test_a_terminal_gets_all_of_a_cut_answer(fault):
    stream = io.StringIO()
    view, response = TerminalView(stream), Response()
    steps = [
        ("round", "m"),
        ("reasoning", "hm"),
        ("text", "one "),
        ("text", "two"),
        ("text", " three"),
    ]
    is_live = True
    with mock.patch(f"nbstream.views.terminal.{fault}", side_effect=KeyError("bug")):
        view.open(response)
        for number, _ in enumerate(answers.grow(response, steps)):
            try:
                if is_live and number < 4:
                    view.update(response)
            except KeyError:
                is_live = False
        view.close(answers.finish(response, "incomplete", OSError("cut off")))
    written = stream.getvalue()
    assert [written.count(word) for word in ("hm", "one", "two three")] == [1, 1, 1]
    assert ("[incomplete]" if fault == "mark" else "Incomplete: cut off") in written


# --- a panel ------------------------------------------------------------------------


def test_a_conversation_is_written_beside_the_answers(nb, server):
    """The static conversation of a long answer holds up no other answer."""
    server.reply(completion("The first."), completion("The second."))
    result = nb.run(
        textwrap.dedent("""
        import threading, time
        import nbstream.panel.transcript as transcript
        write, writing, may_end = transcript.turn_markdown, threading.Event(), threading.Event()
        def slow(*args, **more):
            writing.set()
            assert may_end.wait(10)
            return write(*args, **more)
        panel = nbstream.ChatPanel(model="replay-1")
        panel.open()
        with mock.patch.object(transcript, "turn_markdown", slow):
            panel.send("First?").wait(10)
            assert writing.wait(10)
            print(nbstream.Chat("replay-1", view="none").send("Second?").text)
            may_end.set()
            panel.close()
        """)
    )
    assert not result.error, result.error
    assert "The second." in result.stdout
    assert "The first." in result.outputs[-1]["text/markdown"]


@pytest.mark.parametrize(
    "fault", ["panel.window.Outline.advance", "render.saved.safe_markdown", "render.saved.mark"]
)
def test_a_panel_whose_view_fails_keeps_the_conversation(nb, server, fault):
    server.reply(CUT)
    result = nb.run(
        textwrap.dedent(f"""
        panel = nbstream.ChatPanel(model="replay-1")
        panel.open()
        window = panel.screen._window
        with mock.patch("nbstream.{fault}", side_effect=KeyError("bug")):
            panel.send("Go.").wait(10)
            while window.state()["turns"][0]["answer"]["end"] is None:
                time.sleep(0.01)
            panel.close()
        print(window.state()["turns"][0]["answer"]["end"]["mark"])
        """)
    )
    assert not result.error, result.error
    saved = result.outputs[-1]["text/markdown"]
    assert "The last words" in saved
    assert "⚠" in saved
    if fault.startswith("panel"):
        assert "saved below" in result.stdout
