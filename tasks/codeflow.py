"""Stage `codeflow`."""

from iterpref_core.records.config import Params
from iterpref_core.records.stage_results import CodeflowResult
from tasks.paths import ANSWERS, DEBUGGER, PROBLEMS, STUDENT, TRAJECTORIES


def run(params: Params) -> CodeflowResult:
    """Draft, execute and refine; answers are kept, so that a killed run asks for none of them again."""
    from iterpref_core.models.inference.backend_factory import precision_of
    from iterpref_core.pairs.codeflow.codeflow import CodeflowRun, run_codeflow
    from iterpref_core.pairs.codeflow.roles import choose_models

    models = choose_models(
        STUDENT,
        DEBUGGER,
        params.codeflow,
        params.inference,
        params.budget,
        prompt=params.model.student_format,
        debugger_prompt=params.model.debugger_format,
    )
    debugging = CodeflowRun(PROBLEMS, models, params.codeflow, params.execution, ANSWERS)
    result = run_codeflow(debugging, TRAJECTORIES)
    precision, _ = precision_of(STUDENT, params.inference)
    return result.model_copy(update={"bf16": float(precision == "bfloat16")})
