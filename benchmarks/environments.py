"""Environments of the peers' own, made at the first run and used again at later ones."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from pathlib import Path

__all__ = ["FOLDER", "UnavailableError", "python_with", "versions"]

FOLDER = Path(__file__).parents[1] / ".build" / "benchmarks"
_LONGEST = 300  # seconds for one installation


class UnavailableError(Exception):
    """The packages could not be installed; the message is one line."""


def python_with(packages: tuple[str, ...]) -> str:
    """A Python that has the newest `packages`; without any, the one that runs this.

    Raises:
        UnavailableError: they could not be installed.
    """
    if not packages:
        return sys.executable
    key = hashlib.sha256(json.dumps([sys.version, packages]).encode()).hexdigest()[:8]
    folder = FOLDER / f"{packages[0]}-{key}"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = folder / "installed"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
        _install(folder, python, packages)
        done.touch()
    return str(python)


def _install(folder: Path, python: Path, packages: tuple[str, ...]) -> None:
    uv = shutil.which("uv")
    print(f"installing {', '.join(packages)} into {folder}", flush=True)
    if uv:
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", str(python), *packages)
    else:
        venv.create(folder, with_pip=True)
        _run(str(python), "-m", "pip", "install", "--quiet", *packages)


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LONGEST)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"the installation took more than {_LONGEST} s") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit status {error.returncode}"]
        raise UnavailableError(lines[-1]) from error


def versions(python: str, names: Iterable[str]) -> dict[str, str]:
    """The versions of those of the packages `names` that this Python has."""
    code = (
        "import sys, json, importlib.metadata as m\n"
        "found = {d.name.lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({n: found[n] for n in sys.argv[1:] if n in found}))"
    )
    command = [python, "-c", code, *names]
    result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return dict(json.loads(result.stdout))
