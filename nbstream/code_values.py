"""Exceptions, functions and classes as a model reads them: what a person would paste."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import sysconfig
import textwrap
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .namespace import cell_name, cell_sources

__all__ = ["code_text", "exception_text", "is_code"]

_MAX_SOURCE = 8_000  # characters
_MAX_MESSAGE = 4_000
_MAX_FRAMES = 10  # the innermost ones; a recursion has a thousand
_MAX_LINE = 200  # of one of several errors that came together
_MAX_CAUSES = 3

_CACHED = type(functools.cache(lambda: None))


# -- exceptions ------------------------------------------------------------------------


def exception_text(error: BaseException) -> str:
    """Type, message and the frames of the user's own code, as Python prints a traceback.

    What it was raised from follows in the same way. Frames of libraries are left out, and of
    many only the innermost are there.
    """
    chain = [*_causes(error)][::-1]  # as it happened
    return "\n\nThat led to another exception:\n\n".join(map(_one_exception, chain))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, and what it was raised from, the last one first."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen and len(seen) <= _MAX_CAUSES:
        seen.add(id(cause))
        yield cause
        is_hidden = cause.__suppress_context__
        cause = cause.__cause__ or (None if is_hidden else cause.__context__)


def _one_exception(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame)]
    left_out = len(frames) - _MAX_FRAMES
    lines = ["Traceback (most recent call last):"] if frames else []
    if left_out > 0:
        lines.append(f"  ({left_out} more frames)")
    for frame in frames[-_MAX_FRAMES:]:
        lines.append(f"  {_place(frame.filename)}, line {frame.lineno}, in {frame.name}")
        lines += [f"    {frame.line}"] if frame.line else []
    message = "".join(traceback.format_exception_only(error)).rstrip("\n")
    lines.append(_cut(message, _MAX_MESSAGE))
    if isinstance(error, BaseExceptionGroup):
        lines += [f"  - {_line(each)}" for each in error.exceptions[:_MAX_FRAMES]]
    return "\n".join(lines)


def _line(error: BaseException) -> str:
    return " ".join(_cut("".join(traceback.format_exception_only(error)), _MAX_LINE).split())


def _is_own(frame: traceback.FrameSummary) -> bool:
    """Whether a frame is of the user's code, and not of a library."""
    name = frame.filename
    if name.startswith("<"):  # code without a file: a prompt's, or what a library has made
        return name in ("<stdin>", "<string>") or bool(linecache.getlines(name))
    path = Path(name).resolve()
    is_installed = not {"site-packages", "dist-packages"}.isdisjoint(path.parts)
    return not is_installed and not any(map(path.is_relative_to, _library_folders()))


@functools.cache
def _library_folders() -> tuple[Path, ...]:
    """Where Python's own modules are, and ours."""
    python = (Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
    return (Path(__file__).parent.resolve(), *python)


def _place(filename: str) -> str:
    """Where code stands, without the folders of this machine."""
    cell = cell_name(filename)
    return cell if cell is not None else f'File "{Path(filename).name}"'


# -- functions and classes ---------------------------------------------------------------


def is_code(value: Any) -> bool:
    """Whether `value` is a function, a method or a class."""
    return inspect.isroutine(value) or isinstance(value, (type, _CACHED))


def code_text(value: Any) -> str:
    """A function or a class: its source; where that is not known, its signature and docstring.

    A docstring that does not stand in the source comes before it.
    """
    doc = _doc(value)
    source = _source(value)
    if source is None:
        return _cut("\n\n".join(filter(None, [_heading(value), doc])), _MAX_SOURCE)
    first_line = doc.partition("\n")[0].strip()
    before = "" if first_line in source else f"{doc}\n\n"
    return _cut(f"{before}{source}", _MAX_SOURCE)


def _heading(value: Any) -> str:
    name = getattr(value, "__qualname__", None) or type(value).__name__
    kind = "class " if isinstance(value, type) else ""
    try:
        return f"{kind}{name}{inspect.signature(value)}"
    except (TypeError, ValueError):  # many a builtin says nothing of its parameters
        return f"{kind}{name}"


def _doc(value: Any) -> str:
    """The docstring, but for what `dataclass` makes up."""
    doc = inspect.cleandoc(getattr(value, "__doc__", None) or "")
    is_made_up = isinstance(value, type) and doc.startswith(f"{value.__name__}(")
    return "" if is_made_up else doc


def _source(value: Any) -> str | None:
    if isinstance(value, type) and value.__module__ == "__main__":
        # `inspect` asks for the module's file, which a notebook has not; and in one that has,
        # the class may have been written anew.
        found = _class_source(value)
        if found is not None:
            return found
    try:
        return textwrap.dedent(inspect.getsource(inspect.unwrap(value)))
    except (TypeError, OSError, SyntaxError, IndentationError):
        return None


def _class_source(cls: type) -> str | None:
    """The source of a class of the notebook, by its methods, else from the cells."""
    names = {
        function.__code__.co_filename
        for function in map(_function, vars(cls).values())
        if function is not None and function.__qualname__.startswith(f"{cls.__qualname__}.")
    }
    texts = ("".join(linecache.getlines(name)) for name in sorted(names))
    for text in (*texts, *cell_sources()):
        if (found := _class_in(text, cls.__qualname__)) is not None:
            return found
    return None


def _function(member: Any) -> types.FunctionType | None:
    """The function behind a member of a class."""
    member = member.fget if isinstance(member, property) else member
    member = getattr(member, "__func__", member)  # of a class method or a static one
    return member if isinstance(member, types.FunctionType) else None


def _class_in(text: str, qualname: str) -> str | None:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    body: list[ast.stmt] = tree.body
    found: ast.ClassDef | None = None
    for name in qualname.split("."):
        same = [node for node in body if isinstance(node, ast.ClassDef) and node.name == name]
        if not same:
            return None
        found = same[-1]
        body = found.body
    if found is None or found.end_lineno is None:
        return None
    first = min([found.lineno, *(each.lineno for each in found.decorator_list)])
    return textwrap.dedent("\n".join(text.split("\n")[first - 1 : found.end_lineno]))


def _cut(text: str, limit: int) -> str:
    hidden = len(text) - limit
    return text if hidden <= 0 else f"{text[:limit]}\n(… {hidden:,} more characters)"
