r"""Whether what stands between two dollar signs, or between `\(` and `\)`, is a formula.

Dollar signs are prices more often than formulas, and shell variables, and the ends of regular
expressions; and `\(` is a bracket that somebody escaped. Both sides tell, and what is between:

- No letter or digit stands before a formula's `$` (`US$ 5`), or behind its end (`$5 and $6`,
  `$HOME/$USER`), unless the letters are an English ending, as in `$n$th` and `$x_i$s`.
- Spaces stand at both sides inside or at none (`costs $5 and a $ sign`), unless TeX does.
- What begins with a digit is a price where there are words in it, or a number behind it.
- Sentences, brackets that close what is not open, and `\d` are no formulas.

That is stricter than pandoc's rule (https://pandoc.org/MANUAL.html#extension-tex_math_dollars).
"""

from __future__ import annotations

import re

__all__ = [
    "ENDING",
    "is_displayed_in_text",
    "is_dollar_formula",
    "is_escaped_text",
    "is_regex",
    "looks_like_tex",
]

#: A pattern of the letters that may stand right behind a formula's `$`, as in `$n$th`.
ENDING = r"(?:ths?|st|nd|rd|s)"

_TEX_SIGN = re.compile(r"\\(?:[A-Za-z,;:!|{}_%]|\Z)|\^|_\{")
_STRONG_SIGN = re.compile(r"\\[A-Za-z]{2,}|\^|_")
# Commands with what is in their braces, and what is written below or above the line.
_TEX_COMMAND = re.compile(r"\\[A-Za-z]+\*?(?:\{[^{}]*\}?)*|[_^]\{[^{}]*\}?|\\.", re.DOTALL)
_FUNCTION = (
    r"(?:sin|cos|tan|cot|sec|csc|log|ln|lg|exp|max|min|mod|gcd|lcm|lim|sup|inf|det|dim|ker|arg|"
    r"deg|Pr|Re|Im|sinh|cosh|tanh|arcsin|arccos|arctan|sqrt|sgn|tr|Var|Cov|diag|rank|span|d[a-z])"
)
_WORD = rf"(?<![^\W\d_])(?!{_FUNCTION}(?![^\W\d_]))[^\W\d_]{{2,}}+"
_HAS_WORD = re.compile(_WORD)
_PROSE = re.compile(rf"{_WORD}['’]?[\s,.;:]++{_WORD}|{_WORD}[.!?;]\s")

_REGEX = re.compile(r"\\[dDwWsbB](?![A-Za-z])|\[\^[^\]]|\(\?[:=!<P]|\.[*+](?:\?|\Z|[)$])")
_BEFORE_REGEX = re.compile(r"\\[dDwWsSbB.][+*?]?\Z|[+*?^|\]}]\Z|\(\?\Z|\w\.\w+\([rf]?[\"']?\Z")
_AFTER_REGEX = re.compile(r"[+*?][\s\\()\[|$]|\+(?:[.,;:]|\Z)|\{\d|\||\\[dDwWsbB]|\$(?:\s|\Z)")

_DIGIT_FIRST = re.compile(r"[-+\u2212\u2013~\u2248<>(]*\s*[.,]?\d")
_BEGINS_NO_FORMULA = re.compile(
    r"[),;?!@%/](?!\Z)|\](?!.*[\[\]]\Z)|[.:](?![\d=:])|#(?![A-Za-z])|[),;/]\Z"
)
_ENDS_NO_FORMULA = re.compile(r"[(/@&]\Z|(?<!\A)[:]\Z")
_ENDS_NO_NUMBERS = re.compile(r"[-+\u2212\u2013\u2014=*/(<>,;:.]\Z")
_NEVER = re.compile(r"[€£¥₹₽₩₿¢]|://|\*\*|~~")
_BEFORE_NO_FORMULA = re.compile(r"(?:\d|\$\w+)\s?\Z")  # `5 $ and 6 $`, `$HOME $ x $`
_QUOTE = re.compile(r"[\"“”`;]")
_SIZED = re.compile(r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])")
_MEASURE = re.compile(r"\s?\d|/[A-Za-z]")
_UNIT = r"(?:[kcmµnMGT]?m|[kmµ]?g|[mµn]?s|[kMG]?Hz|[kMGT]?(?:B|W|J|Pa|eV|bit)|min|mol|rad)"
_MEASURED = re.compile(rf"[\d.,]+ {_UNIT}(?:/{_UNIT})?")


def looks_like_tex(content: str) -> bool:
    """Whether this, behind an open `$`, is a formula's rather than a price's or a sentence's."""
    if not _TEX_SIGN.search(content) or _REGEX.search(content):
        return False
    plain = _TEX_COMMAND.sub(" ", content)
    if _DIGIT_FIRST.match(content):
        return _HAS_WORD.search(plain) is None
    return _PROSE.search(plain) is None


def is_dollar_formula(content: str, before: str, after: str) -> bool:
    """Whether `content` is a formula between dollar signs.

    Args:
        content: what is between them.
        before: the few characters before the first, to the start of the text.
        after: those behind the second.
    """
    tex = content.strip()
    if not tex or _REGEX.search(tex) or after[:1] == "{":
        return False
    if tex == content and _is_one_group(tex):
        return True  # so our own saved text has what could be taken for something else
    plain = _TEX_COMMAND.sub(" ", tex)
    if (
        _NEVER.search(tex)
        or _is_bad_at_the_ends(tex, after)
        or not _has_its_brackets(tex)
        or (_QUOTE.search(plain) and not _STRONG_SIGN.search(tex))
        or not _fits_its_spaces(content, plain, before)
    ):
        return False
    if _DIGIT_FIRST.match(tex):
        has_words = _HAS_WORD.search(plain) and not _MEASURED.fullmatch(tex)
        return not (has_words or _MEASURE.match(after) or _ENDS_NO_NUMBERS.search(tex))
    is_math = _TEX_SIGN.search(tex) or re.search(r"[=<>]", tex)
    return is_math is not None or _PROSE.search(plain) is None


def _fits_its_spaces(content: str, plain: str, before: str) -> bool:
    """Whether spaces inside, behind the first sign and before the second, are a formula's."""
    first, last = content[0].isspace(), content[-1].isspace()
    if not first and not last:
        return True
    strong = _STRONG_SIGN.search(content) is not None
    if _PROSE.search(plain) or (first and not last):
        return False
    if not first:
        return strong and re.search(r"\\[A-Za-z]|\^|_\{", content) is not None
    if _BEFORE_NO_FORMULA.search(before) and not strong:
        return False
    if "\n" in content[len(content.rstrip()) :] and not strong:  # a shell's prompts
        return False
    return strong or "=" in content or _HAS_WORD.search(plain) is None


def _is_bad_at_the_ends(tex: str, after: str) -> bool:
    if _BEGINS_NO_FORMULA.match(tex) or _ENDS_NO_FORMULA.search(tex):
        return True
    return after[:1] == "(" and not (tex[-1].isalnum() or tex[-1] in ")]}'")


def _has_its_brackets(tex: str) -> bool:
    """Whether as many brackets close as open, and no round one that is not open."""
    if _SIZED.search(tex):
        return True
    depth = 0
    for sign in re.findall(r"\\.|([()\[\]])", tex, re.DOTALL):
        depth += (sign in ("(", "[")) - (sign in (")", "]")) if sign else 0
        if depth < 0 and sign == ")":
            return False
    return depth == 0


def _is_one_group(tex: str) -> bool:
    if tex[0] != "{" or tex[-1] != "}":
        return False
    depth = 0
    for found in re.finditer(r"\\.|[{}]", tex, re.DOTALL):
        depth += (found[0] == "{") - (found[0] == "}")
        if not depth:
            return found.end() == len(tex)
    return False


def is_displayed_in_text(content: str, before: str, after: str) -> bool:
    """Whether `content` between `$$` in running text is a formula: `$$ to $$$` are prices."""
    if before[-1:] == "$" or after[:1] == "$" or not re.search(r"[^\W_]|[\\{]", content):
        return False
    if _is_one_group(content) or _TEX_SIGN.search(content) or re.search(r"[=<>+]", content):
        return True
    plain = _TEX_COMMAND.sub(" ", content)
    is_loose = content[0].isspace() and content[-1].isspace()
    return _PROSE.search(plain) is None and not (is_loose and _HAS_WORD.search(plain))


def is_escaped_text(content: str) -> bool:
    r"""Whether `content` between `\(` and `\)` is words, as in `\[see below\]`."""
    if _TEX_SIGN.search(content) or re.search(r"[=<>+*/_\d]", content):
        return False
    return _PROSE.search(content) is not None


def is_regex(content: str, before: str, after: str) -> bool:
    r"""Whether `\(`, `content` and `\)` belong to a regular expression in running text."""
    if _REGEX.search(content) or _BEFORE_REGEX.search(before) or _AFTER_REGEX.match(after):
        return not re.search(r"\\(?:[A-Za-z]{3,}|[a-z]{2}\b)|[_^]\{", content)
    return False
