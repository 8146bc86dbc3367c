"""What the Jupyter Server that started this kernel lacks for our widgets.

The page gets the code of widgets from the server's environment, which need not be the
kernel's: a kernel of another conda or virtual environment brings `anywidget` along and the
server does not have it. The page then shows a placeholder, or "Click to show javascript
error", and tells the kernel nothing. So the kernel looks into the server's environment, where
it can see it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

__all__ = ["lacks", "tell_once"]

# What each package puts into the `labextensions` of its environment.
_EXTENSIONS = {"ipywidgets": "@jupyter-widgets/jupyterlab-manager", "anywidget": "anywidget"}
_PATIENCE = 2.0  # seconds for `ps`

_told: set[str] = set()


def lacks() -> str:
    """What is missing and how to install it, as a line; "" where nothing is known to be."""
    prefix = _server_prefix()
    missing = [] if prefix is None else _missing_in(prefix)
    if not missing:
        return ""
    names = " and ".join(missing)
    return (
        f"The Jupyter server has no {names} in its environment, so its page shows no widgets: "
        f"answers come as plain outputs · {prefix}/bin/python -m pip install {' '.join(missing)} "
        "(where the server runs), then reload the page"
    )


def tell_once() -> None:
    """Print what is missing, the first time that anything is."""
    text = lacks()
    if text and text not in _told:
        _told.add(text)
        print(text)  # noqa: T201  # where the user reads it


def _missing_in(prefix: Path) -> list[str]:
    folders = [prefix / "share/jupyter", *_shared_folders()]
    return [
        package
        for package, extension in _EXTENSIONS.items()
        if not any((folder / "labextensions" / extension).is_dir() for folder in folders)
    ]


def _shared_folders() -> list[Path]:
    """Where else Jupyter looks; the kernel inherits the variables of the server."""
    path = [Path(each) for each in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if each]
    own = os.environ.get("JUPYTER_DATA_DIR")
    home = Path.home()
    users = [Path(own)] if own else [home / ".local/share/jupyter", home / "Library/Jupyter"]
    return [*path, *users, Path("/usr/local/share/jupyter"), Path("/usr/share/jupyter")]


@cache
def _server_prefix() -> Path | None:
    """The environment of the server, if it is another one than ours and serves JupyterLab.

    A gateway that starts kernels for a server elsewhere has no pages, and says nothing of it.
    """
    if "JPY_SESSION_NAME" not in os.environ:
        return None
    # The interpreter, and the script that it runs.
    for word in _command_of_parent()[:2]:
        path = Path(word)
        prefix = path.parent.parent
        serves = path.is_absolute() and (prefix / "share/jupyter/lab/static").is_dir()
        if serves and prefix != Path(sys.prefix):
            return prefix
        if serves:
            return None
    return None


def _command_of_parent() -> list[str]:
    """How the process that started the kernel was started itself; [] where it cannot be seen."""
    pid = os.environ.get("JPY_PARENT_PID", "")
    if not pid.isdecimal():
        return []
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (OSError, ValueError):
        pass
    if os.name != "posix":
        return []
    try:
        found = subprocess.run(  # noqa: S603  # a number, and the system's own program
            ["/bin/ps", "-o", "command=", "-p", pid],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    return found.stdout.split()
