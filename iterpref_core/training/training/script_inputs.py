"""Script inputs: arguments that a script of one's own hands to the trainer by mistake, refused in one line each."""

from collections.abc import Sequence
from typing import Any

from iterpref_core.records.errors import InputError
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.objectives.objective_table import Objective


def require_object(function: str, name: str, value: object, *kinds: type) -> None:
    """Refuse an argument of another class, such as a name in the place of an object.

    Args:
        function: the name of the function or class that was called.
        name: the argument's name.
        value: its value.
        *kinds: the classes that the argument may have.

    Raises:
        InputError: the value is of none of these classes.
    """
    if isinstance(value, kinds):
        return
    wanted = " or ".join(kind.__name__ for kind in kinds)
    given = f"the text {value!r}" if isinstance(value, str) else f"a {type(value).__name__}"
    raise InputError(f"{function}: {name} is {given}; give the object itself: {wanted}")


def require_choice(function: str, name: str, value: object, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices of an argument.

    Raises:
        InputError: the value is another one.
    """
    if value not in choices:
        raise InputError(f"{function}: {name} is {value!r}; give one of {', '.join(choices)}")


def require_tokenized(function: str, name: str, rows: Any) -> None:
    """Refuse pairs that `focal_dataset` has not tokenized.

    Raises:
        InputError: the first row holds something else.
    """
    if len(rows) and not isinstance(rows[0], TokenizedPair):
        raise InputError(
            f"{function}: {name} is not tokenized; make it with "
            "`focal_dataset(pairs, model, tokenizer, objective, args)`"
        )


def require_objective_of_pairs(function: str, objective: Objective) -> None:
    """Refuse an objective that learns from labeled programs: of pairs it would take every program for a passing one.

    Raises:
        InputError: the objective is such a one.
    """
    if objective.labeled:
        name = "target-kto" if objective.regional else "kto"
        raise InputError(
            f"{function}: {objective.label} learns from labeled programs, not from pairs; run `iterpref train "
            f"--objective {name} --programs FILE`, or use TRL's KTOTrainer (for target-kto with FocalKTOCollator)"
        )
