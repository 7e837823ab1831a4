"""Stage `codeflow`: problems in, one trajectory per problem out; a killed run resumes.

A trajectory comes from debugging, or, as the baseline, from sampling: `codeflow.source`.
"""

import hashlib
import json
import logging
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.codeflow.batched_rounds import debug_problems
from iterpref_core.codeflow.draft_sampling import sample_problems
from iterpref_core.codeflow.outcome_counts import OutcomeCounts
from iterpref_core.codeflow.problem_selection import Survey, selected, survey
from iterpref_core.codeflow.roles import Models, Opened
from iterpref_core.codeflow.rollouts import Rollout, RolloutStore
from iterpref_core.codeflow.stream import OnFinished, stream_debugging, stream_sampling
from iterpref_core.config import CodeflowParams, ExecutionParams
from iterpref_core.errors import InputError
from iterpref_core.execution import Engine, open_executor
from iterpref_core.inference.backend import Backend, Endpoint
from iterpref_core.inference.local.batching_endpoint import Batched
from iterpref_core.progress import show_progress
from iterpref_core.records import Problem, Trajectory
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.jsonl import write_jsonl

logger = logging.getLogger(__name__)

DECIDED_BY = tuple(f"iterpref_core.{name}" for name in ("codeflow", "execution", "inference", "screening"))
"""The code that decides trajectories: what dvc.yaml names for the stage."""


@dataclass(frozen=True)
class CodeflowRun:
    """All that decides a run's trajectories, and where it keeps what it has.

    Attributes:
        problems: Problem records; those of split `codeflow`, and those that name no split, take part.
        models: who drafts and who refines.
        params: the loop's settings.
        execution: limits of each program run.
        work: folder of the file by which a killed run resumes without repeating a finished problem.
        store: SQLite file of answers; one that is there is never asked for again, by whatever run it was asked.
    """

    problems: Path
    models: Models
    params: CodeflowParams
    execution: ExecutionParams
    work: Path
    store: Path

    def key(self, found: Survey) -> str:
        """A digest of all that decides the trajectories.

        How many calls run at once does not, nor what the other source reads.
        """
        params = self.params
        unread = {"concurrency", *({"sampling"} if params.source == "debugging" else {"max_iterations", "temperature"})}
        decisive = [
            found.digest,
            found.tests,
            self.models.identity,
            params.model_dump(exclude=unread),
            self.execution.model_dump(exclude={"workers", "engine"}),
            code_digest(*DECIDED_BY),  # the templates of the prompts are among it
        ]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]

    def work_file(self, key: str) -> Path:
        """Where the finished trajectories are."""
        return self.work / f"{key}.sqlite"


def run_codeflow(run: CodeflowRun, out: Path) -> dict[str, float]:
    """Debug (or sample) the problems and write their trajectories in the problems' order.

    Args:
        run: what, by whom, and how.
        out: where the Trajectory records go; written whole or not at all.

    Returns:
        The metrics of `OutcomeCounts.metrics`; `cost_usd` of the answers in the trajectories; `faults/<kind>` of calls,
        not counting those of a process that was killed; with sampling also `mixed`: problems with samples of both
        kinds.

    Raises:
        InputError: the problems or models cannot be used.
        IterPrefError: a model cannot be had, or the budget is spent. Run the same again to go on.
    """
    found = survey(run.problems)
    key = run.key(found)
    sampling = run.params.source == "sampling"
    tally = OutcomeCounts(run.params.sampling.samples - 1 if sampling else run.params.max_iterations)
    with RolloutStore(run.work_file(key)) as work:
        complete(run, key, work, found.count)
        cost = 0.0

        def priced(trajectories: Iterable[Trajectory]) -> Iterator[Trajectory]:
            nonlocal cost
            for trajectory in trajectories:
                cost += run.models.price(trajectory)
                yield trajectory

        write_jsonl(out, priced(tally.watch(in_order(run.problems, work))))
        faults = work.faults()
        work.remove()
    if advice := tally.advice():
        logger.warning("%s", advice)
    return {
        **tally.metrics(),
        "cost_usd": round(cost, 6),
        **{f"faults/{kind}": count for kind, count in faults.items()},
        **({"mixed": tally.mixed} if sampling else {}),
    }


def complete(run: CodeflowRun, key: str, work: RolloutStore, total: int, only: Container[str] | None = None) -> None:
    """Have every problem finished in the work file; only these, if they are given.

    Args:
        run: what, by whom, and how.
        key: of the run.
        work: what is finished already, and where the rest goes.
        total: how many problems that is.
        only: task_ids.
    """

    def wanted() -> Iterator[Problem]:
        return (problem for problem in selected(run.problems) if only is None or problem.task_id in only)

    done = sum(problem.task_id in work for problem in wanted())
    if done >= total:
        return
    rest = (problem for problem in wanted() if problem.task_id not in work)
    solved = 0
    with (
        open_executor(run.execution) as engine,
        run.models.open(run.store, key) as opened,
        show_progress("codeflow", total, done=done, unit="problems") as advance,
    ):

        def keep(finished: Rollout) -> None:
            nonlocal solved
            work.append(finished)
            solved += finished.trajectory.solved
            advance(note=f"{solved} solved in this run")

        try:
            work_through(rest, opened, engine, run.params, keep)
        finally:
            work.add_faults(opened.faults)


def work_through(
    problems: Iterable[Problem], opened: Opened, engine: Engine, params: CodeflowParams, keep: OnFinished
) -> None:
    """Models in this process are asked in rounds of batches; as soon as one is an endpoint, nobody waits for rounds."""
    drafter, refiner = opened.drafter, opened.refiner
    sampling = params.source == "sampling"
    if not any(isinstance(model, Endpoint) for model in ([drafter] if sampling else [drafter, refiner])):
        rounds = (
            sample_problems(problems, drafter, engine, params)
            if sampling
            else debug_problems(problems, drafter, refiner, engine, params)
        )
        for finished in rounds:
            keep(finished)
        return
    drafts = _endpoint(drafter, params.concurrency)
    if sampling:
        stream_sampling(problems, drafts, engine, params, keep)
    else:
        refines = drafts if drafter is refiner else _endpoint(refiner, params.concurrency)
        stream_debugging(problems, drafts, refines, engine, params, keep)


def _endpoint(model: Backend, size: int) -> Endpoint:
    return model if isinstance(model, Endpoint) else Batched(model, size)


def in_order(problems: Path, work: RolloutStore) -> Iterator[Trajectory]:
    """The finished trajectories in the order of the problems, each judged by the tests that stand in the file.

    Raises:
        InputError: the file was changed since.
    """
    for problem in selected(problems):
        trajectory = work[problem.task_id].trajectory if problem.task_id in work else None
        if trajectory is None or trajectory.tests != problem.tests_digest:
            raise InputError(
                f"{problems}: problem {problem.task_id!r} was changed while it was debugged; "
                "restore the file, or run again"
            )
        yield trajectory
