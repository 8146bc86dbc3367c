"""Safe markdown gives, with HTML allowed, what our renderer gives without."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from random import Random

import pytest
import spec
from bs4 import BeautifulSoup
from growing import documents
from harmless import assert_harmless
from hypothesis import given, settings
from hypothesis import strategies as st
from long import LONG
from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.utils import read_fixture_file
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from nested_documents import nested_document
from normal_html import normal_html

from nbstream.render.html import make_parser, parser
from nbstream.render.safe_markdown import safe_markdown
from nbstream.render.safe_text import clean
from nbstream.render.style import RenderStyle

FOLDER = Path(__file__).parent
CASES = read_fixture_file(FOLDER / "safe_markdown.txt")

#: Our own parser, but with HTML allowed.
PERMISSIVE = make_parser().enable(["html_block", "html_inline"])
PERMISSIVE.options["html"] = True
PERMISSIVE.inline.__class__ = ParserInline  # and with everybody's idea of emphasis
PERMISSIVE.disable(
    ["backslash", "regex_backslash", "link_hosts"]
)  # and with CommonMark's escapes, as all others
#: What else there is: markdown-it as others set it up.
PLAIN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

# Nothing but these is left to a JavaScript parser, or to MathJax, to find.
_FORMULA = re.compile(r"\$\$[^$]+\$\$|\$[^$]+\$")
_TAKEN_FOR_MATH = re.compile(r"\$|@@\d|\\begin\{|\\end\{|\\\\[()\[\]]")
_TYPESET = re.compile(r"\$\$[^$]+\$\$|\$[^$]+\$|\\\(|\\\[|\\begin\s*\{|\\(?:eq)?ref\s*\{|\\[\\$]")


def assert_same(markdown: str) -> None:
    """Assert that all readers of the saved text see what ours sees in the model's."""
    ours = parser().render(clean(markdown), {})
    saved = safe_markdown(markdown)
    assert normal_html(PERMISSIVE.render(saved, {})) == normal_html(ours)
    html = markdown2html_mistune(saved)
    if not re.search(r"<(li|blockquote)\b.*<table", ours, re.DOTALL):
        assert normal_html(html) == normal_html(ours)  # nbconvert has no tables in lists
    formulas = ours.count('"nbs-math"')
    assert len(formulas_in_source(saved)) == formulas
    assert len(formulas_in_page(html)) == formulas


def formulas_in_source(saved: str) -> list[str]:
    """The formulas that JupyterLab takes out of the source, before it looks for markdown."""
    rest = re.sub(r"^(`{3,})[^`\n]*\n[\s\S]*?^\1`*$", "", saved, flags=re.MULTILINE)
    rest = re.sub(r"`[^`\n]*`", "", rest).replace("\\$", "")
    assert not _TAKEN_FOR_MATH.search(_FORMULA.sub("", rest))
    return _FORMULA.findall(rest)


def formulas_in_page(html: str) -> list[str]:
    """The formulas that MathJax finds: between the borders of elements, `<br>` aside."""
    soup = BeautifulSoup(html, "html.parser")
    for code in soup.select("pre, code, a.anchor-link"):
        code.replace_with("\0")
    for line_break in soup("br"):
        line_break.replace_with("\n")
    runs = re.split(r"<[^>]*>|\0", str(soup))
    return [found for run in runs for found in _TYPESET.findall(run)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[1])
def test_cases(case):
    _, _, markdown, saved = case
    assert safe_markdown(markdown) == saved.removesuffix("\n")
    assert_same(markdown)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[1])
def test_saving_again_changes_only_the_spelling(case):
    saved = safe_markdown(case[2])
    again = PERMISSIVE.render(safe_markdown(saved), {})
    assert normal_html(again) == normal_html(parser().render(saved, {}))


def test_the_documents_of_the_other_tests():
    paths = [*(FOLDER / "markdown").glob("*.md"), FOLDER.parent / "README.md"]
    assert len(paths) > 5
    for path in paths:
        assert_same(path.read_text(encoding="utf-8"))


def test_the_specification():
    if not spec.FOLDER.exists():
        message = "no CommonMark examples: run tests/spec.py, or `make test`, which does"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    examples = [*spec.commonmark(), *spec.fixtures()]
    assert len(examples) > 652
    for example in examples:
        assert_same(example)
    print(f"{len(examples)} examples")


@pytest.mark.fuzz
@settings(derandomize=True, deadline=None, max_examples=5_000 if LONG else 150, database=None)
@given(st.randoms(use_true_random=False))
def test_documents_of_nested_blocks(chance):
    assert_same(nested_document(chance))


@pytest.mark.fuzz
@settings(derandomize=True, deadline=None, max_examples=5_000 if LONG else 100, database=None)
@given(documents)
def test_documents_of_a_few_pieces(markdown):
    assert_same(markdown)


@pytest.mark.fuzz
def test_random_documents():
    count = 5_000 if LONG else 100
    for seed in range(count):
        assert_same(nested_document(Random(seed)))
    print(f"{count} documents")


# -- tight and loose, which `normal_html` does not tell apart ------------------------


@pytest.mark.parametrize(
    ("markdown", "paragraphs"),
    [
        ("- a\n- b\n  - c\n", 0),
        ("- a\n\n- b\n", 2),
        ("1. a\n\n   b\n2. c\n", 3),
        ("- a\n  ```\n  x\n  ```\n- b\n", 0),
        ("- a\n  - b\n\n  - c\n", 2),
    ],
)
def test_lists_are_as_tight_as_they_were(markdown, paragraphs):
    saved = safe_markdown(markdown)
    for html in (PLAIN.render(saved), markdown2html_mistune(saved)):
        assert html.count("<p>") == paragraphs


# -- hostile text --------------------------------------------------------------------

PNG = "data:image/png;base64,iVBORw0KGgo="
#: Where a payload may stand; each with the payload on one line, or as it is.
CONSTRUCTS = (
    "{any}",
    "- {line}\n- *{line}*\n  > {line}",
    "1. a\n\n   {line}",
    "> {line}\n{line}",
    "# {line}",
    "{line}\n---",
    "| {line} | `{line}` |\n|--|--|\n| **{line}** | {line} |",
    "```{line}\n{any}\n```",
    "~~~html\n{any}",
    "- ```\n  {line}\n  ```",
    "    {line}",
    "`{line}` ``{line}`` **{line}** _{line}_ ~~{line}~~",
    "[{line}](http://x.y) [a]({line}) [a](<{line}>) [a](http://x.y '{line}') <{line}>",
    "![{line}](http://x.y) ![a]({line}) http://x.y/{line}",
    "[a]: {line}\n\n[a] [^1]\n\n[^1]: {line}",
    "${line}$ \\({line}\\) $$ {line} $$\n\n$$\n{any}\n$$",
    "\\begin{align}\n{any}\n\\end{align}\n\n\\\\({line}\\\\)",
    "$\\text{_{line}_}$ $\\color{{line}}{x}$ $\\ket{{line}}$",
    "<details><summary>{line}</summary>\n\n{any}\n\n</details>",
    # what models write in their own way
    "x<sub>{line}</sub> <kbd>{line} <u>**{line}**</u></kbd> <mark>`{line}` {line}",
    "> [!NOTE] {line}\n> {any}\n\n> [!{line}]",
    "[a](https://x.y/a {line}) [{line}](https://x.y/a b '{line}') [](https://x.y/{line})",
    f"![{{line}}]({PNG} '{{line}}') ![a]({PNG} \"{{line}}\") ![a](data:image/png,{{line}})",
    "```mermaid\ngraph TD\n  A[{line}]-->B\n{any}\n```",
    "```mermaid {line}\ngraph TD\n  A-->B\n```",
    f"שלום {{line}} `{{line}}` [{{line}}](https://x.y '{{line}}') ![{{line}}]({PNG} '{{line}}')",
    "> שלום **{line}** <sup>{line}</sup> ${line}$ <{line}> [^1]<br>{line}\n\n[^1]: {line}",
    "|שלום|b|\n|-|-|\n|1|{line}|`{line}`|**{line}**|{line}|x|",
    "```python\nx\n``` And then {line}\n{any}",
    "Here it is {line}: ```python\n{any}\n``` {line}",
    "```markdown\n```py\n{any}\n```\n{line}\n```\n{any}",
    "```python title={line}\nx\n```\n\n- ```{line}\n  x\n  ```",
    "[{line}]: https://x.y/{line} '{line}'\n\n[a]: https://x.y '{line}'\n[a]: <https://z/{line}>",
    '[//]: # ({line})\n\n- [{line}]: # "{line}"',
    "- " * 12 + "{line}\n\n" + "> " * 24 + "{line}",
    "C:\\{line}\\.{line} ^\\d+{line}\\.$ https://x.y继{line} [https://x.y](https://z.w/{line})",
)


def payloads(shared: Path) -> list[str]:
    found = json.loads((shared / "xss" / "payloads.json").read_text(encoding="utf-8"))
    assert len(found) >= 230
    return [case["payload"] for case in found]


def readings(saved: str, *, folds: int = 0) -> list[str]:
    """The text that each reader sees, after it was found harmless."""
    pages = (PLAIN.render(saved), markdown2html_mistune(saved))
    return [assert_harmless(html, folds=folds) for html in pages]


def test_payloads_are_text_wherever_they_stand(shared):
    cases = 0
    for number, payload in enumerate(payloads(shared)):
        line = " ".join(payload.split())
        for construct in CONSTRUCTS if LONG else CONSTRUCTS[number % 4 :: 4]:
            markdown = construct.replace("{any}", payload).replace("{line}", line)
            readings(safe_markdown(markdown))
            cases += 1
    print(f"{cases} cases")


def test_payloads_read_the_same(shared):
    found = payloads(shared)
    for payload in found:
        assert_same(payload)
    print(f"{len(found)} payloads")


@pytest.mark.parametrize(
    "text",
    [
        "</details>",
        "```\n</details>",
        "    </details>\n\n</details>",
        "- </details>\n\n</details>\n",
        "> </details>\n</details>",
        "&lt;/details&gt; &#60;/details&#62; \\</details>",
        "`</details>\n\n</details>`",
        "<details>\n\n<details open>",
        "\t</details>\n \t</details>",
        "<!--\n\n</details>\n-->",
        "$$\n</details>\n$$ $</details>$",
        "[a]: <x\n</details>",
        "<\0/details></\0details><\ud800/details>",
        "~~~</details>\n</details>",
        "| </details> |\n|---|\n| `</details>` |",
    ],
)
def test_no_text_closes_or_opens_a_fold_of_ours(text):
    saved = f"<details><summary>a</summary>\n\n{safe_markdown(text)}\n\n</details>\n\nafter"
    for seen in readings(saved, folds=1):
        assert seen.rstrip().endswith("after")


@pytest.mark.parametrize("end", ["&#13;", "&#10;", "&#10;&#10;", "&#x2028;", "&#12;", "&#x85;"])
@pytest.mark.parametrize(
    "text",
    [
        *("a{end}# b", "a{end}    c", "# a{end}- b", "|a{end}- b|\n|-|\n|c{end}|", "**a{end}- b**"),
        *("אב{end}</p>{end}# c", "> אב **a{end}b** `c`", "[a{end}# b](https://x.y 'c{end}d')"),
        *("[^1]: a{end}b", "```py t{end}# b\nx\n```"),
    ],
)
def test_an_entity_ends_no_line(text, end):
    assert_same(text.replace("{end}", end))


def test_control_characters_and_surrogates():
    saved = safe_markdown("a\0b\x1b[31mc\x85\ud800d\u2028e\u202f`f\x9b`")
    assert saved == "a\ufffdbc\ufffd\ufffdd e\u202f`f\ufffd`"
    saved.encode()


def test_images_of_allowed_hosts():
    markdown = "![a *b* \\]$](http://ok.x/i_(1).png 't\"') ![c](http://no.x/i.png)"
    saved = safe_markdown(markdown, RenderStyle(image_hosts=frozenset({"ok.x"})))
    for html in (PLAIN.render(saved), markdown2html_mistune(saved)):
        assert_harmless(html, folds=0, images=True)
        (image,) = BeautifulSoup(html, "html.parser")("img")
        assert image.attrs == {"src": "http://ok.x/i_(1).png", "alt": "a b ]$", "title": 't"'}
    assert "![" not in safe_markdown(markdown)


# -- what it costs -------------------------------------------------------------------


@pytest.mark.parametrize("piece", ["> ", "- ", "1. ", "*a ", "**a *b ", "~~a **b ", "[", "`", "$"])
def test_deep_nesting_is_bounded(piece):
    saved = safe_markdown(piece * 10_000)
    assert len(saved) < 15 * len(piece) * 10_000
    assert_harmless(PLAIN.render(saved), folds=0)


@pytest.mark.parametrize("seed", range(20))
def test_the_size_grows_with_the_text(seed):
    markdown = nested_document(Random(seed)) + "\n\n"
    once, twenty = len(safe_markdown(markdown)), len(safe_markdown(markdown * 20))
    assert twenty < 21 * (once + 40)


def test_an_ordinary_answer_hardly_grows():
    markdown = (FOLDER / "markdown" / "answer.md").read_text(encoding="utf-8")
    assert len(safe_markdown(markdown)) < 1.1 * len(markdown)


def test_no_rule_of_the_parser_is_without_a_writer():
    from nbstream.render import safe_inline, safe_markdown

    known = set(safe_inline._WRITERS) | set(safe_markdown._WRITERS)
    parts = re.compile(r"(thead|tbody|tr|th|td|table|paragraph|heading|inline)(_open|_close)?")
    for seed in range(300):
        blocks = parser().parse(nested_document(Random(seed)), {})
        inline = [child for block in blocks for child in block.children or ()]
        for token in blocks + inline:
            assert token.type in known or parts.fullmatch(token.type), token.type
