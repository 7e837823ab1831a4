"""Kinds of failure as the page shows them."""

from types import SimpleNamespace

import pytest

from iterpref_core.report.failures import failure_kinds, failure_tables


def test_what_a_unit_test_raised_is_a_wrong_answer_that_names_its_exception() -> None:
    assert failure_kinds({"errors": {"exception": 2, "timeout": 1}}) == {"exception": 2, "timeout": 1}
    scores = {"errors": {"exception": 2, "wrong_answer": 3, "timeout": 1}, "exceptions": {"KeyError": 3}}
    assert failure_kinds(scores) == {"KeyError": 3, "wrong_answer": 2, "timeout": 1}


def test_a_kind_of_failure_has_one_color_on_all_benchmarks_and_rare_ones_share_one(rich: SimpleNamespace) -> None:
    tables = failure_tables(rich.summarize())
    colors = {pair for table in tables for pair in table["colored"]}
    assert len(colors) == len({kind for kind, _ in colors}) == 5
    for table in tables:
        for _, samples, counts, bar in table["rows"]:
            assert sum(width for _, _, width in bar) == pytest.approx(100 * sum(counts.values()) / samples, abs=0.01)
            assert [color for color, _, _ in bar] == sorted({color for color, _, _ in bar}), "each color once"
