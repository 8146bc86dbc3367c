"""Invisible characters, where a model wrote them as entities: `&#x202e;`."""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore

from .invisible import visible

__all__ = ["entities_plugin"]


def entities_plugin(md: MarkdownIt) -> None:
    """Text in which an entity hid something shows it, as all other text does."""
    md.core.ruler.push("entities", _entities)


def _entities(state: StateCore) -> None:
    for block in state.tokens:
        if "&" in block.content:
            for child in block.children or ():
                if child.type == "text" and not child.content.isascii():
                    # Names that stand there were written before, and no model's.
                    shown = visible(f"&{child.content}")[1:]
                    child.content = shown.replace("⟨U+27E8⟩U+", "⟨U+")
