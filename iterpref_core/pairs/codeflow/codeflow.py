"""Debug or sample programs for each problem, and write one trajectory per problem (stage `codeflow`).

Each answer is stored when it arrives. A run that is started again after a kill takes these answers from the store, and
runs only their programs again.
"""

import hashlib
import json
import logging
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from iterpref_core.execution import Admission, check_tests, open_executor
from iterpref_core.models.inference.backend import Completion
from iterpref_core.models.inference.backend_factory import precision_of
from iterpref_core.models.inference.finish_reasons import check_answered
from iterpref_core.models.prompts.codeflow_prompts import check_wording, draft_prompt, refine_prompt
from iterpref_core.records import (
    CodeflowParams,
    CodeflowResult,
    ExecutionParams,
    InputError,
    Params,
    Problem,
    Trajectory,
    Wording,
    labeled_text,
    unknown_name,
)
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl, write_jsonl
from iterpref_core.storage.own_pairs import has_pairs_alone
from iterpref_core.storage.progress import show_progress

from .outcome_counts import OutcomeCounts
from .roles import Models, choose_models
from .rollouts import roll_out

logger = logging.getLogger(__name__)


def debug_problems(
    params: Params,
    *,
    problems: Path,
    student: Path | str,
    debugger: Path | str,
    answers: Path,
    out: Path,
    own_pairs: Path | None = None,
    student_served: bool = False,
) -> CodeflowResult:
    """Choose the models, and write a trajectory for each problem.

    Args:
        params: all parameters.
        problems: JSONL of `Problem`.
        student: drafts, if `codeflow.draft_model` is `student`.
        debugger: refines.
        answers: SQLite file of answers.
        out: the JSONL file of `Trajectory` to write.
        own_pairs: folder of the user's own pairs; with some, no problem is needed.
        student_served: the student is a name at the debugger's endpoint.
    """
    if own_pairs and has_pairs_alone(own_pairs, problems):
        write_jsonl(out, [])
        return CodeflowResult()
    models = choose_models(
        student,
        debugger,
        params.codeflow,
        params.inference,
        params.budget,
        prompt=params.model.student_format,
        debugger_prompt=params.model.debugger_format,
        student_served=student_served,
    )
    result = run_codeflow(problems, models, params.codeflow, params.execution, answers, out)
    if student_served or params.codeflow.draft_model == "debugger":
        return result
    precision, _ = precision_of(student, params.inference)
    return result.model_copy(update={"bf16": float(precision == "bfloat16")})


def run_codeflow(
    problems: Path,
    models: Models,
    params: CodeflowParams,
    execution: ExecutionParams,
    store: Path,
    out: Path,
) -> CodeflowResult:
    """Debug (or sample) the problems and write their trajectories in the problems' order.

    Args:
        problems: Problem records; those that give pairs (`Problem.gives_pairs`) take part.
        models: the models that draft and refine.
        params: the loop's settings.
        execution: limits of each program run.
        store: SQLite file of answers; an answer in the file is never asked for again, by any run.
        out: where the Trajectory records go; written whole or not at all.

    Returns:
        The counts over the trajectories, and the price of all answers to their prompts.

    Raises:
        InputError: the problems or models cannot be used, or no prompt was answered.
        IterPrefError: a model cannot be had, or the budget is spent. Run the same again to go on.
    """
    check_wording(params.wording)
    admission = Admission(execution.inside)
    names, digest = _survey(problems, admission)
    # Two runs with this name ask for the same answers, and share the budget.
    decisive = json.dumps([digest, models.identity, params.model_dump()])
    run = hashlib.sha256(decisive.encode()).hexdigest()[:16]
    tally = OutcomeCounts(params)
    answers = 0
    with (
        open_executor(execution) as executor,
        models.open(store, run) as (drafter, refiner),
        atomic_writer(out) as file,
        show_progress("codeflow", len(names), unit="problems") as advance,
    ):
        left = deque(names)
        early: dict[str, Trajectory] = {}

        # Called with each finished trajectory, in any order.
        def keep(trajectory: Trajectory) -> None:
            tally.add(trajectory)
            advance(note=f"{tally.solved} solved")
            # If c ends before a and b, it waits; a lets a and then b, c follow as soon as they are there.
            early[trajectory.task_id] = trajectory
            while left and left[0] in early:
                file.write(early.pop(left.popleft()).to_json() + "\n")

        # Called with each answer, so that progress shows before the first trajectory ends.
        def count(_place: int, _answer: Completion) -> None:
            nonlocal answers
            answers += 1
            advance(0, f"{tally.solved} solved, {answers} answers")

        admitted = (problem for problem in selected(problems) if problem.task_id not in admission.refused)
        roll_out(admitted, drafter, refiner, executor, params, keep, count, models.names)
        check_answered(tally.missing, tally.prompts, "codeflow")
    for advice in tally.advice():
        logger.warning("%s", advice)
    return tally.result(admission, {drafter, refiner})


def show_prompts(problems: Path, task_id: str, wording: Wording) -> Iterator[str]:
    """Yield the requests of a problem: the draft, and the refinement of a program, in their wording.

    Raises:
        InputError: there is no such problem, or the wording cannot be used.
    """
    check_wording(wording)
    names = []
    for problem in read_jsonl(problems, Problem):
        names.append(problem.task_id)
        if problem.task_id == task_id:
            yield labeled_text(draft_prompt(problem.prompt, wording))
            yield labeled_text(refine_prompt(problem.prompt, "THE PROGRAM", "THE FEEDBACK", wording))
            return
    raise InputError(f"{problems}: {unknown_name('problem', task_id, names[:50])}")


def _survey(path: Path, admission: Admission) -> tuple[list[str], str]:
    """Return the task_ids of the problems that take part, and a digest of these problems.

    Raises:
        InputError: no problem takes part, one has no tests, or two have the same task_id.
    """
    names = []
    digest = hashlib.sha256()

    def checked() -> Iterator[Problem]:
        for problem in selected(path, unique=True):
            check_tests(problem, path, visible=True)
            yield problem

    for problem in admission.admit(checked()):
        names.append(problem.task_id)
        digest.update(problem.to_json().encode())
    admission.tell(path)
    if not names:
        raise InputError(f"{path}: no problem of split 'codeflow'; give some problems this split, or none")
    return names, digest.hexdigest()


def selected(path: Path, *, unique: bool = False) -> Iterator[Problem]:
    """Stream the problems that take part."""
    return (problem for problem in read_jsonl(path, Problem, unique=unique) if problem.gives_pairs)
