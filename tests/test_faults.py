"""Every fault of the table, against servers that do exactly that; the page that is made of it."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from edge import Edge
from fault_table import KEY, PAGE, Fault, faults, made_page, proven
from kernels import Kernel, kernel
from replay import ReplayServer, completion

from nbstream import local
from nbstream.chat import Chat
from nbstream.messages import Message
from nbstream.render.saved import bundle
from nbstream.request import Deadlines, Options
from nbstream.response import Response
from nbstream.session import Session
from nbstream.tools import tools_of
from nbstream.views.protocol import NullView

TESTS = Path(__file__).parent
RECORD = "application/vnd.nbstream.response+json"
HELLO = Message("user", "Hello?")


# --- places ------------------------------------------------------------------------------


class Talker:
    """A server that says the same to whatever comes, and hangs up."""

    def __init__(self) -> None:
        self.says = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = host_of(self._listener)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed: the end
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(self.says)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def host_of(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def taken_port(host: str) -> socket.socket:
    """A port at which nothing listens, and nothing can."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.bind((host, 0))
    return bound


@contextlib.contextmanager
def full_port() -> Iterator[str]:
    """A port whose queue is full: further connections are not answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as s:
        for _ in range(4):
            waiting = s.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield host_of(listener)


@contextlib.contextmanager
def tls(authority: trustme.CA, name: str, behind: int) -> Iterator[str]:
    certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(certificate)
    with Edge(behind, certificate).running() as edge:
        yield f"127.0.0.1:{edge.tls_port}"


@dataclass
class Places:
    """The servers, and where in the table's addresses they stand."""

    server: ReplayServer
    ipv6: ReplayServer | None
    talker: Talker
    names: dict[str, str]

    def address(self, fault: Fault) -> str:
        if "{ipv6" in fault.at and self.ipv6 is None:
            pytest.skip("this machine has no IPv6")
        self.talker.says = fault.speaks
        return fault.at.format_map(self.names)

    def serving(self, fault: Fault) -> ReplayServer:
        server = self.ipv6 if "{ipv6}" in fault.at else self.server
        assert server is not None
        return server


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Iterator[Places]:
    authority = trustme.CA()
    certificates = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(certificates)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ReplayServer())
        talker = stack.enter_context(contextlib.closing(Talker()))
        ipv6, ipv6_closed = None, "[::1]:1"
        with contextlib.suppress(OSError):
            ipv6_closed = host_of(stack.enter_context(taken_port("::1")))
            ipv6 = stack.enter_context(ReplayServer(host="::1"))
        names = {
            "server": server.host,
            "talker": talker.host,
            "ipv6": ipv6.host if ipv6 else "",
            "ipv6_closed": ipv6_closed,
            "closed": host_of(stack.enter_context(taken_port("127.0.0.1"))),
            "full": stack.enter_context(full_port()),
            "tls": stack.enter_context(tls(authority, "127.0.0.1", server.port)),
            "tls_of_another": stack.enter_context(tls(authority, "other.example", server.port)),
            "ca": str(certificates),
        }
        yield Places(server, ipv6, talker, names)


@pytest.fixture
def patience(monkeypatch) -> None:
    """What is fixed in seconds, in tenths of seconds."""
    monkeypatch.setattr("nbstream.exchange._FINISH_GRACE", 0.2)
    monkeypatch.setattr("nbstream.client._REFUSAL_TIME", 0.2)


# --- the table ---------------------------------------------------------------------------


def pattern(sees: str, host: str) -> str:
    """A regular expression for a line of the table."""
    hosted = sees.replace("'HOST'", repr(host.partition(":")[0])) if "(DNS)" in sees else sees
    name = host.partition(":")[0] if "(DNS)" in sees else host
    return ".*".join(re.escape(part.replace("HOST", name)) for part in hosted.split("…"))


def options(fault: Fault, address: str) -> Options:
    return Options(
        **{
            "model": "replay-1",
            "base_url": address,
            "deadlines": Deadlines(**fault.deadlines),
            "tools": tools_of([lookup]) if fault.tool else (),
            **fault.options,
        }
    )


LOOKED_UP: list[str] = []


def lookup(city: str) -> str:
    """Look a city up."""
    LOOKED_UP.append(city)
    return city


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
def test_a_fault_is_one_line_and_loses_nothing(fault, places, patience, monkeypatch):
    address = places.address(fault)
    for name, value in fault.environ.items():
        monkeypatch.setenv(name, value.format_map(places.names))
    server = places.serving(fault)
    server._queues.clear()  # a failed test leaves its replies
    session, before = begun(server)
    server.reply(*fault.replies, to=fault.to)
    server.requests.clear()
    events = []
    run = session.ask("Hello?", options(fault, address), NullView(), observe=events.append)
    response = run.wait()

    assert_response(response, fault, urlsplit(address).netloc)
    asked = sum(request.method == "POST" for request in server.requests)
    assert asked == fault.asked
    assert [e.kind for e in events].count("retry") == max(0, asked - 1)
    assert KEY not in json.dumps(response.to_dict())
    assert not any(server._queues.values()), "a reply was not asked for"
    kept = [] if response.text == "" else [HELLO, Message("assistant", fault.text)]
    if fault.tool:
        kept = [HELLO]
    assert session.messages == [*before, *kept]
    assert_next_works(session, server)


def begun(server: ReplayServer) -> tuple[Session, list[Message]]:
    """A session with one turn, and its messages."""
    session = Session("faults")
    server.reply(completion("Before."))
    well = Options(model="replay-1", base_url=server.base_url)
    assert session.ask("First", well, NullView()).wait().status == "complete"
    return session, session.messages


def assert_response(response: Response, fault: Fault, host: str) -> None:
    assert (response.status, response.text) == (fault.ends_as, fault.text), response.error
    if fault.error is None:
        assert response.error is None
        return
    assert type(response.error) is fault.error, response.error
    line = str(response.error)
    assert re.fullmatch(pattern(fault.sees, host), line), line
    assert KEY not in line
    assert len(response.error._render_traceback_()) == 1
    assert "\n" not in line


def assert_next_works(session: Session, server: ReplayServer) -> None:
    server.reply(completion("After."))
    well = Options(model="replay-1", base_url=server.base_url)
    assert session.ask("Next", well, NullView()).wait().text == "After."
    sent = server.requests[-1].json["messages"]
    assert sent[-1] == {"role": "user", "content": "Next"}
    assert all(message["content"] for message in sent)
