"""Turns without a model, for the tests of MCP servers, and servers to ask."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from replay import ReplayServer, Reply, Request, whole

from nbstream.errors import ConfigurationError
from nbstream.io_thread import io_thread
from nbstream.tools.mcp_servers import MCPServer, mcp
from nbstream.tools.tool import Tool

SERVER = [sys.executable, str(Path(__file__).with_name("mcp_server.py"))]
SOON = 5.0  # seconds in which what must happen has happened, on a busy machine


def run(coroutine: Any) -> Any:
    return io_thread.submit(coroutine).wait()


class Served:
    """The tools of a server, as a turn has them."""

    def __init__(self, server: MCPServer) -> None:
        self.server = server
        self.tools: dict[str, Tool] = {}
        self.begin_turn()

    def begin_turn(self) -> None:
        self.tools = {tool.name: tool for tool in run(self.server.tools())}

    def start(self, name: str, /, **arguments: Any) -> Any:
        bound = self.tools[name].bind(arguments)

        async def call() -> Any:
            return await bound()

        return io_thread.submit(call())

    def call(self, name: str, /, **arguments: Any) -> Any:
        return self.start(name, **arguments).wait()


def eventually(condition: Callable[[], Any]) -> bool:
    end = time.monotonic() + SOON
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return bool(found)


PROGRAM = str(Path(__file__).with_name("mcp_http_server.py"))
KEY = "canary-0123456789"
MCP = "/mcp"
SESSION = "mcp-session-id"


class Process:
    """The SDK's server; `start` after `kill` is another one at the same port."""

    def __init__(self, *flags: str) -> None:
        self._flags = flags
        self.port = ""
        self.start()

    def start(self) -> None:
        command = [sys.executable, PROGRAM, *self._flags, self.port]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self._process = subprocess.Popen(list(filter(None, command)), **pipes)
        self.port = self._process.stdout.readline().strip()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def came(self, method: str) -> list[dict[str, str]]:
        """The headers of the requests that came so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/requests") as answer:
            return [each["headers"] for each in json.load(answer) if each["method"] == method]


TOOL = {"name": "look", "inputSchema": {"type": "object"}}


class Script:
    """A server of the protocol; `calls` answer its tool."""

    def __init__(self, *calls: Callable[[Request], Reply] | Reply, tool: Any = TOOL) -> None:
        self._calls = list(calls)
        self._tool = tool

    def at(self, server: ReplayServer) -> str:
        server.reply(*[self] * 40, to=MCP)
        return server.origin + MCP

    def __call__(self, request: Request) -> Reply:
        if request.method == "DELETE":
            return whole("")
        method = request.json.get("method")
        if method == "initialize":
            version = request.json["params"]["protocolVersion"]
            info = {"name": "script", "version": "1"}
            result = {"protocolVersion": version, "capabilities": {}, "serverInfo": info}
            return replace_headers(answer(request, result), **{SESSION: "session-1"})
        if method == "tools/list":
            return answer(request, {"tools": [self._tool]})
        if method == "tools/call":
            reply = self._calls.pop(0)
            return reply if isinstance(reply, Reply) else reply(request)
        return Reply((), 202, {}, framing="length")


def answer(request: Request, result: Any) -> Reply:
    return whole({"jsonrpc": "2.0", "id": request.json["id"], "result": result})


def replace_headers(reply: Reply, **headers: str) -> Reply:
    return Reply(reply.body, reply.status, {**reply.headers, **headers}, reply.framing)


def said(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


def says(text: str) -> Callable[[Request], Reply]:
    return lambda request: answer(request, said(text))


def failure(url: str, **settings: Any) -> str:
    """The one line of a server that cannot be used."""
    with pytest.raises(ConfigurationError) as caught:
        run(mcp(url, name="test", **settings).tools())
    (line,) = caught.value._render_traceback_()
    told = "".join(traceback.format_exception(caught.value))
    assert KEY not in told
    assert caught.value.__cause__ is caught.value.__context__ is None
    return line.removeprefix("ConfigurationError: ")
