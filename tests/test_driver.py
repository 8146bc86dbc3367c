"""A turn from the socket to the closed record, over real HTTP."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from replay import (
    Hang,
    Reply,
    Wait,
    chunk,
    completion,
    cut,
    error,
    models,
    redirect,
    silence,
    whole,
)

from nbstream import errors
from nbstream.chat import Chat
from nbstream.driver import Question, start
from nbstream.messages import Message
from nbstream.pacer import Pacer
from nbstream.request import Deadlines, Options
from nbstream.response import Response
from nbstream.transport import exchange
from nbstream.transport.unread import unread_bytes
from nbstream.views.protocol import NullView
from nbstream.wire.sse import Decoder


class Recorder(NullView):
    """A view that writes down what it is told."""

    def __init__(self):
        self.calls = []
        self.texts = []
        self.notices = []
        self.shown = threading.Event()

    def open(self, response):
        self.calls.append("open")

    def update(self, response):
        self.calls.append("update")
        self.texts.append(response.text)
        self.notices.append(response.notice)
        self.shown.set()

    def close(self, response):
        self.calls.append(f"close {response.status}")
        self.texts.append(response.text)


def begin(base_url, view=None, *, model="replay-1", max_retries=2, observe=None, **options):
    prompt = Message("user", "Hello?")
    deadlines = Deadlines(**options.pop("deadlines", {}))
    options = Options(
        model=model, base_url=base_url, max_retries=max_retries, deadlines=deadlines, **options
    )
    response = Response([prompt], model=model)
    return start(Question((prompt,), options), response, [view or NullView()], observe=observe)


def test_an_answer(replay):
    replay.reply(completion("Hello, wörld 🌍!", reasoning="hm", piece=3))
    view = Recorder()
    response = begin(replay.base_url, view, temperature=0.5, params={"top_k": 3}).wait()
    assert response.status == "complete"
    assert response.text == "Hello, wörld 🌍!"
    assert response.reasoning == "hm"
    assert response.finish_reason == "stop"
    assert response.usage.total_tokens == response.usage.completion_tokens + 7
    assert 0 < response.timing.first_token <= response.timing.duration
    assert [m.role for m in response.messages] == ["user", "assistant"]
    assert view.calls[0] == "open"
    assert view.calls[-1] == "close complete"
    assert view.calls[1:-1] == ["update"] * (len(view.calls) - 2)
    sent = replay.requests[0].json
    assert sent["messages"] == [{"role": "user", "content": "Hello?"}]
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}
    assert (sent["temperature"], sent["top_k"]) == (0.5, 3)


def test_half_a_character_in_a_prompt_breaks_no_request(replay):
    replay.reply(completion("A file."), completion("Yes."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none", params={"user": "\udce9"})
    chat.send(os.fsdecode(b"What is caf\xe9.txt?"))
    chat.send("Sure?")
    first, second = (request.json for request in replay.requests)
    assert first["messages"] == [{"role": "user", "content": "What is caf\ufffd.txt?"}]
    assert second["messages"][0] == first["messages"][0]
    assert first["user"] == "\ufffd"
    assert chat.messages[0].content == os.fsdecode(b"What is caf\xe9.txt?")


def test_what_comes_is_shown_as_it_comes(replay):
    replay.reply(completion(["one ", "two ", "three"], gate="piece"))
    view = Recorder()
    run = begin(replay.base_url, view)
    for number, so_far in enumerate(["one ", "one two ", "one two three"]):
        replay.open(f"piece-{number}")
        deadline = time.monotonic() + 5
        while so_far not in view.texts:
            assert time.monotonic() < deadline, view.texts
            time.sleep(0.005)
    assert run.wait().text == "one two three"


def test_a_rest_takes_all_that_came_meanwhile(replay, monkeypatch):
    """Also where each piece takes so long as if it had been waited for."""
    rests = []
    rest, feed = Pacer.rest, Decoder.feed

    async def counted(pacer, unread):
        rests.append(pacer)
        await rest(pacer, unread)

    def slow(decoder, data):
        time.sleep(0.002)
        return feed(decoder, data)

    monkeypatch.setattr(Pacer, "rest", counted)
    monkeypatch.setattr(Decoder, "feed", slow)
    replay.reply(completion(["piece "] * 300, pace=0.005))
    assert begin(replay.base_url).wait().text == "piece " * 300
    assert 1 <= len(rests) <= 120


def test_a_short_answer_is_read_without_a_rest(replay, monkeypatch):
    """Nobody waits for a frame where the answer ends before it is due."""
    rests = []

    async def counted(pacer, unread):
        rests.append(unread())

    monkeypatch.setattr(Pacer, "rest", counted)
    monkeypatch.setattr(exchange, "_SHORT", 60)
    replay.reply(completion(["piece "] * 30, pace=0.003))
    assert begin(replay.base_url).wait().text == "piece " * 30
    assert rests == []
    monkeypatch.setattr(exchange, "_SHORT", 0)
    replay.reply(completion(["piece "] * 30, pace=0.003))
    assert begin(replay.base_url).wait().text == "piece " * 30
    assert rests


@pytest.mark.parametrize(("counts", "sleeps"), [([5], 1), ([0, 7], 2), ([1, 2, 3, 4], 4)])
def test_a_rest_ends_where_nothing_more_comes(monkeypatch, counts, sleeps):
    """The end of a stream is a pause like any other, and who waits for it has it at once."""
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    async def rest():
        pacer = Pacer([], Response())
        pacer._due = asyncio.get_running_loop().time() + 3600
        following = iter([*counts, *[counts[-1]] * 2])
        with monkeypatch.context() as patched:
            patched.setattr("nbstream.pacer.asyncio.sleep", sleep)
            await pacer.rest(lambda: next(following))

    asyncio.run(rest())
    assert len(slept) == sleeps


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not count there")
def test_bytes_that_nobody_has_read_are_counted():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = SimpleNamespace(get_extra_info=lambda name: {"socket": ours}[name])
        unread = unread_bytes(SimpleNamespace(extensions={"network_stream": stream}))
        assert unread() == 0
        theirs.sendall(b"x" * 300)
        assert unread() == 300
        ours.recv(100)
        assert unread() == 200
    assert unread() == 0  # closed
    assert unread_bytes(SimpleNamespace(extensions={}))() == 0


def test_text_before_an_end_of_thinking_is_reasoning(replay):
    replay.reply(completion(["Two and two.\n</thi", "nk>\n\nIt is 4."]))
    response = begin(replay.base_url).wait()
    assert (response.text, response.reasoning) == ("It is 4.", "Two and two.")
    (turn,) = response.rounds
    assert turn.message().to_api() == {"role": "assistant", "content": "It is 4."}
    assert (
        "Two and two." not in response._repr_mimebundle_()["text/markdown"].split("</details>")[1]
    )


def test_frames_are_coalesced(replay):
    replay.reply(completion(["x"] * 3000))
    view = Recorder()
    started = time.monotonic()
    run = begin(replay.base_url, view)
    run.wait()
    seconds = time.monotonic() - started
    assert view.calls.count("update") <= 2 + 30 * seconds


def test_text_that_nobody_can_read_so_fast_takes_fewer_frames(replay):
    replay.reply(completion(["x" * 40 + " "] * 400, pace=0.01))
    view = Recorder()
    started = time.monotonic()
    begin(replay.base_url, view).wait()
    assert view.calls.count("update") <= 3 + 8 * (time.monotonic() - started)


def test_events_are_observed_in_order(replay):
    replay.reply(completion(["a", "b"]))
    kinds = []
    begin(replay.base_url, observe=lambda event: kinds.append(event.kind)).wait()
    assert [k for k in kinds if k in ("text", "finish", "usage", "done")] == [
        "text",
        "text",
        "finish",
        "usage",
        "done",
    ]


def test_a_view_that_fails_does_not_fail_the_answer(replay, caplog):
    class Broken(NullView):
        def update(self, response):
            raise RuntimeError("paint is out")

    replay.reply(completion("fine"))
    assert begin(replay.base_url, Broken()).wait().text == "fine"
    assert "paint is out" in caplog.text


# --- stopping -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        silence(),
        Reply([chunk({"content": "part"}), Hang()]),
        Reply([b": ping\n\n", Hang()]),
        error(503, "busy", retry_after="50"),
    ],
    ids=["no answer", "after a part", "keep-alive only", "waiting to retry"],
)
def test_cancel_at_any_stage_is_quick_and_the_server_sees_it(replay, reply):
    replay.reply(reply)
    run = begin(replay.base_url)
    while not replay.requests:
        time.sleep(0.005)
    time.sleep(0.1)
    asked = time.monotonic()
    run.response.cancel()
    response = run.wait()
    assert time.monotonic() - asked < 0.5
    assert response.status == "cancelled"
    assert isinstance(response.error, errors.Interrupted)
    request = replay.requests[0]
    assert request.aborted.wait(2) or request.finished.is_set()
    assert response.text in ("", "part")


def test_cancel_before_the_first_step_still_closes_the_record(replay):
    replay.fallback = completion("x")
    for _ in range(50):
        run = begin(replay.base_url)
        run.response.cancel()
        response = run.wait()
        assert response.done
        assert response.status in ("cancelled", "complete")


# --- deadlines ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "deadlines", "status", "says"),
    [
        (silence(), {"first_token": 0.2}, "error", "within 0.2 s"),
        (
            Reply([b": ping\n\n", Wait(0.15)] * 10),
            {"first_token": 0.4},
            "error",
            "within 0.4 s",
        ),
        (
            Reply([chunk({"content": "part"}), Hang()]),
            {"idle": 0.2},
            "incomplete",
            "for 0.2 s",
        ),
        (
            Reply([chunk({"content": "x"}), Wait(0.05)] * 100),
            {"total": 1.5},
            "incomplete",
            "longer than 1.5 s",
        ),
    ],
    ids=["silence", "keep-alives only", "stall", "total"],
)
def test_deadlines(replay, reply, deadlines, status, says):
    replay.reply(reply)
    response = begin(replay.base_url, deadlines=deadlines).wait()
    assert response.status == status
    assert isinstance(response.error, errors.APITimeoutError)
    assert says in str(response.error)
    assert bool(response.text) == (status == "incomplete")


@pytest.mark.parametrize(
    "nothing",
    [
        lambda n: chunk({}, id=f"id-{n}"),
        lambda n: chunk({"content": ""}, model=f"m-{n}"),
        lambda n: chunk(None, usage={"completion_tokens": n}),
        lambda n: chunk({}, status=n),
    ],
    ids=["id", "model", "usage", "unknown field"],
)
def test_chunks_that_carry_nothing_are_no_progress(replay, nothing):
    steps = [step for n in range(30) for step in (nothing(n), Wait(0.1))]
    replay.reply(Reply([chunk({"content": "part"}), *steps]))
    response = begin(replay.base_url, deadlines={"idle": 0.3}).wait()
    assert (response.status, response.text) == ("incomplete", "part")
    assert "for 0.3 s" in str(response.error)


def test_a_server_that_stalls_after_the_finish_reason_has_answered(replay, monkeypatch):
    monkeypatch.setattr("nbstream.transport.exchange._FINISH_GRACE", 0.2)
    replay.reply(Reply([chunk({"content": "all"}), chunk({}, finish="stop"), Hang()]))
    response = begin(replay.base_url).wait()
    assert (response.status, response.text) == ("complete", "all")


def test_a_server_that_stalls_after_the_end_has_answered(replay):
    replay.reply(Reply([*completion("all").body, Hang()]))
    response = begin(replay.base_url, deadlines={"idle": 60}).wait()
    assert (response.status, response.text) == ("complete", "all")


def test_each_request_has_a_connection_of_its_own(replay):
    """One that is kept may just be closing: what is sent over it then fails."""
    replay.fallback = completion("Hello.")
    for _ in range(3):
        assert begin(replay.base_url).wait().status == "complete"
    assert [request.connection for request in replay.requests] == [0, 1, 2]
    assert all(request.finished.wait(5) for request in replay.requests)
    assert replay.wait_until(lambda: replay.connections_open == 0)


# --- faults -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "error_type", "says"),
    [
        (error(401, "Incorrect API key"), errors.AuthenticationError, "set OPENAI_API_KEY"),
        (error(403, "no"), errors.AuthenticationError, "403"),
        (error(404, "model not found"), errors.NotFoundError, "nearest: replay-1"),
        (error(400, "maximum context length is 10"), errors.BadRequestError, "%chat reset"),
        (
            whole({"detail": [{"loc": ["body", "n"], "msg": "too large"}]}, 422),
            errors.BadRequestError,
            "body.n: too large",
        ),
        (redirect("http://elsewhere.invalid/v1"), errors.APIStatusError, "redirects elsewhere"),
        (
            whole({"error": {"message": "pay", "code": "insufficient_quota"}}, 429),
            errors.RateLimitError,
            "billing",
        ),
        (error(429, "later", retry_after="300"), errors.RateLimitError, "429"),
    ],
    ids=["401", "403", "404", "context", "422", "redirect", "quota", "long wait"],
)
def test_error_statuses_are_not_retried_and_say_what_to_do(replay, reply, error_type, says):
    replay.reply(reply)
    response = begin(replay.base_url, model="replay-2").wait()
    assert response.status == "error"
    assert type(response.error) is error_type
    assert says in str(response.error)
    assert "\n" not in response.error._render_traceback_()[0]
    assert sum(r.method == "POST" for r in replay.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"error": "insufficient_quota"},
        "insufficient_quota",
        {"error": {"message": "no", "code": "billing_error", "type": "insufficient_quota"}},
        {"error": {"message": "no", "code": 429, "status": "insufficient_quota"}},
        {"error": {"message": f"upstream: {'x' * 400} {{'type': 'insufficient_quota'}}"}},
        {"detail": "Error code: 429 - {'error': {'type': 'insufficient_quota'}}"},
    ],
)
def test_a_spent_quota_is_not_tried_again_wherever_it_is_said(replay, body):
    replay.reply(whole(body, 429))
    response = begin(replay.base_url).wait()
    assert "says that the quota is spent (429)" in str(response.error)
    assert "check the plan and billing" in str(response.error)
    assert len(replay.requests) == 1


def test_a_spent_quota_inside_the_stream_says_so(replay):
    body = [chunk({"content": "half"}), {"error": {"message": "insufficient_quota", "code": 429}}]
    replay.reply(Reply(body))
    assert "check the plan and billing" in str(begin(replay.base_url).wait().error)


def test_a_key_that_the_server_echoes_is_not_shown(replay, monkeypatch):
    monkeypatch.setenv("MINE", "sk-canary-0123456789")
    replay.reply(error(401, "Incorrect API key: sk-canary-0123456789"))
    response = begin(replay.base_url, api_key_env="MINE").wait()
    assert "canary" not in str(response.error)
    assert "check MINE" in str(response.error)
    assert replay.requests[0].headers["authorization"] == "Bearer sk-canary-0123456789"


@pytest.mark.parametrize("escaped", ["canary%2F0123%2B456", "canary/0123&#43;456"])
@pytest.mark.parametrize("status", [401, 200])
def test_a_key_that_the_server_escapes_is_not_shown(replay, monkeypatch, status, escaped):
    monkeypatch.setenv("MINE", "canary/0123+456")
    replay.reply(whole({"error": {"message": f"not valid: {escaped}", "code": escaped}}, status))
    response = begin(replay.base_url, api_key_env="MINE").wait()
    assert "not valid: [key]" in str(response.error)
    assert "canary" not in f"{response.error} {response.error.code} {response.to_dict()}"


def test_retries_are_visible_and_bounded(replay):
    replay.reply(*[error(503, "busy", retry_after="0.2")] * 3)
    view = Recorder()
    kinds = []
    run = begin(replay.base_url, view, observe=lambda event: kinds.append(event.kind))
    response = run.wait()
    assert response.status == "error"
    assert kinds.count("retry") == 2
    assert any(
        notice.startswith("Server error (503). Retrying in 1 s, attempt 1 of 2")
        for notice in view.notices
    )
    assert len(replay.requests) == 3
    assert response.notice == ""


def test_a_retry_can_succeed(replay):
    replay.reply(error(500, "oops", retry_after="0"), completion("fine"))
    assert begin(replay.base_url).wait().text == "fine"


def test_nothing_is_retried_after_output(replay):
    replay.reply(cut(completion("Hello, world, how are you?"), 900))
    response = begin(replay.base_url).wait()
    assert response.status == "incomplete"
    assert isinstance(response.error, errors.IncompleteError)
    assert response.text
    assert len(replay.requests) == 1


def test_stream_options_refused_is_asked_again_without(replay):
    replay.reply(error(400, "Unknown field: stream_options"), completion("fine"))
    assert begin(replay.base_url).wait().text == "fine"
    assert "stream_options" not in replay.requests[1].json


def test_nothing_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    response = begin(f"http://127.0.0.1:{port}/v1").wait()
    assert isinstance(response.error, errors.APIConnectionError)
    assert "connection refused" in str(response.error)
    assert response.error.__cause__ is not None


def test_an_error_inside_the_stream_keeps_the_part(replay):
    replay.reply(Reply([chunk({"content": "part"}), {"error": {"message": "overloaded"}}]))
    response = begin(replay.base_url).wait()
    assert response.status == "error"
    assert isinstance(response.error, errors.APIResponseError)
    assert "overloaded" in str(response.error)
    assert response.text == "part"


def test_an_absurd_usage_does_not_keep_the_answer_open(replay):
    usage = f'data: {{"choices": [], "usage": {{"completion_tokens": {10**400}}}}}\n\n'.encode()
    pieces = [chunk({"content": "a"}), Wait(0.1), chunk({"content": "b"}, finish="stop"), usage]
    replay.reply(Reply(pieces))
    run = begin(replay.base_url)
    assert run.response.wait(5)
    assert (run.response.status, run.response.text) == ("complete", "ab")
    assert run.response.usage.completion_tokens is None


def test_a_json_answer_is_an_answer(replay):
    body = {
        "object": "chat.completion",
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    replay.reply(whole(body))
    response = begin(replay.base_url).wait()
    assert (response.status, response.text) == ("complete", "hi")
    assert response.usage.total_tokens == 3


def test_an_html_page_is_an_error(replay):
    replay.reply(whole("<html><title>Sign in</title></html>", kind="text/html"))
    response = begin(replay.base_url).wait()
    assert response.status == "error"
    assert "Sign in" in str(response.error)


# --- models -------------------------------------------------------------------------


def test_the_only_model_is_taken(replay):
    replay.models = ["just-this"]
    replay.reply(completion("x"))
    response = begin(replay.base_url, model=None).wait()
    assert replay.requests[-1].json["model"] == "just-this"
    assert response.status == "complete"


def test_several_models_are_named(replay):
    replay.reply(models(["a", "b"]), to="/v1/models")
    response = begin(replay.base_url, model=None).wait()
    assert isinstance(response.error, errors.ConfigurationError)
    assert "a, b" in str(response.error)


# --- leaks --------------------------------------------------------------------------


def test_many_answers_leave_nothing_behind(replay):
    replay.fallback = completion("Hello, world", pace=0.001)
    begin(replay.base_url).wait()
    threads = threading.active_count()
    for number in range(40):
        run = begin(replay.base_url)
        if number % 2:
            time.sleep(0.002 * (number % 7))
            run.response.cancel()
        assert run.wait().done
    gc.collect()
    assert threading.active_count() <= threads + 1

    from nbstream.io_thread import io_thread

    async def others():
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    deadline = time.monotonic() + 5
    while io_thread.submit(others()).wait():  # generators that are closed are tasks for a moment
        assert time.monotonic() < deadline
    while replay.connections_open > 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
