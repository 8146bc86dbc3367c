"""Colours for code: Pygments, as runs over the text rather than as HTML."""

from __future__ import annotations

import threading
from functools import cache
from itertools import islice
from typing import Any

from markdown_it.common.utils import escapeHtml

__all__ = ["COLOURED", "Colouring", "prepare"]

_MAX_SIZE = 20_000  # characters; longer code stays plain

# Lexers that are common, and that hold no known trap for hostile text.
_LANGUAGES = """
bash c c# c++ cpp cs csharp css console cuda d dart diff docker dockerfile elixir erlang
f90 fortran go golang graphql groovy h haskell hcl hpp hs html http ini ipython ipython3
java javascript jl js json json5 jsonl julia jsx kotlin kt latex lua make makefile matlab
mjs mysql nginx nim objc objective-c objectivec ocaml octave patch pascal perl php pl
postgresql powershell protobuf ps1 psql py py3 pycon pytb python python3 r rb rs ruby rust
scala scheme scss sed sh shell sql sqlite3 svg swift terraform tex tf toml ts tsx
typescript udiff vb verilog vhdl vim xml yaml yml zig zsh
"""
# The token classes that Jupyter's theme gives a colour of its own.
_CLASSES = """
bp c c1 ch cm cp cpf cs dl err fm gd gi gr il k kc kd kn kp kr kt m mb mf mh mi mo na nb nc
nd ne nf nn nt o ow s s1 s2 sa sb sc sd se sh si sr ss sx
"""
COLOURED = frozenset(_CLASSES.split())


class Colouring:
    """Pygments at work on one code block, in slices that are as small as one wants.

    Attributes:
        is_done: whether all of the code has its colours.
    """

    def __init__(self, code: str, language: str) -> None:
        lexer = _lexer(language) if len(code) <= _MAX_SIZE else None
        self._code = code
        self._tokens = iter(()) if lexer is None else lexer.get_tokens_unprocessed(code)
        self._pieces: list[tuple[str, str]] = []  # text and class name
        self.is_done = lexer is None

    def advance(self, tokens: int | None = None) -> int:
        """Go on for so many tokens, to the end if None; return how many these were."""
        taken = 0
        for _, kind, text in islice(self._tokens, tokens):
            name = _class_name(kind)
            if self._pieces and self._pieces[-1][1] == name:
                self._pieces[-1] = (self._pieces[-1][0] + text, name)
            else:
                self._pieces.append((text, name))
            taken += 1
        self.is_done = tokens is None or taken < tokens
        return taken

    @property
    def runs(self) -> str:
        """The colours, or "" where there are none.

        The runs cover the code from its start, separated by commas: a length in UTF-16
        units, followed by Pygments' short class name if the run has a colour: `3k,1,4nf`.
        """
        return ",".join(f"{_units(text)}{name}" for text, name in self._coloured())

    @property
    def html(self) -> str:
        """The code as HTML, with its colours."""
        pieces = self._coloured() or [(self._code, "")]
        return "".join(
            f'<span class="{name}">{escapeHtml(text)}</span>' if name else escapeHtml(text)
            for text, name in pieces
        )

    def _coloured(self) -> list[tuple[str, str]]:
        """The pieces, none if they have no colour, or if a lexer changed the text."""
        whole = "".join(text for text, _ in self._pieces) == self._code
        return self._pieces if whole and any(name for _, name in self._pieces) else []


def prepare(language: str) -> None:
    """Get ready to colour code in `language`: that takes longer than a frame, so it is done aside.

    To be called when a code block begins.
    """
    if language.lower() in _LANGUAGES.split():
        _loading(language.lower())


def _lexer(language: str) -> Any:
    if language.lower() not in _LANGUAGES.split():
        return None
    _loading(language.lower()).join()
    return _load(language.lower())


@cache
def _loading(language: str) -> threading.Thread:
    thread = threading.Thread(target=_load, args=(language,), name="nbstream-lexer", daemon=True)
    thread.start()
    return thread


def _load(language: str) -> Any:
    """A lexer. Pygments compiles its rules when it makes the first of a kind."""
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language)
    except ClassNotFound:  # an older Pygments
        return None


def _class_name(kind: Any) -> str:
    from pygments.token import STANDARD_TYPES

    while kind not in STANDARD_TYPES:
        kind = kind.parent
    name: str = STANDARD_TYPES[kind]
    return name if name in COLOURED else ""


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
