"""Values that come from JSON or go into it, whatever somebody put there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["is_deeper", "without_surrogates"]


def is_deeper(value: Any, levels: int) -> bool:
    """Whether `value` is nested in more than so many levels; found without recursion."""
    level = [value]
    for _ in range(levels):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(node: Any) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def without_surrogates(value: Any) -> Any:
    """`value` with every text in it as UTF-8 can say it.

    Halves of a character (surrogates) that meet are joined, and every other one is U+FFFD.
    """
    if isinstance(value, str):
        return _whole_characters(value)
    if isinstance(value, Mapping):
        return {without_surrogates(key): without_surrogates(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_surrogates(entry) for entry in value]
    return value


def _whole_characters(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
