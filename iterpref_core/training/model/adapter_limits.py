"""Limits of adapters: the options of PEFT with which the written model is the trained one; others are refused.

An adapter adds B A to a weight W of its base. Some starts of A and B (`init_lora_weights`) take their product out of W,
so that the model begins as it was: it is then W - B0 A0 + B A. Whoever adds B A to W as it was saved has another model.
"""

import math
import re
from typing import Any

from peft import LoraConfig, PeftModel
from transformers import PreTrainedModel

from iterpref_core.records.errors import ConfigError
from iterpref_core.training.model.ranks import is_sharded

TAKEN = frozenset(
    {
        "alpha_pattern",
        "base_model_name_or_path",
        "bias",
        "exclude_modules",
        "fan_in_fan_out",
        "init_lora_weights",
        "layer_replication",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "modules_to_save",
        "peft_version",
        "r",
        "rank_pattern",
        "revision",
        "target_modules",
        "target_parameters",
        "trainable_token_indices",
        "use_dora",
        "use_rslora",
    }
)
"""The options of `LoraConfig` (PEFT 0.21) of which tests have seen that the written model is the trained one."""

_STARTS = (True, False, "gaussian", "orthogonal", "mica", "pissa", "pissa_niter_4", "olora")
"""Starts that can be set; PiSSA's with any number of iterations. Others need data, or quantize the base."""
_BESIDE = (True, False, "gaussian", "orthogonal", "mica", "eva")
"""Starts that leave the base as it is."""


def check_names(options: dict[str, Any]) -> None:
    """Refuse options of `LoraConfig` with which the written model is not known to be the trained one.

    Args:
        options: by their names, of which all are options of `LoraConfig`.

    Raises:
        ConfigError: the first such option, and the reason.
    """
    usual = LoraConfig(task_type="CAUSAL_LM")
    for name, value in options.items():
        if name not in TAKEN and value != getattr(usual, name):
            raise ConfigError(
                f"params.yaml: training.lora.{name}: is not known to write the model that was trained; remove it "
                "(docs/training-settings.md has the options that are)"
            )
    _check_numbers(options)
    start = options.get("init_lora_weights", True)
    if start not in _STARTS and not re.fullmatch(r"pissa_niter_\d+", str(start)):
        known = ", ".join(map(str, _STARTS))
        raise ConfigError(
            f"params.yaml: training.lora.init_lora_weights: {start}: is not known to write the model that was trained; "
            f"set one of {known}"
        )


def _check_numbers(options: dict[str, Any]) -> None:
    """Refuse numbers with which adapters do nothing, are no numbers, or which PEFT reads as others.

    Raises:
        ConfigError: the first such number.
    """
    named: list[tuple[str, str, Any]] = []
    for name in ("r", "lora_alpha"):
        if name in options:
            named.append((name, name, options[name]))
    for pattern, name in (("rank_pattern", "r"), ("alpha_pattern", "lora_alpha")):
        if isinstance(options.get(pattern), dict):
            named += [(f"{pattern}.{module}", name, value) for module, value in options[pattern].items()]
    for shown, name, value in named:
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
        if name == "r" and not (number and isinstance(value, int)):
            raise ConfigError(f"params.yaml: training.lora.{shown}: is {value!r}; give a whole number, 1 or more")
        if not number:
            raise ConfigError(
                f"params.yaml: training.lora.{shown}: is {value!r}, with which adapters do nothing; give a number "
                "above 0 that is finite"
            )
    dropout = options.get("lora_dropout", 0.0)
    if isinstance(dropout, bool) or not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise ConfigError(f"params.yaml: training.lora.lora_dropout: is {dropout!r}; give a share from 0 to below 1")


def changes_base(options: LoraConfig) -> bool:
    """Return whether the start of adapters changes the weights of their base."""
    return options.init_lora_weights not in _BESIDE


def check_start(options: LoraConfig, *, merge: bool, quantized: bool) -> None:
    """Refuse adapters of which another model than the trained one would be written.

    Args:
        options: of the adapters.
        merge: whether they become part of a whole model; else they are written alone.
        quantized: whether the base is held in fewer bits than those in which it was saved.

    Raises:
        ConfigError: the option, and what to set.
    """
    start = options.init_lora_weights
    named = f"params.yaml: training.lora.init_lora_weights: {start}"
    if changes_base(options) and quantized:
        raise ConfigError(
            f"{named}: changes the base, whose weights are quantized (training.load); set another start, or "
            "training.load: auto"
        )
    if changes_base(options) and is_sharded():
        raise ConfigError(
            f"{named}: changes the base, which is not whole in any process where weights are sharded; set another "
            "start, or choose a configuration of data parallel training (training.accelerate)"
        )
    if changes_base(options) and not merge:
        raise ConfigError(
            f"{named}: changes the base, which is not written with training.merge: false; set training.merge: true, or "
            "another start"
        )
    if options.layer_replication and merge:
        raise ConfigError(
            "params.yaml: training.lora.layer_replication: layers that share weights cannot be merged with adapters of "
            "their own; set training.merge: false"
        )
    if options.trainable_token_indices and is_sharded():
        raise ConfigError(
            "params.yaml: training.lora.trainable_token_indices: PEFT trains no tokens where weights are sharded; "
            "choose a configuration of data parallel training (training.accelerate)"
        )


def check_tied(model: PreTrainedModel | PeftModel) -> None:
    """Refuse adapters on an embedding that is also the head, but for single tokens, which both then have.

    Raises:
        ConfigError: an adapter, or a trained copy, is on one of the two.
    """
    if not isinstance(model, PeftModel):
        return
    base = model.get_base_model()
    if not base.config.get_text_config().tie_word_embeddings:
        return
    for layer in (base.get_input_embeddings(), base.get_output_embeddings()):
        names = [name for name, weight in layer.named_parameters() if weight.requires_grad]
        if any("trainable_tokens_delta" not in name for name in names):
            raise ConfigError(
                "the embedding is also the head (tie_word_embeddings), and an adapter on one of them would part them; "
                "leave embed_tokens and lm_head out of target_modules and modules_to_save (single tokens are trained "
                "with trainable_token_indices)"
            )
