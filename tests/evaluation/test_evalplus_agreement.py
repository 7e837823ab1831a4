"""EvalPlus's own evaluator and ours give every program the same verdict, on the real data with all of its inputs.

By default a slice of the tasks and a few mutants are compared. `EVALPLUS_TASKS` and `EVALPLUS_MUTANTS` in the
environment raise the numbers: 542 and 1000 for all, which takes some twenty minutes.
"""

import ast
import json
import multiprocessing
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.config import ExecutionParams
from iterpref_core.evaluation.evalplus_benchmarks import EvalPlus
from iterpref_core.evaluation.runs import Journals
from iterpref_core.records import Sample

from .conftest import VARIABLES, EvalPlusSlice

# Some canonical solutions have invalid escapes, which the parser warns about.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")

TASKS = int(os.environ.get("EVALPLUS_TASKS", "24"))
MUTANTS = int(os.environ.get("EVALPLUS_MUTANTS", "30"))
BROKEN = "HumanEval/32"
"""evalplus 0.3.1 skips the count of passed tests for this task's oracle, and so fails every program."""
SLOW = {"Mbpp/255", "Mbpp/765", "Mbpp/599", "Mbpp/63"}
"""Not in the slice: seconds of CPU, or gigabytes, of expected results."""
SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip

Verdicts = tuple[bool, bool]
"""Whether a program passes the base tests, and the plus tests too."""


def mutate(code: str, chance: random.Random) -> str | None:
    """The code with one operator or small number changed."""
    tree = ast.parse(code)
    places = []
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in SWAPS:
            places.append(lambda node=node: setattr(node, "op", SWAPS[type(node.op)]()))
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
            places.append(lambda node=node: node.ops.__setitem__(0, SWAPS[type(node.ops[0])]()))
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            places.append(lambda node=node: setattr(node, "value", node.value + 1))
    if not places:
        return None
    chance.choice(places)()
    return ast.unparse(tree)


def task_ids(dataset: str) -> list[str]:
    """Tasks to compare: all, or some that are drawn once and for all."""
    path = Path(os.environ.get(VARIABLES[dataset], ""))
    if not path.is_file():
        pytest.skip(f"set {VARIABLES[dataset]} to EvalPlus's data file to run this test")
    import gzip

    with gzip.open(path, "rt", encoding="utf-8") as file:
        found = [json.loads(line)["task_id"] for line in file]
    count = TASKS // 2 if TASKS < 542 else len(found)
    return found if count >= len(found) else random.Random(0).sample(sorted(set(found) - SLOW), count)


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
            if pair[0] != pair[1]
        ]
    return different


@pytest.mark.timeout(300 if MUTANTS <= 30 else 7200)
@pytest.mark.parametrize("dataset", ["humaneval", "mbpp"])
def test_ground_truths_and_mutants_get_the_official_verdict(
    dataset: str, evalplus_slice: EvalPlusSlice, execution: ExecutionParams, tmp_path: Path
) -> None:
    chosen = task_ids(dataset)
    evalplus_slice(dataset, *chosen)
    service = EvalPlus(dataset, tmp_path, execution, Journals(tmp_path))  # type: ignore[arg-type]
    programs = {task.task_id: [task.canonical_program] for task in service.data.tasks if task.task_id != BROKEN}
    chance = random.Random(0)
    made = 0
    while made < MUTANTS // 2:
        task_id = chance.choice(sorted(programs))
        mutant = mutate(programs[task_id][0], chance)
        if mutant is not None:
            programs[task_id].append(mutant)
            made += 1

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
