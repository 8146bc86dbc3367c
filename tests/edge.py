"""What stands between a notebook and its model in a company: a proxy, and TLS of its own CA."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Proxy:
    """A forward proxy, to which every host is this machine.

    Attributes:
        asked: the request lines that it got.
        login: `user:password` that it wants, or "".
        port: where it listens.
    """

    asked: list[str] = field(default_factory=list)
    login: str = ""
    port: int = 0

    async def serve(self, *client: *Streams) -> None:
        reader, writer = client
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, _, rest = head.partition("\r\n")
        method, target, version = line.split(" ")
        self.asked.append(line)
        wanted = base64.b64encode(self.login.encode()).decode()
        if self.login and f"proxy-authorization: basic {wanted}".lower() not in head.lower():
            writer.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                b"Proxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
            )
            writer.close()
            return
        authority, slash, path = target.removeprefix("http://").partition("/")
        server = await asyncio.open_connection("127.0.0.1", int(authority.rpartition(":")[2]))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            server[1].write(f"{method} {slash}{path} {version}\r\n{rest}".encode("latin-1"))
        await _join(client, server)


async def _join(one: Streams, other: Streams) -> None:
    """Carry bytes both ways until one side ends."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    await asyncio.gather(carry(one[0], other[1]), carry(other[0], one[1]))


class Edge:
    """A proxy, and TLS in front of a server, on a thread of their own.

    Args:
        behind: the port of the server that speaks plain HTTP.
        certificate: for the TLS side.
    """

    def __init__(self, behind: int, certificate: ssl.SSLContext) -> None:
        self.proxy = Proxy()
        self.tls_port = 0
        self._behind = behind
        self._certificate = certificate
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    async def _serve_tls(self, *client: *Streams) -> None:
        await _join(client, await asyncio.open_connection("127.0.0.1", self._behind))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        start = self._loop.run_until_complete
        proxy = start(asyncio.start_server(self.proxy.serve, "127.0.0.1", 0))
        tls = start(asyncio.start_server(self._serve_tls, "127.0.0.1", 0, ssl=self._certificate))
        self.proxy.port, self.tls_port = (s.sockets[0].getsockname()[1] for s in (proxy, tls))
        self._loop.set_exception_handler(lambda *_: None)  # clients that do not trust us hang up
        self._ready.set()
        self._loop.run_forever()
        for server in (proxy, tls):
            server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        start(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    @contextlib.contextmanager
    def running(self) -> Iterator[Edge]:
        self._thread.start()
        assert self._ready.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
