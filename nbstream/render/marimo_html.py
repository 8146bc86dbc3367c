"""An answer as HTML for marimo, which gives it to the page as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from ..response import Response
from ..rounds import Round
from .html import render
from .invisible import visible
from .json_text import indented, json_markdown
from .style import DEFAULT_STYLE, RenderStyle
from .summary import call_line, mark, reasoning_line, usage_line

__all__ = ["marimo_html"]

_SHOWN = 4_000  # characters of a call's arguments, and of its result
_PROSE = "markdown prose dark:prose-invert contents"  # as `mo.md` has it
_FORMULA = re.compile(
    r'<(div|span) class="nbs-math">(\$\$?|\\[(\[])(.*?)(?:\$\$?|\\[)\]])</\1>', re.DOTALL
)


def marimo_html(response: Response, style: RenderStyle = DEFAULT_STYLE) -> str:
    """An answer as far as it has come, as safe HTML.

    Formulas and code have the names that marimo knows: its page typesets and colours them.
    """
    parts = [part for turn in response.rounds for part in _round(turn, response, style)]
    if response.notice:
        parts.append(f"<p><em>{_text(response.notice)}</em></p>")
    if response.done:
        why = mark(response)
        parts += [f"<p><strong>⚠ {_text(why)}</strong></p>"] if why else []
        parts.append(f"<p><small>{_text(usage_line(response))}</small></p>")
    return f'<div class="{_PROSE}">{"".join(parts)}</div>'


def _round(turn: Round, response: Response, style: RenderStyle) -> Iterator[str]:
    if len(turn.reasoning):
        yield _fold(reasoning_line(turn), _rendered(str(turn.reasoning), style))
    text = str(turn.text)
    for written in (json_markdown(text) if response.is_json else text, str(turn.refusal)):
        if written:
            yield _rendered(written, style)
    for draft in turn.calls:
        call = draft.call()
        shown = [indented(call.arguments)]
        if call.result is not None:
            shown.append(call.result.content)
        yield _fold(
            call_line(call), "".join(f"<pre>{_text(each[:_SHOWN])}</pre>" for each in shown)
        )


def _rendered(markdown: str, style: RenderStyle) -> str:
    """Safe HTML with marimo's own classes for code and formulas."""
    html = render(markdown, style).replace('class="nbs-code highlight"', 'class="codehilite"')
    return _FORMULA.sub(_formula, html)


def _formula(found: re.Match[str]) -> str:
    tag, opening, tex = found.groups()
    is_displayed = tag == "div" or opening in ("$$", "\\[")
    delimited = f"||[{tex}||]" if is_displayed else f"||({tex}||)"
    return f'<marimo-tex class="arithmatex">{delimited}</marimo-tex>'


def _fold(summary: str, body: str) -> str:
    return f"<details><summary>{_text(summary)}</summary>{body}</details>"


def _text(text: str) -> str:
    return escape(visible(text))
