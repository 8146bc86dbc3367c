"""The signature of a function as a JSON schema, and JSON as the arguments of a call.

pydantic writes the schema from the type hints, and checks the arguments.
"""

from __future__ import annotations

import functools
import inspect
import json
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from .arguments import as_meant
from .guesses import guessed
from .json_schema import without_refs
from .typed_dicts import known_to_pydantic

__all__ = ["ArgumentsError", "Signature", "readable", "routine"]

_LONGEST_VALUE = 100  # characters of a wrong argument that go back to the model
_MOST_LINES = 10  # of what is wrong: a long list can be wrong in every item


class ArgumentsError(ValueError):
    """The arguments of a call do not fit; the message is for the model."""


class Signature:
    """What a function takes.

    Attributes:
        description: what the function does, by its docstring.
        schema: the JSON schema of the arguments.

    Raises:
        UsageError: a model cannot call it, and why.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        doc = _parse_docstring(function)
        self.description = doc.description
        self._function = function
        self._name = name
        self._parameters = list(self._read_parameters())
        try:
            self._model = self._build(doc.parameters)
        except _pydantic().errors.PydanticUserError as error:
            raise self._no_schema(error) from error
        self.schema = self._write_schema()

    def _read_parameters(self) -> Iterator[inspect.Parameter]:
        """The parameters that a model fills, annotated with types and not their names."""
        try:
            parameters = inspect.signature(self._function).parameters
        except (TypeError, ValueError) as error:
            raise UsageError(f"tool {self._name}: its signature is not known ({error})") from error
        try:
            hints = typing.get_type_hints(routine(self._function), include_extras=True)
        except Exception as error:
            raise UsageError(f"tool {self._name}: its type hints fail: {error}") from error
        # What a partial function has been given is its maker's: a key, perhaps.
        given = getattr(self._function, "keywords", {})
        for name, parameter in parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL:
                raise UsageError(
                    f"tool {self._name}: a model cannot fill *{name}; take a list instead"
                )
            if name not in given:
                hint = hints[name] if name in hints else guessed(parameter)
                yield _typed(parameter, known_to_pydantic(hint))

    def _build(self, descriptions: Mapping[str, str]) -> Any:
        """A pydantic model with a field for each parameter."""
        pydantic = _pydantic()
        namespace: dict[str, Any] = {"model_config": {"extra": "forbid"}}
        fields: dict[str, Any] = {}
        for number, parameter in enumerate(self._parameters):
            hint = parameter.annotation
            if parameter.kind is parameter.VAR_KEYWORD:
                namespace["model_config"] = {"extra": "allow"}
                namespace["__annotations__"] = {
                    "__pydantic_extra__": types.GenericAlias(dict, (str, hint))
                }
                continue
            # Fields have names of our own: a parameter may be called what a model's
            # attribute is, such as `schema` or `_x`.
            about: dict[str, Any] = {"alias": parameter.name}
            if parameter.default is not parameter.empty:
                about["default"] = parameter.default
            if text := descriptions.get(parameter.name) or _annotated_text(hint):
                about["description"] = text
            fields[f"p{number}"] = (hint, pydantic.Field(**about))
        base = type("Arguments", (pydantic.BaseModel,), {"__module__": __name__, **namespace})
        return pydantic.create_model(self._name, __base__=base, **fields)

    def _write_schema(self) -> dict[str, Any]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a default that is no JSON is left out
                schema = self._model.model_json_schema(schema_generator=_untitled_generator())
        except _pydantic().errors.PydanticUserError as error:
            raise self._no_schema(error) from error
        schema.pop("title", None)
        schema.pop("description", None)  # of our own class
        return {"type": "object", "properties": {}, **without_refs(schema)}

    def _no_schema(self, error: Exception) -> UsageError:
        first = str(error).partition("\n")[0]
        return UsageError(
            f"tool {self._name}: a type hint cannot be said in JSON ({first}); "
            "use str, int, list, a dataclass, ..."
        )

    def bind(self, arguments: Mapping[str, Any]) -> Callable[[], Any]:
        """The call with these arguments, made into what the type hints say.

        Args:
            arguments: as a model wrote them by `schema`, or by what `portable` made of it.

        Raises:
            ArgumentsError: they do not fit.
        """
        try:
            # As JSON, where a text can be a date whatever a type says of strictness.
            values = self._model.model_validate_json(json.dumps(as_meant(self.schema, arguments)))
        except _pydantic().ValidationError as error:
            raise ArgumentsError(readable(error)) from error
        positional: list[Any] = []
        named = dict(values.model_extra or {})
        for number, parameter in enumerate(self._parameters):
            if parameter.kind is parameter.VAR_KEYWORD:
                continue
            field = f"p{number}"
            has_default = parameter.default is not parameter.empty
            is_left_out = has_default and field not in values.model_fields_set
            value = parameter.default if is_left_out else getattr(values, field)
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(value)
            elif not is_left_out:
                named[parameter.name] = value
        return functools.partial(self._function, *positional, **named)


def routine(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function behind a decorated one, a partial one, a class or an object."""
    function = inspect.unwrap(function)
    if isinstance(function, functools.partial):
        return routine(function.func)
    if inspect.isroutine(function):
        return function
    call: Callable[..., Any] = type(function).__call__
    return vars(function).get("__init__", call) if isinstance(function, type) else call


def readable(error: Any, whole: str = "the arguments") -> str:
    """What pydantic finds wrong, a line each; `whole` is what it looked at."""
    errors = error.errors(include_url=False, include_context=False)
    lines = []
    for each in errors[:_MOST_LINES]:
        place = _cut(".".join(str(part) for part in each["loc"])) or whole
        got = "" if each["type"] == "missing" else f" (got {_excerpt(each['input'])})"
        lines.append(f"{place}: {each['msg']}{got}")
    if len(errors) > _MOST_LINES:
        lines.append(f"and {len(errors) - _MOST_LINES} more")
    return "\n".join(lines)


def _excerpt(value: Any) -> str:
    return _cut(json.dumps(value, default=str, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _pydantic() -> Any:
    import pydantic  # not with `import nbstream`

    return pydantic


@functools.cache
def _untitled_generator() -> type[Any]:
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        """Without titles, which repeat the names and cost tokens."""

        def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # overridden
            return False

    return Untitled


def _typed(parameter: inspect.Parameter, hint: Any) -> inspect.Parameter:
    """`parameter` with the type that its values really may have."""
    from pydantic.fields import FieldInfo

    if isinstance(parameter.default, FieldInfo):  # x: int = Field(3, ge=0), as elsewhere
        hint = typing.Annotated[hint, parameter.default]
        parameter = parameter.replace(default=parameter.empty)
    elif parameter.default is None:  # x: int = None
        hint = _or_none(hint)
    return parameter.replace(annotation=hint)


def _or_none(hint: Any) -> Any:
    if typing.get_origin(hint) is typing.Annotated:
        return typing.Annotated[(_or_none(hint.__origin__), *hint.__metadata__)]
    return typing.Optional[hint]  # noqa: UP045  # a value, and it may be a name


@dataclass(frozen=True, slots=True)
class _Docstring:
    description: str
    parameters: Mapping[str, str]


def _parse_docstring(function: Callable[..., Any]) -> _Docstring:
    """A docstring in Google's, NumPy's or reST's style."""
    import docstring_parser

    text = inspect.getdoc(function if isinstance(function, type) else routine(function))
    parsed = docstring_parser.parse(text or "")
    parts = [parsed.short_description, parsed.long_description]
    return _Docstring(
        "\n\n".join(part.strip() for part in parts if part),
        {
            name.strip(" *"): p.description
            for p in parsed.params
            for name in p.arg_name.split(",")  # NumPy's `a, b : int`
            if p.description
        },
    )


def _annotated_text(hint: Any) -> str | None:
    """The text in `Annotated[int, "how many"]`."""
    texts = [part for part in getattr(hint, "__metadata__", ()) if isinstance(part, str)]
    return texts[0] if texts else None
