"""EvalPlus's own evaluator and ours give every program the same verdict, on the real data with all of its inputs.

By default a slice of the tasks and a few mutants are compared. `EVALPLUS_TASKS` and `EVALPLUS_MUTANTS` in the
environment raise the numbers: 542 and 1000 for all, which takes some twenty minutes.
"""

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from iterpref_core.evaluation.benchmarks.harness import canonical_samples
from iterpref_core.evaluation.benchmarks.suites import open_benchmark
from iterpref_core.programs.source_code.mutants import mutants_of
from iterpref_core.records import Sample
from tests.evaluation.evaluation import scoring
from tests.evaluation.evaluation.conftest import VARIABLES

# Some canonical solutions have invalid escapes, which the parser warns about.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")

BROKEN = "HumanEval/32"
"""evalplus 0.3.1 skips the count of passed tests for this task's oracle, and so fails every program."""


TASKS = int(os.environ.get("EVALPLUS_TASKS", "16"))
MUTANTS = int(os.environ.get("EVALPLUS_MUTANTS", "20"))
SLOW = {"Mbpp/255", "Mbpp/765", "Mbpp/599", "Mbpp/63"}
"""Not in the slice: seconds of CPU, or gigabytes, of expected results."""


def task_ids(dataset):
    """Tasks to compare: all, or some that are drawn once and for all."""
    path = Path(os.environ.get(VARIABLES[dataset], ""))
    if not path.is_file():
        pytest.skip(f"set {VARIABLES[dataset]} to EvalPlus's data file to run this test")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        found = [json.loads(line)["task_id"] for line in file]
    count = TASKS // 2 if TASKS < 542 else len(found)
    return found if count >= len(found) else random.Random(0).sample(sorted(set(found) - SLOW), count)


def add_mutants(programs, count):
    """Add so many mutants of the first program of random tasks."""
    chance = random.Random(0)
    made = 0
    while made < count:
        task_id = chance.choice(sorted(programs))
        for mutant in mutants_of(programs[task_id][0], 1, str(made)):
            programs[task_id].append(mutant.code)
            made += 1


def official(dataset, programs):
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


def compare(dataset, programs, setting):
    """Programs on which the two differ: task, program, official verdicts, ours, and what ours says."""
    samples = [Sample(task_id=task_id, solution=code) for task_id, codes in programs.items() for code in codes]
    names = ("humaneval", "humaneval+") if dataset == "humaneval" else ("mbpp", "mbpp+")
    entries = [scoring.score(open_benchmark(name, setting), samples, setting.cache) for name in names]
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


def passes_when_asked_again(dataset, task_id, code, ours):
    """EvalPlus's limits are of real time, so that a busy machine may fail a right program: it is asked again."""
    again = (found for _ in range(3) for _, (found,) in official(dataset, {task_id: [code]}))
    return all(ours) and any(found == ours for found in again)


@pytest.mark.slow
@pytest.mark.timeout(300 if MUTANTS <= 30 else 7200)
@pytest.mark.parametrize("dataset", ["humaneval", "mbpp"])
def test_ground_truths_and_mutants_get_the_official_verdict(dataset, evalplus_slice, setting):
    chosen = task_ids(dataset)
    evalplus_slice(dataset, *chosen)
    benchmark = open_benchmark(dataset, setting)
    own = canonical_samples(benchmark)
    programs = {sample.task_id: [str(sample.solution)] for sample in own if sample.task_id != BROKEN}
    add_mutants(programs, MUTANTS // 2)
    assert compare(dataset, programs, setting) == []
    truth = scoring.score(benchmark, own, setting.cache)
    assert truth["errors"] == {}, "also of the task that EvalPlus fails"
