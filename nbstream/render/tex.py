r"""Which TeX a front end may typeset.

MathJax, as JupyterLab and nbconvert load it, does more than typeset: `\href` links to any
address, `javascript:` too; `\style{background:url(…)}` loads it; `\cssId`, `\class` and
`\mmlToken` write attributes; `\require` loads code; `\def` changes the math of other
cells; `\raise` and `\rule` paint over the page. All of that happens after the sanitizer.
So only commands that are known to draw signs are let through.

It also takes a page down: what is nested is drawn by calls and elements in each other, and
what is long takes the square of its length. `\frac` in each other 75 times ends a page of
JupyterLab's, 20,000 characters of `x_1+` stop it for 24 seconds. So a formula is bounded.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .dollars import is_displayed_in_text, is_dollar_formula
from .tex_names import COMMANDS
from .tex_rewrite import COLORS, rewritten
from .tex_rewrite import ENVIRONMENTS as _REWRITTEN_ENVIRONMENTS

__all__ = ["COST", "ENVIRONMENTS", "MAX_NESTING", "MAX_SIZE", "MAX_TOTAL", "portable"]

#: How deep braces, `\left`s, environments and sub- and superscripts may stand in each other.
#: A page survives about 70, and a formula that people read has 10.
MAX_NESTING = 30
#: How many characters a formula may have: MathJax takes a second for so many on a slow machine.
MAX_SIZE = 4_000
#: How many all formulas of an answer may have together, ...
MAX_TOTAL = 30_000
#: ... each of which counts for so many more: 270 short ones take a page as long.
COST = 100
_MAX_CHEMISTRY = 1_000  # with `\ce`, whose own parser is five times as slow

_ENVIRONMENT_NAMES = """
align align* aligned alignat alignat* alignedat array Bmatrix bmatrix cases equation equation*
gather gather* gathered matrix pmatrix smallmatrix split Vmatrix vmatrix
"""
_ENVIRONMENTS = frozenset(_ENVIRONMENT_NAMES.split())
#: The environments that are drawn, as they are or in other words.
ENVIRONMENTS = _ENVIRONMENTS | _REWRITTEN_ENVIRONMENTS.keys()
_SIGNS = frozenset(",:;!> |{}\\#%&_-/*'\"`^~=.\n")

_LENGTH = r"\d{0,2}(?:\.\d+)?(?:cm|em|ex|in|mm|pt|px)"
_CONTROL = re.compile(
    rf"""
      \\(?P<edge>begin|end)\{{(?P<environment>[A-Za-z]*\*?)\}}
    | \\hspace\*?\{{{_LENGTH}\}}
    | \\\\\[{_LENGTH}\]
    | \\color\{{(?P<color>[a-z]+)\}}
    | \\(?P<command>[A-Za-z]+)
    | \\(?P<sign>[\s\S]|\Z)
    """,
    re.VERBOSE,
)
_TAG = re.compile(r"(?<!\\)\\tag(\*?)\{([\w .'-]*)\}")
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%")
_LABEL = re.compile(r"(?<!\\)\\label\{[^{}\\]*\}")
# A tag, a link or a definition, to a reader that knows no math; not so with a space.
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])|\](?=[(\[:])")


# What another stands in, and what ends it; a switch such as `\displaystyle` holds all that follows.
_NESTING = re.compile(
    r"""
      \\(?P<open>begin|left)(?![A-Za-z])
    | \\(?P<close>end|right)(?![A-Za-z])
    | \\(?P<switch>(?:display|text|script|scriptscript)style|over|atop|choose|brace|brack|color
        |[Tt]iny|scriptsize|small|normalsize|[Ll]arge|LARGE|[Hh]uge)(?![A-Za-z])
    | \\[\s\S]
    | (?P<script>[_^]\s*)?\{
    | \}
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=512)
def portable(tex: str, *, display: bool, one_line: bool) -> str | None:
    """`tex` in a form whose end every front end finds, or None if it is not to be typeset.

    What could be taken for prices or words stands in braces.

    Args:
        tex: the text between the delimiters.
        display: whether it is to stand between `$$`, else between `$`.
        one_line: whether it stands in a list or a quote, where line breaks would bring
            the markers of the lines into the formula.
    """
    if len(tex) > MAX_SIZE or ("\\ce" in tex and len(tex) > _MAX_CHEMISTRY) or _is_deep(tex):
        return None
    tex = _LABEL.sub("", _TAG.sub(_number, tex)).strip()
    if one_line or not display:
        if "\n" in tex and "%" in tex:
            return None  # a comment would no longer end
        tex = " ".join(tex.split())
    if "\n" not in tex:
        tex = _COMMENT.sub(r"\1\%", tex)  # `95%`: nobody comments a formula of one line
    tex = "\n".join(line for line in tex.split("\n") if line.strip())
    if not _is_balanced(tex):
        return None
    tex = rewritten(tex, display=display) or ""
    tex = _MARKUP.sub(r"\g<0> ", tex)
    whole = tex and len(tex) <= MAX_SIZE and not _confuses_readers(tex, display=display)
    if not whole or not _is_balanced(tex) or not _is_harmless(tex):
        return None
    is_read = is_displayed_in_text if display else is_dollar_formula
    return tex if is_read(tex, "", "") else f"{{{tex}}}"


def _is_deep(tex: str) -> bool:
    """Whether too much stands in each other; of a group, what its switches hold ends with it."""
    depth = 0
    levels: list[int] = []  # of the groups that are open
    for found in _NESTING.finditer(tex):
        if found["close"] or found[0] == "}":
            depth = levels.pop() if levels else 0
        elif found["switch"]:
            depth += 1
        elif found["open"] or found[0][-1] == "{":
            levels.append(depth)
            depth += 2 if found["script"] else 1
        if depth > MAX_NESTING:
            return True
    return False


def _number(match: re.Match[str]) -> str:
    r"""A `\tag` as text: MathJax would write an `id` for it."""
    return rf"\qquad \text{{{match[2]}}}" if match[1] else rf"\qquad \text{{({match[2]})}}"


def _confuses_readers(tex: str, *, display: bool) -> bool:
    """Whether a front end that looks for the end of the formula could miss it."""
    line_break = r"\\\\[()\]]" if display else r"\\\\[()\[\]]"
    return re.search(rf"[$`]|~~~|@@|\\\Z|{line_break}", tex) is not None


def _is_balanced(tex: str) -> bool:
    """Whether the braces are, as TeX counts them and as JupyterLab does.

    JupyterLab does not know that the second backslash of a line break escapes nothing.
    """
    for brace in (r"\\[\s\S]|([{}])", r"\\[{}$]|([{}])"):
        depth = 0
        for found in re.findall(brace, tex):
            depth += {"{": 1, "}": -1}.get(found, 0)
            if depth < 0:
                return False
        if depth:
            return False
    return True


def _is_harmless(tex: str) -> bool:
    """Whether all commands are known, and all environments known and closed in order."""
    environments: list[str] = []
    for control in _CONTROL.finditer(tex):
        if not _is_known(control):
            return False
        name = control["environment"]
        if control["edge"] == "begin":
            environments.append(name)
        elif control["edge"] == "end" and environments[-1:] == [name]:
            environments.pop()
        elif control["edge"] == "end":
            return False
    return not environments


def _is_known(control: re.Match[str]) -> bool:
    environment, command, sign = control["environment"], control["command"], control["sign"]
    return (
        (environment is None or environment in _ENVIRONMENTS)
        and (command is None or command in COMMANDS)
        and (sign is None or sign in _SIGNS)
        and (control["color"] is None or control["color"] in COLORS)
    )
