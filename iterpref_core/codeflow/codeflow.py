"""Stage `codeflow`: problems in, one trajectory per problem out.

Answers are kept as they come. A killed run is started again: it asks for none of them, and runs their programs again.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.codeflow.outcome_counts import OutcomeCounts
from iterpref_core.codeflow.roles import Models
from iterpref_core.codeflow.rollouts import roll_out
from iterpref_core.config import CodeflowParams, ExecutionParams
from iterpref_core.errors import InputError
from iterpref_core.execution import check_tests, open_executor
from iterpref_core.inference.backend import Completion
from iterpref_core.progress import show_progress
from iterpref_core.records import Problem, Trajectory
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl

logger = logging.getLogger(__name__)

SPLIT = "codeflow"


@dataclass(frozen=True)
class CodeflowRun:
    """All that decides a run's trajectories, and where it keeps what it has bought.

    Attributes:
        problems: Problem records; those of split `codeflow`, and those that name no split, take part.
        models: who drafts and who refines.
        params: the loop's settings.
        execution: limits of each program run.
        store: SQLite file of answers; one that is there is never asked for again, by whatever run it was asked.
    """

    problems: Path
    models: Models
    params: CodeflowParams
    execution: ExecutionParams
    store: Path


def run_codeflow(run: CodeflowRun, out: Path) -> dict[str, float]:
    """Debug (or sample) the problems and write their trajectories in the problems' order.

    Args:
        run: what, by whom, and how.
        out: where the Trajectory records go; written whole or not at all.

    Returns:
        The metrics of `OutcomeCounts.metrics`; `cost_usd` of the answers in the trajectories; `faults/<kind>` of calls;
        with sampling also `mixed`: problems with samples of both kinds.

    Raises:
        InputError: the problems or models cannot be used.
        IterPrefError: a model cannot be had, or the budget is spent. Run the same again to go on.
    """
    problems, digest = _survey(run.problems)
    settings = run.params.model_dump(exclude={"concurrency"})
    name = hashlib.sha256(json.dumps([digest, run.models.identity, settings]).encode()).hexdigest()[:16]
    sampled = run.params.source == "sampling"
    tally = OutcomeCounts(run.params.sampling.samples - 1 if sampled else run.params.max_iterations)
    cost, answers = 0.0, 0
    early: dict[str, Trajectory] = {}
    order = list(reversed(problems))
    with (
        open_executor(run.execution) as executor,
        run.models.open(run.store, name) as models,
        atomic_writer(out) as file,
        show_progress("codeflow", len(problems), unit="problems") as advance,
    ):

        def keep(trajectory: Trajectory) -> None:
            """Write what is next in the problems' order; what ended before its turn waits."""
            nonlocal cost
            early[trajectory.task_id] = trajectory
            tally.add(trajectory)
            cost += run.models.price(trajectory)
            advance(note=f"{tally.solved} solved")
            while order and order[-1] in early:
                file.write(early.pop(order.pop()).to_json() + "\n")

        def count(_place: int, _answer: Completion) -> None:
            nonlocal answers
            answers += 1
            advance(0, f"{tally.solved} solved, {answers} answers")

        roll_out(selected(run.problems), models.drafter, models.refiner, executor, run.params, keep, count)
    if advice := tally.advice():
        logger.warning("%s", advice)
    return {
        **tally.metrics(),
        "cost_usd": round(cost, 6),
        **{f"faults/{kind}": float(count) for kind, count in sorted(models.faults.items())},
        **({"mixed": tally.mixed} if sampled else {}),
    }


def _survey(path: Path) -> tuple[list[str], str]:
    """The task_ids of the problems that take part, and a digest of all these.

    Raises:
        InputError: no problem takes part, one has no tests, or a task_id stands there twice.
    """
    names, digest = [], hashlib.sha256()
    for problem in selected(path, unique=True):
        check_tests(problem, path, visible=True)
        names.append(problem.task_id)
        digest.update(problem.to_json().encode())
    if not names:
        raise InputError(f"{path}: no problem of split '{SPLIT}'; give some problems this split, or none")
    return names, digest.hexdigest()


def selected(path: Path, *, unique: bool = False) -> Iterator[Problem]:
    """The problems of split `codeflow`, and those that name no split."""
    return (problem for problem in read_jsonl(path, Problem, unique=unique) if problem.split in (None, SPLIT))
