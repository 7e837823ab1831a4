"""Compare results of several models that `evaluate` wrote, each with the first one, and with the one before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import stdev

from iterpref_core.records import Incomplete, InputError, Measured, ModelResults

from ..evaluation.results_file import load_model_results
from ..report.comparisons import check_same_data, measured_differently, scores_of, share_names
from ..report.display_names import benchmark_name
from ..report.score_rows import ScoreRow
from ..report.standings import Standings, notes_of
from ..report.summary_record import BenchmarkScores
from ..statistics.comparison import ScoreDifference
from ..statistics.seed_comparison import SEEDS_FOR_P, compare_seeds, score_seeds

_SEEDS_NOTE = (
    "Scores of several seeds are means, and std is the seeds' standard deviation. Below "
    f"{SEEDS_FOR_P} seeds of a model the spread of two numbers makes intervals wide, and p and what stays undecided "
    "are left out; one training counts as a model without seeds."
)


def make_leaderboard(
    entrants: Sequence[str | Path],
    benchmarks: Sequence[str],
    out: Path | None = None,
    *,
    previous: bool = False,
) -> tuple[Standings, bool]:
    """Compare results and write the table.

    Args:
        entrants: `[NAME=]RESULTS[,RESULTS…]`: folders of `iterpref evaluate`, or their results.json; several of one
            name are the seeds of a model. The others are compared with the first one.
        benchmarks: the benchmarks to show; none: all that some model was measured on.
        out: folder for leaderboard.md and leaderboard.csv; None writes none.
        previous: compare each model with the one before it as well.

    Returns:
        The table, and whether some model lacks answers to a benchmark.

    Raises:
        InputError: results are given twice, cannot be read, or are of different data; or no model has a score.
    """
    places, given = read_entrants(entrants)
    models = share_names({name: list(map(load_model_results, each)) for name, each in places.items()}, benchmarks)
    every = [model for seeds in models.values() for model in seeds]
    # Without --benchmark, show every benchmark of any model.
    shown = benchmarks or list(dict.fromkeys(name for model in every for name in model.benchmarks))
    board = replace(rank_models(models, shown, previous=previous), given=given)
    if not board.rows:
        raise InputError("; ".join(board.notes) or f"{entrants[0]}: no benchmark; run `iterpref evaluate`")
    if out is not None:
        board.write(out)
    lacking = any(isinstance(model.benchmarks.get(name), Incomplete) for model in every for name in shown)
    return board, lacking


def read_entrants(entrants: Sequence[str | Path]) -> tuple[dict[str, list[Path]], set[str]]:
    """Return name → results of each entrant, and the names that were given.

    Raises:
        InputError: a place is not there, or is given twice; or two entrants have one name.
    """
    found: dict[str, list[Path]] = {}
    given: set[str] = set()
    known: set[Path] = set()
    read = []
    for text in map(str, entrants):
        # A folder's name may hold `=` and `,`.
        name, _, listed = ("", "", text) if Path(text).exists() or "=" not in text else text.partition("=")
        places = [Path(text)] if Path(text).exists() else [Path(place) for place in listed.split(",")]
        for place in places:
            folder = place.absolute() if place.is_dir() else place.absolute().parent
            if not place.exists():
                raise InputError(f"{place}: is not there; give folders of `iterpref evaluate`, as in NAME=s1,s2,s3")
            if folder in known:
                raise InputError(f"{place}: given twice; name each model once")
            known.add(folder)
        read.append((name or (folder.name if len(places) == 1 else text), text, places))
        given.add(name)
    for name, text, places in read:
        # Two folders may have one name: `a/results` and `b/results`.
        shown = name if [other for other, _, _ in read].count(name) == 1 else text
        if shown in found:
            raise InputError(f"{text}: the name {shown} is given twice; name each model once")
        found[shown] = places
    return found, given


def rank_models(
    models: Mapping[str, Sequence[ModelResults]], benchmarks: Sequence[str], *, previous: bool = False
) -> Standings:
    """Compare models with the first one, benchmark by benchmark, the best model first.

    Args:
        models: name → results of its seeds, of which there may be one.
        benchmarks: the benchmarks to show.
        previous: compare each model with the one before it as well.

    Raises:
        InputError: two models were measured on different data.
    """
    first = next(iter(models), "")
    names = list(models)
    before = dict(zip(names[1:], names, strict=False)) if previous else {}
    rows: list[ScoreRow] = []
    # A reason that holds for several models or benchmarks is named once.
    notes: dict[tuple[str, str], dict[str, None]] = {}
    for benchmark in benchmarks:
        measured: dict[str, list[Measured]] = {}
        lacking: dict[str, list[str]] = {}
        label = benchmark_name(benchmark)
        for name, seeds in models.items():
            found = [model.measured[benchmark] for model in seeds if benchmark in model.measured]
            if len(found) == len(seeds):
                measured[name] = found
                continue
            reasons = [model.unavailable.get(benchmark) for model in seeds if benchmark not in model.measured]
            lacking.setdefault(reasons[0] or "it was not measured", []).append(name)
        check_same_data(benchmark, measured)
        ranked = sorted(
            (_row(name, benchmark, found) for name, found in measured.items()), key=lambda row: -row.scores.pass_at_1
        )
        for place, row in enumerate(ranked):
            comparison, differing = _compare(measured, row.model, first)
            one_before, differing_before = _compare(measured, row.model, before.get(row.model, ""))
            for note in differing + differing_before:
                notes.setdefault(note, {})[label] = None
            best = False
            if place == 0 and len(ranked) > 1:
                ahead = compare_seeds(measured[row.model], measured[ranked[1].model])
                best = ahead is not None and ahead.effect == 1
            rows.append(replace(row, comparison=comparison, previous=one_before, best=best))
        for reason, names in lacking.items():
            notes.setdefault((f"no score of {', '.join(names)}", reason), {})[label] = None
    texts = [f"{what} on {', '.join(names)}: {why}" for (what, why), names in notes.items()]
    if any(row.seeds > 1 for row in rows):
        texts.insert(0, _SEEDS_NOTE)
    return Standings(first, rows, [*texts, *notes_of(rows)])


def _compare(
    measured: Mapping[str, Sequence[Measured]], model: str, other: str
) -> tuple[ScoreDifference | None, list[tuple[str, str]]]:
    """Return a model's difference from another one, and what was measured differently as a note and its reason."""
    if other == model or other not in measured:
        return None, []
    found, base = measured[model], measured[other]
    differing = dict.fromkeys(text for seed in found for text in measured_differently(base[0], seed))
    notes = [(f"{model} and {other} were measured differently", "; ".join(differing))] if differing else []
    return compare_seeds(found, base), notes


def _row(name: str, benchmark: str, seeds: Sequence[Measured]) -> ScoreRow:
    """Return the row of a model, without its comparison; of several seeds the mean."""
    scores = scores_of(seeds[0])
    if len(seeds) == 1:
        return ScoreRow(name, benchmark, scores)
    of_first = scores.model_dump(include={"samples", "errors", "exceptions", "inside"})
    scores = BenchmarkScores.model_validate(of_first | score_seeds(seeds).model_dump())
    return ScoreRow(name, benchmark, scores, seeds=len(seeds), spread=stdev(seed.pass_at_1 for seed in seeds))
