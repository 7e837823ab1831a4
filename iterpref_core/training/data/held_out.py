"""Hold out rows for validation: the rows that the file names, or a share of problems with all their rows."""

import logging
from collections.abc import Sequence
from random import Random

from iterpref_core.records import ConfigError, InputError, PreferencePair, TrainingParams
from iterpref_core.storage.shards import VALIDATION, usual_split

logger = logging.getLogger(__name__)

_PLATEAU = "reduce_lr_on_plateau"
"""The schedule that follows the validation loss."""


def problems_of(problem_ids: Sequence[str], statements: Sequence[str]) -> list[str]:
    """Return for every row the problem that it belongs to: rows of one id or of one statement are of one problem.

    >>> problems_of(["p", "q", "", "r", ""], ["add", "add", "add", "sort", "join"])
    ['p', 'p', 'p', 'r', 'join']

    Args:
        problem_ids: of all rows; empty where the file has none.
        statements: digests of the tasks of all rows.
    """
    # A forest: each id leads to another name of the same problem, or to itself.
    leads: dict[str, str] = {}

    def root(name: str) -> str:
        while leads.setdefault(name, name) != name:
            name = leads[name]
        return name

    prompts = [f"?{statement}" for statement in statements]
    for problem_id, statement in zip(problem_ids, prompts, strict=True):
        # The smallest id of a problem is its name; without one, a statement.
        roots = (root(problem_id or statement), root(statement))
        first, second = sorted(roots, key=lambda name: (name.startswith("?"), name))
        leads[second] = first
    return [root(statement).removeprefix("?") for statement in prompts]


def is_validation(pair: PreferencePair) -> bool:
    """Return True for a pair that its file keeps from training.

    Raises:
        InputError: its file also keeps it from validation.
    """
    split = usual_split(pair.split or "")
    if split == "test":
        raise InputError(
            f"pair {pair.task_id!r}: its split is {pair.split!r}, which is neither trained on nor validated; leave the "
            "row out, or correct its split"
        )
    return split == VALIDATION


def check_choice(params: TrainingParams, *, validated: bool) -> None:
    """Refuse settings that follow the validation loss when no pairs are held out.

    Args:
        params: settings.
        validated: pairs are held out.

    Raises:
        ConfigError: a setting needs validation pairs.
    """
    wanted = {
        "select": params.select == "best",
        "early_stopping_patience": params.early_stopping_patience,
        "arguments.lr_scheduler_type": params.arguments.get("lr_scheduler_type") == _PLATEAU,
    }
    for name, value in wanted.items():
        if value and not validated:
            raise ConfigError(
                f"params.yaml: training.{name}: needs pairs whose loss decides; set training.validation_share, such as "
                "0.05, or give pairs of your own the split validation"
            )


def held_out(
    problems: Sequence[str], params: TrainingParams, processes: int, marked: Sequence[bool] = ()
) -> list[bool]:
    """Return for every pair whether it is kept from training, by the file's own choice or else by a share.

    A share is of problems. Each is drawn by itself, from the seed and its name: it stays on its side when others come
    or go, and all pairs of it, which may have the same chosen program, are on the same.

    Args:
        problems: of all pairs, as `problems_of` gives them.
        params: `validation_share`, `seed`, and what needs validation pairs (`check_choice`).
        processes: how many score them; each needs a pair.
        marked: for every pair whether its file keeps it from training; none: it keeps none.

    Raises:
        ConfigError: too few pairs are held out, or all are.
    """
    share = params.validation_share
    check_choice(params, validated=share > 0 or any(marked))
    if not any(marked) and not share:
        return [False] * len(problems)
    # Each problem draws its own number, whatever other problems are there.
    is_held_out = [Random(f"{params.seed}/{problem}").random() < share for problem in problems]
    decided = f"params.yaml: training.validation_share: {share:g}"
    if any(marked):
        is_held_out, decided = list(marked), "the split validation"
        if share:
            logger.warning(
                "data: %d pairs are of the split validation; training.validation_share draws none", sum(marked)
            )
    if not processes <= sum(is_held_out) < len(is_held_out):
        raise ConfigError(
            f"{decided} of {len(problems)} pairs holds {sum(is_held_out)} out; it must hold out at least {processes} "
            "and leave at least one to train on; change it"
        )
    return is_held_out
