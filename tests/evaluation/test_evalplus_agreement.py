"""EvalPlus's own evaluator and ours give every program the same verdict, on the real data with all of its inputs.

By default a slice of the tasks and a few mutants are compared. `EVALPLUS_TASKS` and `EVALPLUS_MUTANTS` in the
environment raise the numbers: 542 and 1000 for all, which takes some twenty minutes.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from iterpref_core.config import Benchmark
from iterpref_core.evaluation.evaluation import EvaluationSetting, open_benchmark, score_existing
from iterpref_core.evaluation.program_runs import own_samples
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
    """EvalPlus's verdicts on programs, by task."""
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("official_evalplus.py")), dataset]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for task_id, codes in programs.items():
            process.stdin.write(json.dumps([task_id, codes]) + "\n")
            process.stdin.flush()
            yield task_id, [(base, plus) for base, plus in json.loads(process.stdout.readline())]
        process.stdin.close()


def compare(
    dataset: str, programs: dict[str, list[str]], setting: EvaluationSetting
) -> list[tuple[str, str, Verdicts, Verdicts, str]]:
    """Programs on which the two differ: task, program, official verdicts, ours, and what ours says."""
    samples = [Sample(task_id=task_id, solution=code) for task_id, codes in programs.items() for code in codes]
    names: tuple[Benchmark, Benchmark] = ("humaneval", "humaneval+") if dataset == "humaneval" else ("mbpp", "mbpp+")
    entries = [score_existing(open_benchmark(name, setting), samples, setting.cache).entry for name in names]
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
    again = (found for _ in range(3) for _, (found,) in official(dataset, {task_id: [code]}))
    return all(ours) and any(found == ours for found in again)


@pytest.mark.timeout(300 if MUTANTS <= 30 else 7200)
@pytest.mark.parametrize("dataset", ["humaneval", "mbpp"])
def test_ground_truths_and_mutants_get_the_official_verdict(
    dataset: Literal["humaneval", "mbpp"], evalplus_slice: EvalPlusSlice, setting: EvaluationSetting
) -> None:
    chosen = task_ids(dataset)
    evalplus_slice(dataset, *chosen)
    benchmark = open_benchmark(dataset, setting)
    own = own_samples(benchmark)
    programs = {sample.task_id: [str(sample.solution)] for sample in own if sample.task_id != BROKEN}
    add_mutants(programs, MUTANTS // 2)
    assert compare(dataset, programs, setting) == []
    truth = score_existing(benchmark, own, setting.cache).entry
    assert truth["errors"] == {}, "also of the task that EvalPlus fails"


def test_evalplus_fails_its_own_ground_truth_of_the_task_left_out(
    evalplus_slice: EvalPlusSlice, setting: EvaluationSetting
) -> None:
    evalplus_slice("humaneval", BROKEN)
    benchmark = open_benchmark("humaneval+", setting)
    own = own_samples(benchmark)
    assert list(official("humaneval", {BROKEN: [str(own[0].solution)]})) == [(BROKEN, [(False, False)])]
    assert score_existing(benchmark, own, setting.cache).entry["pass_at_1"] == 1.0
