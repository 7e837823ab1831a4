"""Stage `codeflow`."""

from iterpref_core.records import BACKENDS, CodeflowResult, Params
from iterpref_core.storage.jsonl import write_jsonl

from .paths import ANSWERS, DEBUGGER, PROBLEMS, STUDENT, TRAJECTORIES, has_pairs_alone


def check(params: Params) -> None:
    """Refuse settings that this stage cannot take, before any stage has run.

    Raises:
        ConfigError: the wording cannot be used.
        InputError: the endpoint has no address or key, its answers no price under `budget.dollars`, or vLLM is not
            installed.
    """
    from iterpref_core.models.prompts.codeflow_prompts import check_wording

    check_wording(params.codeflow.wording)
    inference = params.inference
    if inference.backend == "vllm":
        from iterpref_core.models.inference.vllm_server import find_vllm

        find_vllm()
    elif not BACKENDS[inference.backend].local:
        from iterpref_core.models.inference.endpoint import endpoint_url, read_key

        read_key(endpoint_url(inference))
    if params.budget.dollars is not None:
        from iterpref_core.models.inference.stored_model import check_prices

        check_prices(inference)


def run(params: Params) -> CodeflowResult:
    """Draft, execute and refine. Answers are stored, so a run that was killed does not ask for them again."""
    from iterpref_core.models.inference.backend_factory import precision_of
    from iterpref_core.pairs.codeflow.codeflow import run_codeflow
    from iterpref_core.pairs.codeflow.roles import choose_models

    if has_pairs_alone():
        write_jsonl(TRAJECTORIES, [])
        return CodeflowResult()
    models = choose_models(
        STUDENT,
        DEBUGGER,
        params.codeflow,
        params.inference,
        params.budget,
        prompt=params.model.student_format,
        debugger_prompt=params.model.debugger_format,
    )
    result = run_codeflow(PROBLEMS, models, params.codeflow, params.execution, ANSWERS, TRAJECTORIES)
    precision, _ = precision_of(STUDENT, params.inference)
    return result.model_copy(update={"bf16": float(precision == "bfloat16")})
