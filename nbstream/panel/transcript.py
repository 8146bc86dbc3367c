"""The conversation as the notebook keeps it: safe markdown, which no kernel and no widget needs.

It stands in outputs of its own below the panel, folded while the panel is there. Turns that
are over stay in outputs that are not sent again, so that a long conversation costs a front
end no more with each turn.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from IPython.display import DisplayHandle, display

from ..conversation import Conversation, Turn
from ..io_thread import in_thread
from ..render.safe_text import clean, escape_text, html_text
from ..render.saved import bundle, fold
from ..render.style import DEFAULT_STYLE, RenderStyle
from ..render.untimed import untimed
from ..views.hooks import CellHooks
from .questions import question_of
from .record import CONVERSATION_TYPE, place, turn_record, turns_record

__all__ = ["Transcript", "turn_markdown"]

_GROUP = 10_000  # characters, from which on an output is full; the records come on top
_MERGES = 3  # times that full ones are merged, into one of eight


def turn_markdown(turn: Turn, style: RenderStyle = DEFAULT_STYLE) -> str:
    """A question and its answer as safe markdown."""
    question = question_of(turn)
    parts = ["<strong>You</strong>", *_quoted(question["typed"]), *_attached(question)]
    answer = bundle(turn.response, style)["text/markdown"]
    model = _words(turn.response.model or "") or "The model"
    return "\n\n".join([*parts, f"<strong>{model}</strong>", answer])


def _quoted(text: str) -> Iterator[str]:
    """What a person typed, to the letter; on one line, where no markdown is read in it."""
    if text:  # else a picture or a file was sent alone
        lines = clean(text).expandtabs(4).split("\n")
        yield f"<blockquote>{'<br>'.join(map(_line, lines))}</blockquote>"


def _line(text: str) -> str:
    indent = len(text) - len(text.lstrip(" "))
    return "&nbsp;" * indent + html_text(text)


def _attached(question: dict[str, Any]) -> Iterator[str]:
    for picture in question["pictures"]:
        yield f"![attached]({picture})"
    for name in question["files"]:
        yield f"Attached: {_words(name)}"


def _words(text: str) -> str:
    """A name within a paragraph."""
    return escape_text(" ".join(clean(text).split()))


@dataclass(frozen=True, slots=True)
class _Output:
    """What an output of the notebook holds.

    Attributes:
        text: turns as safe markdown, for who reads the notebook.
        places: the same turns by their places, for a panel to come.
    """

    text: str
    places: list[dict[str, Any]]


class Transcript:
    """Outputs that hold a conversation, in the cell that runs when it is made.

    Everything here happens on the I/O thread.

    Args:
        style: how answers look.
        hooks: those of the cell.
        panel: the name under which the panel's next one finds the turns.
        tell: is told what each output becomes, by its number.
        parted: whether more outputs may come. Where a program runs the notebook, no output
            gets into a cell that has ended.
    """

    def __init__(
        self,
        style: RenderStyle,
        hooks: CellHooks,
        panel: str,
        tell: Callable[[int, dict[str, Any]], None],
        *,
        parted: bool = True,
    ) -> None:
        self._style = style
        self._panel = panel
        self._tell = tell
        self._hooks = hooks
        self._parted = parted
        self._context = contextvars.copy_context()
        self._handles: list[DisplayHandle] = []
        self._shown: list[_Output] = []
        self._texts: dict[int, str] = {}
        self._records: dict[int, dict[str, Any]] = {}

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """What the outputs hold, as mime bundles."""
        return [self._data(output) for output in self._shown]

    def empty(self) -> None:
        """Leave nothing in the outputs."""
        self._put([])

    async def render(self, turns: Iterable[Turn]) -> None:
        """Write those of the turns that are not written yet; they have ended."""
        for turn in turns:
            if turn.id not in self._texts:
                written = await in_thread(_written, turn, self._style)
                self._texts[turn.id], self._records[turn.id] = written

    def update(self, talk: Conversation, ended: list[Turn], *, folded: bool, without: str) -> None:
        """Bring the outputs up to date.

        Args:
            talk: the conversation.
            ended: those of its turns that are rendered.
            folded: whether the panel stands above.
            without: what stands there where no turn does.
        """
        self._texts = {turn.id: self._texts[turn.id] for turn in ended}
        self._records = {turn.id: self._records[turn.id] for turn in ended}
        branch = [turn for turn in talk.branch if turn.id in self._texts]
        texts = [self._texts[turn.id] for turn in branch]
        places = [place(talk, turn, self._texts) for turn in branch]
        groups = _groups(texts, folded=folded, parted=self._parted)
        outputs = [_Output(text, places[part]) for part, text in groups]
        others = [turn for turn in ended if turn not in branch]
        # An output there must be: only the cell that runs can get a new one.
        self._put(self._beside(outputs, talk, others) or [_Output(f"<em>{without}</em>", [])])

    def _beside(
        self, outputs: list[_Output], talk: Conversation, others: list[Turn]
    ) -> list[_Output]:
        """The same with the turns of other branches, which are not lost with the kernel."""
        if not others:
            return outputs
        text = _aside([self._texts[turn.id] for turn in others])
        places = [{**place(talk, turn, self._texts), "aside": True} for turn in others]
        if self._parted or not outputs:
            return [*outputs, _Output(text, places)]
        (output,) = outputs
        return [_Output(f"{output.text}\n\n{text}", [*output.places, *places])]

    def _put(self, outputs: list[_Output]) -> None:
        outputs += [_Output("", [])] * (len(self._handles) - len(outputs))
        with self._hooks:
            for number, output in enumerate(outputs):
                if number < len(self._handles) and output == self._shown[number]:
                    continue
                data = self._data(output)
                if number == len(self._handles):
                    self._handles.append(self._context.run(_displayed, data))
                else:
                    self._handles[number].update(data, raw=True)
                self._tell(number, data)
        self._shown = outputs

    def _data(self, output: _Output) -> dict[str, Any]:
        text = output.text
        data = {"text/markdown": text, "text/plain": "a conversation" if text else ""}
        turns = ({**each, **self._records[each["id"]]} for each in output.places)
        return {**data, CONVERSATION_TYPE: turns_record(self._panel, turns)}


def _written(turn: Turn, style: RenderStyle) -> tuple[str, dict[str, Any]]:
    response = turn.response if style.saved_timings else untimed(turn.response)
    return turn_markdown(turn, style), turn_record(turn, response)


def _displayed(data: dict[str, Any]) -> DisplayHandle:
    handle: DisplayHandle = display(data, raw=True, display_id=True)
    return handle


def _groups(texts: list[str], *, folded: bool, parted: bool = True) -> Iterator[tuple[slice, str]]:
    """The outputs' texts, each with its part of `texts`; one, where they are not to be parted."""
    ranges = _ranges([len(text) for text in texts]) if parted else [(0, len(texts))] * bool(texts)
    for first, last in ranges:
        yield slice(first, last), _group(texts[first:last], first, folded=folded)


def _ranges(sizes: list[int]) -> list[tuple[int, int]]:
    """Which texts stand together; it stays so when more come, but that full groups are merged.

    Two neighbours become one when both are full, and so on, so that neither the groups are
    many, nor a new text has much sent again.
    """
    groups: list[tuple[int, int, int]] = []  # first, last, and how often it was merged
    first = size = 0
    for number, each in enumerate(sizes, 1):
        size += each
        if size < _GROUP:
            continue
        groups.append((first, number, 0))
        first, size = number, 0
        while len(groups) > 1 and groups[-2][2] == groups[-1][2] < _MERGES:
            (start, _, level), (_, end, _) = groups[-2:]
            groups[-2:] = [(start, end, level + 1)]
    rest = [(first, len(sizes))] if first < len(sizes) else []
    return [(start, end) for start, end, _ in groups] + rest


def _group(texts: list[str], first: int, *, folded: bool) -> str:
    body = "\n\n---\n\n".join(texts)
    if not folded:
        return f"---\n\n{body}" if first else body
    numbers = f"turns {first + 1}–{first + len(texts)}" if len(texts) > 1 else f"turn {first + 1}"
    return fold(f"Conversation, {numbers} (saved) · run this cell to go on", body)


def _aside(texts: list[str]) -> str:
    turns = "1 turn" if len(texts) == 1 else f"{len(texts)} turns"
    return fold(f"Other branches, {turns} (saved)", "\n\n---\n\n".join(texts))
