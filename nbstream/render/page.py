"""What a growing text is shown on."""

from __future__ import annotations

from typing import Protocol

from markdown_it.token import Token

__all__ = ["Page"]


class Page(Protocol):
    """Sealed blocks, after them at most one open container, and a tail.

    HTML is as the parser renders it, neither sanitized nor highlighted; text is text.
    `code` are the tokens of the code blocks that a block holds, in order.
    """

    def seal(self, html: str, code: list[Token]) -> None:
        """One more block. It is one element."""

    def enter(self, opening: str, closing: str, *, rows: bool = False, language: str = "") -> None:
        """A container opens: for children (table rows, or others), or for text, code or not."""

    def add(self, html: str, count: int) -> None:
        """So many more children in the open container."""

    def add_text(self, html: str) -> None:
        """More text in the open container, a paragraph."""

    def reopen(self) -> None:
        """The open container is gone, with all that is sealed in it: the tail begins there."""

    def write(self, text: str) -> None:
        """More text in the open code block."""

    def leave(self, code: list[Token]) -> None:
        """The open container is complete, and is a sealed block now."""

    def refill(self, opening: str, html: str) -> None:
        """The open container and its sealed children look different: here they all are."""

    def replace(self, index: int, html: str) -> None:
        """The sealed block of this number looks different: what it refers to was defined."""

    def tail(self, html: str, after: str) -> None:
        """What is not sealed: inside the open container, if there is one, and after it."""

    def append(self, text: str) -> None:
        """More text at the end of the tail, as it came, until it is parsed."""
