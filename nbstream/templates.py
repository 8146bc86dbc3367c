"""Prompts that are kept under a name, with parameters: `--template NAME KEY=VALUE`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import UsageError
from .interpolate import interpolate
from .messages import Content
from .small_file import is_file, read_text

__all__ = ["filled", "joined"]

_LARGEST = 200_000  # bytes of a file
_BRACES = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(r"\w+")


def filled(name: str, given: Sequence[str], namespace: Mapping[str, Any]) -> Content:
    """A template with its parameters in their places.

    In a variable of the notebook `{{ expression }}` is evaluated as in a cell, and the
    parameters go before the notebook's names. A file may be somebody else's: it names
    parameters, and nothing in it is evaluated.

    Args:
        name: a variable that holds a text, or the path of a file.
        given: the parameters, `KEY=VALUE` each.
        namespace: the notebook's variables.

    Raises:
        UsageError: there is no such template, or a parameter is missing, or is in no place.
    """
    parameters = _parameters(name, given)
    text = namespace.get(name)
    is_own = isinstance(text, str)
    template = str(text) if is_own else _read(name)
    prompt = interpolate(
        template, {**namespace, **parameters} if is_own else parameters, names_only=not is_own
    )
    named = set(_NAME.findall(" ".join(_BRACES.findall(template))))
    if unused := [key for key in parameters if key not in named]:
        raise UsageError(f"--template {name}: {{{{ {unused[0]} }}}} does not stand in it")
    return prompt


def joined(first: Content, second: Content) -> Content:
    """Two prompts as one, with an empty line between them."""
    if isinstance(first, str) and isinstance(second, str):
        return "\n\n".join(text for text in (first, second) if text.strip())
    return (*_parts(first), *_parts(second))


def _parameters(name: str, given: Sequence[str]) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for word in given:
        key, is_one, value = word.partition("=")
        if not (is_one and key.isidentifier()):
            raise UsageError(
                f"--template {name}: its parameters are KEY=VALUE each · quote what has spaces, as "
                "in 'KEY=two words', and name the model by -m"
            )
        if key in parameters:
            raise UsageError(f"--template {name}: {key} is given twice · leave one out")
        parameters[key] = value
    return parameters


def _read(name: str) -> str:
    if not is_file(name):
        raise UsageError(
            f"--template {name}: there is no variable of this name that holds a text, and no such "
            "file"
        )
    return read_text(name, _LARGEST).strip("\n")


def _parts(content: Content) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(content, str):
        return content or ()
    return ({"type": "text", "text": content},) if content.strip() else ()
