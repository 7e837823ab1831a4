"""Validation split of pairs: which are kept from training to choose a checkpoint by."""

from collections.abc import Iterable
from random import Random

from iterpref_core.config import TrainingParams
from iterpref_core.errors import ConfigError
from iterpref_core.records import problem_of


def held_out(task_ids: Iterable[str], params: TrainingParams, processes: int) -> list[bool]:
    """For every pair whether it is kept from training.

    Each problem is drawn by itself, from the seed and its `task_id`: it stays on its side when others come or go, and
    further pairs of it (`pairs.rejected: all`), which have its chosen program, are on the same.

    Args:
        task_ids: of all pairs.
        params: `validation_share`, `seed`, and `select`, which needs pairs to choose by.
        processes: how many score them; each needs a pair.

    Raises:
        ConfigError: there is nothing to choose by, or nothing left to train on.
    """
    share = params.validation_share
    if not share:
        if params.select == "best":
            raise ConfigError(
                "params.yaml: training.select: best needs pairs to choose by; set training.validation_share, "
                "such as 0.05"
            )
        return [False for _ in task_ids]
    known = list(task_ids)
    first = set(known)
    problems = [name if (name := problem_of(task_id)) in first else task_id for task_id in known]
    held = [Random(f"{params.seed}/{problem}").random() < share for problem in problems]
    if not processes <= sum(held) < len(held):
        raise ConfigError(
            f"params.yaml: training.validation_share: {share:g} of {len(held)} pairs keeps {sum(held)} from training; "
            f"it must keep at least {processes} and leave one; change it"
        )
    return held
