"""Random documents of nested blocks, full of what markdown renderers disagree about."""

from __future__ import annotations

from random import Random

__all__ = ["nested_document"]

PLAIN = ("foo", "bar", "baz", "qux")
TRICKY = (
    # words and signs
    *(
        "x",
        "1",
        "2024",
        "naïve",
        "日本",
        "שלום",
        "é",
        "😀",
        "“q”",
        "…",
        '"q"',
        "'",
        "(",
        ")",
        "{",
        "}",
        "%",
    ),
    *("a_b", "__init__", "3*4*5", "~50", "~x~", "C:\\Users", "\\\\server", "\\", "\\\\", "=", "^"),
    # HTML
    *("&", "&amp;", "&copy", "&lt;b&gt;", "&nbsp;", "&#10;", "&#32;", "<b>", "a < b", "a>b"),
    *("</details>", "<details>", "<summary>x</summary>", "<script>alert(1)</script>", "<!-- c -->"),
    # code, math, and what is neither
    *(
        "`c`",
        "``a`b``",
        "`$x`",
        "`a|b`",
        "`$$`",
        "`<b>]`",
        "$5",
        "$6",
        "$x$",
        "$a_1$",
        "$$",
        "$|x|$",
    ),
    *("\\(y\\)", "\\[z\\]", "$\\href{u}{v}$", "\\begin{a}", "\\end{a}", "\\ref{a}", "@@0@@", "@@1"),
    *(
        "\\\\(v\\\\)",
        "\\\\[w\\\\]",
        "\\begin{cases}a&b\\end{cases}",
        "$ x $",
        "$1 - q$",
        "\\(5 a b\\)",
    ),
    *(
        "$\\text{a_b}$",
        "$\\ket{x}$",
        "\\(5 a b\\)",
        "\\d+\\(x\\)",
        "US$ 5",
        "\\(\\color{red}{x}\\)",
        "${x}$",
    ),
    # links
    *(
        "[l](http://a.b/c)",
        '[l](http://a.b/c_(d) "t")',
        "[l](javascript:x)",
        "![i](http://h/i.png)",
    ),
    *("[r]", "[r][]", "[^1]", "^[n]", "[ ]", "[x]", "!", "[", "]", "http://bare.x/a_b", "www.w.x"),
    *("https://e.x/?a=1&b=2", "<http://au.to>", "<a@b.cc>", "a@b.cc", "ftp://f.x"),
    # what could begin a block
    *(
        "#",
        ">",
        "-",
        "+",
        "*",
        "1.",
        "2)",
        ":",
        "|",
        "\\|",
        "~~~",
        "```",
        "---",
        "===",
        "***",
        "___",
    ),
    # spaces and controls
    *("\t", "  ", "\u00a0", "\u3000", "\u2028", "\x0c", "\x00", "\ud800"),
    *("\\*", "\\_", "\\`", "\\$", "\\<", "\\😀"),
    # harmless tags, addresses that are not what they seem, paths
    *("x<sub>2</sub>", "<kbd>", "</kbd>", "<u>", "</u>", "<mark>**m**</mark>", "<sup>$x$</sup>"),
    *("https://a.example继续", "[https://a.b](https://c.d)", "[x](https://y.z/a b)", "a@b.c@d.e"),
    *("C:\\x\\.config", "^\\d+\\.\\d$", "![i](data:image/png;base64,iVBORw0KGgo=)", "&#x202e;"),
    *("[](https://e.m)", "[<http://a.b>](http://c.d)", "\u202e", "\u200b", "a\u200db", "مرحبا"),
    *("<br>", "<BR/>", "<br><br>", "重要", "：", "「a」", "“b”", "한(a)", "95%", "שלום"),
)
MARKS = ("*", "**", "_", "__", "~~", "***", "`", "``", "~")
CODE = (
    *("x = 1", "echo $HOME $PATH", "$$", "\\begin{a}", "\\end{a}", "</details>", "<b>", "```", ""),
    *(
        "  indented",
        "\ttab",
        "@@0@@",
        "@@1",
        "\\\\(x\\\\)",
        "# c",
        "- a",
        "&lt;",
        "日本",
        "`t`",
        "a  ",
    ),
)
INFOS = ("", "", "python", "mermaid", "foo bar", '"><img>', "latex", "js {1,3}", "src/a.py")
FORMULAS = (
    *("x", "\\frac{a}{b}", "a\\\\b", "x<y", "\\begin{aligned}\na &= b\\\\\n&= c\n\\end{aligned}"),
    *(
        "\\href{x}{y}",
        "a \\tag{1}",
        "\\unknown",
        "\\text{if $x$ # y}",
        "\\begin{align*}a\\end{align*}",
    ),
)


def nested_document(chance: Random) -> str:
    """A document of one to four blocks, which nest up to three deep."""
    return _blocks(chance, chance.randint(1, 4), depth=0)


def _blocks(chance: Random, count: int, depth: int) -> str:
    between = chance.choice(("\n\n", "\n\n", "\n"))
    return between.join(_block(chance, depth) for _ in range(count))


def _block(chance: Random, depth: int) -> str:
    kinds = [_text, _text, _text, _text, _heading, _underlined, _fence, _fence, _indented]
    kinds += [_rule, _formula, _table, _definition, _html, _as_models_write]
    if depth < 3 and chance.random() < 0.25:
        return (_quote, _list, _list)[chance.randrange(3)](chance, depth)
    return kinds[chance.randrange(len(kinds))](chance)


def _text(chance: Random, most: int = 6) -> str:
    pieces: list[str] = []
    for _ in range(chance.randint(1, most)):
        word = chance.choice(TRICKY if chance.random() < 0.5 else PLAIN)
        kind = chance.random()
        if kind < 0.2:
            mark = chance.choice(MARKS)
            more = f" {chance.choice(TRICKY)}" if chance.random() < 0.3 else ""
            word = mark + word + more + (mark if chance.random() < 0.9 else "")
        elif kind < 0.25:
            word = f"[{word}](http://u.v/{chance.choice(('', 'a', '$x', 'a*b', '@@0@@', '&amp;'))})"
        pieces += word, chance.choice((" ", " ", " ", "", "\n", "  \n", "\\\n"))
    return "".join(pieces)


def _line(chance: Random, most: int = 2) -> str:
    return _text(chance, most).replace("\n", " ")


def _heading(chance: Random) -> str:
    space = chance.choice((" ", " ", ""))
    return "#" * chance.randint(1, 6) + space + _line(chance) + chance.choice(("", " #", "#"))


def _underlined(chance: Random) -> str:
    return f"{_text(chance, 2)}\n{chance.choice(('---', '==='))}"


def _fence(chance: Random) -> str:
    fence = chance.choice(("```", "````", "~~~"))
    lines = [chance.choice(CODE) for _ in range(chance.randint(0, 4))]
    closing = fence if chance.random() < 0.9 else ""
    return "\n".join([fence + chance.choice(INFOS), *lines, closing])


def _indented(chance: Random) -> str:
    return _behind(_text(chance, 2), "    ", "    ", chance)


def _rule(chance: Random) -> str:
    return chance.choice(("---", "***", "___", "- - -"))


def _formula(chance: Random) -> str:
    gap = chance.choice(("", "\n"))
    if chance.random() < 0.3:
        name = chance.choice(("align", "pmatrix", "dcases", "unknown"))
        return f"\\begin{{{name}}}{gap}{chance.choice(FORMULAS)}{gap}\\end{{{name}}}"
    if chance.random() < 0.2:
        return f"\\\\[{gap}{chance.choice(FORMULAS)}{gap}\\\\]"
    return f"$${gap}{chance.choice(FORMULAS)}{gap}$$"


def _table(chance: Random) -> str:
    columns = chance.randint(1, 3)

    def row() -> str:
        return f"| {' | '.join(_line(chance, 1) for _ in range(columns))} |"

    def odd_row() -> str:
        return f"{row()} {chance.choice(TRICKY)} |" if chance.random() < 0.15 else row()

    delimiters = "|".join(chance.choice(("---", ":-:", "-:", ":--")) for _ in range(columns))
    return "\n".join([row(), f"|{delimiters}|", *(odd_row() for _ in range(chance.randint(0, 3)))])


def _definition(chance: Random) -> str:
    return chance.choice(
        (
            *('[r]: http://ref.x "t"', "[r]: javascript:x", "[q *s*]: <http://q.x>", "[//]: # (c)"),
            *("[a]: http://a.x\n[A]: http://b.x", f"[^1]: {_text(chance, 2)}"),
        )
    )


def _as_models_write(chance: Random) -> str:
    """What CommonMark reads in another way than it is meant."""
    word, code = chance.choice(PLAIN), chance.choice(CODE)
    line = _line(chance)
    return chance.choice(
        (
            f"> [!{chance.choice(('NOTE', 'tip', 'OTHER'))}] {chance.choice(('', line))}\n> {line}",
            f"```py\n{code}\n``` And then {line}",
            f"Here is {word}: ```python\n{code}\n```",
            f"```py\n{code}```\n",
            f"````md\n```py\n{code}\n```\n{line}\n````",
            f"```markdown\n# {word}\n```js\n{code}\n```\n{line}\n```",
            f"```mermaid\ngraph TD\n  A[{word}]-->B\n```",
            f"```mermaid\ngraph TD\n  A-->B[{line}]\n```",
            f"שלום {line}\n{line}",
            f"> مرحبا {line}\n\n{line}",
            f"- \u200f{line}\n\n  אב {line}",
            f"\ufeff# {word}",
            f"-       {line}",
            "- " * chance.randint(8, 14) + line,
            "> " * chance.randint(8, 24) + line,
            "1. " * chance.randint(8, 14) + line,
            f"> - > 1. {line}\n> - > {line}",
        )
    )


def _html(chance: Random) -> str:
    return f"<div>\n{_text(chance, 2)}\n</div>"


def _quote(chance: Random, depth: int) -> str:
    return _behind(_blocks(chance, 2, depth + 1), "> ", "> ", chance)


def _list(chance: Random, depth: int) -> str:
    is_ordered = chance.random() < 0.4
    start = chance.choice((1, 1, 1, 3, 9, 99))
    mark = chance.choice(".)" if is_ordered else "-*+")
    items: list[str] = []
    for number in range(start, start + chance.randint(1, 3)):
        marker = f"{number}{mark} " if is_ordered else f"{mark} "
        box = chance.choice(("[ ] ", "[x] ")) if chance.random() < 0.15 else ""
        content = _blocks(chance, chance.choice((1, 1, 2)), depth + 1)
        if chance.random() < 0.1:
            content = ""
        items.append(_behind(box + content, marker, " " * len(marker), chance))
    return chance.choice(("\n", "\n", "\n\n")).join(items)


def _behind(text: str, first: str, rest: str, chance: Random) -> str:
    lines = text.split("\n")
    return "\n".join([first + lines[0], *(_prefixed(line, rest, chance) for line in lines[1:])])


def _prefixed(line: str, prefix: str, chance: Random) -> str:
    return prefix + line if line or chance.random() < 0.5 else prefix.rstrip()
