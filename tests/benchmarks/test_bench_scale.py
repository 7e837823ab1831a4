"""The benchmark of scale: its records are what they claim to be, and every stage takes them."""

from pathlib import Path

import pytest

from iterpref_core.config import load_params
from iterpref_core.execution import Executor, Limits, program_of
from iterpref_core.records import Sample
from tasks.benchmarks import bench_scale
from tests.settings import ROOT


def test_right_programs_pass_and_wrong_ones_fail() -> None:
    problems = [bench_scale._problem(number) for number in range(5)]
    programs = [bench_scale._program(number, wrong=wrong) for wrong in (False, True) for number in range(5)]
    with Executor(Limits(), workers=1) as executor:
        samples = zip(2 * problems, programs, strict=True)
        outcomes = executor.run(program_of(p, Sample(task_id=p.task_id, solution=code)) for p, code in samples)
        assert [outcome.verdict for outcome in outcomes] == 5 * ["passed"] + 5 * ["wrong_answer"]
    assert len(set(programs)) == 10
    assert programs[0].count("\n") == bench_scale._LINES + 3


def test_a_slope_is_of_logarithms_and_of_a_record() -> None:
    figures = {"pairs/10/cpu_s": 1.0, "pairs/10/own_mb": 20.0, "pairs/1000/cpu_s": 10.0, "pairs/1000/own_mb": 20.0}
    slopes = bench_scale._slopes("pairs", figures, 10, 1000)
    assert slopes == {
        "pairs/slope_cpu": 0.5,
        "pairs/ms_per_record": pytest.approx(9.091, abs=1e-3),
        "pairs/kb_per_record": 0.0,
    }


def test_a_body_too_quick_for_the_clock_of_cpu_time_has_a_slope_still(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(bench_scale.BODIES, "report", (lambda _folder, _params: None, "json"))
    monkeypatch.setattr(bench_scale, "cpu_s", lambda: 7.0)
    figures = bench_scale._measure("report", tmp_path, load_params(ROOT / "params.yaml"))
    assert figures["cpu_s"] == 0.01
    both = {f"report/{size}/{name}": value for size in (1, 2) for name, value in figures.items()}
    assert bench_scale._slopes("report", both, 1, 2)["report/slope_cpu"] == 0


def test_a_small_run_measures_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    result = bench_scale.bench_scale(load_params(ROOT / "params.yaml"), (50, 200))
    figures = {"s", "cpu_s", "peak_mb", "own_mb"}
    expected = {f"{stage}/{size}/{figure}" for stage in bench_scale.BODIES for size in (50, 200) for figure in figures}
    slopes = {"slope_cpu", "ms_per_record", "kb_per_record"}
    assert set(result) == expected | {f"{stage}/{slope}" for stage in bench_scale.BODIES for slope in slopes}
    assert all(result[name] > 0 for name in expected)
    assert all(result[f"{stage}/200/own_mb"] < result[f"{stage}/200/peak_mb"] for stage in bench_scale.BODIES)
    assert f"report, 200 records: {result['report/200/cpu_s']} s of CPU" in capsys.readouterr().err
