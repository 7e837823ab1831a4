"""HumanEval's format: what becomes a test."""

import doctest
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from iterpref_core.errors import InputError, RecordError
from iterpref_core.execution import Executor, Limits, program_of
from iterpref_core.problems.formats import benchmark_membership as benchmarks
from iterpref_core.problems.formats import humaneval_format as humaneval
from iterpref_core.problems.formats import mbpp_format as mbpp
from iterpref_core.problems.formats.humaneval_format import split_check
from iterpref_core.problems.ingest import Ingested, IngestOptions, ProblemFormat, ingest
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


def take(
    folder: Path, form: ProblemFormat, *tasks: dict[str, Any], keep: bool = False
) -> tuple[Ingested, list[Problem]]:
    source = folder / "in.jsonl"
    source.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    found = ingest(source, form, folder / "out.jsonl", EXECUTION, IngestOptions(keep_benchmarks=keep))
    return found, list(read_jsonl(folder / "out.jsonl", Problem))


def verdict(problem: Problem, solution: str) -> str:
    with Executor(Limits(), workers=1) as executor:
        outcome = executor.run_one(program_of(problem, Sample(task_id=problem.task_id, solution=solution)))
    return outcome.verdict


@pytest.mark.parametrize("module", [benchmarks, humaneval, mbpp], ids=lambda module: module.__name__)
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
    ("change", "message"),
    [
        ({"test": "x = 1"}, r"in.jsonl:1: field 'test': defines no check"),
        ({"test": "def check(candidate): pass"}, r"field 'test': check\(candidate\) asserts nothing"),
        ({"test": "def check("}, "field 'test': not valid Python"),
    ],
)
def test_tasks_that_cannot_be_read_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        take(tmp_path, "humaneval", HUMANEVAL | change)


def test_a_benchmarks_own_tasks_are_taken_on_request_only(tmp_path: Path) -> None:
    theirs = HUMANEVAL | {"task_id": "HumanEval/163"}
    found, problems = take(tmp_path, "humaneval", HUMANEVAL, theirs)
    assert (found.counts["dropped/in_humaneval"], [problem.task_id for problem in problems]) == (1, ["own/1"])
    with pytest.raises(InputError, match=r"no problem to ingest \(1 in_humaneval\)"):
        take(tmp_path, "humaneval", theirs)
    assert take(tmp_path, "humaneval", theirs, keep=True)[0].counts["problems"] == 1


def test_ground_truths_of_the_real_file_pass_and_a_mutant_fails(tmp_path: Path) -> None:
    source = os.environ.get("HUMANEVAL_OVERRIDE_PATH")
    if not source:
        pytest.skip("HUMANEVAL_OVERRIDE_PATH does not name HumanEvalPlus.jsonl.gz")
    options = IngestOptions(keep_benchmarks=True)
    found = ingest(Path(source), "humaneval", tmp_path / "out.jsonl", EXECUTION, options)
    assert found.counts == {"problems": 164, "references/passed": 164}
    problem = next(read_jsonl(tmp_path / "out.jsonl", Problem))
    assert verdict(problem, (problem.reference or "").replace("< threshold", "<= threshold - 0.2")) == "wrong_answer"
