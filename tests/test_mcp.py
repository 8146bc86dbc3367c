"""MCP servers: real processes over stdio, on the real I/O thread."""

from __future__ import annotations

import asyncio
import gc
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from typing import Any

import psutil
import pytest
from mcp_turns import (
    SERVER,
    SOON,
    Served,
    eventually,
    run,
)

import nbstream
from nbstream.errors import ConfigurationError, UsageError
from nbstream.io_thread import io_thread
from nbstream.tools import mcp_connection, mcp_servers
from nbstream.tools.mcp_servers import MCPImage, MCPToolError, close_all, mcp
from nbstream.tools.tool import Tool, ToolSource
from nbstream.tools.toolbox import Toolbox

SILENT = [sys.executable, "-c", "import sys; sys.stdin.read()"]  # never answers


def processes(mark: str) -> list[psutil.Process]:
    """The children of this process that were started with the argument `mark`."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            if mark in process.cmdline():
                found.append(process)
    return found


@pytest.fixture(scope="module")
def kept() -> Iterator[Served]:
    """One server for the tests that leave it as it is."""
    yield Served(mcp(SERVER))
    run(close_all())


@pytest.fixture(scope="module")
def victim() -> Iterator[Served]:
    yield Served(mcp(SERVER, name="test"))
    run(close_all())


@pytest.fixture
def served(victim) -> Served:
    """A server to do harm to."""
    victim.begin_turn()
    return victim


# -- tools and values ------------------------------------------------------------


def test_a_server_is_a_source_of_tools(kept):
    assert isinstance(kept.server, ToolSource)
    greet = kept.tools["greet"]
    assert greet.description == "Greet somebody."
    assert greet.parameters["type"] == "object"
    assert list(greet.parameters["properties"]) == ["name"]
    assert greet.parameters["required"] == ["name"]
    assert greet.is_async
    assert not greet.approve


@pytest.mark.parametrize(
    ("approve", "asks"),
    [(None, {"destructiveHint"}), (False, set()), (True, None)],
)
def test_a_tool_asks_where_its_server_says_that_it_destroys(kept, approve, asks):
    """Not where it says nothing, and not where it says as well that the tool only reads."""
    server = mcp(SERVER, approve=approve)
    server._connection = kept.server._connection
    tools = {tool.name: tool.approve for tool in run(server.tools())}
    hinted = {"destructiveHint_readOnlyHint", "readOnlyHint", "openWorldHint", "untouched"}
    assert tools.keys() >= {*hinted, "additive", "destructiveHint"}
    assert {name for name in tools if tools[name]} == (set(tools) if asks is None else asks)


@pytest.mark.parametrize(
    ("annotations", "asks"),
    [
        ({"destructiveHint": True}, True),
        ({"destructiveHint": True, "readOnlyHint": False}, True),
        ({"destructiveHint": True, "readOnlyHint": "yes"}, True),
        ({"destructiveHint": True, "readOnlyHint": True}, False),
        ({"destructiveHint": "true"}, False),
        ({"destructiveHint": 1}, False),
        ({"destructiveHint": None}, False),
        ({"title": "Destroys everything"}, False),
        (["destructiveHint"], False),
        ("destructiveHint", False),
        (None, False),
    ],
)
def test_a_hint_counts_as_the_protocol_writes_it(annotations, asks):
    assert mcp_servers._is_destructive({"name": "x", "annotations": annotations}) is asks
    assert not mcp_servers._is_destructive({"name": "x"})


def test_references_are_written_out_and_names_are_the_apis(kept):
    find = kept.tools["find"].parameters
    assert "$defs" not in find
    assert find["properties"]["place"]["properties"]["inside"]["items"] == {"type": "string"}
    assert kept.call("odd_name_with_everything") == "fine"


def test_text_is_text_and_an_object_a_dictionary(kept):
    assert kept.call("greet", name="Ада") == "Hello, Ада!"
    place = {"name": "Berlin", "inside": ["Wedding"]}
    assert kept.call("find", place=place) == {"name": "Berlin", "east": 13.4, "other": None}


def test_a_picture_shows_as_itself(kept):
    picture = kept.call("picture")
    assert isinstance(picture, MCPImage)
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert picture._repr_jpeg_() is None
    assert repr(picture) == f"(image/png, {len(picture.data)} bytes)"
    text, image = kept.call("captioned")
    assert text == "One pixel."
    assert image.data == picture.data


def test_a_failing_tool_says_why(kept):
    with pytest.raises(MCPToolError, match="no such city"):
        kept.call("fail", why="no such city")
    with pytest.raises(MCPToolError, match="name"):
        kept.call("greet")  # the server checks the arguments
    assert kept.call("greet", name="you") == "Hello, you!"


def test_every_content_has_a_value():
    text = {"type": "text", "text": "a"}
    sound = {"type": "audio", "mimeType": "audio/wav", "data": "AA=="}
    link = {"type": "resource_link", "uri": "a:b", "name": "n"}
    page = {"type": "resource", "resource": {"uri": "a:b", "text": "t"}}
    no_base64 = {"type": "image", "mimeType": "image/png", "data": "A"}
    for content, value in [
        ([], ""),
        ([text, text], "a\na"),
        ([sound, link], "(audio: audio/wav)\n(resource_link: a:b)"),
        ([page, no_base64], "t\n(image: image/png)"),
    ]:
        assert mcp_servers._value({"content": content}) == value
    for structured, value in [
        ({"result": [1, 2]}, [1, 2]),
        ({"result": 1, "unit": "m"}, {"result": 1, "unit": "m"}),
        ([1], [1]),
    ]:
        assert mcp_servers._value({"content": [text], "structuredContent": structured}) == value


# -- the process -----------------------------------------------------------------


def test_the_process_is_kept_between_turns(served):
    before = served.call("process")
    served.begin_turn()
    assert served.call("process") == before


def test_its_stderr_stays_out_of_the_notebook(kept, capfd):
    assert kept.call("chatter") == "quiet"  # more than a pipe holds
    assert kept.call("greet", name="you") == "Hello, you!"
    assert capfd.readouterr() == ("", "")


def test_settings_and_what_is_no_protocol_and_an_end_unasked(monkeypatch, capfd):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    script = """if True:
        import runpy, sys
        print("loading", flush=True)
        runpy.run_path(sys.argv[1], {}, "__main__")
    """
    command = [sys.executable, "-c", script, SERVER[1], "forgotten"]
    served = Served(mcp(command, env={"CITY": "Berlin"}, approve=True, timeout=7))
    assert {(tool.approve, tool.timeout) for tool in served.tools.values()} == {(True, 7)}
    found = served.call("environment")
    assert found["CITY"] == "Berlin"
    assert "PATH" in found
    assert "OPENAI_API_KEY" not in found
    assert capfd.readouterr() == ("", "")
    assert processes("forgotten")
    del served  # as when the cell that made it runs again
    gc.collect()
    assert eventually(lambda: not processes("forgotten"))


# -- its end ---------------------------------------------------------------------


def test_a_server_that_leaves_fails_the_call_and_is_started_again(served):
    with pytest.raises(MCPToolError, match=r"MCP server test has ended \(its process ended"):
        served.call("leave")
    with pytest.raises(MCPToolError, match="starts again with the next message"):
        served.call("greet", name="you")  # in the same turn
    served.begin_turn()
    assert served.call("greet", name="you") == "Hello, you!"


def test_a_killed_server_fails_the_open_call_and_is_started_again(served, tmp_path):
    before = served.call("process")
    open_call = served.start("wait", seconds=60, told=str(tmp_path / "told"))
    time.sleep(0.1)
    psutil.Process(before).kill()
    started = time.monotonic()
    with pytest.raises(MCPToolError, match="has ended"):
        open_call.wait()
    assert time.monotonic() - started < SOON
    served.begin_turn()
    assert served.call("process") != before


def test_a_server_killed_between_two_turns_is_started_again(served):
    psutil.Process(served.call("process")).kill()
    served.begin_turn()
    assert served.call("greet", name="you") == "Hello, you!"


def test_a_cancelled_call_is_cancelled_in_the_server(served, tmp_path):
    if metadata.version("mcp").startswith("1."):
        pytest.skip("the SDK tells the server from its second major version on")
    told = tmp_path / "told"
    call = served.start("wait", seconds=60, told=str(told))
    time.sleep(0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        call.wait()
    assert eventually(told.exists)
    assert served.call("greet", name="you") == "Hello, you!"


def test_an_error_with_the_codes_of_the_sdk_is_the_servers_own():
    """-32000 is what servers take for errors of any kind, and the SDK for a connection's end."""
    script = """if True:
        import json, sys
        tool = {"name": "look", "inputSchema": {"type": "object"}}
        info = {"name": "n", "version": "1"}
        start = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": info}
        results = {"initialize": start, "tools/list": {"tools": [tool]}}
        for line in sys.stdin:
            message = json.loads(line)
            if "id" in message:
                result = results.get(message["method"])
                error = {"error": {"code": -32000, "message": "quota spent"}}
                said = {"result": result} if result else error
                print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}), flush=True)
    """
    served = Served(mcp([sys.executable, "-c", script], name="test"))
    for _ in range(2):
        with pytest.raises(MCPToolError, match=r"^quota spent$"):
            served.call("look")
    run(served.server.close())


def test_two_turns_at_once_start_one_process_and_nothing_is_left_after_close():
    server = mcp([*SERVER, "at-once"])
    jobs = [io_thread.submit(server.tools()) for _ in range(2)]
    tools, again = (job.wait() for job in jobs)
    assert [tool.name for tool in tools] == [tool.name for tool in again]
    greet = next(tool for tool in tools if tool.name == "greet")
    (process,) = processes("at-once")
    run(close_all())
    assert not process.is_running()
    assert mcp_connection._connections == set()
    with pytest.raises(MCPToolError, match="it was closed"):
        run(greet.bind({"name": "you"})())
    run(server.close())


def test_closing_while_it_starts():
    server = mcp([*SILENT, "in-a-hurry"])
    start = io_thread.submit(server.tools())
    assert eventually(lambda: processes("in-a-hurry"))
    run(server.close())
    with pytest.raises(ConfigurationError, match="it was closed"):
        start.wait()
    assert processes("in-a-hurry") == []


def test_it_survives_the_end_of_the_io_thread(served):
    io_thread.stop()
    served.begin_turn()
    assert served.call("greet", name="you") == "Hello, you!"


KERNEL = """
import os, signal, sys, time
from nbstream import mcp
from nbstream.io_thread import io_thread

interrupts = []
signal.signal(signal.SIGINT, lambda *_: interrupts.append(1))
server = mcp(sys.argv[1:])
tools = {tool.name: tool for tool in io_thread.submit(server.tools()).wait()}

def call(name, **arguments):
    return io_thread.submit(tools[name].bind(arguments)()).wait()

process = call("process")
os.killpg(0, signal.SIGINT)
time.sleep(0.3)
assert interrupts
assert call("process") == process
print(process, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX's")
def test_it_survives_an_interrupt_and_ends_with_the_kernel():
    command = [sys.executable, "-c", KERNEL, *SERVER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (
        subprocess.Popen(command, start_new_session=True, **pipes) as killed,
        subprocess.Popen(command, start_new_session=True, **pipes) as ending,
    ):
        servers = [psutil.Process(int(kernel.stdout.readline())) for kernel in (killed, ending)]
        assert all(server.is_running() for server in servers)
        killed.kill()
    assert eventually(lambda: not any(_runs(server) for server in servers))


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


# -- what does not start ---------------------------------------------------------


def start_error(command: Any, **settings: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        run(mcp(command, **settings).tools())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_command_is_named():
    assert start_error("no-such-server --port 1").startswith(
        "MCP server no-such-server --port 1 did not start: command not found: no-such-server ·"
    )


def test_a_server_that_fails_says_its_last_words():
    script = "import sys; sys.exit('line 1\\n\x1b[31mMissing token\x1b[0m')"
    message = start_error([sys.executable, "-c", script], name="test")
    assert message.startswith("MCP server test did not start: its process ended · it wrote: line 1")
    assert "Missing token ·" in message


def test_what_it_was_given_in_its_environment_is_not_repeated():
    script = "import os, sys; k = os.environ['SVC']; sys.exit(f'key {k} and {170 * chr(120)}{k}')"
    message = start_error([sys.executable, "-c", script], env={"SVC": "canary-0123456789"})
    assert "it wrote: key [key] and xxx" in message
    assert "cana" not in message


def test_tools_of_one_name_get_their_servers():
    """Two servers that do not know each other, and a function of the notebook."""
    sources = [mcp(SERVER, name="first one"), mcp(SERVER, name="second")]

    async def names() -> list[str]:
        greet = Tool("greet", "", {}, lambda _: list)
        box = await Toolbox.opened(
            [*sources, greet], approve_all=False, timeout=None, foreground=None
        )
        return [tool.name for tool in box.tools if "greet" in tool.name]

    assert run(names()) == ["first_one_greet", "second_greet", "greet"]
    sources.append(mcp(SERVER, name="second"))
    with pytest.raises(UsageError, match=r"or its server by mcp\(\.\.\., name=\.\.\.\)"):
        run(names())
    run(close_all())


def test_what_is_no_server_says_nothing(monkeypatch):
    monkeypatch.setattr(mcp_connection, "_START_TIME", 0.5)
    started = time.monotonic()
    message = start_error([*SILENT, "never-answers"], name="test")
    assert message.startswith("MCP server test did not start: no answer within 0.5 s")
    assert time.monotonic() - started < SOON
    assert processes("never-answers") == []


def test_another_try_after_a_failed_start(tmp_path):
    program = tmp_path / "server.py"
    server = mcp([sys.executable, str(program)])
    with pytest.raises(ConfigurationError, match="can't open file"):
        run(server.tools())
    shutil.copy(SERVER[1], program)
    assert Served(server).call("greet", name="you") == "Hello, you!"
    run(server.close())


@pytest.mark.parametrize("command", ["", [], "a 'b", [""]])
def test_what_is_no_command_is_refused_at_once(command):
    with pytest.raises(UsageError, match=r"^no command: "):
        mcp(command)


def test_the_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r'pip install "nbstream\[mcp\]"'):
        nbstream.mcp("server")
