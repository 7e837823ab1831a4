"""Problems solved by calls: the experiment's own curve, and the comparison of sources."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from iterpref_core.report.calls_curve import (
    calls_chart,
    calls_rows,
    compared_curves,
    own_curve,
    paper_calls_rows,
    paper_curve,
)
from tests.report.test_report import rows


def test_the_own_curve_is_of_problems_whose_draft_fails(rich: SimpleNamespace) -> None:
    curve = own_curve(rich.summarize())
    assert [calls for calls, _ in curve] == [1, 2, 3, 4, 5, 6]
    # 10 of 100 drafts pass; one refinement takes 70 of the other 90, five take 87.
    assert [share for _, share in curve] == pytest.approx([0, 70 / 90, 80 / 90, 85 / 90, 86 / 90, 87 / 90])


def test_nothing_is_drawn_where_every_draft_passes(experiment: SimpleNamespace) -> None:
    summary = {"codeflow": {"pass_rate_by_iteration": [1.0]}, "calls": []}
    assert own_curve(summary) == ()
    assert calls_chart(summary, "this run") is None
    assert calls_rows(summary) == []


def test_the_comparison_stands_beside_it(rich: SimpleNamespace) -> None:
    summary = rich.summarize()
    curves = compared_curves(summary)
    assert (len(curves["debugging"]), len(curves["sampling"])) == (30, 50)
    chart = calls_chart(summary, "this run")
    assert chart is not None
    names = ["this run", "debugging, compared", "sampling, compared", "the paper, debugging"]
    assert [line.name for line in chart.lines] == names
    shown = {number: cells for number, *cells in calls_rows(summary)}
    assert list(shown) == [1, *range(5, 51, 5)]
    assert shown[5] == [("45.6%", "450 calls"), ("16.7%", "450 calls"), "+28.9 [+18.9, +38.9]", "0.030"]
    assert shown[50] == [("–", ""), ("64.4%", "4,500 calls"), "–", "–"]


def test_all_curves_are_in_the_table_that_dvc_plots(rich: SimpleNamespace, tmp_path: Path) -> None:
    rich.build(tmp_path / "reports")
    written = rows(tmp_path / "reports/calls.csv")
    counts = {
        source: sum(row["source"] == source for row in written)
        for source in ("this run", "debugging", "sampling", "the paper, debugging")
    }
    assert counts == {"this run": 6, "debugging": 30, "sampling": 50, "the paper, debugging": 6}
    assert len(written) == sum(counts.values())


def test_the_papers_curve_follows_from_its_figure_6() -> None:
    # 36.7% of its drafts pass; 54.7% do after one refinement, 67.5% after five.
    shares = dict(paper_curve())
    assert (shares[1], shares[2], shares[6]) == pytest.approx((0, 18.0 / 63.3, 30.8 / 63.3))


def test_the_papers_tables_of_calls_stand_beside_what_this_run_made(rich: SimpleNamespace) -> None:
    summary = rich.summarize()
    debugging, sampling, *left = paper_calls_rows(summary)
    assert debugging == ("debugging", "all", "up to 5", "67.5%", "97.0%")
    assert sampling == ("sampling", "all", "5", "51.9%", "–")
    assert {row[-1] for row in left} == {"–"}
    summary["provenance"]["params"]["codeflow"]["source"] = "sampling"
    assert [row[-1] for row in paper_calls_rows(summary)][:3] == ["–", "96.0%", "–"]
    summary["codeflow"]["pass_rate_by_iteration"] = [0.1, 0.2]
    assert {row[-1] for row in paper_calls_rows(summary)} == {"–"}, "two samples are not five"
