"""Compare results of several models that `evaluate` wrote, each with the first one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from iterpref_core.records import Incomplete, InputError, ModelResults

from ..evaluation.results_file import load_model_results
from ..report.comparisons import compare_results, measured_differently, scores_of
from ..report.display_names import benchmark_name
from ..report.score_rows import ScoreRow
from ..report.standings import Standings, inside_notes


def make_leaderboard(
    places: Sequence[Path],
    benchmarks: Sequence[str],
    out: Path,
) -> tuple[Standings, bool]:
    """Compare results and write the table.

    Args:
        places: folders of `iterpref evaluate`, or their results.json; the others are compared with the first one.
        benchmarks: the benchmarks to show; none: all that some model was measured on.
        out: folder for leaderboard.md and leaderboard.csv.

    Returns:
        The table, and whether some model lacks answers to a benchmark.

    Raises:
        InputError: results are given twice, cannot be read, or are of different data; or no model has a score.
    """
    folders = [place.absolute() if place.is_dir() else place.absolute().parent for place in places]
    names = [folder.name for folder in folders]
    models: dict[str, ModelResults] = {}
    for number, (place, folder) in enumerate(zip(places, folders, strict=True)):
        if folder in folders[:number]:
            raise InputError(f"{place}: given twice; name each model once")
        # Two folders may have one name: `a/results` and `b/results`.
        name = folder.name if names.count(folder.name) == 1 else str(place)
        models[name] = load_model_results(place)
    # Without --benchmark, show every benchmark of any model.
    shown = benchmarks or list(dict.fromkeys(name for model in models.values() for name in model.benchmarks))
    board = rank_models(models, shown)
    if not board.rows:
        raise InputError("; ".join(board.notes) or f"{places[0]}: no benchmark; run `iterpref evaluate`")
    board.write(out)
    lacking = any(isinstance(model.benchmarks.get(name), Incomplete) for model in models.values() for name in shown)
    return board, lacking


def rank_models(models: Mapping[str, ModelResults], benchmarks: Sequence[str]) -> Standings:
    """Compare models with the first one, benchmark by benchmark, the best model first.

    Args:
        models: name → results.
        benchmarks: the benchmarks to show.

    Raises:
        InputError: two models were measured on different data.
    """
    first = next(iter(models))
    rows: list[ScoreRow] = []
    # A reason that holds for several models or benchmarks is named once.
    notes: dict[tuple[str, str], list[str]] = {}
    for benchmark in benchmarks:
        ranked = []
        lacking: dict[str, list[str]] = {}
        label = benchmark_name(benchmark)
        base = models[first].measured.get(benchmark)
        for name, model in models.items():
            result = model.measured.get(benchmark)
            if result is None:
                lacking.setdefault(model.unavailable.get(benchmark, "it was not measured"), []).append(name)
                continue
            row = ScoreRow(name, benchmark, scores_of(result))
            if base is not None and name != first:
                comparison = compare_results(benchmark, {name: result, first: base})
                row = replace(row, comparison=comparison)
                if differing := measured_differently(base, result):
                    key = f"{name} and {first} were measured differently", "; ".join(differing)
                    notes.setdefault(key, []).append(label)
            ranked.append(row)
        rows += sorted(ranked, key=lambda row: -row.scores.pass_at_1)
        for reason, names in lacking.items():
            notes.setdefault((f"no score of {', '.join(names)}", reason), []).append(label)
    texts = [f"{what} on {', '.join(names)}: {why}" for (what, why), names in notes.items()]
    return Standings(first, rows, [*texts, *inside_notes(rows)])
