"""EvalPlus's tasks (HumanEval+, MBPP+) and its equality, with its own tables and oracles.

EvalPlus compares inside the process that runs the candidate; here the candidate returns values, and the comparison is
made outside. The same values are right as in `evalplus.eval.unsafe_execute` (0.3.1): `True == 1`, a tolerance for
floats that stays on once a task has shown a float, and the special oracles of some tasks.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Literal

from iterpref_core.execution.codec.canonical import Digest
from iterpref_core.execution.protocol.programs import Comparator
from iterpref_core.records import InputError, Record

Dataset = Literal["humaneval", "mbpp"]
TestSet = Literal["base", "plus"]

_IS_NOT_NONE = "(lambda found: found if isinstance(found, bool) else found is not None)"
_FLOAT_TOLERANCE = 1e-6


class EvalPlusTask(Record):
    """A task, as it is published. Its inputs are as JSON has them; see `inputs`."""

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    base_input: list[Any]
    plus_input: list[Any] | dict[str, Any]
    """MbppPlus 0.2.0 writes "no input" as {}."""
    atol: float

    @property
    def canonical_program(self) -> str:
        """Return the canonical solution as a whole program, as EvalPlus runs it."""
        return self.prompt + self.canonical_solution

    def inputs(self, test_set: TestSet) -> list[Any]:
        """Return the arguments of each test. JSON has no tuples and sets: EvalPlus knows where MBPP means them.

        Raises:
            InputError: they are not of the form that MBPP's task of this name has.
        """
        inputs = list(self.base_input if test_set == "base" else self.plus_input)
        if not inputs or not self.task_id.startswith("Mbpp/"):
            return inputs
        from evalplus.data.mbpp import mbpp_deserialize_inputs

        try:
            return list(mbpp_deserialize_inputs(self.task_id, inputs))
        except (TypeError, ValueError, IndexError) as error:
            raise InputError(
                f"{self.task_id}: its inputs differ from MBPP's ({error}); give a task of your own another name"
            ) from None


def result_function(dataset: Dataset, entry_point: str) -> str:
    """Return the function that EvalPlus applies to a result before it compares, as source; "" for none."""
    from evalplus.eval import MBPP_OUTPUT_NOT_NONE_TASKS, MBPP_OUTPUT_SET_EQ_TASKS

    if dataset != "mbpp":
        return ""
    if entry_point in MBPP_OUTPUT_SET_EQ_TASKS:
        return "set"
    if entry_point in MBPP_OUTPUT_NOT_NONE_TASKS:
        return _IS_NOT_NONE
    return ""


def comparator_of(
    dataset: Dataset,
    entry_point: str,
    *,
    inputs: Sequence[Sequence[Sequence[Any]]],
    expected: Sequence[Any],
    atol: float,
) -> Comparator:
    """Return EvalPlus's equality for one task.

    Args:
        dataset: the data set.
        entry_point: name of the task's function.
        inputs: the arguments of each test, by sets of tests.
        expected: the reference's result in each test, through `result_function`; a `Digest` in the place of a value
            that is too large to be kept.
        atol: the task's absolute tolerance.
    """
    from evalplus.eval import _digit_distance_nums, _poly, _surface_Area

    tolerances = _tolerances(expected, list(map(len, inputs)), atol)
    arguments = list(chain.from_iterable(inputs))
    as_set = result_function(dataset, entry_point) == "set"
    further: dict[str, Callable[[Sequence[Any], Any], bool]] = {
        "are_equivalent": lambda _, _actual: True,
        "sum_div": lambda _, actual: bool(actual == 0),
        "surface_Area": lambda arguments, actual: bool(abs(actual - _surface_Area(*arguments)) <= atol),
        "digit_distance_nums": lambda arguments, actual: bool(actual == _digit_distance_nums(*arguments)),
    }
    also_right = further.get(entry_point) if dataset == "mbpp" else None

    def is_right(index: int, actual: Any) -> bool:
        wanted = expected[index]
        # A digest shows only whether two large values are equal, so no tolerance is applied to them.
        if isinstance(wanted, Digest) or isinstance(actual, Digest):
            return type(wanted) is type(actual) and actual == wanted
        try:
            if dataset == "humaneval" and entry_point == "find_zero":
                return bool(abs(_poly(*arguments[index], actual)) <= atol)
            compared = set(wanted) if as_set else wanted
            right = bool(actual == compared)
            if not right and also_right is not None:
                right = also_right(arguments[index], actual)
        except (TypeError, ValueError, OverflowError):
            return False
        if right or tolerances[index] == 0 or type(actual) is not type(wanted):
            return right
        return is_near(actual, wanted, tolerances[index])

    return is_right


def is_near(actual: Any, wanted: Any, atol: float) -> bool:
    """Return whether numpy finds numbers close, as EvalPlus does.

    Args:
        actual: the value that was returned.
        wanted: the right value, of the same type.
        atol: how far numbers may be off, absolutely, in addition to 1e-7 of the right number.

    >>> is_near([1.0, [2]], [1.0, [2]], 1e-6), is_near([0.5], [0.5 + 1e-8], 1e-6)
    (False, True)
    """
    import numpy as np

    if isinstance(wanted, list | tuple) and len(actual) != len(wanted):
        return False
    try:
        # numpy compares no element of [False] and [[]], and finds them close. The result is not right.
        if np.size(actual) != np.size(wanted) and np.broadcast(actual, wanted).size == 0:
            return False
        with np.errstate(invalid="ignore"):  # inf - inf
            return bool(np.allclose(actual, wanted, rtol=1e-7, atol=atol))
    except (TypeError, ValueError, OverflowError):
        # No numbers, or rows of different lengths.
        return False


def _tolerances(
    expected: Sequence[Any],
    sizes: Sequence[int],
    atol: float,
) -> list[float]:
    """Return the tolerance of each test. EvalPlus switches it on at a set's first float, and never off in that set."""
    from evalplus.eval import is_floats

    # Expected results 1, 0.5 and 2 of one set have the tolerances 0, 1e-6 and 1e-6.
    tolerances: list[float] = []
    for size in sizes:
        current = atol
        for value in expected[len(tolerances) : len(tolerances) + size]:
            if current == 0 and is_floats(value):
                current = _FLOAT_TOLERANCE
            tolerances.append(current)
    return tolerances
