"""Backend factory: a model ready to be asked, whatever `inference.backend` says, with its budget and answer store."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iterpref_core.config import WITH_WEIGHTS, Api, BudgetParams, InferenceParams, PromptStyle
from iterpref_core.errors import ConfigError
from iterpref_core.inference.answer_store import AnswerStore, StoredBackend, StoredEndpoint
from iterpref_core.inference.backend import Backend, Endpoint
from iterpref_core.inference.budget import Budget, MeteredBackend, MeteredEndpoint
from iterpref_core.inference.local.checkpoints import locate_model, served_name
from iterpref_core.inference.local.fingerprint import model_fingerprint
from iterpref_core.storage.file_digest import file_digest


@contextmanager
def open_model(
    model: Path | str,
    prompt: PromptStyle,
    inference: InferenceParams,
    budget: BudgetParams,
    store: AnswerStore | None,
    concurrency: int,
    faults: Counter[str] | None = None,
) -> Iterator[Backend]:
    """The model, ready to be asked; an `Endpoint` unless it runs in this process.

    Args:
        model: a checkpoint folder or hub id; for an endpoint the name it is served under; or a stage's folder that
            points at any of these.
        prompt: whether a model in this process, or served by a vLLM of ours, reads prompts in its chat template.
        inference: how it is asked.
        budget: caps on that.
        store: keeps its answers and what they cost; without one neither outlives this process.
        concurrency: prompts at once.
        faults: grows by failed calls of an endpoint, by kind.

    Raises:
        InputError: the model or a parameter of `inference` cannot be used.
    """
    model = check_model(model, prompt, inference)
    ledger = Budget(budget, inference, store)
    identity = model_identity(model, prompt, inference) if store else ""
    if inference.backend == "transformers":
        from iterpref_core.inference.local.transformers_backend import TransformersBackend

        local = MeteredBackend(TransformersBackend(model, concurrency, prompt, inference.bf16), ledger)
        yield StoredBackend(local, identity, store) if store else local
        return
    with _open_endpoint(model, prompt, inference, ledger, concurrency, faults) as opened:
        endpoint = _guarded(opened, concurrency, faults) if leaves_this_machine(inference) else opened
        yield StoredEndpoint(endpoint, identity, store, concurrency) if store else endpoint


@contextmanager
def open_judge(
    model: str | None, inference: InferenceParams, budget: BudgetParams, concurrency: int, answers: Path, run: str
) -> Iterator[Backend | None]:
    """A model that judges, its answers kept, so that none is asked for, or paid for, twice; None where none is named.

    Args:
        model: what the parameters name.
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
        open_model(model, "auto", inference, budget, store, concurrency) as judge,
    ):
        yield judge


def _guarded(endpoint: Endpoint, concurrency: int, faults: Counter[str] | None) -> Endpoint:
    from iterpref_core.inference.privacy_guard import GuardedEndpoint  # what finds secrets takes a while to import

    return GuardedEndpoint(endpoint, concurrency, Counter() if faults is None else faults)


@contextmanager
def _open_endpoint(
    model: Path | str,
    prompt: PromptStyle,
    inference: InferenceParams,
    budget: Budget,
    concurrency: int,
    faults: Counter[str] | None,
) -> Iterator[Endpoint]:
    if inference.backend == "replay":
        from iterpref_core.inference.replay import ReplayBackend, open_recording

        yield MeteredEndpoint(ReplayBackend(open_recording(_recording(inference))), budget, concurrency)
        return
    from iterpref_core.inference.openai.openai_backend import OpenAIBackend

    with _serving(model, prompt, inference) as (name, base_urls, api):
        yield OpenAIBackend(
            name,
            base_urls,
            api=api,
            concurrency=concurrency,
            timeout_s=inference.timeout_s,
            attempts=inference.attempts,
            budget=budget,
            faults=faults,
        )


@contextmanager
def _serving(
    model: Path | str, prompt: PromptStyle, inference: InferenceParams
) -> Iterator[tuple[str, tuple[str, ...], Api]]:
    """The name a model is served under, the base URLs of its servers, and how it is asked there."""
    if inference.backend == "vllm":
        from iterpref_core.inference.vllm.vllm_server import SERVED_NAME, serve, served_api

        with serve(model) as base_url:
            yield SERVED_NAME, (base_url,), served_api(model, prompt)
        return
    yield served_name(model), _base_urls(inference), inference.api


def check_model(model: Path | str, prompt: PromptStyle, inference: InferenceParams) -> Path | str:
    """Look at a model with weights here before anything is spent on it; of an endpoint's there is nothing to look at.

    Returns:
        The model; a hub id with the commit that it stands for.

    Raises:
        ModelError: its checkpoint cannot be used.
    """
    if inference.backend not in WITH_WEIGHTS:
        return model
    from iterpref_core.inference.local.checkpoint_checks import check_checkpoint  # imports transformers

    return check_checkpoint(model, prompt, loaded=inference.backend == "transformers")


def model_identity(model: Path | str, prompt: PromptStyle, inference: InferenceParams) -> str:
    """What a model's answers depend on besides prompt and sampling: the key under which they are kept.

    Of a checkpoint, its content, and the precision it computes in where that is not its own; one whose generation
    config was once in force has a key of its own since it no longer is. Of an endpoint, the model's name alone, so that
    a server that has moved costs nothing twice. Of a recording, its content.

    Raises:
        InputError: the model or the recording cannot be used.
    """
    match inference.backend:
        case "openai":
            return served_name(model) + (" (completions)" if inference.api == "completions" else "")
        case "replay":
            return "replay " + file_digest(_recording(inference))
        case "vllm":
            return _checkpoint_identity(model, prompt)
        case "transformers":
            identity = _checkpoint_identity(model, prompt)
            computed, saved = precision_of(model, inference)
            return identity if computed == saved else f"{identity} {computed}"


def _checkpoint_identity(model: Path | str, prompt: PromptStyle) -> str:
    from iterpref_core.inference.local.generation_settings import suggests_otherwise

    return model_fingerprint(model, prompt) + " plain" * suggests_otherwise(locate_model(model))


def precision_of(model: Path | str, inference: InferenceParams) -> tuple[str, str]:
    """What a model in this process computes in, and what it was saved in, such as `bfloat16`.

    Raises:
        ModelError: the model cannot be had.
    """
    from iterpref_core.inference.local.precision import (
        generation_dtype,
        saved_dtype,
    )  # they import torch: endpoints need none

    saved = saved_dtype(model)
    return str(generation_dtype(inference.bf16, saved)).removeprefix("torch."), str(saved).removeprefix("torch.")


def describe_endpoint(inference: InferenceParams) -> str:
    """Where a model that is not in this process is asked; no call is made, since it might cost something.

    Raises:
        ConfigError: a parameter, the recording or the key is missing or cannot be used.
    """
    if inference.backend == "replay":
        return f"recording {_recording(inference)}"
    from iterpref_core.inference.openai.openai_calls import check_base_url, read_key

    urls = [check_base_url(url) for url in _base_urls(inference)]
    for url in urls:
        read_key(url)
    return f"endpoint{'s' * (len(urls) > 1)} {', '.join(urls)}"


def _base_urls(inference: InferenceParams) -> tuple[str, ...]:
    if not inference.base_urls:
        raise ConfigError(
            f"inference.base_url: backend {inference.backend} needs one, such as https://api.openai.com/v1"
        )
    return inference.base_urls


def leaves_this_machine(inference: InferenceParams) -> bool:
    """Whether what a model is asked goes to another machine."""
    if inference.backend != "openai":
        return False
    from iterpref_core.inference.openai.openai_calls import is_loopback

    return not all(is_loopback(url) for url in inference.base_urls)


def _recording(inference: InferenceParams) -> Path:
    if inference.recording is None:
        raise ConfigError(
            f"inference.recording: backend {inference.backend} needs one: a JSONL file of recorded answers"
        )
    path = Path(inference.recording)
    if not path.is_file():
        raise ConfigError(f"inference.recording: no such file: {path}")
    return path
