"""What stands inside a block: links, tags, images, paths, signs, diagrams and directions."""
# ruff: noqa: E501 - HTML reads best in one line

from __future__ import annotations

from random import Random

import pytest
from diagrams import HARMLESS, HOSTILE, TOO_LARGE, fence

from nbstream.data_images import without_data_images
from nbstream.messages import Message
from nbstream.render.diagrams import DiagramBudget
from nbstream.render.extract import code_blocks
from nbstream.render.eye import completed
from nbstream.render.html import render
from nbstream.render.invisible import VisibleReader, invisible_characters, visible
from nbstream.render.patches import Document
from nbstream.render.safe_markdown import safe_markdown
from nbstream.render.style import RenderStyle
from nbstream.request_messages import Recipient, request_messages

PNG = "data:image/png;base64,iVBORw0KGgo="


def shown(markdown: str) -> str:
    """What `markdown` looks like, without the element of its paragraph and the links' targets."""
    html = render(markdown).removeprefix("<p>").removesuffix("</p>")
    return html.replace(' target="_blank" rel="noopener noreferrer"', "")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("https://e.example继续", '<a href="https://e.example">https://e.example</a>继续'),
        ("www.e.example続き", '<a href="http://www.e.example">www.e.example</a>続き'),
        ("http://localhost:80다", '<a href="http://localhost:80">http://localhost:80</a>다'),
        ("https://e.exampleпривет", '<a href="https://e.example">https://e.example</a>привет'),
        (
            "https://www.bücher.example/x",
            '<a href="https://www.xn--bcher-kva.example/x">https://www.bücher.example/x</a>',
        ),
        ("<https://xn--80ak6aa92e.com>",) * 2,
        ("https://xn--80ak6aa92e.com",) * 2,
        ("https://аpple.com", '<a href="https://xn--pple-43d.com">https://аpple.com (xn--pple-43d.com)</a>'),
        ("[https://a.b](https://c.d/e)", '<a href="https://c.d/e">https://a.b (c.d)</a>'),
        ("[see **www.a.b**](https://c.d)", '<a href="https://c.d">see <strong>www.a.b</strong> (c.d)</a>'),
        ("[www.a.b](https://a.b/c)", '<a href="https://a.b/c">www.a.b</a>'),
        ("[node.js](https://c.d)", '<a href="https://c.d">node.js</a>'),
        ("https://a.b@c.d", '<a href="https://a.b@c.d">https://a.b@c.d (c.d)</a>'),
        ("[a](https://x.y/a b (c).pdf)", '<a href="https://x.y/a%20b%20(c).pdf">a</a>'),
        ('[a](https://x.y/a b "t")', '<a href="https://x.y/a%20b" title="t">a</a>'),
        ("[a](./b) [c](sandbox:/d)", "[a](./b) [c](sandbox:/d)"),
        ("[a](./b c)", "[a](./b c)"),
    ],
)  # fmt: skip
def test_addresses(text, html):
    if text == html and "xn--" in text:
        address = text.strip("<>")
        html = f'<a href="{address}">{address}</a>'
    assert shown(text) == html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("H<sub>2</sub>O <KBD>**x**</KBD>", "H<sub>2</sub>O <kbd><strong>x</strong></kbd>"),
        ("<u>a", "&lt;u&gt;a"),
        ("a</u>", "a&lt;/u&gt;"),
        ("*a <u>b* c</u>", "<em>a &lt;u&gt;b</em> c&lt;/u&gt;"),
        ("<u>a <mark>b</u> c</mark>", "<u>a &lt;mark&gt;b</u> c&lt;/mark&gt;"),
        ('<u class="x">a</u>', '&lt;u class="x"&gt;a&lt;/u&gt;'.replace('"', "&quot;")),
        ("<details>a</details>", "&lt;details&gt;a&lt;/details&gt;"),
        ("`<u>`a</u>", "<code>&lt;u&gt;</code>a&lt;/u&gt;"),
    ],
)
def test_harmless_tags(text, html):
    assert shown(text).replace('"', "&quot;") == html.replace('"', "&quot;")


def test_harmless_tags_nest_eight_deep():
    for depth in (3, 8, 9, 500):
        html = render("<u>" * depth + "x" + "</u>" * depth)
        assert html.count("<u>") == html.count("</u>") == min(depth, 8)


def test_an_open_tag_looks_like_what_it_is_about_to_become():
    assert completed("H<sub>2") == "H<sub>2</sub>"
    assert completed("H<su") == completed("H</ma") == "H"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("C:\\x\\.config", "C:\\x\\.config"),
        ("C:\\_build C:\\logs\\*.txt", "C:\\_build C:\\logs\\*.txt"),
        ("\\\\server\\share\\*.log", "\\\\server\\share\\*.log"),
        ("\\\\server a:\\*b\\*", "\\server a:*b*"),
        ("**C:\\.x**", "<strong>C:\\.x</strong>"),
        ("..\\.x ~\\.x %A%\\.x", "..\\.x ~\\.x %A%\\.x"),
        ("\\\\server\\share", "\\\\server\\share"),
        ("^\\d+\\.\\d+\\-x", "^\\d+\\.\\d+\\-x"),
        (".*\\.py \\.py$", ".*\\.py \\.py$"),
        ("1\\. a\\!", "1. a!"),
        ("\\*a\\* \\_b \\#c \\$5", "*a* _b #c $5"),
        ("C:\\\\Users", "C:\\Users"),
    ],
)
def test_backslashes(text, html):
    assert shown(text) == html


def test_an_image_in_a_text_is_the_image():
    assert shown(f"![a]({PNG} 't')") == f'<img src="{PNG}" alt="a" title="t">'
    assert safe_markdown(f"![a]({PNG})").count("base64") == 1
    for kind in ("svg+xml", "bmp", "png;x"):
        assert shown(f"![a](data:image/{kind};base64,AAAA)").startswith("[a: image of")
    assert "<a" not in shown(f"[a]({PNG})")


@pytest.mark.parametrize("before", ["![a](", "[a](", '<img src="', "[a]: ", ""])
def test_nobody_reads_300_kilobytes(before):
    text = f"{before}data:image/png;base64,{'A' * 300_000}"
    document = Document()
    sent = 0
    for start in range(0, len(text), 3_000):
        document.feed(text[start : start + 3_000])
        sent += len(str(document.patch()))
    assert sent < 20_000
    assert len(str(document.close())) < 2_000
    assert len(safe_markdown(text)) < 200


def test_an_image_goes_back_to_the_model_as_a_note():
    message = Message(role="assistant", content=f"a ![b]({PNG}) c")
    (sent,) = request_messages([message], Recipient())
    assert sent["content"] == "a (Here stood an image: b, 25 bytes.) c"
    assert PNG in message.content
    assert without_data_images(PNG) == PNG


def test_signs_that_nobody_sees():
    assert visible("a\u202eb\u200bc\u2066\U000e0041") == "a⟨U+202E⟩b⟨U+200B⟩c⟨U+2066⟩⟨U+E0041⟩"
    assert visible("\x1b[1;31mred\x1b[0m") == "red"
    for kept in ("👨\u200d👩\u200d👧", "❤\ufe0f", "می\u200cخواهم", "שלום\u200f!", "क्\u200dष"):
        assert visible(kept) == kept
    assert visible("\ufeff# a\n \u200b- b") == "# a\n - b"
    assert visible("⟨U+202E⟩ ⟨a⟩") == "⟨U+27E8⟩U+202E⟩ ⟨a⟩"
    assert invisible_characters("a\u202eb\u200bc\u200b") == ["U+202E", "U+200B"]
    for markdown in ("a\u202eb", "`a\u202eb`", "```\na\u202eb\n```", "a&#x202e;b"):
        assert "a⟨U+202E⟩b" in render(markdown)
        assert "\u202e" not in safe_markdown(markdown)
    assert code_blocks("```\na\u202eb\n```")[0].text == "a\u202eb\n"


def test_signs_in_pieces():
    pieces = [
        "\u200b",
        "\n",
        " ",
        "#",
        "\x1b",
        "[",
        "3",
        "m",
        "⟨",
        "U",
        "+",
        "\u200d",
        "👧",
        "\u200f",
    ]
    pieces += ["🏴", "\U000e0067", "\U000e007f", "\ufe0f", "ש", "a", "\ufeff"]
    for seed in range(3_000):
        chance = Random(seed)
        text = "".join(chance.choices(pieces, k=12))
        reader = VisibleReader()
        read = [reader.read(char) for char in text]
        assert "".join([*read, reader.read("", final=True)]) == visible(text)


def test_right_to_left_paragraphs_stand_at_the_right_when_they_are_saved():
    right = '<p dir="rtl" style="text-align:right">'
    assert f"{right}אב <strong>c</strong></p>" in safe_markdown("אב **c**")
    assert f"> {right}אב</p>" in safe_markdown("> a\n>\n> אב")
    assert "<p" not in safe_markdown('<p style="color:red">אב</p>').replace(right, "")


@pytest.mark.parametrize("code", HARMLESS)
def test_diagrams_that_only_draw_keep_their_language(code):
    assert safe_markdown(fence(code)) == fence(code)
    as_code = safe_markdown(fence(code), RenderStyle(diagrams=False))
    assert as_code == fence(code).replace("```mermaid", "```")


@pytest.mark.parametrize("code", [*HOSTILE, *TOO_LARGE])
def test_other_diagrams_are_code(code):
    written = safe_markdown(fence(code))
    assert "mermaid" not in written
    assert written.startswith("```\n")


def test_no_words_join_where_nbconvert_leaves_out_a_line_break():
    written = safe_markdown(fence('graph TD\n A["one<br>two  <BR />three"]'))
    assert written == fence('graph TD\n A["one <br/>two <br/>three"]')


@pytest.mark.parametrize("sign", "\r\x0b\x1c\x85\xa0\u2028\u3000\ufeff\0")
def test_no_diagram_holds_what_mermaid_reads_as_another_space(sign):
    assert DiagramBudget(is_allowed=True).may_draw("graph TD\n A")
    assert not DiagramBudget(is_allowed=True).may_draw(f"graph TD\n{sign}A")


def test_the_diagrams_of_a_text_are_bounded_together():
    code = "graph TD\n" + "\n".join(f"A{i} --> A{i + 1}" for i in range(40))
    for markdown in ("\n\n".join([fence(code)] * 20), f"{fence(code)}\n" * 20):
        assert safe_markdown(markdown).count("```mermaid") == 4
