"""Stage `problems`."""

from tasks.paths import INGESTED, OWN_PAIRS, PROBLEMS

from .stage import Stage

STAGE = Stage(
    name="problems",
    room="iterpref_core.problems.composition.stage",
    params=["problems"],
    reads={"ingested": INGESTED},
    writes={"out": PROBLEMS},
    beside={"own_pairs": OWN_PAIRS},
)
