"""The chat panel for everybody: by axe-core's rules, by keyboard alone, light, dark and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from harness import SCREENSHOTS, NotebookPage
from long import LONG, only_long
from panel_page import PanelPage
from playwright.sync_api import expect
from replay import completion, error

SET_UP = """
import nbstream
def lookup_city(city: str) -> str:
    "Facts about a city."
    return "3.7 million people"
fruits, prices, weather = ["apple", "pear"], {"apple": 1.2}, "rain"
panel = nbstream.ChatPanel(model="replay-1", tools=[lookup_city], approve=True)
panel
"""
ANSWER = """Berlin has **3.7 million** people, `1.5` in Munich; see [the source](https://example.com/).

```python
def mean(values):
    return sum(values) / len(values)  # of numbers
```

| City | People (million) | Rain a year (mm) | Hours of sun |
| --- | ---: | ---: | ---: |
| Berlin | 3.7 | 570 | 1626 |

The mean is $\\bar{x}$.[^1]

- WORD and `WORD`, at <https://example.com/WORD>

[^1]: As of 2024.
""".replace("WORD", "word" * 75)
QUESTION = "Where do more people live, and which of the two cities has less rain in a year?"
WIDTHS = (1200, 360)
IN_DARK = ("approval", "answered", "settings")  # the others in the long run


def conversation(notebook: NotebookPage, replay) -> Iterator[tuple[str, PanelPage]]:
    """Bring a panel from state to state; give each one's name when it is reached."""
    notebook.run(0)
    panel = PanelPage(notebook)
    expect(panel.root).to_contain_text("Ask replay-1")
    yield "empty", panel
    panel.write("What is {{")
    expect(panel.root.get_by_role("option")).not_to_have_count(0)
    yield "completion", panel
    panel.keyboard.press("Enter")
    panel.press("Show what will be sent")
    expect(panel.root.locator(".nbs-preview")).to_be_visible()
    yield "preview", panel
    panel.press("Show what will be sent")
    panel.field.fill("")

    call = {"name": "lookup_city", "arguments": {"city": "Berlin"}}
    replay.reply(completion(reasoning="I look it *up*.", tool_calls=[call]))
    panel.ask(QUESTION)
    expect(panel.button("Run")).to_be_visible()
    panel.press("Edit")
    yield "approval", panel
    halves = [ANSWER[:120], ANSWER[120:]]
    replay.reply(completion(halves, reasoning=["Now I know."], gate="rest"))
    panel.press("Run")
    replay.open("rest-0")
    replay.open("rest-1")
    expect(panel.answer(0)).to_contain_text("3.7 million")
    panel.field.fill("A draft")
    yield "streaming", panel
    panel.field.fill("")
    replay.open("rest-2")
    panel.expect_ended(1)
    for fold in panel.answer(0).locator("summary").all():
        fold.click()
    yield "answered", panel

    replay.reply(error(401, "Incorrect API key provided"))
    panel.ask("And Munich?")
    expect(panel.button("Retry")).to_be_visible()
    yield "error", panel
    panel.press("Edit the question", 0)
    expect(panel.root.get_by_label("Edit question")).to_be_visible()
    yield "editing", panel
    panel.press("Settings")
    expect(panel.root.get_by_label("Temperature")).to_be_visible()
    yield "settings", panel


@pytest.mark.timeout(400)
def test_nothing_stands_in_anybodys_way(open_notebook, replay):
    notebook = open_notebook([SET_UP])
    page = notebook.page
    found: list[str] = []
    states = []
    for state, panel in conversation(notebook, replay):
        states.append(state)
        for theme in ("Light", "Dark") if LONG or state in IN_DARK else ("Light",):
            notebook.theme(theme)
            for width in WIDTHS:
                panel.root.evaluate(
                    "(root, width) => { root.style.maxWidth = `${width}px`; }", width
                )
                page.mouse.move(0, 0)
                where = f"{state}-{theme.lower()}-{width}"
                panel.root.screenshot(path=SCREENSHOTS / f"panel-{where}.png")
                found += (
                    f"{where}: {problem}" for problem in [*violations(page), *too_wide(panel)]
                )
        panel.root.evaluate("root => { root.style.maxWidth = ''; }")
    assert len(states) == 9
    assert not found, "\n".join(found)
    panel.root.evaluate("root => { root.append(document.createElement('button')); }")
    assert "button-name" in violations(page)[0]
    panel.root.evaluate("root => { root.lastChild.style.cssText = 'width: 110%; flex: none'; }")
    assert too_wide(panel)


def violations(page) -> list[str]:
    """What axe-core finds in the panel that is serious or critical."""
    results = Axe().run(page, context=".nbs-panel").response
    assert len(results["passes"]) > 5
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:200]} {node['failureSummary']}"
        for each in results["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def too_wide(panel: PanelPage) -> list[str]:
    """The parts of the panel that reach over its edge, or scroll sideways."""
    return panel.root.evaluate("""root => {
      const right = root.getBoundingClientRect().right + 0.5;
      const isIn = (element) => element.closest("pre, .nbs-table, [hidden]");
      const parts = [...root.querySelectorAll("*")].filter((element) => !isIn(element));
      const over = parts.filter((element) => element.getBoundingClientRect().right > right);
      // What stands in a turn is clipped there: it would widen nothing.
      const whole = ".nbs-log, .nbs-head, .nbs-composer, .nbs-question, .nbs-answer";
      const scrolls = [root, ...root.querySelectorAll(whole)];
      return [...over, ...scrolls.filter((each) => each.scrollWidth > each.clientWidth)].map(
        (element) => `too wide: ${element.outerHTML.slice(0, 120)}`,
      );
    }""")


# Where the focus is, and whether it can be seen; `visited` are all elements that had it.
FOCUS = """() => {
  const element = document.activeElement;
  (window.visited ??= new Set()).add(element);
  const style = getComputedStyle(element);
  const box = element.matches(".nbs-input") && element.closest(".nbs-box");
  const isRinged = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return {
    name: element.ariaLabel || element.innerText || element.localName,
    part: element.closest(".nbs-head, .nbs-log, .nbs-composer")?.className,
    isSeen: box ? getComputedStyle(box).boxShadow !== "none" : isRinged,
  };
}"""
MISSED = """root => {
  const selector = "a[href], button, input, select, textarea, summary, [tabindex]";
  return [...root.querySelectorAll(selector)]
    .filter((element) => element.checkVisibility() && !window.visited.has(element))
    .map((element) => element.outerHTML.slice(0, 200));
}"""
RINGED = """root => [...root.querySelectorAll("*")].filter((element) => {
  const style = getComputedStyle(element);
  return style.outlineStyle !== "none" && element !== document.activeElement;
}).map((element) => element.outerHTML.slice(0, 200))"""


def test_the_keyboard_reaches_everything(open_notebook, replay):
    notebook = open_notebook([SET_UP])
    for state, panel in conversation(notebook, replay):
        if state not in ("answered", "settings"):
            continue
        panel.field.focus()
        stops = list(walk(panel, "Shift+Tab"))
        panel.keyboard.press("Tab")
        stops = list(walk(panel, "Tab"))
        parts = list(dict.fromkeys(stop["part"] for stop in stops))
        assert parts == ["nbs-head", "nbs-log", "nbs-composer"]
        assert [stop["name"] for stop in stops if not stop["isSeen"]] == []
        assert panel.root.evaluate(MISSED) == []
        assert panel.root.evaluate(RINGED) == []
        print(state, [stop["name"] for stop in stops])


def walk(panel: PanelPage, key: str) -> Iterator[dict[str, Any]]:
    """Press a key until the focus leaves the panel; give where it was before each time."""
    while panel.root.evaluate("root => root.contains(document.activeElement)"):
        yield panel.notebook.page.evaluate(FOCUS)
        panel.keyboard.press(key)


@pytest.mark.parametrize("motion", ["reduce", pytest.param("no-preference", marks=only_long)])
def test_nothing_moves_for_who_wants_no_motion(open_notebook, replay, motion):
    notebook = open_notebook([SET_UP])
    notebook.page.emulate_media(reduced_motion=motion)
    replay.reply(completion(["Half ", "of it"], gate="rest"))
    notebook.run(0)
    panel = PanelPage(notebook)
    panel.ask(QUESTION)
    replay.open("rest-0")
    pulse = panel.root.locator(".nbs-pulse")
    expect(pulse).to_have_class("nbs-pulse nbs-dim")
    expect(pulse).to_have_css("opacity", "1" if motion == "reduce" else "0.25")
    assert panel.root.evaluate(MOVING) == []
    replay.open("rest-1")
    panel.expect_ended(1)


MOVING = """root => [...root.querySelectorAll("*")].filter((element) => {
  const style = getComputedStyle(element);
  return element.getAnimations().length > 0 || style.animationName !== "none" ||
    parseFloat(style.transitionDuration) > 0 || style.scrollBehavior === "smooth";
}).map((element) => element.outerHTML.slice(0, 200))"""
