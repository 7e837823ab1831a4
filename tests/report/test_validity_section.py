"""What the tests demand, in the summary and on the page."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def build(experiment: SimpleNamespace, out: Path, drop: str = "") -> tuple[dict[str, Any], str]:
    """Summary and page; without the metrics that begin with `drop`."""
    path = experiment.metrics / "validity.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in metrics.items() if not (drop and k.startswith(drop))}))
    experiment.build(out)
    return json.loads((out / "summary.json").read_text())["validity"], (out / "index.html").read_text("utf-8")


def test_the_page_draws_coverage_beside_the_papers_and_every_criterion(
    experiment: SimpleNamespace, tmp_path: Path
) -> None:
    found, page = build(experiment, tmp_path)
    assert found["coverage"] == {"mean": 0.8712, "tenths": [0, 0, 1, 2, 0, 5, 7, 10, 13, 20]}
    assert found["judge"]["effectiveness"] == {"mean": 3.25, "scores": [3, 7, 11, 15, 19]}
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
