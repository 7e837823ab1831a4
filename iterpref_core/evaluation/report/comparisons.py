"""Compare models on the same tasks."""

from collections.abc import Mapping, Sequence

from iterpref_core.records import BENCHMARKS, InputError, Measured, ModelResults

from ..statistics.comparison import Comparison
from ..statistics.paired_tests import compare_shares
from ..statistics.pass_at_k import shares_passed
from .display_names import BASELINES, FOCAL
from .summary_record import BenchmarkScores

_OWN = {name for name, row in BENCHMARKS.items() if row.data is None}
"""The splits of this project's own problems, whose names the data of a file of problems have."""
_STATED = {"harness", "limits", "isolation", "sampling"}
"""The fields of two results that may differ and decide about a score; `extracted` and `partial` do as well."""
_NOT_STATED = "not stated"


def share_names(
    models: Mapping[str, Sequence[ModelResults]], wanted: Sequence[str] = ()
) -> dict[str, list[ModelResults]]:
    """Return results with one name for the same problems.

    A file of problems has the file's name in the results of `evaluate`, and is `heldout` in the experiment.

    Args:
        models: name → results of its seeds.
        wanted: names that come before the first model's.
    """
    found = [
        (name, result.data.sha256)
        for seeds in models.values()
        for model in seeds
        for name, result in model.measured.items()
        if result.data.name in _OWN
    ]
    names: dict[str, str] = {}  # of problems, by their digest
    for name, digest in sorted(found, key=lambda each: each[0] not in wanted):
        names.setdefault(digest, name)

    def renamed(model: ModelResults) -> ModelResults:
        shared = {name: names.get(result.data.sha256, name) for name, result in model.measured.items()}
        # A folder may have the same problems under both names.
        free = {name: other for name, other in shared.items() if other not in model.benchmarks}
        entries = {free.get(name, name): result for name, result in model.benchmarks.items()}
        return model.model_copy(update={"benchmarks": entries})

    return {name: list(map(renamed, seeds)) for name, seeds in models.items()}


def scores_of(result: Measured) -> BenchmarkScores:
    """Return a benchmark's scores for summary.json; `parts` has a score for each difficulty."""
    shared = result.model_dump(include={*BenchmarkScores.model_fields})
    samples = sum(map(len, result.verdicts.values()))
    return BenchmarkScores.model_validate(
        {**shared, **result.beyond, "samples": samples, "parts": result.by_difficulty}
    )


def compare_models(
    models: Mapping[str, ModelResults],
) -> dict[str, dict[str, dict[str, Comparison]]]:
    """Compare each model with base, and the focal objectives with every baseline too.

    Args:
        models: results by model.

    Returns:
        model → compared with → benchmark → comparison.

    Raises:
        InputError: two models were measured on different data.
    """
    compared: dict[str, dict[str, dict[str, Comparison]]] = {}
    for name, model in models.items():
        # Focal objectives are compared with every baseline, other models with base alone.
        for against in ("base", *(BASELINES if name in FOCAL else ())):
            if against not in models or against == name:
                continue
            comparisons = compared.setdefault(name, {}).setdefault(against, {})
            others = models[against].measured
            for benchmark, result in model.measured.items():
                if benchmark not in others:
                    continue
                if comparison := compare_results(benchmark, {name: result, against: others[benchmark]}):
                    comparisons[benchmark] = comparison
    return compared


def compare_results(benchmark: str, results: Mapping[str, Measured]) -> Comparison | None:
    """Compare a model's result with another's, on the tasks that both were judged on.

    Args:
        benchmark: the benchmark's name.
        results: name → result, of the model and of the other one.

    Returns:
        The comparison, or None if the models share no task.

    Raises:
        InputError: the results are of different data.
    """
    check_same_data(benchmark, {name: (result,) for name, result in results.items()})
    ours, theirs = results.values()
    return compare_shares(shares_passed(ours.verdicts), shares_passed(theirs.verdicts))


def check_same_data(benchmark: str, results: Mapping[str, Sequence[Measured]]) -> None:
    """Refuse results of different data: under the same name problems may have been composed anew.

    Args:
        benchmark: the benchmark's name.
        results: model → its results.

    Raises:
        InputError: the data differ.
    """
    data = dict.fromkeys(result.data.sha256[:12] for seeds in results.values() for result in seeds)
    if len(data) > 1:
        raise InputError(
            f"{benchmark}: {' and '.join(results)} were measured on different data ({', '.join(data)}); evaluate "
            "all on the same file"
        )


def measured_differently(before: Measured, after: Measured) -> list[str]:
    """Return what differs of two measurements, the later one first: `sampling temperature: 1.5 instead of 0.0`."""
    old, new = map(_circumstances, (before, after))
    names = sorted(old.keys() | new.keys())
    return [
        f"{name}: {new.get(name, _NOT_STATED)} instead of {old.get(name, _NOT_STATED)}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def _circumstances(result: Measured) -> dict[str, object]:
    """Return the circumstances of a measurement by name, in words: `harness`, `sampling temperature`."""
    found: dict[str, object] = {
        "programs": "found in answers" if result.extracted else "as given",
        "tasks": f"those of {result.partial['tasks']} that have samples" if result.partial else "all",
    }
    for field, value in result.model_dump(include=_STATED, exclude_none=True).items():
        found |= (
            {f"{field} {name}": each for name, each in value.items()} if isinstance(value, dict) else {field: value}
        )
    return found
