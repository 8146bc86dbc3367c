"""The scripted answers: markdown as models write it, in pieces of about 4.4 characters.

The words are drawn anew all the time, so that nothing compresses or caches better than
in a real answer. The same arguments give the same text, on every machine.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["END", "GIANTS", "answer", "giant", "pieces"]

END = "That is the whole of it."  # every answer's last words: who shows them shows it all


def _words() -> dict[str, list[str]]:
    """The lists of `words.txt`, by their names."""
    lists: dict[str, list[str]] = {}
    for word in (Path(__file__).parent / "words.txt").read_text().split():
        if word.endswith(":"):
            lists[word[:-1]] = current = []
        else:
            current.append(word)
    return lists


_NOUNS, _VERBS, _ADJECTIVES, _ADVERBS = _words().values()
_LINKS = ("and", "but", "because", "while", "so that", "although", "when", "where", "as")
_WORD = re.compile(r"\s*[A-Za-z]+|\s*\d{1,3}|\s*[^\sA-Za-z\d]{1,4}|\s+")
_LONGEST = 9  # letters; tokenizers cut longer words


def pieces(text: str) -> list[str]:
    """`text` cut as a tokenizer cuts it: words with the space before them, signs, digits."""
    cut: list[str] = []
    for word in _WORD.findall(text):
        while len(word) > _LONGEST:
            cut.append(word[:_LONGEST])
            word = word[_LONGEST:]  # noqa: PLW2901  # the rest of the word is the next piece
        cut.append(word)
    return cut


def answer(tokens: int, seed: int = 1) -> list[str]:
    """An answer of exactly `tokens` pieces: headings, prose, lists, tables, code, quotes."""
    draw = random.Random(seed)
    return _cut_to(tokens, _blocks(draw))


def giant(shape: str, tokens: int, seed: int = 1) -> list[str]:
    """An answer of `tokens` pieces that is one block: `shape` is one of `GIANTS`."""
    draw = random.Random(seed)
    opening, line = GIANTS[shape]
    return _cut_to(tokens, _endless(opening, lambda: line(draw)), ending="")


def _cut_to(tokens: int, blocks: Iterator[str], ending: str = f"\n\n{END}\n") -> list[str]:
    last = pieces(ending)
    cut: list[str] = []
    while len(cut) < tokens:
        cut += pieces(next(blocks))
    return cut[: max(0, tokens - len(last))] + last


def _endless(opening: str, line: Callable[[], str]) -> Iterator[str]:
    yield opening
    while True:
        yield line()


# -- blocks --------------------------------------------------------------------------


def _blocks(draw: random.Random) -> Iterator[str]:
    kinds = (_paragraph, _bullets, _paragraph, _table, _paragraph, _code, _steps, _quote)
    while True:
        yield f"## The {_noun_phrase(draw)}\n\n"
        for kind in draw.sample(kinds, draw.randint(3, 5)):
            yield kind(draw) + "\n\n"


def _paragraph(draw: random.Random) -> str:
    return " ".join(_sentence(draw, rich=True) for _ in range(draw.randint(4, 8)))


def _bullets(draw: random.Random) -> str:
    items = []
    for _ in range(draw.randint(3, 6)):
        items.append(f"- **{draw.choice(_NOUNS).title()}**: {_sentence(draw)}")
        items += [f"  - {_noun_phrase(draw)}" for _ in range(draw.choice((0, 0, 0, 2)))]
    return "\n".join(items)


def _steps(draw: random.Random) -> str:
    return "\n".join(f"{n}. {_sentence(draw, rich=True)}" for n in range(1, draw.randint(4, 7)))


def _quote(draw: random.Random) -> str:
    return f"> {_sentence(draw)}\n> {_sentence(draw)}"


def _table(draw: random.Random) -> str:
    head = [draw.choice(_NOUNS).title() for _ in range(4)]
    rows = [_row(draw) for _ in range(draw.randint(3, 7))]
    return f"| {' | '.join(head)} |\n|:---|---|---:|---:|\n" + "".join(rows).rstrip("\n")


def _row(draw: random.Random) -> str:
    cells = (draw.choice(_NOUNS), _noun_phrase(draw), f"{draw.random() * 9:.2f}")
    return f"| {' | '.join(cells)} | {draw.randint(10, 99_999):,} |\n"


def _code(draw: random.Random) -> str:
    lines = "".join(_code_line(draw) for _ in range(draw.randint(6, 16)))
    return f"```python\ndef {draw.choice(_NOUNS)}({draw.choice(_NOUNS)}):\n{lines}```"


def _code_line(draw: random.Random) -> str:
    a, b, c = (draw.choice(_NOUNS) for _ in range(3))
    forms = (
        f"    {a} = {b}.{c}({draw.randint(0, 999)})\n",
        f"    if {a} > {draw.randint(0, 99)} and not {b}:  # {_noun_phrase(draw)}\n",
        f'        return {{"{a}": {b}, "{c}": [{draw.random():.3f}]}}\n',
        f"    for {a} in sorted({b}, key=lambda x: x.{c}):\n",
    )
    return draw.choice(forms)


def _sentence(draw: random.Random, *, rich: bool = False) -> str:
    clause = _clause(draw)
    text = f"{clause[0].upper()}{clause[1:]}"
    if draw.random() < 0.5:
        text += f", {draw.choice(_LINKS)} {_clause(draw)}"
    if rich and draw.random() < 0.4:
        word = draw.choice(_NOUNS)
        marked = (f"`{word}`", f"**{word}**", f"*{word}*", f"[{word}](https://example.com/{word})")
        text += f" ({draw.choice(marked)})"
    return text + "."


def _clause(draw: random.Random) -> str:
    adverb = f"{draw.choice(_ADVERBS)} " if draw.random() < 0.3 else ""
    return f"the {_noun_phrase(draw)} {adverb}{draw.choice(_VERBS)} the {_noun_phrase(draw)}"


def _noun_phrase(draw: random.Random) -> str:
    adjective = f"{draw.choice(_ADJECTIVES)} " if draw.random() < 0.6 else ""
    return adjective + draw.choice(_NOUNS)


GIANTS: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "fence": ("```python\n", _code_line),
    "table": ("| Name | Kind | Rate | Count |\n|:---|---|---:|---:|\n", _row),
    "list": ("", lambda draw: f"- {_sentence(draw, rich=True)}\n"),
    "quote": ("", lambda draw: f"> {_sentence(draw, rich=True)}\n"),
    "paragraph": ("", lambda draw: f"{_sentence(draw, rich=True)} "),
}
