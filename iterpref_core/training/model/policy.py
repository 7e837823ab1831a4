"""Load the model to train as `training.load` names, with its adapters, and check what can be trained."""

import logging
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from pydantic import Field, PositiveInt, TypeAdapter, ValidationError
from torch.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts
from transformers import BitsAndBytesConfig, PreTrainedModel

from iterpref_core.models.pretrained.adapters import (
    STARTS,
    attach_adapters,
    read_adapter_options,
    try_adapters,
)
from iterpref_core.models.pretrained.checkpoints import locate_model, read_config
from iterpref_core.models.pretrained.weights import empty_model, load_base
from iterpref_core.records import Checkpointing, ConfigError, TrainingParams, first_line
from iterpref_core.records.config import FinitePositive

from .ranks import is_sharded

logger = logging.getLogger(__name__)

LORA_OPTIONS = (
    "alpha_pattern",
    "bias",
    "exclude_modules",
    "fan_in_fan_out",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "modules_to_save",
    "r",
    "rank_pattern",
    "target_modules",
    "target_parameters",
    "use_dora",
    "use_rslora",
)
"""Options of PEFT's `LoraConfig` (0.21) that a test has seen write the model that was trained."""
_NUMBERS = {
    "alpha_pattern": dict[str, FinitePositive],
    "lora_alpha": FinitePositive,
    "lora_dropout": Annotated[float, Field(ge=0, lt=1)],
    "rank_pattern": dict[str, PositiveInt],
}
"""Types of options that PEFT also takes with values that train no weight."""

_KEPT = ("aten.mm.", "aten.addmm.", "aten._scaled_dot_product", "flex_attention")
"""Operations whose results selective checkpointing keeps: matrix products and attention. The others are cheap."""


def load_policy(model: Path | str, params: TrainingParams, device: torch.device) -> PreTrainedModel | PeftModel:
    """Return the model to train, in the precision that `training.load` names.

    bitsandbytes quantizes. Four bits are as in QLoRA (arXiv 2305.14314, sections 3.1 and 3.2): NormalFloat, with
    constants that are quantized again. Eight bits are LLM.int8 (arXiv 2208.07339).

    Adapters that it has are trained further; it is the reference with them, as it is now.

    Args:
        model: a folder or hub id.
        params: settings, with `bf16` decided.
        device: where a quantized model is made; others are made in main memory.

    Raises:
        ModelError: the model is absent or cannot be read.
    """
    source = locate_model(model)
    base = _load_base(model, params, device)
    return base if source.adapters is None else attach_adapters(base, source, trainable=True)


def _load_base(model: Path | str, params: TrainingParams, device: torch.device) -> PreTrainedModel:
    """Return the model without adapters of its own."""
    options: dict[str, Any] = {"dtype": torch.bfloat16 if params.load == "bf16" else "auto"}
    if params.load in ("8bit", "4bit"):
        # Embeddings, norms and the head, which bitsandbytes leaves, have the precision of the matrix products.
        computed = torch.bfloat16 if params.bf16 else torch.float32
        options["dtype"] = computed
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_8bit=params.load == "8bit",
            load_in_4bit=params.load == "4bit",
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=computed,
        )
        if device.type == "cuda":
            options["device_map"] = {"": device}
    policy = load_base(model, **options)
    # On a CPU bitsandbytes has a kernel of another precision for passes that need no gradient, as the reference's. It
    # repacks the weights, so that later passes give the layers below no gradient.
    for layer in policy.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
    # In bfloat16 small updates would be lost.
    return policy.float() if params.load == "auto" and params.lora is None else policy


def adapter_options(model: Path | str, params: TrainingParams) -> LoraConfig | None:
    """Return PEFT's options of the adapters to train: the options of the model's own adapters, else `training.lora`.

    Raises:
        ConfigError: the model has adapters, and `training.lora` is null or asks for others; or PEFT has none for it.
    """
    source = locate_model(model)
    wanted = lora_config(params)
    if source.adapters is None:
        if wanted is not None:
            try_adapters(empty_model(read_config(model)), wanted)
        return wanted
    options = read_adapter_options(source)
    remedy = "merge them first (`iterpref export --model FOLDER --out NEW`), and train NEW"
    if wanted is None or params.lora is None:
        raise ConfigError(
            f"{source}: these adapters are trained further with training.lora: {{}} (params.yaml); to train all "
            f"weights, {remedy}"
        )
    # Options that are not stated keep the adapters' own values.
    for name in params.lora:
        stated = getattr(wanted, name)
        had = getattr(options, name)
        if stated != had:
            raise ConfigError(
                f"params.yaml: training.lora.{name}: is {stated!r}, and the adapters in {source} have {had!r}; remove "
                f"it to train these further, or {remedy}"
            )
    return options


def lora_config(params: TrainingParams) -> LoraConfig | None:
    """Return PEFT's configuration of adapters; None where all parameters are trained.

    By default all linear layers but the head have adapters.

    Raises:
        ConfigError: an option is unknown or cannot be trained here, or has a value that PEFT refuses.
    """
    if params.lora is None:
        return None
    types = get_type_hints(LoraConfig) | _NUMBERS
    for name, value in params.lora.items():
        if name not in LORA_OPTIONS:
            raise ConfigError(
                f"params.yaml: training.lora.{name}: is not known to write the model that was trained; remove it; "
                f"there are {', '.join(LORA_OPTIONS)}"
            )
        check_type(f"params.yaml: training.lora.{name}", types[name], value)
    start = params.lora.get("init_lora_weights", True)
    # "eva" reads a batch of data first, which PEFT is not given.
    trained = [each for each in STARTS if each != "eva"]
    if start not in trained:
        raise ConfigError(
            f"params.yaml: training.lora.init_lora_weights: {start}: is not known to leave the base as it is; set "
            f"one of {', '.join(map(str, trained))}"
        )
    # The user's options come last, so they replace ours.
    options = {
        "target_modules": "all-linear",
        "task_type": "CAUSAL_LM",
    } | params.lora
    try:
        return LoraConfig(**options)
    except (ValueError, TypeError, ImportError) as error:
        raise ConfigError(f"params.yaml: training.lora: {first_line(error)}; correct the option") from None


def check_type(where: str, kind: Any, value: Any) -> None:
    """Refuse a value that is not of a library's type, or not within the limits of one.

    Args:
        where: names it for the user.
        kind: as pydantic takes it.
        value: from params.yaml.

    Raises:
        ConfigError: it is not.
    """
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ConfigError(f"{where}: is {value!r}: {reason}; correct the value, or remove it") from None


def check_adapters_of(model: PreTrainedModel | PeftModel) -> None:
    """Refuse adapters that would change the objective.

    Raises:
        ConfigError: an adapter is on the head, which computes log-probabilities, or an adapter or a trained copy is on
            an embedding that is also the head.
    """
    if not isinstance(model, PeftModel):
        return
    base = model.get_base_model()
    if isinstance(base.get_output_embeddings(), BaseTunerLayer):
        raise ConfigError(
            "params.yaml: training.lora: an adapter is on the output head; leave lm_head out of target_modules, or "
            "train a copy of it (modules_to_save)"
        )
    configs = (base.config, base.config.get_text_config())
    if not any(getattr(config, "tie_word_embeddings", False) for config in configs):
        return
    for layer in (base.get_input_embeddings(), base.get_output_embeddings()):
        if any(weight.requires_grad for weight in layer.parameters()):
            raise ConfigError(
                "params.yaml: training.lora: the embedding is also the head (tie_word_embeddings), and an adapter on "
                "either would part them; leave embed_tokens and lm_head out of target_modules and modules_to_save"
            )


def freeze_other_parts(model: PreTrainedModel) -> None:
    """Freeze the weights that texts do not reach, such as a vision part, and adapters on them."""
    if model.config.get_text_config() is model.config:
        return
    # By identity: a head that is also the embedding is one weight with two names.
    reached: set[int] = set()
    for part in (model.get_decoder(), model.get_output_embeddings()):
        reached.update(map(id, part.parameters()))
    for weight in model.parameters():
        if id(weight) not in reached:
            weight.requires_grad_(False)


def report_half_precision(model: torch.nn.Module) -> None:
    """Warn once if weights are trained that half precision holds: it rounds most of a small step away."""
    if any(weight.requires_grad and weight.dtype in (torch.bfloat16, torch.float16) for weight in model.parameters()):
        logger.warning(
            "weights are trained in half precision, which rounds small steps away: at a rate of 1e-5, 40 steps made "
            "17% of the change of float32 weights; load float32 weights (dtype=torch.float32, training.load: auto), "
            "with optim: adamw_8bit where memory is short, or train adapters"
        )


def checkpointing_options(choice: Checkpointing) -> dict[str, Any]:
    """Return the options of `torch.utils.checkpoint` for `training.gradient_checkpointing`."""
    options: dict[str, Any] = {"use_reentrant": False}
    if choice == "selective":
        options["context_fn"] = partial(create_selective_checkpoint_contexts, _keeps)
    return options


def _keeps(_context: Any, operation: Any, *_: Any, **__: Any) -> CheckpointPolicy:
    kept = str(operation).startswith(_KEPT)
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE


def check_load(model: Path | str | None, params: TrainingParams) -> None:
    """Refuse quantized weights that cannot be trained here, before any computation.

    Args:
        model: a folder or hub id, which may be quantized itself; None if it is not there yet.
        params: settings.

    Raises:
        ConfigError: adapters are missing, bitsandbytes is not installed, another library has quantized the weights, or
            they are sharded.
    """
    saved = getattr(model and read_config(model), "quantization_config", None)
    named = f"params.yaml: training.load: {params.load}"
    if saved is not None:
        named = f"{model}: quantized"
        method = saved.get("quant_method", "bitsandbytes")
        if method != "bitsandbytes":
            raise ConfigError(f"{named} by {method}, which is for answers alone; train the model that it was made of")
    elif params.load not in ("8bit", "4bit"):
        return
    if params.lora is None:
        raise ConfigError(
            f"{named}: quantized weights cannot be trained themselves; set training.lora, such as "
            "{r: 16, lora_alpha: 32}, or train weights that are not (training.load: bf16)"
        )
    if find_spec("bitsandbytes") is None:
        raise ConfigError(f"{named}: needs bitsandbytes, which is not installed: pip install 'iterpref[quantization]'")
    if is_sharded():
        raise ConfigError(
            f"{named}: quantized weights are not sharded; choose a configuration of data parallel training "
            "(training.accelerate), which holds them whole on every GPU, or training.load: bf16"
        )
