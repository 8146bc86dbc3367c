"""Which diagrams a front end may draw.

JupyterLab and nbconvert run Mermaid over a saved code block of that language, also in a
notebook that nobody trusts, and Mermaid does more than draw: `A@{ img: "https://…" }`, a picture
in a label, a style with `url(…)` and a configuration load what they name, `click` and `link`
lead to any address. So only diagrams of known kinds without any of that keep their language.
"""

from __future__ import annotations

import re

__all__ = ["MERMAID", "is_harmless_diagram"]

MERMAID = "mermaid"
_MAX_SIZE = 20_000  # characters

_KINDS = re.compile(
    r"(?:\s*%%[^{\n][^\n]*\n)*\s*(?:graph|flowchart|sequenceDiagram|classDiagram|"
    r"stateDiagram(?:-v2)?|erDiagram|gantt|pie|mindmap|timeline|journey|gitGraph|"
    r"quadrantChart|xychart-beta)\b(?![-\w])"
)
_HARMFUL = re.compile(
    r"""
      [<\\\0] | @\{ | %%\{ | ^\s*--- | // | \$\$ | !\[
    | &\#?\w+; | \#\w+;                       # entities, which Mermaid makes signs of
    | \b(?:click|href|url|style|linkStyle|classDef|cssClass)\b | url\s*\(
    | ^\s*(?:links?|callback|properties|details)\b     # of classes, and of a sequence
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)


def is_harmless_diagram(code: str) -> bool:
    """Whether a saved code block that holds this may say that it is a diagram of Mermaid."""
    return (
        len(code) <= _MAX_SIZE and _KINDS.match(code) is not None and _HARMFUL.search(code) is None
    )
