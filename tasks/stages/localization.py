"""Stage `localization`."""

from tasks.paths import FOCAL, PAIRS

from .stage import Stage

STAGE = Stage(
    name="localization",
    work="iterpref_core.pairs.localization.localization:mark_regions",
    params=["localization"],
    reads={"pairs": PAIRS},
    writes={"out": FOCAL},
)
