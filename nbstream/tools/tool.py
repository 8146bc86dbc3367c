"""What a model may call: Python functions, and what servers offer.

The form of a tool is the API's: https://platform.openai.com/docs/guides/function-calling
"""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, overload, runtime_checkable

from ..errors import UsageError
from ..messages import is_left_out, read_arguments
from .json_schema import check_sayable, portable
from .names import function_name
from .signatures import ArgumentsError, Signature, routine

__all__ = [
    "ArgumentsError",
    "Tool",
    "ToolSource",
    "as_tool",
    "parse_arguments",
    "tool",
    "tools_of",
    "unique",
]

F = TypeVar("F", bound=Callable[..., Any])

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what the API takes
_SETTINGS = "__nbstream_tool__"


@dataclass(frozen=True, slots=True)
class Tool:
    """What the model may call.

    Attributes:
        name: as the model calls it.
        description: what it does, for the model.
        parameters: the JSON schema of the arguments, an object's.
        bind: takes the arguments (parsed JSON, as a model wrote them), returns the call,
            ready to run; raises ArgumentsError where they do not fit.
        is_async: whether the call returns an awaitable. It is awaited on a thread of its
            own; other calls run where the notebook's code runs.
        approve: whether the user is asked before each call.
        timeout: seconds for a call; None is what the request's deadlines say.
        on_io_thread: whether the awaitable belongs on the I/O thread, where its connection
            lives. It must never block there: all answers would stop.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    bind: Callable[[Mapping[str, Any]], Callable[[], Any]]
    is_async: bool = False
    approve: bool = False
    timeout: float | None = None
    on_io_thread: bool = False

    def to_api(self) -> dict[str, Any]:
        """The tool as the request's `tools` carry it.

        Raises:
            UsageError: the schema has a value that JSON cannot say.
        """
        check_sayable(f"tool {self.name}", self.parameters)
        function: dict[str, Any] = {"name": self.name, "parameters": portable(self.parameters)}
        if self.description:
            function["description"] = self.description
        return {"type": "function", "function": function}


@runtime_checkable
class ToolSource(Protocol):
    """Something that has tools to offer, such as an MCP server.

    Attributes:
        name: what it is called; stands before the names of its tools where those of others
            are the same.
    """

    name: str

    def tools(self) -> Awaitable[Sequence[Tool]]:
        """The tools as they are now; called on the I/O thread as a turn begins."""


@dataclass(frozen=True, slots=True)
class _Settings:
    name: str | None = None
    description: str | None = None
    approve: bool = False
    timeout: float | None = None


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    approve: bool = False,
    timeout: float | None = None,
) -> Callable[[F], F]: ...
def tool(function: Any = None, /, **settings: Any) -> Any:
    """Say how a function is a tool. Optional: any function can be one as it is.

    Args:
        name: as the model calls it; by default the function's own.
        description: what it does; by default the docstring's.
        approve: ask the user before each call.
        timeout: seconds for a call.

    Returns:
        The function itself, which stays as callable as it was; of a bound method or a
        built-in function, which cannot carry settings, a `functools.partial`.
    """

    def mark(function: Any) -> Any:
        if not hasattr(function, "__dict__") or inspect.ismethod(function):
            function = functools.partial(function)
        setattr(function, _SETTINGS, _Settings(**settings))
        return function

    return mark if function is None else mark(function)


def as_tool(value: Any) -> Tool:
    """`value`, a function or a `Tool`, as a `Tool`.

    Raises:
        UsageError: it cannot be called by a model, and why.
    """
    if isinstance(value, Tool):
        return value
    if not callable(value):
        raise UsageError(f"no tool: {value!r} is not a function")
    settings = _settings(value)
    own = settings.name or _name(value)
    name = function_name(own) if own.isidentifier() and not own.isascii() else own
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"no tool: {name!r} cannot be its name; give one: @nbstream.tool(name=...)"
        )
    signature = Signature(value, name)
    description = settings.description or signature.description
    if name != own:
        description = f"{own}: {description}".removesuffix(": ")
    return Tool(
        name=name,
        description=description,
        parameters=signature.schema,
        bind=signature.bind,
        is_async=_is_async(value),
        approve=settings.approve,
        timeout=settings.timeout,
    )


def _settings(function: Any) -> _Settings:
    """What `tool` said of a function; a partial one asks for approval as the whole one does."""
    found = getattr(function, _SETTINGS, None)
    if isinstance(found, _Settings):
        return found
    return _settings(function.func) if isinstance(function, functools.partial) else _Settings()


def _name(function: Any) -> str:
    if isinstance(function, functools.partial):
        return _name(function.func)
    return str(getattr(function, "__name__", type(function).__name__))


def _is_async(function: Any) -> bool:
    # Not the function behind a decorator: that may well wait for it.
    is_object = not inspect.isroutine(function) and not isinstance(function, functools.partial)
    return inspect.iscoroutinefunction(routine(function) if is_object else function)


def tools_of(values: Iterable[Any]) -> tuple[Tool | ToolSource, ...]:
    """Functions, `Tool`s and sources of tools, as a request takes them.

    Raises:
        UsageError: one of them is none, two have one name, or JSON cannot say what one takes.
    """
    sources = tuple(v if isinstance(v, ToolSource) else as_tool(v) for v in values)
    for each in unique([source for source in sources if isinstance(source, Tool)]):
        each.to_api()
    return sources


def unique(tools: Sequence[Tool]) -> Sequence[Tool]:
    """`tools`, if their names are.

    Raises:
        UsageError: two tools have one name.
    """
    names = [each.name for each in tools]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"two tools are called {name!r}: name one by @nbstream.tool(name=...), "
                "or its server by mcp(..., name=...)"
            )
    return tools


def parse_arguments(text: str) -> dict[str, Any]:
    """The arguments of a call as a model wrote them, which may be none at all.

    Raises:
        ArgumentsError: they are no JSON object, or say one name twice.
    """
    if is_left_out(text):
        return {}
    try:
        value = read_arguments(text, object_pairs_hook=_without_doubles, parse_constant=_refuse)
    except ArgumentsError:
        raise
    except (ValueError, RecursionError) as error:
        raise ArgumentsError(f"the arguments are no valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ArgumentsError("the arguments are no JSON object")
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ArgumentsError(f"the arguments say more than once: {json.dumps(twice[:3])}")
    return value


def _refuse(constant: str) -> Any:
    raise ArgumentsError(f"{constant} is no JSON: use a number, or null")
