"""Make repair examples for the embedded debugger: break references on purpose, and record the feedback."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any

from iterpref_core.execution import Engine, make_program
from iterpref_core.models.prompts.codeflow_prompts import refine_prompt
from iterpref_core.programs.source_code.lines import whole_lines
from iterpref_core.records import Problem

from .pretrain import Example

_SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.Gt: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


def _places(node: ast.AST) -> Iterator[Any]:
    """Yield the integers and comparisons of a program that may be changed, an outer one after its parts."""
    for child in ast.iter_child_nodes(node):
        yield from _places(child)
    match node:
        case ast.Constant(int(value)) if type(value) is int:
            yield node
        case ast.Compare(ops=[operator, *_]) if type(operator) in _SWAPS:
            yield node


def _change_place(reference: str, random: Random) -> str:
    """Return a program with an integer shifted or a comparison swapped, as in people's off-by-one errors."""
    tree = ast.parse(reference)
    for node in islice(_places(tree), place := random.randrange(3), place + 1):
        if hasattr(node, "value"):
            node.value += random.choice((-1, 1, 2))
        else:
            node.ops = [_SWAPS[type(node.ops[0])]()]
    return ast.unparse(tree) + "\n"


def break_reference(reference: str, donors: Sequence[str], random: Random) -> str:
    """Return a wrong variant of a reference, with an error of the kind that small models make.

    One or two steps come from another program, a constant or comparison changes, or a line or a character is lost.

    Args:
        reference: the correct program, one step a line.
        donors: other correct programs that use the same names.
        random: the source of every choice.
    """
    # Shares of 65, 15, 10 and 10 of 100 references.
    way = random.random()
    if way < 0.65:
        lines = 1 if random.random() < 0.6 else 2
        broken = _transplant(reference, donors, random, lines)
    elif way < 0.8:
        broken = _change_place(reference, random)
    elif way < 0.9:
        kept = whole_lines(reference)
        del kept[random.randrange(1, len(kept))]
        broken = "".join(kept)
    else:
        # One character below the first line is lost or replaced.
        position = random.randrange(reference.index("\n"), len(reference))
        other = random.choice(("", ")", "s", " ", "0"))
        broken = reference[:position] + other + reference[position + 1 :]
    return broken


def _transplant(reference: str, donors: Sequence[str], random: Random, lines: int) -> str:
    """Return a program with some lines replaced by lines of other programs, from about the same place."""
    result = whole_lines(reference)
    for _ in range(lines):
        # Donors begin with the same line, so their variables have the same names.
        donor = whole_lines(random.choice(donors))
        line = random.randrange(1, len(result))
        # The last line of every program is its reduce step.
        if line == len(result) - 1:
            result[line] = donor[-1]
        else:
            result[line] = donor[min(line, len(donor) - 2)]
    return "".join(result)


def make_repairs(problems: Sequence[Problem], seed: int, executor: Engine) -> Iterator[Example]:
    """Break every problem's reference once, and yield how to repair those programs that its visible tests catch."""
    random = Random(seed)
    donors = defaultdict(list)
    for problem in problems:
        donors[_first_line(problem)].append(problem.reference or "")
    broken = [
        (problem, break_reference(problem.reference or "", donors[_first_line(problem)], random))
        for problem in problems
    ]
    for (problem, code), outcome in executor.run_each(broken, lambda pair: make_program(*pair, pair[0].tests)):
        # A broken program that still passes teaches a wrong repair.
        if outcome.verdict not in ("passed", "infra_error"):
            yield Example(refine_prompt(problem.prompt, code, outcome.feedback), problem.reference or "")


def _first_line(problem: Problem) -> str:
    return (problem.reference or "").split("\n", 1)[0]
