"""Gives sealed blocks to a page, and gives them again when what they refer to changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markdown_it.token import Token

from .engine import Engine
from .page import Page
from .references import Askers

__all__ = ["Sealer"]

Render = Callable[[str], tuple[str, str]]

_BUDGET = 2_000  # characters that may be rendered again in one frame,
_EARNED = 10  # and for each character that came


class Sealer:
    """Keeps the source of each sealed block, and which labels it asked for.

    How much is rendered again in one frame is bounded, so that a definition that changes with
    every letter cannot make a long text slow; at the end everything is as it must be.
    """

    def __init__(self, page: Page, engine: Engine) -> None:
        self.page = page
        self.engine = engine
        self._sources: list[str] = []
        self._formulas = [0]  # how many characters of formulas stand before each block
        self._askers = Askers()
        self._used: dict[int, set[str]] = {}  # the labels that each block's links refer to
        self._outdated: set[int] = set()
        self._credit = 0  # saved up for a block that is larger than what one frame may cost
        # Of the open container:
        self._open_source: list[str] = []
        self._open_code: list[Token] = []
        self._render_open: Render | None = None

    def block(self, tokens: list[Token], source: str) -> None:
        """Seal a block."""
        self.page.seal(self.engine.sealed_html(tokens), _code_in(tokens))
        self._formulas.append(self.engine.keep())
        self._note(len(self._sources))
        self._sources.append(source)

    def enter(
        self,
        opening: str,
        closing: str,
        *,
        source: str = "",
        rows: bool = False,
        language: str = "",
        render: Render | None = None,
    ) -> None:
        """Open a container.

        Args:
            opening: HTML before its children.
            closing: HTML after them.
            source: the text of `opening`, if that is not in the children's source.
            rows: the children are table rows.
            language: of the code in it.
            render: makes of a source the HTML of the opening and the children in it.
        """
        self.page.enter(opening, closing, rows=rows, language=language)
        self._open_source = [source]
        self._open_code = []
        self._render_open = render
        self._note(len(self._sources))

    def part(self, tokens: list[Token], count: int, source: str) -> None:
        """Seal `count` children of the open container."""
        self.page.add(self.engine.sealed_html(tokens), count)
        self._open_code += _code_in(tokens)
        self._note(len(self._sources), more=True)
        self._open_source.append(source)

    def text(self, html: str, source: str) -> None:
        """Seal more of the text of the open container, which was rendered last."""
        self.engine.keep()
        self.page.add_text(html)
        self._note(len(self._sources), more=True)
        self._open_source.append(source)

    def reopen(self) -> str:
        """The open container is not what it seemed: forget it, and return its source."""
        self.page.reopen()
        self.engine.rewind(self._formulas[-1])
        self.engine.keep()
        self._askers.note(len(self._sources), {})
        self._used.pop(len(self._sources), None)
        self._render_open = None
        return "".join(self._open_source)

    def leave(self, code: Sequence[Token] = ()) -> None:
        """The open container is complete; `code` are code blocks that are no part of a part."""
        self.page.leave([*self._open_code, *code])
        self.engine.rewind()
        self._formulas.append(self.engine.keep())
        self._sources.append("".join(self._open_source))
        self._render_open = None

    def refill(self) -> None:
        """Render the open container and its sealed children again."""
        source = "".join(self._open_source)
        if self._render_open is None or not source:
            return
        self.engine.rewind(self._formulas[-1])
        self.page.refill(*self._render_open(source))
        self._note(len(self._sources))

    def render_again(self, came: int, *, final: bool) -> None:
        """Render again what refers to something that is defined otherwise by now.

        Args:
            came: how many characters came since the last call.
            final: nothing will come, so nothing may wait.
        """
        changed, self.engine.changed = self.engine.changed, set()
        if changed:
            self._outdated |= self._askers.outdated(changed, self.engine.references)
        self._credit += _BUDGET + came * _EARNED
        for index in sorted(self._outdated):
            size = self._size(index)
            if size > self._credit and not final:
                return
            self._outdated.discard(index)
            if self._askers.is_outdated(index, self.engine.references):
                self._credit -= size
                self._render(index)
        self._credit = 0

    def add_unused_definitions(self) -> None:
        """Seal what nothing refers to as a last block: the text has ended."""
        used = set().union(*self._used.values())
        if tokens := self.engine.unused_definitions(used):
            self.page.seal(self.engine.shell(tokens), [])
            self.page.tail("", "")

    def _note(self, block: int, *, more: bool = False) -> None:
        """`block` was rendered, or with `more` a part of it: keep what it refers to."""
        self._askers.note(block, self.engine.references.take_asked(), more=more)
        used = self.engine.take_used_labels()
        if more:
            used |= self._used.get(block, set())
        self._used[block] = used

    def _size(self, index: int) -> int:
        if index == len(self._sources):
            return sum(map(len, self._open_source))
        return len(self._sources[index])

    def _render(self, index: int) -> None:
        if index == len(self._sources):
            self.refill()
            return
        source = self._sources[index]
        self.engine.rewind(self._formulas[index])
        self.page.replace(index, self.engine.html(self.engine.tokens(source)))
        self._note(index)


def _code_in(tokens: list[Token]) -> list[Token]:
    return [token for token in tokens if token.type in ("fence", "code_block")]
