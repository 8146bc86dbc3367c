"""The words of a magic line."""

from __future__ import annotations

import pytest

from nbstream.errors import UsageError
from nbstream.magics.flags import parse, with_flags, words


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
