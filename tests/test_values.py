"""Objects of the notebook in prompts: answers, code, errors, and the tables of many libraries."""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import sys
import threading

import numpy as np
import pytest
from kernels import kernel

from nbstream.buffers import TextBuffer
from nbstream.errors import UsageError
from nbstream.interpolate import interpolate, prompt_text
from nbstream.render.extract import CodeBlock, Table
from nbstream.response import Response
from nbstream.rounds import Round
from nbstream.tools.results import tool_result

# --- answers ------------------------------------------------------------------------


def answer(text, **fields):
    response = Response(model="m")
    response.rounds.append(Round(text=TextBuffer(text), **fields))
    return response


LONG = "See:\n\n" + "a word and another\n" * 500


def test_an_answer_is_its_text_whole():
    response = answer(LONG)
    assert str(response) == f"{response}" == LONG
    assert f"{answer('ab'):>4}|" == "  ab|"
    assert interpolate("Shorter: {{ a }}", {"a": response}) == f"Shorter: {LONG}"
    assert repr(response).startswith("<Response running: 'See: a word")
    assert len(repr(response)) < 120


def test_an_answer_that_was_refused_is_the_refusal():
    assert str(answer("", refusal=TextBuffer("I will not."))) == "I will not."
    assert str(Response()) == ""


def test_parts_of_an_answer_are_their_content():
    response = answer(
        "Do:\n\n```python\nx = 1\n```\n\n```\ny\n```\n\n| a | b |\n|--|--|\n| 1 | 2 |\n"
    )
    code, table = response.code_blocks[0], response.tables[0]
    assert (str(code), f"{code}") == ("x = 1\n", "x = 1\n")
    assert str(table) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    namespace = {"r": response}
    assert interpolate("Explain:\n{{ r.code_blocks[0] }}", namespace) == "Explain:\nx = 1\n"
    assert interpolate("{{ r.code_blocks }}", namespace) == "x = 1\n\n\ny\n"
    assert "| 1 | 2 |" in interpolate("{{ r.tables[0] }}", namespace)
    assert repr(code) == "CodeBlock(language='python', text='x = 1\\n')"
    assert repr(table) == "Table(header=['a', 'b'], rows=[['1', '2']])"
    assert prompt_text([CodeBlock("", "x"), Table(["h"], [])]) == "x\n\n| h |\n| --- |\n"


# --- exceptions ---------------------------------------------------------------------


def caught(function, *arguments):
    try:
        function(*arguments)
    except BaseException as error:  # noqa: BLE001  # whatever it is
        return error
    raise AssertionError("it did not raise")


def reads_json(text):
    return json.loads(text)


def test_an_exception_is_type_message_and_own_frames():
    text = prompt_text(caught(reads_json, "{"))
    first, *middle, last = text.splitlines()
    assert first == "Traceback (most recent call last):"
    assert last.startswith("json.decoder.JSONDecodeError: Expecting property name")
    assert "    return json.loads(text)" in middle
    assert 'File "test_values.py", line' in text
    assert "in reads_json" in text
    assert "decoder.py" not in text
    assert "/" not in text


def test_an_exception_without_frames_or_text_of_its_own():
    class MuteError(Exception):
        def __str__(self):
            raise ValueError

    assert prompt_text(ValueError("no such city")) == "ValueError: no such city"
    assert "MuteError" in prompt_text(MuteError())
    assert prompt_text(KeyboardInterrupt()) == "KeyboardInterrupt"
    error = ValueError("x")
    error.add_note("while reading b.csv")
    assert prompt_text(error) == "ValueError: x\nwhile reading b.csv"


def test_what_an_exception_came_from_is_told():
    def fails():
        try:
            {}["k"]
        except KeyError as error:
            raise UsageError("no k") from error

    text = prompt_text(caught(fails))
    assert text.index("KeyError: 'k'") < text.index("UsageError: no k")
    group = ExceptionGroup("two", [ValueError("a"), OSError("b")])
    assert prompt_text(group).splitlines()[1:] == ["  - ValueError: a", "  - OSError: b"]


def test_exceptions_are_bounded():
    def again(n):
        return again(n + 1)

    text = prompt_text(caught(again, 0))
    assert "RecursionError" in text
    assert "more frames)" in text
    assert len(text.splitlines()) < 40
    assert len(prompt_text(ValueError("x" * 1_000_000))) < 5_000
    circle, other = ValueError("a"), ValueError("b")
    circle.__cause__, other.__cause__ = other, circle
    assert prompt_text(circle).count("ValueError") == 2
    many = ExceptionGroup("many", [ValueError("x" * 9_999)] * 500)
    assert len(prompt_text(many)) < 5_000


# --- functions and classes ----------------------------------------------------------


def area(width: float, height: float = 1.0) -> float:
    """The area of a rectangle."""
    return width * height


class Shape:
    """Something flat."""

    def size(self) -> int:
        """How large it is."""
        return 3


@functools.cache
def cached(n):
    return n + 1


def test_a_function_is_its_source():
    text = prompt_text(area)
    assert text.startswith("def area(width: float, height: float = 1.0) -> float:\n")
    assert "return width * height" in text
    assert text.count("The area of a rectangle.") == 1
    assert "return n + 1" in prompt_text(cached)
    assert prompt_text(Shape().size).startswith("def size(self) -> int:\n")
    text = prompt_text(Shape)
    assert text.startswith('class Shape:\n    """Something flat."""')
    assert "return 3" in text


def test_a_function_without_source_is_signature_and_docstring():
    assert prompt_text(sorted).startswith(
        "sorted(iterable, /, *, key=None, reverse=False)\n\nReturn"
    )
    namespace = {}
    exec('def f(a, b=2):\n    """Adds."""\n    return a + b', namespace)
    assert prompt_text(namespace["f"]) == "f(a, b=2)\n\nAdds."
    assert prompt_text(collections.Counter.fromkeys)
    assert prompt_text(int).startswith("class int")
    assert prompt_text(threading.Thread).startswith('class Thread:\n    """A class')
    assert prompt_text(dict.get).startswith("dict.get(")


def test_a_docstring_of_its_own_comes_before_the_source():
    def made(x):
        return x

    made.__doc__ = "What it is for."
    assert prompt_text(made).startswith("What it is for.\n\ndef made(x):")


def test_sources_are_bounded():
    text = prompt_text(np.testing.assert_allclose)
    assert "def assert_allclose(" in text
    text = prompt_text(__import__("argparse").ArgumentParser)
    assert text.startswith("class ArgumentParser")
    assert text.endswith("more characters)")
    assert len(text) < 9_000


def test_other_values_are_their_text_as_ever():
    @dataclasses.dataclass
    class Point:
        x: int

    assert prompt_text(Point(1)) == "test_other_values_are_their_text_as_ever.<locals>.Point(x=1)"
    for value in ([1, "a"], {"a": 1}, (), [], 3.5, None, list[int], np.float64(0.5), b"x", sys):
        assert prompt_text(value) == str(value)


def test_code_of_a_notebook():
    code = (
        "import dataclasses\n"
        "class A:\n    '''Old.'''\n"
        "def f(x):\n    '''Halves.'''\n    return x / 0\n"
        "@dataclasses.dataclass\nclass P:\n    x: int = 1\n"
        "class B:\n    class Inner:\n        def m(self):\n            return 7\n"
        "try:\n    f(1)\nexcept Exception as e:\n    error = e"
    )
    with kernel() as nb:
        nb.run("from nbstream.interpolate import prompt_text")
        assert not nb.run(code).error
        assert nb.value("prompt_text(f)") == "def f(x):\n    '''Halves.'''\n    return x / 0\n"
        assert nb.value("prompt_text(P)") == "@dataclasses.dataclass\nclass P:\n    x: int = 1"
        assert nb.value("prompt_text(B.Inner)").startswith("class Inner:\n    def m(self):")
        nb.run("class A:\n    '''New.'''\n")
        assert "New." in nb.value("prompt_text(A)")
        text = nb.value("prompt_text(error)")
    assert text.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert "  Cell In[3], line 6, in f\n    return x / 0\n" in text
    assert "ipykernel" not in text
    assert "interactiveshell" not in text


# --- tables ---------------------------------------------------------------------------


def polars(data):
    return pytest.importorskip("polars").DataFrame(data)


def arrow(data):
    return pytest.importorskip("pyarrow").table(data)


def arrow_batch(data):
    return arrow(data).to_batches()[0]


def relation(data):
    duckdb = pytest.importorskip("duckdb")
    names = ", ".join(f'"{name}"' for name in data)
    connection = duckdb.connect()
    connection.execute(f"create table t ({', '.join(_column(*each) for each in data.items())})")
    for row in zip(*data.values(), strict=True):
        connection.execute(f"insert into t values ({', '.join('?' * len(row))})", row)
    return connection.sql(f"select {names} from t")


def _column(name, values):
    kind = {int: "bigint", float: "double", str: "varchar"}[type(values[0])]
    return f'"{name}" {kind}'


SMALL = {"city": ["Berlin", "a|b\nc"], "people": [3.7, 0.1 + 0.2]}
LARGE = {f"c{i}": list(range(100)) for i in range(25)}
TABLES = [
    (polars, "DataFrame", ("String", "Float64")),
    (arrow, "Table", ("string", "double")),
    (arrow_batch, "RecordBatch", ("string", "double")),
    (relation, "DuckDB relation", ("VARCHAR", "DOUBLE")),
]


@pytest.mark.parametrize(("make", "kind", "types"), TABLES)
def test_tables_are_compact(make, kind, types):
    table = make(SMALL)
    assert prompt_text(table) == (
        f"{kind}, 2 rows × 2 columns:\n\n"
        f"| city ({types[0]}) | people ({types[1]}) |\n"
        "| --- | --- |\n"
        "| Berlin | 3.7 |\n"
        "| a\\|b c | 0.3 |\n"
    )
    shown = tool_result(table)
    assert shown.summary == "2 rows"
    assert "| Berlin | 3.7 |" in shown.display["text/markdown"]


@pytest.mark.parametrize(("make", "kind", "types"), TABLES)
def test_large_tables_are_cut_and_say_so(make, kind, types):
    text = prompt_text(make(LARGE))
    assert text.startswith(f"{kind}, 100 rows × 25 columns (the first 20 × 20 shown):")
    assert len(text.splitlines()) == 2 + 2 + 20
    assert "| c19 (" in text
    assert "c20" not in text


@pytest.mark.parametrize(("make", "kind", "types"), TABLES)
def test_what_is_in_a_cell_is_bounded(make, kind, types):
    assert len(prompt_text(make({"text": ["x" * 10_000]}))) < 400


def test_polars_series_and_what_is_lazy():
    pl = pytest.importorskip("polars")
    assert prompt_text(pl.Series("n", [1, None])) == (
        "Series, 2 rows × 1 columns:\n\n| n (Int64) |\n| --- |\n| 1 |\n| None |\n"
    )

    def boom(_):
        raise AssertionError("it was collected")

    lazy = pl.LazyFrame({"a": [1], "b": ["x"]}).map_batches(boom, schema={"a": pl.Int64})
    assert prompt_text(lazy) == "LazyFrame, 1 columns, rows not read:\n\n| a (Int64) |\n| --- |\n"
    assert tool_result(lazy).summary == ""
    assert prompt_text(pl.col("a")) == str(pl.col("a"))


def test_other_kinds_of_arrow():
    pa = pytest.importorskip("pyarrow")
    array = pa.array([1, None, 3])
    assert prompt_text(array).startswith("Int64Array, 3 rows × 1 columns:")
    assert "| 3 |" in prompt_text(pa.chunked_array([array]))
    reader = pa.RecordBatchReader.from_batches(
        pa.schema([("a", pa.int64())]), iter([pa.record_batch({"a": [1]})])
    )
    assert "| a (int64) |" in prompt_text(reader)
    assert reader.read_all().num_rows == 1  # nothing of it was taken
    times = pa.table({"t": pa.array([10**18], pa.timestamp("us"))})
    assert "| 1000000000000000000 |" in prompt_text(times)
    assert prompt_text(pa.table({})).startswith("Table, 0 rows × 0 columns")


def test_a_relation_is_left_as_it_is():
    table = relation(LARGE)
    first = prompt_text(table)
    assert prompt_text(table) == first
    assert len(table.fetchall()) == 100


FIRST = f"[{', '.join(f'{i}.0' for i in range(20))}]"


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.arange(3), "ndarray of shape (3,), dtype int64:\n\n[0, 1, 2]\n"),
        (np.float32([[0.1, 2]]), "ndarray of shape (1, 2), dtype float32:\n\n[[0.1, 2.0]]\n"),
        (
            np.arange(1000.0),
            f"ndarray of shape (1000,), dtype float64 (the first 20 shown):\n\n{FIRST}\n",
        ),
        (
            np.zeros((2, 3, 4), int)[:, :1, :2],
            "ndarray of shape (2, 1, 2), dtype int64 ([0, :, :] shown):\n\n[[0, 0]]\n",
        ),
        (np.zeros((0, 3, 2)), "ndarray of shape (0, 3, 2), dtype float64:\n\n[]\n"),
        (np.zeros((0, 5)), "ndarray of shape (0, 5), dtype float64:\n\n[]\n"),
        (
            np.array(["2026-12-01"], "datetime64[ns]"),
            "ndarray of shape (1,), dtype datetime64[ns]:\n\n[2026-12-01T00:00:00.000000000]\n",
        ),
        (
            np.ma.array([1, 2], mask=[False, True]),
            "MaskedArray of shape (2,), dtype int64:\n\n[1, --]\n",
        ),
        (
            np.arange(4).reshape(2, 2).view(np.matrix),
            "matrix of shape (2, 2), dtype int64:\n\n[[0, 1],\n [2, 3]]\n",
        ),
        (
            np.array([(1, "a|")], [("n", int), ("s", "U3")]),
            "ndarray, 1 rows × 2 columns:\n\n"  # noqa: ISC004
            "| n (int64) | s (<U3) |\n| --- | --- |\n| 1 | a\\| |\n",
        ),
        (np.array(5), "5"),
    ],
)
def test_arrays_are_compact(array, expected):
    assert prompt_text(array) == expected


def test_large_arrays_are_bounded():
    text = prompt_text(np.zeros((1000, 50)))
    assert text.startswith("ndarray of shape (1000, 50), dtype float64 (the first 20 × 20 shown):")
    assert text.count("0.0") == 400
    assert len(prompt_text(np.zeros((2,) * 12))) < 200
    assert len(prompt_text(np.array(["x" * 9_999] * 50))) < 20 * 210
