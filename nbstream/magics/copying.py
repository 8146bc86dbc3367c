"""The parts of an answer that can be copied: what `%chat copy` and `%chat code` name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ..errors import UsageError
from ..response import Response

__all__ = ["numbered", "part_of"]

_NAMES = {"code": "code block", "table": "table", "formula": "formula"}
_HOW = (
    "type %chat copy, %chat copy code N, %chat copy table N, %chat copy table N csv "
    "or %chat copy formula N"
)

Item = TypeVar("Item")


def part_of(response: Response, words: Sequence[str]) -> tuple[str, str]:
    """A part of an answer, as a text, and its name at the beginning of a sentence.

    Args:
        response: the answer.
        words: nothing for all of it; else the kind of the part, its number, and of a table
            the form.

    Raises:
        UsageError: there is no such part.
    """
    match [word.lower() for word in words]:
        case []:
            if not response.text:
                raise UsageError("the last answer has no text")
            return response.text, "The answer"
        case ["code", *number] if len(number) < 2:
            block = numbered("code", response.code_blocks, *number)
            return block.text, _title("Code block", number)
        case ["formula", *number] if len(number) < 2:
            from ..render.extract import formulas

            formula = numbered("formula", formulas(response.text), *number, command="copy formula")
            return formula.tex, f"{_title('Formula', number)} (LaTeX)"
        case ["table", *rest] if len(rest) < 3:
            return _table(response, rest)
    raise UsageError(_HOW)


def _table(response: Response, words: Sequence[str]) -> tuple[str, str]:
    forms = [word for word in words if word in ("csv", "markdown")]
    number = [word for word in words if word not in forms]
    if len(forms) > 1 or len(number) > 1:
        raise UsageError(_HOW)
    table = numbered("table", response.tables, *number, command="copy table")
    if forms == ["csv"]:
        return table.to_csv(), f"{_title('Table', number)} (CSV)"
    return table.to_markdown(), f"{_title('Table', number)} (Markdown)"


def _title(name: str, number: Sequence[str]) -> str:
    return f"{name} {number[0] if number else 1}"


def numbered(
    kind: str, items: Sequence[Item], number: str = "1", *, command: str = "copy code"
) -> Item:
    """The item of this number, from 1 on.

    Args:
        kind: `code`, `formula` or `table`.
        items: all that there are.
        number: what was typed.
        command: of `%chat`, for the error.

    Raises:
        UsageError: there is none.
    """
    name = _NAMES[kind]
    if not items:
        raise UsageError(f"the last answer has no {'code' if kind == 'code' else name}")
    if not number.isdecimal() or not 1 <= int(number) <= len(items):
        count = f"one {name}" if len(items) == 1 else f"{len(items)} {name}s"
        raise UsageError(f"the last answer has {count}: %chat {command} N, from 1 on")
    return items[int(number) - 1]
