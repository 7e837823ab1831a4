"""Open a model of any `inference.backend`, with its budget and answer store."""

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path

from iterpref_core.records import BACKENDS, BudgetParams, InferenceParams, PromptFormat

from ..pretrained.checkpoints import read_config, served_name
from ..pretrained.fingerprint import model_fingerprint
from .answer_store import AnswerStore
from .backend import BackendSettings
from .stored_model import StoredModel

logger = logging.getLogger(__name__)


@contextmanager
def open_model(
    model: Path | str,
    prompt: PromptFormat,
    inference: InferenceParams,
    budget: BudgetParams,
    store: AnswerStore | None,
) -> Iterator[StoredModel]:
    """Yield a model, ready to be asked. It is loaded or served when it is first asked for an answer that is not kept.

    Args:
        model: a checkpoint folder or hub id; for an endpoint the name it is served under; or a stage's folder that
            points at any of these.
        prompt: the format of prompts, for a model in this process or at a vLLM server of ours.
        inference: the parameters of the backend.
        budget: caps on the questions.
        store: keeps the answers; without one neither they nor their cost outlive this process.

    Raises:
        InputError: the model or a parameter of `inference` cannot be used.
    """
    model = check_model(model, prompt, inference)
    # A digest of gigabytes of weights is needed only for a store.
    identity = model_identity(model, prompt, inference) if store else ""
    guarded = leaves_this_machine(inference)
    adapted = store.known(identity, "adaptation") if store else frozenset[str]()
    settings = BackendSettings(
        model=model,
        prompt=prompt,
        inference=inference,
        adapted=adapted,
    )
    # The call makes the cheap checks, such as for a missing key. Its `with` block opens the model.
    opened = import_module(f"{__package__}.{BACKENDS[inference.backend].module}").open_backend(settings)
    if store and inference.base_url and not BACKENDS[inference.backend].local:
        others = store.known(identity, "address") - {inference.base_url}
        if others:
            logger.warning(
                "model %r: kept answers may be of another model: they came from %s, now it is %s; --fresh asks again",
                served_name(model),
                ", ".join(sorted(others)),
                inference.base_url,
            )
        store.remember(identity, "address", [inference.base_url])
    with ExitStack() as stack:
        yield StoredModel(
            lambda: stack.enter_context(opened),
            identity,
            store,
            budget,
            None if BACKENDS[inference.backend].local else inference,
            in_process=BACKENDS[inference.backend].in_process,
            adapted=adapted,
            concurrency=inference.concurrency,
            guarded=guarded,
        )


def check_model(
    model: Path | str,
    prompt: PromptFormat,
    inference: InferenceParams,
) -> Path | str:
    """Check a model with weights on this machine before anything is spent on it. An endpoint's cannot be checked.

    Returns:
        The model; a hub id with its commit.

    Raises:
        ModelError: the model's checkpoint cannot be used.
    """
    backend = BACKENDS[inference.backend]
    if not backend.checkpoint:
        return model
    from ..pretrained.weights import check_checkpoint  # imports transformers

    return check_checkpoint(model, prompt, loaded=backend.in_process)


def names_served(model: Path | str, backend: str) -> bool:
    """Return True if a model is at an endpoint: the backend asks a server, and the model is not a path.

    Servers name models as they like: `smollm2`, `/models/coder-q4.gguf`.
    """
    return not BACKENDS[backend].local and not isinstance(model, Path)


def model_at(name: Path | str, *, served: bool) -> Path | str:
    """Return the path of a folder that is here; another name as it is, and any name of a model at an endpoint.

    vLLM, SGLang and `transformers serve` name a model by its path, so that a folder here may have its server's name.

    Args:
        name: a folder, a hub id, or a model's name at an endpoint.
        served: the user stated that the model is at the endpoint.
    """
    return Path(name) if not served and Path(name).is_dir() else name


def model_identity(
    model: Path | str,
    prompt: PromptFormat,
    inference: InferenceParams,
) -> str:
    """Return the key of a model's answers: everything they depend on except prompt and sampling.

    For a checkpoint the key is its content, and the precision of the computation if that is not the checkpoint's own.
    For an endpoint it is the model's name, so that a moved server does not cost twice, with the API and the
    parameters of requests.

    Raises:
        InputError: the model cannot be used.
    """
    backend = BACKENDS[inference.backend]
    if not backend.local:
        name = served_name(model)
        if inference.api == "completions":
            name += " (completions)"
        if inference.request_fields:
            name += f" {json.dumps(inference.request_fields, sort_keys=True)}"
        return name
    fingerprint = model_fingerprint(model, prompt)
    if not (backend.checkpoint and backend.in_process):
        return fingerprint
    computed, saved = precision_of(model, inference)
    # Only another precision than the file's changes answers.
    if computed == saved:
        return fingerprint
    return f"{fingerprint} {computed}"


def precision_of(model: Path | str, inference: InferenceParams) -> tuple[str, str]:
    """Return the precision of a model's computation in this process, and of its file, such as `bfloat16`.

    Raises:
        ModelError: the model cannot be had.
    """
    import torch

    from ..pretrained.weights import generation_dtype

    saved = read_config(model).dtype or torch.float32
    computed = generation_dtype(inference.bf16, saved)
    return str(computed).removeprefix("torch."), str(saved).removeprefix("torch.")


def leaves_this_machine(inference: InferenceParams) -> bool:
    """Return True if prompts go to another machine: the backend has no weights here, and its server is not here."""
    if BACKENDS[inference.backend].local:
        return False
    from .endpoint import endpoint_url, is_loopback

    return not is_loopback(endpoint_url(inference))
