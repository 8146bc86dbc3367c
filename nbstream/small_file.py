"""Reads a small file that the user named."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .errors import UsageError

__all__ = ["check_size", "is_file", "read_bytes", "read_text"]


def is_file(path: str) -> bool:
    """Whether there is a file of this name; a pipe, which may never end, is not one."""
    try:
        return Path(path).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a null, the home of nobody
        return False


def read_bytes(path: str | os.PathLike[str], largest: int) -> bytes:
    """What a file holds.

    Args:
        path: where it is; `~` is the home of the user.
        largest: bytes that it may have.

    Raises:
        UsageError: it cannot be read, is not a file, or is larger.
    """
    try:
        file = Path(path).expanduser()
        about = file.stat()
        if not stat.S_ISREG(about.st_mode):
            raise UsageError(f"{path} cannot be read: it is not a file")
        check_size(about.st_size, file.name, largest)
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RuntimeError) as error:  # a path with a null, the home of nobody
        raise UsageError(f"{str(path)!r} cannot be read: {error}") from error


def read_text(path: str, largest: int) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Raises:
        UsageError: as `read_bytes`, and where it is not text in UTF-8.
    """
    try:
        return read_bytes(path, largest).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} cannot be read: it is not text in UTF-8") from None


def check_size(size: int, name: str, largest: int) -> None:
    """Nothing, where a file is not too large.

    Raises:
        UsageError: it is.
    """
    if size > largest:
        raise UsageError(f"{name} is larger than {largest / 1_000_000:g} MB: make it smaller")
