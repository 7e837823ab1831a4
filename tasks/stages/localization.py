"""Stage `localization`."""

from tasks.paths import FOCAL, PAIRS

from .stage import Stage

STAGE = Stage(
    name="localization",
    room="iterpref_core.pairs.localization.stage",
    params=["localization"],
    reads={"pairs": PAIRS},
    writes={"out": FOCAL},
)
