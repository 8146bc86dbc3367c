"""The page's side: ES modules and style sheets in named parts.

A widget is sent to the page as one module and one style sheet, so the parts are joined
here, at import. A part uses others by `import { name } from "./part.js";`, one line each,
and exports functions by name; the names of all parts share one scope once they are joined.
"""

from __future__ import annotations

import re
from importlib.resources import files

__all__ = ["module", "stylesheet"]

_PARTS = files(__name__)
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|class)", re.MULTILINE)


def module(entry: str) -> str:
    """The ES module `<entry>.js` with all that it imports, in one text."""
    joined: dict[str, str] = {}
    _collect(entry, joined)
    return "\n".join(joined.values())


def _collect(name: str, joined: dict[str, str]) -> None:
    """Put `name` after the parts that it imports; each part once."""
    if name in joined:
        return
    source = _read(f"{name}.js")
    for imported in _IMPORT.findall(source):
        _collect(imported, joined)
    joined[name] = _EXPORT.sub("", _IMPORT.sub("", source))


def stylesheet(*names: str) -> str:
    """The style sheets `<name>.css`, in this order, in one text."""
    return "\n".join(_read(f"{name}.css") for name in names)


def _read(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")
