"""Stage `codeflow`."""

from iterpref_core.config import Params
from tasks.paths import ANSWERS, DEBUGGER, PROBLEMS, STUDENT, TRAJECTORIES
from tasks.stage_body import Metrics, run_body


def run(params: Params) -> Metrics:
    """Draft, execute and refine; answers are kept, so that a killed run asks for none of them again."""
    return run_body("codeflow", _debug, params)


def _debug(params: Params) -> Metrics:
    from iterpref_core.codeflow.codeflow import CodeflowRun, run_codeflow
    from iterpref_core.codeflow.roles import choose_models
    from iterpref_core.inference.backend_factory import precision_of

    models = choose_models(
        STUDENT,
        DEBUGGER,
        params.codeflow,
        params.inference,
        params.budget,
        prompt=params.model.student_format,
        debugger_prompt=params.model.debugger_format,
    )
    run = CodeflowRun(PROBLEMS, models, params.codeflow, params.execution, ANSWERS)
    metrics = run_codeflow(run, TRAJECTORIES)
    return metrics | {"bf16": float(precision_of(STUDENT, params.inference)[0] == "bfloat16")}
