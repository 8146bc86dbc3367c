"""A real kernel, and all that it sends to its front ends, as it is on the wire."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import zmq
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager
from traitlets import Unicode

__all__ = ["CellError", "Execution", "Kernel", "Message", "kernel"]

_CPU = "__import__('time').process_time()"  # user and system time of all threads
_LONGEST = 400  # seconds for one cell


class CellError(Exception):
    """A cell failed, or did not end in time; the message is one line."""


@dataclass(frozen=True, slots=True)
class Message:
    """One iopub message.

    Attributes:
        kind: its `msg_type`.
        at: when it came, on `time.perf_counter`.
        content: its content, the JSON bytes as they came.
        buffers: the sizes of its binary buffers, in bytes.
    """

    kind: str
    at: float
    content: bytes
    buffers: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        return len(self.content) + sum(self.buffers)

    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True, slots=True)
class Execution:
    """What one cell cost: seconds of the kernel's CPU, seconds by the clock, messages."""

    cpu: float
    wall: float
    messages: list[Message] = field(repr=False)


class Kernel:
    """A kernel process; `run` executes a cell and waits until all its messages are here."""

    def __init__(self, python: str, env: Mapping[str, str]) -> None:
        specs = _OneKernel(python=python)
        self._manager = KernelManager(kernel_spec_manager=specs, kernel_name="python3")
        quiet = subprocess.DEVNULL  # it warns of what every Jupyter does
        self._manager.start_kernel(env={**os.environ, **env}, stdout=quiet, stderr=quiet)
        self._client = self._manager.client()
        self._client.start_channels(iopub=False, stdin=False)
        self._iopub = _Iopub(self._manager)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        """Until iopub has answered too: a subscription takes a moment."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            msg_id = self._client.kernel_info()
            with contextlib.suppress(CellError):
                self._reply(msg_id, timeout=1)
                if self._iopub.wait_idle(msg_id, timeout=1):
                    return
        raise CellError("the kernel did not start")

    def run(self, code: str) -> Execution:
        """Execute a cell as a notebook does, always as the same cell of it.

        Raises:
            CellError: it failed.
        """
        before = self._cpu()
        started = time.perf_counter()
        msg_id = self._send(code)
        reply = self._reply(msg_id, _LONGEST)
        if not self._iopub.wait_idle(msg_id, _LONGEST):
            raise CellError("the kernel did not come to rest")
        wall = time.perf_counter() - started
        cpu = self._cpu() - before
        if reply["status"] == "error":
            raise CellError(f"{reply['ename']}: {' '.join(reply['evalue'].split())[:200]}")
        return Execution(cpu, wall, self._iopub.take(msg_id))

    def _cpu(self) -> float:
        msg_id = self._send("", silent=True, expressions={"cpu": _CPU})
        reply = self._reply(msg_id, timeout=60)
        self._iopub.wait_idle(msg_id, timeout=60)
        return float(reply["user_expressions"]["cpu"]["data"]["text/plain"])

    def _send(
        self, code: str, *, silent: bool = False, expressions: Mapping[str, str] | None = None
    ) -> str:
        content = {
            "code": code,
            "silent": silent,
            "store_history": not silent,
            "user_expressions": expressions or {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = self._client.session.msg("execute_request", content)
        message["metadata"]["cellId"] = "benchmark"
        self._client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def _reply(self, msg_id: str, timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        with contextlib.suppress(queue.Empty):
            while True:
                reply = self._client.get_shell_msg(timeout=max(0, deadline - time.monotonic()))
                if reply["parent_header"].get("msg_id") == msg_id:
                    return dict(reply["content"])
        raise CellError(f"no answer from the kernel within {timeout:.0f} s")

    def shut_down(self) -> None:
        self._iopub.stop()
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@contextlib.contextmanager
def kernel(python: str, env: Mapping[str, str]) -> Iterator[Kernel]:
    """A kernel of the interpreter `python`, in this environment with `env` added."""
    running = Kernel(python, env)
    try:
        yield running
    finally:
        running.shut_down()


class _OneKernel(KernelSpecManager):
    """Knows the kernel of one interpreter, whatever is installed on the machine."""

    python = Unicode()

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [self.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name=kernel_name, language="python")


class _Iopub:
    """Takes messages off the wire as fast as they come, and looks at them later.

    The kernel drops what a subscriber is too slow for; this one keeps no limit and does
    next to nothing for a message.
    """

    def __init__(self, manager: KernelManager) -> None:
        self._session = manager.session
        self._socket = zmq.Context.instance().socket(zmq.SUB)
        self._socket.rcvhwm = 0
        self._socket.linger = 0
        self._socket.subscribe(b"")
        self._socket.connect(f"tcp://{manager.ip}:{manager.iopub_port}")
        self._came: list[tuple[float, list[bytes]]] = []
        self._idle: set[str] = set()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._collect, name="iopub", daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        while not self._stopping.is_set():
            if not self._socket.poll(100):
                continue
            frames = self._socket.recv_multipart()
            self._came.append((time.perf_counter(), frames))
            if len(frames[-1]) < 100 and b'"idle"' in frames[-1]:
                with self._changed:
                    self._idle.add(_parent(self._parts(frames)))
                    self._changed.notify_all()

    def _parts(self, frames: list[bytes]) -> list[bytes]:
        """Signature, header, parent, metadata, content and buffers."""
        return list(self._session.feed_identities(frames)[1])

    def wait_idle(self, msg_id: str, timeout: float) -> bool:
        """Wait until the kernel says that it is done with a request; return whether."""
        with self._changed:
            return self._changed.wait_for(lambda: msg_id in self._idle, timeout)

    def take(self, msg_id: str) -> list[Message]:
        """What came for a request, in order; all else is forgotten."""
        came, self._came = self._came, []
        split = [(at, self._parts(frames)) for at, frames in came]
        return [
            Message(
                kind=json.loads(parts[1])["msg_type"],
                at=at,
                content=parts[4],
                buffers=tuple(map(len, parts[5:])),
            )
            for at, parts in split
            if _parent(parts) == msg_id
        ]

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        self._socket.close()


def _parent(parts: list[bytes]) -> str:
    return str(json.loads(parts[2]).get("msg_id", ""))
