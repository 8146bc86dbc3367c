"""Texts that grow, and a page that shows them, for the tests of the renderer."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator

from hypothesis import strategies as st
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token

from nbstream.render.blocks import Blocks
from nbstream.render.html import parser
from nbstream.render.style import RenderStyle

ATOMS = [
    *(
        "# ",
        "## ",
        "- ",
        "* ",
        "+ ",
        "1. ",
        "2) ",
        "10. ",
        "> ",
        "\n> ",
        "\n>\n> ",
        ">",
        "-",
        "=",
        "===",
        "---",
        "***",
    ),
    *("```", "```py\n", "~~~", "``", "`", "|", "a|b", "|-|-|\n", "--|--", "|a|", ":-:", "    code"),
    *("\n", "\n", "\n", "\n\n", "\n\n", " ", "  ", "    ", "\t", "\r\n", "\r", "\0"),
    *("[a]", "[a]: http://x.y", "[b]: <u>", '[a]: https://u.v "t"', '"t', "'", "[^1]", "[^1]:"),
    *(
        "[^n]: x",
        "$$",
        "$",
        "\\[",
        "\\]",
        "\\(",
        "\\)",
        "\\\\[",
        "\\\\]",
        "\\begin{align}",
        "\\end{align}",
        "**",
        "*",
        "_",
        "__",
        "~~",
        "[x](http://y.z)",
    ),
    *(
        "![i](http://a.b/c)",
        "<b>",
        "</b>",
        "&amp;",
        "foo",
        "bar baz",
        "x",
        "é",
        "שלום ",
        "😀",
        "https://a.b/c",
        "www.a.b",
        "a@b.c",
    ),
    *("``` And then that\n", "x```\n", "Here: ```py\n", "```md\n", "> [!NOTE]\n", "|`a|b`|c|d|\n"),
    *("\ufeff", "-       "),
    *("<sub>", "</sub>", "<KBD>", "</kbd>", "<u>", "</u>", "x<sup>2</sup>", "https://a.example继"),
    *(
        "[https://a.b](https://c.d)",
        "[x](https://y.z/a b)",
        "C:\\x\\.y ",
        "\\d\\.",
        "[x](https://y z",
    ),
    *("![i](data:image/png;base64,iVBORw0KGgo=)", "![i](data:image/gif;base64,R0", "&#x202e;"),
    *(
        "[](https://a.b)",
        "[<http://a.b>](http://c.d)",
        "[//]: # (c)\n",
        "[A]: http://q.x\n",
        "[c]: <v",
    ),
    *(
        "```py t=w\n",
        "```a/b.py\n",
        "~~~md\n",
        "```mermaid\ngraph TD\n",
        "<br>",
        "a\\\nb",
        "> > > - 1. ",
    ),
    *("$1 - q$ ", "\u200b", "\x1b[1m", "한(a)"),
    *("- [ ] ", "- [x] a", "[", "]", "(", ")", "!", ":", ";", "\\", "."),
]

#: What may stand in a paragraph: closed, open, and what makes another block of it.
WORDS = [
    *(
        "a",
        "bc ",
        "d e",
        "foo bar ",
        "word ",
        "x",
        "é ",
        "重 ",
        "שלום ",
        "{",
        "=",
        "snake_case ",
        "<b> ",
    ),
    *("*a* ", "**b c** ", "~~s~~", "(*i*)", "_u_ ", "`x y` ", "[z](https://y.z/q_r) ", "[0] "),
    *("$5 ", "$x$ ", "a@b.c ", "www.a.b ", "https://a.b/*c d* ", "(https://a.b/$c d$ ", "a < b "),
    *("`", "``", "*", "**", "[", "]", "$", "_", "~", "](", "!", "<", ">", "\\", "\\* ", "&amp; "),
    *(" ", " ", "  \n", "\\\n", "\n", "\n", "\t", "\xa0", "\u3000", " | ", "|-|\n", "\n\n"),
    *("-", "===", "---", "#", "***", " *** ", " * ", "1. ", "2. ", "http://1.2.3.4.5/_a "),
    *("$$ ", "\\(", "\\)", "\\[", "\\]", "[a]: https://x.y"),
    *(
        "\\\\(",
        "\\\\) ",
        "\\begin{cases}",
        "\\end{cases}",
        "$ ",
        " $ ",
        "$1 - q$ ",
        "$x_1 + \\pi$ ",
    ),
    *("$a \\text{b} $", "$x_1 + \\pi$ ", "3", "and ", "^", "\\d"),
    *(
        "<sub>",
        "</sub>",
        "<u> ",
        "</u>",
        "H<sub>2</sub>O ",
        "<kbd>a b</kbd> ",
        "C:\\x\\.y ",
        "\\w\\. ",
    ),
    *(
        "https://a.example继 ",
        "[https://a.b](https://c.d) ",
        "[x](https://y.z/a b) ",
        "[x](https://y z",
    ),
    *("![i](data:image/png;base64,iVBORw0KGgo=) ", "![i](data:image/gif;base64,R0", "&#x202e; "),
]

#: Documents of a few atoms, many times over, so that the same construct meets itself.
documents = st.lists(st.sampled_from(ATOMS), min_size=2, max_size=12).flatmap(
    lambda atoms: st.lists(st.sampled_from([*atoms, "\n"]), max_size=40).map("".join)
)


def random_document(seed: int) -> str:
    """A document of the same kind, the same for the same seed."""
    chance = random.Random(seed)
    atoms = [*chance.sample(ATOMS, chance.choice([4, 8, 20, len(ATOMS)])), "\n"]
    return "".join(chance.choice(atoms) for _ in range(chance.choice([10, 20, 40, 90])))


def random_paragraph(seed: int) -> str:
    """A text that begins with a paragraph, often in a quote, the same for the same seed."""
    chance = random.Random(seed)
    words = chance.sample(WORDS, chance.choice([4, 8, 20, len(WORDS)]))
    words += ["a ", "b\n", "word "] * chance.choice([0, 1, 4])
    text = "".join(chance.choice(words) for _ in range(chance.choice([10, 20, 40, 80])))
    if seed % 3 == 0:
        return f"> {text}".replace("\n", chance.choice(["\n> ", "\n>", "\n"]))
    return text if seed % 3 == 1 else f"Word {text}"


def prefixes(text: str, sizes: Iterable[int] = itertools.repeat(1)) -> Iterator[tuple[str, str]]:
    """Each next piece of `text`, of these sizes, and all of it so far."""
    start = 0
    for size in sizes:
        if start >= len(text):
            return
        yield text[start : start + size], text[: start + size]
        start += size


def sizes(seed: int) -> Iterator[int]:
    """Small sizes for pieces, the same for the same seed."""
    chance = random.Random(seed)
    return (chance.randint(1, 9) for _ in itertools.count())


class HtmlPage:
    """A page that is its HTML, as the parser renders it."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.open: list[str] | None = None  # the opening, the children, the closing
        self.tails = ("", "")
        self.waiting = ""
        self.calls: list[str] = []

    def seal(self, html: str, code: list[Token]) -> None:
        self.calls.append("seal")
        assert self.open is None
        self.blocks.append(html)

    def enter(self, opening: str, closing: str, *, rows: bool = False, language: str = "") -> None:
        self.calls.append("enter")
        assert self.open is None
        self.open = [opening, "", closing]

    def add(self, html: str, count: int) -> None:
        self.calls.append("add")
        assert self.open
        self.open[1] += html

    def add_text(self, html: str) -> None:
        self.calls.append("add_text")
        assert self.open
        self.open[1] += html

    def reopen(self) -> None:
        self.calls.append("reopen")
        assert self.open
        self.open = None

    def write(self, text: str) -> None:
        self.calls.append("write")
        assert self.open
        self.open[1] += escapeHtml(text)

    def leave(self, code: list[Token]) -> None:
        self.calls.append("leave")
        assert self.open
        self.blocks.append("".join(self.open))
        self.open = None

    def refill(self, opening: str, html: str) -> None:
        self.calls.append("refill")
        assert self.open
        self.open[:2] = opening, html

    def replace(self, index: int, html: str) -> None:
        self.calls.append("replace")
        assert self.blocks[index] != html
        self.blocks[index] = html

    def tail(self, html: str, after: str) -> None:
        self.tails = html, after
        self.waiting = ""

    def append(self, text: str) -> None:
        self.waiting += text

    @property
    def html(self) -> str:
        opening, children, closing = self.open or ("", "", "")
        inside, after = self.tails
        return "".join([*self.blocks, opening, children, inside, closing, after])


def whole(text: str, *, is_ended: bool = True) -> str:
    """What the parser makes of all of `text`, which goes on if it is not `is_ended`."""
    html: str = parser().render(text, {"style": RenderStyle(is_part=not is_ended)})
    return html


def assert_exact(
    text: str, pieces: Iterable[int] = itertools.repeat(1), **options: object
) -> list[str]:
    """At each moment, the page shows what the parser makes of the text so far.

    Returns the names of what the page was told.
    """
    page = HtmlPage()
    blocks = Blocks(page, lazy_at=float("inf"), **options)
    for piece, prefix in prefixes(text, pieces):
        blocks.advance(piece)
        # A carriage return may be half of a line end, so it waits for what follows.
        assert page.html == whole(prefix.removesuffix("\r"), is_ended=False), prefix
    blocks.advance("", final=True)
    assert page.html == whole(text), text
    assert page.open is None
    assert page.tails == ("", "")
    return page.calls
