"""The table of front ends: what the tests say, and nothing else."""

from __future__ import annotations

import pytest
from front_end_table import FEATURES, FRONT_ENDS, PAGE, claims, claims_in, made_page

TEST = "import pytest\n\n@pytest.mark.{mark}\ndef {name}():\n    pass\n"


def said(mark, name="test_it"):
    return list(claims_in(TEST.format(mark=mark, name=name), "test_x.py"))


def test_the_page_is_what_the_tests_say():
    assert PAGE.read_text(encoding="utf-8") == made_page(PAGE.read_text("utf-8"), claims()), (
        "docs/frontends.md is old: python tests/front_end_table.py"
    )


def test_a_test_says_it_for_itself_and_for_its_parameters():
    (first, second) = said("shows('JupyterLab', 'live', '--bg')")
    assert (first.front_end, first.feature, first.test) == (
        "JupyterLab",
        "live",
        "test_x.py::test_it",
    )
    assert second.feature == "--bg"
    mark = "pytest.mark.shows('papermill', 'saved')"
    (claim,) = said(f"parametrize('x', [1, pytest.param(2, marks={mark})])")
    assert (claim.front_end, claim.feature) == ("papermill", "saved")
    assert claim in set(said(f"parametrize('x', [pytest.param(2, marks=[{mark}])])"))


@pytest.mark.parametrize(
    ("mark", "error"),
    [
        ("shows('Jupyterlab', 'live')", "names no front end"),
        ("shows('JupyterLab')", "or no feature of one"),
        ("shows('JupyterLab', 'living')", "living is not a feature"),
        ("shows('QtConsole', 'panel')", "QtConsole cannot have panel"),
    ],
)
def test_what_is_not_in_the_table_is_an_error(mark, error):
    with pytest.raises(ValueError, match=error):
        said(mark)


def test_a_mark_that_stands_at_no_test_is_an_error():
    with pytest.raises(ValueError, match="stands at no test"):
        said("shows('JupyterLab', 'live')", name="helper")


def test_a_tick_leads_to_its_tests():
    page = PAGE.read_text(encoding="utf-8")
    seen = said("shows('QtConsole', 'live')")
    (row,) = (line for line in made_page(page, seen).splitlines() if line.startswith("| QtConsole"))
    _, _, live, stop, panel, *_ = (cell.strip() for cell in row.split("|"))
    assert live == '[✓](../tests/test_x.py "test_it")'
    assert (stop, panel) == ("not tried", "– no widgets")


def test_reasons_are_told_for_features_of_the_table():
    assert {feature for each in FRONT_ENDS for feature in each.cannot} <= set(FEATURES)
