"""`{{ expression }}` in a prompt."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping
from typing import Any

from .attachments import content_part
from .code_values import code_text, exception_text, is_code
from .data_tables import array_text, is_array, is_table, table_text
from .errors import UsageError
from .messages import Content
from .pictures import figure_of

__all__ = ["interpolate", "is_table", "prompt_text"]

_SHOWN = 40  # characters of what is no parameter


def interpolate(prompt: str, namespace: Mapping[str, Any], *, names_only: bool = False) -> Content:
    r"""`prompt` with every `{{ expression }}` replaced by its value's text.

    Expressions may hold braces themselves (`{{ {"a": 1}["a"] }}`); `\{{` is two braces,
    and single braces are never touched; nor are those close around a plain value, as in
    C's `int m[3][3] = {{0}};`. A figure or an image stays one: the prompt is
    then a list of content parts.

    Args:
        prompt: the text.
        namespace: what expressions are evaluated in.
        names_only: whether nothing is evaluated: each expression is a name of the namespace.

    Raises:
        UsageError: an expression that is none, or that raises; nothing is sent then.
    """
    pieces: list[str | Mapping[str, Any]] = []
    position = 0
    while (start := prompt.find("{{", position)) >= 0:
        if start > position and prompt[start - 1] == "\\":
            pieces.append(prompt[position : start - 1] + "{{")
            position = start + 2
            continue
        expression, end = (_first if names_only else _expression)(prompt, start + 2)
        if not prompt[start + 2].isspace() and _is_plain(expression):
            pieces.append(prompt[position:end])
        elif names_only and expression not in namespace:
            raise UsageError(
                f"{{{{ {expression[:_SHOWN]} }}}} is not a parameter that was given: pass it as "
                "KEY=VALUE, or write \\{{ in the file for two braces"
            )
        else:
            pieces += [prompt[position:start], _piece(expression, namespace)]
        position = end
    return _content([*pieces, prompt[position:]])


def _is_plain(expression: str) -> bool:
    """Whether it is a value that is written out: nobody has one of those put in."""
    try:
        ast.literal_eval(expression)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _piece(expression: str, namespace: Mapping[str, Any]) -> str | Mapping[str, Any]:
    """An expression's value: its text, or the content part that it is."""
    try:
        # What the user typed in the user's own notebook, as if it stood in a cell.
        value = eval(expression, dict(namespace))  # noqa: S307
        if figure_of(value) is not None or _is_image(value):
            return content_part(value)
        return prompt_text(value)
    except NameError as error:
        name = error.name or expression
        raise UsageError(
            f"{{{{ {expression} }}}}: there is no {name!r} in the notebook: define it first, "
            "or write \\{{ for two braces"
        ) from error
    except UsageError as error:
        raise UsageError(f"{{{{ {expression} }}}}: {error}") from error
    except Exception as error:
        raise UsageError(
            f"{{{{ {expression} }}}} raised {type(error).__name__}: {error}"
        ) from error


def _is_image(value: Any) -> bool:
    return type(value).__module__.startswith("PIL.") and hasattr(type(value), "_repr_png_")


def _content(pieces: list[str | Mapping[str, Any]]) -> Content:
    """Texts next to each other in one, and one text alone as a plain string."""
    parts: list[Mapping[str, Any]] = []
    for is_text, group in itertools.groupby(pieces, lambda piece: isinstance(piece, str)):
        if is_text:
            text = "".join(str(piece) for piece in group)
            parts += [{"type": "text", "text": text}] if text.strip() else []
        else:
            parts += [piece for piece in group if not isinstance(piece, str)]
    if all(part["type"] == "text" for part in parts):
        return "".join(str(piece) for piece in pieces)
    return tuple(parts)


def _first(prompt: str, start: int) -> tuple[str, int]:
    """What stands between the braces, without a look at what it is."""
    end = prompt.find("}}", start)
    return (
        (prompt[start:].strip(), len(prompt)) if end < 0 else (prompt[start:end].strip(), end + 2)
    )


def _expression(prompt: str, start: int) -> tuple[str, int]:
    """The expression that begins at `start`, and where the text after it goes on.

    The shortest text up to a `}}` that parses, so that braces inside are no end.
    """
    end = prompt.find("}}", start)
    first = end
    while end >= 0:
        expression = prompt[start:end].strip()
        try:
            ast.parse(expression, mode="eval")
        except (SyntaxError, ValueError):
            end = prompt.find("}}", end + 1)
        else:
            return expression, end + 2
    shown = prompt[start : first if first >= 0 else start + 40].strip()
    raise UsageError(
        f"{{{{ {shown} }}}} is no expression: write \\{{{{ for two braces, or pass --no-interpolate"
    )


def prompt_text(value: Any) -> str:
    """How a Python object reads in a prompt.

    A table of pandas, polars, pyarrow or duckdb is a markdown table of at most 20 rows and
    columns with its shape and types, and so is an array of numpy; an exception is a short
    traceback, a function or a class its source. Anything else is its `str`: an answer its
    text, a code block its code.
    """
    if is_table(value):
        return table_text(value)
    if is_array(value):
        return array_text(value)
    if isinstance(value, BaseException):
        return exception_text(value)
    if is_code(value):
        return code_text(value)
    if type(value) in (list, tuple) and value and all(map(_is_answer_part, value)):
        return "\n\n".join(map(str, value))
    return str(value)


def _is_answer_part(value: Any) -> bool:
    """Whether it is an answer, or one of its code blocks or tables, whose text is its content."""
    kind = type(value)
    return kind.__module__.startswith("nbstream.") and "__str__" in vars(kind)
