"""Which diagrams a front end may draw.

JupyterLab and nbconvert run Mermaid over a saved code block of that language, also in a
notebook that nobody trusts, and Mermaid does more than draw: `A@{ img: "https://…" }`, a picture
in a label, a style with `url(…)` and a configuration load what they name, `click` and `link`
lead to any address, and a few hundred arrows keep the page busy for half a minute. So only
diagrams of known kinds without any of that keep their language.

Where a word is a directive depends on the kind, and in labels it is a word: `A[Click here]`.
The source is the grammars of Mermaid 11 (`packages/mermaid/src/diagrams/*/parser`). In some of
them a statement may follow another without anything between.
"""

from __future__ import annotations

import re

__all__ = ["MERMAID", "DiagramBudget", "drawable"]

MERMAID = "mermaid"
MAX_COST = 200  # of one diagram: about a second in a page
MAX_TOTAL = 400  # of all diagrams of a text
_MAX_SIZE = 6_000  # characters

_START = r"(?:^|[;}]|\bend\b)\s*"
_NOTHING = r"(?!)"
# What loads, links or styles in a diagram of this kind.
_DIRECTIVES = {
    "flowchart": rf"{_START}(?:click|style|linkStyle|classDef)\b",
    "sequenceDiagram": rf"{_START}(?:links?|properties|details)\b",
    "classDiagram": rf"(?:{_START}|{{\s*)(?:click|link|callback|style|classDef)\b",
    "stateDiagram": r"^(?:(?<!:):(?!:)[^:\n;]*+|[^:\n]|:{2,}+)*?"  # but in a description
    r"(?<!\")\b(?:click|style|classDef)\b",
    "erDiagram": r"\b(?:style|classDef)\b(?![\n\"])",
    "gantt": rf"{_START}click\b|\btodayMarker\b(?!\ off\s*$)|\b(?:in|ex)cludes\b(?!\ weekends\s*$)"
    r"|\d{4,}[a-z]",  # each day of it would be looked at
    "mindmap": r"::icon\((?![\w\s-]*\))",  # the name of a class, written into a tag as it is
    "quadrantChart": r"\bclassDef\b",
    "pie": _NOTHING,
    "timeline": _NOTHING,
    "journey": _NOTHING,
    "gitGraph": _NOTHING,
    "xychart": _NOTHING,
}
_FLAGS = re.IGNORECASE | re.MULTILINE | re.ASCII  # as JavaScript sees words
_DIRECTIVE = {kind: re.compile(pattern, _FLAGS) for kind, pattern in _DIRECTIVES.items()}
_KIND = re.compile(
    rf"(?:[ \t\n]*%%[^{{\n][^\n]*\n)*\s*(?:(?P<kind>{'|'.join(_DIRECTIVES)})|graph)"
    r"(?:-v2|-beta)?(?![-\w])",
    re.ASCII,
)
# The uses of `<` that are no tag, but for a line break: nbconvert writes a diagram into its page
# as if it were HTML.
_ARROW_OR_BREAK = re.compile(r"<br */?>|<\|?(?:--|\.\.)|<-\.|<==|<->|<<--?>>", re.IGNORECASE)
_BREAK = re.compile(r" *<br */?>", re.IGNORECASE)
_HARMFUL = re.compile(
    r"""
      < | @\{ | %%\{ | ^\s*--- | [\\/]{2} | \$\$ | !\[ | \burl\s*\( | image-set | @import
    | &\#?\w+; | \#\w+; | ﬂ° | ¶ß               # entities, which Mermaid makes signs of
    | ~[^~\n]*\s[^~\n,]*=                       # `~` stands for `<` and `>` in types
    | [^\S \t\n] | [\0-\x08\x0e-\x1f\x7f-\x9f\ufeff]   # space to JavaScript alone, or to us alone
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_STATEMENT = re.compile(r"\n|;|--|==|\.-|->")
_AND = re.compile(r"&(?!\w)|(?<!\w)&")


class DiagramBudget:
    """The diagrams of a text that may be drawn: those that are harmless, up to a bound together.

    Args:
        is_allowed: whether any are.
    """

    def __init__(self, *, is_allowed: bool) -> None:
        self._left = MAX_TOTAL if is_allowed else 0

    def may_draw(self, code: str) -> bool:
        """Whether a saved code block that holds this may say that it is a diagram of Mermaid."""
        cost = min(MAX_COST + 1, _cost(code)) if len(code) <= _MAX_SIZE else MAX_COST + 1
        if cost > min(MAX_COST, self._left) or not _is_harmless(code):
            return False
        self._left -= cost
        return True


def drawable(code: str) -> str:
    """A diagram as it is saved: where a line break is lost, as in nbconvert, no words join."""
    return _BREAK.sub(" <br/>", code)


def _cost(code: str) -> int:
    """About how much there is to be drawn; `A & B --> C & D` are four arrows."""
    return len(_STATEMENT.findall(code)) + len(_AND.findall(code)) ** 2


def _is_harmless(code: str) -> bool:
    found = _KIND.match(code)
    if found is None or _HARMFUL.search(_ARROW_OR_BREAK.sub(" ", code)):
        return False
    return not _DIRECTIVE[found["kind"] or "flowchart"].search(code)
