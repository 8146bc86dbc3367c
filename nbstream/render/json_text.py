"""JSON laid out for reading, while it still grows."""

from __future__ import annotations

import re

__all__ = ["JSONAnswer", "JSONIndenter", "indented", "json_markdown"]

_STEP = "  "
_DEEPEST = 40  # levels of indentation: a hostile text that opens and opens stays linear
_SPACE = " \t\r\n"
_PLAIN = re.compile(r'[^"\\\x00-\x1f]+')  # in a string
_ATOM = re.compile(r"[-+.\w]+", re.ASCII)  # a number, or true, false, null
_CLOSERS = {"{": "}", "[": "]"}

_STARTS = re.compile(r'\s*(?:\{\s*["}]|\[\s*[]["{\d-])')
_MAY_START = re.compile(r"\s*[{[]?\s*")
_OPENS_FENCE = re.compile(
    r"^ {0,3}(?:`{3,}|~{3,})[ \t]*(?:json[ \t]*)?\r?\n", re.IGNORECASE | re.MULTILINE
)
_LONGEST_FENCE = 40  # characters of a line that came in pieces
_HELD = 256  # characters in which it must be seen that JSON begins
# Models write fences of backticks; those do not end this one, where JSON breaks off.
_OPEN, _CLOSE = "~~~json\n", "\n~~~\n"


class JSONIndenter:
    """Lays out JSON text piece by piece: what it has given never changes.

    Only white space between the tokens of JSON changes. From the first character on that
    is no JSON there, and behind its end, the text comes out as it is.

    Attributes:
        is_whole: whether the outermost bracket has been closed.
    """

    def __init__(self) -> None:
        self.is_whole = False
        self._is_broken = False
        self._closers: list[str] = []  # of the brackets that are open
        self._after = "start"  # or the last token: bracket, comma, key, colon, value or atom
        self._space: list[str] = []  # since the last token: layout replaces it, if one follows
        self._in_string = False
        self._is_escaped = False

    def feed(self, piece: str) -> str:
        """The next piece, laid out."""
        return "".join(self.take(piece))

    def take(self, piece: str) -> tuple[str, str]:
        """The next piece: what of it is JSON, laid out, and what is none."""
        laid_out: list[str] = []
        at = 0
        while at < len(piece) and not (self.is_whole or self._is_broken):
            run = self._run(piece, at)
            if run is not None:
                at += len(run)
                laid_out.append(run)
            elif piece[at] in _SPACE and not self._in_string:
                self._space.append(piece[at])
                at += 1
            else:
                shown = self._in(piece[at]) if self._in_string else self._token(piece[at])
                self._is_broken = shown is None
                laid_out += self._space if shown is None else [shown]
                self._space.clear()
                at += not self._is_broken
        return "".join(laid_out), piece[at:]

    def _run(self, piece: str, at: int) -> str | None:
        """The characters at `at` that only go on with a string, a number or a name."""
        if self._in_string:
            found = None if self._is_escaped else _PLAIN.match(piece, at)
        else:
            found = _ATOM.match(piece, at) if self._after == "atom" and not self._space else None
        return found[0] if found else None

    def _in(self, c: str) -> str | None:
        """`c` in a string, or None where no string has it."""
        if c < " ":
            return None
        self._in_string = c != '"' or self._is_escaped
        self._is_escaped = c == "\\" and not self._is_escaped
        return c

    def _token(self, c: str) -> str | None:
        """A token that begins with `c`, as it is laid out, or None where none can."""
        if c in "}]":
            return self._close(c)
        if c == ",":
            fits = self._after in ("value", "atom") and bool(self._closers)
            self._after = "comma"
            return c if fits else None
        if c == ":":
            fits = self._after == "key"
            self._after = "colon"
            return c if fits else None
        return self._open(c)

    def _close(self, c: str) -> str | None:
        if self._closers[-1:] != [c] or self._after in ("comma", "key", "colon"):
            return None
        self._closers.pop()
        before = "" if self._after == "bracket" else self._line()
        self._after = "value"
        self.is_whole = not self._closers
        return before + c

    def _open(self, c: str) -> str | None:
        """The start of a value, or of a key."""
        after = self._after
        is_key = self._closers[-1:] == ["}"] and after != "colon"
        if after in ("key", "value", "atom") or (is_key and c != '"'):
            return None
        gap = self._line() if after in ("bracket", "comma") else " " if after == "colon" else ""
        if c == '"':
            self._in_string = True
            self._after = "key" if is_key else "value"
        elif c in _CLOSERS:
            self._closers.append(_CLOSERS[c])
            self._after = "bracket"
        elif c in "-0123456789tfnNI":  # Python's own reader takes NaN and Infinity
            self._after = "atom"
        else:
            return None
        return gap + c

    def _line(self) -> str:
        return "\n" + _STEP * min(len(self._closers), _DEEPEST)


class JSONAnswer:
    """An answer that was asked for as JSON, made ready to be shown, piece by piece.

    JSON that the answer begins with, or that stands in its first code fence, is laid out;
    the rest, such as the prose of a model that did not obey, comes out as it is.

    Args:
        is_markdown: put JSON that stands in no fence into one.
    """

    def __init__(self, *, is_markdown: bool) -> None:
        self._is_markdown = is_markdown
        self._held: str | None = ""  # what may yet begin JSON; None where nothing may
        self._line = ""  # the start of the line that has not ended
        self._in_fence = False
        self._indenter: JSONIndenter | None = None
        self._is_closed = False

    def feed(self, piece: str) -> str:
        """The next piece, as it is shown."""
        shown = ""
        while piece and self._indenter is None:
            if self._held is None:
                passed, piece = self._pass_on(piece)
            else:
                passed, piece = self._begin(self._held + piece)
            shown += passed
        return shown + self._lay_out(piece)

    def close(self) -> str:
        """What was held back, and the end of the fence: the answer is over."""
        held, self._held = self._held or "", None
        return held + self._end()

    def _begin(self, text: str) -> tuple[str, str]:
        """Decide whether `text` begins JSON: what comes before it, and what is still to show."""
        if _STARTS.match(text, 0, _HELD):
            self._held = None
            self._indenter = JSONIndenter()
            return _OPEN if self._adds_fence else "", text.lstrip()
        if len(text) < _HELD and _MAY_START.fullmatch(text):
            self._held = text
            return "", ""
        self._held = None
        return "", text

    def _pass_on(self, text: str) -> tuple[str, str]:
        """What of `text` stands before the code in the first fence, and what follows it."""
        if self._in_fence:
            return text, ""
        seen = self._line + text
        fence = _OPENS_FENCE.search(seen)
        if fence is None:
            self._line = seen[seen.rfind("\n") + 1 :][:_LONGEST_FENCE]
            return text, ""
        self._in_fence = True
        self._held = ""
        size = fence.end() - len(self._line)
        return text[:size], text[size:]

    def _lay_out(self, piece: str) -> str:
        if self._indenter is None:
            return ""
        laid_out, rest = self._indenter.take(piece)
        return laid_out + (self._end() if self._indenter.is_whole else "") + rest

    def _end(self) -> str:
        """The end of the fence that was added, once."""
        is_due = self._indenter is not None and self._adds_fence and not self._is_closed
        self._is_closed = True
        return _CLOSE if is_due else ""

    @property
    def _adds_fence(self) -> bool:
        return self._is_markdown and not self._in_fence


def indented(text: str) -> str:
    """All of a JSON text, laid out."""
    return JSONIndenter().feed(text)


def json_markdown(text: str) -> str:
    """All of an answer that was asked for as JSON, as markdown."""
    answer = JSONAnswer(is_markdown=True)
    return answer.feed(text) + answer.close()
