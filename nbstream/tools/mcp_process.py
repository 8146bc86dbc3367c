"""MCP over the stdin and stdout of a process that is started here.

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio
"""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import shutil
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..secret import Secret
from .mcp_connection import is_over, said

__all__ = ["ProcessTransport"]

_LOG_LINES = 3  # of a server's stderr that an error repeats
_LOG_WIDTH = 200  # bytes of each


class ProcessTransport:
    """A process in a process group of its own: no interrupt of the kernel reaches it.

    Args:
        command: what starts it, and its arguments.
        env: its environment, beside PATH, HOME and the like.
    """

    not_open = "MCP server {} did not start"
    over = "MCP server {} has ended"
    again = "it starts again with the next message"
    hint = "try the command in a terminal"

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._command = command
        self._env = env
        self._log = _Log()

    def prepare(self) -> None:
        importlib.import_module("mcp.client.stdio")

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[Any, Any]]:
        from mcp import StdioServerParameters
        from mcp.client.stdio import stdio_client

        program, *arguments = self._command
        settings = StdioServerParameters(command=program, args=arguments, env=dict(self._env))
        async with stdio_client(settings, errlog=self._log.file) as (read, write):
            self._log.file.close()  # the process has its own
            yield read, write

    async def why(self, error: BaseException) -> tuple[str, str]:
        wrote = await asyncio.to_thread(self._log.tail)
        return self.redact(self._cause(error) + wrote), ""

    def redact(self, text: str) -> str:
        """`text` without what the user gave the process only: keys stand there."""
        for value in self._env.values():
            text = Secret(value).redact(text)
        return text

    async def cleaned(self, value: Any) -> Any:
        """As it is: what a process has of its environment may be what it is asked for."""
        return value

    def release(self) -> None:
        self._log.file.close()  # where no process was started

    def _cause(self, error: BaseException) -> str:
        """Why the process is not there, in a few words."""
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            program = self._command[0]
            if shutil.which(program, path=self._env.get("PATH")) is None:
                return f"command not found: {program}"
        if is_over(error):
            return "its process ended"
        return said(error)


class _Log:
    """The last lines of a process's stderr, which would else stand in the notebook."""

    def __init__(self) -> None:
        reader, writer = os.pipe()
        self.file = os.fdopen(writer, "w")
        self._lines: deque[bytes] = deque(maxlen=_LOG_LINES)
        self._thread = threading.Thread(
            target=self._read, args=(reader,), name="nbstream-mcp-log", daemon=True
        )
        self._thread.start()

    def _read(self, reader: int) -> None:
        with os.fdopen(reader, "rb") as pipe:
            is_rest = False  # of a line that is cut
            while line := pipe.readline(_LOG_WIDTH):
                if line.strip() and not is_rest:
                    self._lines.append(line)
                is_rest = not line.endswith(b"\n")

    def tail(self) -> str:
        """What the process wrote last, to append to a message."""
        self.file.close()  # where no process has it, nothing more is written
        self._thread.join(timeout=0.5)  # it may have left children that hold the pipe
        text = " ".join(map(_shown, self._lines))
        text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
        return f" · it wrote: {''.join(c for c in text if c.isprintable())}" if text else ""


def _shown(line: bytes) -> str:
    is_cut = len(line) == _LOG_WIDTH and not line.endswith(b"\n")
    return line.decode(errors="replace").strip() + ("…" if is_cut else "")
