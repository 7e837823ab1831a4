"""`iterpref bench generation --model`: a model asked in this process and in a vLLM server, the same greedy prompts."""

import gc
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from iterpref_core.config import BackendName, Params
from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.inference.backend_factory import open_model
from iterpref_core.inference.codeflow_prompts import draft_prompt
from iterpref_core.inference.local.precision import saved_dtype
from iterpref_core.inference.vllm.vllm_server import find_vllm, vllm_version
from tasks.benchmarks.bench_generation import made_up_problems
from tasks.benchmarks.device_meters import this_device

_WARM_UP = 8


def bench_backends(model: Path, params: Params, prompts: int) -> dict[str, Any]:
    """Ask for drafts of made-up problems.

    Args:
        model: a checkpoint folder; on a GPU each of the two has the card for itself.
        params: wording, length and number at once of `codeflow`, precision of `inference`.
        prompts: how many.

    Returns:
        Of both new tokens a second of real time, the server's start and the first prompts not counted, and the tokens;
        `vllm_speedup`; `equal_answers`, the share of prompts that both answer alike.

    Raises:
        InputError: the model cannot be loaded, or vLLM is not installed.
    """
    version = vllm_version(find_vllm())
    # Others come first: vLLM would find a prompt that it has seen in its cache.
    problems = made_up_problems(prompts + _WARM_UP)
    warm, requests = (
        [Request(draft_prompt(problem.prompt, params.codeflow.wording), 0) for problem in islice(problems, count)]
        for count in (_WARM_UP, prompts)
    )
    found = {name: _ask(name, model, params, warm, requests) for name in ("transformers", "vllm")}
    answers = {name: own for name, (own, _) in found.items()}
    rates = {name: sum(one.completion_tokens for one in own) / seconds for name, (own, seconds) in found.items()}
    equal = sum(one.text == other.text for one, other in zip(*answers.values(), strict=True))
    return {
        "device": this_device().name,
        "model": str(model),
        "prompts": prompts,
        "max_new_tokens": params.codeflow.max_new_tokens,
        "concurrency": params.codeflow.concurrency,
        "vllm_version": version,
        "new_tokens_per_s": {name: round(rate, 1) for name, rate in rates.items()},
        "new_tokens": {name: sum(one.completion_tokens for one in own) for name, own in answers.items()},
        "prompt_tokens": {name: sum(one.prompt_tokens for one in own) for name, own in answers.items()},
        "seconds": {name: round(seconds, 2) for name, (_, seconds) in found.items()},
        "vllm_speedup": round(rates["vllm"] / rates["transformers"], 3),
        "equal_answers": round(equal / prompts, 4),
    }


def _ask(
    backend: BackendName, model: Path, params: Params, warm: Sequence[Request], requests: Sequence[Request]
) -> tuple[list[Completion], float]:
    """The answers, and the seconds that they took."""
    # A CPU may be faster in another precision than the checkpoint's, which is vLLM's.
    bf16 = "auto" if torch.cuda.is_available() else saved_dtype(model) is torch.bfloat16
    inference = params.inference.model_copy(update={"backend": backend, "bf16": bf16})
    greedy = Sampling(0.0, params.codeflow.max_new_tokens)
    with open_model(model, params.model.prompt, inference, params.budget, None, params.codeflow.concurrency) as opened:
        opened.generate(warm, greedy)
        start = time.monotonic()
        answers = opened.generate(requests, greedy)
        seconds = time.monotonic() - start
    del opened
    gc.collect()
    torch.cuda.empty_cache()  # the other needs the card's memory; without a card there is nothing to do
    return answers, seconds
