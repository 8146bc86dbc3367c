"""What a conversation remembers."""

from __future__ import annotations

import pytest
from replay import completion, cut, error

from nbstream.request import Options
from nbstream.session import Place, Session
from nbstream.views.protocol import NullView


@pytest.fixture
def ask(replay):
    """Ask in a session and return the response."""

    def ask(session, prompt, answer=None, *, key=None, **options):
        if answer is not None:
            replay.reply(completion(answer) if isinstance(answer, str) else answer)
        options = Options(model="replay-1", base_url=replay.base_url, max_retries=0)
        return session.ask(prompt, options, NullView(), place=Place(key)).wait()

    return ask


def texts(messages):
    return [(m["role"], m["content"]) for m in messages]


def test_a_session_remembers(replay, ask):
    session = Session(system="Be brief.")
    ask(session, "one", "first")
    ask(session, "two", "second")
    assert texts(replay.requests[-1].json["messages"]) == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "first"),
        ("user", "two"),
    ]


def test_running_a_cell_again_replaces_its_turn_and_drops_the_later_ones(replay, ask):
    session = Session()
    for key in "abc":
        ask(session, f"prompt {key}", f"answer {key}", key=key)
    assert session.later_than("b") == 1
    ask(session, "prompt B", "answer B", key="b")
    assert texts(replay.requests[-1].json["messages"]) == [
        ("user", "prompt a"),
        ("assistant", "answer a"),
        ("user", "prompt B"),
    ]
    assert [r.text for r in session.responses] == ["answer a", "answer B"]


def test_without_a_key_turns_are_appended(ask):
    session = Session()
    ask(session, "x", "1")
    ask(session, "x", "2")
    assert [r.text for r in session.responses] == ["1", "2"]


def test_what_failed_without_output_leaves_the_history_as_it_was(ask):
    session = Session()
    ask(session, "a", "one", key="a")
    ask(session, "b", "two", key="b")
    response = ask(session, "a again", error(400, "no"), key="a")
    assert response.status == "error"
    assert [r.text for r in session.responses] == ["one", "two"]


def test_a_part_is_remembered(ask):
    session = Session()
    response = ask(session, "a", cut(completion("Hello world"), 700))
    assert response.status == "incomplete"
    assert response.text
    assert [m.role for m in session.messages] == ["user", "assistant"]


def test_an_open_tool_call_is_answered(replay, ask):
    session = Session()
    ask(session, "a", completion(tool_calls=[{"name": "f", "arguments": "{}", "id": "call_1"}]))
    ask(session, "b", "fine")
    sent = replay.requests[-1].json["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "user"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == "call_1"


def test_reset(ask):
    session = Session(system="x")
    ask(session, "a", "1")
    session.reset()
    assert session.messages == []
