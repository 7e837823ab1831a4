"""Hold out rows for validation, with all other rows of their problems."""

from collections.abc import Sequence
from random import Random

from iterpref_core.records import ConfigError, TrainingParams


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


def check_choice(params: TrainingParams) -> None:
    """Refuse to choose a checkpoint by validation pairs when no pairs are held out.

    Raises:
        ConfigError: `select` or `early_stopping_patience` needs validation pairs.
    """
    wanted = {"select": params.select == "best", "early_stopping_patience": params.early_stopping_patience}
    for name, value in wanted.items():
        if value and not params.validation_share:
            raise ConfigError(
                f"params.yaml: training.{name}: needs pairs whose loss decides; set training.validation_share, such as "
                "0.05"
            )


def held_out(problems: Sequence[str], params: TrainingParams, processes: int) -> list[bool]:
    """Return for every pair whether it is kept from training.

    Each problem is drawn by itself, from the seed and its name: it stays on its side when others come or go, and all
    pairs of it, which may have the same chosen program, are on the same.

    Args:
        problems: of all pairs, as `problems_of` gives them.
        params: `validation_share`, `seed`, and `select` and `early_stopping_patience`, which need validation pairs.
        processes: how many score them; each needs a pair.

    Raises:
        ConfigError: too few pairs are held out, or all are.
    """
    check_choice(params)
    share = params.validation_share
    if not share:
        return [False] * len(problems)
    # Each problem draws its own number, whatever other problems are there.
    is_held_out = [Random(f"{params.seed}/{problem}").random() < share for problem in problems]
    if not processes <= sum(is_held_out) < len(is_held_out):
        raise ConfigError(
            f"params.yaml: training.validation_share: {share:g} of {len(problems)} pairs holds {sum(is_held_out)} out; "
            f"it must hold out at least {processes} and leave at least one to train on; change it"
        )
    return is_held_out
