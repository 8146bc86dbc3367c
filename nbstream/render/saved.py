"""What the saved notebook keeps of an answer.

Three parts: safe markdown, which every viewer renders without a kernel and without a
widget; one line of plain text, because Jupyter saves it beside the rest; and the record
from which `Response.from_dict` makes the response again.

Folds are `<details>` with a `<summary>`. What stands in them is safe markdown too, so no
text of a model, a tool or a server opens or closes one, and no tag has an attribute.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from ..endings import ending_of
from ..messages import ToolCall
from ..response import Response
from ..rounds import Round
from .json_text import indented, json_markdown
from .safe_markdown import safe_markdown
from .safe_text import clean, code_block, escape_text, html_text
from .style import DEFAULT_STYLE, RenderStyle
from .summary import call_line, mark, plain_summary, reasoning_line, usage_line, usage_rows
from .untimed import untimed

__all__ = [
    "RECORD_TYPE",
    "bundle",
    "content_markdown",
    "display_markdown",
    "fold",
    "json_data",
    "plain_bundle",
]

log = logging.getLogger("nbstream")

#: The media type of the record, which front ends ignore.
RECORD_TYPE = "application/vnd.nbstream.response+json"

_SHOWN = 4_000  # characters of a call's arguments, and of its result; the record has them all
_DEEPEST = 100  # levels of JSON that came from outside
_BASE64 = re.compile("[A-Za-z0-9+/]+={0,2}")
_IMAGE_OF = "what the tool returned"
_SURROGATE = re.compile("[\ud800-\udfff]")
_T = TypeVar("_T")


def bundle(response: Response, style: RenderStyle = DEFAULT_STYLE) -> dict[str, Any]:
    """The mime bundle of `response`, as far as it has come. It never fails.

    Args:
        response: in any state.
        style: how answers look.
    """
    try:
        response = response if style.saved_timings else untimed(response)
        content = content_markdown(response, style)
        return {
            "text/markdown": "\n\n".join(part for part in (content, *_ending(response)) if part),
            "text/plain": plain_summary(response),
            RECORD_TYPE: json_data(response.to_dict()),
        }
    except Exception:
        log.exception("an answer could not be rendered; it is saved as plain text")
        return plain_bundle(response, style)


def plain_bundle(response: Response, style: RenderStyle = DEFAULT_STYLE) -> dict[str, Any]:
    """The same of an answer that cannot be rendered: its texts to the letter, and no folds.

    What fails even so is left out; that the answer is not whole never is.
    """
    kept = response if style.saved_timings else _attempt(partial(untimed, response))
    summary = None if kept is None else _attempt(partial(plain_summary, kept))
    texts = [_attempt(partial(str, each)) for turn in response.rounds for each in _texts(turn)]
    why = _attempt(partial(_attention, response))
    if why is None:
        why = _attempt(partial(ending_of, response))
    parts = [_plain(text) for text in texts if text]
    bundle = {
        "text/markdown": "\n\n".join([*parts, f"<strong>⚠ {why}</strong>"] if why else parts),
        "text/plain": summary or f"[{response.status}]",
    }
    record = None if kept is None else _attempt(lambda: json_data(kept.to_dict()))
    return bundle if record is None else {**bundle, RECORD_TYPE: record}


def _texts(turn: Round) -> Iterator[object]:
    yield from (turn.reasoning, turn.text, turn.refusal)
    for draft in turn.calls:
        yield f"{draft.name}({draft.changed or draft.arguments})"
        if draft.result is not None:
            yield draft.result.content


def _attempt(make: Callable[[], _T]) -> _T | None:
    try:
        return make()
    except Exception:
        log.debug("a part of an answer is not saved", exc_info=True)
        return None


def _plain(text: str) -> str:
    """`text` to the letter."""
    return "\n".join(code_block(clean(text), "", nested=False))


def content_markdown(response: Response, style: RenderStyle = DEFAULT_STYLE) -> str:
    """What came, as safe markdown: neither how it ended nor what it took."""
    response = response if style.saved_timings else untimed(response)
    safe = partial(display_markdown, style=style)
    write = partial(_answer, is_json=response.is_json, safe=safe)
    return "\n\n".join(part for turn in response.rounds for part in _round(turn, write, safe))


def display_markdown(markdown: str, style: RenderStyle = DEFAULT_STYLE) -> str:
    """A piece of an answer as safe markdown; what cannot be rendered stands there to the letter."""
    try:
        return safe_markdown(markdown, style)
    except Exception:  # this comes with every frame
        log.debug("a text could not be rendered", exc_info=True)
        return _plain(markdown)


# -- the markdown ----------------------------------------------------------------


def _round(
    turn: Round, write: Callable[[Round], Iterator[str]], safe: Callable[[str], str]
) -> Iterator[str]:
    if len(turn.reasoning):
        yield fold(reasoning_line(turn), safe(str(turn.reasoning)))
    yield from write(turn)
    for index, other in turn.others:
        yield fold(f"Choice {index + 1}", "\n\n".join(write(other)))
    for draft in turn.calls:
        yield from _call(draft.call(), safe)


def _answer(turn: Round, *, is_json: bool, safe: Callable[[str], str]) -> Iterator[str]:
    text = str(turn.text)
    for written in (json_markdown(text) if is_json else text, str(turn.refusal)):
        if markdown := safe(written):
            yield markdown


def _call(call: ToolCall, safe: Callable[[str], str]) -> Iterator[str]:
    parts = [_code(indented(call.arguments), "json")]
    display = {} if call.result is None else call.result.display
    if "text/markdown" in display:
        parts.append(safe(display["text/markdown"]))
    elif call.result is not None:
        parts.append(_code(call.result.content, ""))
    yield fold(call_line(call), "\n\n".join(parts))
    for kind in ("image/png", "image/jpeg"):
        if _BASE64.fullmatch(display.get(kind, "")):
            yield f"![{_IMAGE_OF}](data:{kind};base64,{display[kind]})"


def _code(text: str, language: str) -> str:
    hidden = len(text) - _SHOWN
    if hidden > 0:
        text = f"{text[:_SHOWN]}\n… {hidden:,} more characters"
    return "\n".join(code_block(clean(text), language, nested=False))


def _attention(response: Response) -> str | None:
    """Why the answer is not whole, as markdown; None where it is."""
    why = mark(response)
    if response.status == "running":
        why = "Still running: this is what had come so far."
    return None if why is None else escape_text(clean(why))


def _ending(response: Response) -> Iterator[str]:
    why = _attention(response)
    if why is not None:
        yield f"<strong>⚠ {why}</strong>"
    yield fold(usage_line(response), _table(usage_rows(response)))


def _table(rows: list[tuple[str, str]]) -> str:
    lines = [f"| {name} | {_cell(value)} |" for name, value in rows]
    return "\n".join([lines[0], "| --- | --- |", *lines[1:]])


def _cell(value: str) -> str:
    return escape_text(clean(value)).replace("|", "\\|")


def fold(summary: str, body: str) -> str:
    """Markdown that is shown only where the summary, which may be any text, is clicked."""
    return f"<details><summary>{html_text(clean(summary))}</summary>\n\n{body}\n\n</details>"


# -- the record ------------------------------------------------------------------


def json_data(value: Any, depth: int = 0, *, deepest: int = _DEEPEST) -> Any:
    """`value` as JSON that every front end reads: no NaN, no lone surrogates, not too deep."""
    if isinstance(value, (Mapping, list, tuple)) and depth > deepest:
        return None
    inner = partial(json_data, depth=depth + 1, deepest=deepest)
    if isinstance(value, Mapping):
        return {json_data(str(key)): inner(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [inner(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int)):
        return value
    return _SURROGATE.sub("\ufffd", str(value))
