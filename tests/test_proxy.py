"""Behind a proxy, and with a CA of the company's own."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from edge import Edge
from replay import ReplayServer, completion

from nbstream import Chat, errors
from nbstream.transport.proxies import proxy_of

HOST = "model.test"  # a name that no DNS knows: the proxy does


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def edge(replay: ReplayServer, authority: trustme.CA) -> Iterator[Edge]:
    certificate = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(certificate)
    with Edge(replay.port, certificate).running() as edge:
        yield edge


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch):
    """Neither proxies nor certificates of the machine that runs the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


def ask(base_url: str, **headers: str) -> str:
    return Chat("m", base_url=base_url, headers=headers, view="none").send("Hi").text


def failure(base_url: str) -> str:
    """The one line that the user sees."""
    with pytest.raises(errors.NbstreamError) as caught:
        ask(base_url)
    (line,) = caught.value._render_traceback_()
    return line


def secure(edge: Edge) -> str:
    return f"https://{HOST}:{edge.tls_port}/v1"


def test_https_goes_through_the_proxy_with_the_companys_ca(replay, edge, ca_file, monkeypatch):
    replay.reply(completion("Hello"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{edge.proxy.port}")
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    assert ask(secure(edge), Authorization="Bearer key") == "Hello"
    assert edge.proxy.asked == [f"CONNECT {HOST}:{edge.tls_port} HTTP/1.1"]
    assert replay.requests[0].headers["authorization"] == "Bearer key"


def test_an_unknown_ca_is_named_and_can_be_set_at_once(replay, edge, ca_file, monkeypatch):
    replay.reply(completion("Hello"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{edge.proxy.port}")
    line = failure(secure(edge))
    assert f"the certificate of {HOST}:{edge.tls_port} is not trusted" in line
    assert "SSL_CERT_FILE" in line
    assert replay.requests == []
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    assert ask(secure(edge)) == "Hello"


def test_http_goes_through_the_proxy(replay, edge, monkeypatch):
    replay.reply(completion("Hello"))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{edge.proxy.port}")
    base_url = f"http://{HOST}:{replay.port}/v1"
    assert ask(base_url) == "Hello"
    assert edge.proxy.asked == [f"POST {base_url}/chat/completions HTTP/1.1"]


def test_a_login_at_the_proxy(replay, edge, monkeypatch):
    replay.reply(completion("Hello"))
    edge.proxy.login = "someone:secret-word"
    address = f"127.0.0.1:{edge.proxy.port}"
    monkeypatch.setenv("HTTP_PROXY", f"http://someone:secret-word@{address}")
    assert ask(f"http://{HOST}:{replay.port}/v1") == "Hello"
    assert len(edge.proxy.asked) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("login", ["", "someone:wrong-word@"])
def test_a_refused_login_names_the_proxy(replay, edge, ca_file, monkeypatch, scheme, login):
    edge.proxy.login = "someone:secret-word"
    address = f"127.0.0.1:{edge.proxy.port}"
    monkeypatch.setenv(f"{scheme}_proxy", f"http://{login}{address}")
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    base_url = secure(edge) if scheme == "https" else f"http://{HOST}:{replay.port}/v1"
    line = failure(base_url)
    assert f"the proxy {address} wants a login (407)" in line
    assert f"set {scheme.upper()}_PROXY" in line
    assert "word@" not in line
    assert len(edge.proxy.asked) == 1  # it is not asked again
    assert replay.requests == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_named(monkeypatch, scheme):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv(f"{scheme}_proxy", f"http://me:secret-word@{address}")
    line = failure(f"{scheme}://{HOST}:8000/v1")
    assert f"No server at the proxy {address} (connection refused)" in line
    assert f"add {HOST} to NO_PROXY" in line
    assert "secret-word" not in line


def test_a_proxy_that_cannot_be_one_is_named(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "gopher://me:secret-word@proxy.test:80")
    line = failure(f"https://{HOST}/v1")
    assert "check SSL_CERT_FILE, HTTP_PROXY, HTTPS_PROXY" in line
    assert "secret-word" not in line


@pytest.mark.parametrize("sign", "/#?")
def test_a_password_that_should_be_escaped_is_not_quoted(monkeypatch, sign):
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret-word{sign}x@proxy.test:80")
    line = failure(f"https://{HOST}/v1")
    assert "in a login, / and @ are %2F and %40" in line
    assert "secret-word" not in line


def test_a_file_of_certificates_that_is_not_there(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(Path(__file__).with_name("nothing.pem")))
    assert "SSL_CERT_FILE" in failure(f"https://{HOST}/v1")


@pytest.mark.parametrize("no_proxy", [HOST, ".test", "*"])
def test_no_proxy_is_respected(replay, edge, ca_file, monkeypatch, no_proxy):
    replay.reply(completion("Hello"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{edge.proxy.port}")
    monkeypatch.setenv("NO_PROXY", f"other.test,{no_proxy}")
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    look_up = socket.getaddrinfo

    def in_house(host, *args, **kwargs):
        return look_up("127.0.0.1" if host in (HOST, HOST.encode()) else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", in_house)
    assert ask(secure(edge)) == "Hello"
    assert edge.proxy.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_reached_without_a_proxy(replay, edge, monkeypatch, host):
    replay.reply(completion("Hello"))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{edge.proxy.port}")
    assert ask(f"http://{host}:{replay.port}/v1") == "Hello"
    assert edge.proxy.asked == []


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://me:word@proxy.test:8080/"}, "proxy.test:8080"),
        ({"HTTPS_PROXY": "proxy.test"}, "proxy.test"),
        ({"ALL_PROXY": "socks5://proxy.test:1080"}, "proxy.test:1080"),
        ({"HTTPS_PROXY": "http://proxy.test", "NO_PROXY": "model.test"}, ""),
        ({"HTTP_PROXY": "http://proxy.test"}, ""),
    ],
)
def test_which_proxy_a_request_takes(monkeypatch, environment, proxy):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(f"https://{HOST}/v1") == proxy
