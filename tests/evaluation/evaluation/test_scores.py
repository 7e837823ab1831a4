"""Entries of results.json from verdicts."""

from types import SimpleNamespace

import pytest

from iterpref_core.evaluation.benchmarks.benchmark import Benchmark, ProgramRun
from iterpref_core.evaluation.benchmarks.harness import Harness, mark_truncated
from iterpref_core.evaluation.evaluation.answer_reading import FoundPrograms
from iterpref_core.evaluation.evaluation.scores import summarize
from iterpref_core.records import ExecutionError, Problem
from tests.settings import EXECUTION


def run_of(verdict, feedback="", exception=""):
    return ProgramRun(verdict, feedback, exception, 0.0)


def entry_of(verdicts):
    """Of a benchmark whose canonical solutions pass."""
    letters = Letters()
    programs = ["x = 1"] * len(verdicts)
    found = FoundPrograms([letters.tasks[task_id] for task_id, _ in verdicts], programs, programs)
    runs = [found if isinstance(found, ProgramRun) else run_of(found) for _, found in verdicts]
    letters.canonical = dict.fromkeys("abcd", run_of("passed"))
    return summarize(Harness(letters, SimpleNamespace(isolation="none")), found, runs).to_json()


class Letters(Benchmark[Problem]):
    """Four tasks, of which nothing is asked or run here."""

    def __init__(self):
        tasks = {name: Problem(task_id=name, prompt="?", entry_point="f", tests=()) for name in "abcd"}
        super().__init__("heldout", ("set", "abc"), tasks, EXECUTION)

    prompt = program = candidate = None


def test_failures_of_the_engine_and_tasks_whose_tests_ran_inside_are_counted():
    inside = run_of("passed")._replace(inside=1)
    entry = entry_of([("a", "passed"), ("b", "infra_error"), ("c", inside), ("c", inside), ("d", inside)])
    assert (entry["n"], entry["pass_at_1"], entry["errors"]) == (3, 1.0, {"infra_error": 1}), "never scored"
    assert entry["inside"] == 2
    with pytest.raises(ExecutionError, match="no program could be scored"):
        entry_of([("a", "infra_error")])


def test_failures_are_counted_by_what_was_raised():
    runs = {
        "a": run_of("exception", "f(1) raised KeyError: 'x'", "KeyError"),
        "b": run_of("exception", "NameError: name 'np' is not defined", "NameError"),
        "c": run_of("wrong_answer", "f(2) returned 4, expected 3"),
        "d": mark_truncated(run_of("exception", "f(2) raised KeyError: 'x'", "KeyError")),
    }
    entry = entry_of([*runs.items(), ("a", "passed")])
    assert entry["exceptions"] == {"KeyError": 1, "NameError": 1}
    assert entry["errors"] == {"exception": 2, "truncated": 1, "wrong_answer": 1}
    assert entry["verdicts"]["a"] == ["exception", "passed"]
    assert set(entry["feedback"]) == {"a", "b", "c", "d"}
    assert entry["feedback"]["c"] == ["f(2) returned 4, expected 3"]
