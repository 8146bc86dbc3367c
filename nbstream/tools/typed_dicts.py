"""`typing.TypedDict` for pydantic, which before Python 3.12 takes `typing_extensions`' only."""

from __future__ import annotations

import collections.abc
import functools
import operator
import sys
import types
import typing
from typing import Any

__all__ = ["known_to_pydantic"]


def known_to_pydantic(hint: Any) -> Any:
    """`hint` with every `TypedDict` in it as one that pydantic can read."""
    if sys.version_info >= (3, 12):
        return hint
    return _converted(hint) if typing.is_typeddict(hint) else _rebuilt(hint)


def _rebuilt(hint: Any) -> Any:
    """`hint` with its arguments known to pydantic."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return typing.Annotated[(known_to_pydantic(hint.__origin__), *hint.__metadata__)]
    if not arguments or origin in (None, typing.Literal, collections.abc.Callable):
        return hint
    known = tuple(known_to_pydantic(argument) for argument in arguments)
    if origin in (typing.Union, types.UnionType):
        return functools.reduce(operator.or_, known)
    return hint if known == arguments else origin[known]


@functools.cache  # a type that holds itself is asked for again while it is made
def _converted(typed_dict: Any) -> Any:
    import typing_extensions

    hints = typing.get_type_hints(typed_dict, include_extras=True)
    fields = {}
    for name, hint in hints.items():
        # `__required_keys__` does not know what stands in annotations that are text.
        is_required = name in typed_dict.__required_keys__
        while (wrapper := typing.get_origin(hint)) in (typing.Required, typing.NotRequired):
            (hint,) = typing.get_args(hint)  # noqa: PLW2901  # the same hint, unwrapped
            is_required = wrapper is typing.Required
        wrap = typing_extensions.Required if is_required else typing_extensions.NotRequired
        fields[name] = wrap[known_to_pydantic(hint)]
    made = typing_extensions.TypedDict(typed_dict.__name__, fields)  # type: ignore[misc]  # not literal
    made.__doc__ = typed_dict.__doc__
    return made
