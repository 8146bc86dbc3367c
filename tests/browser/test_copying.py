"""Copying parts of an answer, by the buttons of the panel and by `%chat copy`."""

from __future__ import annotations

import pytest
from harness import SCREENSHOTS
from playwright.sync_api import expect
from replay import completion
from test_panel_parts import BarePanel, page, reply, show  # noqa: F401  # fixtures

from nbstream.panel.sources import source_of

TEXT = """Values of $\\bar{x}$:

| a | b |
|---|--:|
| *one* | $y\\label{l}$ |

```python
LINES
```

End.
""".replace("LINES", "\n".join(f"x{i} = {i}  # {'long ' * 40}" for i in range(60)))

KEEP = """() => {
  window.copied = [];
  const clipboard = { writeText: async (text) => void copied.push(text) };
  Object.defineProperty(navigator, "clipboard", { value: clipboard });
}"""


def answers(panel: BarePanel) -> None:
    """Reply to the last request for a source as the kernel does."""
    message = panel.sent("source")[-1]
    response = panel._shows._session.turns[0].response
    panel.hears(reply(message, text=source_of(response, message)))


def test_parts_of_an_answer_are_copied_as_they_were_written(page, show):  # noqa: F811
    panel = show(1, text=TEXT)
    page.evaluate(KEEP)
    names = ["Copy the table as Markdown", "Copy the table as CSV"]
    formulas = panel.button("Copy the formula as LaTeX")
    expect(formulas).to_have_count(2)
    for name in names:
        panel.root.locator(".nbs-table th").first.hover()
        panel.press(name)
        answers(panel)
    formulas.nth(1).focus()  # by the keyboard
    panel.keyboard.press("Enter")
    answers(panel)
    page.wait_for_function("copied.length === 3")
    assert page.evaluate("copied") == [
        "| a | b |\n| --- | ---: |\n| *one* | $y\\label{l}$ |\n",
        "a,b\r\none,y\\label{l}\r\n",
        "y\\label{l}",
    ]
    expect(formulas.nth(1)).to_have_text("Copied")


def test_a_busy_kernel_is_not_waited_for(page, show):  # noqa: F811
    panel = show(1, text=TEXT)
    page.evaluate(KEEP)
    panel.root.locator(".nbs-table th").first.hover()
    button = panel.button("Copy the table as CSV")
    button.click()
    expect(button).to_have_text("Kernel is busy")
    expect(page.locator(".nbs-announcer")).to_contain_text("the kernel is running a cell")
    answers(panel)  # too late
    panel.button("Copy the formula as LaTeX").nth(1).focus()
    panel.keyboard.press("Enter")
    page.wait_for_function("copied.length === 1")
    assert page.evaluate("copied") == ["y"]  # as it is shown


def test_buttons_are_quiet_and_move_nothing(page, show):  # noqa: F811
    panel = show(1, text=TEXT)
    table = panel.root.locator(".nbs-table")
    tools = table.locator(".nbs-table-tools")
    expect(tools).to_have_css("opacity", "0")
    before = panel.root.evaluate(PLACES)
    table.locator("th").first.hover()
    expect(tools).to_have_css("opacity", "1")
    above, head = tools.bounding_box(), table.bounding_box()
    assert above["y"] + above["height"] <= head["y"] + 2
    tools.get_by_role("button").first.hover()  # it stays while the mouse goes there
    expect(tools).to_have_css("opacity", "1")
    formula = panel.button("Copy the formula as LaTeX").first
    formula.focus()
    expect(formula).to_have_css("opacity", "1")
    panel.root.screenshot(path=SCREENSHOTS / "copying-bare.png")
    panel.root.evaluate(
        "root => root.querySelectorAll('.nbs-table-tools, .nbs-math > .nbs-copy')"
        ".forEach((each) => each.remove())"
    )
    assert panel.root.evaluate(PLACES) == before


PLACES = """root => [...root.querySelectorAll(".nbs-text > *, .nbs-turn-tools")].map((each) => {
  const { x, y, width, height } = each.getBoundingClientRect();
  return [x, y + root.querySelector(".nbs-log").scrollTop, width, height].join();
})"""


def test_a_long_block_keeps_its_buttons_in_sight_and_wraps(page, show):  # noqa: F811
    panel = show(1, text=TEXT)
    frame = panel.root.locator(".nbs-code")
    log, tools = panel.root.locator(".nbs-log"), frame.locator(".nbs-code-tools")
    for share in (0.3, 0.8):
        frame.evaluate(
            "(frame, share) => { const log = frame.closest('.nbs-log'); log.scrollTop ="
            " frame.offsetTop + frame.offsetHeight * share; }",
            share,
        )
        expect(tools).to_be_in_viewport()
        assert abs(tools.bounding_box()["y"] - log.bounding_box()["y"]) <= 1
    code = frame.locator("pre")
    assert code.evaluate("pre => pre.scrollWidth > pre.clientWidth")
    wrap = panel.button("Wrap long lines")
    wrap.click()
    expect(wrap).to_have_attribute("aria-pressed", "true")
    assert code.evaluate("pre => pre.scrollWidth <= pre.clientWidth")
    panel.root.screenshot(path=SCREENSHOTS / "copying-wrapped.png")
    wrap.click()
    assert code.evaluate("pre => pre.scrollWidth > pre.clientWidth")


# --- %chat copy in JupyterLab -------------------------------------------------------

ASK = "%load_ext nbstream\n%config ChatMagics.model = 'replay-1'"


@pytest.fixture
def asked(open_notebook, replay):
    """A notebook whose kernel has an answer, and whose page may use the clipboard."""
    replay.reply(completion(TEXT))
    notebook = open_notebook([ASK, "%%chat\nGo", "%chat copy table csv"])
    grant = ["clipboard-read", "clipboard-write"]
    notebook.page.context.grant_permissions(grant)
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("End.")
    yield notebook
    notebook.page.context.clear_permissions()


def saved_output(notebook, index: int):
    return notebook.save().cells[index].outputs


def test_a_cell_copies_a_table(asked):
    asked.run(2)
    expect(asked.output(2)).to_contain_text("Table 1 (CSV) is copied.")
    copied = asked.page.evaluate("navigator.clipboard.readText()")
    assert copied.replace("\r", "") == "a,b\none,y\\label{l}\n"
    (output,) = saved_output(asked, 2)
    assert output.data == {"text/plain": "Table 1 (CSV) is copied."}


def test_a_cell_offers_a_button_where_it_may_not_copy(asked):
    asked.page.evaluate("""() => {
      navigator.clipboard.writeText = async () => { throw new Error("NotAllowedError"); };
      document.execCommand = () => false;
    }""")
    asked.run(2)
    shown = asked.output(2)
    expect(shown).to_contain_text("is copied by a click here")
    (output,) = saved_output(asked, 2)
    assert output.data == {"text/plain": "a,b\r\none,y\\label{l}\r\n"}
    shown.screenshot(path=SCREENSHOTS / "copying-cell.png")
    asked.page.evaluate("() => { delete navigator.clipboard.writeText; }")
    shown.get_by_role("button", name="Copy").click()
    expect(shown).to_contain_text("Table 1 (CSV) is copied.")
    asked.page.evaluate("() => { delete document.execCommand; }")
    (output,) = saved_output(asked, 2)
    assert output.data == {"text/plain": "Table 1 (CSV) is copied."}
