"""Run stage `codeflow`, or the verb `debug`: draft, execute and refine."""

from pathlib import Path

from iterpref_core.models.inference.backend_factory import precision_of
from iterpref_core.records import CodeflowResult, Params
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.storage.own_pairs import has_pairs_alone

from .codeflow import run_codeflow
from .roles import choose_models


def run(
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
    """Write a trajectory for each problem. Answers are stored, so a run that was killed does not ask for them again.

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
