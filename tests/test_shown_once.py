"""`chat.send(...)` as the last line of a cell: the answer is shown and saved once."""

from __future__ import annotations

import pytest
from kernels import kernel
from replay import completion

RECORD = "application/vnd.nbstream.response+json"


@pytest.fixture(scope="module", params=["display", "widget"])
def nb(request, server):
    with kernel(OPENAI_API_KEY="sk-test") as running:
        make = f"nbstream.Chat('m', base_url='{server.base_url}', view='{request.param}')"
        assert not running.run(f"import nbstream\nchat = {make}").error
        yield running


def shown(result):
    """The texts of the answers that the cell holds, each as often as it stands there."""
    assert not result.error, result.error
    return [each[RECORD]["rounds"][0]["text"] for each in result.outputs if RECORD in each]


@pytest.mark.parametrize(
    "cell",
    [
        "chat.send('Hi')",
        "answer = chat.send('Hi')\nanswer",
        "await chat.asend('Hi')",
        "(chat.send('Hi'))",
    ],
)
def test_the_last_line_shows_the_answer_once(nb, server, cell):
    server.reply(completion("Hello"))
    assert shown(nb.run(cell)) == ["Hello"]


def test_the_value_is_kept_as_ever(nb, server):
    server.reply(completion("Hello"))
    nb.run("chat.send('Hi')")
    assert nb.value("_.text, Out[max(Out)] is _") == "('Hello', True)"
    assert shown(nb.run("_")) == ["Hello"]


def test_a_later_cell_shows_it(nb, server):
    server.reply(completion("Hello"))
    nb.run("answer = chat.send('Hi')")
    assert shown(nb.run("answer")) == ["Hello"]
    assert shown(nb.run("answer")) == ["Hello"]
    assert shown(nb.run("chat.last")) == ["Hello"]


def test_display_shows_it_in_the_same_cell(nb, server):
    server.reply(completion("Hello"))
    assert shown(nb.run("answer = chat.send('Hi')\ndisplay(answer)")) == ["Hello"] * 2
    server.reply(completion("Hello"))
    assert shown(nb.run("answer = chat.send('Hi')\ndisplay(answer)\nanswer")) == ["Hello"] * 2


def test_another_answer_in_the_same_cell_is_shown(nb, server):
    server.reply(completion("One"), completion("Two"))
    nb.run("one = chat.send('Hi')")
    assert shown(nb.run("two = chat.send('Hi')\none")) == ["Two", "One"]


def test_what_no_view_has_shown_is_shown(nb, server):
    server.reply(completion("Hello"))
    nb.run(f"quiet = nbstream.Chat('m', base_url='{server.base_url}', view='none')")
    assert shown(nb.run("quiet.send('Hi')")) == ["Hello"]


def test_a_copy_is_shown(nb, server):
    server.reply(completion("Hello"))
    assert shown(nb.run("import copy\ncopy.deepcopy(chat.send('Hi'))")) == ["Hello"] * 2


def test_where_every_expression_is_shown(nb, server):
    server.reply(completion("Hello"))
    nb.run("get_ipython().ast_node_interactivity = 'all'")
    try:
        assert shown(nb.run("chat.send('Hi')\n1 + 1")) == ["Hello"]
    finally:
        nb.run("get_ipython().ast_node_interactivity = 'last_expr'")
