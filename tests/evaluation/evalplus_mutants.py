"""Mutants of EvalPlus's canonical solutions, and which tasks tests take; see `test_evalplus_agreement`."""

import ast
import gzip
import json
import os
import random
from pathlib import Path

import pytest

from .conftest import VARIABLES

TASKS = int(os.environ.get("EVALPLUS_TASKS", "24"))
MUTANTS = int(os.environ.get("EVALPLUS_MUTANTS", "30"))
SLOW = {"Mbpp/255", "Mbpp/765", "Mbpp/599", "Mbpp/63"}
"""Not in the slice: seconds of CPU, or gigabytes, of expected results."""
SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


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
    with gzip.open(path, "rt", encoding="utf-8") as file:
        found = [json.loads(line)["task_id"] for line in file]
    count = TASKS // 2 if TASKS < 542 else len(found)
    return found if count >= len(found) else random.Random(0).sample(sorted(set(found) - SLOW), count)


def add_mutants(programs: dict[str, list[str]], count: int) -> None:
    """Add so many mutants of the first program of random tasks."""
    chance = random.Random(0)
    made = 0
    while made < count:
        task_id = chance.choice(sorted(programs))
        mutant = mutate(programs[task_id][0], chance)
        if mutant is not None:
            programs[task_id].append(mutant)
            made += 1
