"""How answers look, where their reader has a choice."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_STYLE", "RenderStyle"]


@dataclass(frozen=True, slots=True)
class RenderStyle:
    """The same for what is live and for what is saved, where it does not say otherwise.

    Attributes:
        image_hosts: hosts (lower case) whose images are shown; others become links.
        line_breaks: whether the ends of lines are kept; CommonMark has them as spaces.
        diagrams: whether harmless diagrams of Mermaid may be drawn in what is saved; else code.
        saved_timings: whether what is saved says how long it took, and holds the servers' ids;
            else equal answers are equal outputs.
        is_part: whether more of the text stands elsewhere, which may refer to what this defines.
    """

    image_hosts: frozenset[str] = frozenset()
    line_breaks: bool = True
    diagrams: bool = True
    saved_timings: bool = True
    is_part: bool = False


DEFAULT_STYLE = RenderStyle()
