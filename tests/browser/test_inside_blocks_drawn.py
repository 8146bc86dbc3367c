"""What stands inside a block, as JupyterLab draws it: live, saved, and where it stands."""

from __future__ import annotations

from playwright.sync_api import Locator, expect
from replay import completion

LOAD = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'"
PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP4z8CAFWEXHbQS"
    "ACj/P8Fu7N9hAAAAAElFTkSuQmCC"
)
TEXT = f"""שלום עולם, זו פסקה

مرحبا **بك** في `code`

> הערה בציטוט

- פריט ברשימה

To the left
and on a second line.

> [!NOTE]
> Useful information.

> [!WARNING]
> Urgent information.

H<sub>2</sub>O, x<sup>2</sup>, <kbd>Ctrl</kbd>+<kbd>C</kbd>, <mark>marked</mark>,
<u>u</u>, C:\\x\\.config

![dot]({PNG}) and ![svg](data:image/svg+xml;base64,PHN2Zy8+)

[https://good.example](https://evil.example/x) and a\u202eb

| a | b |
|---|---|
| `x|y` | 1 |
| 1 | 2 | 3 |

"""
AT_RIGHT = ["שלום עולם", "مرحبا", "הערה בציטוט", "פריט ברשימה"]
# How far the text is from either edge of the output, in pixels.
MARGINS = """element => {
  const range = document.createRange();
  range.selectNodeContents(element);
  const text = range.getBoundingClientRect();
  const around = element.closest(".nbs-answer, .jp-RenderedMarkdown").getBoundingClientRect();
  return [text.left - around.left, around.right - text.right];
}"""


def assert_sides(output: Locator) -> None:
    for text in AT_RIGHT:
        left, right = output.get_by_text(text).first.evaluate(MARGINS)
        assert right < 80 < left, (text, left, right)
    left, right = output.get_by_text("To the left").first.evaluate(MARGINS)
    assert left < 80 < right


def test_paragraphs_stand_where_their_direction_says(open_notebook, replay):
    replay.reply(completion([TEXT, "END"], gate="piece"))
    notebook = open_notebook([LOAD, "%%chat\nHi", ""])
    notebook.run(0)
    notebook.start(1)
    output = notebook.output(1)
    live = output.locator(".nbs-answer")
    replay.open("piece-0")
    expect(live.locator("td")).to_have_count(5)
    assert_sides(output)
    expect(live.locator("img")).to_have_count(1)
    for theme in ("Dark", "Light"):
        notebook.theme(theme)
        notebook.screenshot(f"inside-blocks-live-{theme.lower()}")
    replay.open("piece-1")
    notebook.wait(1)
    expect(live).to_have_count(0)
    expect(output).to_contain_text("END")
    assert_sides(output)
    expect(output.locator("img")).to_have_count(1)
    for theme in ("Dark", "Light"):
        notebook.theme(theme)
        notebook.screenshot(f"inside-blocks-saved-{theme.lower()}")
