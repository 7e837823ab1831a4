"""`iterpref bench recipe`: some steps of a whole training, at the real size: tokens a second, MFU, memory, hours.

Trainer, collator, reference and estimate are those of `iterpref train`; weights and pairs are made up, since neither
changes what a step costs. Nothing is asked of a hub.
"""

import statistics
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel, Qwen2Config, TrainerCallback

from iterpref_core.config import TrainingParams
from iterpref_core.errors import ConfigError
from iterpref_core.inference.local.precision import uses_bf16
from iterpref_core.nanolab.byte_bpe import train_tokenizer
from iterpref_core.objectives.objectives import Objective, find_objective
from iterpref_core.training.dataset import TokenizedPair
from iterpref_core.training.layouts import Collator
from iterpref_core.training.model_shape import read_shape
from iterpref_core.training.pair_table import PairTable, write_pair_table
from iterpref_core.training.prepared_trainer import prepare_trainer, training_arguments
from iterpref_core.training.published_models import published_models
from iterpref_core.training.ranks import accumulation_steps, join_processes
from iterpref_core.training.reference import reference_logps, score_pairs
from iterpref_core.training.training_estimate import (
    ACCELERATORS,
    Estimate,
    Setting,
    default_precision,
    estimate_training,
)
from iterpref_core.training.workload import lengths_of_tokens, measure_workload
from tasks.benchmarks.device_meters import Device, this_device
from tasks.benchmarks.made_up_pairs import END_TOKEN, made_up_pairs
from tasks.benchmarks.spread import spread

PAPER_PAIRS = 59_000
WARM_UP = 1
"""Steps that are not counted: in the first kernels are compiled and the optimizer makes its state."""

_WARM_PAIRS = 8
_GIGA, _TERA = 1e9, 1e12


def model_configs() -> dict[str, PreTrainedConfig]:
    """By the word that `--shape` takes: Qwen2.5-Coder's published shapes, and one that a CPU trains in seconds."""
    published = {name.rpartition("-")[2]: config for name, config in published_models().items() if "Coder" in name}
    tiny = Qwen2Config(
        vocab_size=512, hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, dtype="bfloat16", bos_token_id=None, eos_token_id=END_TOKEN,
    )  # fmt: skip
    return published | {"tiny": tiny}


class _StepSeconds(TrainerCallback):
    """Seconds of each step, from the end of the one before: laying out, forward, backward and update."""

    def __init__(self, device: Device) -> None:
        self._device, self.seconds = device, list[float]()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        self._last = self._device.clock()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Note the step."""
        now = self._device.clock()
        self.seconds.append(now - self._last)
        self._last = now


class _TimedReference:
    """Scores the reference as training does; its seconds, those of compiling kernels not among them."""

    def __init__(
        self, policy: PreTrainedModel, rows: PairTable, params: TrainingParams, processes: PartialState, device: Device
    ) -> None:
        self._policy, self._rows, self._processes, self._device = policy, rows, processes, device
        self._options: dict[str, Any] = {"batch_size": 2 * params.micro_batch_size, "bf16": params.bf16 is True}
        self.seconds = 0.0

    def __call__(self, _: Collator, folder: Path) -> Dataset:
        """The log-probabilities of all pairs, kept in a folder."""
        score_pairs(self._policy, self._rows[:_WARM_PAIRS], **self._options)
        start = self._device.clock()
        scores = reference_logps(
            lambda: self._policy, self._rows, folder, "recipe", **self._options, processes=self._processes
        )
        self.seconds = self._device.clock() - start
        return scores


def bench_recipe(shape: str, objective: str, params: TrainingParams, pairs: int, steps: int) -> dict[str, Any]:
    """Train random weights of a real shape for some steps, in bfloat16 as `training.weights: saved` keeps them.

    Args:
        shape: a key of `model_configs`.
        objective: a row of `OBJECTIVES`.
        params: settings, such as those of the profile `paper-qwen2.5-coder-7b`.
        pairs: to make up; they are gone through as often as it takes.
        steps: of the optimizer, the first of which is not counted.

    Returns:
        What ran where, seconds a step, slots a second, model FLOPs as the estimate counts them, their share of the
        card's data sheet (`mfu`) and of a matrix product measured here, peak memory over the estimate, and hours for
        the paper's 59,000 pairs and the settings' epochs, reference included.

    Raises:
        ConfigError: there is no such objective, fewer pairs than a batch has, or too little memory.
    """
    if pairs < params.batch_size:
        raise ConfigError(f"--pairs {pairs}: a batch has {params.batch_size} (training.batch_size); give as many")
    device, row, config = this_device(), find_objective(objective, params.objectives), model_configs()[shape]
    own = {"weights": "saved", "bf16": uses_bf16(params.bf16, device.kind), "validation_share": 0.0, "select": "last"}
    params = params.model_copy(update=own)
    made_up = made_up_pairs(pairs, config.vocab_size, params)
    found = _estimate(config, made_up, row, params)
    if device.memory is not None and found.memory.total > device.memory:
        raise ConfigError(
            f"--shape {shape}: takes {found.memory.total / _GIGA:.0f} GB by the estimate, and {device.name} has "
            f"{device.memory / _GIGA:.0f}; name a smaller shape, or set training.lora_rank"
        )
    processes = join_processes()
    torch.manual_seed(params.seed)
    with device.place:
        policy = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    with tempfile.TemporaryDirectory(prefix="iterpref-bench-") as folder:
        work = Path(folder)
        write_pair_table(made_up, work / "pairs", END_TOKEN, lambda _: None)
        rows = PairTable(work / "pairs")
        reference, timer = _TimedReference(policy, rows, params, processes, device), _StepSeconds(device)
        arguments = training_arguments(
            params,
            row,
            accumulation_steps(params, processes.num_processes),
            pairs,
            work / "checkpoints",
            max_steps=steps,
            save_strategy="no",
        )
        trainer = prepare_trainer(
            policy,
            train_tokenizer(["def f(x):\n    return x\n"], vocab_size=300),
            rows,
            np.zeros(pairs, dtype=bool),
            row,
            params,
            arguments,
            partial(reference, folder=work / "reference") if row.preference else lambda _: None,
            processes,
            callbacks=[timer],
        )
        weights = sum(weight.nbytes for weight in trainer.model.parameters())
        peak = weights + device.peak_bytes(trainer.train)
    return {
        "device": device.name,
        "shape": shape,
        "objective": objective,
        "parameters": found.shape.parameters,
        "trained_parameters": found.trained,
        "precision": found.setting.precision,
        "layout": params.layout,
        "attention": policy.config._attn_implementation,  # noqa: SLF001 - transformers offers no other way to ask
        "gradient_checkpointing": params.gradient_checkpointing,
        "batch": f"{params.batch_size} pairs, {params.micro_batch_size} at once",
        "pairs": pairs,
        **_rates(found, params, timer.seconds[WARM_UP:], reference.seconds, device),
        "peak_gb": round(peak / _GIGA, 3),
        "estimate_gb": round(found.memory.total / _GIGA, 3),
        "peak_over_estimate": round(peak / found.memory.total, 3),
        "loss": trainer.mean_loss,
    }


def _estimate(
    config: PreTrainedConfig, pairs: Sequence[TokenizedPair], objective: Objective, params: TrainingParams
) -> Estimate:
    """As `iterpref train --estimate` makes it, of these pairs."""
    shape = read_shape(config)
    work = measure_workload([lengths_of_tokens(pair) for pair in pairs], objective, params)
    setting = Setting(default_precision(shape, params), lora_rank=params.lora_rank)
    return estimate_training(shape, work, objective, params, setting)


def _rates(
    found: Estimate, params: TrainingParams, steps: list[float], reference_s: float, device: Device
) -> dict[str, Any]:
    """What the seconds of steps and of scoring the reference come to."""
    work, step_s = found.workload, statistics.median(steps)
    batches = work.pairs / params.batch_size
    flops = found.flops.training / params.epochs / batches
    card = next((one for one in ACCELERATORS if one.reported == device.name), None)
    product = device.matmul_flops()
    training_h = PAPER_PAIRS * params.epochs / params.batch_size * step_s / 3600
    reference_h = PAPER_PAIRS / work.pairs * reference_s / 3600
    return {
        "slots_per_pair": round(work.slots / work.pairs),
        "counted_slots_per_pair": round(work.labels / work.pairs),
        "steps": len(steps),
        "step_s": spread(steps),
        "slots_per_s": round(work.slots / batches / step_s, 1),
        "counted_slots_per_s": round(work.labels / batches / step_s, 1),
        "model_flops_per_step": float(f"{flops:.4g}"),
        "model_tflops": round(flops / step_s / _TERA, 4),
        "data_sheet_tflops": card.flops / _TERA if card else "unknown",
        "mfu": round(flops / step_s / card.flops, 4) if card else "unknown",
        "matmul_tflops": round(product / _TERA, 4),
        "share_of_matmul": round(flops / step_s / product, 4),
        "reference_s_per_pair": round(reference_s / work.pairs, 5),
        "epochs": params.epochs,
        f"hours_for_{PAPER_PAIRS}_pairs": {
            "training": round(training_h, 2),
            "reference": round(reference_h, 2),
            "together": round(training_h + reference_h, 2),
        },
    }
