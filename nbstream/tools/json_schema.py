"""JSON schemas as every provider takes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import UsageError
from .names import parameter_name

__all__ = ["IS_TYPE", "check_sayable", "portable", "said_as", "text_of", "without_refs"]

_HOMES = ("$defs", "definitions")
_MOST_DEFINITIONS = 500
_LONGEST_SHOWN = 60  # characters of a value in an error
_LARGEST = 20_000  # values in a schema that is written out; a hostile one doubles at each level


def without_refs(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema` with what its `$ref`s name written out; some providers refuse `$defs`.

    A type that leads back to itself keeps its definition and its references. So does a whole
    schema whose references cannot be followed, or that would become huge.
    """
    homes = {home: schema[home] for home in _HOMES if isinstance(schema.get(home), dict)}
    definitions = {
        f"#/{home}/{name}": each for home, named in homes.items() for name, each in named.items()
    }
    if not 0 < len(definitions) <= _MOST_DEFINITIONS:
        return dict(schema)
    try:
        writer = _Writer(definitions)
        plain = writer.written({key: each for key, each in schema.items() if key not in homes})
        for home, named in homes.items():
            kept = {name for name in named if f"#/{home}/{name}" not in writer.plain}
            if kept:
                plain[home] = {name: writer.written(named[name]) for name in sorted(kept)}
    except (_CannotWriteError, RecursionError):
        return dict(schema)
    return dict(plain)


class _CannotWriteError(Exception):
    """The schema stays as it is."""


class _Writer:
    """Writes definitions in the place of their references."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._left = _LARGEST
        uses = {name: set(_references(each)) for name, each in definitions.items()}
        #: The definitions that do not lead back to themselves.
        self.plain: set[str] = set()
        while fresh := {n for n, used in uses.items() if used <= self.plain} - self.plain:
            self.plain |= fresh

    def written(self, node: Any) -> Any:
        """`node` with plain definitions instead of their names.

        Raises:
            _CannotWriteError: it is too large, or names what is no definition.
        """
        self._left -= 1
        if self._left < 0:
            raise _CannotWriteError
        if isinstance(node, list):
            return [self.written(each) for each in node]
        if not isinstance(node, dict):
            return node
        written = {key: self.written(each) for key, each in node.items() if key != "$ref"}
        if _maps_to_references(written.get("discriminator")):
            del written["discriminator"]  # OpenAPI's; the types say it too
        if "$ref" not in node:
            return written
        name = node["$ref"]
        if not isinstance(name, str):  # a property that is called so
            return {"$ref": self.written(name), **written}
        if name in self.plain:
            meant = self.written(self._definitions[name])
            return {**meant, **written} if isinstance(meant, dict) else meant
        if name.startswith("#/") and name not in self._definitions:
            raise _CannotWriteError
        return {"$ref": name, **written}


def _references(node: Any) -> Iterator[str]:
    """The definitions that `node` names."""
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for each in values:
        yield from _references(each)
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        yield node["$ref"]


def _maps_to_references(discriminator: Any) -> bool:
    return isinstance(discriminator, dict) and isinstance(discriminator.get("mapping"), dict)


# -- what strict providers take --------------------------------------------------

# Where schemas stand in a schema. What stands elsewhere (`default`, `enum`, ...) is data.
_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_LISTED = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLE = frozenset(
    {"additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"}
)
_ABOUT = ("title", "description", "default")  # of a schema, beside what it takes
_FORMATS = {
    "string": ("date-time", "enum"),
    "integer": ("int32", "int64"),
    "number": ("double", "float"),
}

#: Whether a value is of a type, by the type's name.
IS_TYPE: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def portable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a tool's parameters as OpenAI, Anthropic and Gemini take it.

    Gemini refuses most formats, values of an `enum` that are no text, a list of types, and an
    array that does not say of what (https://ai.google.dev/api/caching#Schema, by its layer for
    this API too); Anthropic refuses names that are not ASCII. What all take stays as it is.
    `arguments.as_meant` reads what a model makes of it.
    """
    try:
        written: dict[str, Any] = _portable(schema)
    except RecursionError:  # a hostile server's
        return dict(schema)
    return written


def _portable(node: Any) -> Any:
    if not isinstance(node, Mapping):
        return node  # true: anything
    written = {word: _inside(word, each) for word, each in node.items()}
    _rename(written)
    if isinstance(written.get("type"), list):
        return _one_type_each(written)
    if "const" in written and "enum" not in written:
        written = {("enum" if k == "const" else k): v for k, v in written.items()}
        written["enum"] = [written["enum"]]
    _drop_format(written)
    if written.get("type") == "array" and "items" not in written:
        written["items"] = _any_of(written.get("prefixItems"))
    return _with_texts(written) if isinstance(written.get("enum"), list) else written


def _inside(word: str, each: Any) -> Any:
    if word in _NAMED and isinstance(each, Mapping):
        return {name: _portable(part) for name, part in each.items()}
    if word in _LISTED and isinstance(each, list):
        return [_portable(part) for part in each]
    return _portable(each) if word in _SINGLE else each


def said_as(names: Mapping[str, Any]) -> dict[str, str]:
    """How the names of an object's properties are written, by the names."""
    taken = set(names)
    said: dict[str, str] = {}
    for name in names:
        said[name] = parameter_name(name, taken)
        taken.add(said[name])
    return said


def _rename(written: dict[str, Any]) -> None:
    """Write the names of properties in ASCII, and say what they are."""
    properties = written.get("properties")
    if not isinstance(properties, dict):
        return
    said = said_as(properties)
    if all(name == other for name, other in said.items()):
        return
    written["properties"] = {
        said[name]: each if name == said[name] else _described(each, name, first=True)
        for name, each in properties.items()
    }
    if isinstance(required := written.get("required"), list):
        written["required"] = [said.get(str(name), name) for name in required]


def _described(node: Any, text: str, *, first: bool = False) -> Any:
    """`node` with a word more in its description."""
    if not isinstance(node, Mapping):
        return node
    old = node.get("description")
    parts = [old] if isinstance(old, str) and old else []
    parts.insert(0 if first else len(parts), text)
    return {**node, "description": (": " if first else "\n").join(parts)}


def _one_type_each(node: dict[str, Any]) -> dict[str, Any]:
    """`{"type": ["string", "null"]}` as a choice of schemas that have one type."""
    kept = {word: node[word] for word in _ABOUT if word in node}
    rest = {word: each for word, each in node.items() if word not in kept}
    choices = []
    for kind in node["type"]:
        fits = IS_TYPE.get(str(kind), lambda _: True)
        choice = {"type": kind} if kind == "null" else {**rest, "type": kind}
        if "enum" in choice and isinstance(choice["enum"], list):
            choice["enum"] = [value for value in choice["enum"] if fits(value)]
            if not choice["enum"]:
                continue
        choices.append(_portable(choice))
    if len(choices) > 1:
        return {**kept, "anyOf": choices}
    return {**kept, **choices[0]} if choices else kept


def _drop_format(written: dict[str, Any]) -> None:
    """Say in words what a value looks like, where the word for it is refused."""
    form = written.get("format")
    if isinstance(form, str) and form not in _FORMATS.get(str(written.get("type")), ()):
        del written["format"]
        written.update(_described(written, f"Format: {form}."))


def _any_of(schemas: Any) -> Any:
    """What any of an array's values is; `items` for providers that do not know `prefixItems`."""
    different: list[Any] = []
    for each in schemas if isinstance(schemas, list) else ():
        if each not in different:
            different.append(each)
    return {"anyOf": different} if len(different) > 1 else different[0] if different else {}


def _with_texts(node: dict[str, Any]) -> dict[str, Any]:
    """A choice among values as one among texts: what is no text is said as its JSON."""
    values = node["enum"]
    if not values or (all(isinstance(v, str) and v for v in values) and "type" in node):
        return node
    texts = list(dict.fromkeys(text_of(value) for value in values if value is not None))
    if "" in texts:  # which cannot be said to Gemini
        kept = {word: each for word, each in node.items() if word != "enum"}
        listed = ", ".join(json.dumps(text, ensure_ascii=False) for text in texts)
        choice: dict[str, Any] = _described({**kept, "type": "string"}, f"One of: {listed}.")
    else:
        choice = {word: texts if word == "enum" else each for word, each in node.items()}
        choice["type"] = "string"
    if choice.get("default") is not None and choice["default"] in values:
        choice["default"] = text_of(choice["default"])
    if None not in values:
        return choice
    about = {word: choice.pop(word) for word in _ABOUT if word in node}
    null = {"type": "null"}
    return {**about, **null} if not texts else {**about, "anyOf": [choice, null]}


def text_of(value: Any) -> str:
    """How a value of an `enum` is said as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# -- what JSON cannot say --------------------------------------------------------


def check_sayable(owner: str, schema: Mapping[str, Any]) -> None:
    """Let a schema pass that JSON can say; `inf` as a default it cannot.

    Raises:
        UsageError: it cannot be said; whose it is, which parameter's, and what.
    """
    try:
        json.dumps(schema, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        path, value = _unsayable(schema)
        names, word = _place(path)
        place = f"the {word} of {'.'.join(names)}" if names else f"the {word}"
        raise UsageError(
            f"{owner}: {place} is {_shown(value)}, which JSON cannot say · use None, a finite "
            "number or a text"
        ) from error


def _unsayable(node: Any) -> tuple[list[str], Any]:
    """Where in `node` the first value is that is no JSON, and that value."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if _is_list(node) else ()
    for key, each in items:
        try:
            json.dumps(each, allow_nan=False)
        except (ValueError, TypeError, RecursionError):
            path, value = _unsayable(each)
            return ([str(key), *path] if isinstance(node, dict) else path), value
    return [], node


def _is_list(node: Any) -> bool:
    return isinstance(node, list | tuple)


def _place(path: list[str]) -> tuple[list[str], str]:
    """The names of properties on a path through a schema, and the word at which it ends."""
    names = []
    rest = iter(path)
    for word in rest:
        if word in _NAMED:
            names.append(next(rest, ""))
        elif word not in _LISTED | _SINGLE:
            return names, word
    return names, "schema"


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # a number that Python does not write out either
        return "a number of too many digits"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
