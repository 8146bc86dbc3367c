"""What is copied of an answer: tables, formulas, `%chat copy`; and the settings of its looks."""

from __future__ import annotations

import csv
import io

import pytest
from kernels import kernel
from replay import completion

from nbstream.panel.sources import source_of
from nbstream.render.extract import Table, formulas, tables
from nbstream.response import Response
from nbstream.rounds import Round

TABLE = r"""| City | *Growth* | Note |
| :--- | ---: | :-: |
| **Berlin** | -1.5 % | `a\|b`, "c" |
| [Munich](https://e.com) | +2 | $\ket{x}$<br>two |
"""
ANSWER = f"""Two of them:

{TABLE}
- in a list:

  | x |
  |---|
  | =1+1 |

The mean is $\\bar{{x}}$, and

$$ a \\tag{{1}} $$

```python
print("x")
```
"""


def test_a_table_is_written_as_it_was_read():
    (table,) = tables(TABLE)
    assert table.alignments == ["left", "right", "center"]
    written = table.to_markdown()
    assert written == TABLE.replace(":-:", ":---:").replace("| ---: |", "| ---: |")
    assert tables(written) == [table]


@pytest.mark.parametrize(
    "cells",
    [
        ["a|b", "`x|y`", "\\", "a\\|b"],
        ["", "**", "`", "$"],
        ["---", "# a", "- b", "| c |"],
    ],
)
def test_any_cell_comes_back(cells):
    table = Table(["1", "2", "3", "4"], [cells, cells])
    assert tables(table.to_markdown()) == [table]


def test_a_table_made_by_hand_is_made_even():
    table = Table(["a"], [["1", "2"], []])
    assert table.to_markdown() == "| a |  |\n| --- | --- |\n| 1 | 2 |\n|  |  |\n"
    assert table.to_csv() == 'a,""\r\n1,2\r\n"",""\r\n'
    assert Table(["a"], [["b\nc"]]).to_markdown() == "| a |\n| --- |\n| b<br>c |\n"
    assert (Table([], []).to_markdown(), Table([], []).to_csv()) == ("", "")


def test_csv_is_what_a_reader_sees():
    (table,) = tables(TABLE)
    read = list(csv.reader(io.StringIO(table.to_csv(), newline=""), strict=True))
    assert read == [
        ["City", "Growth", "Note"],
        ["Berlin", "-1.5 %", 'a|b, "c"'],
        ["Munich", "+2", "\\ket{x}\ntwo"],
    ]
    assert table.to_csv().startswith("City,Growth,Note\r\n")


@pytest.mark.parametrize(
    "cell",
    ["-5", "+3.25", "-1,234.5 %", "- 7", "-$5.00", "-1e-9", "-.5", "-", "+49 30 1234", "−3", "a=b"],
)
def test_a_number_in_csv_is_as_it_is(cell):
    assert Table(["x"], [[cell]]).to_csv().splitlines()[1].strip('"') == cell


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        '`=HYPERLINK("http://x")`',
        "@SUM(A1)",
        "+1+cmd|'/C calc'!A0",
        "-2+3",
        "**=1**",
        "\\-A1",
        "[=1](https://e.com)",
        " =1",
        "＝1",
        "-5-A1",
        "--1",
        "&#61;1",
        "<br>=1",
        "-1e",
    ],
)
def test_a_spreadsheet_runs_no_cell(cell):
    for table in (Table(["x"], [[cell]]), Table([cell], [["x"]])):
        fields = [row[0] for row in csv.reader(io.StringIO(table.to_csv(), newline=""))]
        assert [text[0] for text in fields if text != "x"] == ["'"]


def test_formulas_are_as_they_were_written():
    found = formulas("$x < y$, \\(a\\) `$b$`\n\n> $$\n> c \\tag{1}\n> $$\n\n$\\href{d}{e}$ and $5")
    assert [each.tex for each in found] == ["x < y", "a", "c \\tag{1}", "\\href{d}{e}"]
    assert [each.shown for each in found] == ["$x < y$", "\\(a\\)", "$$c \\qquad \\text{(1)}$$", ""]


def test_the_panel_finds_what_it_shows():
    response = Response()
    for reasoning, text in (("| r |\n|---|\n| 1 |", ""), ("", ANSWER)):
        response.rounds.append(Round())
        response.rounds[-1].reasoning.append(reasoning)
        response.rounds[-1].text.append(text)

    def table(number: object, form: str = "markdown") -> str:
        return source_of(response, {"part": "table", "number": number, "form": form})

    assert table(0) == "| r |\n| --- |\n| 1 |\n"
    assert table(1) == TABLE.replace(":-:", ":---:")
    assert table(2, "csv") == "x\r\n'=1+1\r\n"
    assert [table(number) for number in (3, -1, "1", None)] == [""] * 4
    shown = "$$a \\qquad \\text{(1)}$$"
    assert source_of(response, {"part": "formula", "shown": shown}) == "a \\tag{1}"
    assert source_of(response, {"part": "formula", "shown": ""}) == ""
    assert source_of(response, {"part": "code"}) == ""


# --- %chat copy ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def nb(server):
    """A kernel whose front end is not known to show widgets, and which has the answer."""
    with kernel(OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="sk-test") as running:
        running.run("%load_ext nbstream")
        assert "no answer yet" in running.run("%chat copy").error
        server.reply(completion(ANSWER + "\x1b[31mred"))
        running.run("%%chat replay-1\nGo")
        yield running


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", ANSWER + "red"),
        ("code", 'print("x")'),
        ("code 1", 'print("x")'),
        ("table 1", TABLE.replace(":-:", ":---:")),
        ("table csv 2", "x\n'=1+1"),
        ("TABLE 2 CSV", "x\n'=1+1"),
        ("formula 3", "a \\tag{1}"),
    ],
)
def test_what_has_no_clipboard_gets_the_text(nb, words, text):
    shown = nb.run(f"%chat copy {words}")
    assert not shown.error
    printed = shown.stdout.replace("\r", "")
    assert printed.startswith(text.removesuffix("\n") + "\n\nCopy it from here: ")
    assert not shown.outputs


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("code 2", "the last answer has one code block: %chat copy code N, from 1 on"),
        ("table 0", "the last answer has 2 tables: %chat copy table N"),
        ("formula x", "the last answer has 3 formulas: %chat copy formula N"),
        ("table 1 tsv", "type %chat copy, %chat copy code N"),
        ("picture", "type %chat copy, %chat copy code N"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(nb, words, says):
    result = nb.run(f"%chat copy {words}")
    assert says in result.error
    assert len(result.traceback) == 1


def test_a_page_with_widgets_gets_one_that_leaves_a_line(nb):
    nb.run("%config ChatMagics.view = 'widget'")
    shown = nb.run("%chat copy table 2")
    nb.run("%config ChatMagics.view = 'auto'")
    (output,) = shown.outputs
    assert output["text/plain"] == "| x |\n| --- |\n| =1+1 |\n"
    model = output["application/vnd.jupyter.widget-view+json"]["model_id"]
    done = nb.run(
        "from ipywidgets.widgets.widget import _instances\n"
        f"widget = _instances[{model!r}]\n"
        "widget._handle_custom_msg({'copied': True}, [])"
    )
    updates = [m for m in done.messages if m["msg_type"] == "update_display_data"]
    assert [m["content"]["data"] for m in updates] == [
        {"text/plain": "Table 2 (Markdown) is copied."}
    ]
    assert nb.value(f"{model!r} in _instances") == "False"


SIGNS = 'if user != "a\u202e\u2066// ":\n    go()\n'


def test_signs_that_nobody_sees_are_told_and_copied_as_they_came(nb, server):
    server.reply(completion(f"```python\n{SIGNS}```"))
    nb.run("%%chat replay-1\nSigns")
    copied = nb.run("%chat copy code 1").stdout
    assert "(U+202E, U+2066)" in copied
    assert SIGNS in copied.replace("\r", "")
    inserted = nb.run("%chat code 1")
    assert "(U+202E, U+2066)" in inserted.stdout
    (payload,) = inserted.reply["content"]["payload"]
    assert payload["text"] == SIGNS.removesuffix("\n")


# --- how answers look ---------------------------------------------------------------

LOOKS = "one\ntwo\n\n```mermaid\ngraph TD\n A[Init] --> B\n```"


def test_cells_follow_the_settings_of_how_answers_look(nb, server):
    def saved() -> str:
        server.reply(completion(LOOKS, piece=7))
        return nb.run("%%chat replay-1\nLooks").outputs[-1]["text/markdown"]

    assert "```mermaid\ngraph TD\n A[Init] --> B\n```" in saved()
    assert saved().startswith("one\\\ntwo\n")
    nb.run("%config ChatMagics.line_breaks = False\n%config ChatMagics.diagrams = False")
    plain = saved()
    nb.run("%config ChatMagics.line_breaks = True\n%config ChatMagics.diagrams = True")
    assert plain.startswith(LOOKS.replace("mermaid", ""))
    assert "mermaid" in saved()
