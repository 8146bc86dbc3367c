"""What the model wrote where a page shows a table or a formula."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from ..render.extract import formulas, tables
from ..render.json_text import json_markdown
from ..response import Response

__all__ = ["source_of"]


def source_of(response: Response, said: Mapping[str, Any]) -> str:
    """The text of what a reader copies, or "" where the answer does not have it.

    Args:
        response: the answer.
        said: `part` is `table`, with its `number` among those that the answer shows, from 0
            on, and `form`: `markdown` or `csv`; or it is `formula`, with the text that the
            page had for its typesetter as `shown`.
    """
    texts = _shown_texts(response)
    match said:
        case {"part": "table", "number": int(number), "form": form} if number >= 0:
            found = list(chain.from_iterable(map(tables, texts)))[number : number + 1]
            return "".join(t.to_csv() if form == "csv" else t.to_markdown() for t in found)
        case {"part": "formula", "shown": str(shown)} if shown:
            found_formulas = chain.from_iterable(map(formulas, texts))
            return next((each.tex for each in found_formulas if each.shown == shown), "")
    return ""


def _shown_texts(response: Response) -> Iterator[str]:
    """The markdown texts of an answer, in the order in which `Outline` shows them."""
    for turn in response.rounds:
        yield str(turn.reasoning)
        yield json_markdown(str(turn.text)) if response.is_json else str(turn.text)
        yield str(turn.refusal)
        for call in turn.calls:
            if call.result is not None:
                yield call.result.display.get("text/markdown", "")
