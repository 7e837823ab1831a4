"""Hold out a share of problems, with solutions that are equal or nearly equal on one side of the split."""

import ast
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import repeat
from math import ceil
from operator import le, lt
from typing import NamedTuple

from iterpref_core.programs.source_code.normal_form import does_nothing, solution_forms
from iterpref_core.records import Problem

from ..composition.problem_splits import position_of

_RUN = 4
"""Parts of a normal form in a run."""
_NEAR = 0.5
"""The least share of the runs of two solutions that both have: `ljust` and `rjust` share 0.51, and what shares less in
wcwidth, pyrsistent, natsort and toolz was written for itself."""
_NODES = 20
"""The least nodes of a solution that is near to others; anybody writes a smaller one, which only equals others with its
name and arguments."""


class _Shape(NamedTuple):
    """What is compared of a solution: its text without docstring, and the runs and nodes of its normal form."""

    text: str
    runs: frozenset[object]
    nodes: int


def hold_out_nearest(problems: Sequence[Problem], share: float) -> list[Problem]:
    """Return the problems, of which the number nearest to a share, 0 to 1, is held out.

    These have the smallest digests of statements. All problems of one statement are on the same side, and those whose
    references are equal or nearly equal, even if that holds out another number. A further problem pushes at most one
    other statement, with its relatives, to the other side.
    """
    firsts = first_relatives([problem.reference or "" for problem in problems])
    positions = [position_of(problems[first]) for first in firsts]
    wanted = round(len(problems) * share)
    limit = [*sorted(positions), 1.0][wanted]
    fewer, more = (sum(map(is_within, positions, repeat(limit))) for is_within in (lt, le))
    is_heldout = le if more - wanted < wanted - fewer else lt
    moved = {"split": "heldout"}
    return [
        problem.model_copy(update=moved) if problem.split is None and is_heldout(position, limit) else problem
        for problem, position in zip(problems, positions, strict=True)
    ]


def first_relatives(programs: Sequence[str]) -> list[int]:
    """Return, for each program, the index of the first one that is equal or near to it, or to one of its relatives."""
    shapes = list(map(_shape_of, programs))
    counts = Counter(run for shape in shapes for run in shape.runs)
    # The rarest run has the lowest rank.
    ranks = {run: rank for rank, (run, _) in enumerate(reversed(counts.most_common()))}
    firsts: list[int] = []
    # A text, or a rare run → the programs that have it. To compare all pairs of 10,000 programs takes minutes.
    holders: dict[object, list[int]] = defaultdict(list)
    for index, shape in enumerate(shapes):
        # If half of the runs of two programs are common, one of them is in the rarer half of each.
        rare = sorted(shape.runs, key=ranks.__getitem__)[: len(shape.runs) - ceil(_NEAR * len(shape.runs)) + 1]
        keys = [key for key in (shape.text, *rare) if key]
        candidates = {other for key in keys for other in holders[key]}
        relatives = {firsts[other] for other in candidates if _are_near(shape, shapes[other])}
        first = min(relatives, default=index)
        if len(relatives) > 1:
            firsts = [first if each in relatives else each for each in firsts]
        firsts.append(first)
        for key in keys:
            holders[key].append(index)
    return firsts


def _shape_of(program: str) -> _Shape:
    """Return the shape of a program, which is empty if it cannot be parsed."""
    try:
        tree = ast.parse(program)
    except SyntaxError:
        return _Shape("", frozenset(), 0)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [each for each in node.body if not does_nothing(each)]
    forms = solution_forms(program)
    runs = {parts[start : start + _RUN] for parts, _ in forms for start in range(len(parts) - _RUN + 1)}
    return _Shape(ast.unparse(tree), frozenset(runs), sum(size for _, size in forms))


def _are_near(one: _Shape, other: _Shape) -> bool:
    if one.text == other.text:
        return bool(one.text)
    return min(one.nodes, other.nodes) >= _NODES and len(one.runs & other.runs) >= _NEAR * len(one.runs | other.runs)
