"""Answers made of hostile texts: in every place where a text of a model or server goes.

Used by the tests, and by the cells that they run in a kernel.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import answers
from IPython.display import display

from nbstream.errors import APIResponseError
from nbstream.messages import ToolResult
from nbstream.render.saved import bundle
from nbstream.response import Response
from nbstream.rounds import Round
from nbstream.views.protocol import View
from nbstream.views.widget import WidgetView

__all__ = [
    "AT_ONCE",
    "END",
    "PLACES",
    "Payload",
    "cutter",
    "endings",
    "groups",
    "payloads",
    "script",
    "show",
]

END = "This is the end of it."
AT_ONCE = 10  # payloads in one answer

# The construct around a payload, and what the payload's line breaks become in it.
PLACES: dict[str, tuple[str, str]] = {
    "list item": ("- {}", "\n  "),
    "task": ("- [ ] {}", " "),
    "quote": ("> {}", "\n> "),
    "quoted list, lazily": ("> 1. {}", "\n"),
    "table cell": ("| a | b |\n|:--|---|\n| {} | x |", " "),
    "heading": ("# {}", " "),
    "strong": ("**{}**", " "),
    "link text": ("[{}](https://example.com/)", " "),
    "link address": ("[x]({})", " "),
    "link address in brackets": ("[x](<{}>)", " "),
    "link title": ('[x](https://example.com/ "{}")', " "),
    "link definition": ("[x]\n\n[x]: {}", " "),
    "autolink": ("<{}>", " "),
    "image text": ("![{}](https://example.com/a.png)", " "),
    "image address": ("![x]({})", " "),
    "code span": ("`{}`", " "),
    "fence info": ("```{}\ncode\n```", " "),
    "fence": ("```html\n{}\n```", "\n"),
    "indented code": ("    {}", "\n    "),
    "note": ("x[^1]\n\n[^1]: {}", "\n    "),
    "note label": ("x[^{}]\n\n[^{}]: note", ""),
    "formula": ("The $x{}$ here", " "),
    "formula block": ("$$\nx{}\n$$", "\n"),
    "environment": ("\\begin{align}\n{}\n\\end{align}", "\n"),
    "double backslashes": ("\\\\(x{}\\\\)", " "),
    "color of a formula": ("$\\color{{}}{x}$", " "),
    "text that is split": ("$\\text{_{}_}$", " "),
    "rewritten command": ("$\\ket{ {} }$", " "),
    "text of a formula": ("\\(\\text{ {} }\\)", " "),
    "after our fold's end": ("</details>\n\n{}", "\n"),
    "harmless tag": ("a<sub>{}</sub> <kbd><u>{}</u></kbd> <mark>{}", " "),
    "data image text": ("![{}](data:image/png;base64,iVBORw0KGgo=)", " "),
    "data image address": ("![x](data:image/png;base64,iVBO{})", " "),
    "data image title": ('![x](data:image/png;base64,iVBO "{}")', " "),
    "callout": ("> [!NOTE] {}", "\n> "),
    "diagram": ("```mermaid\ngraph TD\n  A[{}]\n```", " "),
    "diagram's lines": ("```mermaid\nsequenceDiagram\n  A->>B: x\n  {}\n```", "\n  "),
    "in a comment": ("<!-- {} -->", "\n"),
}


@dataclass(frozen=True)
class Payload:
    """An attack, and its place in the list."""

    number: int
    text: str

    def within(self, place: str) -> str:
        """Markdown that holds the payload in a construct of `PLACES`."""
        construct, line_break = PLACES[place]
        text = line_break.join(self.text.splitlines())
        return construct.replace("{}", text)


def payloads(shared: Path) -> list[Payload]:
    """All attacks of the recorded data."""
    entries = json.loads((shared / "xss" / "payloads.json").read_text(encoding="utf-8"))
    return [Payload(i, entry["payload"]) for i, entry in enumerate(entries)]


# -- growing answers -----------------------------------------------------------------

Cut = Callable[[str], list[str]]


def cutter(draw: random.Random, *, everywhere: bool) -> Cut:
    """How texts arrive: character by character, or in a few pieces cut anywhere."""

    def cut(text: str) -> list[str]:
        if everywhere:
            return list(text)
        ends = sorted(draw.randrange(len(text) + 1) for _ in range(2))
        starts = [0, *ends]
        return [text[a:b] for a, b in zip(starts, [*ends, len(text)], strict=True)]

    return cut


def groups(attacks: Sequence[Payload]) -> Iterator[Sequence[Payload]]:
    """The payloads by the answers that they stand in together."""
    return (attacks[i : i + AT_ONCE] for i in range(0, len(attacks), AT_ONCE))


def script(attacks: Sequence[Payload], cut: Cut, places: int) -> Iterator[answers.Step]:
    """An answer of many rounds: each payload in every field, and in some of the `PLACES`."""
    draw = random.Random(attacks[0].number)
    for attack in attacks:
        yield from _everywhere(attack, cut)
        for place in draw.sample(sorted(PLACES), places):
            yield "round", "model-1"
            yield from (("text", piece) for piece in cut(attack.within(place)))
    yield "round", "model-1"
    yield "text", END


def _everywhere(payload: Payload, cut: Cut) -> Iterator[answers.Step]:
    """A round in which each field of an answer is the payload: text, model, tool calls, ..."""
    text = payload.text
    yield "round", text
    yield "notice", text
    for field in ("reasoning", "text", "refusal"):
        yield from ((field, piece) for piece in cut(text))
    for arguments in (text, json.dumps({text: text}), "{}"):
        yield "call", text
        yield from (("arguments", piece) for piece in cut(arguments))
    yield "finish", text
    for number in range(3):
        yield "asks", number
        yield "runs", number
    yield "result", ToolResult(text)
    yield "result", ToolResult(text, status="failed")
    yield "result", ToolResult(text, summary=text, display={"text/markdown": text})


# -- in a kernel ---------------------------------------------------------------------


def show(attacks: list[Payload], gate: Path, places: int, steps: int) -> None:
    """Show all of them live, and save them when the file `gate` exists.

    Each stands in every field of a round, and in `places` of the `PLACES`. The page is told
    after so many `steps`.
    """
    views = [_grown(group, places, steps) for group in groups(attacks)]
    views.append(_grown(attacks[:AT_ONCE], places, steps, is_json=True))
    while not gate.exists():
        time.sleep(0.05)
    for (view, response), attack in zip(views, attacks, strict=False):
        answers.finish(response, "error", APIResponseError(attack.text))
        view.close(response)


def _grown(
    attacks: Sequence[Payload], places: int, steps: int, *, is_json: bool = False
) -> tuple[View, Response]:
    response, view = Response(is_json=is_json), WidgetView(owns_cell=False)
    view.open(response)
    cut = cutter(random.Random(1), everywhere=False)
    for i, _ in enumerate(answers.grow(response, script(attacks, cut, places))):
        if i % steps:
            continue
        view.update(response)
        time.sleep(0.001)  # the server drops messages where more than 1,000 a second come
    view.update(response)
    return view, response


def endings(attacks: list[Payload]) -> None:
    """Show, as they are saved, answers whose model, error or finish reason is a payload."""
    found: list[str] = []
    for attack in attacks:
        for status in ("complete", "incomplete"):
            response = Response()
            response.rounds.append(Round(model=attack.text, finish_reason=attack.text))
            answers.finish(response, status, APIResponseError(attack.text))
            found.append(bundle(response)["text/markdown"])
    data: dict[str, Any] = {"text/markdown": "\n\n".join([*found, END]), "text/plain": ""}
    display(data, raw=True)
