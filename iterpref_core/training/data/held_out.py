"""Held-out rows: those that are kept from training, for validation, with all others of their problems."""

from collections.abc import Sequence
from random import Random

from iterpref_core.config import TrainingParams
from iterpref_core.errors import ConfigError
from iterpref_core.records import unnumbered


def problems_of(task_ids: Sequence[str], problem_ids: Sequence[str]) -> list[str]:
    """Return for every pair the problem that it belongs to.

    Where a file does not say, `t#2` belongs to `t` if the file has a pair `t` or `t#0`: so were the pairs of one
    problem called before. Names such as `issue#1` of another origin are problems of their own.

    >>> problems_of(["t", "t#2", "issue#1", "issue#2", "a", "b"], ["", "", "", "", "same", "same"])
    ['t', 't', 'issue#1', 'issue#2', 'same', 'same']

    Args:
        task_ids: of all pairs.
        problem_ids: of all pairs; empty where the file does not say.
    """
    known = set(task_ids)
    problems = []
    for task_id, problem_id in zip(task_ids, problem_ids, strict=True):
        first = unnumbered(task_id)
        several = first in known or f"{first}#0" in known
        problems.append(problem_id or (first if several else task_id))
    return problems


def held_out(problems: Sequence[str], params: TrainingParams, processes: int, *, rows: str = "pairs") -> list[bool]:
    """Return for every pair whether it is kept from training.

    Each problem is drawn by itself, from the seed and its name: it stays on its side when others come or go, and all
    pairs of it, which may have the same chosen program, are on the same.

    Args:
        problems: of all pairs, as `problems_of` gives them.
        params: `validation_share`, `seed`, and `select` and `early_stopping_patience`, which need such pairs.
        processes: how many score them; each needs a pair.
        rows: the noun for them in messages, if they are no pairs.

    Raises:
        ConfigError: there is nothing to choose by, or nothing left to train on.
    """
    share = params.validation_share
    if not share:
        if params.select == "best":
            raise ConfigError(
                f"params.yaml: training.select: best needs {rows} to choose by; set training.validation_share, "
                "such as 0.05"
            )
        if params.early_stopping_patience:
            raise ConfigError(
                f"params.yaml: training.early_stopping_patience: needs {rows} whose loss it waits for; set "
                "training.validation_share, such as 0.05"
            )
        return [False] * len(problems)
    held = [Random(f"{params.seed}/{problem}").random() < share for problem in problems]
    if not processes <= sum(held) < len(held):
        raise ConfigError(
            f"params.yaml: training.validation_share: {share:g} of {len(held)} {rows} holds {sum(held)} out; "
            f"it must hold out at least {processes} and leave at least one to train on; change it"
        )
    return held
