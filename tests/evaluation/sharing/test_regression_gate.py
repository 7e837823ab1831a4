"""The gate: exits 1 on a loss, or where tasks are too few to exclude one, 2 where there is nothing to compare."""

import json
import math
from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

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


def gate(before, after, *names, alpha=0.05, keep=None, margin=0.1, strict=False):
    return compare_with_baseline(before, after, names, alpha, keep, margin=margin, strict=strict)


def test_five_lost_tasks_are_enough_and_four_are_not(results):
    before = results("before", mbpp=benchmark(100, 50, "m-1"))
    five, four = (results(f"lost{n}", mbpp=benchmark(100, 50 - n, "m-1")) for n in (5, 4))
    assert gate(before, five).worse == ["mbpp"]
    assert gate(before, four).worse == []
    assert gate(five, before).worse == [], "a gain never fails"
    lines = gate(before, four).lines()
    assert lines[0].startswith("MBPP: 50.0% -> 46.0%, −4.0 [")
    assert lines[-2:] == ["not significantly worse", "a loss of 10 points is excluded"]
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


def _pair(results, n, lost, won):
    """Write results that differ in these tasks, half of the others solved by both."""
    both = (n - lost - won) // 2
    solved = {"before": [1] * lost + [0] * won + [1] * both, "after": [0] * lost + [1] * won + [1] * both}
    return [
        results(
            name, mbpp=benchmark(n, 0, "m-1", [("wrong_answer", "passed")[one] for one in ones + [0] * (n - len(ones))])
        )
        for name, ones in solved.items()
    ]


def _score(n, lost, won, loss):
    """Return the score statistic of a true loss, by the likelihood's own maximum (Tango 1998 has it in closed form)."""
    same = n - lost - won

    def minus_log_likelihood(share_won):
        shares = share_won + loss, share_won, 1 - 2 * share_won - loss
        counts = lost, won, same
        return -sum(count * math.log(max(share, 1e-300)) for count, share in zip(counts, shares, strict=True) if count)

    bounds = (0, (1 - loss) / 2)
    share_won = minimize_scalar(minus_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
    deviation = math.sqrt(n * (2 * share_won + loss - loss**2))
    return (won - lost + n * loss) / deviation if deviation else math.inf


def _words(n, lost, won, margin):
    """Return the words of the gate, by sums of binomial coefficients and the score, without the product's functions."""
    tosses = lost + won
    p_worse = sum(math.comb(tosses, k) for k in range(lost, tosses + 1)) / 2**tosses
    tail = sum(math.comb(tosses, k) for k in range(max(lost, won), tosses + 1)) / 2**tosses
    # Where the exact test does not find the difference that the score finds, the interval is that of the score.
    z = 1.959964 if 2 * tail < 0.05 else max(1.959964, abs(won - lost) / math.sqrt(tosses or 1))
    return p_worse <= 0.05, won - lost <= -n * margin or _score(n, lost, won, margin) < z


DISCORDANT = [(0, 0), (1, 1), (4, 0), (5, 0), (8, 2), (6, 6), (12, 8), (2, 9), (25, 20), (30, 12)]


@pytest.mark.parametrize(("tasks", "margin"), [*product((60, 164, 974), (0.05, 0.1))])
def test_sixty_gates_say_what_an_independent_computation_says(results, tasks, margin):
    found, wanted = [], []
    for lost, won in DISCORDANT:
        gated = gate(*_pair(results, tasks, lost, won), margin=margin)
        found.append((bool(gated.worse), bool(gated.not_excluded)))
        wanted.append(_words(tasks, lost, won, margin))
        assert gated.failed == any(wanted[-1])
        assert any(line.startswith("  not excluded: ") for line in gated.lines()) == wanted[-1][1]
    assert found == wanted
    assert len(set(wanted)) > 1


def test_few_tasks_exclude_no_loss_and_the_gate_says_how_many_do(results):
    found = gate(*_pair(results, 30, 8, 2))
    assert (found.worse, found.failed) == ([], True)
    needed = found.benchmarks["mbpp"].tasks_needed(0.1)
    assert f"points; hold out {needed} tasks" in found.lines()[2]
    assert found.lines()[-1] == "a loss of 10 points is not excluded on MBPP"
    assert not gate(*_pair(results, 30, 8, 2), margin=1.0).failed
    # An equally good candidate that differs on as many tasks is let through in four of five cases.
    random = np.random.default_rng(3)
    share = 12 / 32 / 2
    drawn = random.multinomial(needed, [share, share, 1 - 2 * share], size=400)
    passed = sum(_score(needed, lost, won, 0.1) > 1.96 for lost, won, _ in drawn)
    assert 0.73 < passed / 400 < 0.87


def test_more_tasks_than_needed_are_no_remedy(results):
    found = gate(*_pair(results, 974, 90, 85), margin=0.03)
    assert found.benchmarks["mbpp"].tasks_needed(0.03) > 974
    found = gate(*_pair(results, 974, 45, 30), margin=0.03)
    assert found.lines()[2].endswith(" points")


def test_strict_refuses_what_was_measured_differently(results):
    before, after = (benchmark(400, 200, "m-1", None) | {"limits": {"cpu_s": limit}} for limit in (2, 9))
    before, after = results("before", mbpp=before), results("after", mbpp=after)
    assert not gate(before, after).failed
    assert gate(before, after, strict=True).lines()[-1] == "measured differently on MBPP"
    assert gate(before, before, strict=True).lines()[-1] == "measured alike"


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
