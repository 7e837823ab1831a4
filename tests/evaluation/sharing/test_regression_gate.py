"""The gate: exits 1 on a significant loss, 0 otherwise, 2 where there is nothing to compare."""

import json

import pytest

from iterpref_core.evaluation.sharing.regression_gate import compare_with_baseline
from iterpref_core.records import InputError
from tests.evaluation.report.conftest import benchmark


@pytest.fixture
def results(tmp_path):
    """Write results of benchmarks; returns the file."""

    def write(name, **benchmarks):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"model": name, "benchmarks": benchmarks}))
        return path

    return write


def gate(before, after, *names, alpha=0.05, keep=None):
    return compare_with_baseline(before, after, names, alpha, keep)


def test_five_lost_tasks_are_enough_and_four_are_not(results):
    before = results("before", mbpp=benchmark(100, 50, "m-1"))
    five, four = (results(f"lost{n}", mbpp=benchmark(100, 50 - n, "m-1")) for n in (5, 4))
    assert gate(before, five).worse == ["mbpp"]
    assert gate(before, four).worse == []
    assert gate(five, before).worse == [], "a gain never fails"
    lines = gate(before, four).lines()
    assert lines[0].startswith("MBPP: 50.0% -> 46.0%, −4.0 [")
    assert lines[-1] == "not significantly worse"
    assert gate(before, four, alpha=0.0625).worse == ["mbpp"]


def test_a_candidate_must_keep_a_share_of_what_was_solved(results):
    """It may be better all in all: 60 tasks are lost of 100 solved ones, and 80 others are gained."""
    before = results("before", mbpp=benchmark(300, 100, "m-1"))
    verdicts = ["timeout"] * 60 + ["passed"] * 120 + ["timeout"] * 120
    after = results("after", mbpp=benchmark(300, 120, "m-1", verdicts))
    found = gate(before, after)
    assert (found.worse, found.keeps_less) == ([], [])
    low, high = found.benchmarks["mbpp"].kept.ci95
    assert f"kept: 40.0% ({100 * low:.1f}% to {100 * high:.1f}%) of the 100 solved tasks" in found.lines()[1]
    assert gate(before, after, keep=high - 0.001).keeps_less == []
    strict = gate(before, after, keep=0.6)
    assert (strict.worse, strict.keeps_less) == ([], ["mbpp"])
    assert strict.lines()[-1] == "significantly less kept than 60.0% on MBPP"
    unsolved = gate(results("none", mbpp=benchmark(300, 0, "m-1")), after, keep=0.6).lines()
    assert unsolved[1] == "  kept: the baseline solved no task, so there is nothing to keep"
    assert unsolved[-1] == "not significantly less kept than 60.0%"


def test_several_benchmarks_are_corrected_for_their_number(results):
    before = results("before", mbpp=benchmark(100, 50, "m-1"), humaneval=benchmark(100, 50, "h-1"))
    after = results("after", mbpp=benchmark(100, 45, "m-1"), humaneval=benchmark(100, 50, "h-1"))
    assert gate(before, after, "mbpp").worse == ["mbpp"]
    both = gate(before, after)
    assert both.benchmarks["mbpp"].p_worse_holm == pytest.approx(2 / 32)
    assert both.worse == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"name": "m", "sha256": "other"}}, "were measured on different data"),
        ({"verdicts": {"task/0000": ["passed"]}, "n": 1, "limit": 1}, "again with one --limit: it is 1, and None in"),
        ({"verdicts": {"task/0000": ["passed"]}, "n": 1, "partial": {"tasks": 100}}, "--partial left some out"),
        ({"verdicts": {"task/0000": ["passed"]}, "n": 1}, "mbpp has 1 tasks with a verdict, 100 in .*, and 1 in both"),
        ({"verdicts": {f"other/{number}": ["passed"] for number in range(100)}}, "100 in .*, and 0 in both"),
    ],
)
def test_other_data_or_tasks_are_refused(results, change, message):
    before = results("before", mbpp=benchmark(100, 50, "m-1"))
    after = results("after", mbpp=benchmark(100, 50, "m-1") | change)
    with pytest.raises(InputError, match=message):
        gate(before, after)
    with pytest.raises(InputError, match="no benchmark 'livecodebench'"):
        gate(before, before, "livecodebench")
