"""Where a code fence begins and ends, as models write them.

CommonMark (https://spec.commonmark.org/0.31.2/#fenced-code-blocks) knows a fence by lines of
their own. Models also write

- a fence in a fence: in a `markdown` fence a line such as "```python" opens an inner one;
- the closing run at the end of the last line of code, as in "print(1)```". It closes if an
  odd number of runs is in the line and nothing follows but a blank line;
- text behind the closing run, as in "``` And then", which is text after the code;
- the opening run behind text, as in "Here is the code: ```python";
- fences in a list item that are indented as they like.

Each is decided by the line itself and the one below, so that a text that grows need not take
back what was shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from markdown_it.rules_block import StateBlock

from .safe_text import is_known_language

__all__ = ["Ending", "FenceLines", "fence", "opening_behind_words"]

_OPENING = re.compile(r"(`{3,})([^`\n]*)|(~{3,})([^\n]*)")
_BEHIND_WORDS = re.compile(r"(?<=[^\s`])(?:[ \t]+|(?<=[:\uff1a]))(`{3,})([A-Za-z][\w+#.-]*)[ \t]*")
_TICKS = re.compile("`+")
_MARKDOWN = frozenset({"markdown", "md"})
_LANGUAGE = re.compile(r"\s*\{?\.?([^\s:,{}]+)")
_SETTING = re.compile(r"[={}<>\"]")  # `js {1,3}`, `python title="a.py"`
_ENDS_A_SENTENCE = (".", ":", "!", "?", "…")
_NOT_ASCII_LETTER = re.compile(r"(?![A-Za-z])[^\W\d_]")
_READ_OF_WORDS = 200  # characters, from which it is told whether they are words
_STRING_MARKS = ('"""', "'''")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a line closes a fence.

    Attributes:
        code: how many characters of the line are still code.
        rest: where in the line the text behind the fence begins; None where there is none.
        needs_next: whether the line below had a part in it.
    """

    code: int = 0
    rest: int | None = None
    needs_next: bool = False


class FenceLines:
    """Reads the lines of one fence, in order, until one closes it.

    Args:
        markup: the run of marks that opened it.
        info: what stands behind them.

    Attributes:
        run: what every line that may close it has in it.
        inner: the lengths of the runs that opened inner fences.
    """

    def __init__(self, markup: str, info: str) -> None:
        mark = re.escape(markup[0])
        self.run = markup
        self._line = re.compile(rf"({mark}{{{len(markup)},}})([^\n]*)")
        self._runs = re.compile(rf"{mark}{{{len(markup)},}}")
        self._at_end = re.compile(rf"{mark}+[ \t]*\Z")
        language = _LANGUAGE.match(info)
        self._nests = language is not None and language[1].lower() in _MARKDOWN
        self.inner: list[int] = []

    def read(self, line: str, following: str | None, *, may_close: bool = True) -> Ending | None:
        """How `line` closes the fence, or None where it is code.

        Args:
            line: without its indent and its end.
            following: the line below; None where the text ends here.
            may_close: whether it is not indented too far to be the closing line.
        """
        if self.run not in line:
            return None
        found = self._line.match(line)
        ending = None
        if found is None:
            ending = self._behind_code(line, following)
            if self._nests and opening_behind_words(line):
                self.inner.append(len(self.run))
        elif may_close:
            rest = found[2]
            if not rest.strip(" \t"):
                ending = Ending()
            elif _is_prose(rest, found[1][0]):
                ending = Ending(rest=found.end() - len(rest.lstrip(" \t")))
            elif self._nests and found[1][0] not in rest:
                self.inner.append(len(found[1]))
        if ending is None or not self.inner:
            return ending
        if ending.needs_next or found is None or len(found[1]) >= self.inner[-1]:
            self.inner.pop()
        return None

    def may_close_behind_code(self, line: str) -> bool:
        """Whether it depends on the line below whether `line` closes the fence."""
        if self.run not in line or self._line.match(line):
            return False
        return self._behind_code(line, None) is not None

    def _behind_code(self, line: str, following: str | None) -> Ending | None:
        last = self._at_end.search(line)
        if last is None or (following is not None and following.strip(" \t")):
            return None
        code = line[: last.start()]
        if len(last[0].rstrip(" \t")) < len(self.run) or code.endswith(_STRING_MARKS):
            return None
        is_odd = len(self._runs.findall(line)) % 2 == 1
        return Ending(len(code), needs_next=True) if is_odd else None


def _is_prose(info: str, mark: str) -> bool:
    """Whether these are words for a reader, and no language with its settings."""
    words = info[:_READ_OF_WORDS].split()
    if words[0].startswith(("`", "~", "{")):
        return False
    if mark not in info and _SETTING.search(info[:_READ_OF_WORDS]):
        return False
    if _NOT_ASCII_LETTER.search(words[0]):
        return True
    is_language = is_known_language(words[0].rstrip(".:,!?"))
    if len(words) == 1:
        return words[0].endswith(_ENDS_A_SENTENCE) and not is_language and info[0] in " \t"
    if is_language or info[0] not in " \t":
        return len(words) > 2  # `go to it`, but not `python example`
    return True


def opening_behind_words(line: str) -> int | None:
    """Where in a line of a paragraph, behind words, a fence opens; None if none does."""
    if "```" not in line:
        return None
    found = _BEHIND_WORDS.search(line)
    if found is None or found.end() != len(line) or not is_known_language(found[2]):
        return None
    before = _TICKS.findall(line, 0, found.start(1))
    is_odd = not any(len(run) >= len(found[1]) for run in before) and len(before) % 2 == 0
    return found.start(1) if is_odd else None


def fence(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:  # noqa: FBT001 - the parser's own
    """The rule for a fence; its token's `meta` says how sure its end is.

    `meta["decided"]` is how many lines must be complete for its end to be certain, None where
    it is open. With `meta["cut"]` what follows begins on its last line; of such, those at the
    top are listed in `env["cuts"]` as positions in the text.
    """
    if state.is_code_block(start_line) and not state.blkIndent:
        return False
    start = state.bMarks[start_line] + state.tShift[start_line]
    opening = _OPENING.match(state.src, start, state.eMarks[start_line])
    if opening is None or opening.end() != state.eMarks[start_line]:
        return False
    if silent:
        return True
    markup, info = opening[1] or opening[3], opening[2] or opening[4] or ""
    line, ending = _closing_line(state, FenceLines(markup, info), start_line, end_line)
    content = state.getLines(start_line + 1, line, state.sCount[start_line], keepLastLF=True)
    token = state.push("fence", "code", 0)
    token.info, token.markup = info, markup
    token.meta = {"decided": None}
    state.line = line
    if ending is not None:
        content += _last_code(state, line, ending, state.sCount[start_line])
        if not ending.needs_next:
            token.meta["decided"] = line + 1
        elif line + 1 < end_line:
            token.meta["decided"] = line + 2
        if ending.rest is None:
            state.line += 1
        else:
            token.meta["cut"] = True
            begin_line_at(state, line, state.bMarks[line] + state.tShift[line] + ending.rest)
    token.content = content
    token.map = [start_line, line + (ending is not None)]
    return True


def _closing_line(
    state: StateBlock, lines: FenceLines, start_line: int, end_line: int
) -> tuple[int, Ending | None]:
    """The line that closes a fence, and how; or the first line that is no more of it."""
    for line in range(start_line + 1, end_line):
        start, end = state.bMarks[line] + state.tShift[line], state.eMarks[line]
        if start == len(state.src) or (start < end and state.sCount[line] < state.blkIndent):
            return line, None  # it is further left than the list item that the fence is in
        if state.src.find(lines.run, start, end) < 0:
            continue
        below = line + 1
        following = (
            state.src[state.bMarks[below] + state.tShift[below] : state.eMarks[below]]
            if below < end_line
            else None
        )
        may_close = state.blkIndent > 0 or not state.is_code_block(line)
        if ending := lines.read(state.src[start:end], following, may_close=may_close):
            return line, ending
    return end_line, None


def _last_code(state: StateBlock, line: int, ending: Ending, indent: int) -> str:
    """The code on the line that closes a fence."""
    if not ending.code:
        return ""
    start = state.bMarks[line] + state.tShift[line]
    text = state.getLines(line, line + 1, indent, keepLastLF=False)
    return text[: len(text) - (state.eMarks[line] - start - ending.code)] + "\n"


def begin_line_at(state: StateBlock, line: int, position: int) -> None:
    """Let `line` begin at `position`, for the blocks that follow."""
    state.bMarks[line] = position
    state.tShift[line] = state.bsCount[line] = 0
    state.sCount[line] = state.blkIndent
    if not state.level:
        state.env.setdefault("cuts", []).append(position)
