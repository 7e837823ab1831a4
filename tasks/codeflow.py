"""Stage `codeflow`."""

from iterpref_core.records.config import Params
from tasks.mlflow.logged import logged
from tasks.paths import ANSWERS, DEBUGGER, PROBLEMS, STUDENT, TRAJECTORIES
from tasks.stage_name import StageName


def run(params: Params) -> None:
    """Draft, execute and refine; answers are kept, so that a killed run asks for none of them again."""
    from iterpref_core.models.inference.backend_factory import precision_of
    from iterpref_core.pairs.codeflow.codeflow import CodeflowRun, run_codeflow
    from iterpref_core.pairs.codeflow.roles import choose_models

    with logged(StageName("codeflow"), params) as metrics:
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
        metrics.update(run_codeflow(debugging, TRAJECTORIES))
        metrics["bf16"] = float(precision_of(STUDENT, params.inference)[0] == "bfloat16")
