"""The tests' MCP server at an address: `python mcp_http_server.py [json] [PORT]` prints the port.

It is the SDK's own server. Around it stands what a test wants to know: `GET /requests` lists
the method and the headers of everything that came to `/mcp`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Any

import uvicorn
from mcp_server import server

came: list[dict[str, Any]] = []


@server.tool()
def requests() -> list[dict[str, Any]]:
    """What came to the server, with all headers: as one that repeats what it is sent."""
    return came


def _app(*, is_json: bool) -> Any:
    try:
        inner = server.streamable_http_app(json_response=is_json)
    except TypeError:  # the SDK's first major version
        server.settings.json_response = is_json  # type: ignore[attr-defined]
        inner = server.streamable_http_app()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/requests":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": json.dumps(came).encode()})
            return
        if scope["type"] == "http":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            came.append({"method": scope["method"], "headers": headers})
        await inner(scope, receive, send)

    return app


def main(*words: str) -> None:
    port = next((int(word) for word in words if word.isdecimal()), 0)
    with socket.create_server(("127.0.0.1", port)) as listener:
        app = _app(is_json="json" in words)
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
        asyncio.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    main(*sys.argv[1:])
