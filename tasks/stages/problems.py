"""Stage `problems`."""

from tasks.paths import INGESTED, OWN_PAIRS, PROBLEMS

from .stage import Stage

STAGE = Stage(
    name="problems",
    work="iterpref_core.problems.composition.problem_splits:build_problems",
    params=["problems"],
    reads={"ingested": INGESTED},
    writes={"out": PROBLEMS},
    untracked={"own_pairs": OWN_PAIRS},
)
