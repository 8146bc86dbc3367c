"""MCP servers at an address that refuse, are none, break off or forget."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import metadata

import pytest
import trustme
from edge import Edge
from mcp_turns import (
    KEY,
    MCP,
    TOOL,
    Process,
    Script,
    Served,
    failure,
    run,
    said,
    says,
)
from replay import Cut, Gate, Hang, ReplayServer, Reply, Request, error, redirect, silence, whole

from nbstream.io_thread import io_thread
from nbstream.tools import mcp_client, mcp_connection
from nbstream.tools.mcp_servers import MCPToolError, close_all, mcp


@pytest.fixture
def victim() -> Iterator[Process]:
    """A server to do harm to."""
    running = Process()
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


# -- servers that refuse, or are none ----------------------------------------------

WEB_PAGE = whole("<html><title>Welcome</title>", kind="text/html")
NO_SERVER = "not as an MCP server · check the address http://{host}/mcp: it often ends in /mcp"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (error(401, "bad token"), "refused access (401): bad token · check what MCP_TOKEN holds"),
        (error(403, f"not {KEY}"), "refused access (403): not [key] · check what MCP_TOKEN holds"),
        (error(404), "has no MCP server there (404): no · check the address http://{host}/mcp"),
        (whole("no POST", 405, kind="text/plain"), "has no MCP server there (405): no POST ·"),
        (error(400, "which version?"), "answered Bad Request (400): which version? · check"),
        (error(429), "has had too many requests (429): no · wait, and try again"),
        (whole("<title>Down</title>", 503, kind="text/html"), "failed (503): Down · try again"),
        (Reply(["x", Hang()], 500), "failed (500) · try again"),
        (WEB_PAGE, f"answers with a web page, {NO_SERVER}"),
        (whole({"object": "list", "data": []}), f"answers with other JSON, {NO_SERVER}"),
        (whole("{", kind="application/json"), f"answers with other JSON, {NO_SERVER}"),
        (Reply((), 202, {}, framing="length"), f"answers with nothing, {NO_SERVER}"),
        (Reply(["data: {", Cut()]), "failed: "),
        (redirect("http://[bad"), "redirects to http://%5bbad (307) · if that is"),
        (redirect("/mcp"), "redirects without end · check the address"),
        (redirect("/elsewhere", 302), "redirects to http://{host}/elsewhere (302) · if that is"),
    ],
)
def test_a_server_that_cannot_be_used(server, monkeypatch, reply, message):
    monkeypatch.setattr(mcp_client, "_REFUSAL_TIME", 0.2)
    server.reply(*[reply] * 8, to=MCP)
    host = server.origin.removeprefix("http://")
    line = failure(server.origin + MCP, headers={"Authorization": "MCP_TOKEN"})
    assert line.startswith("no connection to MCP server test: ")
    assert message.format(host=host) in line
    assert " · " in line


def test_a_server_that_wants_a_key_says_how_to_name_one(server):
    server.reply(error(401, "who?"), to=MCP)
    line = failure(server.origin + MCP)
    assert "wants a key (401): who? · name the variable that holds it: headers=" in line
    assert "--header-env Authorization NAME" in line


def test_a_server_that_lists_no_tools_without_a_key(server):
    class Locked(Script):
        def __call__(self, request: Request) -> Reply:
            is_list = (request.json or {}).get("method") == "tools/list"
            return error(401, "who?") if is_list else super().__call__(request)

    line = failure(Locked().at(server), headers={"X-Key": "MCP_TOKEN"})
    assert line.startswith("MCP server test does not list its tools: ")
    assert line.endswith("refused access (401): who? · check what MCP_TOKEN holds")


def test_no_header_follows_a_redirect_to_another_place(server):
    with ReplayServer() as other:
        server.reply(redirect(f"{other.origin}/mcp?state={KEY}"), to=MCP)
        line = failure(server.origin + MCP, headers={"X-Key": "MCP_TOKEN"})
        assert f"redirects to {other.origin}/mcp (307) · if that is the server, take" in line
        assert other.requests == []


def test_a_slash_that_the_server_adds_is_followed(server):
    script = Script(says("found"))
    Script(says("found")).at(server)
    server.reply(*[script] * 20, to="/m/")
    server.reply(*[redirect("/m/")] * 20, to="/m")
    served = Served(mcp(server.origin + "/m", headers={"X-Key": "MCP_TOKEN"}))
    assert served.call("look") == "found"
    assert server.requests[-1].headers["x-key"] == KEY


def test_nothing_listens():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # a port at which nothing listens, and nothing can
        host = f"127.0.0.1:{bound.getsockname()[1]}"
        assert failure(f"http://{host}/mcp") == (
            f"no connection to MCP server test: No server at {host} (connection refused) · "
            "is the server running?"
        )


def test_a_certificate_that_is_not_trusted_can_be_set(server, tmp_path, monkeypatch):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(certificate)
    Script(says("safe")).at(server)
    with Edge(server.port, certificate).running() as edge:
        url = f"https://127.0.0.1:{edge.tls_port}/mcp"
        line = failure(url, headers={"X-Key": "MCP_TOKEN"})
        assert f"the certificate of 127.0.0.1:{edge.tls_port} is not trusted" in line
        assert line.endswith("if the CA is your own, set SSL_CERT_FILE to its certificates")
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert Served(mcp(url, headers={"X-Key": "MCP_TOKEN"})).call("look") == "safe"
        run(close_all())


def test_a_server_that_says_nothing(server, monkeypatch):
    monkeypatch.setattr(mcp_connection, "_START_TIME", 0.5)
    server.reply(silence(), to=MCP)
    url = server.origin + MCP
    assert failure(url) == (
        f"no connection to MCP server test: no answer within 0.5 s · check the address {url}"
    )


# -- its end -----------------------------------------------------------------------


def test_a_server_that_dies_in_a_call_is_connected_to_again(victim):
    served = Served(mcp(victim.url, name="test"))
    with pytest.raises(MCPToolError, match=r"^the connection to MCP server test has ended \("):
        served.call("leave")
    with pytest.raises(MCPToolError, match=r"; the next message makes a new one$"):
        served.call("greet", name="you")  # in the same turn
    victim.start()
    served.begin_turn()
    assert served.call("greet", name="you") == "Hello, you!"


def test_a_session_that_its_server_forgot_is_made_anew_with_the_next_turn(victim):
    served = Served(mcp(victim.url, name="test"))
    victim.kill()
    victim.start()  # it knows no session
    if metadata.version("mcp") >= "1.25":  # older servers say 400
        with pytest.raises(MCPToolError, match=r"has ended the session \(404\)"):
            served.call("greet", name="you")
    served.begin_turn()
    assert served.call("greet", name="you") == "Hello, you!"
    victim.kill()
    victim.start()
    served.begin_turn()  # and where a turn begins so, it is made at once
    assert served.call("greet", name="you") == "Hello, you!"


def test_a_key_that_changed_is_taken_with_the_next_connection(server, monkeypatch):
    keys = {f"Bearer {KEY}", "Bearer canary-of-tomorrow"}
    script = Script(says("done"))

    def locked(request: Request) -> Reply:
        is_right = request.headers["authorization"] in keys
        return script(request) if is_right else error(401, "expired")

    server.reply(*[locked] * 40, to=MCP)
    served = Served(mcp(server.origin + MCP, headers={"Authorization": "MCP_TOKEN"}))
    keys.remove(f"Bearer {KEY}")
    monkeypatch.setenv("MCP_TOKEN", "canary-of-tomorrow")
    served.begin_turn()
    assert served.call("look") == "done"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (error(500, f"oh {KEY}"), r"failed \(500\): oh \[key\] · try again"),
        (error(429), r"too many requests \(429\)"),
        (WEB_PAGE, "answers with a web page"),
        (Reply(["data: {\n\n"]), "ended its answer before the result|not a message of MCP"),
        (Reply([": thinking\n\n"]), "ended its answer before the result"),
        (Reply(['data: {"jsonrpc": "2.0", ', Cut(reset=True)]), "failed: "),
        (Reply([b": nothing\n\n" * 1000] * 10), "answers with more than 0 MB · ask for less"),
        (whole("x" * 99_999, kind="application/json"), "answers with more than 0 MB"),
    ],
)
def test_a_call_without_an_answer(server, monkeypatch, reply, message):
    monkeypatch.setattr(mcp_client, "MAX_BODY", 50_000)
    url = Script(reply, says("again"), says("again")).at(server)
    served = Served(mcp(url, headers={"Authorization": "MCP_TOKEN"}))
    with pytest.raises(MCPToolError, match=message) as caught:
        served.call("look")
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)
    served.begin_turn()
    assert served.call("look") == "again"


def test_an_error_in_one_call_leaves_the_others_and_the_session(server):
    def slow(request: Request) -> Reply:
        body = {"jsonrpc": "2.0", "id": request.json["id"], "result": said("slow")}
        return Reply([": soon\n\n", Gate("slow"), body])

    url = Script(slow, error(500), says("fast")).at(server)
    served = Served(mcp(url))
    open_call = served.start("look")
    assert server.wait_reached("slow")
    with pytest.raises(MCPToolError, match=r"failed \(500\)"):
        served.call("look")
    assert served.call("look") == "fast"
    server.open("slow")
    assert open_call.wait() == "slow"
    assert sum(each.json["method"] == "initialize" for each in server.requests) == 1


def test_an_answer_that_breaks_off_is_asked_for_again_where_it_has_an_id(server):
    def rest(request: Request) -> Reply:
        assert request.method == "GET"
        assert request.headers["last-event-id"] == "7"
        assert request.headers["x-key"] == KEY
        return Reply([{"jsonrpc": "2.0", "id": 2, "result": said("the rest")}])

    script = Script(Reply(["id: 7\nretry: 10\ndata:\n\n", Cut()]))
    server.reply(*[script] * 4, rest, script, to=MCP)
    served = Served(mcp(server.origin + MCP, headers={"X-Key": "MCP_TOKEN"}))
    assert served.call("look") == "the rest"


def test_a_rest_that_is_not_there_is_told(server):
    script = Script(Reply(["id: 7\nretry: 10\ndata:\n\n", Cut()]))
    server.reply(*[script] * 4, error(500, "gone"), script, to=MCP)
    served = Served(mcp(server.origin + MCP))
    with pytest.raises(MCPToolError, match=r"failed \(500\): gone"):
        served.call("look")


def test_what_a_description_repeats_is_not_shown(server):
    tool = {**TOOL, "description": f"Send {KEY} along."}
    served = Served(mcp(Script(tool=tool).at(server), headers={"X-Key": "MCP_TOKEN"}))
    assert served.tools["look"].description == "Send [key] along."


EXIT = """
import sys, time
from nbstream import mcp
from nbstream.io_thread import io_thread
from nbstream.tools import mcp_connection

mcp_connection._END_TIME = 100  # what ends in time ends by itself
server = mcp(sys.argv[1])
tools = {tool.name: tool for tool in io_thread.submit(server.tools()).wait()}
io_thread.submit(tools["look"].bind({})())
sys.stdin.readline()
"""


def test_a_hanging_server_does_not_hold_up_the_kernels_end(server):
    """The call hangs, and so does the end of the session."""
    script = Script(silence())

    def hanging(request: Request) -> Reply:
        return silence() if request.method == "DELETE" else script(request)

    server.reply(*[hanging] * 10, to=MCP)
    command = [sys.executable, "-c", EXIT, server.origin + MCP]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as kernel:
        assert server.wait_until(lambda: any(map(is_call, server.requests)), 60)
        kernel.communicate(b"\n", timeout=50)
        assert kernel.returncode == 0
    assert server.requests[-1].method == "DELETE"


def is_call(request: Request) -> bool:
    return (request.json or {}).get("method") == "tools/call"


def test_the_io_thread_goes_on_while_a_server_hangs(server):
    served = Served(mcp(Script(silence()).at(server)))
    call = served.start("look")
    assert server.wait_until(lambda: any(map(is_call, server.requests)))

    async def name() -> str:
        return threading.current_thread().name

    assert io_thread.submit(name()).wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        call.wait()
    run(close_all())
    assert mcp_connection._connections == set()
