"""Model comparisons on the same tasks, and scores of parts of a benchmark."""

from collections.abc import Collection, Mapping
from dataclasses import asdict

from iterpref_core.evaluation.report.labels import BASELINES, FOCAL
from iterpref_core.evaluation.report.score_rows import ScoreRow
from iterpref_core.evaluation.report.summary_record import BenchmarkScores, Comparison, PartComparison
from iterpref_core.evaluation.statistics.paired_tests import ROUNDING, compare_shares
from iterpref_core.evaluation.statistics.pass_at_k import score_tasks, shares_passed
from iterpref_core.records.errors import InputError
from iterpref_core.records.results import Measured, ModelResults, ScoreRecord


def left_out(result: Measured) -> dict[str, set[str]]:
    """Return, for each part of a benchmark, the tasks that are not in the part.

    A part is one of `score_rows.PARTS` or a difficulty.
    """
    tasks = set(result.verdicts)
    parts: dict[str, set[str]] = {}
    if result.ground_truth and tasks.intersection(result.ground_truth.failed):
        parts["without_failed_truth"] = tasks.intersection(result.ground_truth.failed)
    for name, difficulty in (result.by_difficulty or {}).items():
        parts[name] = tasks - set(difficulty.tasks)
    return parts


def scores_of(result: Measured) -> BenchmarkScores:
    """Return a benchmark's scores for summary.json; `parts` has those of each part."""
    parts = {}
    for name, without in left_out(result).items():
        part = score_tasks(result.verdicts, without)
        if part is not None:
            parts[name] = ScoreRecord.model_validate(part.to_json())
    return BenchmarkScores(
        n=result.n,
        pass_at_1=result.pass_at_1,
        ci95=result.ci95,
        errors=result.errors,
        exceptions=result.exceptions,
        judged_inside=result.judged_inside,
        samples=sum(len(verdicts) for verdicts in result.verdicts.values()),
        parts=parts or None,
        **result.beyond,
    )


def compare_models(
    models: Mapping[str, ModelResults],
    resamples: int,
    seed: int,
) -> dict[str, dict[str, dict[str, Comparison]]]:
    """Compare each model with base, and the focal objectives with every baseline too.

    Args:
        models: results by model.
        resamples: the number of bootstrap resamples.
        seed: the seed of the resampling.

    Returns:
        model → compared with → benchmark → comparison.

    Raises:
        InputError: two models were measured on different data.
    """
    compared: dict[str, dict[str, dict[str, Comparison]]] = {}
    for name, model in models.items():
        others = ["base"]
        if name in FOCAL:
            others += BASELINES
        for against in others:
            if against not in models or against == name:
                continue
            comparisons = compared.setdefault(name, {}).setdefault(against, {})
            for benchmark, ours in model.measured.items():
                theirs = models[against].measured.get(benchmark)
                if theirs is None:
                    continue
                check_same_data(benchmark, {name: ours, against: theirs})
                comparison = _compare_with_parts(ours, theirs, resamples, seed)
                if comparison is not None:
                    comparisons[benchmark] = comparison
    return compared


def _compare_with_parts(ours: Measured, theirs: Measured, resamples: int, seed: int) -> Comparison | None:
    comparison = compare_results(ours, theirs, (), resamples, seed)
    if comparison is None:
        return None
    parts: dict[str, PartComparison] = {}
    for name, without in left_out(ours).items():
        rest = compare_results(ours, theirs, without, resamples, seed)
        if rest is not None:
            parts[name] = PartComparison.model_validate(rest.model_dump())
    return comparison.model_copy(update={"parts": parts or None})


def compare_with_first(
    benchmark: str,
    models: Mapping[str, ModelResults],
    first: str,
    resamples: int,
    seed: int,
) -> list[ScoreRow]:
    """Return the scores of models on a benchmark, each compared with the first one on the tasks that both have.

    Args:
        benchmark: the benchmark's name; models that were not measured on it have no row.
        models: name → results.
        first: the name of the model that the others are compared with.
        resamples: the number of bootstrap resamples.
        seed: the seed of the resampling.

    Raises:
        InputError: two models were measured on different data.
    """
    measured = {name: of.measured[benchmark] for name, of in models.items() if benchmark in of.measured}
    base = measured.get(first)
    rows = []
    for name, result in measured.items():
        comparison = None
        tasks = None
        if base is not None and name != first:
            check_same_data(benchmark, {name: result, first: base})
            comparison = compare_results(result, base, (), resamples, seed)
            tasks = comparison.n if comparison else 0
        row = ScoreRow.of(
            name,
            benchmark,
            result,
            comparison=comparison,
            compared=tasks,
            tokens=result.tokens and result.tokens.per_answer,
            dollars=result.cost_usd,
        )
        rows.append(row)
    return rows


def check_same_data(benchmark: str, results: Mapping[str, Measured]) -> None:
    """Refuse to compare other tasks: under the same name they may have been composed anew in between.

    Raises:
        InputError: the results are of different data.
    """
    digests = {name: result.data.sha256[:12] for name, result in results.items()}
    if len({result.data.sha256 for result in results.values()}) > 1:
        raise InputError(
            f"{benchmark}: {' and '.join(digests)} were measured on different data ({', '.join(digests.values())}); "
            "evaluate both on the same file"
        )


def compare_results(
    ours: Measured,
    theirs: Measured,
    without: Collection[str],
    resamples: int,
    seed: int,
) -> Comparison | None:
    """Compare a model's result with another's, on the tasks that both were judged on.

    Args:
        ours: the model's result.
        theirs: the other model's result.
        without: tasks to leave out.
        resamples: the number of bootstrap resamples.
        seed: the seed of the resampling.

    Returns:
        The comparison without parts, or None if the models share no task.
    """
    new = _shares(ours, without)
    old = _shares(theirs, without)
    comparison = compare_shares(new, old, resamples, seed)
    if comparison is None:
        return None
    gained = []
    lost = []
    both = 0
    neither = 0
    for task_id, share in new.items():
        if task_id not in old:
            continue
        effect = share - old[task_id]
        if effect > ROUNDING:
            gained.append(task_id)
        elif effect < -ROUNDING:
            lost.append(task_id)
        elif share > 0:
            both += 1
        else:
            neither += 1
    return Comparison(
        **asdict(comparison),
        tasks_gained=tuple(gained),
        tasks_lost=tuple(lost),
        both=both,
        neither=neither,
    )


def _shares(result: Measured, without: Collection[str]) -> dict[str, float]:
    shares = shares_passed(result.verdicts)
    return {task_id: share for task_id, share in shares.items() if task_id not in without}
