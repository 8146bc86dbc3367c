"""Long texts of one shape each, for what long texts cost."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from string import ascii_lowercase

_TOKEN = 4  # characters
_chance = random.Random(5)
_WORDS = ["".join(_chance.choices(ascii_lowercase, k=k)) for k in [2, 3, 4, 5, 7] * 60]


@dataclass(frozen=True)
class Shape:
    """What the text starts with, and what follows, over and over.

    `is_sealed` says whether its parts are sealed as they come, so that no moment is dear.
    """

    start: str
    line: Callable[[random.Random], str]
    is_sealed: bool = True


def _words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(_WORDS, k=count))


def _mixed(chance: random.Random) -> str:
    items = "".join(f"- **{_words(chance, 1)}**: {_words(chance, 12)}\n" for _ in range(5))
    rows = "".join(f"| {_words(chance, 2)} | {chance.randint(1, 999)} |\n" for _ in range(6))
    code = "".join(
        f"    a = b + {chance.randint(1, 99)}  # {_words(chance, 4)}\n" for _ in range(12)
    )
    return (
        f"## {_words(chance, 4)}\n\n{_words(chance, 30)} **{_words(chance, 2)}** and "
        f"`{_words(chance, 1)}` [{_words(chance, 2)}](https://example.com/a).\n\n{items}\n"
        f"```python\ndef f(a, b):\n{code}```\n\n"
        f"| a | b |\n|---|--:|\n{rows}\n{_words(chance, 60)}\n\n"
    )


SHAPES = {
    "mixed": Shape("", _mixed),
    "fence": Shape("```python\n", lambda c: f"    x = {_words(c, 5)}\n"),
    "fence of one line": Shape("```json\n", lambda c: f"{_words(c, 5)}, "),
    "table": Shape(
        "| a | b | c |\n|---|--:|---|\n",
        lambda c: f"| {_words(c, 3)} | {c.randint(1, 99)} | {_words(c, 3)} |\n",
    ),
    "list": Shape("", lambda c: f"- **{_words(c, 1)}** {_words(c, 10)}\n"),
    "loose list": Shape("", lambda c: f"1. **{_words(c, 1)}** {_words(c, 10)}\n\n"),
    "list in one item": Shape("- a\n", lambda c: f"  - {_words(c, 10)}\n", is_sealed=False),
    "paragraphs in one item": Shape("- a\n", lambda c: f"\n  {_words(c, 10)}\n", is_sealed=False),
    "quote of paragraphs": Shape("", lambda c: f"> {_words(c, 10)}\n>\n"),
    "quote": Shape("", lambda c: f"> {_words(c, 10)}\n"),
    "paragraph": Shape("", lambda c: f"{_words(c, 10)} *{_words(c, 1)}*\n"),
    "line": Shape("", lambda c: f"{_words(c, 10)} *{_words(c, 1)}* "),
    "indented code": Shape("", lambda c: f"    {_words(c, 10)}\n", is_sealed=False),
    "definitions": Shape(
        "[a] [b]\n\n", lambda c: f"[{_words(c, 2)}]: https://x.y/{_words(c, 1)}\n", is_sealed=False
    ),
}


def shape(name: str, tokens: int) -> str:
    """About so many tokens of text of this shape."""
    chance = random.Random(name)
    lines = (SHAPES[name].line(chance) for _ in itertools.count())
    return "".join(_until(itertools.chain([SHAPES[name].start], lines), tokens * _TOKEN))


def _until(pieces: Iterator[str], size: int) -> Iterator[str]:
    while size > 0:
        piece = next(pieces)
        size -= len(piece)
        yield piece
