"""The view without widgets, in a real kernel: outputs that are added, one that is updated."""

from __future__ import annotations

import json
import re
from pathlib import Path

import answers
import pytest
from kernels import kernel

from nbstream.response import Response

RECORD = "application/vnd.nbstream.response+json"
PREAMBLE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import answers
from nbstream.response import Response
from nbstream.views.display import DisplayView

def show(steps, owns_cell, **end):
    response = Response()
    view = DisplayView(owns_cell=owns_cell)
    view.open(response)
    for _ in answers.grow(response, steps):
        view.update(response)
    answers.finish(response, **end)
    view.close(response)

def text_steps(text, size):
    return [("round", "m"), *answers.pieces("text", text, size), ("finish", "stop")]
"""


@pytest.fixture(scope="module")
def nb():
    with kernel() as running:
        assert not running.run(PREAMBLE).error
        yield running


def shown(messages):
    return [m for m in messages if m["msg_type"].endswith("display_data")]


def sent(result):
    """Characters of markdown that went to the front end."""
    return sum(len(m["content"]["data"].get("text/markdown", "")) for m in shown(result.messages))


def normal(markdown):
    """Blocks apart by one blank line, however they were cut into outputs."""
    return "\n\n".join(part.strip("\n") for part in markdown.split("\n\n") if part.strip("\n"))


def paragraphs(count):
    return "\n\n".join(f"Paragraph {i} says **something** of its own." for i in range(count))


GIANTS = {
    "paragraphs": paragraphs(1500),
    "code": "```python\n" + "".join(f"x{i} = {i}\n" for i in range(5000)) + "```\n",
    "table": "| a | b |\n|---|---|\n" + "".join(f"| {i} | row |\n" for i in range(3000)),
    "paragraph": "word " * 12_000,
    "list": "".join(f"- item {i}\n" for i in range(4000)),
}


@pytest.mark.parametrize("owns_cell", [True, False])
def test_it_ends_in_the_bundle(nb, owns_cell):
    result = nb.run(f"show(answers.rich(), {owns_cell})")
    assert not result.error
    assert set(result.outputs[-1]) == {"text/markdown", "text/plain", RECORD}
    whole = "\n\n".join(output["text/markdown"] for output in result.outputs)
    response = Response.from_dict(result.outputs[-1][RECORD])
    assert [c.name for c in response.tool_calls] == ["lookup_city"] * 2
    assert normal(whole) == normal(response._repr_mimebundle_()["text/markdown"])
    assert "comm_open" not in [m["msg_type"] for m in result.messages]


def test_a_cell_of_its_own_is_left_with_one_output(nb):
    nb.run(f"text = {paragraphs(200)!r}")
    result = nb.run("show(text_steps(text, 50), True)")
    assert len([m for m in result.messages if m["msg_type"] == "display_data"]) > 4
    assert len(result.outputs) == 1
    assert RECORD in result.outputs[0]


def test_prints_of_a_plain_cell_survive(nb):
    nb.run(f"text = {paragraphs(200)!r}")
    result = nb.run("print('before')\nshow(text_steps(text, 50), False)\nprint('after')")
    assert result.stdout == "before\nafter\n"
    assert "clear_output" not in [m["msg_type"] for m in result.messages]
    whole = "\n\n".join(output["text/markdown"] for output in result.outputs)
    assert [whole.count(f"Paragraph {i} says") for i in range(200)] == [1] * 200
    assert [RECORD in output for output in result.outputs] == [False] * (
        len(result.outputs) - 1
    ) + [True]


def test_a_short_answer_replaces_itself(nb):
    result = nb.run("print('before')\nshow(text_steps('Hello.', 2), True)")
    assert result.stdout == "before\n"
    assert "clear_output" not in [m["msg_type"] for m in result.messages]
    assert len(result.outputs) == 1


@pytest.mark.parametrize("kind", GIANTS)
def test_what_is_sent_grows_as_the_answer_does(nb, kind):
    text = GIANTS[kind]
    costs = []
    for share in (4, 1):
        part = text[: len(text) // share]
        nb.run(f"text = {part!r}")
        result = nb.run("show(text_steps(text, 100), False)", timeout=120)
        assert not result.error
        costs.append(sent(result) / len(part))
    print(f"{kind}: {costs[0]:.1f}, then {costs[1]:.1f} characters sent for one")
    assert costs[1] < 1.4 * costs[0]
    assert costs[1] < 25


@pytest.mark.parametrize("owns_cell", [True, False])
def test_text_that_was_reasoning_goes_into_its_fold(nb, owns_cell):
    result = nb.run(f"show(answers.thought(), {owns_cell})")
    (output,) = result.outputs
    fold, _, answer = output["text/markdown"].partition("</details>")
    assert "Reasoning" in fold
    assert "- Berlin?" in fold
    assert answer.strip().startswith("It is *Berlin*.")


def test_reasoning_in_outputs_that_are_done_stands_above_the_answer(nb):
    nb.run(f"text = {paragraphs(200)!r}")
    steps = "[*text_steps(text, 50)[:-1], ('thought', 2.0), ('text', 'Done.'), ('finish', 'stop')]"
    result = nb.run(f"show({steps}, False)")
    whole = "\n\n".join(output["text/markdown"] for output in result.outputs)
    assert [whole.count(f"Paragraph {i} says") for i in range(200)] == [1] * 200
    assert result.outputs[-1]["text/markdown"].startswith("Done.")
    (output,) = nb.run(f"show({steps}, True)").outputs
    fold, _, answer = output["text/markdown"].partition("</details>")
    assert fold.count("says") == 200
    assert answer.strip().startswith("Done.")


@pytest.mark.parametrize("owns_cell", [True, False])
def test_reasoning_that_was_the_answer_stands_in_no_fold(nb, owns_cell):
    (output,) = nb.run(f"show(answers.unclosed(), {owns_cell})").outputs
    answer, _, _ = output["text/markdown"].partition("<details>")
    assert answer.startswith("It is *Berlin*.")
    assert "never ended its reasoning" in output["text/markdown"]


def test_sealed_outputs_end_between_blocks(nb):
    text = "\n\n".join([answers.ANSWER] * 6)
    nb.run(f"text = {text!r}")
    result = nb.run("show(text_steps(text, 40), False)")
    assert len(result.outputs) > 2
    for output in result.outputs:
        markdown = output["text/markdown"]
        assert markdown.count("```") % 2 == 0
        assert markdown.count("$$") % 2 == 0
    whole = "\n\n".join(output["text/markdown"] for output in result.outputs)
    response = Response.from_dict(result.outputs[-1][RECORD])
    assert normal(whole) == normal(response._repr_mimebundle_()["text/markdown"])


def test_a_link_that_is_defined_in_another_output(nb):
    text = f"See [this][1] and [that].\n\n{paragraphs(100)}\n\n[1]: https://a.b/c\n\n[THAT]: /d"
    text += f"\n\n{paragraphs(100)}\n\n[1]: http://second.one\n\nAnd [this again][1]"
    nb.run(f"text = {text!r}")
    result = nb.run("show(text_steps(text, 50), False)")
    first, last = (result.outputs[i] for i in (0, -1))
    assert first["text/markdown"].startswith("See [this](https://a.b/c) and ")
    assert "[this again](https://a.b/c)" in last["text/markdown"]
    assert not any("[running]" in output["text/plain"] for output in result.outputs)
    whole = "\n\n".join(output["text/markdown"] for output in result.outputs)
    response = Response.from_dict(last[RECORD])
    assert normal(whole) == normal(response._repr_mimebundle_()["text/markdown"])


def test_a_retry_is_shown_while_it_is_waited_for(nb):
    steps = [
        ("notice", "503 · again in 2 s"),
        ("notice", "503 · again in 1 s"),
        ("notice", ""),
        *[("round", "m"), ("text", "Here."), ("finish", "stop")],
    ]
    result = nb.run(f"show({steps!r}, True)")
    texts = [m["content"]["data"]["text/markdown"] for m in shown(result.messages)]
    assert ["again in 2 s" in text for text in texts][:2] == [True, False]
    assert "again" not in texts[-1]
    assert len(result.outputs) == 1


def test_the_mark_of_a_part_stands_at_its_end(nb):
    nb.run(f"text = {paragraphs(200)!r}")
    result = nb.run(
        "from nbstream.errors import Interrupted\n"
        "show(text_steps(text, 50)[:-1], False, status='cancelled', error=Interrupted('x'))"
    )
    markdown = result.outputs[-1]["text/markdown"]
    assert (
        markdown.index("Paragraph 199") < markdown.index("Stopped. ") < markdown.index("<details>")
    )
    assert not any("Stopped" in output["text/markdown"] for output in result.outputs[:-1])


def test_only_safe_markdown_is_shown_at_every_moment(nb):
    text = "<script>alert(1)</script> ![x](https://evil.example/x.png)\n\n" * 60
    nb.run(f"text = {text!r}")
    result = nb.run("show(text_steps(text, 7), False)")
    for message in shown(result.messages):
        markdown = json.dumps(message["content"]["data"]["text/markdown"])
        assert "<script" not in markdown
        assert not re.search(r"(?<!\\\\)!\[[^]]*\]\(", markdown)
