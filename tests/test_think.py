"""Reasoning that stands in the text, in every spelling, told apart while it streams."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from long import LONG
from replay import ReplayServer, completion, cut
from wire_cases import read

from nbstream.chat import Chat
from nbstream.errors import IncompleteError
from nbstream.events import AnswerEvent, FinishEvent, TextEvent
from nbstream.render.saved import bundle
from nbstream.render.summary import mark
from nbstream.response import Response
from nbstream.rounds import Round
from nbstream.wire.dialects import Dialect
from nbstream.wire.spellings import SPELLINGS
from nbstream.wire.sse import DONE
from nbstream.wire.think import ThinkSplitter

seeded = settings(derandomize=True, deadline=None, max_examples=5_000 if LONG else 300)


def fold(splitter: ThinkSplitter, pieces: list[str]) -> tuple[str, str, bool]:
    """Reasoning, text, and whether the block was never closed."""
    found = [pair for piece in pieces for pair in splitter.feed(piece)] + splitter.close()
    turn = Round()
    for kind, text in found:
        assert bool(text) == (kind != "thought")
        if kind == "thought":
            turn.text_was_reasoning(0.0)
        else:
            (turn.text if kind == "text" else turn.reasoning).append(text)
    return str(turn.reasoning), str(turn.text), splitter.is_unclosed


def split(*pieces: str) -> tuple[str, str]:
    return fold(ThinkSplitter(), list(pieces))[:2]


def check(text: str, reasoning: str, answer: str) -> None:
    """That is what comes of it, in however many pieces it comes."""
    assert split(text) == (reasoning, answer)
    assert split(*text) == (reasoning, answer)
    for at in range(1, len(text)):
        assert split(text[:at], text[at:]) == (reasoning, answer)


PAIRS = [
    *(("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<thought>", "</thought>")),
    *(("<reasoning>", "</reasoning>"), ("<seed:think>", "</seed:think>")),
    *(("<mm:think>", "</mm:think>"), ("<longcat_think>", "</longcat_think>")),
    *(("<THINK>", "</THINK>"), ("<Think>", "</think>"), ("<Thinking>", "</THINKING>")),
    *(("[THINK]", "[/THINK]"), ("[think]", "[/Think]"), ("◁think▷", "◁/think▷")),
    *(("<|channel>thought", "<channel|>"), ("<|inner_prefix|>", "<|inner_suffix|>")),
    *(("<|START_THINKING|>", "<|END_THINKING|>"), ("<|begin_of_thought|>", "<|end_of_thought|>")),
]


@pytest.mark.parametrize(("opens", "closes"), PAIRS)
def test_each_pair_of_tags(opens: str, closes: str):
    check(f"{opens}Two and two.{closes}4", "Two and two.", "4")
    check(f" \n{opens}\nTwo, two.\n{closes}\n\n4 {closes}\n", "Two, two.", f"4 {closes}\n")
    check(f"{opens}\n\n{closes}\n\n4", "", "4")
    check(f"Two and two is 4.{closes}4", "Two and two is 4.", "4")
    check(f"Two.\nTwo.\n{closes}\n\n4", "Two.\nTwo.", "4")
    check(f"{closes}\n\nHello", "", "Hello")
    check(f"\n{closes}Hello", "", "Hello")
    check(f"{opens}a{opens}b{closes}c{closes}d", f"a{opens}b{closes}c", "d")
    check(f"Well. {opens}No.{closes}", "", f"Well. {opens}No.{closes}")
    check(f"The tag {closes} ends it.", "", f"The tag {closes} ends it.")
    check(f"Split at `{closes}` there.", "", f"Split at `{closes}` there.")
    check(f"```\na{closes}b\n```\nSo.", "", f"```\na{closes}b\n```\nSo.")
    check(f'Split at "{closes}", once.', "", f'Split at "{closes}", once.')


START, CHANNEL, MESSAGE, END = "<|start|>assistant", "<|channel|>", "<|message|>", "<|end|>"


@pytest.mark.parametrize("lead", ["", START])
@pytest.mark.parametrize("between", [f"{END}{START}", END, START, ""])
@pytest.mark.parametrize("last", ["", "<|return|>", f"{END}\n"])
def test_the_channels_of_harmony(lead: str, between: str, last: str):
    analysis, commentary, final = (
        f"{CHANNEL}{name}{MESSAGE}" for name in ("analysis", "commentary", "final")
    )
    text = f"{lead}{analysis}Two and two.{between}{final}4{last}"
    assert split(text) == split(*text) == ("Two and two.", "4")
    text = f"{lead}{analysis}A{between}{commentary}B{between}{final}4 {END} 5{last}"
    assert split(text) == split(*text) == ("A\n\nB", f"4 {END} 5")
    text = f"{lead}{final}Hello{last}"
    assert split(text) == split(*text) == ("", "Hello")
    text = f"Two and two.{between}{final}4{last}"
    assert split(text) == split(*text)
    assert split(text)[1] == "4"


def test_more_forms_of_harmony():
    json_header = f"{CHANNEL}final <|constrain|>json{MESSAGE}"
    check(f"{CHANNEL}analysis{MESSAGE}A{END}{START}{json_header}{{}}", "A", "{}")
    check(f"{CHANNEL}ANALYSIS{MESSAGE}A{END}", "A", "")
    check("analysisWe add.assistantfinal391", "analysisWe add.", "391")  # without its tokens
    check("An analysis: assistantfinal", "", "An analysis: assistantfinal")
    call = f"{START}{CHANNEL}commentary to=functions.f <|constrain|>json{MESSAGE}{{}}<|call|>"
    check(f"{CHANNEL}analysis{MESSAGE}A{END}{call}", "A", call)


def test_what_a_protocol_puts_around_the_answer():
    check("<|channel>thought\nA\n<channel|>B<turn|>\n", "A", "B")
    check("<|START_THINKING|>A<|END_THINKING|><|START_RESPONSE|>B<|END_RESPONSE|>", "A", "B")
    check("<|START_RESPONSE|>B<|END_RESPONSE|>", "", "B")


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>Outer <think>inner</think> more</think>a", "Outer <think>inner</think> more", "a"),
        ("<think><think>a</think>b", "a", "b"),  # the server writes one, and the model too
        ("<think>\n<think>\na\n</think>\n</think>\nb", "a", "b"),
        ("<think><think>a</think>b</think>c", "a\n\nb", "c"),
        ("<think>a</think><think>b</think>c", "a", "<think>b</think>c"),
        ("a <think>b</think>c</think>d", "a <think>b</think>c", "d"),
        ("<think>The <think> tag.</think>a", "The <think> tag.", "a"),
        ("<think>Is `</think>` it?\nYes.</think>a", "Is `</think>` it?\nYes.", "a"),
        ("<think>`<think>` is it.</think>a", "`<think>` is it.", "a"),
        ("<think>a </think> b", "a", "b"),
        ("<think>One ` only.</think>a\n`b`", "One ` only.", "a\n`b`"),
        ("<think>```\nx\n```</think>`a`", "```\nx\n```", "`a`"),
        ("- x\n\n      ```\n      </think>\n      ```\n", "", None),
        ("    </think>\n", "", ""),
        ("See:\n\n    </think>\n", "", None),
        ("Ends in </think>.", "", None),
        ("(</think>) ends it", "", None),
        ("«</think>» ends it", "", None),
        ("a `` b `</think>` c", "", None),
        ('He says "hi"</think>"hi"', 'He says "hi"', '"hi"'),
        ("`x`</think>`y`", "`x`", "`y`"),
        ("One ` only</think>391", "One ` only", "391"),
        ("391 </think>391", "391", "391"),
        ("391</think> 391", "391", "391"),
        ("[link](x) and <b>", "", None),
        ("<|im_start|>x", "", None),
        ("<thin\u212a>", "", None),
        ("<th\u0130nk>a", "", None),
    ],
)
def test_rules(text: str, reasoning: str, answer: str | None):
    check(text, reasoning, text if answer is None else answer)


WORDS = (
    *(mark for opens, closes in PAIRS[:5] for mark in (opens, closes)),
    *("<think>", "</think>", "<THINK>", "[/THINK]", "think>", "<", "[", "/", "a", "b`", "`"),
    *(f"{CHANNEL}final{MESSAGE}", f"{CHANNEL}analysis{MESSAGE}", START, END, "<|", "analysis"),
    *(
        "```",
        "~~~",
        "```py\n",
        "\n```\n",
        "\n",
        "\n\n",
        " ",
        ".",
        '"',
        "\n</think>\n",
        "<channel|>",
    ),
)
thinking = st.lists(st.sampled_from(WORDS), max_size=16).map("".join)


@seeded
@given(thinking, st.randoms(use_true_random=False))
def test_any_split_gives_the_same(text: str, rng: random.Random):
    whole = fold(ThinkSplitter(), [text])
    assert fold(ThinkSplitter(), list(text)) == whole
    ends = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(6)))
    pieces = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    assert fold(ThinkSplitter(), pieces) == whole


@seeded
@given(thinking)
def test_nothing_is_lost_but_marks_and_space(text: str):
    """Without marks at its start, and closing ones, a text stays to the letter."""
    if re.search(r"</|\[/|<channel\||final", text) or text.lstrip().startswith(("<", "[")):
        kept = re.sub(r"\s", "", "".join(split(text)))
        left = re.sub(r"\s", "", text)
        assert len(kept) <= len(left)
        rest = iter(left)
        assert all(character in rest for character in kept)  # in the same order
    else:
        assert split(text) == ("", text)


def test_no_mark_begins_another_one():
    starts = {m for s in SPELLINGS for m in (*s.opens, *s.answers)}
    anywhere = {m for s in SPELLINGS for m in (*s.opens, *s.unopened)}
    within = [{*s.opens, *s.closes, *s.answers} for s in SPELLINGS]
    for marks in (starts, anywhere, *within):
        assert not [(a, b) for a in marks for b in marks if a != b and b.startswith(a)]
        assert all(mark == mark.lower() for mark in marks)


def test_long_white_space_is_not_held_back():
    assert ThinkSplitter().feed(" " * 300) == [("text", " " * 300)]
    assert ThinkSplitter().feed("<think>a" + "\n" * 300) == [("reasoning", "a" + "\n" * 300)]
    check("a" + " " * 300 + "</think>b", "a", "b")
    check("<think>a" + " " * 300 + "</think>b", "a" + " " * 300, "b")


@pytest.mark.parametrize("start", ["[", "<", "<|", "[link](a)", "<div>", "<|im", "< think>", "[T"])
def test_an_answer_that_begins_like_a_tag_appears_with_its_next_word(start: str):
    splitter = ThinkSplitter()
    shown = "".join(text for piece in (start, " 1") for _, text in splitter.feed(piece))
    assert shown == f"{start} 1"


@pytest.mark.parametrize("unit", ["<", "[", "`</think>` ", "` </think> ", "<think>", END, "</"])
@pytest.mark.parametrize("lead", ["", "<think>a", f"{CHANNEL}final{MESSAGE}a", "a"])
def test_work_grows_with_the_text(unit: str, lead: str):
    """Quadratic work on these would take minutes."""
    text = lead + unit * (300_000 // len(unit))
    splitter = ThinkSplitter()
    size = sum(len(piece) for _, piece in splitter.feed(text) + splitter.close())
    assert size > 150_000 or unit in ("<think>", END)
    splitter = ThinkSplitter()
    for at in range(0, 50_000, 50):
        splitter.feed(text[at : at + 50])
    splitter.close()


# -- a block that is never closed ------------------------------------------------


def content(text: str, reason: str | None = None) -> dict:
    return {"choices": [{"delta": {"content": text}, "finish_reason": reason}]}


@pytest.mark.parametrize("reason", ["stop", "end_turn", "eos"])
@pytest.mark.parametrize(
    ("opens", "text"), [("<think>", "It is 4."), ("[THINK]", "a"), ("<|channel>thought\n", "It")]
)
def test_an_unclosed_block_of_a_whole_answer_is_its_text(reason: str, opens: str, text: str):
    for chunks in (
        [content(opens + text, reason)],
        [*map(content, opens + text), content("", reason)],
    ):
        turn, events = read([*chunks, DONE])
        assert (str(turn.text), str(turn.reasoning)) == (text, "")
        assert turn.is_unclosed
        assert turn.reasoning_seconds is None
        assert events.index(AnswerEvent()) > events.index(FinishEvent(reason))
        assert turn.message().content == text
        assert Round.from_dict(turn.to_dict()).is_unclosed


CALL = {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    "chunks",
    [
        [content("<think>a", "length"), DONE],
        [content("<think>a"), content("", "length"), content("", "stop"), DONE],
        [content("<think>a", "content_filter"), DONE],
        [content("<think>a")],
        [content("<think>a", "tool_calls"), DONE],
        [
            content("<think>a"),
            {"choices": [{"delta": {"tool_calls": [CALL]}}]},
            content("", "stop"),
        ],
        [content("<think>a</think>", "stop"), DONE],
        [content("<think>a</think>b", "stop"), DONE],
        [content("<think> ", "stop"), DONE],
        [
            content("<think>a"),
            {"choices": [{"delta": {"refusal": "no"}}]},
            content("", "stop"),
            DONE,
        ],
        [{"choices": [{"delta": {"reasoning": "a"}, "finish_reason": "stop"}]}, DONE],
        [content("<think>a", "stop"), content("b", "stop"), content("c", "stop")],  # and a cut
    ],
)
def test_other_unclosed_blocks_stay_reasoning(chunks: list):
    turn, _ = read(chunks)
    assert not turn.is_unclosed
    assert not str(turn.text).startswith(("a", "<"))


def test_a_reason_with_every_chunk_ends_no_block():
    turn, _ = read([*(content(text, "stop") for text in ("<think>", "a", "b</think>", "4")), DONE])
    assert (str(turn.text), str(turn.reasoning)) == ("4", "ab")
    turn, _ = read([*(content(text, "stop") for text in ("<think>", "a", "b")), DONE])
    assert (str(turn.text), turn.is_unclosed) == ("ab", True)


def test_each_choice_has_its_own_end():
    def choices(*texts: str) -> dict:
        both = enumerate(texts)
        return {
            "choices": [
                {"index": i, "delta": {"content": t}, "finish_reason": "stop"} for i, t in both
            ]
        }

    turn, _ = read([choices("<think>a</think>b", "<think>c"), DONE])
    assert (str(turn.text), str(turn.reasoning)) == ("b", "a")
    assert (str(turn.alternatives[1].text), turn.alternatives[1].is_unclosed) == ("c", True)
    assert not turn.is_unclosed


def test_what_was_held_comes_before_the_reason():
    events = Dialect().feed(content("a </thi", "stop"))
    assert events == [TextEvent("a "), TextEvent("</thi"), FinishEvent("stop")]


def test_the_mark_of_an_unclosed_block_stays(replay: ReplayServer):
    replay.reply(completion("<think>It is 4."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none")
    response = chat.send("2 + 2?")
    assert (response.text, response.reasoning, response.status) == ("It is 4.", "", "complete")
    assert "never ended its reasoning" in mark(response)
    restored = Response.from_dict(response.to_dict())
    assert restored == response
    assert mark(restored) == mark(response)
    assert "⚠ The model never ended its reasoning" in bundle(restored)["text/markdown"]
    replay.reply(completion("4"))
    chat.send("Sure?")
    said = [m["content"] for m in replay.requests[-1].json["messages"] if m["role"] == "assistant"]
    assert said == ["It is 4."]


def test_a_stream_says_when_its_reasoning_was_the_answer(replay: ReplayServer):
    replay.reply(completion("<think>It is 4."))
    chat = Chat("replay-1", base_url=replay.base_url, view="none")
    kinds = [event.kind for event in chat.stream("2 + 2?")]
    assert kinds.index("answer") > kinds.index("finish") > kinds.index("reasoning")


def test_an_unclosed_block_that_was_cut_stays_reasoning(replay: ReplayServer):
    replay.reply(cut(completion("<think>It is four, which is"), 1200))
    chat = Chat("replay-1", base_url=replay.base_url, view="none")
    with pytest.raises(IncompleteError):
        chat.send("2 + 2?")
    assert chat.last.text == ""
    assert chat.last.reasoning.startswith("It is")


def test_reasoning_is_not_sent_back(replay: ReplayServer):
    replay.reply(completion("17 * 23 is 391.</think>391"), completion("[THINK]Yes.[/THINK]Yes"))
    chat = Chat("replay-1", base_url=replay.base_url, view="none")
    chat.send("17 * 23?")
    chat.send("Sure?")
    replay.reply(completion("Bye"))
    chat.send("Bye")
    assert "391." not in str(replay.requests[-1].json["messages"])
    said = [m["content"] for m in replay.requests[-1].json["messages"] if m["role"] == "assistant"]
    assert said == ["391", "Yes"]


# -- fields ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["reasoning_content", "reasoning", "reasoning_text", "thinking", "thinking_content", "thought"],
)
def test_fields_of_reasoning(name: str):
    chunks = [{"choices": [{"delta": {name: piece, "content": ""}}]} for piece in ("Two ", "two.")]
    turn, _ = read([*chunks, content("4", "stop"), DONE])
    assert (str(turn.text), str(turn.reasoning), turn.extra) == ("4", "Two two.", {})


def test_a_field_of_that_name_with_another_value_is_kept():
    turn, _ = read([{"choices": [{"delta": {"thinking": {"budget": 1}, "content": "4"}}]}, DONE])
    assert turn.extra == {"thinking": {"budget": 1}}
    assert str(turn.text) == "4"


def test_what_copilot_encrypts_goes_back():
    delta = {"reasoning_text": "Two.", "reasoning_opaque": "c2ln"}
    turn, _ = read([{"choices": [{"delta": delta}]}, content("4", "stop"), DONE])
    assert turn.echo == {"reasoning_opaque": "c2ln"}
