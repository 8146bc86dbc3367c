"""Prompts that are kept under a name, and what a file among them may not do."""

from __future__ import annotations

import pytest

from nbstream.errors import UsageError
from nbstream.templates import filled, joined


@pytest.fixture
def file(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "review.md"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("Review {{ lang }} code, {{lang}}!", ["lang=C"], "Review C code, C!"),
        ("{{ a }}{{ b }}", ["a={{ b }}", "b=2"], "{{ b }}2"),
        ("Sum {{ x }}", ["x=1=1 and so on"], "Sum 1=1 and so on"),
        ("{{ x }}", ["x="], ""),
        (r"int m[1] = {{0}}; \{{ x }} {{ x }}", ["x=y"], "int m[1] = {{0}}; {{ x }} y"),
        ("No parameters.", [], "No parameters."),
    ],
)
def test_parameters_are_put_in(file, text, given, expected):
    assert filled("kept", given, {"kept": text}) == expected
    assert filled(file(text), given, {}) == expected


def test_a_variable_sees_the_notebook_and_the_parameters_go_first():
    namespace = {"kept": "{{ name.upper() }} and {{ other }}", "name": "theirs", "other": 7}
    assert filled("kept", ["name=mine"], namespace) == "MINE and 7"
    assert filled("kept", [], namespace) == "THEIRS and 7"


@pytest.mark.parametrize(
    "inside",
    [
        "secret",
        "x.upper()",
        "ran.append(1)",
        "__import__('os').system('true')",
        "[ran.append(1) for _ in '1']",
        "x if ran.append(1) else x",
        "(ran := 1)",
        "open",
        "x }} {{ secret",
        "x # comment",
        "lambda: x",
        "(" * 5000,
    ],
)
@pytest.mark.parametrize("spaces", [" ", ""])
def test_nothing_in_a_file_is_evaluated(file, inside, spaces):
    ran: list[int] = []
    namespace = {"secret": "canary", "ran": ran, "x": "theirs"}
    path = file(f"A {{{{{spaces}{inside}{spaces}}}}} B")
    with pytest.raises(UsageError, match="is not a parameter that was given") as caught:
        filled(path, ["x=1"], namespace)
    assert ran == []
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_variable_goes_before_a_file_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").write_text("file")
    assert filled("kept", [], {"kept": "variable"}) == "variable"
    assert filled("kept", [], {"kept": 3}) == "file"
    assert filled("kept", [], {}) == "file"


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("none", [], "no variable of this name that holds a text, and no such file"),
        ("number", [], "no variable of this name that holds a text, and no such file"),
        ("kept", ["two"], "KEY=VALUE each"),
        ("kept", ["=2"], "KEY=VALUE each"),
        ("kept", ["x=1", "x=2"], "x is given twice"),
        ("kept", ["x=1", "xx=2"], r"\{\{ xx \}\} does not stand in it"),
        ("kept", [], "there is no 'x' in the notebook"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(name, given, says):
    with pytest.raises(UsageError, match=says) as caught:
        filled(name, given, {"kept": "{{ x }}", "number": 1})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"\xff\xfe\xff", "not text in UTF-8"), (b"x" * 200_001, "larger than 0.2 MB")],
)
def test_a_file_that_is_no_prompt(tmp_path, content, says):
    (tmp_path / "kept").write_bytes(content)
    with pytest.raises(UsageError, match=says):
        filled(str(tmp_path / "kept"), [], {})


def test_the_text_of_the_cell_stands_below():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    assert joined("Review:", "code") == "Review:\n\ncode"
    assert joined("Review:", " \n") == "Review:"
    assert joined("", "code") == "code"
    assert joined("Look:", (picture,)) == ({"type": "text", "text": "Look:"}, picture)
    assert joined((picture,), "") == (picture,)
