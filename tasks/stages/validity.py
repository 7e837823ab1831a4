"""Stage `validity`."""

from tasks.paths import OWN_PAIRS, PROBLEMS, VALIDITY

from .stage import Stage

STAGE = Stage(
    name="validity",
    work="iterpref_core.problems.validity.validity:measure_validity",
    params=["validity", "execution", "-execution.inside"],
    reads={"problems": PROBLEMS},
    writes={"out": VALIDITY},
    untracked={"own_pairs": OWN_PAIRS},
    external=["python"],
    card=True,
)
