"""`{{ expression }}` in prompts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nbstream.errors import UsageError
from nbstream.interpolate import interpolate, prompt_text


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("2 + 2 = {{ 2 + 2 }}", "2 + 2 = 4"),
        ("{{name}} and {{ name.upper() }}", "Ada and ADA"),
        ("a dict: {{ {'a': {'b': 1}} }}!", "a dict: {'a': {'b': 1}}!"),
        ("{{ '}}' }}", "}}"),
        ("```python\nx = {{ name }}\n```", "```python\nx = Ada\n```"),
        ("f'{x}' and {y: {z}} stay", "f'{x}' and {y: {z}} stay"),
        ("{% raw %} stays", "{% raw %} stays"),
        (r"\{{ name }} is two braces", "{{ name }} is two braces"),
        (r"\{{{{ name }}", "{{Ada"),
        ("{{ [n for n in range(3) if n] }}", "[1, 2]"),
        ("nothing", "nothing"),
        ("}} {{ 1 }}", "}} 1"),
        ("{{ '{{ name }}' }}", "{{ name }}"),
        ('int m[3][3] = {{0}}; v{{"a", "b"}};', 'int m[3][3] = {{0}}; v{{"a", "b"}};'),
    ],
)
def test_expressions(prompt, expected):
    assert interpolate(prompt, {"name": "Ada"}) == expected


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("{{ nobody }}", "no 'nobody' in the notebook"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ }}", "no expression"),
        ("{{ what was this }}", "no expression"),
        ("{{ never closed", "no expression"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(prompt, says):
    with pytest.raises(UsageError, match=says) as caught:
        interpolate(prompt, {})
    assert "\n" not in caught.value._render_traceback_()[0]


def test_a_value_without_a_text_is_said_in_one_line():
    class Unprintable:
        def __str__(self):
            raise ValueError("no text")

    with pytest.raises(UsageError, match=r"^{{ x }} raised ValueError: no text$"):
        interpolate("{{ x }}", {"x": Unprintable()})


def test_the_namespace_is_left_alone():
    namespace = {"x": 1}
    assert interpolate("{{ (y := x + 1) }}", namespace) == "2"
    assert namespace == {"x": 1}


def test_a_dataframe_is_a_compact_table():
    frame = pd.DataFrame(
        {"city": ["Berlin", "a|b\nc"], "people": [3.7, np.nan]}, index=pd.Index([10, 20], name="id")
    )
    assert prompt_text(frame) == (
        "DataFrame, 2 rows × 2 columns:\n\n"
        f"| id | city ({frame['city'].dtype}) | people (float64) |\n"
        "| --- | --- | --- |\n"
        "| 10 | Berlin | 3.7 |\n"
        "| 20 | a\\|b c | nan |\n"
    )


def test_a_large_dataframe_is_cut_and_says_so():
    frame = pd.DataFrame(np.zeros((1000, 50)), columns=[f"c{i}" for i in range(50)])
    text = prompt_text(frame)
    assert text.startswith("DataFrame, 1000 rows × 50 columns (the first 20 × 20 shown):")
    assert len(text.splitlines()) == 2 + 2 + 20
    assert "c19" in text
    assert "c20" not in text


def test_series_and_multi_index():
    series = pd.Series([1, 2], index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]), name="n")
    text = prompt_text(series)
    assert "| a | 1 | 1 |" in text
    assert text.startswith("DataFrame, 2 rows × 1 columns")


def test_numbers_are_as_short_as_they_are_meant():
    numbers = [422 * 3.2 + 3.2, 0.1 + 0.2, 3.0, 1e300, -0.0, 123456789.123456, np.inf]
    text = prompt_text(pd.DataFrame({"x": numbers}))
    shown = [line.split(" | ")[1].strip(" |") for line in text.splitlines()[4:]]
    assert shown == ["1353.6", "0.3", "3.0", "1e+300", "-0.0", "123456789.123456", "inf"]


def test_other_objects_are_their_text():
    assert prompt_text([1, "a"]) == "[1, 'a']"
    assert prompt_text("plain") == "plain"


def test_a_kind_of_dataframe_is_a_table():
    class Frame(pd.DataFrame):
        """As geopandas makes one."""

    assert prompt_text(Frame({"a": [1]})).startswith("DataFrame, 1 rows × 1 columns:")
