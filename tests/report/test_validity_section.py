"""What the tests demand, in the summary and on the page."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iterpref_core.report.charts import BOTTOM, LEFT, RIGHT, TOP, histogram
from iterpref_core.report.validity_section import validity_summary


def build(experiment: SimpleNamespace, out: Path, drop: str = "") -> tuple[dict[str, Any], str]:
    """Summary and page; without the metrics that begin with `drop`."""
    path = experiment.metrics / "validity.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in metrics.items() if not (drop and k.startswith(drop))}))
    experiment.build(out)
    return json.loads((out / "summary.json").read_text())["validity"], (out / "index.html").read_text("utf-8")


def test_the_summary_has_means_and_distributions(experiment: SimpleNamespace, tmp_path: Path) -> None:
    found, _ = build(experiment, tmp_path)
    assert (found["problems"], found["mutants"], found["killed"]) == (60, 300, 240)
    assert found["references"] == {"none": 2, "passed": 58}
    assert found["coverage"] == {"mean": 0.8712, "tenths": [0, 0, 1, 2, 0, 5, 7, 10, 13, 20]}
    assert found["judge"]["asked"] == 60
    assert found["judge"]["effectiveness"] == {"mean": 3.25, "scores": [3, 7, 11, 15, 19]}


def test_the_page_draws_coverage_beside_the_papers_and_every_criterion(
    experiment: SimpleNamespace, tmp_path: Path
) -> None:
    _, page = build(experiment, tmp_path)
    for expected in ("mean 87.1%", "the paper&#39;s mean 78.6%", "some-judge scored the tests of 59 problems"):
        assert expected in page
    charts = re.findall(r'aria-label="(Problems by [^"]+)"', page)
    assert [chart.partition(":")[0] for chart in charts] == [
        *("Problems by coverage", "Problems by mutation score"),
        *("Problems by accuracy", "Problems by effectiveness", "Problems by reasonableness"),
    ]
    assert "20–30%: 1, 30–40%: 2, 50–60%: 5" in charts[0]
    assert "score 1: 3, score 2: 7" in charts[2]


def test_a_run_without_a_judge_says_so(experiment: SimpleNamespace, tmp_path: Path) -> None:
    found, page = build(experiment, tmp_path, drop="judge/")
    assert "judge" not in found
    assert "No judge was asked to score the tests" in page
    assert "Problems by accuracy" not in page


def test_a_sample_of_which_nothing_could_be_measured_makes_a_page(experiment: SimpleNamespace, tmp_path: Path) -> None:
    (experiment.metrics / "validity.json").write_text('{"problems": 3, "mutants": 0, "killed": 0, "reference/none": 3}')
    _, page = build(experiment, tmp_path)
    assert "No reference could be measured." in page
    assert "Not measured: 3 without a reference." in page


def test_a_judge_whose_answers_were_all_unreadable_has_no_scores() -> None:
    found = validity_summary({"problems": 2, "judge/asked": 2, "judge/asked_again": 2, "judge/unreadable": 2})
    assert found["judge"] == {"asked": 2, "asked_again": 2, "unreadable": 2}


def test_bars_stand_where_they_belong() -> None:
    chart = histogram("t", "x", [("a", 2), ("b", 0), ("c", 4)], (0, 3), [(1.5, "middle")], [("mean", "paper", 3)])
    assert chart is not None
    first, _, last = chart.bars
    assert (first.x, last.x + last.width) == (LEFT + 1, pytest.approx(RIGHT - 1, abs=0.2))
    assert (last.y, last.y + last.height, first.height) == (TOP, BOTTOM, (BOTTOM - TOP) / 2)
    assert chart.x_ticks == (((LEFT + RIGHT) / 2, "middle"),)
    assert chart.lines[0].path == f"{RIGHT},{TOP} {RIGHT},{BOTTOM}"
    assert histogram("t", "x", [("a", 0)], (0, 1), []) is None
