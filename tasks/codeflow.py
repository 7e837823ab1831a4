"""Stage `codeflow`."""

from iterpref_core.config import Params
from tasks.common.body import Metrics, run_body
from tasks.common.paths import DEBUGGER, PROBLEMS, STUDENT, TRAJECTORIES, WORK
from tasks.common.stage_task import stage_task


@stage_task
def debug_problems(params: Params) -> Metrics:
    """Draft, execute and refine; finished problems are journalled, so that a killed run resumes."""
    from iterpref_core.debugging.codeflow import run_codeflow as entry
    from iterpref_core.inference import transformers_backend  # noqa: F401  # what it imports is no part of the body

    return run_body(
        "codeflow",
        entry,
        PROBLEMS,
        STUDENT,
        DEBUGGER,
        params.codeflow,
        params.execution,
        TRAJECTORIES,
        WORK / "codeflow",
        prompt=params.model.prompt,
    )
