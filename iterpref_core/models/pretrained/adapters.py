"""Adapters on their base: LoRA weights in a folder of their own, put into the layers that they adapt."""

import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import PreTrainedModel

from iterpref_core.records import ConfigError, ModelError, first_line, model_errors

from .checkpoints import ADAPTERS, ModelSource

if TYPE_CHECKING:
    # PEFT takes seconds, and brings bitsandbytes where that is installed, which looks for kernels on a hub and warns if
    # they are missing. A model without adapters needs neither.
    from peft import LoraConfig, PeftModel

_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
STARTS = (True, False, "gaussian", "orthogonal", "eva", "mica")
"""Starts (`init_lora_weights`) that leave the base as it is. Others take the product of A and B out of a weight of the
base, so that it is W - B0 A0 + B A: B A added to W as it was saved gives another model."""


def check_adapters(source: ModelSource) -> None:
    """Look for the adapters of a model, if it has some; their numbers are not read.

    Raises:
        ModelError: their options cannot be read, or their weights are not there.
    """
    if source.adapters is None:
        return
    read_adapter_options(source)
    if not any((Path(source.adapters) / name).is_file() for name in _WEIGHTS):
        raise ModelError(f"{source}: has {ADAPTERS} and no {_WEIGHTS[0]}; train again, or copy the folder again")


def read_adapter_options(source: ModelSource) -> "LoraConfig":
    """Return the options of a model's adapters.

    Raises:
        ModelError: they cannot be read, or their start has changed the base.
    """
    from peft import LoraConfig

    assert source.adapters is not None
    with model_errors(source, ADAPTERS):
        options: LoraConfig = LoraConfig.from_pretrained(source.adapters)
    if options.init_lora_weights not in STARTS:
        raise ModelError(
            f"{source}: {ADAPTERS} has init_lora_weights: {options.init_lora_weights}, which changes the base, so that "
            "the trained model is not in this folder; save it with PEFT's "
            "path_initial_model_for_weight_conversion, or merged"
        )
    return options


def try_adapters(model: PreTrainedModel, options: "LoraConfig") -> None:
    """Put fresh adapters on a model without numbers, so that faults are found before its weights are loaded.

    Args:
        model: from `empty_model`, which is changed.
        options: of the adapters.

    Raises:
        ConfigError: the model lacks a module that is named, or PEFT has no adapters of this kind for it.
    """
    from peft import get_peft_model

    modules = [name for name, _ in model.named_modules()]
    try:
        # Some starts compute with the numbers of the base. PEFT only warns of some names, and not of each.
        with warnings.catch_warnings(action="ignore"):
            tuner = get_peft_model(model, replace(options, init_lora_weights=False)).base_model
        adapted = [*tuner.targeted_module_names, *tuner.targeted_parameter_names]
        places = {
            "alpha_pattern": adapted,
            "exclude_modules": modules,
            "layers_to_transform": ".".join(adapted).split("."),
            "modules_to_save": modules,
            "rank_pattern": adapted,
            "target_modules": modules,
            "target_parameters": adapted,
        }
        for option, names in places.items():
            given = getattr(options, option)
            # PEFT compares the ends of names, and takes patterns as regular expressions.
            for part in [given] if isinstance(given, str | int) else given or ():
                if part != "all-linear" and not any(re.fullmatch(rf"(.*\.)?({part})", name) for name in names):
                    raise ValueError(f"{option}: {part} has no effect on it")
    except (ValueError, TypeError, NotImplementedError, re.error) as error:
        raise ConfigError(
            f"params.yaml: training.lora: this model cannot be trained with these adapters: {first_line(error)}; "
            "correct the options, or set training.lora: null to train all weights"
        ) from None


def attach_adapters(base: PreTrainedModel, source: ModelSource, *, trainable: bool = False) -> "PeftModel":
    """Put adapters into the layers of their base.

    Args:
        base: the base, loaded; the adapted layers take the place of its own.
        source: names the adapters.
        trainable: whether gradients go to the adapters, as where their training goes on.

    Raises:
        ModelError: their weights cannot be read, or do not fit the base.
    """
    from peft import PeftModel

    assert source.adapters is not None
    read_adapter_options(source)
    # PEFT only warns of weights that are missing; here they are an error.
    with model_errors(source, "adapters"), warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*missing adapter keys")
        return PeftModel.from_pretrained(base, source.adapters, is_trainable=trainable)
