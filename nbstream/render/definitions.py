"""Link definitions that nothing refers to: what they say is text behind all other text.

CommonMark (https://spec.commonmark.org/0.31.2/#link-reference-definitions) shows no definition.
One that a link refers to is in that link. Of another one a reader would see nothing, and neither
of a second one of the same label. Whether something refers to it is known when the text ends:
until then it is not shown.
"""

from __future__ import annotations

from collections.abc import Collection, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, reference
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from .style import DEFAULT_STYLE

__all__ = ["Definition", "definition", "definitions_plugin", "unused_definitions"]


@dataclass(frozen=True, slots=True)
class Definition:
    """A link definition.

    Attributes:
        label: as links refer to it; "" where an earlier one has this label.
        text: as it is written, on one line.
        line: of the parsed text, where it begins.
    """

    label: str
    text: str
    line: int


def definitions_plugin(md: MarkdownIt) -> None:
    """The labels that links refer to are kept in `env["used_labels"]`."""
    md.options["store_labels"] = True
    md.options["inline_definitions"] = True
    md.core.ruler.after("inline", "used_labels", _note_used_labels)


def definition(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:  # noqa: FBT001 - the parser's own
    """The rule for a definition, which is kept in `env["definitions"]` as well."""
    duplicates = len(state.env.get("duplicate_refs", ()))
    if not reference(state, start_line, end_line, silent):
        return False
    if not silent:
        label = state.tokens.pop().meta["id"]
        lines = state.getLines(start_line, state.line, state.blkIndent, keepLastLF=False)
        is_first = len(state.env.get("duplicate_refs", ())) == duplicates
        found = Definition(label if is_first else "", " ".join(lines.split()), start_line)
        state.env.setdefault("definitions", []).append(found)
    return True


def _note_used_labels(state: StateCore) -> None:
    used = state.env.setdefault("used_labels", set())
    for block in state.tokens:
        for child in (block.children or ()) if "[" in block.content else ():
            if child.type in ("link_open", "image") and "label" in child.meta:
                used.add(child.meta["label"])


def unused_definitions(
    md: MarkdownIt,
    definitions: Sequence[Definition],
    used: Collection[str],
    env: MutableMapping[str, Any],
) -> list[Token]:
    """A paragraph with those of `definitions` that nothing refers to, each on its line.

    Args:
        md: the parser.
        definitions: of a text that has ended.
        used: the labels that it refers to.
        env: of the parse of the text.
    """
    unused = [each.text for each in definitions if each.label not in used]
    if not unused or env.get("style", DEFAULT_STYLE).is_part:
        return []
    # They define nothing here, so they do not refer to themselves.
    inner: dict[str, Any] = {key: env[key] for key in ("style", "formulas") if key in env}
    children: list[Token] = []
    for text in unused:
        if children:
            children.append(Token("hardbreak", "br", 0))
        children += md.parseInline(text, inner)[0].children or []
    return [
        Token("paragraph_open", "p", 1, block=True),
        Token("inline", "", 0, level=1, block=True, children=children),
        Token("paragraph_close", "p", -1, block=True),
    ]
