"""Evaluation of one model by one call, for scripts and notebooks; the verb `evaluate` has more options."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from iterpref_core.models.inference.backend_factory import model_at
from iterpref_core.records import load_params, with_values
from iterpref_core.storage.state_folder import ANSWERS, PROBLEMS, WORK

from ..evaluation.model_evaluation import evaluate_model


def evaluate(
    model: Path | str,
    benchmarks: Sequence[str],
    out: Path | str,
    *,
    problems: Path | str = PROBLEMS,
    limit: int | None = None,
    values: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Sample programs from a model for every task, run them, and write and return the scores.

    A killed evaluation is started again with the same call: answers are kept in `.iterpref` of the present folder.

    Args:
        model: a checkpoint folder, a hub id, or the name of a served model, with its backend and URL in `values`:
            `{"inference.backend": "openai", "inference.base_url": "http://127.0.0.1:8000/v1"}`. An event loop may run.
        benchmarks: names of benchmarks, such as `heldout`, `humaneval+` or `livecodebench`.
        out: the folder for `results.json` and `samples/`, one for each model.
        problems: JSONL of problems, for the benchmarks `heldout` and `validation`.
        limit: the number of tasks of each benchmark; None asks all.
        values: dotted keys of params.yaml → values, such as `{"evaluation.samples": 5}`.

    Returns:
        For each benchmark `<benchmark>/pass_at_1`, `/ci95_low`, `/ci95_high` and `/n`, with `_plus` for `+`.

    Raises:
        InputError: the model, the problems or a value cannot be used.
        DataUnavailableError: no benchmark's data can be had here.

    >>> scores = evaluate(model, ["heldout"], folder / "results", problems=problems, values={"evaluation.samples": 1})
    >>> sorted(scores)
    ['heldout/ci95_high', 'heldout/ci95_low', 'heldout/n', 'heldout/pass_at_1']
    """
    params = with_values(load_params(), {**(values or {}), "evaluation.benchmarks": tuple(benchmarks)})
    served = any(name in ("inference.backend", "inference.base_url") for name in values or {})
    results = evaluate_model(
        params,
        Path(model).name,
        model=model_at(model, served=served),
        problems=Path(problems),
        cache=WORK / "evaluation",
        limit=limit,
        out=Path(out),
        answers=ANSWERS,
        prompt=params.model.student_format,
    )
    return results.metrics()
