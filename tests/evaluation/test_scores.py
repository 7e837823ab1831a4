"""Entries of results.json from verdicts."""

from collections.abc import Sequence

import pytest

from iterpref_core.errors import ExecutionError
from iterpref_core.evaluation.program_runs import ProgramRun
from iterpref_core.evaluation.scores import Entry, GroundTruth, Provenance, make_entry, metrics_of
from iterpref_core.records import Sample, Verdict
from iterpref_core.statistics.pass_at_k import wilson_interval


def entry_of(
    verdicts: Sequence[tuple[str, Verdict]], provenance: Provenance, feedback: Sequence[str] | None = None
) -> Entry:
    samples = [Sample(task_id=task_id, solution="pass") for task_id, _ in verdicts]
    texts = feedback or [""] * len(verdicts)
    runs = [ProgramRun(verdict, text, 0, 0.0) for (_, verdict), text in zip(verdicts, texts, strict=True)]
    return make_entry(samples, runs, provenance)


PROVENANCE = Provenance(("set", "abc"), "harness", {"cpu_s": 1}, "tier", GroundTruth(4, 4, ()), None)


def test_entry_counts_verdicts_by_kind_and_names_what_passed() -> None:
    entry = entry_of([("a", "passed"), ("b", "timeout"), ("c", "wrong_answer"), ("d", "wrong_answer")], PROVENANCE)
    assert (entry["n"], entry["pass_at_1"], entry["passed"]) == (4, 0.25, ["a"])
    assert entry["errors"] == {"timeout": 1, "wrong_answer": 2}
    assert tuple(entry["ci95"]) == wilson_interval(1, 4)
    assert entry["data"] == {"name": "set", "sha256": "abc"}
    assert entry["ground_truth"] == {"n": 4, "passed": 4, "failed": []}


def test_failures_of_the_engine_are_counted_but_never_scored() -> None:
    entry = entry_of([("a", "passed"), ("b", "infra_error")], PROVENANCE)
    assert (entry["n"], entry["pass_at_1"], entry["errors"]) == (1, 1.0, {"infra_error": 1})
    with pytest.raises(ExecutionError, match="no program could be scored"):
        entry_of([("a", "infra_error")], PROVENANCE)


def test_several_samples_per_task_give_shares_and_pass_at_5() -> None:
    verdicts: list[tuple[str, Verdict]] = [("a", "passed")] * 2 + [("a", "exception")] * 4 + [("b", "exception")] * 6
    entry = entry_of(verdicts, PROVENANCE)
    assert entry["pass_at_1"] == pytest.approx((2 / 6 + 0) / 2)
    assert (entry["pass_at_5"], entry["pass_at_5_n"]) == (pytest.approx((1 + 0) / 2), 2)
    entry = entry_of([*verdicts[:-2], ("b", "infra_error"), ("b", "infra_error")], PROVENANCE)
    assert (entry["pass_at_5"], entry["pass_at_5_n"], entry["n"]) == (pytest.approx(1), 1, 2)
    assert entry["passed"] == ["a"]


def test_metric_names_hold_no_plus_sign_and_unavailable_benchmarks_have_no_metrics() -> None:
    entry = entry_of([("a", "passed")], PROVENANCE)
    assert set(metrics_of("humaneval+", entry)) == {
        f"humaneval_plus/{name}" for name in ("pass_at_1", "ci95_low", "ci95_high", "n")
    }
    assert metrics_of("humaneval", {"available": False, "reason": "none"}) == {}


def test_ground_truth_names_what_fails() -> None:
    assert GroundTruth.of([("a", "passed"), ("b", "timeout")]) == GroundTruth(2, 1, ("b",))


def test_scores_are_given_with_and_without_tasks_whose_own_solution_fails() -> None:
    truth = Provenance(("set", "abc"), "harness", {}, "tier", GroundTruth(4, 3, ("c",)), None)
    verdicts: list[tuple[str, Verdict]] = [("a", "passed"), ("b", "timeout"), ("c", "wrong_answer"), ("d", "passed")]
    entry = entry_of(verdicts, truth)
    assert (entry["n"], entry["pass_at_1"]) == (4, 0.5)
    rest = entry["without_failed_truth"]
    assert (rest["n"], rest["pass_at_1"]) == (3, 2 / 3)
    assert tuple(rest["ci95"]) == wilson_interval(2, 3)
    assert "without_failed_truth" not in entry_of(verdicts, PROVENANCE)


def test_failures_are_counted_by_what_was_raised() -> None:
    verdicts: list[tuple[str, Verdict]] = [
        ("a", "exception"),
        ("b", "exception"),
        ("c", "wrong_answer"),
        ("d", "timeout"),
        ("e", "passed"),
    ]
    feedback = [
        "f(1) raised KeyError: 'x', line 2: return d[x]",
        "NameError: name 'np' is not defined, line 1: np.zeros(3)",
        "f(2) returned 4, expected 3",
        "time limit of 1 s exceeded in f(2)",
        "",
    ]
    entry = entry_of(verdicts, PROVENANCE, feedback)
    assert entry["exceptions"] == {"KeyError": 1, "NameError": 1}
    assert entry["verdicts"] == {task_id: [verdict] for task_id, verdict in verdicts}
    assert set(entry["feedback"]) == {"a", "b", "c", "d"}
    assert entry["feedback"]["c"] == ["f(2) returned 4, expected 3"]
