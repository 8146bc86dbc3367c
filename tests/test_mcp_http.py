"""MCP servers at an address: what comes from them, and what goes to them."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
from collections.abc import Iterator
from importlib import metadata
from inspect import signature

import pytest
from mcp_turns import (
    KEY,
    SERVER,
    SESSION,
    Process,
    Script,
    Served,
    eventually,
    failure,
    run,
)
from replay import ReplayServer, Reply

from nbstream.errors import UsageError
from nbstream.keys import KeyName, kernel_keys
from nbstream.secret import Secret
from nbstream.tools.mcp_servers import MCPImage, MCPToolError, close_all, mcp


@pytest.fixture(scope="module", params=["", "json"], ids=["events", "json"])
def process(request) -> Iterator[Process]:
    """A server that answers in a stream of events, and one that answers in plain JSON."""
    running = Process(*filter(None, [request.param]))
    yield running
    run(close_all())
    running.kill()


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running
        run(close_all())


@pytest.fixture(autouse=True)
def token(monkeypatch) -> None:
    monkeypatch.setenv("MCP_TOKEN", KEY)


# -- tools and values ------------------------------------------------------------


def test_tools_and_values(process):
    served = Served(mcp(process.url))
    assert repr(served.server) == f"<MCPServer 127.0.0.1:{process.port}/mcp>"
    assert served.tools["greet"].description == "Greet somebody."
    assert served.call("greet", name="Ада") == "Hello, Ада!"
    assert isinstance(served.call("picture"), MCPImage)
    with pytest.raises(MCPToolError, match="no such city"):
        served.call("fail", why="no such city")
    both = [served.start("greet", name=name) for name in "ab"]
    assert [each.wait() for each in both] == ["Hello, a!", "Hello, b!"]


def test_a_session_lasts_over_turns_and_is_ended(process):
    served = Served(mcp(process.url))
    served.begin_turn()
    assert served.call("greet", name="you") == "Hello, you!"
    (session,) = {each.get(SESSION) for each in process.came("POST")[-2:]}
    assert session
    assert process.came("GET") == []  # what a server says unasked is not waited for
    del served  # as when the cell that made it runs again
    gc.collect()
    # Sessions of other tests may end meanwhile.
    assert eventually(lambda: session in [each[SESSION] for each in process.came("DELETE")])


def test_a_cancelled_call_ends_the_wait_at_once(process, tmp_path):
    served = Served(mcp(process.url))
    told, came = tmp_path / "told", len(process.came("POST"))
    call = served.start("wait", seconds=60, told=str(told))
    assert eventually(lambda: len(process.came("POST")) > came)
    started = time.monotonic()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        call.wait()
    assert time.monotonic() - started < 30  # of the 60 that the call takes
    assert served.call("greet", name="you") == "Hello, you!"
    if not metadata.version("mcp").startswith("1."):  # that one does not tell the server
        assert eventually(told.exists)


def test_a_large_picture_comes_whole(server):
    from mcp.client.streamable_http import streamable_http_client

    major = metadata.version("mcp").partition(".")[0]
    if major == "2" and "max_sse_event_size" not in signature(streamable_http_client).parameters:
        pytest.skip("this version of the SDK bounds an event, and cannot be told otherwise")
    data = "iVBORw0KGgoA" * 300_000  # more than the SDK's own bound for an event
    content = {"content": [{"type": "image", "mimeType": "image/png", "data": data}]}
    url = Script(lambda r: Reply([{"jsonrpc": "2.0", "id": r.json["id"], "result": content}])).at(
        server
    )
    assert len(Served(mcp(url, headers={"X-Key": "MCP_TOKEN"})).call("look").data) > 2_000_000


# -- what goes along -------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "value", "sent"),
    [
        ("Authorization", KEY, f"Bearer {KEY}"),
        ("authorization", f"Bearer {KEY}", f"Bearer {KEY}"),
        ("Authorization", f"Basic {KEY}", f"Basic {KEY}"),
        ("X-Api-Key", KEY, KEY),
        ("X-Api-Key", f" {KEY}\n", KEY),
    ],
)
def test_a_header_has_the_value_of_a_variable(process, monkeypatch, caplog, header, value, sent):
    caplog.set_level(logging.DEBUG)
    server = mcp(process.url, headers={header: "MCP_TOKEN"})
    monkeypatch.setenv("MCP_TOKEN", value)  # it is read when the connection is made
    served = Served(server)
    assert process.came("POST")[-1][header.lower()] == sent
    assert served.call("greet", name="you") == "Hello, you!"
    assert caplog.records
    assert KEY not in caplog.text
    echo = served.call("requests")  # as a server does that repeats what it gets
    assert KEY not in json.dumps(echo)
    assert "[key]" in echo[-1]["headers"][header.lower()]
    assert KEY not in repr(server) + str(vars(server)) + repr(served.tools)
    run(server.close())


def test_a_typed_key_stands_in_for_a_variable(process, monkeypatch):
    monkeypatch.delenv("MCP_TOKEN")
    message = failure(process.url, headers={"Authorization": "MCP_TOKEN"})
    assert message == (
        "no connection to MCP server test: MCP_TOKEN is not set, and a header takes its value "
        "from there · type it into %chat key MCP_TOKEN, or set the environment variable"
    )
    kernel_keys.keep(KeyName("MCP_TOKEN"), Secret(KEY))
    try:
        Served(mcp(process.url, headers={"Authorization": "MCP_TOKEN"}))
    finally:
        kernel_keys.forget(KeyName("MCP_TOKEN"))
    assert process.came("POST")[-1]["authorization"] == f"Bearer {KEY}"


def test_a_variable_that_no_header_can_carry(process, monkeypatch):
    monkeypatch.setenv("MCP_TOKEN", f"{KEY}\n{KEY}")
    message = failure(process.url, headers={"X-Key": "MCP_TOKEN"})
    assert "MCP_TOKEN has a character that an HTTP header cannot carry · copy it again" in message


@pytest.mark.parametrize(
    "settings",
    [
        {"headers": {"Authorization": f"Bearer {KEY}"}},
        {"headers": {"Authorization": "sk-proj-canary-0123456789"}},
        {"headers": {"Authorization": "ghp_canary0123456789abcd"}},
        {"headers": {f"X: {KEY}": "MCP_TOKEN"}},
        {"env": {"TOKEN": KEY}},
    ],
)
def test_a_value_in_place_of_a_name_is_not_repeated(settings):
    with pytest.raises(UsageError) as caught:
        mcp("https://mcp.example.com/mcp", **settings)
    assert "canary" not in str(caught.value)
    assert "header" in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["http://", "https:/mcp.example.com", "https://h:port/mcp", "https://h/a b", "http://[h/mcp"],
)
def test_what_is_no_address(address):
    with pytest.raises(UsageError, match="not the address of an MCP server; it looks like"):
        mcp(address)


def test_what_else_is_refused_at_once():
    with pytest.raises(UsageError, match="name the variable") as caught:
        mcp(f"https://me:{KEY}@mcp.example.com/mcp")
    assert KEY not in str(caught.value)
    with pytest.raises(UsageError, match="headers= is for an address"):
        mcp(SERVER, headers={"Authorization": "MCP_TOKEN"})
    assert mcp(f"HTTPS://mcp.example.com/mcp/?key={KEY}").name == "mcp.example.com/mcp"


def test_the_environments_proxy_does_not_stand_before_this_machine(process, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert Served(mcp(process.url)).call("greet", name="you") == "Hello, you!"
