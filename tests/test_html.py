"""Markdown to HTML: what it looks like, and what never gets in."""

from __future__ import annotations

import json
import time
from html.parser import HTMLParser

import pytest

from nbstream.data_images import is_data_image
from nbstream.render.extract import code_blocks
from nbstream.render.html import parser, render, sanitize
from nbstream.render.links import image_host, is_safe_link
from nbstream.render.patches import Document
from nbstream.render.style import RenderStyle

ALLOWED = {
    "a": {"href", "title", "target", "rel"},
    "code": {"class"},
    "blockquote": {"dir"},
    "div": {"class", "dir"},
    "img": {"src", "alt", "title"},
    "input": {"class", "disabled", "type", "checked"},
    "li": {"class"},
    "ol": {"start", "dir"},
    "p": {"dir"},
    "span": {"class"},
    "sup": {"class"},
    "td": {"class"},
    "th": {"class"},
    "ul": {"dir"},
    **{f"h{level}": {"dir"} for level in range(1, 7)},
}
_TAGS = "br em hr kbd mark pre s strong sub u table tbody thead tr"
PLAIN = frozenset(_TAGS.split())


class Elements(HTMLParser):
    """All elements of a text of HTML, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_decl(self, decl):
        raise AssertionError(decl)

    def handle_comment(self, data):
        raise AssertionError(data)


def assert_harmless(html: str) -> None:
    """Nothing but what our renderer writes, and no address but of the schemes we allow."""
    for tag, attributes in Elements(html).found:
        assert tag in PLAIN or attributes.keys() <= ALLOWED[tag], (tag, attributes)
        assert tag in ALLOWED or not attributes, (tag, attributes)
        source = attributes.get("src") or ""
        assert tag != "img" or is_data_image(source) or image_host(source) == "allowed.example"
        assert tag != "a" or is_safe_link(attributes.get("href") or "#"), attributes


# -- what it looks like ----------------------------------------------------------
# ruff: noqa: E501 - HTML reads best in one line


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# a *b*", "<h1>a <em>b</em></h1>"),
        ("a\nb\\\nc", "<p>a<br>\nb<br>\nc</p>"),
        ("- a\n- b\n  - c", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>"),
        ("3. a\n\n4. b", '<ol start="3"><li><p>a</p></li><li><p>b</p></li></ol>'),
        ("~~a~~ ~b~", "<p><s>a</s> ~b~</p>"),
        ("<b>a</b>", "<p>&lt;b&gt;a&lt;/b&gt;</p>"),
        (
            "- [x] a",
            '<ul><li class="task-list-item"><input class="task-list-item-checkbox" disabled="" type="checkbox" checked=""> a</li></ul>',
        ),
        (
            "|a|b|c|\n|:-|:-:|-:|\n|1|2|3|",
            '<div class="nbs-table"><table><thead><tr><th class="nbs-l">a</th><th class="nbs-c">b</th><th class="nbs-r">c</th></tr></thead><tbody><tr><td class="nbs-l">1</td><td class="nbs-c">2</td><td class="nbs-r">3</td></tr></tbody></table></div>',
        ),
        (
            "```python\nx = 1\n```",
            '<div class="nbs-code highlight"><pre><code class="language-python">x <span class="o">=</span> <span class="mi">1</span>\n</code></pre></div>',
        ),
        (
            "``` no-such x\n<x>\n```",
            '<div class="nbs-code highlight"><p>no-such x</p><pre><code class="language-no-such">&lt;x&gt;\n</code></pre></div>',
        ),
        ("    a", '<div class="nbs-code highlight"><pre><code>a\n</code></pre></div>'),
        (
            "a[^1] [^2]\n\n[^1]: b\n\n    c",
            '<p>a<sup class="nbs-ref">1</sup> [^2]</p><div class="nbs-note"><sup>1</sup><p>b</p><p>c</p></div>',
        ),
    ],
)
def test_blocks_and_their_markup(markdown, html):
    assert render(markdown) == html


@pytest.mark.parametrize(
    ("text", "link", "rest"),
    [
        ("https://a.b/c", "https://a.b/c", ""),
        ("https://a.b/c.", "https://a.b/c", "."),
        ("https://a.b/__init__.py!?", "https://a.b/__init__.py", "!?"),
        ("https://a.b/c_(d)", "https://a.b/c_(d)", ""),
        ("https://a.b/c))", "https://a.b/c", "))"),
        ("https://a.b/c。次", "https://a.b/c", "。次"),
        ("HTTP://A.b", "HTTP://A.b", ""),
        ("https://a.b—it’s", "https://a.b", "—it’s"),
        ("https://a.b/c”d", "https://a.b/c", "”d"),
        ("https://a.b/c–d", "https://a.b/c%E2%80%93d", ""),
        ("www.a.b/c_(d)_e.", "http://www.a.b/c_(d)_e", "."),
        ("(www.a.b)", "http://www.a.b", ")"),
        ("a_b.c+d@e.f-g.h.", "mailto:a_b.c+d@e.f-g.h", "."),
    ],
)
def test_bare_addresses_are_links(text, link, rest):
    html = render(text)
    assert f'href="{link}"' in html
    assert html.endswith(f"</a>{rest}</p>")


@pytest.mark.parametrize(
    "text",
    [
        "xhttps://a.b",
        "https://",
        "`https://a.b`",
        "ftp://a.b",
        "javascript://a.b",
        "a:b",
        "https:/a",
        "http://a:b/",
        "http://;URL=javascript:alert(1)",
        "xwww.a.b",
        "`a`www.a.b",
        "www.",
        "react@18.2.0",
        "a@b",
        "a@b.c-",
        "a@@b.c",
        "a\\@b.c",
    ],
)
def test_other_text_is_no_link(text):
    assert "<a" not in render(text)


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**א** a", '<p dir="rtl"><strong>א</strong> a</p>'),
        ("a א", "<p>a א</p>"),
        ("1 - א", '<p dir="rtl">1 - א</p>'),
        ("# ع", '<h1 dir="rtl">ع</h1>'),
        ("- א\n- b", '<ul dir="rtl"><li>א</li><li>b</li></ul>'),
        ("- 1\n- א", "<ul><li>1</li><li>א</li></ul>"),
        ("2. א", '<ol dir="rtl" start="2"><li>א</li></ol>'),
        ("> א", '<blockquote dir="rtl"><p dir="rtl">א</p></blockquote>'),
        ("```\nא\n```", '<div class="nbs-code highlight"><pre><code>א\n</code></pre></div>'),
    ],
)
def test_blocks_that_begin_from_right_to_left(markdown, html):
    assert render(markdown) == html


@pytest.mark.parametrize("text", ["https://a.b", "www.a.b", "a@b.c"])
def test_an_address_in_a_link_is_no_second_link(text):
    assert render(f"[{text}](https://c.d)").count("<a ") == 1


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("$x$ and \\(y\\)", ["$x$", "\\(y\\)"]),
        ("$$x$$ and \\[y\\]", ["$$x$$", "\\[y\\]"]),
        ("$$\nx\n= y\n$$", ["$$x\n= y$$"]),
        ("text\n\\[\nx\n\\]\ntext", ["\\[x\\]"]),
        ("設$x$為 $2x + 1$, $-1$.", ["$x$", "$2x + 1$", "$-1$"]),
        ("the $n$th, $2^i$s, $x_1$st and $k$-th", ["$n$", "$2^i$", "$x_1$", "$k$"]),
        ("$5 and $6", []),
        ("costs $5 or $6, US$5 to US$6, $5s or $6s, $5/$6", []),
        ("$HOME/$USER, $a:$status, $n$thing", []),
        ("$5 or 10$, US$5 and A$6", []),
        ("$5/month, $6/year ($7)", []),
        ("costs 5$ and 6$", []),
        ("$HOME:$PATH $ x $", []),
        ("`$x$` \\$x$", []),
        ("$$\nx\n\ny\n$$", []),
    ],
)
def test_formulas_are_not_prices(text, formulas):
    html = render(text)
    assert html.count("nbs-math") == len(formulas)
    for formula in formulas:
        assert f">{formula}<" in html


@pytest.mark.parametrize("tex", ["\\href{javascript:alert(1)}{x}", "\\require{x}", "\\style{x}{y}"])
def test_a_formula_that_could_do_harm_is_shown_as_code(tex):
    for markdown in (f"${tex}$", f"\\({tex}\\)", f"$$\n{tex}\n$$", f"- \\[{tex}\\]"):
        html = render(markdown)
        assert "nbs-math" not in html
        assert f"{tex}</" in html


def test_code_is_highlighted_up_to_a_size():
    assert "<span" in render("```python\n" + "x = 1\n" * 3_000 + "```")
    assert "<span" not in render("```python\n" + "x = 1\n" * 4_000 + "```")


def test_extracting_sees_what_is_shown():
    assert [block.text for block in code_blocks("$$\n```\n$$\n\n```py\na\n```\n")] == ["a\n"]


# -- what never gets in ----------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *(
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///x",
        ),
        *("//host/x", "/x", "x", "x.html", "?x", "http:x", "http:/x", "https:\\\\x", "http:///x"),
        *(
            "blob:x",
            "ftp://x",
            "\x01javascript:x",
            "java\tscript:x",
            "&#106;avascript:x",
            "http://",
            "http://;URL=javascript:x",
            "http://a:99999/",
            "https://%00/",
            "http://1.2.3.4.5",
            "http://xn--/",
        ),
    ],
)
def test_a_link_that_leads_elsewhere_is_text(url):
    for markdown in (
        f"[a]({url})",
        f"[a](<{url}>)",
        f"![a]({url})",
        f"<{url}>",
        f"[a]\n\n[a]: {url}",
    ):
        html = render(markdown)
        assert "<a" not in html
        assert "<img" not in html


@pytest.mark.parametrize("url", ["http://a.b", "HTTPS://a.b/c?d#e", "mailto:a@b.c", "#here"])
def test_a_link_of_these_schemes_is_a_link(url):
    assert render(f"[a]({url})").startswith('<p><a href="')


def test_a_link_that_the_parser_lets_through_keeps_its_address():
    hosts = [
        "a.b",
        "A.b",
        "a_b",
        "-a.b",
        "日本.jp",
        "127.0.0.1",
        "[::1]",
        "u@h.c",
        "a.b:80",
        ";x",
        "*",
        "a..b",
        "0x7f.1",
        "%41.b",
        "a%00",
        "[x",
        "^",
        "a|b",
    ]
    links = [token for host in hosts for token in _links(parser().parse(f"[a](<http://{host}/>)"))]
    assert 10 < len(links) < len(hosts)
    for token in links:
        assert "href" in sanitize(f'<a href="{token.attrs["href"]}">')


def _links(tokens):
    return [
        child for block in tokens for child in block.children or () if child.type == "link_open"
    ]


def test_images_are_links_unless_their_host_is_allowed():
    hosts = frozenset({"allowed.example"})
    image = "![a *b*](https://allowed.example/c.png 'd')"
    assert render(image, RenderStyle(hosts)) == (
        '<p><img src="https://allowed.example/c.png" alt="a b" title="d"></p>'
    )
    for other in ("https://other.example/c", "https://allowed.example.other.example/c"):
        assert "<img" not in render(f"![a]({other})", RenderStyle(hosts))
    assert render(image) == (
        '<p><a href="https://allowed.example/c.png" title="d" target="_blank" '
        'rel="noopener noreferrer">a b</a></p>'
    )
    linked = render("[![a](https://x.example/y)](https://z.example)")
    assert linked.count("<a ") == 1
    assert 'href="https://z.example"' in linked


def test_the_second_wall_stops_what_the_parser_would_let_through():
    hostile = (
        '<p id="a" class="b" style="c" onclick="d" data-e="f">x</p><script>y</script>'
        '<a href="javascript:z" name="n">l</a><img src="data:x" onerror="y">'
        '<div class="jp-Dialog">m</div><iframe src="https://x"></iframe><math></math><svg></svg>'
    )
    assert sanitize(hostile) == "<p>x</p><a>l</a><img><div>m</div>"
    assert sanitize("<tr><td style='a'>b</td></tr>", rows=True) == "<tr><td>b</td></tr>"


def test_payloads_in_every_construct(shared):
    payloads = [case["payload"] for case in json.loads((shared / "xss/payloads.json").read_bytes())]
    constructs = [
        *("{}", "# {}", "- {}", "> {}", "**{}**", "`{}`", "```{}\n{}\n```", "|{}|\n|-|\n|{}|"),
        *("[{}](https://a.b)", "[a]({})", "![a]({})", "![{}](https://allowed.example/a '{}')"),
        *(
            "<{}>",
            "[a]\n\n[a]: {}",
            "[a]\n\n[a]: https://b.c '{}'",
            "${}$",
            "\\({}\\)",
            "$$\n{}\n$$",
        ),
        *("[^{}]\n\n[^{}]: {}", "https://a.b/{}", "- [x] {}"),
    ]
    for payload in payloads:
        for construct in constructs:
            html = render(
                construct.replace("{}", payload),
                RenderStyle(image_hosts=frozenset({"allowed.example"})),
            )
            assert_harmless(html)
    print(f"{len(payloads)} payloads in {len(constructs)} constructs")


def test_any_text_renders():
    for text in (
        "\ud800",
        "\0",
        "\x1b[31m",
        "\u202e",
        "[" * 5_000,
        "> " * 500,
        "*" * 5_000,
        "- " * 500,
    ):
        assert_harmless(render(text))


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "![",
        "[^",
        "[[a]",
        "[a](",
        "://",
        "\\[\n",
        "$$\n$a\n",
        "\\(",
        "`a``",
        "*a **b ",
        "> [a\n",
    ],
)
def test_time_grows_with_the_text_and_not_with_its_square(piece):
    def seconds(size: int) -> float:
        text = (piece * size)[:size]
        start = time.process_time()
        document = Document()
        document.feed(text)
        document.patch()
        document.close()
        return time.process_time() - start

    render(piece)
    short = min(seconds(4_000) for _ in range(3))
    assert seconds(32_000) < 24 * short + 0.05  # 8 times the text
