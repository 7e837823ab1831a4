"""EvalPlus's own evaluator and ours give every program the same verdict, on the real data with all of its inputs.

By default a slice of the tasks and a few mutants are compared. `EVALPLUS_TASKS` and `EVALPLUS_MUTANTS` in the
environment raise the numbers: 542 and 1000 for all, which takes some twenty minutes.
"""

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.config import ExecutionParams
from iterpref_core.evaluation.evalplus_benchmarks import EvalPlus
from iterpref_core.evaluation.runs import Journals
from iterpref_core.records import Sample

from .conftest import EvalPlusSlice
from .evalplus_mutants import MUTANTS, add_mutants, task_ids

# Some canonical solutions have invalid escapes, which the parser warns about.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")

BROKEN = "HumanEval/32"
"""evalplus 0.3.1 skips the count of passed tests for this task's oracle, and so fails every program."""
Verdicts = tuple[bool, bool]
"""Whether a program passes the base tests, and the plus tests too."""


def official(dataset: str, programs: dict[str, list[str]]) -> Iterator[tuple[str, list[Verdicts]]]:
    """EvalPlus's verdicts on programs, by task. Each task is a process of its own: some results take a gigabyte."""
    context = multiprocessing.get_context("fork")
    for task_id, codes in programs.items():
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_official, args=(dataset, task_id, codes, theirs))
        process.start()
        theirs.close()
        found = ours.recv()
        process.join()
        yield task_id, found


def _official(dataset: str, task_id: str, codes: list[str], answers: Any) -> None:
    from evalplus.data import get_human_eval_plus, get_mbpp_plus
    from evalplus.eval import PASS, untrusted_check
    from evalplus.eval._special_oracle import MBPP_OUTPUT_NOT_NONE_TASKS
    from evalplus.gen.util import trusted_exec

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    task = (get_human_eval_plus if dataset == "humaneval" else get_mbpp_plus)()[task_id]
    name, reference = task["entry_point"], task["prompt"] + task["canonical_solution"]
    not_none = dataset == "mbpp" and name in MBPP_OUTPUT_NOT_NONE_TASKS
    suites = []
    for suite in ("base", "plus"):
        inputs = task[f"{suite}_input"]
        suites.append((inputs, *trusted_exec(reference, inputs, name, record_time=True, output_not_none=not_none)))
    found = []
    for code in codes:
        passed = []
        for inputs, expected, times in suites:
            arguments = (dataset, code, inputs, name, expected, task["atol"], times)
            passed.append(untrusted_check(*arguments, fast_check=True)[0] == PASS)
        found.append((passed[0], all(passed)))
    answers.send(found)


def compare(
    dataset: str, programs: dict[str, list[str]], execution: ExecutionParams, folder: Path
) -> list[tuple[str, str, Verdicts, Verdicts, str]]:
    """Programs on which the two differ: task, program, official verdicts, ours, and what ours says."""
    service = EvalPlus(dataset, folder, execution, Journals(folder / "unfinished"))  # type: ignore[arg-type]
    samples = [Sample(task_id=task_id, solution=code) for task_id, codes in programs.items() for code in codes]
    base = "humaneval" if dataset == "humaneval" else "mbpp"
    scored = service.score([base, f"{base}+"], samples)  # type: ignore[list-item]
    entries = [scored[name].entry for name in (base, f"{base}+")]  # type: ignore[index]
    different = []
    for task_id, theirs in official(dataset, programs):
        mine = zip(*([verdict == "passed" for verdict in entry["verdicts"][task_id]] for entry in entries), strict=True)
        said = entries[1]["feedback"].get(task_id, [""] * len(theirs))
        different += [
            (task_id, code, *pair, text)
            for code, *pair, text in zip(programs[task_id], theirs, mine, said, strict=True)
            if pair[0] != pair[1] and not passes_when_asked_again(dataset, task_id, code, pair[1])
        ]
    return different


def passes_when_asked_again(dataset: str, task_id: str, code: str, ours: Verdicts) -> bool:
    """EvalPlus's limits are of real time, so that a busy machine may fail a right program: it is asked again."""
    again = (next(official(dataset, {task_id: [code]}))[1][0] for _ in range(3))
    return all(ours) and any(found == ours for found in again)


@pytest.mark.timeout(300 if MUTANTS <= 30 else 7200)
@pytest.mark.parametrize("dataset", ["humaneval", "mbpp"])
def test_ground_truths_and_mutants_get_the_official_verdict(
    dataset: str, evalplus_slice: EvalPlusSlice, execution: ExecutionParams, tmp_path: Path
) -> None:
    chosen = task_ids(dataset)
    evalplus_slice(dataset, *chosen)
    service = EvalPlus(dataset, tmp_path, execution, Journals(tmp_path))  # type: ignore[arg-type]
    programs = {task.task_id: [task.canonical_program] for task in service.data.tasks if task.task_id != BROKEN}
    add_mutants(programs, MUTANTS // 2)
    different = compare(dataset, programs, execution, tmp_path)
    assert different == []
    truth = service.score([dataset], service.ground_truth_samples())[dataset].entry  # type: ignore[list-item,index]
    assert truth["errors"] == {}, "also of the task that EvalPlus fails"


def test_evalplus_fails_its_own_ground_truth_of_the_task_left_out(
    evalplus_slice: EvalPlusSlice, execution: ExecutionParams, tmp_path: Path
) -> None:
    evalplus_slice("humaneval", BROKEN)
    service = EvalPlus("humaneval", tmp_path, execution, Journals(tmp_path))
    truth = {BROKEN: [service.data.tasks[0].canonical_program]}
    assert [row[:4] for row in compare("humaneval", truth, execution, tmp_path)] == [
        (BROKEN, truth[BROKEN][0], (False, False), (True, True))
    ]
