"""How much of a body has arrived at this machine, and was not read yet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from sys import byteorder
from typing import Any

__all__ = ["unread_bytes"]


def unread_bytes(response: Any) -> Callable[[], int]:
    """Counts the bytes that wait in the socket of a response, encrypted ones too.

    Args:
        response: of httpx; its socket is found as
            https://www.encode.io/httpcore/extensions/#network_stream says.

    Returns:
        The counter. Where they cannot be counted, as on Windows, there are none.
    """
    try:
        import fcntl
        import termios
    except ImportError:
        return lambda: 0
    stream = response.extensions.get("network_stream")
    socket: Any = None if stream is None else stream.get_extra_info("socket")

    def count() -> int:
        with suppress(OSError, AttributeError, ValueError):  # it is closed, or none of a system's
            found = fcntl.ioctl(socket.fileno(), termios.FIONREAD, bytes(4))
            return int.from_bytes(found, byteorder)
        return 0

    return count
