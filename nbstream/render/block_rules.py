"""How our parser finds blocks where a reader sees other ones than CommonMark's letter does.

- Quotes, lists and footnotes are nested up to a bound; what is nested deeper is text. The
  parser itself leaves out what is deeper than its own bound.
- What stands far behind an item's mark is its text, and no indented code.
- Signs of no width before the first mark of a line do not hide what it begins.
- A paragraph ends where a code fence opens behind its words, and in a list item also
  where one stands that is indented by more than three columns.
- `[//]: # (a comment)` is text, and no link definition that nobody uses.
- `[!NOTE]` at the beginning of a paragraph in a quote is its title, as on GitHub.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, blockquote, code, heading, hr, list_block

from .definitions import definition
from .direction import has_letter
from .fence_rules import begin_line_at, fence, opening_behind_words
from .invisible import ZERO_WIDTH, ZERO_WIDTHS
from .table_rules import table

__all__ = ["Rule", "block_rules_plugin", "bounded"]

Rule = Callable[[StateBlock, int, int, bool], bool]

# Levels of the parser: a quote is one, a list with its item are two. The saved text is read by
# parsers that leave out what is on the twentieth level: markdown-it as CommonMark.
_MAX_NESTING = 19
_FAR_BEHIND = " " * 7
_COMMENT = re.compile(r"\[[^\[\]]*\]:[ \t]*<?\#>?[ \t]+[\"'(]")
# GitHub's five, and those of Obsidian, whose `+` or `-` says whether it is open at first.
_CALLOUTS = (
    "note abstract summary tldr info todo tip hint important success check done question help faq "
    "warning caution attention failure fail missing danger error bug example quote cite"
)
_CALLOUT = re.compile(rf"\[!({'|'.join(_CALLOUTS.split())})\][+-]?(?=\s|\Z)", re.IGNORECASE)


def block_rules_plugin(md: MarkdownIt) -> None:
    """Put our rules in the place of the parser's."""
    ruler = md.block.ruler
    around = ["paragraph", "reference", "blockquote"]
    ruler.at("table", table, {"alt": ["paragraph", "reference"]})
    ruler.at("code", _code)
    ruler.at("fence", _visible(fence), {"alt": [*around, "list"]})
    ruler.at("blockquote", _visible(bounded(blockquote, 1)), {"alt": [*around, "list"]})
    ruler.at("hr", _visible(hr), {"alt": [*around, "list"]})
    ruler.at("list", _visible(bounded(list_block, 2)), {"alt": around})
    ruler.at("heading", _visible(heading), {"alt": around})
    ruler.at("reference", _reference)
    ruler.at("paragraph", _paragraph)
    ruler.disable("lheading")  # a paragraph that turns out to be underlined


def bounded(rule: Rule, levels: int) -> Rule:
    """`rule`, of blocks that hold others so many levels down, but not beyond the bound.

    A line that is further left belongs to a block that is less deep, whatever is asked here.
    """

    def within(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:  # noqa: FBT001 - the parser's own
        is_deep = state.level + levels > _MAX_NESTING
        is_deep = is_deep and state.sCount[start_line] >= state.blkIndent
        return not is_deep and rule(state, start_line, end_line, silent)

    return within


def _visible(rule: Rule) -> Rule:
    """`rule`, for a block that begins with a mark, also where signs of no width are before it."""

    def look(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:  # noqa: FBT001 - the parser's own
        start = state.bMarks[start_line] + state.tShift[start_line]
        if state.src[start : start + 1] not in ZERO_WIDTHS:
            return rule(state, start_line, end_line, silent)
        text = state.src[start : state.eMarks[start_line]]
        hidden = len(text) - len(text.lstrip(ZERO_WIDTH))
        state.tShift[start_line] += hidden
        found = rule(state, start_line, end_line, silent)
        state.tShift[start_line] -= hidden
        return found

    return look


def _code(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:  # noqa: FBT001 - the parser's own
    if state.level >= _MAX_NESTING - 1:  # it is the text of an item that is nested too deep
        return False
    before = state.tokens[-1] if state.tokens else None
    if before is not None and before.type == "list_item_open":
        begin = state.bMarks[start_line] + state.tShift[start_line]
        if state.src.endswith(_FAR_BEHIND, 0, begin):
            return False
    if state.blkIndent and _opens_fence(state, start_line, end_line):
        return False
    return code(state, start_line, end_line, silent)


def _reference(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:  # noqa: FBT001 - the parser's own
    start = state.bMarks[start_line] + state.tShift[start_line]
    if _COMMENT.match(state.src, start, state.eMarks[start_line]):
        return False
    return definition(state, start_line, end_line, silent)


def _paragraph(state: StateBlock, start_line: int, end_line: int, _silent: bool) -> bool:  # noqa: FBT001 - the parser's own
    """A paragraph, or a heading where it is underlined."""
    around, state.parentType = state.parentType, "paragraph"
    line, level, opening = _end_of_paragraph(state, start_line, end_line)
    state.parentType = around
    last = line if opening is None else line + 1
    content = state.getLines(start_line, last, state.blkIndent, keepLastLF=False)
    if opening is not None:
        content = content[: len(content) - (state.eMarks[line] - opening)]
    content = content.strip()
    if around == "blockquote" and (callout := _CALLOUT.match(content)):
        content = f"**{callout[1].capitalize()}**{content[callout.end() :]}"
    _push(state, content, level, [start_line, last])
    state.line = line + (level > 0)
    if opening is not None:
        state.tokens[-3].meta["cut"] = True
        begin_line_at(state, line, opening)
        fence(state, line, end_line, False)  # noqa: FBT003
    return True


def _push(state: StateBlock, content: str, level: int, lines: list[int]) -> None:
    kind, tag = ("heading", f"h{level}") if level else ("paragraph", "p")
    opening = state.push(f"{kind}_open", tag, 1)
    opening.map = [lines[0], lines[1] + (level > 0)]
    token = state.push("inline", "", 0)
    token.map, token.content, token.children = lines, content, []
    closing = state.push(f"{kind}_close", tag, -1)
    if level:
        opening.markup = closing.markup = "=-"[level - 1]


def _end_of_paragraph(
    state: StateBlock, start_line: int, end_line: int
) -> tuple[int, int, int | None]:
    """The line that ends it; the level of a heading, or 0; where in this line a fence opens."""
    may_be_underlined = not state.is_code_block(start_line)
    if opening := _opening_behind_words(state, start_line, start_line):
        return start_line, 0, opening
    for line in range(start_line + 1, state.lineMax):
        if _ends_paragraph(state, line):
            return line, 0, None
        if state.sCount[line] < state.blkIndent or line >= end_line:
            continue  # it is a part of the paragraph, whatever it looks like
        if may_be_underlined and (level := _underlined(state, line)):
            return line, level, None
        if opening := _opening_behind_words(state, start_line, line):
            return line, 0, opening
    return state.lineMax, 0, None


def _ends_paragraph(state: StateBlock, line: int) -> bool:
    """Whether the paragraph above `line` does not go on with it."""
    if state.isEmpty(line):
        return True
    if state.is_code_block(line):  # as code it is a part of the paragraph
        return state.blkIndent > 0 and _opens_fence(state, line, state.lineMax)
    if state.sCount[line] < 0 or (
        state.sCount[line] >= state.blkIndent and _underlined(state, line)
    ):
        return False
    rules = state.md.block.ruler.getRules("paragraph")
    return any(rule(state, line, state.lineMax, True) for rule in rules)  # noqa: FBT003 - the parser's own


def _opens_fence(state: StateBlock, line: int, end_line: int) -> bool:
    return fence(state, line, end_line, True)  # noqa: FBT003 - the parser's own


def _underlined(state: StateBlock, line: int) -> int:
    """The level of the heading that `line` underlines, 0 if it does not."""
    if state.is_code_block(line):
        return 0
    text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip(" \t")
    if not text or text.strip(text[0]) or text[0] not in "=-":
        return 0
    return 1 if text[0] == "=" else 2


def _opening_behind_words(state: StateBlock, start_line: int, line: int) -> int | None:
    """Where in a complete line of a paragraph a fence opens, as a position in the text.

    None also where the words alone could be something else than a paragraph.
    """
    start, end = state.bMarks[line] + state.tShift[line], state.eMarks[line]
    if end == len(state.src) or state.src.find("```", start, end) < 0:
        return None
    first = state.bMarks[start_line] + state.tShift[start_line]
    found = opening_behind_words(state.src[start:end])
    if found is None or state.src[first] == "[":
        return None
    words = state.src[start : start + found].rstrip()
    is_text = has_letter(words) and not words.endswith(("$$", "\\]"))
    return start + found if is_text else None
