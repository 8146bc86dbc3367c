"""Texts made to be dear: thousands of marks in one block, while they grow, saved and as data.

Each is one small piece over and over. What is wanted: the cost grows as the text does, and no
frame but the one that ends such a block is dear.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from nbstream.render.extract import code_blocks, formulas, tables
from nbstream.render.patches import Document
from nbstream.render.safe_markdown import safe_markdown

__all__ = ["FRAME", "HOSTILE", "SIZES", "Figures", "growth", "hostile", "measure", "per_character"]

SIZES = (16_000, 64_000)  # characters
FRAME = 60  # characters: a quick model at 30 frames a second

_CHEAP = 1.0  # microseconds a character, below which a ratio is noise
_COLUMNS = 200


def _wide_row(cell: str) -> str:
    return f"|{f'{cell}|' * _COLUMNS}\n"


#: What each begins with, and what follows again and again.
HOSTILE: dict[str, tuple[str, str]] = {
    **{
        piece: ("", piece)
        for piece in (
            *("\\(", "\\[", "\\\\(", "\\\\[", "$", "$$", "$ ", "$a_{", "$5 ", "\\", "$x$ "),
            *("\\begin{align}", "\\begin{align}\n", "\\(x\\) ", "\\[x\\]\n", "$$\nx\n$$\n"),
            *(
                "|",
                "|a",
                "a|b\n",
                "| a | b |\n",
                "```",
                "```\n",
                "```py\nx\n```\n",
                "`",
                "` ",
                "``a`",
            ),
            *("- ", "- a\n", "1. ", "* a\n  ", "+", "> ", ">", "> a\n", "> - ", "- > a\n"),
            *("<sub>", "<sub>a</sub>", "</u>", "<", "<a", "<br>", "<sub> ", "<u>*"),
            *(
                "![a](data:",
                "![a](data:image/png;base64,",
                "data:a,",
                "![",
                "[",
                "]",
                "[a](",
                "[a]",
            ),
            *(
                "[x](https://y z",
                "[x](https://y z) ",
                "https://y.z/",
                "https://",
                "www.a",
                "a@b.c ",
            ),
            *(
                "C:\\x\\.y",
                "C:\\x\\.y ",
                "\\d\\.",
                "*",
                "* ",
                "*a",
                "**a ",
                "_",
                "_a ",
                "~~a",
                "*_",
            ),
            *("[^1]", "[^1]: a\n", "[a]: https://b.c\n", "[a]: b", "&#x202e;", "&", "&amp;"),
            *(
                "\u200b",
                "\u202ea",
                "\u200b# a\n",
                "⟨U+",
                "\x1b[",
                "\x1b[0m",
                "\U0001f3f4",
                "\ufe0f",
            ),
            *(
                "a\n",
                "# ",
                "# a\n",
                "=\n",
                "a\n===\n",
                "---\n",
                "    a\n",
                "\t",
                "\n",
                "a\n\n",
                "\r",
            ),
            *(
                "א ",
                "重",
                "https://e.example继",
                "[a][b] ",
                "!",
                "@@0@@",
                "[[",
                "a](",
                "&#",
                "~",
                "\0",
            ),
        )
    },
    "an equation's lines": ("\\begin{align}\n", "a &= b + c \\\\\n"),
    "a formula's lines": ("$$\n", "x_1 + y\n"),
    "a formula's words": ("\\[ ", "x_1 + "),
    "200 columns": (_wide_row(" c ") + _wide_row("-"), _wide_row(" val ")),
    "200 columns of code": (_wide_row(" c ") + _wide_row("-"), _wide_row("`a`")),
    "200 columns of formulas": (_wide_row(" c ") + _wide_row("-"), _wide_row("$x$")),
    "a table of open formulas": ("|a|b|\n|-|-|\n", "|\\(|$\n"),
    "a header without an end": ("", "| c "),
    "a delimiter row without an end": ("|a|\n|", "-|"),
    "a list of marks": ("", "- *a `b [c \\(\n"),
    "a quote of marks": ("", "> *a `b [c \\(\n"),
    "all of it": ("", "*a _b `c [d](e $f \\(g <sub> | ![h](data: \\\\(i > ~~j &#x202e; C:\\k\\.l "),
    "all of it, in lines": (
        "",
        "*a _b `c [d](e\n$f \\(g <sub> |\n![h](data: \\\\(i\n> ~~j &#x202e; C:\\k\\.l\n",
    ),
    "a code fence in a list": ("- a\n\n  ```py\n", "  x = 1\n"),
    "a fence that is not closed": ("```md\n", "```py ` a```\n"),
}


@dataclass(frozen=True)
class Figures:
    """One text at `SIZES`. Seconds are of this process's CPU.

    Attributes:
        name: which text.
        live: seconds for all frames together, at each size.
        worst: seconds of the slowest frame that ends nothing, at the largest size.
        saved, extracted: seconds to write it as safe markdown, and to take its code, its tables or
            its formulas out, whichever is dearest, at each size.
    """

    name: str
    live: list[float]
    worst: float
    saved: list[float]
    extracted: list[float]

    @property
    def parts(self) -> list[list[float]]:
        return [self.live, self.saved, self.extracted]

    @property
    def per_character(self) -> float:
        """Microseconds, of the dearest part."""
        return max(per_character(part) for part in self.parts)

    @property
    def growth(self) -> float:
        """The time of the largest text over that of the smallest, where it is worth a look."""
        dear = [part for part in self.parts if per_character(part) > _CHEAP]
        return max((growth(part) for part in dear), default=0.0)


def per_character(seconds: list[float], at: int = -1) -> float:
    """Microseconds."""
    return seconds[at] / SIZES[at] * 1e6


def growth(seconds: list[float]) -> float:
    """The time of the largest text over that of the smallest."""
    return seconds[-1] / seconds[0]


def hostile(name: str, size: int) -> str:
    """The text of this name, of so many characters."""
    opening, piece = HOSTILE[name]
    return (opening + piece * (size // len(piece) + 1))[:size]


def measure(names: Iterable[str] = HOSTILE) -> Iterator[Figures]:
    """Grow, save and take apart each text."""
    _grow("a\n")  # what is loaded at the first use
    for name in names:
        texts = [hostile(name, size) for size in SIZES]
        runs = [_grow(text) for text in texts]
        yield Figures(
            name=name,
            live=[sum(frames) for frames in runs],
            worst=max(runs[-1][:-1]),
            saved=[_seconds(safe_markdown, text) for text in texts],
            extracted=[_extracted(text) for text in texts],
        )


def _extracted(text: str) -> float:
    return max(_seconds(take, text) for take in (code_blocks, tables, formulas))


def _seconds(do: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    do(text)
    return time.process_time() - started


def _grow(text: str) -> list[float]:
    """The seconds of each frame; the last one is that of the end."""
    document = Document()
    frames = []
    for at in range(0, len(text), FRAME):
        document.feed(text[at : at + FRAME])
        frames.append(_seconds(lambda _: document.patch(), ""))
    return [*frames, _seconds(lambda _: document.close(), "")]
