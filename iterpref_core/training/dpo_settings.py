"""Settings of TRL's `DPOConfig`: names that differ by version, and those that do nothing here.

The latter are refused, because a run would be another than it seems.
"""

from dataclasses import fields

from datasets import Dataset
from trl import DPOConfig

from iterpref_core.errors import ConfigError

CHECKPOINTING = next(
    name
    for name in ("activation_checkpointing", "gradient_checkpointing")
    if name in {field.name for field in fields(DPOConfig)}
)
"""The setting for gradient checkpointing; the latter before transformers renamed it."""

_OF_ANOTHER_LOSS = (
    "loss_type", "loss_weights", "ld_alpha", "f_divergence_type", "label_smoothing", "use_weighting", "sync_ref_model",
)  # fmt: skip


def refuse_ignored(args: DPOConfig | None, train_dataset: Dataset | None) -> None:
    """Compare what TRL's trainer was given with what this project's trainer does.

    Args:
        args: the settings; None for TRL's defaults, which load a reference model.
        train_dataset: the training pairs.

    Raises:
        ConfigError: a setting asks for another loss or for a second model, or the data set is not `focal_dataset`'s.
    """
    if args is None or not args.precompute_ref_log_probs:
        raise ConfigError(
            "args.precompute_ref_log_probs is False, which would load a reference model; the reference stands in the "
            "data set, so give DPOConfig(precompute_ref_log_probs=True, ...)"
        )
    defaults = {
        field.name: field.default_factory() if callable(field.default_factory) else field.default
        for field in fields(DPOConfig)
        if field.name in _OF_ANOTHER_LOSS
    }
    for name, default in defaults.items():
        if (given := getattr(args, name)) != default:
            raise ConfigError(
                f"args.{name} is {given!r}, which this trainer's loss knows nothing of; leave it at {default!r}, and "
                "choose an objective and its alpha instead"
            )
    if train_dataset is not None and "prompt_ids" not in train_dataset.column_names:
        raise ConfigError(
            f"train_dataset is not in tokens: it has the columns {', '.join(train_dataset.column_names)}; make it by "
            "`iterpref_core.training.focal_dataset.focal_dataset`"
        )
