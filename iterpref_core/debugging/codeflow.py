"""Stage `codeflow`: problems in, one trajectory per problem out; a killed run resumes.

A trajectory comes from debugging, or, as the baseline, from sampling: `codeflow.source`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.config import CodeflowParams, ExecutionParams, PromptStyle
from iterpref_core.debugging.answers import AnswerLog
from iterpref_core.debugging.driver import debug_problems
from iterpref_core.debugging.journal import Journal
from iterpref_core.debugging.sampling import sample_problems
from iterpref_core.debugging.tally import Tally
from iterpref_core.errors import InputError
from iterpref_core.execution import ProgramRunner, open_executor
from iterpref_core.inference.backend import Backend
from iterpref_core.inference.fingerprint import model_fingerprint
from iterpref_core.inference.turns import draft_prompt, refine_prompt
from iterpref_core.jsonl import read_jsonl, write_jsonl
from iterpref_core.progress import show_progress
from iterpref_core.records import Problem, Trajectory

SPLIT = "codeflow"


@dataclass(frozen=True)
class Models:
    """The two models of a run. `identity` stands for both: equal identity, equal answers.

    `load` returns (drafter, refiner) and is called only if problems are left to debug.
    """

    identity: tuple[str, str]
    load: Callable[[], tuple[Backend, Backend]]


def run_codeflow(
    problems: Path,
    student: Path,
    debugger: Path,
    params: CodeflowParams,
    execution: ExecutionParams,
    out: Path,
    work: Path,
    prompt: PromptStyle = "auto",
) -> dict[str, float]:
    """Debug (or sample) the problems of split `codeflow` with local models and write trajectories in their order.

    Args:
        problems: Problem records; all of them take part when none names a split.
        student: the model that drafts, unless `params.draft_model` says otherwise.
        debugger: the model that refines; sampling does without.
        params: the loop's settings.
        execution: limits of each program run.
        out: where the Trajectory records go; written whole or not at all.
        work: folder of the journal by which a killed run resumes without repeating a finished problem, and, with
            sampling, an answer. It serves only the run it was begun by: same problems, models, settings and wording of
            the turns.
        prompt: whether the student reads prompts in its chat template; the debugger does if it has one.

    Returns:
        The metrics of `Tally.metrics`; with sampling also `mixed`: problems with samples of both kinds.

    Raises:
        InputError: the problems or models cannot be used.
    """
    models = local_models(student, debugger, params, prompt)
    return debug_file(problems, models, params, execution, out=out, work=work)


def local_models(student: Path, debugger: Path, params: CodeflowParams, prompt: PromptStyle = "auto") -> Models:
    """The models of two checkpoint folders; one alone is loaded where it drafts and refines, or nothing is refined.

    `prompt` is how the student reads prompts.
    """
    if params.draft_model == "debugger":
        student, prompt = debugger, "auto"

    def load() -> tuple[Backend, Backend]:
        from iterpref_core.inference.transformers_backend import TransformersBackend

        if params.source == "sampling":
            drafter = TransformersBackend(student, params.concurrency, prompt)
            return drafter, drafter
        refiner = TransformersBackend(debugger, params.concurrency)
        same = (student, prompt) == (debugger, "auto")
        return (refiner if same else TransformersBackend(student, params.concurrency, prompt)), refiner

    return Models((model_fingerprint(student, prompt), model_fingerprint(debugger)), load)


def debug_file(
    problems: Path, models: Models, params: CodeflowParams, execution: ExecutionParams, *, out: Path, work: Path
) -> dict[str, float]:
    """`run_codeflow` with any models."""
    task_ids, problems_digest = _survey(problems)
    key = _run_key(problems_digest, models.identity, params, execution)
    answers = work / f"{key}.answers.jsonl"
    with Journal(work / f"{key}.jsonl") as journal:
        if len(journal) < len(task_ids):
            rest = (problem for problem in _selected(problems) if problem.task_id not in journal)
            with (
                open_executor(execution) as executor,
                show_progress("codeflow", len(task_ids), done=len(journal), unit="problems") as advance,
            ):
                solved = 0
                for trajectory in _trajectories(rest, models, executor, params, answers, journal):
                    journal.append(trajectory)
                    solved += trajectory.solved
                    advance(note=f"{solved} solved in this run")
        tally = Tally(params.sampling.samples - 1 if params.source == "sampling" else params.max_iterations)
        write_jsonl(out, tally.watch(journal.read(task_ids)))
        answers.unlink(missing_ok=True)
        journal.remove()
    return tally.metrics() | ({"mixed": tally.mixed} if params.source == "sampling" else {})


def _trajectories(
    problems: Iterator[Problem],
    models: Models,
    executor: ProgramRunner,
    params: CodeflowParams,
    answers: Path,
    finished: Journal,
) -> Iterator[Trajectory]:
    drafter, refiner = models.load()
    if params.source == "debugging":
        yield from debug_problems(problems, drafter, refiner, executor, params)
        return
    with AnswerLog(answers, finished) as log:
        yield from sample_problems(problems, drafter, executor, params, log)


def _survey(path: Path) -> tuple[list[str], str]:
    """The task_ids that take part, in order, and a digest of their problems; reads the whole file before any work.

    Raises:
        InputError: no problem takes part, or one has no tests.
    """
    task_ids, digest = [], hashlib.sha256()
    for problem in _selected(path, unique=True):
        if not problem.tests:
            raise InputError(f"{path}: problem {problem.task_id!r}: field 'tests' is empty; add a test or remove it")
        task_ids.append(problem.task_id)
        digest.update(problem.to_json().encode())
    if not task_ids:
        raise InputError(f"{path}: no problem of split '{SPLIT}'; give some problems this split, or none any split")
    return task_ids, digest.hexdigest()


def _selected(path: Path, *, unique: bool = False) -> Iterator[Problem]:
    """The problems of split `codeflow`, or all where no problem has a split."""
    has_splits = any(problem.split is not None for problem in read_jsonl(path, Problem))
    every = read_jsonl(path, Problem, unique=unique)
    return (problem for problem in every if not has_splits or problem.split == SPLIT)


def _run_key(
    problems_digest: str, identity: tuple[str, str], params: CodeflowParams, execution: ExecutionParams
) -> str:
    """A digest of all that decides the trajectories; how many run at once does not, nor what the other source reads."""
    unread = {"concurrency", *({"sampling"} if params.source == "debugging" else {"max_iterations", "temperature"})}
    decisive = [
        problems_digest,
        identity,
        params.model_dump(exclude=unread),
        execution.model_dump(exclude={"workers"}),
        [draft_prompt("prompt"), refine_prompt("prompt", "code", "feedback")],
    ]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
