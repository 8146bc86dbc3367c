"""The parser as the growing text uses it: blocks first, what is inside them when needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from .html import parser
from .references import References
from .structure import Parsed, spans

__all__ = ["Engine"]

_BEFORE_BLOCKS = ("normalize", "block")
_LITERAL = ("fence", "code_block", "math_block", "hr")


class Engine:
    """The parser with the definitions of one growing text.

    Attributes:
        references: the definitions of links and footnotes.
        changed: labels that may have come to mean something else; for others to empty.
        complete: makes of the last, still growing text of a tail what is to be shown.
        parsed: how many characters were given to the parser in all.
    """

    def __init__(
        self, image_hosts: frozenset[str], complete: Callable[[str], str] | None = None
    ) -> None:
        self.complete = complete
        self.references = References()
        self.changed: set[str] = set()
        self.parsed = 0
        self._md = parser()
        self._env: dict[str, Any] = {"references": self.references, "image_hosts": image_hosts}
        rules = self._md.core.ruler.get_active_rules()
        self._inner_rules = [
            rule
            for name, rule in zip(rules, self._md.core.ruler.getRules(""), strict=True)
            if name not in _BEFORE_BLOCKS
        ]

    def parse(self, text: str, *, final: bool) -> Parsed:
        """Find the blocks of the text that is open; its definitions are provisional."""
        self.changed.update(self.references.provisional)
        self.references.restart()
        self._env.pop("undecided", None)
        lines = text.split("\n")
        complete = len(lines) if final else len(lines) - 1
        if not lines[-1]:
            lines.pop()
        found = spans(self.tokens(text), lines)
        self.changed.update(self.references.provisional)
        undecided = None if final else self._env.get("undecided")
        return Parsed(text, lines, min(complete, len(lines)), found, undecided)

    def tokens(self, text: str) -> list[Token]:
        """The block tokens of `text`."""
        self.parsed += len(text)
        tokens: list[Token] = []
        self._md.block.parse(text, self._md, self._env, tokens)
        return tokens

    def commit(self, line: int) -> None:
        """The definitions above this line of the text that was parsed last hold for good."""
        self.changed.update(self.references.commit(line))

    def html(self, tokens: list[Token]) -> str:
        """Parse what is inside these blocks, and render them."""
        inlines = [token for token in tokens if token.type == "inline"]
        self.parsed += sum(len(token.content) for token in inlines)
        state = StateCore("", self._md, self._env, tokens)
        for rule in self._inner_rules:
            rule(state)
        return self.shell(state.tokens)

    def open_html(self, tokens: list[Token]) -> str:
        """`html` of blocks at the end of a text that goes on."""
        last = next((t for t in reversed(tokens) if t.type in ("inline", *_LITERAL)), None)
        if self.complete and last is not None and last.type == "inline":
            last.content = self.complete(last.content)
        return self.html(tokens)

    def shell(self, tokens: list[Token]) -> str:
        """Render tokens as they are."""
        html: str = self._md.renderer.render(tokens, self._md.options, self._env)
        return html
