"""Names as every provider takes them.

Anthropic wants `^[a-zA-Z0-9_.-]{1,64}$` of a parameter, OpenAI `^[a-zA-Z0-9_-]{1,64}$` of a
function, and Gemini that a function's begins with a letter or `_`. One name that does not fit
fails the whole request.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container

__all__ = ["function_name", "is_function_name", "parameter_name"]

_FUNCTION = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_PARAMETER = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_LONGEST = 64
_MARK = 6  # hexadecimal digits that tell names apart which would be written alike


def is_function_name(name: str) -> bool:
    """Whether every provider takes it."""
    return _FUNCTION.fullmatch(name) is not None


def function_name(name: str) -> str:
    """A function's name in ASCII: itself where it fits, else one that follows from it."""
    if is_function_name(name):
        return name
    written = _in_ascii(name, r"[^a-zA-Z0-9_-]", ())
    return written if is_function_name(written) else f"_{written}"[:_LONGEST]


def parameter_name(name: str, taken: Container[str]) -> str:
    """A parameter's name in ASCII: itself where it fits, else one that follows from it.

    Args:
        name: as the function or the server has it.
        taken: names that are other parameters'.
    """
    return name if _PARAMETER.fullmatch(name) else _in_ascii(name, r"[^a-zA-Z0-9_.-]", taken)


def _in_ascii(name: str, other: str, taken: Container[str]) -> str:
    """`name` without accents; what is lost of it for good, a mark stands for."""
    parts = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(char for char in parts if not unicodedata.combining(char))
    written = re.sub(other, "_", plain)
    is_lossy = len(written) > _LONGEST or any(map(str.isalnum, re.findall(other, plain)))
    if not written or is_lossy or written in taken:
        mark = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:_MARK]
        written = f"{written[: _LONGEST - 1 - _MARK]}_{mark}"
    return written
