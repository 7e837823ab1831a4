"""Stage `evaluation`, once per model."""

from iterpref_core.config import Params
from tasks.paths import ANSWERS, PROBLEMS, RESULTS, WORK, model_path, prompt_format
from tasks.stage_body import Metrics, run_body


def run(params: Params, model: str) -> Metrics:
    """Measure one model on every benchmark."""
    from iterpref_core.evaluation.evaluation import EvaluationSetting
    from iterpref_core.evaluation.evaluation import evaluate_model as entry

    setting = EvaluationSetting(PROBLEMS, params.evaluation.livecodebench, params.execution, WORK / "evaluation")
    measured = (model, model_path(model), params.evaluation, setting, RESULTS / model, params.inference, params.budget)
    return run_body(f"evaluation@{model}", entry, *measured, ANSWERS, prompt_format(model, params))
