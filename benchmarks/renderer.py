"""The renderer alone: markdown that grows by a frame at a time, at many lengths and shapes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import corpus

from nbstream.render.html import render
from nbstream.render.patches import Document

__all__ = ["PROSE", "Figures", "measure", "plan"]

PROSE = "prose"
_SIZES = (2_000, 8_000, 32_000, 128_000)
_GIANT_SIZES = (2_000, 16_000, 64_000)
# 200 tokens a second at 30 frames. The driver stretches its frames when they get
# expensive; these are fixed, so that work that grows cannot hide in fewer frames.
_FRAME = 7
_ENOUGH = 16_000  # tokens; shorter texts are measured so often, and the median counts


@dataclass(frozen=True)
class Figures:
    """One text, rendered while it grew. Seconds are of this thread's CPU.

    Attributes:
        shape: `prose`, or the block that is the whole text.
        tokens, characters: the text's size.
        seconds: for all frames together.
        worst: seconds of the slowest frame but the last.
        last: seconds of the last frame, after which nothing is open.
        full: seconds to parse and render the whole text once.
        parsed: characters given to the parser in all.
    """

    shape: str
    tokens: int
    characters: int
    seconds: float
    worst: float
    last: float
    full: float
    parsed: int

    @property
    def per_token(self) -> float:
        """Microseconds."""
        return self.seconds / self.tokens * 1e6

    @property
    def full_parses(self) -> float:
        """The whole cost as a multiple of rendering the text once."""
        return self.seconds / self.full

    @property
    def parsed_again(self) -> float:
        """How often each character was given to the parser."""
        return self.parsed / self.characters


def plan(*, quick: bool = False) -> list[tuple[str, int]]:
    """Shapes and sizes, in tokens."""
    prose = [(PROSE, size) for size in (_SIZES[:2] if quick else _SIZES)]
    giants = [(s, size) for s in corpus.GIANTS for size in _GIANT_SIZES[: 1 if quick else None]]
    return prose + giants


def measure(cases: Sequence[tuple[str, int]]) -> Iterator[Figures]:
    """Render each shape and size."""
    _grow(corpus.answer(1_000))  # what is loaded at the first use
    for shape, tokens in cases:
        prose = shape == PROSE
        yield _measure(shape, corpus.answer(tokens) if prose else corpus.giant(shape, tokens))


def _measure(shape: str, pieces: list[str]) -> Figures:
    text = "".join(pieces)
    repeats = max(1, _ENOUGH // len(pieces))
    full = median(_seconds(text) for _ in range(max(2, repeats)))
    runs = sorted((_grow(pieces) for _ in range(repeats)), key=lambda run: sum(run[0]))
    frames, parsed = runs[repeats // 2]
    return Figures(
        shape=shape,
        tokens=len(pieces),
        characters=len(text),
        seconds=sum(frames),
        worst=max(frames[:-1]),
        last=frames[-1],
        full=full,
        parsed=parsed,
    )


def _seconds(text: str) -> float:
    started = time.thread_time()
    render(text)
    return time.thread_time() - started


def _grow(pieces: list[str]) -> tuple[list[float], int]:
    """The seconds of each frame, and the characters that were parsed in all."""
    document = Document()
    frames = []
    for at in range(0, len(pieces), _FRAME):
        news = "".join(pieces[at : at + _FRAME])
        started = time.thread_time()
        document.feed(news)
        document.patch()
        frames.append(time.thread_time() - started)
    started = time.thread_time()
    document.close()
    frames.append(time.thread_time() - started)
    return frames, document.parsed
