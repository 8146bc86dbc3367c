"""The words of a magic line."""

from __future__ import annotations

import re

import pytest

from nbstream.errors import UsageError
from nbstream.magics.commands import Commands
from nbstream.magics.flags import parse, with_flags, words
from nbstream.magics.habits import _NEAR_FLAGS, NEAR_COMMANDS


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-m gpt -s 'Be brief.'", ["-m", "gpt", "-s", "Be brief."]),
        ('--system="Be (brief). It\'s"', ["--system=Be (brief). It's"]),
        ('--schema Literal["yes","no"] -m x', ["--schema", 'Literal["yes","no"]', "-m", "x"]),
        ("--attach figs['a b']", ["--attach", "figs['a b']"]),
        ('--schema {"type":"object"}', ["--schema", '{"type":"object"}']),
        ("""--param stop '["a b"]'""", ["--param", "stop", '["a b"]']),
        (r"--attach my\ file(1).png", ["--attach", "my file(1).png"]),
        ('-s "a [b" f(x)["c"]', ["-s", "a [b", 'f(x)["c"]']),
    ],
)
def test_quotes_are_taken_off_words_and_left_in_expressions(line, expected):
    assert words(line) == expected


@pytest.mark.parametrize("line", ["-s don't", 'f["a'])
def test_a_quote_that_is_open_is_an_error(line):
    with pytest.raises(ValueError, match="No closing quotation"):
        words(line)


@with_flags
def chat(line):
    """Stands for the magic."""


@pytest.mark.parametrize(
    "line",
    [
        "-m one -m two",
        "-m one --model two",
        "-mone --mod=two",
        "one -m two",
        "-t 0 -t 1",
        "--session a --session a",
        "--max-tokens 1 --max-tokens 2",
        "--schema A --out x --schema B",
        "--timeout 1 --timeout=2",
        "--view text --view auto",
        "--api-key-env A --api-key-env B",
    ],
)
def test_a_flag_that_takes_one_value_is_not_given_twice(line):
    with pytest.raises(UsageError, match=r"^argument -|^-m/--model") as caught:
        parse(chat.parser, line)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    "line",
    [
        "-m one --tool f --tool g --param a 1 --param b 2 --header A b --header C d",
        "one --attach a --attach b --approve --approve",
    ],
)
def test_flags_that_may_be_repeated(line):
    for _ in range(2):  # one line knows nothing of the one before
        arguments = parse(chat.parser, line)
        assert (arguments.model or arguments.positional_model) == "one"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--api-base http://h/v1", {"base_url": "http://h/v1"}),
        ("--api-key-name MINE", {"api_key_env": "MINE"}),
        ("--reset", {"fresh": True}),
        ("-r", {"fresh": True}),
        ("-a a.png --attachment b.png --attach c.png", {"attach": ["a.png", "b.png", "c.png"]}),
        ("-T f --tool g", {"tool": ["f", "g"]}),
        ("-o top_k 3 --option n 2", {"param": [["top_k", "3"], ["n", "2"]]}),
        ("--ta", {"approve": True}),
        ("--tools-approve", {"approve": True}),
        ("--cl 3", {"max_rounds": 3}),
        ("--chain-limit 3", {"max_rounds": 3}),
        ("--cid talk", {"session": "talk"}),
        ("--conversation talk", {"session": "talk"}),
        ("-c -u", {"session": "default", "fresh": False}),
        ("--temp 0.5", {"temperature": 0.5}),
        ("--no-stream --view none", {"no_stream": True, "view": "none"}),
    ],
)
def test_habits_from_other_tools_mean_the_same(line, expected):
    arguments = vars(parse(chat.parser, line))
    assert {name: arguments[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("-x", "there is no flag -x · %chat code"),
        ("--extract-last", "%chat code"),
        ("-f notes.txt", "there is no flag -f · --attach PATH"),
        ("-m one -n", "--no-history"),
        ("--format code", "--schema NAME"),
        ("-p city Bonn", "--template NAME KEY=VALUE"),
        ("--async", "--bg"),
        ("-q mini", "-m and Tab"),
        ("--functions 'def f(): ...'", "--tool NAME"),
        ("--fersh", "did you mean --fresh?"),
    ],
)
def test_the_error_names_what_is_near_to_a_flag_of_another_tool(line, says):
    with pytest.raises(UsageError) as caught:
        parse(chat.parser, line)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line", ["--key sk-canary", "--key=sk-canary", "--api-k=sk-canary", "--api-key=sk-canary"]
)
def test_a_key_behind_a_flag_that_is_none_is_not_shown(line):
    with pytest.raises(UsageError) as caught:
        parse(chat.parser, line)
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_what_is_near_is_there():
    """The flags and commands that an error names exist."""
    flags = set(chat.parser._option_string_actions)
    for near in _NEAR_FLAGS.values():
        assert set(re.findall(r"(?<!\w)--?[a-z-]+", near)) <= flags
    assert not flags & set(_NEAR_FLAGS)
    assert set(NEAR_COMMANDS.values()) <= set(Commands(None).names)
