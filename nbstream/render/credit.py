"""How much of an open text may be looked at again while it grows.

What is open is parsed again with each frame, so that it looks as it will. A text of nothing but
marks is fifty times as dear as prose. So each character that comes, and each frame, earns a
little, and every parse is paid for: what must be done at the end of a block is done, and what
cannot be paid stays text until then.
"""

from __future__ import annotations

__all__ = ["Credit"]

_MARKS = "\\$*_`[]<>~|-\n@&!"  # what may begin something in running text, or a block
_MARK_COST = 16  # of each, in characters without any, of which one takes about a microsecond
_ADDRESS, _ADDRESS_COST = "://", 6  # in marks
_FEW_MARKS = 8  # characters for each, in what people write
_CHEAPER = 6  # times, so that the blocks of a long item are shown as they begin
_EARNED = 10  # for each character
_EARNED_BY_A_FRAME = 300
_SAVED = 80_000  # at the beginning, and at most
_DEAREST = 20_000  # that one frame may cost
_LONGEST = 12_000  # characters that it may parse


class Credit:
    """What is left to spend, in characters."""

    def __init__(self) -> None:
        self._left = _SAVED

    def earn(self, text: str) -> None:
        """`text` came."""
        self._left += _EARNED_BY_A_FRAME + _EARNED * len(text)
        self._left = min(self._left, _SAVED)

    def affords(self, text: str) -> bool:
        """Whether `text` may be parsed before it has to be."""
        limit = min(self._left, _DEAREST)
        return len(text) <= _LONGEST and _cost(text) <= limit

    def spend(self, text: str) -> None:
        """`text` is parsed."""
        self._left -= _cost(text)


def _cost(text: str) -> int:
    marks = sum(map(text.count, _MARKS)) + _ADDRESS_COST * text.count(_ADDRESS)
    if marks * _FEW_MARKS <= len(text):
        return len(text) // _CHEAPER
    return len(text) + _MARK_COST * marks
