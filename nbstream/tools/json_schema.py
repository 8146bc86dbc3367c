"""JSON schemas as every provider takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["without_refs"]

_HOMES = ("$defs", "definitions")
_MOST_DEFINITIONS = 500
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
