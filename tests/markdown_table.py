"""Tables of the documentation that are made of what the tests know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as GitHub reads it, with a line break at its end."""
    rule = "---".join("|" * (len(head) + 1))
    return "\n".join([_line(head), rule, *map(_line, rows), ""])


def _line(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
