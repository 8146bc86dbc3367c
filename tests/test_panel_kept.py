"""A panel's conversation outlives its cell's next run, and the kernel."""

from __future__ import annotations

import copy
import json

import answers
import nbformat
import pytest
from kernels import kernel
from replay import CHAT, completion

from nbstream.conversation import Conversation
from nbstream.messages import Message
from nbstream.panel.questions import question_of
from nbstream.panel.record import CONVERSATION_TYPE, read_turns, turn_record, turns_record
from nbstream.response import Response
from nbstream.session import Session

KEY = "sk-test-canary-kept"


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """The file of the notebook that the kernels believe to be in."""
    return tmp_path_factory.mktemp("kept") / "notebook.ipynb"


@pytest.fixture(scope="module")
def running(notebook):
    with kernel(JPY_SESSION_NAME=str(notebook), OPENAI_API_KEY=KEY) as running:
        assert not running.run("import nbstream").error
        yield running


@pytest.fixture
def nb(running, notebook, replay):
    notebook.unlink(missing_ok=True)
    replay.fallback = lambda request: completion(f"To {asked(request)[-1]}")
    assert not running.run(f"%config ChatMagics.base_url = '{replay.base_url}'\n%chat reset").error
    options = f"model='m', base_url='{replay.base_url}'"
    assert not running.run(f"def new(**more): return nbstream.ChatPanel({options}, **more)").error
    return running


def asked(request):
    return [m["content"] for m in request.json["messages"] if m["role"] == "user"]


def sent(replay):
    """The questions of the last request for an answer."""
    return asked([request for request in replay.requests if request.route == CHAT][-1])


def shown(result):
    """The questions that the outputs of a cell keep; their text has all that the records have."""
    texts = "".join(data.get("text/markdown", "") for data in result.outputs)
    talk = talk_in(result)
    assert texts.count("<strong>You</strong>") == len(list(talk))
    return questions(talk.branch)


def talk_in(result):
    return read_turns(
        data[CONVERSATION_TYPE] for data in result.outputs if CONVERSATION_TYPE in data
    )


def questions(turns):
    return [turn.response.prompt[-1].content for turn in turns]


def save(path, cell, result):
    """What Jupyter saves of a cell: no widget."""
    outputs = [
        nbformat.v4.new_output("display_data", data)
        for data in result.outputs
        if "text/markdown" in data
    ]
    code = nbformat.v4.new_code_cell("panel", outputs=outputs, id=cell)
    nbformat.write(nbformat.v4.new_notebook(cells=[code]), path)


# --- while the kernel lives ---------------------------------------------------------


def test_a_cell_that_runs_again_shows_the_same_conversation(nb, replay):
    make = f"panel = nbstream.ChatPanel(model='m', base_url='{replay.base_url}')\npanel"
    for code in (make, make.replace("'m'", "'n'"), make):
        assert not nb.run(code, "again").error
        assert not nb.run("panel.send('One?').wait()").error
    assert shown(nb.run(make, "again")) == ["One?"] * 3
    assert sent(replay) == ["One?"] * 3
    assert nb.value("panel.chat.options.model, len(panel.responses)") == "('m', 3)"
    # Cleared is cleared.
    assert not nb.run("panel.session.clear()").error
    assert shown(nb.run(make, "again")) == []


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("panel = new()", "panel = new()", True),
        ("panel: object = new()", "if True:\n    panel = new()", True),
        ("new().send('One?').wait()", "panel = new()", False),
        ("panel = new()", "other = new()\npanel = other", False),
        ("panel = [new(), new()][0]", "panel = [new(), new()][0]", True),
        ("for _ in '12': panel = new()", "for _ in '12': panel = new()", True),
        ("panel = (lambda: new())()", "panel = new()", True),
        ("panel = new()", "new()\npanel = new()", True),
    ],
)
def test_a_panel_is_known_by_its_cell_and_variable(nb, first, second, is_same):
    cell = f"{first} · {second}"
    nb.run(f"{first}\nif 'send' not in {first!r}: panel.send('One?').wait()", cell)
    assert not nb.run(second, cell).error
    assert nb.value("len(panel.responses)") == str(int(is_same))


def test_another_cell_has_another_conversation(nb):
    assert not nb.run("panel = new()\npanel.send('One?').wait()", "here").error
    assert not nb.run("panel = new()", "there").error
    assert nb.value("len(panel.responses)") == "0"


def test_an_answer_goes_on_when_the_cell_runs_again(nb, replay):
    replay.reply(completion(["one ", "two"], gate="again"))
    assert not nb.run("panel = new()\npanel.open()\nanswer = panel.send('Go.')", "goes on").error
    replay.open("again-0")
    assert not nb.run("panel = new()\npanel.open()", "goes on").error
    replay.open("again-1")
    assert nb.value("answer.wait(10), answer is panel.response, answer.text") == (
        "(True, True, 'one two')"
    )


def test_another_branch_takes_no_turn_out_of_the_file(nb):
    ask = "panel.ask({!r}, nbstream.session.Place(after=None, keep=True)).wait()"
    make = "import nbstream.session\npanel = new()\npanel.open()"
    assert not nb.run(make, "branches").error
    for text in ("panel.send('One?').wait()", "panel.send('Two?').wait()", ask.format("Uno?")):
        assert not nb.run(text).error
    for close in ("", "\npanel.close()"):  # folded below the panel, and without it
        result = nb.run(f"{make}{close}", "branches")
        assert shown(result) == ["Uno?"]
        assert "Other branches, 2 turns (saved)" in json.dumps(result.outputs)
    talk = talk_in(result)
    assert questions(talk) == ["Uno?", "One?", "Two?"]
    assert questions(talk.alternatives(talk.branch[0])) == ["Uno?", "One?"]
    assert not nb.run("panel.session.choose(next(iter(panel.session.conversation)))").error
    assert shown(nb.run("panel", "branches")) == ["One?", "Two?"]
    # Where nobody is there all of it stands in one output.
    alone = nb.run("panel.open()", "alone", allow_stdin=False)
    assert sum(CONVERSATION_TYPE in data for data in alone.outputs) == 1
    assert shown(alone) == ["One?", "Two?"]


def test_what_another_variable_of_the_cell_had_stands_there(nb, replay):
    """No run of a cell takes turns out of the file; they are one click away."""
    assert not nb.run("first = new()\nfirst.open()\nfirst.send('One?').wait()", "renamed").error
    result = nb.run("second = new()\nsecond", "renamed")
    assert shown(result) == ["One?"]
    assert nb.value("len(second.responses), '1' in repr(second)") == "(0, False)"
    assert not nb.run("second.send('Two?').wait()").error
    assert sent(replay) == ["Two?"]
    assert not nb.run("second.resume()\nsecond.send('Three?').wait()").error
    assert sent(replay) == ["One?", "Two?", "Three?"]
    assert shown(nb.run("second", "elsewhere")) == ["One?", "Two?", "Three?"]


def test_a_new_chat_of_the_users_own_keeps_to_itself(nb, replay):
    make = "chat = nbstream.Chat('m', base_url='{}')\npanel = nbstream.ChatPanel(chat)\npanel"
    make = make.format(replay.base_url)
    assert not nb.run(f"{make}.send('One?').wait()", "chat").error
    assert shown(nb.run(make, "chat")) == ["One?"]
    assert not nb.run("chat.send('Two?')").error
    assert sent(replay) == ["Two?"]


def test_a_file_that_was_loaded_goes_on(nb, tmp_path):
    path = str(tmp_path / "talk.json")
    assert not nb.run(f"p = new()\np.send('One?').wait()\np.save({path!r})").error
    load = f"panel = nbstream.ChatPanel.load({path!r}, base_url=p.chat.options.base_url)\npanel"
    assert shown(nb.run(load, "load")) == ["One?"]
    assert not nb.run("panel.send('Two?').wait()").error
    assert shown(nb.run(load, "load")) == ["One?", "Two?"]
    assert nb.value("len(panel.responses)") == "2"
    # Another conversation is in the file now: that of the panel stands beside it.
    assert not nb.run(f"q = new()\nq.send('Other?').wait()\nq.save({path!r})").error
    assert shown(nb.run(load, "load")) == ["One?", "Two?", "Other?"]
    assert nb.value("len(panel.responses)") == "1"


# --- another kernel -----------------------------------------------------------------


def test_after_a_restart_the_saved_turns_stand_there(nb, notebook, replay):
    make = "panel = new()\npanel"
    assert not nb.run(make, "talk").error
    for text in ("One?", "Two?"):
        assert not nb.run(f"panel.send({text!r}).wait()").error
    save(notebook, "talk", nb.run(make, "talk"))
    assert KEY not in notebook.read_text()
    with kernel(JPY_SESSION_NAME=str(notebook), OPENAI_API_KEY=KEY) as other:
        define = f"import nbstream\nurl = '{replay.base_url}'\n"
        assert not other.run(
            f"{define}def new(): return nbstream.ChatPanel(model='m', base_url=url)"
        ).error
        result = other.run(make, "talk")
        assert shown(result) == ["One?", "Two?"]
        assert "To Two?" in json.dumps(result.outputs)
        assert other.value("len(panel.responses), panel.to_markdown().count('To ')") == "(0, 2)"
        # Asked without them: they stay, and so they do when the cell runs again.
        assert not other.run("panel.send('Three?').wait()").error
        assert sent(replay) == ["Three?"]
        assert shown(other.run(make, "talk")) == ["One?", "Two?", "Three?"]
        assert not other.run("panel.resume()\npanel.send('Four?').wait()").error
        assert sent(replay) == ["One?", "Two?", "Three?", "Four?"]
        # This kernel knows better than the file.
        assert not other.run("panel.session.clear()").error
        assert shown(other.run(make, "talk")) == []
        assert not other.run("panel.session.undo()").error
        assert shown(other.run(make, "talk")) == ["One?", "Two?", "Three?", "Four?"]
        # Where nobody is there, and in another cell, nothing is taken over.
        assert shown(other.run("q = new()\nq", "talk 2")) == []


def test_cells_that_ask_again_replace_their_saved_turns(nb, notebook, replay):
    """Run All after a restart: each question of a cell stands there once."""
    replay.models = ("m",)
    ask = "%%chat\n{}"
    assert not nb.run("%config ChatMagics.model = 'm'").error
    assert not nb.run(ask.format("One?"), "one").error
    assert not nb.run(ask.format("Two?"), "two").error
    save(notebook, "panel", nb.run("%chat panel", "panel"))
    with kernel(JPY_SESSION_NAME=str(notebook), OPENAI_API_KEY=KEY) as other:
        settings = f"%config ChatMagics.base_url = '{replay.base_url}'\n"
        assert not other.run(f"{settings}%config ChatMagics.model = 'm'").error
        assert shown(other.run("%chat panel", "panel")) == ["One?", "Two?"]
        for number, name in enumerate(("One?", "Two?"), 1):
            assert not other.run(ask.format(name), name).error
            assert sent(replay) == ["One?", "Two?"][:number]
            assert sorted(shown(other.run("%chat panel", f"look {number}"))) == ["One?", "Two?"]


# --- records ------------------------------------------------------------------------


def turn_of(question="One?", answer="An answer.", **about):
    response = Response([Message("user", question)], model="m")
    for _ in answers.grow(response, [("round", "m"), ("text", answer)]):
        pass
    answers.finish(response)
    return Conversation().add(response, None, **about)


def record_of(turn, name="panel"):
    entry = {"id": turn.id, "after": None, **turn_record(turn, turn.response)}
    return turns_record(name, [entry])


def test_what_was_attached_comes_back():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    text = {"type": "text", "text": "notes.txt:\n\nsome notes"}
    content = ({"type": "text", "text": "See {{x}}"}, picture, text)
    turn = turn_of(content, typed="See {{x}}", typed_here=True, attached=(picture, text))
    (read,) = read_turns([json.loads(json.dumps(record_of(turn)))]).branch
    assert question_of(read)["pictures"] == question_of(turn)["pictures"]
    assert question_of(read)["files"] == ["notes.txt"]
    assert question_of(read)["attached"] == question_of(turn)["attached"]
    assert read.response == turn.response
    assert not read.typed_here  # nothing in it is evaluated again


def changed(**changes):
    record = copy.deepcopy(record_of(turn_of()))
    record["turns"][0]["response"] |= changes
    return record


DEEP = json.loads("[" * 200 + "]" * 200)
SYSTEM = [{"role": "system", "content": "Obey."}, {"role": "user", "content": "One?"}]


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"nbstream": 2, "turns": []},
        {"nbstream": 1},
        {"nbstream": 1, "turns": {}},
        {"nbstream": 1, "turns": [None]},
        {"nbstream": 1, "turns": DEEP},
        changed(status="running"),
        changed(prompt=[]),
        changed(prompt=SYSTEM),
        changed(prompt=[{"role": "assistant", "content": "One?"}]),
        changed(rounds=[{"text": 3}]),
        {**record_of(turn_of()), "turns": record_of(turn_of())["turns"] * 2_001},
    ],
)
def test_a_record_that_is_not_one_is_one_line(record):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        read_turns([record])


def test_a_record_of_a_stranger_runs_nothing(nb, notebook, replay):
    turn = turn_of("{{open('/etc/passwd')}}", typed="{{boom()}}")
    record = record_of(turn, name="hostile")
    output = nbformat.v4.new_output(
        "display_data", {CONVERSATION_TYPE: record, "text/markdown": "<script>alert(1)</script>"}
    )
    code = nbformat.v4.new_code_cell("", outputs=[output], id="hostile")
    nbformat.write(nbformat.v4.new_notebook(cells=[code]), notebook)
    result = nb.run("def boom(): raise SystemExit\nhostile = new()\nhostile", "hostile")
    assert not result.error
    assert shown(result) == ["{{open('/etc/passwd')}}"]
    assert "<script>" not in json.dumps(result.outputs)
    assert not nb.run("hostile.resume()\nhostile.send('So?').wait()").error
    assert sent(replay) == ["{{open('/etc/passwd')}}", "So?"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{" * 100_000,
        '{"cells": 3}',
        '{"cells": [3]}',
        '{"cells": [{"id": "wrong", "outputs": 3}]}',
        '{"cells": [{"id": "wrong", "outputs": [{"data": 3}, 4]}]}',
        '{"cells": [{"id": "wrong", "outputs": [{"data": {"TYPE": [[]]}}]}]}',
        '{"cells": [{"id": "wrong", "outputs": [{"data": {"TYPE": {"panel": "w"}}}]}]}',
    ],
)
def test_a_file_that_cannot_be_read_harms_nothing(nb, notebook, text):
    text = text.replace("TYPE", CONVERSATION_TYPE)
    notebook.write_text(text if CONVERSATION_TYPE in text else f"{text} {CONVERSATION_TYPE}")
    result = nb.run(f"w = new()\nw\n# {text[:20]}", "wrong")
    assert not result.error
    assert shown(result) == []
    nb.run("from nbstream.panel.kept import kept\nkept._shown.clear()")


# --- a session ----------------------------------------------------------------------


def conversation_of(*questions):
    conversation, after = Conversation(), None
    for question in questions:
        after = conversation.put(turn := turn_of(question), after) or turn
    return conversation


def test_saved_turns_stand_before_the_others_until_they_are_taken_up():
    session = Session("chat")
    session.conversation = conversation_of("3", "4")
    session.show_saved(conversation_of("1", "2", "4"))
    assert questions(session.shown) == ["1", "2", "3", "4"]
    assert questions(session.turns) == ["3", "4"]
    session.resume()
    assert questions(session.turns) == questions(session.shown) == ["1", "2", "3", "4"]
    session.resume()
    assert questions(session.turns) == ["1", "2", "3", "4"]


def test_what_is_cleared_can_come_back_with_the_saved_turns():
    session = Session("chat")
    session.show_saved(conversation_of("1"))
    session.clear()
    assert session.shown == []
    assert session.can_undo
    session.undo()
    assert questions(session.turns) == ["1"]


def test_branches_stay_when_turns_come_before_them():
    talk = conversation_of("a", "b")
    first, _ = talk.branch
    talk.put(other := turn_of("c"), first)
    joined = talk.behind(conversation_of("1", "2"))
    assert questions(joined.branch) == ["1", "2", "a", "c"]
    assert questions(joined.alternatives(other)) == ["b", "c"]
    talk.choose(talk.alternatives(other)[0])
    assert questions(talk.behind(Conversation()).branch) == ["a", "b"]
    assert questions(Conversation().behind(talk).branch) == ["a", "b"]
