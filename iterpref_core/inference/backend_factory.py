"""Backend factory: a model ready to be asked, whatever `inference.backend` says, with its budget and answer store."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iterpref_core.config import WITH_WEIGHTS, BudgetParams, InferenceParams, PromptFormat
from iterpref_core.inference.backend import Model
from iterpref_core.inference.local.checkpoints import read_config, served_name
from iterpref_core.inference.local.fingerprint import model_fingerprint
from iterpref_core.inference.stored_model import AnswerStore, StoredModel


@contextmanager
def open_model(
    model: Path | str,
    prompt: PromptFormat,
    inference: InferenceParams,
    budget: BudgetParams,
    store: AnswerStore | None,
    concurrency: int,
    faults: Counter[str] | None = None,
) -> Iterator[StoredModel]:
    """The model, ready to be asked.

    Args:
        model: a checkpoint folder or hub id; for an endpoint the name it is served under; or a stage's folder that
            points at any of these.
        prompt: the form in which a model in this process, or served by a vLLM of ours, reads prompts.
        inference: how it is asked.
        budget: caps on that.
        store: keeps its answers; without one neither they nor what they cost outlive this process.
        concurrency: prompts at once.
        faults: grows by failed calls of an endpoint, by kind.

    Raises:
        InputError: the model or a parameter of `inference` cannot be used.
    """
    model = check_model(model, prompt, inference)
    identity = model_identity(model, prompt, inference) if store else ""
    faults = Counter[str]() if faults is None else faults
    guarded = leaves_this_machine(inference)
    own_temperature = store is not None and store.accepts_own_temperature_alone(identity)
    with _opened(model, prompt, inference, concurrency, faults, own_temperature=own_temperature) as inner:
        yield StoredModel(
            inner, identity, store, budget, inference, concurrency=concurrency, guarded=guarded, faults=faults
        )


@contextmanager
def _opened(
    model: Path | str,
    prompt: PromptFormat,
    inference: InferenceParams,
    concurrency: int,
    faults: Counter[str],
    *,
    own_temperature: bool,
) -> Iterator[Model]:
    if inference.backend == "transformers":
        from iterpref_core.inference.local.transformers_model import TransformersModel

        yield TransformersModel(model, concurrency, prompt, inference.bf16)
        return
    from iterpref_core.inference.openai_model import OpenAIModel

    if inference.backend == "openai":
        yield OpenAIModel(served_name(model), inference, concurrency, faults, own_temperature=own_temperature)
        return
    from iterpref_core.inference.local.served_tokens import ServedTokens
    from iterpref_core.inference.vllm_server import SERVED_NAME, serve

    tokens = ServedTokens(model, prompt)
    with serve(model) as base_url:
        here = inference.model_copy(update={"base_url": base_url, "api": "completions"})
        yield OpenAIModel(SERVED_NAME, here, concurrency, faults, tokens)


@contextmanager
def open_judge(
    model: str | None,
    prompt: PromptFormat,
    inference: InferenceParams,
    budget: BudgetParams,
    concurrency: int,
    answers: Path,
    run: str,
) -> Iterator[Model | None]:
    """A model that judges, its answers kept, so that none is asked for, or paid for, twice; None where none is named.

    Args:
        model: what the parameters name.
        prompt: the form in which it reads prompts.
        inference: how it is asked.
        budget: caps on what this run may ask.
        concurrency: prompts at once.
        answers: the store of answers.
        run: what the budget is of, over restarts.

    Raises:
        InputError: the model cannot be had, or a parameter of `inference` cannot be used.
    """
    if model is None:
        yield None
        return
    with (
        AnswerStore(answers, run) as store,
        open_model(model, prompt, inference, budget, store, concurrency) as judge,
    ):
        yield judge


def check_model(model: Path | str, prompt: PromptFormat, inference: InferenceParams) -> Path | str:
    """Look at a model with weights here before anything is spent on it; of an endpoint's there is nothing to look at.

    Returns:
        The model; a hub id with the commit that it stands for.

    Raises:
        ModelError: its checkpoint cannot be used.
    """
    if inference.backend not in WITH_WEIGHTS:
        return model
    from iterpref_core.inference.local.weights import check_checkpoint  # imports transformers

    return check_checkpoint(model, prompt, loaded=inference.backend == "transformers")


def model_identity(model: Path | str, prompt: PromptFormat, inference: InferenceParams) -> str:
    """What a model's answers depend on besides prompt and sampling: the key under which they are kept.

    Of a checkpoint, its content, and the precision it computes in where that is not its own. Of an endpoint, the
    model's name alone, so that a server that has moved costs nothing twice.

    Raises:
        InputError: the model cannot be used.
    """
    match inference.backend:
        case "openai":
            return served_name(model) + (" (completions)" if inference.api == "completions" else "")
        case "vllm":
            return model_fingerprint(model, prompt)
        case "transformers":
            identity = model_fingerprint(model, prompt)
            computed, saved = precision_of(model, inference)
            return identity if computed == saved else f"{identity} {computed}"


def precision_of(model: Path | str, inference: InferenceParams) -> tuple[str, str]:
    """What a model in this process computes in, and what it was saved in, such as `bfloat16`.

    Raises:
        ModelError: the model cannot be had.
    """
    import torch

    from iterpref_core.inference.local.weights import generation_dtype

    saved = read_config(model).dtype or torch.float32
    return str(generation_dtype(inference.bf16, saved)).removeprefix("torch."), str(saved).removeprefix("torch.")


def describe_endpoint(inference: InferenceParams) -> str:
    """Where a model that is not in this process is asked; no call is made, since it might cost something.

    Raises:
        ConfigError: a parameter or the key is missing or cannot be used.
    """
    from iterpref_core.inference.openai_model import endpoint_url, read_key

    url = endpoint_url(inference)
    read_key(url)
    return f"endpoint {url}"


def leaves_this_machine(inference: InferenceParams) -> bool:
    """Whether what a model is asked goes to another machine."""
    if inference.backend != "openai":
        return False
    from iterpref_core.inference.openai_model import endpoint_url, is_loopback

    return not is_loopback(endpoint_url(inference))
