"""Reads one variable of a `.env` file, and no other.

A file that came with somebody's folder may name another server, another proxy or further
headers, and so send the key, and all that is asked, to them. Such variables are never read;
they are named, so that nobody wonders why they have no effect.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

from .errors import ConfigurationError, UsageError
from .secret import Secret, check_variable_name
from .small_file import read_text

__all__ = ["read_key"]

_EXTRA = "pip install 'nbstream[dotenv]'"
_LARGEST = 1_000_000  # bytes
_MOST_NAMES = 4  # that are shown
# What says where requests go, and what goes with them.
_STEERING = re.compile(
    r"BASE|URL|URI|ENDPOINT|HOST|PROXY|HEADER|CERT|ORGANI|ORG_|PROJECT", re.IGNORECASE
)


def read_key(path: str, name: str) -> tuple[Secret, str]:
    """The key that a `.env` file has under this name.

    Args:
        path: the file.
        name: the variable.

    Returns:
        The key, and what to say of variables that were ignored, or "".

    Raises:
        UsageError: the file cannot be read, or has no such variable.
        ConfigurationError: the library that reads such files is not there.
    """
    values = _values(path)
    key = values.get(name, Secret(""))
    if not key:
        raise UsageError(
            f"{path} has no {name} · %chat key NAME --env-file PATH reads the variable NAME"
        )
    return key, _ignored(values.keys() - {name})


def _values(path: str) -> dict[str, Secret]:
    try:
        from dotenv import dotenv_values
    except ImportError:
        raise ConfigurationError(f"to read a .env file needs a library more: {_EXTRA}") from None
    # Not interpolated: `${NAME}` would bring in other variables, those of the process too.
    text = io.StringIO(read_text(path, _LARGEST))
    return {
        name: Secret(value or "")
        for name, value in dotenv_values(stream=text, interpolate=False).items()
    }


def _ignored(names: Iterable[str]) -> str:
    """What was not read, though somebody may have meant it to be."""
    found = sorted(name for name in names if _STEERING.search(name) and _is_name(name))
    if not found:
        return ""
    more = ", …" if len(found) > _MOST_NAMES else ""
    listed = f"{', '.join(found[:_MOST_NAMES])}{more}"
    return f"Ignored in that file: {listed} · set them yourself if you trust them."


def _is_name(name: str) -> bool:
    try:
        check_variable_name(name)
    except UsageError:
        return False
    return True
