"""A paragraph that grows for very long, alone or in a quote, sealed by the word.

What is in a paragraph can change as long as something is open in it: an asterisk may yet
be closed, a bracket may become a link. So it is sealed up to a space before which every
construct is one that is closed for certain; what is not known here is never sealed. And a
paragraph can turn out to be no paragraph, but a heading or a table's header. Then the page
forgets that it was opened, and the text is parsed again as a whole.
"""

from __future__ import annotations

import re

from markdown_it.token import Token

from .direction import has_letter
from .dollars import ENDING
from .inline_html import HARMLESS_TAGS
from .sealer import Sealer
from .structure import Parsed, Span, settled

__all__ = ["OpenText", "open_text"]

_SMALLEST = 100  # characters of a part: each becomes a text node of its own in the page
_SHAPES = {
    ("paragraph_open", "inline", "paragraph_close"): "",
    (
        "blockquote_open",
        "paragraph_open",
        "inline",
        "paragraph_close",
        "blockquote_close",
    ): "> ",
}
_QUOTE_MARK = re.compile(r"^ {0,3}> ?", re.MULTILINE)
_BEGINS_WITH_A_LETTER = re.compile(r" {0,3}(?:> ?)?[^\W\d_]")  # no block but a paragraph does

_LETTER = r"[^\W_]"
_PLAIN = r"[^\t\n\\`*_~\[\]!<$]"
_CODE = r"(?<!`)`[^`\n\[\]]++`(?!`)"
_DOLLAR = r"(?<!\$)\$(?!\$)"
# Of a formula that is one whatever is beside it: no words, no brackets but in pairs.
_SIGN = r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])|\\[A-Za-z]++|\\[,;!|{}]|[\w^ {}+=<>|'](?<![A-Za-z])"
_TEX = rf"{_SIGN}|\((?:{_SIGN}|,)*\)"
_ADDRESS = rf"\(https?://(?:[A-Za-z0-9/:.?=#%&+,;@-]|(?<={_LETTER})_(?={_LETTER}))*+\)"
_EMPHASIS = "|".join(
    rf"""
      (?: (?<![^ \n]) | (?<=\()(?={mark}{_LETTER}) )
      {mark} (?![\s{mark[-1]}]) (?:{_PLAIN}|{_CODE})+? (?<!\s) {mark} (?=[ \n.,;:?)])
    """
    for mark in (r"\*\*\*", r"\*\*", r"\*", "__", "_", "~~")
)
_TAGS = f"(?i:{'|'.join(HARMLESS_TAGS)})"
# No group is captured: in an atomic one, Python's `re` may fail with a SystemError.
_PAIRED_TAGS = "|".join(f"(?i:<{tag}>){_PLAIN}++(?i:</{tag}>)" for tag in HARMLESS_TAGS)
_CLOSED = rf"""
      (?![ ]){_PLAIN}
    | (?<={_LETTER})_++(?={_LETTER})
    | (?<!~)~(?!~)
    | (?<![^ \n])\*++(?=[ \n])
    | !(?!\[)
    | <(?![A-Za-z])
    | {_PAIRED_TAGS}
    | <(?!{_TAGS}>)[^\s<>\\`*_~\[\]!$]*+>
    | \\[!-'*-/:-@\]-`{{-~]
    | \\\\(?![(\[])
    | (?<!`)`[^`\n]++`(?!`)
    | {_EMPHASIS}
    | !?\[(?:{_PLAIN}|{_CODE})*+\] (?:{_ADDRESS}|(?=[ \n.,;?)]))
    | (?<![^ \n]){_DOLLAR}(?=[A-Za-z\\|{{])(?!\\[dDwWsbB.])(?:{_TEX}){{1,500}}(?<=[\w}}|)])
      \${ENDING}?+(?![\w${{(])
    | (?<=[A-Za-z0-9])\$(?!\$)
    | {_DOLLAR}(?=[^$\\]*+\$(?![nrst])[A-Za-z0-9]|[^$\\]{{6000}})
    | {_DOLLAR}(?=(?!\s)[^$\\^_]*+(?<=\s)\$|\s[^$\\]*+(?<!\s)\$)
"""
_SPACE = r"(?:\\?\n[ ]{0,3}>?|[ ])"
_CLOSED_WORDS = re.compile(rf"(?>{_SPACE}*+(?>{_CLOSED})++(?<!\s)(?=\\?\n|[ ]))*+", re.VERBOSE)


def open_text(sealer: Sealer, span: Span, parsed: Parsed) -> OpenText | None:
    """A container for a paragraph that is open, or None where nothing of it can be sealed."""
    prefix = _prefix(span)
    text = parsed.source(span.first)
    if prefix is None or text.lstrip("> ").startswith("["):  # it may become a definition
        return None
    end = _closed(text, span, parsed)
    return OpenText(sealer, span, prefix, text[:end]) if has_letter(text[:end]) else None


class OpenText:
    """A paragraph without its end. What is left of it is parsed behind an `x` of our own."""

    ends_at_a_blank_line = True

    def __init__(self, sealer: Sealer, span: Span, prefix: str, text: str) -> None:
        self._sealer = sealer
        self._engine = sealer.engine
        self._prefix = prefix
        self._header = f"{prefix}x"
        self._inline: Token | None = None  # what is not sealed, behind the `x`
        self._after: list[Token] = []
        self.consumed = len(text)
        at = next(i for i, token in enumerate(span.tokens) if token.type == "inline")
        self._opening = self._engine.shell(span.tokens[:at])
        self._closing = self._engine.shell(span.tokens[at + 1 :])
        sealer.enter(self._opening, self._closing, render=self.render)
        self._engine.rewind()
        sealer.text(self.render(text)[1], text)

    def step(self, text: str, *, final: bool) -> tuple[str, bool]:
        self._engine.rewind()
        parsed = self._engine.parse(self._header + text, final=final)
        first, *others = parsed.spans
        if _prefix(first) != self._prefix:
            return self._sealer.reopen() + text, True
        if final or settled(parsed) > 0:
            end = others[0].start if others else parsed.complete
            self._engine.commit(end)
            source = parsed.source(0, end)[len(self._header) :]
            self._sealer.text(self._engine.html([_inline(first)])[1:], source)
            self._sealer.leave()
            return parsed.source(end), True
        end = _closed(text, first, parsed)
        if end:
            sealed, text = text[:end], text[end:]
            self._sealer.text(self._html("x" + sealed)[1:], sealed)
            first, *others = self._engine.parse(self._header + text, final=False).spans
        self._inline = _inline(first)
        self._after = [token for span in others for token in span.tokens]
        return text, False

    def tail(self) -> tuple[str, str]:
        if self._inline is None:
            return "", ""
        if self._after:
            return self._engine.html([self._inline])[1:], self._engine.open_html(self._after)
        return self._engine.open_html([self._inline])[1:], ""

    def render(self, source: str) -> tuple[str, str]:
        """The opening and the text in `source`, the paragraph from its start."""
        return self._opening, self._html(source)

    def _html(self, source: str) -> str:
        # Not as blocks: what is sealed may end where it looks like another.
        content = _QUOTE_MARK.sub("", source) if self._prefix else source
        inline = Token("inline", "", 0, content=content.lstrip(), children=[])
        return self._engine.html([inline])


def _prefix(span: Span) -> str | None:
    """What the first line of this paragraph begins with, None if it is another block."""
    return _SHAPES.get(tuple(token.type for token in span.tokens))


def _inline(span: Span) -> Token:
    return next(token for token in span.tokens if token.type == "inline")


def _closed(text: str, span: Span, parsed: Parsed) -> int:
    """How much of an open paragraph's text, which ends where `parsed` does, can be sealed."""
    end = span.first
    while end < span.end and _is_decided(end, parsed):
        end += 1
    beyond = len(parsed.source(end)) if end < len(parsed.lines) else 0
    mark = _QUOTE_MARK.match(text)
    start = mark.end() if mark else 0
    found = _CLOSED_WORDS.match(text, start, len(text) - beyond)
    return found.end() if found and found.end() - start >= _SMALLEST else 0


def _is_decided(line: int, parsed: Parsed) -> bool:
    """Whether `line`, one of a paragraph, is no other block's, unless a table's header."""
    if line + 1 < parsed.complete:
        return True
    text = parsed.lines[line]
    return "|" not in text and _BEGINS_WITH_A_LETTER.match(text) is not None
