r"""TeX that not every reader draws, in words that each of them does.

A formula is drawn by MathJax 3 in JupyterLab, by MathJax 2 in nbconvert's page and by KaTeX
in VS Code. `\ket` is unknown to the second, `\text{a_b}` an error to the first, and what
stands between braces in `\text{…}` is shown with its backslashes by the second.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

__all__ = ["COLORS", "ENVIRONMENTS", "rewritten"]

#: Of the names that all of them know; what else `\color` takes is written into the page.
_COLOR_NAMES = """
    black blue brown cyan darkblue darkgray darkgreen darkorange darkred gold gray green grey
    indigo lightblue lightgray lightgreen lime magenta maroon navy olive orange pink purple red
    salmon silver teal turquoise violet white yellow
"""
COLORS = frozenset(_COLOR_NAMES.split())

_ARROWS = {
    **{f"xhook{side}arrow": f"\\hook{side}arrow" for side in ("left", "right")},
    **{f"xtwohead{side}arrow": f"\\twohead{side}arrow" for side in ("left", "right")},
    **{
        f"x{side}harpoon{way}": f"\\{side}harpoon{way}"
        for side in ("left", "right")
        for way in ("up", "down")
    },
    "xLeftarrow": "\\Longleftarrow",
    "xRightarrow": "\\Longrightarrow",
    "xLeftrightarrow": "\\Longleftrightarrow",
    "xleftrightarrow": "\\longleftrightarrow",
    "xleftrightharpoons": "\\leftrightharpoons",
    "xrightleftharpoons": "\\rightleftharpoons",
    "xlongequal": "=",
    "xmapsto": "\\longmapsto",
    "xtofrom": "\\rightleftarrows",
}
_FONTS = {
    **{
        f"sym{font}": f"\\math{font}"
        for font in ("rm", "bf", "it", "bb", "frak", "scr", "sf", "tt", "cal")
    },
    "mathbfcal": "\\mathcal",
    "mathbffrak": "\\mathfrak",
    "mathbfit": "\\boldsymbol",
    "mathbfscr": "\\mathscr",
    "mathbfsf": "\\mathsf",
    "mathbfsfit": "\\mathsf",
    "mathbfup": "\\mathbf",
    "mathnormal": "\\mathit",
    "mathsfit": "\\mathsf",
    "mathsfup": "\\mathsf",
    "mathup": "\\mathrm",
    "symbfit": "\\boldsymbol",
    "symup": "\\mathrm",
    "bm": "\\boldsymbol",
    "pmb": "\\boldsymbol",
}
_GREEK = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau
upsilon phi chi psi omega varepsilon vartheta varpi varrho varsigma varphi
"""
_CAPITALS = "gamma delta theta lambda xi pi sigma upsilon phi psi omega"
# Without arguments.
_SIGNS = {
    **_FONTS,
    **{f"up{name}": f"\\{name}" for name in _GREEK.split()},
    **{f"Up{name}": f"\\{name.title()}" for name in _CAPITALS.split()},
    "Arrowvert": "\\Vert",
    "Colonapprox": "::\\approx",
    "Coloneq": "::-",
    "Coloneqq": "::=",
    "Colonsim": "::\\sim",
    "Eqcolon": "-::",
    "Eqqcolon": "=::",
    "LaTeX": "\\text{LaTeX}",
    "TeX": "\\text{TeX}",
    "Tiny": "\\tiny",
    "argmax": "\\operatorname*{argmax}",
    "argmin": "\\operatorname*{argmin}",
    "arrowvert": "\\vert",
    "bigtimes": "\\mathop{\\times}",
    "bracevert": "\\vert",
    "celsius": "{}^{\\circ}\\mathrm{C}",
    "centernot": "\\not",
    "colonapprox": ":\\approx",
    "coloneq": ":-",
    "coloneqq": ":=",
    "colonsim": ":\\sim",
    "dblcolon": "::",
    "degree": "{}^{\\circ}",
    "eqcolon": "-:",
    "eqqcolon": "=:",
    "idotsint": "\\int\\cdots\\int",
    "iiiint": "\\iint\\!\\!\\iint",
    "lparen": "(",
    "micro": "\\mu",
    "ohm": "\\Omega",
    "ordinarycolon": ":",
    "perthousand": "\\text{‰}",
    "rparen": ")",
    "strut": "\\mathstrut",
    "textasciicircum": "\\hat{\\ }",
    "textasciitilde": "\\sim",
    "textbackslash": "\\backslash",
    "textbar": "\\vert",
    "textdegree": "{}^{\\circ}",
    "textgreater": "\\gt",
    "textless": "\\lt",
    "textunderscore": "\\_",
}
# With so many arguments.
_TEMPLATES = {
    "Bra": (1, r"\left\langle #1\right\vert"),
    "Braket": (1, r"\left\langle #1\right\rangle"),
    "Ket": (1, r"\left\vert #1\right\rangle"),
    "Ketbra": (2, r"\left\vert #1\right\rangle\left\langle #2\right\vert"),
    "Set": (1, r"\left\lbrace\,#1\,\right\rbrace"),
    "bra": (1, r"\langle #1\rvert"),
    "braket": (1, r"\langle #1\rangle"),
    "cancelto": (2, r"\cancel{#2}^{#1}"),
    "cramped": (1, r"{#1}"),
    "ket": (1, r"\lvert #1\rangle"),
    "ketbra": (2, r"\lvert #1\rangle\langle #2\rvert"),
    "mathclap": (1, r"{#1}"),
    "overbracket": (1, r"\overbrace{#1}"),
    "overparen": (1, r"\overset{\frown}{#1}"),
    "overunderset": (3, r"\overset{#1}{\underset{#2}{#3}}"),
    "prescript": (3, r"{}^{#1}_{#2}{#3}"),
    "set": (1, r"\lbrace #1\rbrace"),
    "stackbin": (2, r"\overset{#1}{#2}"),
    "underbracket": (1, r"\underbrace{#1}"),
    "underparen": (1, r"\underset{\smile}{#1}"),
}
_BARS = {
    "braket": "\\vert ",
    "set": "\\vert ",
    "Braket": "\\middle\\vert ",
    "Set": "\\,\\middle\\vert\\,",
}
_TEXT = {
    **{name: f"\\{name}" for name in ("text", "textbf", "textit", "textrm", "textsf", "texttt")},
    **dict.fromkeys(("clap", "hbox", "mbox", "textnormal", "textup"), "\\text"),
    "emph": "\\textit",
    "textmd": "\\text",
    "textsc": "\\text",
    "textsl": "\\textit",
}
_BOXES = {"colorbox": 1, "fbox": 0, "fcolorbox": 2}  # and how many colours they take

_ARRAY = ("\\left.\\begin{array}{ll}", "\\end{array}\\right\\rbrace")
_SMALL = {"p": ("(", ")"), "b": ("[", "]"), "B": ("\\lbrace", "\\rbrace")}
_SMALL |= {"v": ("\\vert", "\\vert"), "V": ("\\Vert", "\\Vert")}
_MATRICES = [f"{kind}matrix" for kind in ("", "p", "b", "B", "v", "V")]
_OPTION = re.compile(r"\s*\[[clr]\]")
#: How environments begin and end that not all know.
ENVIRONMENTS = {
    **{f"{name}*": (f"\\begin{{{name}}}", f"\\end{{{name}}}") for name in _MATRICES},
    **{
        f"{kind}smallmatrix": (
            f"\\left{left}\\begin{{smallmatrix}}",
            f"\\end{{smallmatrix}}\\right{right}",
        )
        for kind, (left, right) in _SMALL.items()
    },
    "dcases": ("\\begin{cases}", "\\end{cases}"),
    "drcases": _ARRAY,
    "eqnarray": ("\\begin{array}{rcl}", "\\end{array}"),
    "eqnarray*": ("\\begin{array}{rcl}", "\\end{array}"),
    "flalign": ("\\begin{aligned}", "\\end{aligned}"),
    "flalign*": ("\\begin{aligned}", "\\end{aligned}"),
    "lgathered": ("\\begin{gathered}", "\\end{gathered}"),
    "multline": ("\\begin{gathered}", "\\end{gathered}"),
    "multline*": ("\\begin{gathered}", "\\end{gathered}"),
    "multlined": ("\\begin{gathered}", "\\end{gathered}"),
    "rcases": _ARRAY,
    "rgathered": ("\\begin{gathered}", "\\end{gathered}"),
}
# What stands for itself at the top of a displayed formula, and as this elsewhere.
_INNER = {
    f"{name}{star}": (f"\\begin{{{inner}}}", f"\\end{{{inner}}}") if inner else ("{", "}")
    for name, inner in (
        ("align", "aligned"),
        ("alignat", "alignedat"),
        ("equation", ""),
        ("gather", "gathered"),
    )
    for star in ("", "*")
}

_TOKEN = re.compile(r"\\(?:begin|end)\{[A-Za-z]*\*?\}|\\[A-Za-z]+|\\[\s\S]|\s+|[A-Za-z0-9]+|[\s\S]")
_WORD = re.compile(r"\\[A-Za-z]+")
_TAKES_ONE = re.compile(r"\\(?!q?quad|[a-z]*style|[lr]?dots|c?dots)[A-Za-z]+")
_IN_TEXT = re.compile(r"[_^#&%~$\\{}]")
_OUTSIDE = {"_": "\\_", "#": "\\#", "&": "\\&", "%": "\\%", "^": "\\hat{\\ }", "~": "~"}
_ACCENTS = dict(zip("'`^\"~=.", "\u0301\u0300\u0302\u0308\u0303\u0304\u0307", strict=True))
_BAR = re.compile(r"(?<!\\)\|")
_CELL_ENDS = frozenset({"&", "\\\\"})
_SWITCH_ENDS = _CELL_ENDS | {"\\right", "\\middle"}

_NEEDS_WORK = re.compile(
    r"\\(?:begin|end)\{(?:"
    + "|".join(map(re.escape, sorted([*ENVIRONMENTS, *_INNER], key=len, reverse=True)))
    + r")\}|\\(?:"
    + "|".join(sorted([*_SIGNS, *_TEMPLATES, *_ARROWS, *_TEXT, *_BOXES, "color", "textcolor"]))
    + r")(?![A-Za-z])"
)


def rewritten(tex: str, *, display: bool) -> str | None:
    """`tex` in words that every reader knows, or None where there are none for it.

    What is unknown here is left as it stands.

    Args:
        tex: a formula whose braces are balanced, and not nested deep.
        display: whether it is displayed, where environments may be the whole of it.
    """
    if not _NEEDS_WORK.search(tex):
        return tex
    try:
        return _Writer(tex, display=display).write()
    except _CannotRewriteError:
        return None


class _CannotRewriteError(Exception):
    """An argument is missing, or is none that can be written otherwise."""


class _Writer:
    """Writes a formula again, from its tokens; the depth of the calls is that of its braces."""

    def __init__(self, tex: str, *, display: bool) -> None:
        self._tokens = _TOKEN.findall(tex)
        self._position = 0
        self._depth = 0 if display else 1
        self._is_argument = False  # whether what comes next is one, without braces

    def write(self) -> str:
        written = self._items(frozenset())
        if self._position < len(self._tokens):
            raise _CannotRewriteError
        return written

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _next(self) -> str:
        sign = self._peek()
        if not sign:
            raise _CannotRewriteError
        self._position += 1
        return sign

    def _skip_spaces(self) -> None:
        while self._peek().isspace():
            self._position += 1

    def _items(self, ends: frozenset[str], *, cell: str = "") -> str:
        """What stands before the end of the group, or before one of the `ends`.

        `cell` is written where a cell begins.
        """
        pieces = [cell]
        lefts = 0
        while (sign := self._peek()) and sign != "}" and not sign.startswith("\\end{"):
            if sign in ends and not (sign == "\\right" and lefts):
                break
            lefts += (sign == "\\left") - (sign == "\\right")
            self._position += 1
            pieces.append(self._item(sign))
            self._is_argument = sign in "_^" or bool(_TAKES_ONE.fullmatch(sign))
            if cell and sign in _CELL_ENDS:
                pieces += [self._row_distance(), cell]
        return "".join(pieces)

    def _row_distance(self) -> str:
        """What may stand behind a `\\\\`, as `[2pt]` does."""
        end = self._position
        while end < len(self._tokens) and end < self._position + 5:
            end += 1
            if self._tokens[end - 1] == "]":
                distance = "".join(self._tokens[self._position : end]).lstrip()
                if distance.startswith("["):
                    self._position = end
                    return distance
        return ""

    def _item(self, sign: str) -> str:
        if sign == "{":
            return f"{{{self._group()}}}"
        if sign.startswith("\\begin{"):
            return self._environment(sign[7:-1])
        if not _WORD.fullmatch(sign):
            return sign
        name = sign[1:]
        if name in _SIGNS:
            return self._parted(_SIGNS[name])
        for names, write in _RULES:
            if name in names:
                return write(self, name)
        return sign

    def _parted(self, written: str) -> str:
        """A command, and a space where a letter would go on with its name."""
        is_word = re.search(r"\\[A-Za-z]+\Z", written) is not None
        return f"{written} " if is_word and self._peek()[:1].isalpha() else written

    def _group(self) -> str:
        """The rest of a group whose brace has been read."""
        self._depth += 1
        written = self._items(frozenset())
        self._depth -= 1
        if self._next() != "}":
            raise _CannotRewriteError
        return written

    def _argument(self) -> str:
        self._skip_spaces()
        sign = self._next()
        if sign == "{":
            return self._group()
        if sign == "}" or sign.startswith(("\\begin{", "\\end{")):
            raise _CannotRewriteError
        if sign[1:] and sign[0] != "\\":  # of several letters it is the first
            self._position -= 1
            self._tokens[self._position] = sign[1:]
            return sign[0]
        return self._item(sign)

    # -- the rules ---------------------------------------------------------------

    def template(self, name: str) -> str:
        count, template = _TEMPLATES[name]
        arguments = [self._argument() for _ in range(count)]
        if name in _BARS:
            arguments[0] = _BAR.sub(lambda _: _BARS[name], arguments[0])
        return re.sub(r"#(\d)", lambda match: arguments[int(match[1]) - 1], template)

    def arrow(self, name: str) -> str:
        below = ""
        self._skip_spaces()
        if self._peek() == "[":
            self._position += 1
            below = self._items(frozenset({"]"}))
            self._next()
        above, arrow = self._argument(), _ARROWS[name]
        base = f"\\underset{{{below}}}{{{arrow}}}" if below else arrow
        return f"\\mathrel{{\\overset{{{above}}}{{{base}}}}}"

    def color(self, name: str) -> str:
        opens_group = self._position > 1 and self._tokens[self._position - 2] == "{"
        color = self._color_name()
        self._skip_spaces()
        if name == "textcolor" or self._peek() == "{":
            content = self._argument()
        else:
            self._depth += 1
            content = self._items(_SWITCH_ENDS)
            self._depth -= 1
        written = f"\\color{{{color}}}{{{content}}}"
        return written if opens_group and self._peek() == "}" else f"{{{written}}}"

    def _color_name(self) -> str:
        color = self._argument().strip().lower()
        if color not in COLORS:
            raise _CannotRewriteError
        return color

    def box(self, name: str) -> str:
        for _ in range(_BOXES[name]):
            self._color_name()
        return f"\\boxed{{{self.text('text')}}}"

    def _environment(self, name: str) -> str:
        opening, closing = f"\\begin{{{name}}}", f"\\end{{{name}}}"
        if self._depth and name in _INNER:
            opening, closing = _INNER[name]
        opening, closing = ENVIRONMENTS.get(name, (opening, closing))
        if name in ENVIRONMENTS and _OPTION.match("".join(self._tokens[self._position :][:4])):
            while self._next() != "]":
                pass
        self._depth += 1
        is_large = name in ("dcases", "drcases")
        body = self._items(frozenset(), cell="\\displaystyle " if is_large else "")
        self._depth -= 1
        if self._next() != f"\\end{{{name}}}":
            raise _CannotRewriteError
        return f"{opening}{body}{closing}"

    # -- text --------------------------------------------------------------------

    def text(self, name: str) -> str:
        r"""The group of `\text` or a brother; what they do not agree on stands outside of it."""
        command, is_argument = _TEXT[name], self._is_argument
        self._skip_spaces()
        if self._peek() != "{":
            return f"{command} "
        self._position += 1
        end = self._end_of_group()
        content = "".join(self._tokens[self._position : end])
        pieces = self._pieces(command, end) if _IN_TEXT.search(content) else ""
        self._position = end + 1
        if pieces:
            return f"{{{pieces}}}" if is_argument else pieces
        return f"{command}{{{content}}}"

    def _end_of_group(self) -> int:
        depth = 1
        for position in range(self._position, len(self._tokens)):
            depth += {"{": 1, "}": -1}.get(self._tokens[position], 0)
            if not depth:
                return position
        raise _CannotRewriteError

    def _pieces(self, command: str, end: int) -> str:
        pieces: list[str] = []
        plain = ""

        def add(outside: str) -> None:
            nonlocal plain
            if plain:
                pieces.append(f"{command}{{{plain}}}")
            plain = ""
            pieces.append(outside)

        while self._position < end:
            sign = self._next()
            if sign in _OUTSIDE:
                add(_OUTSIDE[sign])
            elif sign in ("$", "\\("):
                add(self._math_in_text("$" if sign == "$" else "\\)", end))
            elif sign[0] == "\\" and sign[1] in _ACCENTS and self._peek().isalpha():
                letters = self._next()
                plain += unicodedata.normalize("NFC", letters[0] + _ACCENTS[sign[1]]) + letters[1:]
            elif sign[0] == "\\":
                add(self._command_in_text(sign))
            elif sign not in "{}":
                plain += sign
        add("")
        return "".join(pieces)

    def _command_in_text(self, sign: str) -> str:
        written = [self._parted(self._item(sign))]
        while self._peek() == "{":
            written.append(self._item(self._next()))
        return "".join(written)

    def _math_in_text(self, closing: str, end: int) -> str:
        self._depth += 1
        written = self._items(frozenset({closing}))
        self._depth -= 1
        if self._position >= end or self._next() != closing:
            raise _CannotRewriteError
        return self._parted(written)


_Rule = Callable[[_Writer, str], str]
_RULES: tuple[tuple[frozenset[str], _Rule], ...] = (
    (frozenset(_TEMPLATES), _Writer.template),
    (frozenset(_ARROWS), _Writer.arrow),
    (frozenset(_TEXT), _Writer.text),
    (frozenset({"color", "textcolor"}), _Writer.color),
    (frozenset(_BOXES), _Writer.box),
)
