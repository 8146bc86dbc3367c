"""The live view in a real JupyterLab: it looks as what is saved, and gives way unnoticed."""

from __future__ import annotations

from pathlib import Path

import answers
import pytest
from harness import wait_for, waits_for
from long import only_long

PREAMBLE = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import answers
from nbstream.response import Response
from nbstream.views.widget import WidgetView

views = []

def start(*steps, pause=0):
    response, view = Response(), WidgetView(owns_cell=False)
    view.open(response)
    for _ in answers.grow(response, [("round", "m"), *steps]):
        view.update(response)
        time.sleep(pause)
    views.append((response, view))

def end():
    for response, view in views:
        view.close(answers.finish(response))
    views.clear()
"""

# Each must be as high live as it is when Jupyter has rendered the saved markdown.
MARKDOWN = {
    "paragraph": "Just one paragraph, in `code`, **bold**, *italic* and ~~struck~~.",
    "headings": "# A\n\n## B\n\ntext\n\n### C\n\n#### D\n\n##### E\n\n###### F\n\nend",
    "first heading": "# Title",
    "last heading": "text\n\n- list\n\n## end",
    "list": "- a\n- b\n  - c\n    - d\n- e",
    "loose list": "- a\n\n- b\n\n  text\n\n- c",
    "ordered list": "1. a\n2. b\n   1. x\n   2. y\n3. c",
    "mixed list": "1. one\n\n   para\n\n   > q\n\n   - x\n     - y\n2. two",
    "tasks": "- [ ] a\n- [x] b",
    "code": "```python\nx = 1\n```",
    "code between": "text\n\n```\nplain\nlines\n```\n\nafter",
    "code in a list": "- a\n\n  ```python\n  x = 1\n  ```\n\n- b",
    "code in an item": "1. Do:\n   ```bash\n   ls\n   ```\n2. Then",
    "code in a quote": "> quote\n>\n> ```js\n> let x = 1;\n> ```",
    "indented code": "text\n\n    indented code\n    more\n\ntext",
    "long line of code": "```python\nx = 'a long line' # " + "y" * 300 + "\n```",
    "table": "x\n\n| a | b |\n|---|:-:|\n| 1 | 2 |\n\ny",
    "wide table": "| " + " | ".join(f"column {i}" for i in range(30)) + " |\n|" + "---|" * 30,
    "long table": "| a | b |\n|---|---|\n" + "".join(f"| {i} | x |\n" for i in range(40)),
    "long list": "".join(f"- item {i} with **text**\n" for i in range(60)),
    "quote": "> a\n>\n> b\n\nc",
    "rule": "a\n\n---\n\nb",
    "math": "A $x^2$ and\n\n$$\n\\int_0^1 x\\,dx\n$$\n\nand \\[ y = \\frac{a}{b} \\] and \\(z\\)",
    "math in a list": "1. **A**:\n   $$x^2$$\n   so\n2. $$y$$\n\n- a\n  \\[\n  b\n  =\n  c\n  \\]",
    "prices": "It costs $5 and then $6, or $7.",
    "footnote": "A note[^1].\n\n[^1]: The note.",
    "links": "[a](https://example.com) <https://example.com> ![img](https://e.com/x.png)",
    "line breaks": "a  \nb\\\nc<br>d<br><br>e\n\n<br>\n\n| a |\n|---|\n| • x<br>• y |",
    "long word": "w" * 400,
    "scripts": "日本語の文章です。" * 20 + "\n\n" + "שלום עולם. " * 30 + "\n\n🌧️ 👩‍👩‍👧 🇩🇪",
    "right to left": "# א\n\nשלום *א*.\n\n- א\n  1. ב\n- ג\n\n> ד\n\n| א | b |\n|--|--|\n| ג | d",
    "list from right to left": "1. א:\n   ```sh\n   ls\n\n   ls\n   ```\n2. ב[^1]\n\n[^1]: ג",
    "East Asian emphasis": "1. **第一步：**安装\n2. 使用**`pip`**安装",
    "html": "<b>x</b> <script>alert(1)</script>\n\n<div>y</div>",
}

HEIGHTS = """area => [...area.querySelectorAll(".jp-OutputArea-child")]
  .filter((child) => child.querySelector(".jp-RenderedMarkdown"))
  .map((child) => child.getBoundingClientRect().height)"""


def test_what_is_saved_is_as_high_as_what_was_live(open_notebook):
    cases = "\n".join(
        f"start(*answers.pieces('text', {text!r}, 37), ('finish', 'stop'))"
        for text in MARKDOWN.values()
    )
    # A finished answer whose view is still there: only its last block is not sealed yet.
    cases += "\nfor r, v in views: r.status = 'complete'; v.update(r); r.status = 'running'"
    notebook = open_notebook([PREAMBLE + cases, "end()"])
    area = notebook.output(0).first
    notebook.run(0)
    count = len(MARKDOWN)
    page = notebook.page
    wait_for(lambda: len(area.evaluate(HEIGHTS)) == count, "all live views", 30, page)
    page.wait_for_function("document.querySelectorAll('mjx-container').length === 7")
    live = area.evaluate(HEIGHTS)
    notebook.screenshot("live-kinds")
    notebook.run(1)
    wait_for(lambda: area.locator(".nbs-answer").count() == 0, "the swap", 30, page)
    page.wait_for_function("document.querySelectorAll('mjx-container').length === 7")
    saved = area.evaluate(HEIGHTS)
    notebook.screenshot("saved-kinds")
    moved = {
        kind: (a, b) for kind, a, b in zip(MARKDOWN, live, saved, strict=True) if abs(a - b) >= 1
    }
    assert not moved
    assert min(live) > 40


# Where everything is, at every frame that is painted.
WATCH = """() => {
  const area = document.querySelector(".jp-OutputArea");
  window.frames_ = [];
  const look = () => {
    const shown = area.querySelector(".nbs-answer") ?? area.querySelector(".jp-RenderedMarkdown");
    const tops = [...(shown?.querySelectorAll("h1, h2") ?? [])]
      .map((heading) => Math.round(heading.getBoundingClientRect().top));
    const height = Math.round(area.getBoundingClientRect().height);
    frames_.push([height, tops, shown?.className.includes("nbs") ?? null]);
    window.watching = requestAnimationFrame(look);
  };
  look();
}"""


@pytest.mark.own_page
@pytest.mark.parametrize("place", [pytest.param("start", marks=only_long), "middle", "end"])
def test_nothing_moves_or_blinks_when_the_answer_ends(open_notebook, tmp_path, place):
    gate = tmp_path / "gate"
    text = "\n\n".join([answers.ANSWER] * 3)
    source = f"""
from nbstream.messages import ToolResult
call = [("call", "look"), ("arguments", "{{}}"), ("finish", "tool_calls"), ("runs", 0)]
call += [("result", ToolResult("seen")), ("round", "m"), ("reasoning", "I think.")]
start(*call, *answers.pieces('text', {text!r}, 300), ("finish", "stop"))
{waits_for(gate)}
end()"""
    notebook = open_notebook([PREAMBLE + source])
    page = notebook.page
    notebook.start(0)
    page.wait_for_function(
        "(document.querySelector('.nbs-answer')?.textContent.match(/In other scripts/g) ?? [])"
        ".length === 3 && document.querySelectorAll('mjx-container').length === 6"
    )
    page.locator(".nbs-answer summary", has_text="Reasoning").click()
    headings = page.locator(".nbs-answer h2")
    {"start": headings.first, "middle": headings.nth(1), "end": page.locator(".nbs-status")}[
        place
    ].scroll_into_view_if_needed()
    headings.nth(1).select_text()
    page.wait_for_timeout(200)
    page.evaluate(WATCH)
    gate.touch()
    notebook.wait(0)
    page.wait_for_function("document.querySelector('.nbs-answer') === null")
    page.wait_for_timeout(1000)
    frames = page.evaluate("frames_")
    assert {live for _, _, live in frames} == {True, False}
    assert all(len(tops) == 6 for _, tops, _ in frames)
    first = frames[0]
    for height, tops, _ in frames:
        assert abs(height - first[0]) < 4
        assert max(abs(a - b) for a, b in zip(tops, first[1], strict=True)) < 4
    folds = page.locator(".jp-RenderedMarkdown > details")
    assert folds.evaluate_all("all => all.map(fold => fold.open)") == [False, True, False]
    assert page.evaluate("getSelection().toString()") == "In other scripts"


def test_scrolling_follows_only_a_reader_who_is_at_the_end(open_notebook):
    text = "\n\n".join(f"Paragraph {i}." for i in range(200))
    source = f"start(*answers.pieces('text', {text!r}, 20), pause=0.05)\nend()"
    notebook = open_notebook([PREAMBLE + source])
    page = notebook.page
    notebook.start(0)

    def wait_for_paragraph(number):
        page.wait_for_function(
            f"document.querySelector('.nbs-answer')?.textContent.includes('Paragraph {number}.')"
        )

    def is_end_visible():
        return page.locator(".nbs-status").evaluate(
            "line => line.getBoundingClientRect().bottom <= innerHeight"
        )

    wait_for_paragraph(50)
    wait_for(is_end_visible, "the end to be in sight", 10, page)
    page.mouse.move(600, 400)
    page.mouse.wheel(0, -400)
    wait_for_paragraph(60)
    page.wait_for_timeout(200)
    top = page.locator(".nbs-answer p", has_text="Paragraph 40.").bounding_box()["y"]
    wait_for_paragraph(75)
    assert (
        abs(page.locator(".nbs-answer p", has_text="Paragraph 40.").bounding_box()["y"] - top) < 1
    )
    assert not is_end_visible()
    page.mouse.wheel(0, 5000)
    wait_for_paragraph(95)
    wait_for(is_end_visible, "the end to be in sight again", 10, page)
    notebook.wait(0)
