"""Leaderboard: several models are measured on the same benchmarks, one after the other."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from iterpref_core.evaluation.benchmarks.benchmark import EvaluationSetting
from iterpref_core.evaluation.evaluation.evaluation import evaluate_model
from iterpref_core.evaluation.evaluation.results_file import RESULTS, load_model_results
from iterpref_core.evaluation.scoring.entrants import Entrant, find_entrants
from iterpref_core.evaluation.scoring.existing_samples import score_samples
from iterpref_core.evaluation.scoring.standings import Leaderboard, rank_models, write_leaderboard
from iterpref_core.records.errors import BudgetError, EndpointError, InputError, IterPrefError, UnansweredError
from iterpref_core.records.results import ModelResults

logger = logging.getLogger(__name__)


def make_leaderboard(
    places: Sequence[str],
    setting: EvaluationSetting,
    out: Path,
    answers: Path,
    *,
    extract: bool = False,
    partial: bool = False,
    fresh: bool = False,
) -> Leaderboard:
    """Measure models one after the other, and write the table whenever one more is measured.

    A killed call is continued by the same call: answers of models are kept. Where something goes wrong with one model,
    the others are measured.

    Args:
        places: the models, as `find_entrants` takes them; the others are compared with the first one.
        setting: benchmarks, sampling, limits, data and caches.
        out: folder for leaderboard.md and .csv, and for the results of each model, `results/NAME/`.
        answers: SQLite file that keeps the models' answers.
        extract: samples are answers: their programs are found as in a model's answers.
        partial: samples may lack some tasks.
        fresh: ask again for answers that are kept.

    Returns:
        The table; its `failure` says why models have no score.

    Raises:
        InputError: an entrant cannot be used, or no model could be measured.
        EndpointError: no model could be measured, since an endpoint could not be had.
        BudgetError: none could be, since a cap is reached.
    """
    entrants = find_entrants(places, setting.params)
    first = entrants[0].name
    measured: dict[str, ModelResults] = {}
    failures: list[IterPrefError] = []
    for entrant in entrants:
        try:
            _measure(entrant, setting, out, answers, extract=extract, partial=partial, fresh=fresh)
        except (InputError, EndpointError, BudgetError) as error:
            failures.append(error)
            if len(entrants) > 1:
                logger.warning("%s: %s; the other models are measured", entrant.name, error)
        folder = _folder_of(entrant, out)
        if (folder / RESULTS).exists():
            measured[entrant.name] = load_model_results(folder)
            write_leaderboard(rank_models(first, measured, setting), out)
    failure = type(failures[0])("; ".join(dict.fromkeys(map(str, failures)))) if failures else None
    if failure is not None and not measured:
        raise failure
    return replace(rank_models(first, measured, setting), failure=failure)


def _measure(
    entrant: Entrant,
    setting: EvaluationSetting,
    out: Path,
    answers: Path,
    *,
    extract: bool,
    partial: bool,
    fresh: bool,
) -> None:
    if entrant.kind == "results":
        return
    folder = _folder_of(entrant, out)
    # What an earlier call measured, perhaps with other settings, is no score of this one.
    (folder / RESULTS).unlink(missing_ok=True)
    if entrant.kind == "samples":
        try:
            score_samples(Path(entrant.place), setting, folder, extract=extract, partial=partial)
        except UnansweredError:
            # A file of samples may be of some of the benchmarks, but not of none.
            if not (folder / RESULTS).exists():
                raise
    else:
        evaluate_model(
            name=entrant.name,
            model=entrant.model,
            setting=setting,
            out=folder,
            answers=answers,
            prompt=setting.params.model.student_format,
            fresh=fresh,
        )


def _folder_of(entrant: Entrant, out: Path) -> Path:
    """Return the folder of an entrant's results.json."""
    if entrant.kind != "results":
        return out / "results" / entrant.folder
    place = Path(entrant.place)
    return place if place.is_dir() else place.parent


def benchmarks_of(names: Sequence[str], known: Sequence[str], problems: Path) -> tuple[str, ...]:
    """Return the benchmarks that names stand for; `all` is every one for reporting, the own ones if there are problems.

    >>> benchmarks_of(["mbpp"], ["heldout", "validation", "mbpp"], Path("absent"))
    ('mbpp',)
    >>> benchmarks_of(["all"], ["heldout", "validation", "mbpp"], Path("absent"))
    ('mbpp',)
    """
    if "all" not in names:
        return tuple(dict.fromkeys(names))
    chosen = []
    for name in known:
        # The validation split is for choosing: a score on it is none to report.
        if name == "validation" and name not in names:
            continue
        if name == "heldout" and not problems.exists():
            logger.warning("heldout: not measured, since %s is not there; --problems names another file", problems)
            continue
        chosen.append(name)
    return tuple(chosen)
