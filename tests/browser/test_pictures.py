"""The README's pictures: `make picture` puts them into docs/images, a long run looks at them.

The first one shows the embedded model as it is. In the panel's, a scripted server answers as
a large model may; the function that it calls is really called.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from harness import SCREENSHOTS, NotebookPage
from long import LONG
from playwright.sync_api import expect
from replay import completion

IS_WANTED = os.environ.get("NBSTREAM_PICTURES") == "1"
FOLDER = Path(__file__).parents[2] / "docs" / "images" if IS_WANTED else SCREENSHOTS
pytestmark = [
    pytest.mark.own_page,
    pytest.mark.skipif(not (IS_WANTED or LONG), reason="the README's pictures: `make picture`"),
]

QUESTION = """%%chat --out answer --temperature 0 --param seed 1
Write a Python function that says whether a number is even, with an example."""
QUICKSTART = ["%load_ext nbstream", QUESTION, "answer.code_blocks, answer.usage.completion_tokens"]

DATA = """import pandas as pd, nbstream

cups = pd.DataFrame({"city": ["Berlin", "Hamburg", "Munich"], "cups": [2989, 2680, 2493]})

def price(city: str) -> float:
    "What a cup of coffee costs in a city, in euros."
    return {"Berlin": 3.2, "Hamburg": 3.9, "Munich": 3.5}[city]

panel = nbstream.ChatPanel(model="demo-large", tools=[price])"""
FIRST = """**Berlin** is ahead with 2,989 cups, 12 % more than Hamburg.

| city | cups | share |
|---|---:|---:|
| Berlin | 2,989 | 37 % |
| Hamburg | 2,680 | 33 % |
| Munich | 2,493 | 31 % |
"""
SECOND = """Hamburg's 2,680 cups at 3.90 € come to **10,452 €**:

```python
cups.set_index("city").loc["Hamburg", "cups"] * price("Hamburg")
```
"""


def take(notebook: NotebookPage, name: str) -> None:
    notebook.page.mouse.move(0, 0)
    FOLDER.mkdir(exist_ok=True)
    notebook.page.screenshot(path=FOLDER / f"{name}.png")


def opened(open_notebook, cells: list[str], height: int, **env: str) -> NotebookPage:
    notebook = open_notebook(cells, **env)
    notebook.page.set_viewport_size({"width": 1000, "height": height})
    notebook.page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
    return notebook


@pytest.mark.local
def test_the_quickstart(open_notebook):
    # The server has a home of its own; the model is the user's.
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    nobody = {"OPENAI_BASE_URL": "", "OPENAI_API_KEY": "", "XDG_CACHE_HOME": cache}
    notebook = opened(open_notebook, QUICKSTART, 560, **nobody)
    for number in range(len(QUICKSTART)):
        notebook.run(number, timeout=120)
    expect(notebook.output(1)).to_contain_text("def is_even")
    take(notebook, "quickstart")


def test_the_panel(open_notebook, replay):
    replay.models = ["demo-large"]
    named = {"model": "demo-large", "pace": 0.01}
    replay.reply(
        completion(FIRST, **named),
        completion(tool_calls=[{"name": "price", "arguments": {"city": "Hamburg"}}], **named),
        completion(SECOND, **named),
    )
    notebook = opened(open_notebook, [DATA, "panel"], 960)
    notebook.run(0)
    notebook.run(1)
    panel = notebook.output(1).locator(".nbs-panel")
    question = panel.get_by_label("Your question")
    asked = ("Which city drinks the most?\n{{cups}}", "And what did Hamburg spend on coffee?")
    for number, text in enumerate(asked, 1):
        question.fill(text)
        question.press("Enter")
        expect(panel.locator(".nbs-usage")).to_have_count(number)
    expect(panel.locator(".nbs-turn").last).to_contain_text("3.9")
    panel.evaluate("panel => { panel.style.height = '700px'; }")  # as its corner is drawn
    panel.evaluate("panel => panel.scrollIntoView({ block: 'end' })")
    panel.get_by_role("region", name="Conversation").evaluate("log => log.scrollTo(0, 0)")
    take(notebook, "panel")
