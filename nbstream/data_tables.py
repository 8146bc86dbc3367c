"""Tables and arrays of the notebook as compact text: shape, types, and the first cells.

The libraries that such objects are made of are never imported: who has an object of one has
imported it, and its class says which one it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

__all__ = ["array_text", "is_array", "is_table", "row_count", "table_text"]

_MAX_ROWS = 20
_MAX_COLUMNS = 20
_MAX_CELL = 200  # characters


@dataclass(frozen=True, slots=True)
class _Excerpt:
    """The beginning of a table.

    Attributes:
        kind: what it is, in a word.
        shape: rows and columns of the whole; rows are None where nobody has counted them yet.
        names: of the first columns.
        types: of the same.
        rows: the first ones, with a cell for each name.
        index: the names of the index.
        keys: the index of each row.
    """

    kind: str
    shape: tuple[int | None, int]
    names: Sequence[Any]
    types: Sequence[Any]
    rows: Iterable[Iterable[Any]]
    index: Sequence[str] = ()
    keys: Sequence[Any] = ()


def is_table(value: Any) -> bool:
    """Whether `value` is a table of pandas, polars, pyarrow or duckdb, or of a kind of these."""
    return _reader(value) is not None


def table_text(value: Any) -> str:
    """A table as markdown, with its shape and types: at most 20 rows and columns of it.

    Nothing is computed that its owner left for later: of a polars LazyFrame, a pyarrow Dataset
    and a RecordBatchReader only names and types are told.
    """
    read = _reader(value)
    assert read is not None
    return _text(read(value))


def row_count(value: Any) -> int | None:
    """How many rows a table has, where that is known."""
    return len(value) if hasattr(type(value), "__len__") else None


def _text(excerpt: _Excerpt) -> str:
    rows, columns = excerpt.shape
    if rows is None:
        return f"{excerpt.kind}, {columns} columns, rows not read:\n\n{_markdown(excerpt)}"
    shown = ""
    if rows > _MAX_ROWS or columns > _MAX_COLUMNS:
        shown = f" (the first {min(rows, _MAX_ROWS)} × {min(columns, _MAX_COLUMNS)} shown)"
    return f"{excerpt.kind}, {rows} rows × {columns} columns{shown}:\n\n{_markdown(excerpt)}"


def _markdown(excerpt: _Excerpt) -> str:
    heads = [
        f"{_cell(name)} ({kind})" for name, kind in zip(excerpt.names, excerpt.types, strict=True)
    ]
    head = [*map(_cell, excerpt.index), *heads]
    keys: Iterable[Any] = excerpt.keys if excerpt.index else iter(tuple, None)
    lines = [head, ["---"] * len(head)]
    for key, row in zip(keys, excerpt.rows, strict=False):
        lines.append([*map(_cell, key if isinstance(key, tuple) else (key,)), *map(_cell, row)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):  # 1353.6 and not 1353.6000000000001, which no digit of it means
        value = float(f"{value:.15g}")
    text = " ".join(str(value).split()).replace("|", "\\|")
    return text if len(text) <= _MAX_CELL else text[: _MAX_CELL - 1] + "…"


# -- what each library's objects hold ----------------------------------------------


def _pandas(frame: Any) -> _Excerpt:
    frame = frame.to_frame() if hasattr(frame, "to_frame") else frame
    part = frame.iloc[:_MAX_ROWS, :_MAX_COLUMNS]
    return _Excerpt(
        kind="DataFrame",
        shape=frame.shape,
        names=part.columns,
        types=part.dtypes,
        rows=part.itertuples(index=False, name=None),
        index=["" if name is None else str(name) for name in part.index.names],
        keys=list(part.index),
    )


def _polars(frame: Any) -> _Excerpt:
    is_series = hasattr(frame, "to_frame")
    kind, frame = type(frame).__name__, frame.to_frame() if is_series else frame
    part = frame.head(_MAX_ROWS).select(frame.columns[:_MAX_COLUMNS])
    return _Excerpt(kind, frame.shape, part.columns, part.dtypes, part.iter_rows())


def _polars_lazy(frame: Any) -> _Excerpt:
    schema = frame.collect_schema()  # of the source, without its rows
    names, types = schema.names()[:_MAX_COLUMNS], schema.dtypes()[:_MAX_COLUMNS]
    return _Excerpt(type(frame).__name__, (None, len(schema)), names, types, ())


def _arrow(table: Any) -> _Excerpt:
    schema, count = table.schema, table.num_columns
    columns = [table.column(i).slice(0, _MAX_ROWS) for i in range(min(count, _MAX_COLUMNS))]
    fields = list(islice(schema, _MAX_COLUMNS))
    rows = zip(*([_arrow_value(each) for each in column] for column in columns), strict=True)
    shape = (table.num_rows, count)
    names, types = [field.name for field in fields], [field.type for field in fields]
    return _Excerpt(type(table).__name__, shape, names, types, rows)


def _arrow_schema(source: Any) -> _Excerpt:
    schema = source.schema
    fields = list(islice(schema, _MAX_COLUMNS))
    names, types = [field.name for field in fields], [field.type for field in fields]
    return _Excerpt(type(source).__name__, (None, len(schema)), names, types, ())


def _arrow_array(array: Any) -> _Excerpt:
    rows = [[_arrow_value(each)] for each in array.slice(0, _MAX_ROWS)]
    return _Excerpt(type(array).__name__, (len(array), 1), [""], [array.type], rows)


def _arrow_value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):  # a time that Python cannot hold
        return scalar.value


def _duckdb(relation: Any) -> _Excerpt:
    names, types = relation.columns[:_MAX_COLUMNS], relation.types[:_MAX_COLUMNS]
    rows = (row[:_MAX_COLUMNS] for row in relation.limit(_MAX_ROWS).fetchall())
    return _Excerpt("DuckDB relation", relation.shape, names, types, rows)


_READERS: dict[tuple[str, str], Callable[[Any], _Excerpt]] = {
    ("pandas", "DataFrame"): _pandas,
    ("pandas", "Series"): _pandas,
    ("polars", "DataFrame"): _polars,
    ("polars", "Series"): _polars,
    ("polars", "LazyFrame"): _polars_lazy,
    ("pyarrow", "Table"): _arrow,
    ("pyarrow", "RecordBatch"): _arrow,
    ("pyarrow", "RecordBatchReader"): _arrow_schema,
    ("pyarrow", "Dataset"): _arrow_schema,
    ("pyarrow", "Array"): _arrow_array,
    ("pyarrow", "ChunkedArray"): _arrow_array,
    ("duckdb", "DuckDBPyRelation"): _duckdb,
}


def _reader(value: Any) -> Callable[[Any], _Excerpt] | None:
    found = (_READERS.get(name) for name in _class_names(value))
    return next((read for read in found if read is not None), None)


def _class_names(value: Any) -> Iterator[tuple[str, str]]:
    """The library and the name of each class that `value` is of."""
    for each in type(value).__mro__:
        library = str(each.__module__).partition(".")[0].lstrip("_")  # `_duckdb` is duckdb's own
        yield library, each.__name__


# -- numpy's arrays ------------------------------------------------------------------


def is_array(value: Any) -> bool:
    """Whether `value` is an array of numpy with at least one dimension."""
    return ("numpy", "ndarray") in _class_names(value) and value.ndim > 0


def array_text(array: Any) -> str:
    """A numpy array: shape, dtype, and of each dimension at most the first 20 items.

    One with fields is a table; of more than two dimensions the first plane is shown.
    """
    shape, dtype = array.shape, array.dtype
    about = f"{type(array).__name__} of shape {shape}, dtype {dtype}"
    if dtype.names and array.ndim == 1:
        return _record_text(array)
    plane = array[(0,) * (array.ndim - 2)] if array.ndim > 2 and math.prod(shape[:-2]) else array
    shown = []
    if plane is not array:
        shown.append(f"[{'0, ' * (array.ndim - 2)}:, :]")
    if any(size > limit for size, limit in zip(plane.shape[-2:], _limits(plane), strict=True)):
        sizes = map(min, zip(plane.shape[-2:], _limits(plane), strict=True))
        shown.append(f"the first {' × '.join(map(str, sizes))}")
    of_it = f" ({', '.join(shown)} shown)" if shown else ""
    return f"{about}{of_it}:\n\n{_items(plane)}\n"


def _limits(plane: Any) -> list[int]:
    return [_MAX_ROWS, _MAX_COLUMNS][-min(plane.ndim, 2) :]


def _items(plane: Any) -> str:
    """The first items; rows stand below each other."""
    if plane.ndim == 1:
        return _listed(plane[i] for i in range(min(len(plane), _MAX_ROWS)))
    if plane.ndim > 2:  # one of its dimensions is empty
        return "[]"
    rows, columns = (
        min(size, limit) for size, limit in zip(plane.shape, _limits(plane), strict=True)
    )
    lines = [_listed(plane[i, j] for j in range(columns)) for i in range(rows)]
    return "[" + ",\n ".join(lines) + "]"


def _listed(items: Iterable[Any]) -> str:
    return f"[{', '.join(map(_cell, items))}]"


def _record_text(array: Any) -> str:
    names = array.dtype.names
    first = names[:_MAX_COLUMNS]
    rows = [[array[i][name] for name in first] for i in range(min(len(array), _MAX_ROWS))]
    types = [array.dtype[name] for name in first]
    excerpt = _Excerpt(type(array).__name__, (len(array), len(names)), first, types, rows)
    return _text(excerpt)
