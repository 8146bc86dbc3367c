"""The replay server does on the wire what its scripts say."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from replay import (
    CHAT,
    DONE,
    Cut,
    Gate,
    Hang,
    ReplayServer,
    Reply,
    Wait,
    chunk,
    completion,
    cut,
    encode,
    error,
    models,
    redirect,
    sample,
    silence,
)

ASK = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}


def ask(server: ReplayServer, path: str = CHAT) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Content-Type": "application/json", "X-Test": "yes"}
    connection.request("POST", path, json.dumps(ASK), headers)
    return connection.getresponse()


def events(data: bytes) -> list[dict]:
    lines = [line for line in data.decode().split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def bytes_of(reply: Reply) -> bytes:
    return b"".join(encode(step) for step in reply.body)


def raw(server: ReplayServer) -> tuple[bytes, BaseException | None]:
    """Everything that comes over the socket, and how it ended."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}"
        connection.sendall(head.encode())
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError as reset:
            return received, reset
    return received, None


def test_a_completion_is_a_stream_of_chunks_with_usage_and_done(replay):
    call = {"name": "look", "arguments": {"city": "Köln"}}
    replay.reply(completion("Hello, world", reasoning="hm", tool_calls=[call]))
    response = ask(replay)
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    chunks = events(response.read())
    deltas = [c["choices"][0]["delta"] for c in chunks if c["choices"]]
    assert "".join(d.get("content", "") for d in deltas) == "Hello, world"
    assert "".join(d.get("reasoning_content", "") for d in deltas) == "hm"
    functions = [c["function"] for d in deltas for c in d.get("tool_calls", ())]
    assert functions[0]["name"] == "look"
    assert json.loads("".join(f["arguments"] for f in functions)) == {"city": "Köln"}
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == len(deltas) - 2


def test_requests_are_recorded(replay):
    replay.reply(completion("a"), completion("b"))
    for _ in range(2):
        ask(replay).read()
    first, second = replay.requests
    assert (first.method, first.path, first.json) == ("POST", CHAT, ASK)
    assert first.headers["x-test"] == "yes"
    assert second.connection > first.connection
    assert replay.wait_until(lambda: first.finished.is_set() and second.finished.is_set())
    assert not first.aborted.is_set()


def test_a_connection_is_kept_open_for_the_next_request(replay):
    replay.reply(completion("a"), error(429, "slow down", retry_after="2"))
    connection = http.client.HTTPConnection("127.0.0.1", replay.port, timeout=10)
    connection.request("POST", CHAT, "{}")
    connection.getresponse().read()
    connection.request("POST", CHAT, "{}")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["retry-after"]) == (429, "2")
    assert json.load(answer)["error"]["message"] == "slow down"
    assert {r.connection for r in replay.requests} == {0}
    assert replay.connections_open == 1
    connection.close()
    assert replay.wait_until(lambda: replay.connections_open == 0)


def test_each_piece_waits_for_its_gate(replay):
    replay.reply(completion(["one", "two", "three"], gate="piece"))
    response = ask(replay)
    assert b"role" in response.readline()
    response.readline()
    for number, word in enumerate(["one", "two", "three"]):
        assert replay.wait_reached(f"piece-{number}")
        sent = replay.requests[0].sent
        time.sleep(0.02)
        assert replay.requests[0].sent == sent
        replay.open(f"piece-{number}")
        assert word in response.readline().decode()
        response.readline()
    assert DONE.strip() in response.read()


def test_waits_do_not_drift(replay):
    replay.reply(Reply([Wait(0.002), b"x"] * 100))
    started = time.monotonic()
    assert ask(replay).read() == b"x" * 100
    assert 0.19 < time.monotonic() - started < 1.0


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_a_body_is_framed_in_each_way(replay, framing):
    reply = completion("Hello", framing=framing)
    replay.reply(reply)
    assert ask(replay).read() == bytes_of(reply)


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize("at", [0, 1, 7, 200, 1000])
def test_a_body_is_cut_at_a_byte(replay, framing, at):
    reply = completion("Hello, world", framing=framing)
    replay.reply(cut(reply, at))
    response = ask(replay)
    if framing == "close":
        assert response.read() == bytes_of(reply)[:at]
        return
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    assert caught.value.partial == bytes_of(reply)[:at]


def test_a_body_cannot_be_cut_behind_its_end():
    with pytest.raises(ValueError, match="cannot be cut at 99"):
        cut(Reply([b"12345"]), 99)


def test_a_connection_ends_with_fin_or_rst(replay):
    replay.reply(Reply([b"part", Cut()]), Reply([b"part", Cut(reset=True)]))
    received, how = raw(replay)
    assert received.endswith(b"part\r\n")
    assert how is None
    _, how = raw(replay)
    assert isinstance(how, ConnectionResetError)


def test_a_reply_can_be_the_whole_wire(replay):
    replay.reply(Reply([b"HTTP/1.1 two hundred\r\n\r\n"], framing="raw"))
    assert raw(replay) == (b"HTTP/1.1 two hundred\r\n\r\n", None)


@pytest.mark.parametrize(
    "reply",
    [
        silence(),
        Reply([b"a", Hang()]),
        Reply([Gate("never")]),
        Reply([Wait(100)]),
        Reply(itertools.repeat(chunk({"content": "on and on"}))),
        Reply(itertools.cycle([Wait(0.01), b": keep-alive\n\n"])),
    ],
    ids=["silent", "hang", "gate", "wait", "endless", "keep-alives"],
)
def test_the_server_sees_the_client_go(replay, reply):
    replay.reply(reply)
    connection = http.client.HTTPConnection("127.0.0.1", replay.port, timeout=10)
    connection.request("POST", CHAT, "{}")
    assert replay.wait_requests(1)
    time.sleep(0.05)
    assert replay.connections_open == 1
    connection.close()
    assert replay.requests[0].aborted.wait(1)
    assert replay.wait_until(lambda: replay.connections_open == 0, 1)
    assert not replay.requests[0].finished.is_set()


def test_a_reply_can_be_a_function_of_the_request(replay):
    replay.fallback = lambda request: completion(request.json["messages"][0]["content"])
    chunks = events(ask(replay).read())
    assert chunks[1]["choices"][0]["delta"]["content"] == "hi"


def test_other_paths_have_queues_of_their_own(replay):
    replay.reply(models(["b"]), to="/v1/models")
    replay.reply(redirect("http://127.0.0.1:1/v1/chat/completions"))
    for expected in (["b"], ["replay-1"]):
        with urllib.request.urlopen(f"{replay.base_url}/models") as answer:
            assert [m["id"] for m in json.load(answer)["data"]] == expected
    assert ask(replay, "/chat/completions").status == 404
    answer = ask(replay, f"{CHAT}?api-version=1")
    assert (answer.status, answer.headers["location"][:19]) == (307, "http://127.0.0.1:1/")


def test_a_request_without_a_reply_is_noted():
    with ReplayServer() as server:
        assert ask(server).status == 400
        assert server.unexpected == server.requests


def test_stop_ends_what_still_streams():
    server = ReplayServer()
    server.reply(silence(), Reply(itertools.repeat(b"x" * 1000)))
    connections = [http.client.HTTPConnection("127.0.0.1", server.port) for _ in range(2)]
    for connection in connections:
        connection.request("POST", CHAT, "{}")
    assert server.wait_requests(2)
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 2
    assert server.connections_open == 0
    assert not any(request.aborted.is_set() for request in server.requests)
    for connection in connections:
        connection.close()


def test_it_runs_as_a_process_with_a_script(tmp_path):
    script = tmp_path / "script.json"
    body = ["data: {}\n\n", {"gate": "go"}, {"wait": 0.01}, {"sse": {"a": 1}}, {"cut": "fin"}]
    replies = [{"completion": {"text": "Hello"}}, {"body": body, "framing": "close"}]
    script.write_text(json.dumps(replies))
    command = [sys.executable, Path(__file__).with_name("replay.py"), "--script", script]
    with subprocess.Popen(
        [*command, "--tokens", "50", "--rate", "1000"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        url = process.stdout.readline().strip()

        def post(path: str) -> http.client.HTTPResponse:
            return urllib.request.urlopen(urllib.request.Request(path, b"{}"), timeout=10)

        assert len(events(post(f"{url}/chat/completions").read())) == 5
        gated = post(f"{url}/chat/completions")
        post(url.replace("/v1", "/_control/open/go"))
        assert gated.read() == b'data: {}\n\ndata: {"a": 1}\n\n'
        answer = events(post(f"{url}/chat/completions").read())
        text = "".join(c["choices"][0]["delta"].get("content", "") for c in answer[:-1])
        assert text == "".join(sample(50))
        process.stdin.close()
        assert process.wait(5) == 0
