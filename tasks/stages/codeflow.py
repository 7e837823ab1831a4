"""Stage `codeflow`."""

from typing import TYPE_CHECKING

from tasks.paths import ANSWERS, DEBUGGER, OWN_PAIRS, PROBLEMS, STUDENT, TRAJECTORIES

from .stage import Stage

if TYPE_CHECKING:
    from iterpref_core.records import Params


def check(params: "Params") -> None:
    """Refuse settings that this stage cannot take.

    Raises:
        ConfigError: the wording cannot be used.
        InputError: the endpoint has no address or key, its answers no price under `budget.dollars`, or vLLM is not
            installed.
    """
    from iterpref_core.models.prompts.codeflow_prompts import check_wording
    from iterpref_core.records import BACKENDS

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


STAGE = Stage(
    name="codeflow",
    work="iterpref_core.pairs.codeflow.codeflow:debug_problems",
    params=["codeflow", "execution", "inference", "model.chat_template_kwargs", "model.prompt"],
    reads={"problems": PROBLEMS, "debugger": DEBUGGER, "student": STUDENT},
    writes={"out": TRAJECTORIES},
    untracked={"answers": ANSWERS, "own_pairs": OWN_PAIRS},
    external=["python", "tokenizers", "torch", "transformers"],
    card=True,
    check=check,
)
