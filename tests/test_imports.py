"""Imports point one way: each module may know what stands below it, and no more.

Imports for the type checker alone (`if TYPE_CHECKING:`) do not count.
"""

from __future__ import annotations

import ast
import graphlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nbstream"

VALUES = {
    *("errors", "messages", "events", "buffers", "approval", "record_fields", "rounds"),
    *("data_images", "endings"),
}
STREAM = {"wire"}  # bytes -> Round
MAGICS = {"magics"}  # the loader and what it loads

# Who may import what: a library here belongs to these modules or folders.
OWNERS = {
    "openai": {"client"},
    "keyring": {"keys"},
    "dotenv": {"env_file"},
    "xllamacpp": {"_local_server"},
    "mcp": {"mcp_connection", "mcp_process", "mcp_http", "mcp_client"},
    "IPython": {"views", "panel", "namespace", *MAGICS},
    "ipywidgets": {"views", "panel"},
    "anywidget": {"views", "panel"},
    "markdown_it": {"render"},
    "nh3": {"render"},
    "pygments": {"render"},
}
# The modules of nbstream that a module, or a folder's modules, may import.
KNOWN = {
    **dict.fromkeys(VALUES, VALUES),
    "response": VALUES | {"render"},  # the bundle that shows it, loaded on first use
    **dict.fromkeys(STREAM, VALUES | STREAM),
    "render": VALUES | {"response", "render"},
    "views": VALUES | {"response", "render", "views"},
}


@dataclass(frozen=True)
class Import:
    """`module` imports `target`; `deferred` if only when a function is called."""

    module: str
    target: str
    deferred: bool

    @property
    def is_own(self) -> bool:
        return self.target == "nbstream" or self.target.startswith("nbstream.")


def room(name: str) -> str:
    """`views` of `nbstream.views.widget`: the first name below the package."""
    return name.removeprefix("nbstream").strip(".").partition(".")[0]


def read_imports(module: str, source: str, modules: frozenset[str]) -> Iterator[Import]:
    """Every import of a module's source that runs; a package's module is named `x.__init__`."""
    package = module.rpartition(".")[0]

    def visit(node: ast.AST, deferred: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, deferred)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
            origin = ".".join(filter(None, [base if node.level else "", node.module]))
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield Import(module, inner if inner in modules else origin, deferred)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                yield from visit(child, deferred)
        else:
            inside = deferred or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, inside)

    yield from visit(ast.parse(source), False)


@cache
def sources() -> dict[str, str]:
    files = sorted(PACKAGE.rglob("*.py"))
    return {".".join(f.relative_to(ROOT).with_suffix("").parts): f.read_text() for f in files}


@cache
def imports() -> list[Import]:
    modules = frozenset(name.removesuffix(".__init__") for name in sources())
    return [
        found for name, text in sources().items() for found in read_imports(name, text, modules)
    ]


def foreign() -> list[Import]:
    """Imports of what is neither nbstream nor the standard library."""
    standard = sys.stdlib_module_names
    return [i for i in imports() if not i.is_own and i.target.partition(".")[0] not in standard]


def test_the_reader_sees_every_kind_of_import():
    source = """
import os, openai.types
from . import errors
from ..response import Response
from .nothing import x
if TYPE_CHECKING:
    import IPython
else:
    import fallback
try:
    import maybe
except ImportError:
    pass
class A:
    def f(self):
        async def g():
            from IPython.display import display
"""
    modules = frozenset({"nbstream.views.errors", "nbstream.response"})
    found = list(read_imports("nbstream.views.widget", source, modules))
    assert [i.target for i in found] == [
        "os",
        "openai.types",
        "nbstream.views.errors",
        "nbstream.response",
        "nbstream.views.nothing",
        "fallback",
        "maybe",
        "IPython.display",
    ]
    assert [i.target for i in found if i.deferred] == ["IPython.display"]
    (inner,) = read_imports("nbstream.views.__init__", "from .widget import x", modules)
    assert inner.target == "nbstream.views.widget"


def test_values_import_only_the_standard_library():
    assert {room(name) for name in sources()} >= VALUES
    assert [i for i in foreign() if room(i.module) in VALUES] == []


def test_the_stream_is_read_without_libraries():
    assert [i for i in foreign() if room(i.module) in STREAM] == []


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_imported_by_its_owners_alone(library):
    users = [i for i in foreign() if i.target.partition(".")[0] == library]
    assert [i for i in users if OWNERS[library].isdisjoint(i.module.split("."))] == []


def test_modules_know_only_what_stands_below_them():
    own = [i for i in imports() if i.is_own and room(i.module) in KNOWN]
    assert own
    assert [i for i in own if room(i.target) not in KNOWN[room(i.module)]] == []


def test_only_the_loader_reaches_the_magics():
    users = [i for i in imports() if i.is_own and room(i.target) in MAGICS]
    assert users
    allowed = {"__init__", *MAGICS}
    assert [i for i in users if room(i.module) not in allowed] == []
    assert [i for i in users if room(i.module) == "__init__" and not i.deferred] == []
    loaded = {i.target for i in users if room(i.module) == "__init__"}
    assert loaded == {"nbstream.magics.extension"}


def test_no_modules_import_each_other_in_a_circle():
    graph: dict[str, set[str]] = {}
    for i in imports():
        if i.is_own and not i.deferred:
            graph.setdefault(i.module.removesuffix(".__init__"), set()).add(i.target)
    graph.pop("nbstream")  # its names are what others are made of
    list(graphlib.TopologicalSorter(graph).static_order())  # a circle raises CycleError


@cache
def declared() -> dict[str, str]:
    """Import name -> distribution, for every dependency of pyproject.toml that is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    wanted = {_normal(re.split(r"[<>=~!\[; ]", entry)[0]) for entry in listed}
    return {
        module: name
        for module, names in importlib.metadata.packages_distributions().items()
        for name in map(_normal, names)
        if name in wanted
    }


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_library_is_declared():
    allowed = {*declared(), "pip"}  # pip is the user's own, by which the model is fetched
    assert [i for i in foreign() if i.target.partition(".")[0] not in allowed] == []


def test_importing_nbstream_loads_no_library():
    script = "import sys, nbstream; print(*{name.partition('.')[0] for name in sys.modules})"
    answer = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(answer.stdout.split())
    assert "nbstream" in loaded
    assert {"openai", "anywidget", "pygments", "IPython"} <= set(declared())
    assert loaded & set(declared()) == set()
