"""Stage `pairs`."""

from typing import TYPE_CHECKING

from tasks.paths import CONTAMINATION, DROPPED, OWN_PAIRS, PAIRS, PROBLEMS, STUDENT, TRAJECTORIES

from .stage import Stage

if TYPE_CHECKING:
    from iterpref_core.records import Params


def check(params: "Params") -> None:
    """Refuse settings that this stage cannot take.

    Raises:
        ConfigError: a name of `pairs.benchmarks` is neither a benchmark nor a file.
    """
    from iterpref_core.problems.screening.contamination import check_benchmarks

    check_benchmarks(params.pairs.benchmarks)


STAGE = Stage(
    name="pairs",
    work="iterpref_core.pairs.selection.pair_selection:screen_pairs",
    params=["pairs", "evaluation.benchmarks"],
    reads={"trajectories": (TRAJECTORIES,), "problems": PROBLEMS, "tokenizer": STUDENT, "own": OWN_PAIRS},
    writes={"out": PAIRS, "report": CONTAMINATION, "dropped": DROPPED},
    external=["screened"],
    check=check,
)
