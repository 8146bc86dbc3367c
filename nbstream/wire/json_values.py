"""Values that come from JSON or go into it, whatever somebody put there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["is_deeper", "is_halved", "rejoined", "without_surrogates"]


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


def is_halved(value: Any) -> bool:
    """Whether a text in `value` ends with the first half of a character."""
    if isinstance(value, str):
        return "\ud800" <= value[-1:] <= "\udbff"
    return any(is_halved(child) for child in _children(value))


def rejoined(first: Any, second: Any) -> tuple[Any, Any]:
    """Both values; a character split over texts at the same place goes whole into `first`'s."""
    match first, second:
        case str(), str() if is_halved(first) and "\udc00" <= second[:1] <= "\udfff":
            return first + second[0], second[1:]
        case dict(), dict():
            pairs = {key: rejoined(first[key], second[key]) for key in first.keys() & second.keys()}
            firsts, seconds = ({key: pair[i] for key, pair in pairs.items()} for i in (0, 1))
            return first | firsts, second | seconds
        case list(), list():
            couples = [rejoined(a, b) for a, b in zip(first, second, strict=False)]
            shared = len(couples)
            return [a for a, _ in couples] + first[shared:], [b for _, b in couples] + second[
                shared:
            ]
    return first, second
