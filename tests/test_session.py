"""What a conversation remembers."""

from __future__ import annotations

import threading

import pytest
from replay import completion, cut, error, silence

from nbstream.conversation import Conversation
from nbstream.errors import UsageError
from nbstream.io_thread import io_thread
from nbstream.request import Options
from nbstream.session import Place, Session, System
from nbstream.tools.tool import tools_of
from nbstream.views.protocol import NullView


@pytest.fixture
def ask(replay):
    """Ask in a session and return the response."""

    def ask(session, prompt, answer=None, *, key=None, **options):
        if answer is not None:
            replay.reply(completion(answer) if isinstance(answer, str) else answer)
        options = Options(model="replay-1", base_url=replay.base_url, max_retries=0)
        response = session.ask(prompt, options, NullView(), place=Place(key)).wait()
        if isinstance(answer, str):
            assert response.status == "complete", repr(response.error.__cause__ or response.error)
        return response

    return ask


@pytest.fixture
def start(replay):
    """Start a turn and return its run; the reply waits for gates where it has some."""

    def start(session, prompt, answer, place=None, view=None):
        replay.reply(completion(answer) if isinstance(answer, str) else answer)
        options = Options(model="replay-1", base_url=replay.base_url, max_retries=0)
        return session.ask(prompt, options, view or NullView(), place=place or Place())

    return start


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
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "assistant", "user"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == "call_1"


def test_reset(ask):
    session = Session(system="x")
    ask(session, "a", "1")
    session.reset()
    assert session.messages == []


# --- places -------------------------------------------------------------------------


def typed(turns):
    return [turn.typed for turn in turns]


def contents(replay):
    return [m["content"] for m in replay.requests[-1].json["messages"]]


@pytest.fixture
def three(start):
    """A session with the turns a, b and c."""
    session = Session()
    for name in "abc":
        start(session, name, name.upper(), Place(typed=name, keep=True)).wait()
    return session


def test_a_turn_after_an_earlier_one_opens_a_branch(three, start, replay):
    a, _, c = three.turns
    start(three, "d", "D", Place(after=a, typed="d")).wait()
    assert contents(replay) == ["a", "A", "d"]
    assert typed(three.turns) == ["a", "d"]
    start(three, "e", "E", Place(after=None, typed="e")).wait()
    assert contents(replay) == ["e"]
    three.choose(c)
    assert typed(three.turns) == ["a", "b", "c"]
    assert [(t.typed, *place) for t, *place in three.places()] == [
        ("a", 1, 2),
        ("b", 1, 2),
        ("c", 1, 1),
    ]
    start(three, "f", "F").wait()
    assert contents(replay) == ["a", "A", "b", "B", "c", "C", "f"]


def test_a_turn_that_is_not_there_is_followed_by_none(three, start, replay):
    _, b, _ = three.turns
    three.remove(b)
    before = three.copy()
    with pytest.raises(UsageError, match="not there any more"):
        three.ask("x", Options(model="m"), NullView(), place=Place(after=b))
    for method in (three.remove, three.choose):
        with pytest.raises(UsageError, match="not there any more"):
            method(b)
    assert list(three.conversation) == list(before)
    assert typed(three.turns) == ["a", "c"]


@pytest.mark.parametrize("keep", [True, False])
def test_a_turn_that_came_to_nothing_stays_where_it_is_kept(three, start, replay, keep):
    start(three, "d", error(400, "no"), Place(typed="d", keep=keep)).wait()
    assert typed(three.turns) == ["a", "b", "c", *("d" * keep)]
    assert len(three.responses) == 3
    start(three, "e", "E").wait()
    assert contents(replay) == ["a", "A", "b", "B", "c", "C", "e"]


def test_no_place_keeps_nothing(three, replay):
    replay.reply(completion("x"))
    options = Options(model="replay-1", base_url=replay.base_url)
    three.ask("alone", options, NullView(), place=None).wait()
    assert contents(replay) == ["alone"]
    assert typed(three.turns) == ["a", "b", "c"]


# --- a cell that runs again ---------------------------------------------------------


def test_the_old_turn_is_there_until_the_new_one_has_an_answer(start, replay):
    session = Session()
    for name in "ab":
        start(session, name, name.upper(), Place(name, typed=name)).wait()
    old, _ = session.turns
    run = start(session, "new", completion(["N", "ew"], gate="new"), Place("a", typed="new"))
    assert typed(session.turns) == ["new"]
    assert old in session.conversation
    replay.open("new-0")
    replay.open("new-1")
    run.wait()
    assert typed(session.conversation) == ["new"]
    assert contents(replay) == ["new"]


@pytest.mark.parametrize("how", ["error", "stopped"])
def test_a_re_run_that_fails_leaves_the_old_turn_and_the_later_ones(start, replay, how):
    session = Session()
    for name in "ab":
        start(session, name, name.upper(), Place(name, typed=name)).wait()
    turns = session.turns
    run = start(session, "new", error(400, "no") if how == "error" else silence(), Place("a"))
    if how == "stopped":
        assert replay.wait_requests(3)
        run.response.cancel()
    run.wait()
    assert session.turns == turns == list(session.conversation)


def test_a_re_run_that_is_refused_with_results_of_tools_leaves_the_old_turn(replay, start):
    session = Session()
    start(session, "a", "A", Place("a", typed="a")).wait()
    replay.reply(completion(tool_calls=[{"name": "now"}]), error(400, "no"))

    def now():
        return 1

    options = Options("replay-1", base_url=replay.base_url, tools=tools_of([now]))
    session.ask("again", options, NullView(), place=Place("a", typed="again")).wait()
    assert typed(session.conversation) == ["a"]


# --- starting over ------------------------------------------------------------------


def test_what_was_there_goes_when_something_has_come_of_a_fresh_start(start, replay):
    session = Session(system="Old")
    start(session, "a", "A", Place("a", typed="a")).wait()
    running = start(session, "b", silence(), Place("b", typed="b"))
    assert replay.wait_requests(2)
    reply = completion(["N", "ew"], gate="new")
    run = start(session, "new", reply, Place("a", typed="new", fresh=System("New")))
    assert typed(session.turns) == ["new"]
    assert typed(session.conversation) == ["a", "b", "new"]
    replay.open("new-0")
    replay.open("new-1")
    run.wait()
    assert contents(replay) == ["New", "new"]
    assert typed(session.conversation) == ["new"]
    assert running.wait().status == "cancelled"
    start(session, "c", "C").wait()
    assert contents(replay) == ["New", "new", "New", "c"]


@pytest.mark.parametrize("how", ["error", "stopped"])
def test_a_fresh_start_that_came_to_nothing_leaves_all_as_it_was(start, replay, how):
    session = Session(system="Old")
    for name in "ab":
        start(session, name, name.upper(), Place(name, typed=name)).wait()
    reply = error(400, "no") if how == "error" else silence()
    run = start(session, "new", reply, Place("a", typed="new", fresh=System()))
    if how == "stopped":
        assert replay.wait_requests(3)
        run.response.cancel()
    run.wait()
    assert typed(session.turns) == typed(session.conversation) == ["a", "b"]
    assert session.system == "Old"


def test_the_settings_are_followed_until_there_are_turns(start, replay):
    session = Session()
    session.follow_settings("A")
    start(session, "a", error(400, "no")).wait()
    session.follow_settings("B")
    assert session.system == "B"
    start(session, "b", "B").wait()
    fresh = start(session, "c", silence(), Place(fresh=System("C")))
    session.follow_settings("D")  # what runs is a turn
    assert session.system == "C"
    assert replay.wait_requests(3)
    fresh.response.cancel()
    fresh.wait()
    session.follow_settings("E")
    assert session.system == "B"


def test_two_fresh_starts_at_once(start, replay):
    session = Session()
    start(session, "a", "A", Place(typed="a")).wait()
    first = start(session, "one", completion(["O", "ne"], gate="one"), Place(fresh=System("1")))
    second = start(session, "two", completion(["T", "wo"], gate="two"), Place(fresh=System("2")))
    for name in ("one", "two"):
        replay.open(f"{name}-0")
        replay.open(f"{name}-1")
        (first if name == "one" else second).wait()
        assert [turn.response for turn in session.turns] == [second.response]
    assert list(session.conversation) == session.turns
    assert session.system == "2"


def test_a_turn_asked_meanwhile_keeps_what_a_fresh_start_began(start, replay):
    session = Session(system="Old")
    start(session, "a", "A", Place(typed="a")).wait()
    fresh = start(session, "one", silence(), Place(typed="one", fresh=System("New")))
    assert replay.wait_requests(2)
    start(session, "two", "Two", Place(typed="two")).wait()
    fresh.response.cancel()
    fresh.wait()
    assert contents(replay) == ["New", "two"]
    assert typed(session.turns) == ["two"]
    assert typed(session.conversation) == ["a", "two"]  # side by side: nothing is lost
    assert session.system == "New"


@pytest.mark.parametrize("answer", ["anew", None], ids=["answered", "refused"])
def test_a_cell_whose_turn_was_repeated_beside_it_takes_its_place(start, replay, answer):
    session = Session()
    start(session, "a", "A", Place("a", typed="a")).wait()
    start(session, "b", "B", Place("b", typed="b")).wait()
    a, b = session.turns
    start(session, "b", "again", Place(after=a, typed="again")).wait()  # as the panel does
    start(session, "c", "C", Place(typed="c")).wait()
    assert session.later_than("b") == 0
    start(session, "b", answer or error(400, "no"), Place("b", typed="new")).wait()
    assert contents(replay) == ["a", "A", "b"]
    if answer:
        assert typed(session.turns) == ["a", "new"]
        assert b not in session.conversation
    else:
        assert typed(session.turns) == ["a", "again", "c"]
        assert b in session.conversation


def test_a_cell_whose_turn_is_on_another_branch_asks_on_this_one(start, replay):
    session = Session()
    for name in "ab":
        start(session, name, name.upper(), Place(name, typed=name)).wait()
    start(session, "x", "X", Place(after=None, typed="x")).wait()
    start(session, "b", "B", Place("b", typed="b")).wait()
    assert contents(replay) == ["x", "X", "b"]
    assert typed(session.turns) == ["x", "b"]


def test_a_turn_asked_meanwhile_outlives_one_that_came_to_nothing(start, replay):
    """Two cells in the background; the first one fails while the second one answers."""
    session = Session()
    first = start(session, "one", silence(), Place("a", typed="one"))
    assert replay.wait_requests(1)
    second = start(session, "two", completion(["T", "wo"], gate="two"), Place("b", typed="two"))
    first.response.cancel()
    first.wait()
    replay.open("two-0")
    replay.open("two-1")
    second.wait()
    assert typed(session.turns) == ["two"]
    assert texts([m.to_api() for m in session.messages]) == [("user", "two"), ("assistant", "Two")]


def test_a_re_run_that_fails_does_not_leave_the_branch_that_is_read(start, replay):
    session = Session()
    start(session, "a", "A", Place("a", typed="a")).wait()
    run = start(session, "new", silence(), Place("a", typed="new"))
    assert replay.wait_requests(2)
    start(session, "other", "O", Place(after=None, typed="other")).wait()
    run.response.cancel()
    run.wait()
    assert typed(session.turns) == ["other"]
    assert typed(session.conversation) == ["a", "other"]


# --- several at a time --------------------------------------------------------------


def test_turns_side_by_side_know_only_what_has_ended(start, replay):
    session = Session()
    first = start(session, "one", completion(["1"], gate="one"), Place(typed="one"))
    assert replay.wait_requests(1)
    start(session, "two", "2", Place(typed="two")).wait()
    assert contents(replay) == ["two"]
    assert typed(session.turns) == ["one", "two"]
    assert session.running(session.turns[0]) is first
    assert session.running(session.turns[1]) is None
    replay.open("one-0")
    first.wait()
    assert session.running(session.turns[0]) is None
    start(session, "three", "3").wait()
    assert contents(replay) == ["one", "1", "two", "2", "three"]
    assert not session._runs


def test_many_turns_from_many_threads(replay):
    session = Session()
    replay.fallback = completion("ok")
    options = Options(model="replay-1", base_url=replay.base_url)

    def ask_some():
        for _ in range(5):
            session.ask("q", options, NullView(), place=Place(keep=True)).wait()

    threads = [threading.Thread(target=ask_some) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(session.turns) == len(session.responses) == 30
    assert not session._runs


# --- watchers -----------------------------------------------------------------------


class Log:
    """A watcher that notes what it sees, and shows answers."""

    def __init__(self, session):
        self.session = session
        self.changes = []
        self.shown = []

    def changed(self):
        turns = self.session.turns
        self.changes.append([(turn.typed, turn.response.status) for turn in turns])

    def view(self, turn):
        return LogView(self.shown, turn.typed)


class LogView:
    def __init__(self, shown, name="view"):
        self.shown = shown
        self.name = name

    def open(self, response):
        self.shown.append((self.name, "open", response.status))

    def update(self, response):
        self.shown.append((self.name, "update", response.text))

    def close(self, response):
        self.shown.append((self.name, "close", response.text))


def test_a_watcher_is_told_of_each_change(three, start):
    log = Log(three)
    unwatch = three.watch(log)
    start(three, "d", "D", Place(typed="d")).wait()
    kept = [("a", "complete"), ("b", "complete"), ("c", "complete")]
    assert log.changes == [[*kept, ("d", "running")], [*kept, ("d", "complete")]]
    assert [step[:2] for step in log.shown][:: len(log.shown) - 1] == [
        ("d", "open"),
        ("d", "close"),
    ]
    log.changes.clear()
    three.remove(three.turns[-1])
    three.undo()
    three.clear()
    three.undo()
    three.choose(three.turns[0])
    assert [len(change) for change in log.changes] == [3, 4, 0, 4, 4]
    unwatch()
    three.clear()
    assert len(log.changes) == 5


def test_all_views_of_an_answer_see_all_of_it(replay, start):
    session = Session()
    logs = [Log(session), Log(session)]
    for log in logs:
        session.watch(log)
    own, late = [], []
    answer = completion(["one ", "two"], gate="piece")
    run = start(session, "q", answer, Place(typed="q"), LogView(own))
    assert replay.wait_reached("piece-0")
    assert replay.wait_until(lambda: own)

    async def join():
        run.show(LogView(late))

    io_thread.submit(join()).wait()
    replay.open("piece-0")
    replay.open("piece-1")
    run.wait()
    for shown in (own, late, *(log.shown for log in logs)):
        assert shown[0][1:] == ("open", "running")
        assert shown[-1][1:] == ("close", "one two")
        assert [step[1] for step in shown].count("open") == 1
        assert [step[1] for step in shown].count("close") == 1


def test_a_view_that_fails_takes_nobody_with_it(start):
    class Broken(LogView):
        def update(self, response):
            raise OSError("gone")

    session = Session()
    log = Log(session)
    session.watch(log)
    response = start(session, "q", "The answer.", Place(typed="q"), Broken([])).wait()
    assert response.text == "The answer."
    assert log.shown[-1] == ("q", "close", "The answer.")


# --- taking out, bringing back ------------------------------------------------------


def test_remove_and_undo(three, start, replay):
    _, b, _ = three.turns
    assert not three.can_undo
    three.remove(b)
    assert three.can_undo
    assert typed(three.turns) == ["a", "c"]
    three.undo()
    assert typed(three.turns) == ["a", "b", "c"]
    assert not three.can_undo
    three.undo()  # nothing to undo: nothing happens
    assert typed(three.turns) == ["a", "b", "c"]
    three.remove(b)
    start(three, "d", "D").wait()
    assert contents(replay) == ["a", "A", "c", "C", "d"]
    assert not three.can_undo


def test_clear_and_undo_bring_all_branches_back(three, start):
    first, *_ = three.turns
    start(three, "d", "D", Place(after=first, typed="d")).wait()
    three.clear()
    assert three.turns == []
    assert three.messages == []
    three.clear()  # there is nothing to take out, and nothing to forget
    assert three.can_undo
    three.undo()
    assert typed(three.turns) == ["a", "d"]
    assert typed(three.conversation) == ["a", "b", "c", "d"]


def test_drop_is_not_undone(three):
    three.drop(three.turns[-1])
    assert typed(three.turns) == ["a", "b"]
    assert not three.can_undo


def test_another_conversation_cannot_be_undone(three):
    other = Conversation()
    three.restore(other)
    assert three.conversation is other
    assert not three.can_undo


def test_reset_forgets_for_good(three):
    three.system = "S"
    changes = Log(three)
    three.watch(changes)
    three.reset()
    assert (three.turns, three.system, three.can_undo) == ([], None, False)
    assert changes.changes[-1] == []


@pytest.mark.parametrize("take_out", ["remove", "clear"])
def test_what_is_taken_out_is_stopped(start, replay, take_out):
    session = Session()
    start(session, "a", "A", Place(typed="a")).wait()
    run = start(session, "b", silence(), Place(typed="b", keep=True))
    assert replay.wait_requests(2)
    session.remove(session.turns[-1]) if take_out == "remove" else session.clear()
    assert run.wait().status == "cancelled"
    session.undo()
    assert typed(session.turns) == ["a", "b"]
    assert len(session.responses) == 1


def test_clear_stops_what_runs_on_another_branch(start, replay):
    session = Session()
    run = start(session, "a", silence(), Place(typed="a"))
    assert replay.wait_requests(1)
    start(session, "b", "B", Place(after=None, typed="b")).wait()
    session.clear()
    assert run.wait().status == "cancelled"


def test_what_came_to_nothing_while_it_was_out_does_not_come_back(start, replay):
    session = Session()
    for name in "ab":
        start(session, name, name.upper(), Place(name, typed=name)).wait()
    run = start(session, "new", silence(), Place("a", typed="new"))
    assert replay.wait_requests(3)
    session.clear()
    run.wait()
    session.undo()
    assert typed(session.turns) == typed(session.conversation) == ["a", "b"]
