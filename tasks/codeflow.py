"""Stage `codeflow`."""

from pathlib import Path

from iterpref_core.config import Params
from tasks.common.paths import ANSWERS, DEBUGGER, PROBLEMS, STUDENT, TRAJECTORIES, WORK
from tasks.common.stage_body import Metrics, run_body
from tasks.common.stage_task import stage_task


@stage_task
def debug_problems(params: Params) -> Metrics:
    """Draft, execute and refine; answers and finished problems are kept, so that a killed run resumes."""
    from iterpref_core.inference.local import transformers_backend  # noqa: F401  # what it imports is no part of the body

    return run_body("codeflow", debug_with, STUDENT, DEBUGGER, params, TRAJECTORIES, WORK / "codeflow")


def debug_with(
    student: Path, debugger: Path, params: Params, out: Path, work: Path, problems: Path = PROBLEMS
) -> Metrics:
    """CodeFlow with any two models; on the experiment's problems by default."""
    from iterpref_core.codeflow.codeflow import CodeflowRun, run_codeflow
    from iterpref_core.codeflow.roles import choose_models
    from iterpref_core.inference.backend_factory import precision_of

    models = choose_models(
        student, debugger, params.codeflow, params.inference, params.budget, prompt=params.model.prompt
    )
    metrics = run_codeflow(CodeflowRun(problems, models, params.codeflow, params.execution, work, ANSWERS), out)
    return metrics | {"bf16": float(precision_of(student, params.inference)[0] == "bfloat16")}
