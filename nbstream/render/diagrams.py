"""Which diagrams a front end may draw.

JupyterLab and nbconvert run Mermaid over a saved code block of that language, also in a
notebook that nobody trusts, and Mermaid does more than draw: `A@{ img: "https://…" }`, a picture
in a label, a style with `url(…)` and a configuration load what they name, `click` and `link`
lead to any address, and a few hundred arrows keep the page busy for half a minute. So only
diagrams of known kinds without any of that keep their language.
"""

from __future__ import annotations

import re

__all__ = ["MERMAID", "is_harmless_diagram"]

MERMAID = "mermaid"
_MAX_SIZE = 6_000  # characters
_MAX_COST = 200  # about a second in a page

_KINDS = re.compile(
    r"(?:\s*%%[^{\n][^\n]*\n)*\s*(?:graph|flowchart|sequenceDiagram|classDiagram|"
    r"stateDiagram(?:-v2)?|erDiagram|gantt|pie|mindmap|timeline|journey|gitGraph|"
    r"quadrantChart|xychart-beta)\b(?![-\w])"
)
_HARMFUL = re.compile(
    r"""
      [<\\\0] | @\{ | %%\{ | ^\s*--- | // | \$\$ | !\[
    | &\#?\w+; | \#\w+; | ﬂ° | ¶ß               # entities, which Mermaid makes signs of
    | ~[^~\n]*\s[^~\n,]*=                       # `~` stands for `<` and `>` in types
    | image-set | @import | ::icon\((?![\w\s-]*\))
    | \b(?:in|ex)cludes\b(?!\ weekends\s*$) | \b\d{4,}[dhmMswy]\b  # days, each looked at
    | [^\S\ \t\n] | [\x01-\x08\x0e-\x1f\x7f-\x9f\ufeff]   # space to JavaScript alone, or to us
    | \b(?:click|href|url|style|linkStyle|classDef|cssClass)\b | url\s*\(
    | ^\s*(?:links?|callback|properties|details)\b     # of classes, and of a sequence
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)

_STATEMENT = re.compile(r"\n|;|--|==|\.-|->")
_AND = re.compile(r"&(?!\w)|(?<!\w)&")


def is_harmless_diagram(code: str) -> bool:
    """Whether a saved code block that holds this may say that it is a diagram of Mermaid."""
    return (
        len(code) <= _MAX_SIZE
        and _cost(code) <= _MAX_COST
        and _KINDS.match(code) is not None
        and _HARMFUL.search(code) is None
    )


def _cost(code: str) -> int:
    """About how much there is to be drawn; `A & B --> C & D` are four arrows."""
    return len(_STATEMENT.findall(code)) + len(_AND.findall(code)) ** 2
