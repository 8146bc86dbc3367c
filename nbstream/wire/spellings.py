"""How models and servers mark reasoning that they leave in the text: the one table.

Templates and parsers of vLLM, SGLang, llama.cpp and Open WebUI name these; each stands in
bug reports as what a client was shown where no parser of reasoning was set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

__all__ = ["SPELLINGS", "STRIPPED", "Marks", "Spelling"]


class Marks:
    """Finds literals in growing text, in any case of their letters.

    None of the literals may begin with another one.
    """

    def __init__(self, literals: Iterable[str]) -> None:
        self._literals = tuple(dict.fromkeys(literal.lower() for literal in literals))
        self._longest = max(map(len, self._literals), default=1)
        escaped = "|".join(map(re.escape, self._literals)) or r"(?!)"
        # ASCII: or the Kelvin sign would be a `k`, and a long s an `s`.
        self._whole = re.compile(escaped, re.IGNORECASE | re.ASCII)
        firsts = {first for each in self._literals for first in (each[0], each[0].upper())}
        some = f"[{re.escape(''.join(firsts))}]" if firsts else r"(?!)"
        #: Finds where a literal may begin; most pieces of an answer have no such place.
        self.first = re.compile(some)

    def at(self, text: str, place: int) -> str:
        """The literal that stands at a place of `text`, in lower case, or ""."""
        found = self._whole.match(text, place)
        return found[0].lower() if found else ""

    def may_begin_at(self, text: str, place: int) -> bool:
        """Whether what stands from a place of `text` on may become a literal."""
        rest = text[place : place + self._longest]
        return len(rest) < self._longest and self._is_part(rest.lower())

    def next(self, text: str, start: int, *, at_end: bool) -> tuple[int, str]:
        """Where the next literal stands, and the literal, in lower case.

        Where there is none: "", and the place from which on the text may become one when
        more comes.
        """
        found = self._whole.search(text, start)
        if found:
            return found.start(), found[0].lower()
        if not at_end:
            tail = max(start, len(text) - self._longest + 1)
            for first in self.first.finditer(text, tail):
                if self._is_part(text[first.start() :].lower()):
                    return first.start(), ""
        return len(text), ""

    def _is_part(self, text: str) -> bool:
        return any(literal.startswith(text) for literal in self._literals)


@dataclass(frozen=True, eq=False)
class Spelling:
    """One way to mark reasoning; all marks are in lower case.

    Attributes:
        opens, closes: what stands before and behind it.
        answers: what may stand before the answer, and belongs to nobody.
        ends: what may stand behind the answer, and belongs to nobody.
        nests: whether a block may hold another one, and prose may speak of the marks.
            Otherwise they are tokens of a protocol, and a second block goes on where the
            first one ended.
        unopened: what shows that all text before it was reasoning, where nothing opened it.
        form: the opening mark, as models write it, of a block that can go back to its model
            as it came; its closing mark is the same with a slash. Else "".
    """

    opens: tuple[str, ...]
    closes: tuple[str, ...]
    answers: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    nests: bool = True
    unopened: tuple[str, ...] = field(default=(), kw_only=True)
    form: str = field(default="", kw_only=True)

    def may_nest(self, mark: str) -> bool:
        """Whether `mark` opens a block within a block."""
        return self.nests and mark in self.opens

    @cached_property
    def inside(self) -> Marks:
        """What is of interest within a block."""
        return Marks((*self.opens, *self.closes, *self.answers))

    @cached_property
    def behind(self) -> Marks:
        """What may stand directly behind a block."""
        return Marks((*self.closes, *self.answers, *(() if self.nests else self.opens)))

    @cached_property
    def at_end(self) -> Marks:
        """What may stand at the end of the answer."""
        return Marks(self.ends)


def _pair(opens: str, closes: str, answer: str = "", end: str = "") -> Spelling:
    opening, closing, answers, ends = (
        (mark.lower(),) if mark else () for mark in (opens, closes, answer, end)
    )
    form = opens if closes == f"{opens[0]}/{opens[1:]}" else ""
    return Spelling(opening, closing, answers, ends, unopened=closing, form=form)


def _tag(name: str) -> Spelling:
    return _pair(f"<{name}>", f"</{name}>")


def _harmony() -> Spelling:
    """https://github.com/openai/harmony/blob/main/docs/format.md

    The answer is the channel `final`. A header with a recipient (`to=`) is a call, and no
    reasoning.
    """
    starts = ("", "<|start|>assistant")

    def headers(*channels: str) -> tuple[str, ...]:
        pairs = product(starts, channels)
        return tuple(f"{start}<|channel|>{channel}<|message|>" for start, channel in pairs)

    final = headers("final", "final <|constrain|>json")
    ends = ("<|end|>", "<|return|>")
    unopened = (*final, *(f"<|end|>{header}" for header in final))
    return Spelling(
        headers("analysis", "commentary"), ends, final, ends, nests=False, unopened=unopened
    )


#: Every spelling whose block an answer may begin with.
SPELLINGS: tuple[Spelling, ...] = (
    _tag("think"),
    _tag("thinking"),
    _tag("thought"),  # Gemini, EXAONE
    _tag("reasoning"),
    _tag("seed:think"),  # Seed-OSS
    _tag("mm:think"),  # MiniMax
    _tag("longcat_think"),
    _pair("[THINK]", "[/THINK]"),  # Magistral
    _pair("◁think▷", "◁/think▷"),  # Kimi
    _pair("<|channel>thought", "<channel|>", end="<turn|>"),  # Gemma 4
    _pair(
        "<|START_THINKING|>",  # Cohere
        "<|END_THINKING|>",
        answer="<|START_RESPONSE|>",
        end="<|END_RESPONSE|>",
    ),
    _pair(
        "<|begin_of_thought|>",  # Sky-T1, OpenThinker
        "<|end_of_thought|>",
        answer="<|begin_of_solution|>",
        end="<|end_of_solution|>",
    ),
    _pair("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    _harmony(),
)

#: Harmony whose tokens a server has dropped: `analysisWe add.assistantfinal391`. The second
#: word ends the reasoning of a text that begins with the first.
STRIPPED = ("analysis", Spelling((), (), unopened=("assistantfinal",)))
