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
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import trustme
from edge import Edge
from fault_table import KEY, PAGE, Fault, faults, made_page, proven, stream
from kernels import Kernel, Result, kernel
from replay import Hang, ReplayServer, completion, error, silence, whole

from nbstream import local
from nbstream.chat import Chat
from nbstream.errors import APITimeoutError
from nbstream.events import Event
from nbstream.messages import Message
from nbstream.request import Deadlines, Options
from nbstream.request_messages import NO_ANSWER
from nbstream.response import Response
from nbstream.session import Session
from nbstream.tools.tool import tools_of
from nbstream.views.protocol import NullView

TESTS = Path(__file__).parent
RECORD = "application/vnd.nbstream.response+json"
HELLO = Message("user", "Hello?")
SEND_ON = "chat.send('Continue.') asks for the rest"


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
    monkeypatch.setattr("nbstream.transport.exchange._FINISH_GRACE", 0.2)
    monkeypatch.setattr("nbstream.transport.client._REFUSAL_TIME", 0.2)


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
    words = fault.kept or fault.text
    kept = [("user", HELLO.content), ("assistant", words)] if words else []
    assert not LOOKED_UP
    assert session.messages[: len(before)] == before
    assert [(m.role, m.content or NO_ANSWER) for m in session.messages[len(before) :]] == kept
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


# --- in a cell ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nb(places) -> Iterator[Kernel]:
    with kernel(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=places.server.base_url) as running:
        prepared = running.run(
            "%config ChatMagics.model = 'replay-1'\n"
            "%config ChatMagics.idle_timeout = 0.3\n"
            "import nbstream.transport.exchange\n"
            "nbstream.transport.exchange._FINISH_GRACE = 0.2"
        )
        assert not prepared.error, prepared.error
        yield running


@pytest.mark.parametrize("fault", [f for f in faults() if f.in_cell], ids=lambda fault: fault.name)
def test_a_fault_in_a_cell(fault, places, nb):
    address = places.address(fault)
    server = places.serving(fault)
    server._queues.clear()
    server.reply(completion("Before."))
    nb.run("%chat reset")
    assert not nb.run("%%chat\nFirst").error
    before = nb.run("%chat history").stdout
    server.reply(*fault.replies, to=fault.to)
    model = fault.options.get("model", "replay-1")
    result = nb.run(f"%%chat -m {model} --base-url {address} --out mine\nHello?")

    assert KEY not in json.dumps(result.messages, default=str)
    assert nb.value("mine is _chat, mine.status, mine.text") == repr(
        (True, fault.ends_as, fault.text)
    )
    if fault.error is None:
        assert not result.error
    else:
        line = pattern(fault.sees, urlsplit(address).netloc)
        assert re.fullmatch(rf"{fault.error.__name__}: {line}", result.error), result.error
        assert len(result.traceback) == 1
    assert_saved(result, fault)
    history = nb.run("%chat history").stdout
    words = "[reasoning]" if fault.kept == NO_ANSWER else fault.kept or fault.text
    assert history.startswith(before)
    assert history.removeprefix(before) == (
        f"[user]\nHello?\n\n[assistant]\n{words}\n\n" if words else ""
    )
    server.reply(completion("After."))
    assert not nb.run("%%chat\nNext").error
    assert nb.value("_chat.text") == "After."


def assert_saved(result: Result, fault: Fault) -> None:
    """What is left in the notebook: the part and how it ended, or the error alone."""
    if not fault.text:
        assert result.outputs == []
        return
    (saved,) = result.outputs
    assert fault.text in saved["text/markdown"]
    assert saved[RECORD]["rounds"][-1]["text"] == fault.text
    assert saved[RECORD]["status"] == fault.ends_as
    if fault.error is not None:
        word = "failed" if fault.ends_as == "error" else fault.ends_as
        assert saved["text/plain"].startswith(f"[{word}] ")


# --- faults that are no row --------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (500, "image input is not supported - hint: you may need to provide the mmproj"),
        (400, "Invalid content type. image_url is only supported by certain models."),
        (404, "No endpoints found that support image input"),
        (400, "stub is not a multimodal model"),
    ],
)
def test_a_model_that_takes_no_pictures(replay, status, words):
    """It is not asked again, and told apart from one that an earlier picture troubles."""
    session = Session("pictures")
    well = Options(model="replay-1", base_url=replay.base_url)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    replay.reply(error(status, words))
    response = session.ask([picture], well, NullView()).wait()
    assert str(response.error).endswith(" · name a model that takes pictures: -m MODEL")
    replay.reply(completion("A cat."), error(status, words))
    session.ask([picture], well, NullView()).wait()
    response = session.ask("Thanks!", well, NullView()).wait()
    assert "an earlier question has a picture: --no-history, or" in str(response.error)
    assert sum(request.method == "POST" for request in replay.requests) == 3


@pytest.mark.parametrize(
    ("deadline", "reply", "sees"),
    [
        ("first_token_timeout", silence(), "no answer from HOST within 0.2 s · try again"),
        ("idle_timeout", stream(Hang()), f"nothing more from HOST for 0.2 s · {SEND_ON}"),
        ("timeout", silence(), "the answer took longer than 0.2 s · raise --timeout"),
    ],
)
def test_the_deadlines_are_settable_from_python(replay, deadline, reply, sees):
    replay.reply(reply)
    chat = Chat("replay-1", base_url=replay.base_url, view="none", **{deadline: 0.2})
    with pytest.raises(APITimeoutError, match=pattern(sees, replay.host)):
        chat.send("Hello?")


def test_a_long_line_takes_no_memory_of_its_own(replay):
    (fault,) = (f for f in faults() if "50 MB" in f.name)
    replay.reply(*fault.replies)
    asked = options(fault, replay.base_url)
    tracemalloc.start()
    response = Session("faults").ask("Hello?", asked, NullView()).wait()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.text == "Hello"
    assert most < 3 * 16 * 2**20  # a line as long as the bound, growing
    assert replay.requests[0].aborted.wait(5)


def test_an_error_page_without_an_end_is_left_at_its_beginning(replay):
    (fault,) = (f for f in faults() if f.name == "An error page without an end")
    replay.reply(*fault.replies)
    response = Session("faults").ask("Hello?", options(fault, replay.base_url), NullView()).wait()
    assert response.error.status_code == 403
    assert replay.requests[0].aborted.wait(5)
    assert replay.requests[0].sent < 2**24  # what the sockets hold


@pytest.mark.parametrize(
    ("listing", "sees"),
    [
        (silence(), "did not list its models within 0.2 s · name one: -m NAME"),
        (whole("<html></html>", kind="text/html"), "does not list its models · name one: -m NAME"),
        (whole("{", kind="application/json"), "does not list its models · name one: -m NAME"),
        (error(404), "has no such model or path (404): no · check the base URL {url}"),
    ],
    ids=["never", "a page", "half", "not there"],
)
def test_a_server_that_does_not_list_its_models(replay, monkeypatch, listing, sees):
    monkeypatch.setattr("nbstream.transport.client._LISTING_TIME", 0.2)
    replay.reply(listing, to="/v1/models")
    nameless = Options(base_url=replay.base_url)
    response = Session("faults").ask("Hello?", nameless, NullView()).wait()
    assert str(response.error) == f"{replay.host} {sees.format(url=replay.base_url)}"


@pytest.mark.local
def test_the_embedded_server_is_killed_in_the_middle_of_an_answer():
    chat = Chat("local", view="none")
    chat.send("Hi.")
    server = local.ensure_server()

    def kill(event: Event) -> None:
        if event.kind == "text" and server.alive:
            os.kill(server.pid, signal.SIGKILL)
            psutil.wait_procs([psutil.Process(server.pid)], timeout=10)

    run = chat.session.ask("Count to a thousand.", chat.options, NullView(), observe=kill)
    response = run.wait()
    assert response.status == "incomplete"
    assert response.text
    said = f"the connection to the embedded model broke inside the answer (…) · {SEND_ON}"
    assert re.fullmatch(pattern(said, ""), str(response.error))
    assert chat.send("Hi.").status == "complete"
    assert local.ensure_server().pid != server.pid


# --- the table itself --------------------------------------------------------------------


def test_what_other_files_prove_is_there():
    rows = proven()
    assert len(rows) >= 5
    for row in rows:
        for test in row.tests:
            path, _, name = test.partition("::")
            tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
            assert name in {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}, test


def test_every_line_says_what_to_do_in_one_line():
    names = [fault.name for fault in faults()]
    assert len(names) == len(set(names))
    for fault in faults():
        assert (fault.error is None) == (fault.sees == "")
        assert fault.sees.count(" · ") <= 1, fault.sees
    assert sum(f.in_cell for f in faults()) >= 8


def test_the_page_is_what_the_table_says():
    assert PAGE.read_text(encoding="utf-8") == made_page(), (
        "docs/faults.md is old: python tests/fault_table.py"
    )
