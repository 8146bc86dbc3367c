"""The tree of turns."""

from __future__ import annotations

import random
import sys
import time

import pytest
from long import LONG

from nbstream.conversation import Conversation, came_to_nothing, history
from nbstream.messages import Message, ToolResult
from nbstream.response import Response, Timing
from nbstream.rounds import CallDraft, Round

WALKS = 2_000 if LONG else 150


def answered(question: str, answer: str = "", *, status: str = "complete") -> Response:
    response = Response([Message("user", question)])
    if answer:
        response.rounds.append(Round(finish_reason="stop"))
        response.rounds[0].text.append(answer)
    if status != "running":
        response.finish(status, None, Timing())
    return response


def add(conversation, name, after=None, **about):
    return conversation.add(answered(name, "yes"), after, typed=name, **about)


def names(turns):
    return "".join(turn.typed for turn in turns)


@pytest.fixture
def tree():
    """A conversation that branches after its first and after its second turn.

    a ─┬─ b ─┬─ c
       │     └─ d ── e
       └─ f
    """
    conversation = Conversation()
    a = add(conversation, "a")
    b = add(conversation, "b", a)
    add(conversation, "c", b)
    add(conversation, "e", add(conversation, "d", b))
    add(conversation, "f", a)
    return conversation, {turn.typed: turn for turn in conversation}


# --- the tree -----------------------------------------------------------------------


def test_an_empty_conversation():
    conversation = Conversation()
    assert conversation.branch == list(conversation) == []


def test_what_is_added_is_chosen(tree):
    conversation, turns = tree
    assert names(conversation.branch) == "af"
    assert names(conversation) == "abcdef"
    assert conversation.before(turns["a"]) is None
    assert names([conversation.before(turns["e"])]) == "d"
    assert names(conversation.after(turns["b"])) == "cd"
    assert names(conversation.alternatives(turns["f"])) == "bf"
    assert conversation[turns["c"].id] is turns["c"]


def test_ids_are_of_one_turn_only(tree):
    _, turns = tree
    other = add(Conversation(), "other")
    assert other.id not in [turn.id for turn in turns.values()]
    assert other not in tree[0]


def test_a_turn_keeps_what_is_known_of_it():
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    turn = add(Conversation(), "a", key="cell-1", attached=(part,))
    assert (turn.typed, turn.key, turn.attached) == ("a", "cell-1", (part,))


def test_a_branch_remembers_what_was_chosen_in_it(tree):
    conversation, turns = tree
    conversation.choose(turns["b"])
    assert names(conversation.branch) == "abde"
    conversation.choose(turns["c"])
    assert names(conversation.branch) == "abc"
    conversation.choose(turns["f"])
    conversation.choose(turns["b"])
    assert names(conversation.branch) == "abc"


def test_followers_take_the_place_of_a_turn_that_is_removed(tree):
    conversation, turns = tree
    conversation.choose(turns["e"])
    conversation.remove(turns["b"])
    assert names(conversation.branch) == "ade"
    assert names(conversation.alternatives(turns["d"])) == "cdf"
    assert conversation.before(turns["d"]) is turns["a"]
    conversation.remove(turns["a"])
    assert names(conversation.alternatives(turns["d"])) == "cdf"
    assert conversation.before(turns["c"]) is None
    assert names(conversation.branch) == "de"


def test_the_one_asked_before_is_chosen_where_nothing_followed(tree):
    conversation, turns = tree
    conversation.remove(turns["f"])
    assert names(conversation.branch) == "abde"
    conversation.choose(turns["c"])
    conversation.remove(turns["c"])  # the first of its place
    assert names(conversation.branch) == "abde"


def test_removing_what_is_not_chosen_changes_no_choice(tree):
    conversation, turns = tree
    conversation.remove(turns["d"])
    assert names(conversation.branch) == "af"
    conversation.choose(turns["b"])
    assert names(conversation.branch) == "abe"


def test_cut_takes_all_that_follow(tree):
    conversation, turns = tree
    conversation.cut(turns["b"])
    assert names(conversation) == names(conversation.branch) == "af"
    conversation.cut(turns["f"])
    assert names(conversation.branch) == "a"
    conversation.cut(turns["a"])
    assert conversation.branch == []
    assert turns["c"] not in conversation


def test_a_copy_is_a_tree_of_its_own(tree):
    conversation, turns = tree
    copy = conversation.copy()
    conversation.cut(turns["b"])
    add(conversation, "g", turns["f"])
    assert names(copy) == "abcdef"
    assert names(copy.branch) == "af"
    copy.cut(turns["a"])
    assert names(conversation.branch) == "afg"


def test_a_deep_conversation():
    """No recursion, and no time that one would notice."""
    conversation = Conversation()
    response = answered("q", "a")
    started = time.perf_counter()
    last = None
    for _ in range(5_000):
        last = conversation.add(response, last)
    assert len(conversation.branch) == len(list(conversation)) == 5_000 > sys.getrecursionlimit()
    copy = conversation.copy()
    copy.remove(copy.branch[0])
    assert len(copy.branch) == 4_999
    copy.cut(copy.branch[0])
    assert copy.branch == []
    assert len(history(conversation.branch)) == 10_000
    spent = time.perf_counter() - started
    print(f"5,000 turns after each other: {spent:.2f} s")
    assert spent < 10


# --- any course of events -----------------------------------------------------------


class Naive:
    """The same conversation as nested lists, with nothing clever about them."""

    def __init__(self):
        self.root = {"turn": None, "after": [], "chosen": None}

    def nodes(self, node=None):
        node = node or self.root
        for each in node["after"]:
            yield each
            yield from self.nodes(each)

    def find(self, turn):
        if turn is None:
            return self.root
        return next(node for node in self.nodes() if node["turn"] is turn)

    def parent(self, turn):
        return next(
            node
            for node in (self.root, *self.nodes())
            if turn in [each["turn"] for each in node["after"]]
        )

    def add(self, turn, after):
        self.find(after)["after"].append({"turn": turn, "after": [], "chosen": None})
        self.choose(turn)

    def choose(self, turn):
        while turn is not None:
            parent = self.parent(turn)
            parent["chosen"] = turn
            turn = parent["turn"]

    def remove(self, turn):
        parent, node = self.parent(turn), self.find(turn)
        at = parent["after"].index(node)
        parent["after"][at : at + 1] = node["after"]
        if parent["chosen"] is turn:
            left = parent["after"]
            neighbour = left[max(0, at - 1)]["turn"] if left else None
            parent["chosen"] = node["chosen"] or neighbour

    def cut(self, turn):
        self.find(turn)["after"] = []
        self.find(turn)["chosen"] = None
        self.remove(turn)

    @property
    def branch(self):
        turns, node = [], self.root
        while node["chosen"] is not None:
            turns.append(node["chosen"])
            node = self.find(node["chosen"])
        return turns


def same(conversation, naive):
    assert conversation.branch == naive.branch
    assert list(conversation) == [node["turn"] for node in naive.nodes()]
    for node in naive.nodes():
        parent = naive.parent(node["turn"])
        place = [each["turn"] for each in parent["after"]]
        assert conversation.before(node["turn"]) is parent["turn"]
        assert conversation.alternatives(node["turn"]) == place
        assert conversation.after(node["turn"]) == [each["turn"] for each in node["after"]]


def test_any_course_of_events():
    chance = random.Random(11)
    done = dict.fromkeys(("add", "choose", "remove", "cut"), 0)
    response = answered("q", "a")
    for _ in range(WALKS):
        conversation, naive = Conversation(), Naive()
        for _ in range(30):
            turns = list(conversation)
            weights = (6, 3, 2, 1) if len(turns) < 12 else (1, 3, 4, 2)
            (action,) = chance.choices(list(done), weights)
            if action == "add":
                after = chance.choice([None, *turns, *conversation.branch[-1:] * 4])
                naive.add(conversation.add(response, after), after)
            elif turns:
                turn = chance.choice(turns)
                getattr(conversation, action)(turn)
                getattr(naive, action)(turn)
            done[action] += 1
            same(conversation, naive)
    print(f"{WALKS} courses: {done}")
    assert min(done.values()) > WALKS


# --- history ------------------------------------------------------------------------


def said(messages):
    return [(m.role, m.content) for m in messages]


def turns_of(*responses):
    conversation = Conversation()
    last = None
    for response in responses:
        last = conversation.add(response, last)
    return conversation.branch


def test_history_leaves_out_what_runs_and_what_came_to_nothing():
    turns = turns_of(
        answered("one", "first"),
        answered("two", status="error"),
        answered("three", "thir", status="running"),
        answered("four", "fourth", status="cancelled"),
    )
    assert said(history(turns)) == [
        ("user", "one"),
        ("assistant", "first"),
        ("user", "four"),
        ("assistant", "fourth"),
    ]


def called(result: ToolResult | None, *, ended: bool = True, text: str = "") -> Response:
    response = answered("ask", status="running")
    response.rounds.append(Round(finish_reason="tool_calls" if ended else None))
    response.rounds[0].text.append(text)
    response.rounds[0].calls.append(CallDraft("call-1", "f", result=result))
    response.finish("cancelled", None, Timing())
    return response


def test_every_call_of_the_history_is_answered():
    messages = history(turns_of(called(ToolResult("42")), called(None)))
    assert [m.role for m in messages] == ["user", "assistant", "tool"] * 2
    assert messages[2].content == "42"
    assert messages[5].content == "(not run: the answer was stopped)"
    assert messages[5].tool_call_id == messages[4].tool_calls[0].id == "call-1"


def test_half_a_call_is_none():
    assert came_to_nothing(called(None, ended=False))
    messages = history(turns_of(called(None, ended=False, text="Let me see")))
    assert said(messages) == [("user", "ask"), ("assistant", "Let me see")]
    assert not messages[1].tool_calls


def test_reasoning_alone_stays():
    response = answered("ask", status="running")
    response.rounds.append(Round(finish_reason="stop"))
    response.rounds[0].reasoning.append("hm")
    response.finish("complete", None, Timing())
    assert not came_to_nothing(response)
    assert said(history(turns_of(response))) == [
        ("user", "ask"),
        ("assistant", ""),
    ]


@pytest.mark.parametrize("name", ["images", "audio", "content_parts"])
def test_an_image_or_a_sound_stays(name):
    response = answered("draw", status="running")
    response.rounds.append(Round(finish_reason="stop", extra={name: [{"data": "AA"}]}))
    response.finish("complete", None, Timing())
    assert not came_to_nothing(response)
    assert said(history(turns_of(response)))[1][1].startswith("(an answer without text")


def test_an_empty_answer_is_nothing():
    response = answered("ask", status="running")
    response.rounds.append(Round(finish_reason="stop", done=True))
    response.finish("complete", None, Timing())
    assert came_to_nothing(response)


def test_a_call_that_the_limit_cut_is_none():
    response = called(None, text="Let me see")
    response.rounds[0].finish_reason = "length"
    response.rounds[0].calls[0].arguments.append('{"city": "Ber')
    assert not history(turns_of(response))[1].tool_calls
    assert response.go_on == ""
    response.rounds[0].calls[0].arguments.append('lin"}')
    assert history(turns_of(response))[1].tool_calls
    assert response.go_on == "%chat continue"
