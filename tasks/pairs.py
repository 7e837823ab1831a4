"""Stage `pairs`."""

from iterpref_core.records import PairsResult, Params

from .paths import CONTAMINATION, DROPPED, OWN_PAIRS, PAIRS, PROBLEMS, STUDENT, TRAJECTORIES


def check(params: Params) -> None:
    """Refuse settings that this stage cannot take, before any stage has run.

    Raises:
        ConfigError: a name of `pairs.benchmarks` is neither a benchmark nor a file.
    """
    from iterpref_core.problems.screening.contamination import check_benchmarks

    check_benchmarks(params.pairs.benchmarks)


def run(params: Params) -> PairsResult:
    """Choose and filter the preference pairs, and add the user's own."""
    from iterpref_core.pairs.selection.pair_selection import screened_params, select_pairs

    return select_pairs(
        trajectories=[TRAJECTORIES],
        problems=PROBLEMS,
        tokenizer=STUDENT,
        params=screened_params(params),
        out=PAIRS,
        report=CONTAMINATION,
        dropped=DROPPED,
        own=OWN_PAIRS,
    )
