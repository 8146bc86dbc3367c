"""Python functions as the model's tools: signature -> JSON schema, arguments -> call.

The schema's form is the API's (https://platform.openai.com/docs/guides/function-calling);
pydantic writes it from the type hints, and checks the arguments before a call.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import typing
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, overload, runtime_checkable

from ._typed_dicts import known_to_pydantic
from .errors import UsageError

__all__ = [
    "ArgumentsError",
    "Tool",
    "ToolSource",
    "as_tool",
    "parse_arguments",
    "readable",
    "tool",
    "tools_of",
    "unique",
]

F = TypeVar("F", bound=Callable[..., Any])

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what the API takes
_LONGEST_VALUE = 100  # characters of a wrong argument that go back to the model
_SETTINGS = "__nbstream_tool__"


class ArgumentsError(ValueError):
    """The arguments of a call do not fit; the message is for the model."""


@dataclass(frozen=True, slots=True)
class Tool:
    """What the model may call.

    Attributes:
        name: as the model calls it.
        description: what it does, for the model.
        parameters: the JSON schema of the arguments, an object's.
        bind: takes the arguments (parsed JSON), returns the call, ready to run; raises
            ArgumentsError where they do not fit.
        is_async: whether the call returns an awaitable. It is awaited on the I/O
            thread; other calls run where the notebook's code runs.
        approve: whether the user is asked before each call.
        timeout: seconds for a call; None is what the request's deadlines say.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    bind: Callable[[Mapping[str, Any]], Callable[[], Any]]
    is_async: bool = False
    approve: bool = False
    timeout: float | None = None

    def to_api(self) -> dict[str, Any]:
        """The tool as the request's `tools` carry it."""
        function: dict[str, Any] = {"name": self.name, "parameters": dict(self.parameters)}
        if self.description:
            function["description"] = self.description
        return {"type": "function", "function": function}


@runtime_checkable
class ToolSource(Protocol):
    """Something that has tools to offer, such as an MCP server."""

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
        The function itself, which stays as callable as it was.
    """

    def mark(function: F) -> F:
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
    settings: _Settings = getattr(value, _SETTINGS, _Settings())
    name = settings.name or str(getattr(value, "__name__", type(value).__name__))
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"no tool: {name!r} cannot be its name; give one: @nbstream.tool(name=...)"
        )
    signature = _Signature(value, name)
    return Tool(
        name=name,
        description=settings.description or signature.description,
        parameters=signature.schema(),
        bind=signature.bind,
        is_async=inspect.iscoroutinefunction(_routine(value)),
        approve=settings.approve,
        timeout=settings.timeout,
    )


def tools_of(values: Iterable[Any]) -> tuple[Tool | ToolSource, ...]:
    """Functions, `Tool`s and sources of tools, as a request takes them.

    Raises:
        UsageError: one of them is none, or two have one name.
    """
    sources = tuple(v if isinstance(v, ToolSource) else as_tool(v) for v in values)
    unique([source for source in sources if isinstance(source, Tool)])
    return sources


def unique(tools: Sequence[Tool]) -> Sequence[Tool]:
    """`tools`, if their names are.

    Raises:
        UsageError: two tools have one name.
    """
    names = [each.name for each in tools]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two tools are called {name!r}: name one by @nbstream.tool(name=...)")
    return tools


def parse_arguments(text: str) -> dict[str, Any]:
    """The arguments of a call as a model wrote them; no text is no arguments.

    Raises:
        ArgumentsError: they are no JSON object, or say one name twice.
    """
    try:
        value = json.loads(text or "{}", object_pairs_hook=_without_doubles, parse_constant=_refuse)
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
        raise ArgumentsError(f"the arguments say more than once: {', '.join(twice)}")
    return value


def _refuse(constant: str) -> Any:
    raise ArgumentsError(f"{constant} is no JSON: use a number, or null")


class _Signature:
    """The parameters of a function, as a pydantic model."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self._name = name
        try:
            self._parameters = inspect.signature(function).parameters
        except (TypeError, ValueError) as error:
            raise UsageError(f"tool {name}: its signature is not known ({error})") from error
        doc = _parse_docstring(function)
        self.description = doc.description
        self._model = self._build(doc.parameters)

    def _build(self, descriptions: Mapping[str, str]) -> Any:
        import pydantic

        hints = self._hints()
        fields: dict[str, Any] = {}
        extra: typing.Literal["forbid", "allow"] = "forbid"
        for number, parameter in enumerate(self._parameters.values()):
            if parameter.kind is parameter.VAR_POSITIONAL:
                raise UsageError(
                    f"tool {self._name}: a model cannot fill *{parameter.name}; take a list instead"
                )
            if parameter.kind is parameter.VAR_KEYWORD:
                extra = "allow"
                continue
            hint = known_to_pydantic(hints.get(parameter.name, Any))
            default = ... if parameter.default is parameter.empty else parameter.default
            text = descriptions.get(parameter.name) or _annotated_text(hint)
            # Fields have names of our own: a parameter may be called what a model's
            # attribute is, such as `schema` or `_x`.
            field = pydantic.Field(default, alias=parameter.name, description=text)
            fields[f"p{number}"] = (hint, field)
        config = pydantic.ConfigDict(extra=extra)
        try:
            return pydantic.create_model(self._name, __config__=config, **fields)
        except pydantic.errors.PydanticUserError as error:
            raise self._no_schema(error) from error

    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(_routine(self._function), include_extras=True)
        except Exception as error:
            raise UsageError(f"tool {self._name}: its type hints fail: {error}") from error

    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments.

        Raises:
            UsageError: a type hint has no form in JSON.
        """
        import pydantic

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a default that is no JSON is left out
                schema: dict[str, Any] = self._model.model_json_schema(
                    schema_generator=_untitled_generator()
                )
        except pydantic.errors.PydanticUserError as error:
            raise self._no_schema(error) from error
        schema.pop("title", None)
        schema.setdefault("properties", {})
        return schema

    def _no_schema(self, error: Exception) -> UsageError:
        first = str(error).partition("\n")[0]
        return UsageError(
            f"tool {self._name}: a type hint cannot be said in JSON ({first}); "
            "use str, int, list, a dataclass, ..."
        )

    def bind(self, arguments: Mapping[str, Any]) -> Callable[[], Any]:
        """The call with these arguments, made into what the type hints say."""
        import pydantic

        try:
            values = self._model.model_validate(arguments)
        except pydantic.ValidationError as error:
            raise ArgumentsError(readable(error)) from error
        positional: list[Any] = []
        named = dict(values.model_extra or {})
        for number, parameter in enumerate(self._parameters.values()):
            value = getattr(values, f"p{number}", None)
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(value)
            elif f"p{number}" in values.model_fields_set:  # else the function's own default
                named[parameter.name] = value
        return functools.partial(self._function, *positional, **named)


def _routine(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function behind a decorated one, a partial one or an object that can be called."""
    function = inspect.unwrap(function)
    if isinstance(function, functools.partial):
        return _routine(function.func)
    if inspect.isroutine(function):
        return function
    call: Callable[..., Any] = type(function).__call__
    return call


@functools.cache
def _untitled_generator() -> type[Any]:
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        """Without titles, which repeat the names and cost tokens."""

        def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # overridden
            return False

    return Untitled


def readable(error: Any) -> str:
    """What is wrong with the arguments, a line each."""
    lines = []
    for each in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in each["loc"]) or "the arguments"
        got = "" if each["type"] == "missing" else f" (got {_excerpt(each['input'])})"
        lines.append(f"{place}: {each['msg']}{got}")
    return "\n".join(lines)


def _excerpt(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


@dataclass(frozen=True, slots=True)
class _Docstring:
    description: str
    parameters: Mapping[str, str]


def _parse_docstring(function: Callable[..., Any]) -> _Docstring:
    """A docstring in Google's, NumPy's or reST's style."""
    import docstring_parser

    parsed = docstring_parser.parse(inspect.getdoc(_routine(function)) or "")
    parts = [parsed.short_description, parsed.long_description]
    return _Docstring(
        "\n\n".join(part.strip() for part in parts if part),
        {p.arg_name.lstrip("*"): p.description for p in parsed.params if p.description},
    )


def _annotated_text(hint: Any) -> str | None:
    """The text in `Annotated[int, "how many"]`."""
    texts = [part for part in getattr(hint, "__metadata__", ()) if isinstance(part, str)]
    return texts[0] if texts else None
