"""The type of a parameter that has no type hint."""

from __future__ import annotations

import inspect
import types
import warnings
from typing import Annotated, Any, Union

__all__ = ["guessed"]

_TEXT = {"type": "string"}
_SIMPLE = (bool, int, float, str)


def guessed(parameter: inspect.Parameter) -> Any:
    """A hint for a parameter without one: its default's type, else text.

    Providers want a type of every parameter, and models write better arguments for it. It is a
    guess: a value that does not fit it reaches the function as it is.
    """
    from pydantic.fields import Field, FieldInfo

    default = parameter.default
    if parameter.kind is parameter.VAR_KEYWORD:
        return Any
    if isinstance(default, FieldInfo):
        default = parameter.empty if default.is_required() else default.get_default()
    if default is None:
        return Annotated[Any, _Text(or_none=True)]
    if default is parameter.empty:
        return Annotated[Any, _Text()]
    items = {type(each) for each in default} if isinstance(default, list) else set()
    if len(items) == 1 and (item := items.pop()) in _SIMPLE:
        kinds: list[Any] = [types.GenericAlias(list, (item,))]
    else:
        kinds = [kind for kind in type(default).__mro__[:-1] if _has_schema(kind)]
    if not kinds:
        return Annotated[Any, _Text()]
    # The first one: numpy's float64 is a float.
    return Annotated[Union[kinds[0], Any], Field(union_mode="left_to_right"), _Guess()]  # noqa: UP007  # made here


class _Guess:
    """For pydantic: the schema says the first type of a union."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        return handler(schema["choices"][0])


class _Text:
    """For pydantic: the schema says text."""

    def __init__(self, *, or_none: bool = False) -> None:
        self._or_none = or_none

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> Any:
        return {"anyOf": [_TEXT, {"type": "null"}]} if self._or_none else dict(_TEXT)


def _has_schema(kind: type) -> bool:
    import pydantic

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pydantic.TypeAdapter(kind).json_schema()
    except (pydantic.errors.PydanticUserError, AttributeError, TypeError):
        return False
    return True
