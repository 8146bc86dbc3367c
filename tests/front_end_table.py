"""Which front end shows what: the table in `docs/frontends.md`, made of the tests that saw it.

A test says what it sees, and where: `@pytest.mark.shows("QtConsole", "live", "restored")`. One that
runs several says it with each parameter: `pytest.param(…, marks=pytest.mark.shows(…))`. Both are
read from the source, so that the table is the same whatever is installed.
`python tests/front_end_table.py` writes it anew.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from markdown_table import table

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "frontends.md"
BEGINS = "<!-- made by tests/front_end_table.py -->\n"
ENDS = "<!-- its end -->\n"

#: The columns, and what a test has to see for a tick.
FEATURES = {
    "live": "what came of an answer is seen before its end",
    "Stop": "an answer is stopped in the middle, and what came of it stays",
    "panel": "the chat panel is there, or where nobody is, its conversation as text",
    "`--bg`": "an answer that streams beside other cells is seen",
    "saved": "the file holds the answer as text, and nothing of a widget",
    "restored": "the answer is there again: in the file that is opened anew, by `%chat last`, "
    "or by `nbstream.last()`",
}


@dataclass(frozen=True)
class FrontEnd:
    """A row of the table.

    Attributes:
        name: as tests and readers call it.
        cannot: of features that cannot be there, why, in a word or two.
    """

    name: str
    cannot: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """What a test says that it has seen: `test` is `path::name`, below `tests/`."""

    front_end: str
    feature: str
    test: str


_NOBODY = {"live": "nobody there", "Stop": "nobody there"}
_TEXT = {"panel": "no widgets", "saved": "no file"}
_FILES = dict.fromkeys(("live", "Stop", "panel", "`--bg`"), "reads the file")
_APP = {"`--bg`": "no magics", "saved": "no file", "restored": "runs anew"}
_PAGES = {**_FILES, "saved": "makes a page"}

FRONT_ENDS = (
    FrontEnd("JupyterLab"),
    FrontEnd("Notebook 7"),
    FrontEnd("nbclassic"),
    FrontEnd("jupyter-collaboration"),
    FrontEnd("Jupyter console", _TEXT),
    FrontEnd("QtConsole", _TEXT),
    FrontEnd("IPython in a terminal", _TEXT),
    FrontEnd("`ipywidgets.Output`", {"saved": "in the widget alone"}),
    FrontEnd(
        "`interact`",
        {"panel": "as in `Output`", "`--bg`": "as in `Output`", "saved": "in the widget alone"},
    ),
    FrontEnd("`jupyter execute`", _NOBODY),
    FrontEnd("papermill", _NOBODY),
    FrontEnd("`nbconvert --execute`", _NOBODY),
    FrontEnd("ploomber-engine", _NOBODY),
    FrontEnd("voila", {**_NOBODY, "saved": "no file", "restored": "runs anew"}),
    FrontEnd("marimo", {"`--bg`": "no magics", "restored": "runs anew"}),
    FrontEnd("Panel", _APP),
    FrontEnd("solara", _APP),
    FrontEnd("jupytext", _FILES),
    FrontEnd("myst-nb", _PAGES),
    FrontEnd("jupyter-book", _PAGES),
)


# --- what tests say ----------------------------------------------------------------------


def claims() -> list[Claim]:
    """What all tests say, in the order of their files."""
    return [
        claim
        for path in sorted(TESTS.rglob("test_*.py"))
        for claim in claims_in(path.read_text("utf-8"), path.relative_to(TESTS).as_posix())
    ]


def claims_in(source: str, path: str) -> Iterator[Claim]:
    """What the tests of a file say.

    Raises:
        ValueError: one of them names no front end or feature of the table, a feature that its
            front end cannot have, or stands at no test.
    """
    tree = ast.parse(source)
    left = {id(node): node for node in ast.walk(tree) if _is_mark(node)}
    for test in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        if test.name.startswith("test_"):
            marks = [n for each in test.decorator_list for n in ast.walk(each) if _is_mark(n)]
            for mark in marks:
                del left[id(mark)]
                yield from _claims_of(mark, f"{path}::{test.name}")
    for mark in left.values():
        raise ValueError(f"{path}: {ast.unparse(mark)} stands at no test")


def _is_mark(node: ast.AST) -> bool:
    is_named = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "shows"
    return is_named and ast.unparse(node.func) == "pytest.mark.shows"


def _claims_of(mark: ast.Call, test: str) -> Iterator[Claim]:
    front_end, *features = map(ast.literal_eval, mark.args)
    cannot = {each.name.strip("`"): each.cannot for each in FRONT_ENDS}
    if front_end not in cannot or mark.keywords or not features:
        raise ValueError(f"{test}: {ast.unparse(mark)} names no front end, or no feature of one")
    for feature in features:
        if feature not in KNOWN:
            raise ValueError(f"{test}: {feature} is not a feature of the table")
        if KNOWN[feature] in cannot[front_end]:
            raise ValueError(f"{test}: {front_end} cannot have {feature}, says the table")
        yield Claim(front_end, feature, test)


#: Features as tests name them, without the marks of code.
KNOWN = {name.strip("`"): name for name in FEATURES}


# --- the page ----------------------------------------------------------------------------


def made_page(page: str, seen: list[Claim]) -> str:
    """The page with its table anew."""
    before, begins, rest = page.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not (begins and ends):
        raise ValueError(f"{PAGE.name} has no place for the table")
    head = ("", *FEATURES)
    rows = [
        (each.name, *(_cell(each, feature, seen) for feature in FEATURES)) for each in FRONT_ENDS
    ]
    meanings = "".join(f"- {name}: {means}\n" for name, means in FEATURES.items())
    return f"{before}{begins}\n{table(head, rows)}\n{meanings}\n{ends}{after}"


def _cell(row: FrontEnd, feature: str, seen: list[Claim]) -> str:
    """A tick that leads to its tests, why it cannot be, or that nothing has tried it."""
    tests = [
        claim.test
        for claim in seen
        if (claim.front_end, KNOWN[claim.feature]) == (row.name.strip("`"), feature)
    ]
    if not tests:
        return f"– {row.cannot[feature]}" if feature in row.cannot else "not tried"
    path = tests[0].partition("::")[0]
    names = ", ".join(test.partition("::")[2] for test in tests)
    return f'[✓](../tests/{path} "{names}")'


if __name__ == "__main__":
    PAGE.write_text(made_page(PAGE.read_text("utf-8"), claims()), "utf-8")
