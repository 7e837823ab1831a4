"""EvalPlus tasks (HumanEval+, MBPP+) as programs of this engine, judged by EvalPlus's own equality.

EvalPlus compares inside the process that runs the candidate; here the candidate returns values and the comparison is
made outside. What `evalplus.eval.unsafe_execute` (0.3.1) accepts is accepted: `True == 1`, a tolerance for floats
that stays on once a task has shown a float, and the special oracles of some tasks.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from iterpref_core.execution.programs import Judge, Program, ValueTest
from iterpref_core.execution.sandbox.encoding import Digest, is_long, summarize
from iterpref_core.execution.verdicts import is_close

Dataset = Literal["humaneval", "mbpp"]

SET_EQUAL = frozenset(
    {
        "similar_elements",
        "find_char_long",
        "common_in_nested_lists",
        "extract_singly",
        "larg_nnum",
        "intersection_array",
        "find_dissimilar",
        "Diff",
    }
)
"""Entry points of MBPP whose results are compared as sets."""
NOT_NONE = frozenset({"check_str", "text_match_three", "text_starta_endb"})
"""Entry points of MBPP of whose results only counts whether they are None."""

_IS_NOT_NONE = "(lambda found: found if isinstance(found, bool) else found is not None)"
_FLOAT_TOLERANCE = 1e-6


def _is_floats(value: Any) -> bool:
    if isinstance(value, list | tuple) and value:
        return all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def tolerances_of(expected: Sequence[Any], atol: float) -> list[float]:
    """EvalPlus switches the tolerance on at the first float result of a task and never off again."""
    tolerances = []
    for value in expected:
        if atol == 0 and _is_floats(value):
            atol = _FLOAT_TOLERANCE
        tolerances.append(atol)
    return tolerances


def _surface_area(base_edge: float, height: float) -> int:
    slant = math.sqrt((base_edge / 2) ** 2 + height**2)
    return round(base_edge**2 + 4 * (base_edge * slant) / 2)


def _digit_distance(first: int, second: int) -> int:
    left, right = str(first), str(second)
    width = max(len(left), len(right))
    return sum(abs(int(a) - int(b)) for a, b in zip(left.zfill(width), right.zfill(width), strict=True))


ALSO_RIGHT: dict[str, Callable[[Sequence[Any], Any, float], bool]] = {
    "are_equivalent": lambda _inputs, _actual, _atol: True,
    "sum_div": lambda _inputs, actual, _atol: bool(actual == 0),
    "surface_Area": lambda inputs, actual, atol: bool(abs(actual - _surface_area(*inputs)) <= atol),
    "digit_distance_nums": lambda inputs, actual, _atol: bool(actual == _digit_distance(*inputs)),
}
"""Further right answers of some MBPP tasks, by entry point: Mbpp/164, 295, 581 and 558."""


def _root_is_zero(coefficients: Sequence[float], root: float, atol: float) -> bool:
    return bool(abs(sum(factor * math.pow(root, i) for i, factor in enumerate(coefficients))) <= atol)


def judge_of(
    dataset: Dataset, entry_point: str, *, inputs: Sequence[Sequence[Any]], expected: Sequence[Any], atol: float
) -> Judge:
    """EvalPlus's equality for one task.

    Args:
        dataset: which of the two.
        entry_point: name of the task's function.
        inputs: the arguments of each test.
        expected: the reference's result of each test (for `NOT_NONE` tasks: whether it is not None); a `Digest` in the
            place of one that is too large to be kept.
        atol: the task's absolute tolerance.
    """
    tolerances = tolerances_of(expected, atol)
    digests = {index: summarize(wanted, lenient=True) for index, wanted in enumerate(expected) if is_long(wanted)}
    also_right = ALSO_RIGHT.get(entry_point) if dataset == "mbpp" else None

    def judge(index: int, actual: Any) -> bool:
        wanted = expected[index]
        if isinstance(wanted, Digest):
            return isinstance(actual, Digest) and actual == wanted
        if isinstance(actual, Digest):
            return actual == (digests.get(index) or summarize(wanted, lenient=True))
        try:
            if dataset == "humaneval" and entry_point == "find_zero":
                return _root_is_zero(inputs[index][0], actual, atol)
            right = bool(actual == wanted)
            if dataset == "mbpp" and entry_point in SET_EQUAL:
                right = actual == set(wanted)
            if also_right is not None:
                right = right or also_right(inputs[index], actual, atol)
        except (TypeError, ValueError, OverflowError):
            return False
        return right or (tolerances[index] != 0 and is_close(actual, wanted, tolerances[index]))

    return judge


def result_function(dataset: Dataset, entry_point: str) -> str:
    """What EvalPlus does to a result before it compares."""
    if dataset == "mbpp" and entry_point in SET_EQUAL:
        return "set"
    return _IS_NOT_NONE if dataset == "mbpp" and entry_point in NOT_NONE else ""


def program_of_task(
    dataset: Dataset,
    entry_point: str,
    code: str,
    *,
    inputs: Sequence[Sequence[Any]],
    expected: Sequence[Any],
    atol: float,
) -> Program:
    """A candidate for an EvalPlus task as a program; see `judge_of` for the arguments.

    What it needs besides the code is prepared here: for further candidates use `dataclasses.replace`.
    """
    then = result_function(dataset, entry_point)
    tests = tuple(ValueTest(entry_point, arguments, then) for arguments in inputs)
    return Program(code, tests, judge=judge_of(dataset, entry_point, inputs=inputs, expected=expected, atol=atol))
