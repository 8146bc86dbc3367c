"""What a tool returned -> what the model reads, what people see, and the value itself."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from ..data_tables import is_table, row_count
from ..errors import named_causes
from ..interpolate import prompt_text
from ..messages import ToolResult
from ..pictures import figure_of, picture

__all__ = ["error_result", "tool_result"]

_LONGEST = 20_000  # characters that the model reads; the value keeps all of it
_LARGEST_IMAGE = 5_000_000  # bytes of a PNG that is shown
_MOST_PARTS = 20  # of a list that may hold pictures
_FEW = 3  # items that a line of JSON shows as well as their number
_JSON_TYPES = (bool, int, float, dict, list, tuple, set, frozenset)
_NOTHING = "(the function returned nothing)"


def tool_result(value: Any, seconds: float | None = None) -> ToolResult:
    """The result of a call that returned `value`.

    A figure or picture is shown as itself and described to the model; a DataFrame is a
    table for people and compact text for the model; other objects are JSON where they
    can be, else their `str`. A long text is cut for the model, with a note of what is missing.

    Args:
        value: whatever the function returned.
        seconds: how long it ran.
    """
    shown = _picture(value)
    if shown is not None:
        kind = "an image" if figure_of(value) is None else "a figure"
        content = _cut(_about(value, kind))
        return ToolResult(content, seconds=seconds, summary=kind, display=shown, value=value)
    text = _text(value)
    shown = {"text/markdown": text} if is_table(value) else {}
    return ToolResult(
        _cut(text), seconds=seconds, summary=_summary(value), display=shown, value=value
    )


def error_result(error: BaseException | str, seconds: float | None = None) -> ToolResult:
    """The result of a call that failed, or could not be made."""
    if isinstance(error, BaseException):
        error = named_causes(error, _str)
    return ToolResult(_cut(error), status="failed", seconds=seconds)


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return _NOTHING if value is None else value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"({len(value):,} bytes)"
    if isinstance(value, _JSON_TYPES) or _is_dataclass(value) or _is_model(value):
        return _json(value)
    try:
        return prompt_text(value)
    except Exception:  # noqa: BLE001  # an object of the user's
        return _str(value)


def _summary(value: Any) -> str:
    """How much there is of a table or a collection; "" where the text says it as well."""
    if is_table(value):
        rows = row_count(value)
        return "" if rows is None else _counted(rows, "row")
    if isinstance(value, (Mapping, list, tuple, set, frozenset)) and len(value) > _FEW:
        return _counted(len(value), "item")
    return ""


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=_plain)
    except Exception:  # noqa: BLE001  # recursion, keys that are no text: Python's own words
        return _str(value)


def _plain(value: Any) -> Any:
    """A value that JSON does not know, in those that it does."""
    if isinstance(value, type):
        return str(value)  # its source would be too much inside of another value
    if _is_model(value):
        return value.model_dump()
    if _is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=_str)
    if hasattr(type(value), "tolist"):  # NumPy's arrays and numbers
        return value.tolist()
    return _text(value)


def _is_model(value: Any) -> bool:
    return hasattr(type(value), "model_dump")  # pydantic's


def _is_dataclass(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _str(value: Any) -> str:
    """`str(value)`, also where that fails."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  # an object of the user's
        return f"({type(value).__name__}, whose str() raised {type(error).__name__})"


def _cut(text: str) -> str:
    hidden = len(text) - _LONGEST
    return text if hidden <= 0 else f"{text[:_LONGEST]}\n(… {hidden:,} more characters)"


# -- pictures --------------------------------------------------------------------


def _picture(value: Any) -> dict[str, str] | None:
    """The bundle of a picture, or of the first one in a list that holds some."""
    candidates = value if isinstance(value, list) else [value]
    for each in candidates[:_MOST_PARTS]:
        try:
            found = picture(each)
        except Exception:  # noqa: BLE001, S112  # then it is shown as text
            continue
        if found is not None:
            kind, data = found
            is_small = len(data) <= _LARGEST_IMAGE
            return {kind: base64.b64encode(data).decode()} if is_small else {}
    return None


def _about(value: Any, kind: str) -> str:
    """What the model reads of a picture, and of the texts beside it."""
    texts = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
    figure = figure_of(value)
    titles = [] if figure is None else [axes.get_title() for axes in figure.axes]
    about = "; ".join(title for title in titles if title)
    return "\n".join([*texts, f"({kind}{f': {about}' if about else ''}; the user sees it)"])
