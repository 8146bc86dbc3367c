"""The words of a magic line."""

from __future__ import annotations

import pytest

from nbstream.magics.flags import words


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
