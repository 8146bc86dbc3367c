r"""Text, code and addresses in a spelling that every markdown renderer reads alike.

The renderers disagree at the edges. What is spelled out here, and why:

- Jupyter's front ends and nbconvert hand the finished page to MathJax, which reads
  `$5 and $6` as math whatever stood in the markdown. Only the border of an element stops
  it, so such a `$` stands in a `<span>` of its own.
- JupyterLab takes math out of the *source* before it parses: dollar signs, `\begin{`,
  `\\(`, `\\[`, also in code that is indented. It puts `@@0@@` in its place, and fails on
  an `@@1@@` that it did not write.
- nbconvert's mistune pairs `$$`, `\\[` and `\begin{` across blocks, before it looks for
  code; `#tag` is a heading to it and `: text` a definition; it strips Unicode spaces at
  the start of a line.
- marked (JupyterLab) takes `~x~` for deleted text, and makes links of bare addresses.

Where markdown has no spelling for a text, an HTML element without attributes has one.
"""

from __future__ import annotations

import re
from functools import cache

from .backslashes import holds_kept_backslash
from .diagrams import MERMAID, drawable
from .invisible import visible

__all__ = [
    "GUARDED_DOLLAR",
    "attribute_text",
    "clean",
    "code_block",
    "code_span",
    "destination",
    "escape_line",
    "escape_text",
    "html_inline",
    "html_text",
    "is_known_language",
    "printable",
    "trim_line",
]

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_SEPARATOR = re.compile("[\u2028\u2029]")
_NAMED = {"<": "&lt;", "&": "&amp;"}


def clean(text: str) -> str:
    """`text` without what some reader cannot take.

    Invisible characters are made visible and the colours of a terminal are dropped. Other
    control characters, and lone surrogates (JSON has none), become U+FFFD; the line
    separators, at which JavaScript ends a line and markdown does not, become spaces.
    """
    return printable(visible(text))


def printable(text: str) -> str:
    """`clean` for a text whose signs are visible."""
    return _LINE_SEPARATOR.sub(" ", _UNPRINTABLE.sub("\ufffd", text))


def _entities(text: str) -> str:
    return "".join(_NAMED.get(char) or f"&#{ord(char)};" for char in text)


def _as_entities(match: re.Match[str]) -> str:
    return _entities(match[0])


# -- running text ----------------------------------------------------------------

_SPECIAL = r"""
      \\ (?=[^A-Za-z0-9\s] | \s*\Z | (?:begin|end|ref|eqref)\s*\{)
    | [`$]
    | (?<![ ])\* | \*(?![ ])         # between spaces it is only a sign
    | (?<![ ])~ | ~(?![ ])
    | (?<![^\W_])_ | _(?![^\W_])     # inside a word it is only a letter
    | < (?=[A-Za-z/!?]|\Z)
    | & (?=\#?\w+;)
    | \[ (?=[ xX]\])                 # a task, to marked also in a heading
    | \^ (?=\[)                      # an inline footnote
    | @ (?=@\d | [\w-]+\.)
    | (?<=[ps]): (?=//) | (?<=www)\. # an address that is no link here
    | [\n\r\f\x85\u2028\u2029]         # of an entity: the end of a line to some reader
"""
_IN_TEXT = re.compile(_SPECIAL + r"| \] (?=[(\[:]|\Z)", re.VERBOSE | re.IGNORECASE)
_IN_LINK = re.compile(_SPECIAL + r"| [\[\]]", re.VERBOSE | re.IGNORECASE)
_SPELLING = {char: _entities(char) for char in "<&\\`@:.[]\n\r\f\x85\u2028\u2029"}

#: A `$` that MathJax pairs with no other.
GUARDED_DOLLAR = r"<span>\$</span>"


# A backslash that MathJax would act on in the finished page.
_MATHJAX_ESCAPE = re.compile(r"\\(?:[\\$(\[]|begin\s*\{|(?:eq)?ref\s*\{)")


def escape_text(text: str, *, in_link: bool = False) -> str:
    """`text` as running text of a paragraph, a heading or a link.

    Args:
        text: what is to be read. In a table cell, its `|` are still to be escaped.
        in_link: whether the text stands between the brackets of a link.
    """

    in_regex = holds_kept_backslash(text)  # where we ourselves read a backslash as it stands

    def spell(match: re.Match[str]) -> str:
        char = match[0]
        if char == "$":
            return "<span>&#36;</span>" if in_regex else GUARDED_DOLLAR
        if char == "\\" and _MATHJAX_ESCAPE.match(text, match.start()):
            return "<span>&#92;</span>"
        return _SPELLING.get(char) or (_entities(char) if in_regex else f"\\{char}")

    return (_IN_LINK if in_link else _IN_TEXT).sub(spell, text)


_EDGES = re.compile(r"\A\s+|\s+\Z")
_BLOCK_START = re.compile(
    r"""
      (?P<number>\d{1,9}) (?=[.)](?:[ \t]|\Z))
    | [\#>]
    | [-+](?=[ \t]|\Z)
    | :(?=[ \t])                     # a definition
    | [-=:|](?=[-=:|\s]*\Z)          # an underline, a rule, the second row of a table
    """,
    re.VERBOSE,
)


def trim_line(line: str) -> str:
    """A line whose spaces at the edges, where the model wrote such, are not stripped."""
    if line[:1].isspace() or line[-1:].isspace():
        return _EDGES.sub(_as_entities, line)
    return line


def escape_line(line: str) -> str:
    """A line of a paragraph, such that no block starts with it and no space is stripped."""
    line = trim_line(line)
    start = None if line[:1].isalpha() else _BLOCK_START.match(line)
    if start is None:
        return line
    number = start["number"] or ""
    return f"{number}\\{line[len(number) :]}"


# -- code ------------------------------------------------------------------------

# What JupyterLab looks for in the source to find math; it spares `$` in code by itself,
# except in a fence that is indented.
_MATH_SIGN = re.compile(r"@@(?=\d)|\\begin(?=\{)|\\end(?=\{)|\\\\[()\[\]]")
_BEFORE_NON_ASCII = re.compile(r"\\[^\x00-\x7f]")
_NOT_PLAIN = re.compile(r"[^\w ,/?%+-]|_")
_LINE_END = re.compile(r"[\n\r\f\x85\u2028\u2029]")
_NOT_HTML = re.compile(r"[&<$\\\t]|@(?=@\d)")


def code_span(code: str, *, in_link: bool = False, in_table: bool = False) -> str:
    """`code` between backticks, or as a `<code>` element where backticks cannot hold it."""
    unsafe = (
        _MATH_SIGN.search(code)
        or "$$" in code
        or "`" in code  # marked loses count behind a longer run of backticks, ...
        or _BEFORE_NON_ASCII.search(code)  # ... and behind such a backslash
        or (in_table and "|" in code)
        or (in_link and ("[" in code or "]" in code))
        or ("]" in code and "<" in code)  # mistune 2 finds links before code
    )
    if unsafe:
        return f"<code>{_NOT_PLAIN.sub(_as_entities, code)}</code>"
    stripped = code.startswith(" ") and code.endswith(" ") and code.strip(" ")
    return f"` {code} `" if stripped else f"`{code}`"


def code_block(
    code: str,
    language: str,
    *,
    nested: bool,
    right_to_left: bool = False,
    is_diagram: bool = False,
) -> list[str]:
    """The lines of a code block: a fence, or a `<pre>` element where no fence can hold it.

    Args:
        code: the text of the block.
        language: what it is written in, as the model says.
        nested: whether it stands in a list or a quote. There JupyterLab looks for math in
            it, and marked replaces its tabs.
        right_to_left: whether what it stands in is, which code never is.
        is_diagram: whether it may be drawn, if it says that it is one of Mermaid.
    """
    signs = set(_MATH_SIGN.findall(code))
    environment = {"\\begin", "\\end"} <= signs
    delimiters = {"\\\\(", "\\\\)"} <= signs or {"\\\\[", "\\\\]"} <= signs
    unsafe = delimiters or (environment and "@@" in signs)
    if right_to_left or unsafe or (nested and (signs or "$" in code or "\t" in code)):
        inner = _NOT_HTML.sub(_as_entities, code)
        direction = ' dir="ltr"' if right_to_left else ""
        return f"<pre{direction}><code>{inner}</code></pre>".split("\n")
    language = _known(language)
    if language == MERMAID:
        language, code = (MERMAID, drawable(code)) if is_diagram else ("", code)
    if (environment or "@@" in signs) and language not in ("latex", "tex"):
        language = ""  # JupyterLab's highlighter would tear its placeholder for math
    runs = re.findall(r"`{3,}", code)
    fence = "`" * (max(map(len, runs), default=2) + 1)
    lines = code.removesuffix("\n").split("\n") if code else []
    return [fence + language, *lines, fence]


# What Pygments has no lexer for, or another name.
_OTHER_LANGUAGES = frozenset(
    ["cmd", "csv", "dotenv", "env", "jsonc", "log", MERMAID, "plaintext", "tsv", "txt"]
)


def _known(language: str) -> str:
    """The language to write beside a fence: one that Pygments knows, else none.

    JupyterLab puts the word into HTML as it is, nbconvert prints an unknown one as code,
    and both draw what is `mermaid`.
    """
    name = language.lower()
    return name if name == MERMAID or name in _known_languages() else ""


def is_known_language(name: str) -> bool:
    """Whether this is what people call a programming language or a format of text."""
    return name.lower() in _known_languages() | _OTHER_LANGUAGES


@cache
def _known_languages() -> frozenset[str]:
    from pygments.lexers import get_all_lexers

    names = (alias for _, aliases, _, _ in get_all_lexers(plugins=False) for alias in aliases)
    return frozenset(name for name in names if re.fullmatch(r"[a-z0-9+#._-]+", name))


# -- links and HTML --------------------------------------------------------------

_ENTITY = re.compile(r"&(?=#?\w+;)")
_NOT_ADDRESS = re.compile(r"[^\w/:?=#%+.,;~!()'@&-]|&(?!\w+=)|@(?=@\d)")


def destination(url: str) -> str:
    """`url` between the parentheses of a link."""
    url = _ENTITY.sub("%26", url)  # mistune decodes twice
    url = _NOT_ADDRESS.sub(_as_entities, url)
    return f"<{url}>" if "(" in url or ")" in url else url


def attribute_text(text: str) -> str:
    """`text` as a link's title or an image's description."""
    return _NOT_PLAIN.sub(_as_entities, text)


def html_text(text: str) -> str:
    """`text` on one line of raw HTML, where no markdown is read."""
    return html_inline(" ".join(text.split()))


def html_inline(text: str) -> str:
    """The same for a piece of a line, whose spaces stay."""

    def spell(match: re.Match[str]) -> str:
        entity = _entities(match[0])
        return f"<span>{entity}</span>" if match[0] in "$\\" else entity

    return _LINE_END.sub(_as_entities, _NOT_HTML.sub(spell, text))
