"""HumanEval's and EvalPlus's formats: what becomes a test, and what is expected of it."""

import doctest
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from iterpref_core.errors import InputError, RecordError
from iterpref_core.execution import Executor, Limits, program_of
from iterpref_core.problems.formats import ProblemFormat
from iterpref_core.problems.formats import benchmark_membership as benchmarks
from iterpref_core.problems.formats import evalplus_format as evalplus
from iterpref_core.problems.formats import humaneval_format as humaneval
from iterpref_core.problems.formats import mbpp_format as mbpp
from iterpref_core.problems.formats.humaneval_format import split_check
from iterpref_core.problems.ingest import Ingested, IngestOptions, ingest
from iterpref_core.records import AssertTest, Problem, Sample
from iterpref_core.storage.jsonl import read_jsonl
from tests import settings

EXECUTION = settings.EXECUTION.model_copy(update={"cpu_s": 10, "wall_s": 60, "memory_mb": 512, "output_kb": 256})
HUMANEVAL: dict[str, Any] = {
    "task_id": "own/1",
    "prompt": 'def half(x):\n    """Half of x."""\n',
    "entry_point": "half",
    "canonical_solution": "    return x / 2\n",
    "test": "METADATA = {}\n\ndef check(candidate):\n    assert candidate(3) == 1.5\n    assert True, 'separator'\n",
}
EVALPLUS: dict[str, Any] = {key: value for key, value in HUMANEVAL.items() if key != "test"} | {
    "contract": '\n    assert x >= 0, "invalid inputs" # $_CONTRACT_$\n',
    "base_input": [[3], [0.2]],
    "plus_input": [[7], [-1], [float("inf")]],
    "atol": 0,
}


def take(
    folder: Path, form: ProblemFormat, *tasks: dict[str, Any], keep: bool = False
) -> tuple[Ingested, list[Problem]]:
    source = folder / "in.jsonl"
    source.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    found = ingest(source, form, folder / "out.jsonl", EXECUTION, IngestOptions(keep_benchmarks=keep))
    return found, list(read_jsonl(folder / "out.jsonl", Problem))


def verdict(problem: Problem, solution: str) -> str:
    with Executor(Limits(), workers=1) as executor:
        (outcome,) = executor.run([program_of(problem, Sample(task_id=problem.task_id, solution=solution))])
    return outcome.verdict


@pytest.mark.parametrize("module", [benchmarks, evalplus, humaneval, mbpp], ids=lambda module: module.__name__)
def test_the_examples_hold(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def test_assertions_of_humaneval_become_tests_of_their_own(tmp_path: Path) -> None:
    found, (problem,) = take(tmp_path, "humaneval", HUMANEVAL)
    assert found.counts == {"problems": 1, "references/passed": 1}
    assert problem.tests == (AssertTest(code="assert half(3) == 1.5"),)
    assert problem.reference == 'def half(x):\n    """Half of x."""\n    return x / 2\n'


@pytest.mark.parametrize(
    "body",
    [
        "    import math\n    assert candidate(3) == math.sqrt(2.25)\n",
        "    for n in [3]:\n        assert candidate(n) == 1.5\n",
    ],
)
def test_a_check_that_does_more_than_assert_stays_whole(body: str) -> None:
    (test,) = split_check(f"def check(candidate):\n{body}", "half")
    assert test.code.endswith("check(half)")
    problem = Problem(task_id="p", prompt="p", entry_point="half", tests=(test,))
    assert verdict(problem, "def half(x): return x / 2") == "passed"
    assert verdict(problem, "def half(x): return x // 2") == "wrong_answer"


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        ("humaneval", {"test": "x = 1"}, r"in.jsonl:1: field 'test': defines no check"),
        ("humaneval", {"test": "def check(candidate): pass"}, r"field 'test': check\(candidate\) asserts nothing"),
        ("humaneval", {"test": "def check("}, "field 'test': not valid Python"),
        ("evalplus", {"entry_point": "other"}, "not valid Python .no function other"),
        ("evalplus", {"base_input": 3}, "field 'base_input'"),
    ],
)
def test_tasks_that_cannot_be_read_are_named(
    tmp_path: Path, form: ProblemFormat, change: dict[str, Any], message: str
) -> None:
    task = HUMANEVAL if form == "humaneval" else EVALPLUS
    with pytest.raises(RecordError, match=message):
        take(tmp_path, form, task | change)


@pytest.mark.parametrize(("form", "task"), [("humaneval", HUMANEVAL), ("evalplus", EVALPLUS)])
def test_a_benchmarks_own_tasks_are_taken_on_request_only(
    tmp_path: Path, form: ProblemFormat, task: dict[str, Any]
) -> None:
    theirs = task | {"task_id": "HumanEval/163"}
    found, problems = take(tmp_path, form, task, theirs)
    assert (found.counts["dropped/in_humaneval"], [problem.task_id for problem in problems]) == (1, ["own/1"])
    with pytest.raises(InputError, match=r"no problem to ingest \(1 in_humaneval\)"):
        take(tmp_path, form, theirs)
    assert take(tmp_path, form, theirs, keep=True)[0].counts["problems"] == 1


def test_evalplus_inputs_get_the_canonical_solutions_values(tmp_path: Path) -> None:
    found, (problem,) = take(tmp_path, "evalplus", EVALPLUS)
    assert found.counts == {"problems": 1, "references/passed": 1, "dropped_tests/contract_refuses": 1}
    shown = [(test.call, test.expected, test.atol) for test in (*problem.tests, *problem.hidden_tests)]  # type: ignore[union-attr]
    assert shown == [
        ("half(3)", "1.5", 1e-6),
        ("half(0.2)", "0.1", 1e-6),
        ("half(7)", "3.5", 1e-6),
        ("half(float('inf'))", "float('inf')", 1e-6),
    ]
    assert len(problem.tests) == 2
    assert verdict(problem, "def half(x): return x * 0.5000000001") == "passed"
    assert verdict(problem, "def half(x): return x * 0.5001") == "wrong_answer"


def test_evalplus_tasks_that_cannot_become_tests_are_counted(tmp_path: Path) -> None:
    long = EVALPLUS | {"task_id": "long", "canonical_solution": "    return [x] * 5000\n", "contract": ""}
    oracle = EVALPLUS | {"task_id": "o", "entry_point": "find_zero", "prompt": "def find_zero(x):\n"}
    fails = EVALPLUS | {"task_id": "fails", "canonical_solution": "    return 1 / x\n", "base_input": [[1], [0]]}
    found, problems = take(tmp_path, "evalplus", EVALPLUS, long, oracle, fails)
    assert [problem.task_id for problem in problems] == ["own/1"]
    assert found.counts["dropped/special_oracle"] == found.counts["dropped/no_test_left"] == 1
    assert found.counts["dropped_tests/too_long"] == 5
    assert found.counts["dropped/reference_fails"] == 1
    assert [(item.task_id, item.line, item.verdict) for item in found.broken] == [("fails", 4, "exception")]


def test_mbpp_plus_compares_some_results_as_sets_and_means_tuples(tmp_path: Path) -> None:
    task = EVALPLUS | {
        "task_id": "Mbpp/2",
        "prompt": '"""Shared elements."""\n',
        "entry_point": "similar_elements",
        "canonical_solution": "def similar_elements(a, b):\n    return tuple(set(a) & set(b))\n",
        "contract": '\n  assert isinstance(a, tuple), "invalid inputs"\n',
        "base_input": [[[1, 2], [2, 3]]],
        "plus_input": {},
    }
    _, (problem,) = take(tmp_path, "evalplus", task, keep=True)
    (test,) = problem.tests
    assert (test.call, test.expected) == ("set(similar_elements((1, 2), (2, 3)))", "{2}")  # type: ignore[union-attr]
    assert verdict(problem, "def similar_elements(a, b): return [2, 2]") == "passed"


def test_ground_truths_of_the_real_file_pass_and_a_mutant_fails(tmp_path: Path) -> None:
    source = os.environ.get("HUMANEVAL_OVERRIDE_PATH")
    if not source:
        pytest.skip("HUMANEVAL_OVERRIDE_PATH does not name HumanEvalPlus.jsonl.gz")
    options = IngestOptions(keep_benchmarks=True)
    found = ingest(Path(source), "humaneval", tmp_path / "out.jsonl", EXECUTION, options)
    assert found.counts == {"problems": 164, "references/passed": 164}
    problem = next(read_jsonl(tmp_path / "out.jsonl", Problem))
    assert verdict(problem, (problem.reference or "").replace("< threshold", "<= threshold - 0.2")) == "wrong_answer"
