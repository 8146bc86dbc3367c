"""A scripted model server on a raw socket: real HTTP/1.1, and every way to do it badly.

A `Reply` is plain data: a status, headers, a framing, and a body made of steps. A step
is one of

- `bytes` or `str`: sent as they are,
- a `dict`: sent as one SSE event, `data: {...}`,
- `Wait(seconds)`, `Gate(name)`, `Hang()`: nothing is sent meanwhile,
- `Cut()`: the connection ends here, with FIN, or with RST (`reset=True`).

The body may be any iterable, an endless one too. `completion("Hello")` and the other
builders below make the usual replies.

    with ReplayServer() as server:
        server.reply(completion(["Hel", "lo"], gate="piece"))
        ...                       # a client asks server.base_url
        server.open("piece-0")    # "Hel" is sent
        server.open("piece-1")    # "lo" is sent
        assert server.requests[0].json["messages"]

As a process of its own: `python tests/replay.py --tokens 2000 --rate 200` prints the
base URL and serves until its standard input closes (start it with `stdin=PIPE`, and it
ends with its parent). `POST /_control/open/NAME` opens a gate from outside.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import http.client
import itertools
import json
import os
import select
import socket
import struct
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

CHAT = "/v1/chat/completions"
MODELS = "/v1/models"
DONE = b"data: [DONE]\n\n"

# --- the script -------------------------------------------------------------------


@dataclass(frozen=True)
class Wait:
    """Send nothing for `seconds`, counted from when the last wait was due: no drift."""

    seconds: float


@dataclass(frozen=True)
class Gate:
    """Send nothing until the test opens the gate of this name (`server.open(name)`)."""

    name: str


@dataclass(frozen=True)
class Hang:
    """Send nothing any more, with the connection left open."""


@dataclass(frozen=True)
class Cut:
    """End the connection here: what follows is announced by the framing but never sent."""

    reset: bool = False


Step = bytes | str | dict[str, Any] | Wait | Gate | Hang | Cut


@dataclass(frozen=True)
class Reply:
    """One answer to one request.

    Attributes:
        body: the steps.
        status, headers: of the answer.
        framing: how the body's end is told: `chunked` (one chunk a step), `length`
            (a Content-Length), `close` (the connection ends), or `raw`: the body is the
            whole wire, status line and all.
        before: steps before the status line, such as `Wait` or `Hang`.
    """

    body: Iterable[Step] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": EVENT_STREAM})
    framing: Literal["chunked", "length", "close", "raw"] = "chunked"
    before: tuple[Step, ...] = ()


EVENT_STREAM = "text/event-stream; charset=utf-8"


def encode(step: Step) -> bytes:
    """What a step sends: nothing for the steps that only wait or cut."""
    match step:
        case bytes():
            return step
        case str():
            return step.encode()
        case dict():
            return b"data: " + json.dumps(step, ensure_ascii=False).encode() + b"\n\n"
        case _:
            return b""


# --- builders -----------------------------------------------------------------------


def chunk(delta: dict[str, Any] | None = None, *, finish: str | None = None, **more: Any) -> Step:
    """One chunk of a stream as OpenAI sends it; `more` is set at its top level."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {
        "id": "chatcmpl-replay",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "replay-1",
        "choices": choices,
        **more,
    }


def completion(
    text: str | Sequence[str] = "",
    *,
    reasoning: str | Sequence[str] | None = None,
    tool_calls: Sequence[Mapping[str, Any]] = (),
    model: str = "replay-1",
    usage: Mapping[str, Any] | Literal["count"] | None = "count",
    finish: str | None = None,
    pace: float = 0.0,
    piece: int = 4,
    gate: str | None = None,
    done: bool = True,
    **reply: Any,
) -> Reply:
    """A normal OpenAI stream.

    Args:
        text: the answer, cut into pieces of `piece` characters, or the pieces themselves.
        reasoning: the same, sent before it as `reasoning_content`.
        tool_calls: `{"name": ..., "arguments": str or object, "id": ...}` each.
        usage: the usage chunk's counts; "count" counts pieces; None sends no such chunk.
        finish: the finish reason; by default `stop`, or `tool_calls` where there are any.
        pace: seconds before each piece.
        gate: before piece number i (reasoning, text and arguments counted together from
            0) the stream waits for the gate `f"{gate}-{i}"`.
        done: whether `[DONE]` ends it.
        reply: further fields of the `Reply`: `framing`, `headers`, `before`, ...
    """
    deltas: list[dict[str, Any]] = [
        *({"reasoning_content": part} for part in _pieces(reasoning or "", piece)),
        *({"content": part} for part in _pieces(text, piece)),
        *_call_deltas(tool_calls, piece),
    ]
    body: list[Step] = [chunk({"role": "assistant", "content": ""}, model=model)]
    for number, delta in enumerate(deltas):
        body += [Wait(pace)] if pace else []
        body += [Gate(f"{gate}-{number}")] if gate else []
        body.append(chunk(delta, model=model))
    body.append(chunk({}, finish=finish or ("tool_calls" if tool_calls else "stop"), model=model))
    if usage == "count":
        usage = {"prompt_tokens": 7, "completion_tokens": len(deltas)}
        usage |= {"total_tokens": sum(usage.values())}
    if usage is not None:
        body.append(chunk(None, model=model, usage=dict(usage)))
    return Reply([*body, DONE] if done else body, **reply)


def _pieces(text: str | Sequence[str], size: int) -> Sequence[str]:
    if not isinstance(text, str):
        return text
    return [text[at : at + size] for at in range(0, len(text), size)]


def _call_deltas(calls: Sequence[Mapping[str, Any]], size: int) -> Iterator[dict[str, Any]]:
    for index, call in enumerate(calls):
        arguments = call.get("arguments", "{}")
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        head = {"index": index, "id": call.get("id", f"call_{index}"), "type": "function"}
        function = {"name": call["name"], "arguments": ""}
        yield {"tool_calls": [{**head, "function": function}]}
        for part in _pieces(arguments, size):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}


def whole(
    content: Any, status: int = 200, *, kind: str = "application/json", **headers: str
) -> Reply:
    """A body with a Content-Length: JSON of `content`, or `content` itself if it is text."""
    if not isinstance(content, (bytes, str)):
        content = json.dumps(content)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply([content], status, {"content-type": kind, **named}, framing="length")


def error(status: int, message: str | Mapping[str, Any] = "no", **headers: str) -> Reply:
    """An error in OpenAI's form, or the JSON given: `error(429, "slow down", retry_after="2")`."""
    if isinstance(message, str):
        message = {"error": {"message": message, "type": "replay_error", "code": None}}
    return whole(message, status, **headers)


def models(names: Iterable[str]) -> Reply:
    """The answer to `GET /v1/models`."""
    entries = [{"id": name, "object": "model", "owned_by": "replay"} for name in names]
    return whole({"object": "list", "data": entries})


def redirect(location: str, status: int = 307) -> Reply:
    """A redirect."""
    return whole("", status, kind="text/plain", location=location)


def silence() -> Reply:
    """No answer at all, on a connection that stays open."""
    return Reply(before=(Hang(),))


def cut(reply: Reply, at: int, *, reset: bool = False) -> Reply:
    """The reply with its connection ended after `at` bytes of the body."""
    steps: list[Step] = []
    room = at
    for step in reply.body:
        data = encode(step)
        if data and len(data) >= room:
            return replace(reply, body=[*steps, data[:room], Cut(reset), data[room:]])
        room -= len(data)
        steps.append(step)
    raise ValueError(f"the body has {at - room} bytes, it cannot be cut at {at}")


# --- the server ---------------------------------------------------------------------


@dataclass(eq=False)
class Request:
    """A request as it came, and what became of it.

    Attributes:
        method, path, headers: names of headers in lower case.
        body, json: the bytes, and what they parse to (None where they are no JSON).
        time: of arrival, `time.monotonic()`.
        connection: counts the server's connections from 0.
        finished: set when the reply was sent to its end, or to its `Cut`.
        aborted: set when the client closed the connection before that.
        sent: how many bytes of the body were sent so far, framing not counted.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    json: Any = None
    time: float = field(default_factory=time.monotonic)
    finished: threading.Event = field(default_factory=threading.Event)
    aborted: threading.Event = field(default_factory=threading.Event)
    sent: int = 0

    @property
    def route(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]


Script = Reply | Callable[[Request], Reply]


class _ClientGone(Exception):  # noqa: N818 - it is an event, not an error
    """The client closed the connection, or the server is stopping."""


def _ports() -> Iterator[int]:
    """Ports below those that a system gives out, each once, from a place of this process's own.

    A port that comes again would bring the clients that an earlier server left behind: a
    browser, a kernel, another test that asks at a port where nothing listens any more.
    """
    # Steps of the golden section keep processes that started together far from each other.
    first = 10_000 + os.getpid() * 12_361 % 20_000
    return itertools.chain(range(first, 30_000), range(10_000, first))


_free_ports = _ports()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in [port] if port else _free_ports:
        try:
            return socket.create_server((host, number), family=family, backlog=128)
        except OSError as error:
            if port or error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
    raise OSError(errno.EADDRNOTAVAIL, "every port was used")


@dataclass
class _GateState:
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)


class ReplayServer:
    """Answers each request with the next reply of its path's queue.

    `POST /v1/chat/completions` without a reply left is answered by `fallback`, else it
    is noted in `unexpected` and gets a 400. `GET /v1/models` lists `models` by default.
    Every other path without a queue is a 404.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self.requests: list[Request] = []
        self.unexpected: list[Request] = []
        self.models: Sequence[str] = ("replay-1",)
        self.fallback: Script | None = None
        self.connections_open = 0
        self._connections_seen = 0
        self._queues: dict[str, deque[Script]] = defaultdict(deque)
        self._gates: dict[str, _GateState] = defaultdict(_GateState)
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._listener = _listen(host, port)
        self._wake, self._waker = socket.socketpair()
        self.port: int = self._listener.getsockname()[1]
        self.host = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self._start(self._accept)

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def reply(self, *scripts: Script, to: str = CHAT) -> None:
        """Queue replies (or functions of the request that return one) for a path."""
        with self._lock:
            self._queues[to].extend(scripts)

    def open(self, name: str) -> None:
        """Open a gate, for good."""
        with self._lock:
            self._gates[name].opened.set()

    def wait_reached(self, name: str, timeout: float = 10) -> bool:
        """Wait until a reply stands at (or has passed) the gate."""
        with self._lock:
            gate = self._gates[name]
        return gate.reached.wait(timeout)

    def wait_until(self, condition: Callable[[], bool], timeout: float = 10) -> bool:
        """Wait for a condition on the server, looked at every 5 ms; return it."""
        due = time.monotonic() + timeout
        while not (met := condition()) and time.monotonic() < due:
            time.sleep(0.005)
        return met

    def wait_requests(self, count: int, timeout: float = 10) -> bool:
        """Wait until `count` requests have come in all."""
        return self.wait_until(lambda: len(self.requests) >= count, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close everything and end all threads."""
        self._stopping.set()
        self._waker.close()
        self._threads[0].join(10)  # no connection is accepted from here on
        with self._lock:
            for connection in self._sockets:
                _shutdown(connection)
        for thread in self._threads[1:]:
            thread.join(10)
        self._listener.close()
        self._wake.close()

    # -- connections -----------------------------------------------------------------

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, name="replay", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._wake], [], [])
            if self._wake in ready:
                return
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                number = self._connections_seen
                self._connections_seen += 1
                self.connections_open += 1
                self._sockets.add(connection)
            self._start(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            with connection, connection.makefile("rb") as reader:
                while (request := _read_request(reader, number)) is not None:
                    if not self._answer(connection, request):
                        break
        except OSError:
            pass  # the client reset the connection between two requests
        finally:
            with self._lock:
                self._sockets.discard(connection)
                self.connections_open -= 1

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        """Send the reply; return whether the connection can take another request."""
        reply = self._choose(request)
        try:
            reusable = self._send(connection, request, reply)
        except (_ClientGone, OSError):
            if not self._stopping.is_set():
                request.aborted.set()
            reusable = False
        else:
            request.finished.set()
        return reusable

    def _choose(self, request: Request) -> Reply:
        if request.path.startswith("/_control/"):
            return self._control(request)
        with self._lock:
            self.requests.append(request)
            queue = self._queues[request.route]
            script = queue.popleft() if queue else self._default(request)
        return script(request) if callable(script) else script

    def _default(self, request: Request) -> Script:
        if (request.method, request.route) == ("GET", MODELS):
            return models(self.models)
        if (request.method, request.route) != ("POST", CHAT):
            return error(404, f"there is nothing at {request.path}")
        if self.fallback is not None:
            return self.fallback
        self.unexpected.append(request)
        return error(400, "the replay server has no reply left for this request")

    def _control(self, request: Request) -> Reply:
        """`POST /_control/open/NAME` opens a gate; `GET /_control/requests` lists bodies."""
        match request.path.split("/")[2:]:
            case ["open", name] if request.method == "POST":
                self.open(name)
                return whole({"opened": name})
            case ["requests"]:
                return whole([{"path": r.path, "json": r.json} for r in self.requests])
            case _:
                return error(404, "no such control")

    # -- one reply -------------------------------------------------------------------

    def _send(self, connection: socket.socket, request: Request, reply: Reply) -> bool:
        clock = _Clock()
        for step in reply.before:
            if self._pause(connection, step, clock):
                return False
        if reply.framing != "raw":
            connection.sendall(_head(reply))
        for step in reply.body:
            if self._pause(connection, step, clock):
                return False
            data = encode(step)
            if data:
                chunked = reply.framing == "chunked"
                connection.sendall(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
                request.sent += len(data)
        if reply.framing == "chunked":
            connection.sendall(b"0\r\n\r\n")
        return reply.framing in ("chunked", "length")

    def _pause(self, connection: socket.socket, step: Step, clock: _Clock) -> bool:
        """Take the time that a step takes; return whether it ends the connection."""
        match step:
            case Wait(seconds):
                clock.due += seconds
                _idle(connection, lambda: time.monotonic() >= clock.due, clock.due)
            case Gate(name):
                with self._lock:
                    gate = self._gates[name]
                    gate.reached.set()
                _idle(connection, gate.opened.is_set)
                clock.due = time.monotonic()
            case Hang():
                _idle(connection, lambda: False)
            case Cut(reset):
                if reset:  # a linger of zero seconds: close() sends RST
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return True
            case _:
                pass
        return False


@dataclass
class _Clock:
    due: float = field(default_factory=time.monotonic)


def _idle(connection: socket.socket, over: Callable[[], bool], due: float | None = None) -> None:
    """Wait until `over()`, looked at when `due` or every 5 ms; raise if the client goes."""
    while not over():
        pause = 0.005 if due is None else max(0.0, due - time.monotonic())
        if not select.select([connection], [], [], pause)[0]:
            continue
        if connection.recv(1, socket.MSG_PEEK) == b"":
            raise _ClientGone
        time.sleep(min(pause, 0.005))  # a pipelined request: it waits in the buffer


def _shutdown(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other end was faster
        connection.shutdown(socket.SHUT_RDWR)


def _head(reply: Reply) -> bytes:
    headers = dict(reply.headers)
    if reply.framing == "chunked":
        headers["transfer-encoding"] = "chunked"
    elif reply.framing == "length":
        headers["content-length"] = str(sum(len(encode(step)) for step in reply.body))
    else:
        headers["connection"] = "close"
    phrase = http.client.responses.get(reply.status, "Unknown")
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _read_request(reader: Any, number: int) -> Request | None:
    """The next request of a connection, or None where the client closed it."""
    line = reader.readline()
    if not line.endswith(b"\n"):
        return None
    method, path, _ = line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    content = reader.read(int(headers.get("content-length", 0)))
    request = Request(method, path, headers, content, number)
    try:
        request.json = json.loads(content)
    except ValueError:
        request.json = None
    return request


# --- a process of its own -------------------------------------------------------------

_SAMPLE = """\
## A part of the answer

Some *emphasis*, some `code`, and **two** sentences. The second one is a little longer.

- one item
- another item, with a [link](https://example.com/)

| city   | people |
|--------|-------:|
| Berlin |  3.7 M |
| Paris  |  2.1 M |

```python
def area(width, height):
    return width * height  # in square metres
```

"""


def sample(tokens: int) -> list[str]:
    """A markdown answer of `tokens` pieces of about four characters, always the same."""
    pieces = _pieces(_SAMPLE, 4)
    return [pieces[i % len(pieces)] for i in range(tokens)]


def reply_from_json(data: Mapping[str, Any]) -> Reply:
    """A reply as a script file has it.

    Either `{"completion": {...}}` with that function's arguments, or the fields of
    `Reply`, each step a string, `{"sse": {...}}`, `{"wait": seconds}`, `{"gate": name}`,
    `{"hang": true}` or `{"cut": "fin" | "rst"}`.
    """
    if "completion" in data:
        return completion(**data["completion"])
    steps = {name: [_step_from_json(step) for step in data.get(name, ())] for name in _STEP_FIELDS}
    rest = {name: value for name, value in data.items() if name not in _STEP_FIELDS}
    return Reply(body=steps["body"], before=tuple(steps["before"]), **rest)


_STEP_FIELDS = ("body", "before")


def _step_from_json(data: Any) -> Step:
    match data:
        case {"sse": step} | str(step):
            return step
        case {"wait": seconds}:
            return Wait(seconds)
        case {"gate": name}:
            return Gate(name)
        case {"hang": True}:
            return Hang()
        case {"cut": "fin" | "rst" as how}:
            return Cut(reset=how == "rst")
    raise ValueError(f"not a step: {data!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description="A scripted model server on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path, help="JSON: a list of replies, one a request")
    parser.add_argument("--tokens", type=int, default=100, help="length of all further answers")
    parser.add_argument("--rate", type=float, default=0, help="tokens a second; 0: at once")
    options = parser.parse_args()
    with ReplayServer(options.port) as server:
        if options.script:
            server.reply(*map(reply_from_json, json.loads(options.script.read_text())))
        pace = 1 / options.rate if options.rate else 0.0
        server.fallback = completion(sample(options.tokens), pace=pace)
        print(server.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
