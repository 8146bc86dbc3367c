"""A real ipykernel, driven as a front end drives it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_client.manager import KernelManager


@dataclass
class Result:
    """What came of one execution: the reply and all messages that the cell caused."""

    reply: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.reply["content"]["status"]

    @property
    def error(self) -> str:
        """The name and message of the exception, or ""."""
        content = self.reply["content"]
        return f"{content['ename']}: {content['evalue']}" if content["status"] == "error" else ""

    @property
    def traceback(self) -> list[str]:
        return [
            line
            for m in self.messages
            if m["msg_type"] == "error"
            for line in m["content"]["traceback"]
        ]

    @property
    def pager(self) -> str:
        """What the cell put into the pager: the text of `name?`."""
        return "".join(p["data"]["text/plain"] for p in self.reply["content"]["payload"])

    @property
    def stdout(self) -> str:
        return "".join(m["content"]["text"] for m in self.messages if m["msg_type"] == "stream")

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """The cell's outputs as a front end would have them at the end, as mime bundles."""
        outputs: list[tuple[str | None, dict[str, Any]]] = []
        clear = False
        for message in self.messages:
            kind, content = message["msg_type"], message["content"]
            display_id = content.get("transient", {}).get("display_id")
            if kind == "clear_output":
                clear = True
                if not content["wait"]:
                    outputs, clear = [], False
            elif kind in ("display_data", "execute_result"):
                if clear:
                    outputs, clear = [], False
                outputs.append((display_id, content["data"]))
            elif kind == "update_display_data":
                outputs = [(i, content["data"] if i == display_id else data) for i, data in outputs]
        return [data for _, data in outputs]


class Kernel:
    """A kernel process of its own; `run` executes a cell and waits for its end.

    Attributes:
        tells_cells: whether each request has the id of a cell, as in all notebooks: its own,
            or that of a new one. Consoles tell none.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.tells_cells = True
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env={**os.environ, **env})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.process.pid)

    def start(self, code: str, cell_id: str | None = None, *, allow_stdin: bool = True) -> str:
        """Execute without waiting; `collect` waits.

        With `allow_stdin` the code may ask, as in all front ends for people; without it nobody
        is there, as where a program runs a notebook.
        """
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": allow_stdin,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content)
        if cell_id is not None or self.tells_cells:
            message["metadata"]["cellId"] = cell_id or uuid.uuid4().hex
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def collect(self, msg_id: str, timeout: float = 60) -> Result:
        result = Result()
        deadline = time.monotonic() + timeout
        idle = False
        while not (idle and result.reply):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the cell did not end within {timeout} s")
            with contextlib.suppress(queue.Empty):
                # The reply comes just before the kernel is idle; until then it is not looked for.
                get = self.client.get_shell_msg if idle else self.client.get_iopub_msg
                message = get(timeout=0.05)
                if message["parent_header"].get("msg_id") != msg_id:
                    continue
                if idle:
                    result.reply = message
                    continue
                result.messages.append(message)
                if message["msg_type"] == "status":
                    idle = message["content"]["execution_state"] == "idle"
        return result

    def answer(self, text: str, timeout: float = 20) -> str:
        """Wait until the running cell asks, type `text`, and return the question."""
        request = self.client.get_stdin_msg(timeout=timeout)
        self.client.input(text)
        return str(request["content"]["prompt"])

    def run(
        self,
        code: str,
        cell_id: str | None = None,
        timeout: float = 60,
        *,
        allow_stdin: bool = True,
    ) -> Result:
        while True:
            result = self.collect(self.start(code, cell_id, allow_stdin=allow_stdin), timeout)
            # Earlier kernels refuse what comes right behind a cell that failed.
            if result.status != "aborted":
                return result

    def value(self, expression: str) -> str:
        """The text of an expression in the kernel."""
        result = self.run(f"print(({expression}), end='')")
        assert not result.error, result.error
        return result.stdout

    def complete(self, code: str) -> list[str]:
        reply = self.client.complete(code, len(code), reply=True, timeout=30)
        return list(reply["content"]["matches"])

    def interrupt(self) -> None:
        os.kill(self.pid, signal.SIGINT)

    def shut_down(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@contextlib.contextmanager
def kernel(**env: str) -> Iterator[Kernel]:
    """A kernel with nbstream loaded, in an environment that `env` adds to."""
    running = Kernel(env)
    try:
        loaded = running.run("%load_ext nbstream")
        assert not loaded.error, loaded.error
        yield running
    finally:
        running.shut_down()
