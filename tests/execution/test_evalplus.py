"""Agreement with EvalPlus on its own data: ground truths pass, and mutants of them get EvalPlus's verdict.

By default each task is run on a few inputs and a few dozen mutants are compared; `EVALPLUS_INPUTS` and
`EVALPLUS_MUTANTS` in the environment raise both.
"""

import ast
import copy
import os
import random

import pytest

from iterpref_core.execution import Executor, Limits
from iterpref_core.execution.evalplus import NOT_NONE, SET_EQUAL, judge_of, program_of_task

# Some ground truths have invalid escapes, which the parser warns about.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")

INPUTS = int(os.environ.get("EVALPLUS_INPUTS", "2"))
MUTANTS = int(os.environ.get("EVALPLUS_MUTANTS", "30"))
VARIABLES = {"humaneval": "HUMANEVAL_OVERRIDE_PATH", "mbpp": "MBPP_OVERRIDE_PATH"}
SIZES = {"humaneval": 164, "mbpp": 378}
BROKEN = "HumanEval/32"
"""EvalPlus 0.3.1 skips the count of passed tests for this task's special oracle, and so fails every program."""
SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


class Task:
    """An EvalPlus task with the results of its canonical solution on some of its inputs."""

    def __init__(self, dataset, fields):
        from evalplus.gen.util import trusted_exec

        self.dataset, self.entry_point, self.atol = dataset, fields["entry_point"], fields["atol"]
        self.task_id = fields["task_id"]
        self.code = fields["prompt"] + fields["canonical_solution"]
        self.inputs = [*fields["base_input"], *(fields["plus_input"] or [])][:INPUTS]
        not_none = dataset == "mbpp" and self.entry_point in NOT_NONE
        self.expected = trusted_exec(self.code, self.inputs, self.entry_point, output_not_none=not_none)

    def program(self, code):
        given = {"inputs": self.inputs, "expected": self.expected, "atol": self.atol}
        return program_of_task(self.dataset, self.entry_point, code, **given)

    def evalplus_passes(self, code):
        from evalplus.eval import PASS, untrusted_check

        times = [0.01] * len(self.inputs)
        inputs = copy.deepcopy(self.inputs)
        status, _ = untrusted_check(
            self.dataset, code, inputs, self.entry_point, self.expected, self.atol, times, fast_check=True
        )
        return status == PASS


def load(dataset):
    if not os.environ.get(VARIABLES[dataset]):
        pytest.skip(f"set {VARIABLES[dataset]} to EvalPlus's data file to run this test")
    from evalplus.data import get_human_eval_plus, get_mbpp_plus

    return (get_human_eval_plus if dataset == "humaneval" else get_mbpp_plus)()


@pytest.fixture(scope="module")
def executor():
    limits = Limits(cpu_s=60, wall_s=240, memory_mb=4096, output_kb=1024, file_mb=1024)
    with Executor(limits, workers=2, preload=("numpy",), cross_check_every=0) as executor:
        yield executor


def mutate(code, chance):
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


@pytest.mark.parametrize("dataset", ["humaneval", "mbpp"])
def test_all_ground_truths_pass(executor, dataset):
    fields = load(dataset)
    assert len(fields) == SIZES[dataset]
    names = []

    def programs():
        for name, task in ((name, Task(dataset, one)) for name, one in fields.items()):
            names.append(name)
            yield task.program(task.code)

    failed = {
        names[place]: (outcome.verdict, outcome.feedback)
        for place, outcome in enumerate(executor.run(programs()))
        if outcome.verdict != "passed"
    }
    assert failed == {}
    assert len(names) == SIZES[dataset]


@pytest.mark.parametrize("dataset", ["humaneval", "mbpp"])
def test_mutants_get_evalplus_s_verdict(dataset):
    chance = random.Random(0)
    fields = load(dataset)
    names = sorted(set(fields) - {BROKEN})
    mutants = []
    while len(mutants) < MUTANTS // 2:
        task = Task(dataset, fields[chance.choice(names)])
        code = mutate(task.code, chance)
        if code is not None:
            mutants.append((task, code))
    # EvalPlus gives every input a second.
    limits = Limits(cpu_s=1.2 if INPUTS <= 8 else 10, wall_s=60, memory_mb=4096, output_kb=4096, file_mb=256)
    with Executor(limits, workers=2, preload=("numpy",), cross_check_every=0) as executor:
        ours = list(executor.run(task.program(code) for task, code in mutants))
    different = [
        (task.task_id, outcome.verdict, outcome.feedback, code)
        for (task, code), outcome in zip(mutants, ours, strict=True)
        if (outcome.verdict == "passed") != task.evalplus_passes(code)
    ]
    assert different == []


def test_evalplus_fails_its_own_ground_truth_of_the_task_left_out():
    task = Task("humaneval", load("humaneval")[BROKEN])
    assert not task.evalplus_passes(task.code)


def test_special_equality_is_evalplus_s():
    from evalplus.eval import _special_oracle as theirs

    assert set(theirs.MBPP_OUTPUT_SET_EQ_TASKS) == SET_EQUAL
    assert set(theirs.MBPP_OUTPUT_NOT_NONE_TASKS) == NOT_NONE
    chance = random.Random(0)
    for _ in range(200):
        pair = [chance.randrange(10**6), chance.randrange(10**4)]
        area, distance = theirs._surface_Area(*pair), theirs._digit_distance_nums(*pair)
        assert judge_of("mbpp", "surface_Area", inputs=[pair], expected=[0], atol=0)(0, area)
        assert judge_of("mbpp", "digit_distance_nums", inputs=[pair], expected=[0], atol=0)(0, distance)
        assert not judge_of("mbpp", "digit_distance_nums", inputs=[pair], expected=[0], atol=0)(0, distance + 1)
    root = judge_of("humaneval", "find_zero", inputs=[[[-2.0, 1.0]]], expected=[2.0], atol=1e-4)
    assert root(0, 2.00001)
    assert not root(0, 2.1)
    assert not root(0, "two")


@pytest.mark.parametrize(
    ("expected", "actual", "right"),
    [
        ([1], True, True),
        ([2.0], 2.0000001, True),
        ([2.0], 2.1, False),
        ([[1.0, 2.0]], [1.0, 2.0000001], True),
        ([[1.0, 2.0]], (1.0, 2.0), False),
        ([[1.0]], [1.0, 2.0], False),
        ([3], 4, False),
        (["a"], "b", False),
    ],
)
def test_tolerance(expected, actual, right):
    assert judge_of("humaneval", "f", inputs=[[1]], expected=expected, atol=0)(0, actual) is right
