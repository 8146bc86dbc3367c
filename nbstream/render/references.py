"""Link and footnote definitions, which may come long after the text that uses them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any

__all__ = ["Askers", "Meaning", "References"]

#: What a label stands for: address and title; None where it is not defined.
Meaning = tuple[str, str] | None


class References(MutableMapping[str, dict[str, Any]]):
    """The parser's `env["references"]`: the first definition of a label wins.

    A definition is provisional while its lines may still change, and committed once they
    cannot. `asked` notes the labels that were looked up and are not committed, with what
    they meant: whoever asked has to be rendered again when they come to mean another thing.
    """

    def __init__(self) -> None:
        self._committed: dict[str, dict[str, Any]] = {}
        self._provisional: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, Meaning] = {}

    def restart(self, provisional: dict[str, dict[str, Any]] | None = None) -> None:
        """Forget the provisional definitions, or put back those that `provisional` kept."""
        self._provisional = {} if provisional is None else provisional

    @property
    def provisional(self) -> dict[str, dict[str, Any]]:
        return self._provisional

    def commit(self, before_line: int) -> list[str]:
        """Commit what is defined above this line of the parsed text; return the labels."""
        labels = [k for k, v in self._provisional.items() if v["map"][0] < before_line]
        for label in labels:
            self._committed[label] = self._provisional.pop(label)
        return labels

    def meaning(self, label: str) -> Meaning:
        """What `label` stands for now."""
        found = self._committed.get(label) or self._provisional.get(label)
        return None if found is None else (found["href"], found["title"])

    def take_asked(self) -> dict[str, Meaning]:
        """The labels that were asked for since the last call."""
        asked, self.asked = self.asked, {}
        return asked

    def __getitem__(self, label: str) -> dict[str, Any]:
        found = self._committed.get(label)
        if found is None:
            self.asked[label] = self.meaning(label)
            found = self._provisional[label]
        return found

    def __contains__(self, label: object) -> bool:
        return label in self._committed or label in self._provisional

    def __setitem__(self, label: str, definition: dict[str, Any]) -> None:
        self._provisional[label] = definition

    def __delitem__(self, label: str) -> None:
        del self._provisional[label]

    def __iter__(self) -> Iterator[str]:
        yield from self._committed
        yield from self._provisional

    def __len__(self) -> int:
        return len(self._committed) + len(self._provisional)


class Askers:
    """Which blocks asked for which labels, and what they were told."""

    def __init__(self) -> None:
        self._told: dict[int, dict[str, Meaning]] = {}
        self._blocks: dict[str, set[int]] = {}

    def note(self, block: int, asked: dict[str, Meaning], *, more: bool = False) -> None:
        """`block` was rendered and asked for these labels; with `more`, a part of it was."""
        if not more:
            for label in self._told.pop(block, ()):
                self._blocks[label].discard(block)
        if asked:
            self._told.setdefault(block, {}).update(asked)
            for label in asked:
                self._blocks.setdefault(label, set()).add(block)

    def outdated(self, labels: Iterable[str], references: References) -> set[int]:
        """The blocks that were told something else about one of `labels` than is true now."""
        return {
            block
            for label in labels
            for block in self._blocks.get(label, ())
            if self._told[block][label] != references.meaning(label)
        }

    def is_outdated(self, block: int, references: References) -> bool:
        """Whether `block` was told something else about any label than is true now."""
        told = self._told.get(block, {})
        return any(meaning != references.meaning(label) for label, meaning in told.items())
