"""`iterpref train --estimate`: what a training would take, as a table or as JSON."""

import json
from pathlib import Path
from typing import Any, cast, get_args

import typer
from rich.console import Console
from rich.table import Table

from iterpref_core.cli.shared import choose
from iterpref_core.config import PromptStyle, TrainingParams
from iterpref_core.errors import ConfigError, ModelError
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.objectives.objectives import find_objective
from iterpref_core.training.model_shape import read_local_config, read_shape
from iterpref_core.training.training_estimate import (
    ACCELERATORS,
    MARGIN,
    Estimate,
    PrecisionName,
    Setting,
    default_precision,
    estimate_training,
)
from iterpref_core.training.workload import measure_workload, read_lengths

GIGA = 1e9


def show_estimate(
    pairs: Path,
    spans: Path,
    model: str,
    objective: str,
    params: TrainingParams,
    prompt: PromptStyle,
    options: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Estimate from the model's configuration and the pairs, and print it.

    Args:
        pairs: preference pairs.
        spans: their error regions.
        model: folder or hub id; its config.json must be on this machine, its tokenizer may be.
        objective: a row of the table of objectives.
        params: settings.
        prompt: whether the model reads prompts in its chat template.
        options: `gpus`, `precision`, `mfu`, `total_pairs`, as on the command line.
        as_json: JSON instead of a table.

    Raises:
        InputError: configuration or pairs cannot be used.
    """
    shape = read_shape(read_local_config(model))
    tokenizer = _tokenizer(model, prompt)
    lengths = read_lengths(pairs, spans, tokenizer, params)
    row = find_objective(objective, params.objectives)
    wanted = options["precision"] or default_precision(shape, params)
    precision = cast("PrecisionName", choose("--precision", wanted, get_args(PrecisionName)))
    setting = Setting(precision, options["gpus"], params.lora_rank, options["mfu"])
    if params.batch_size % (params.micro_batch_size * setting.gpus):
        raise ConfigError(
            f"params.yaml: training.batch_size: {params.batch_size} is no multiple of training.micro_batch_size = "
            f"{params.micro_batch_size} on {setting.gpus} GPUs; change one of them"
        )
    workload = measure_workload(lengths, row, params)
    found = estimate_training(shape, workload, row, params, setting, options["total_pairs"])
    exact = {"lengths": "tokens" if tokenizer else "guessed from characters: the tokenizer is not on this machine"}
    if as_json:
        typer.echo(json.dumps(found.as_dict() | exact, indent=2))
    else:
        print_estimate(found, params, options["total_pairs"], exact["lengths"])


def _tokenizer(model: str, prompt: PromptStyle) -> Any:
    """The tokenizer, or None where there is none on this machine: lengths are guessed then, and the result says so."""
    try:
        return load_tokenizer(model, prompt, local_only=True)
    except ModelError:
        return None


def print_estimate(found: Estimate, params: TrainingParams, total_pairs: int | None, lengths: str) -> None:
    """The estimate for people: what, memory by part, FLOPs, and each card's hours."""
    setting, work, memory, flops = found.setting, found.workload, found.memory, found.flops
    what = Table("", "", box=None, show_header=False)
    what.add_row("parameters", f"{found.shape.parameters:,}, of which trained {found.trained:,}")
    what.add_row("precision", f"{setting.precision}; {setting.gpus} GPU{'s' * (setting.gpus > 1)}")
    sample = f", {work.pairs:,} of them measured" if total_pairs else ""
    what.add_row("pairs", f"{total_pairs or work.pairs:,}{sample}; lengths: {lengths}")
    what.add_row(
        "an epoch of these",
        f"{work.slots:,} slots in layout {params.layout}; {work.labels:,} of them count for something",
    )
    checkpointing = "with" if params.gradient_checkpointing else "without"
    what.add_row(
        "training",
        f"{params.epochs} epochs, {found.steps:,} steps of {params.batch_size} pairs, {params.micro_batch_size} "
        f"at once on a card, {checkpointing} gradient checkpointing",
    )
    parts = Table("memory of each GPU, GB", "", box=None)
    for name in ("weights", "gradients", "optimizer", "activations", "head", "gathered"):
        parts.add_row(f"  {name}", f"{getattr(memory, name) / GIGA:.2f}")
    parts.add_row("  reference pass, before these but the weights", f"{memory.reference / GIGA:.2f}")
    parts.add_row("  peak", f"{memory.total / GIGA:.2f}")
    parts.add_row("reference cache on disk, GB", f"{found.reference_cache / GIGA:.3f}")
    work_done = Table("FLOPs", "", box=None)
    work_done.add_row("  forward and backward", f"{flops.training:.3g}")
    work_done.add_row("  computed again", f"{flops.recompute:.3g}")
    work_done.add_row("  reference", f"{flops.reference:.3g}")
    cards = Table("card", "bf16 TFLOP/s", "GB", "fits", "GPU-hours", "hours", box=None)
    for one in ACCELERATORS:
        hours = found.gpu_hours(one)
        fits = "yes" if found.fits(one) else "no"
        cards.add_row(
            one.name, f"{one.flops / 1e12:.0f}", f"{one.memory / GIGA:.0f}", fits, f"{hours:.3g}",
            f"{hours / setting.gpus:.3g}",
        )  # fmt: skip
    console = Console()
    for table in (what, parts, work_done, cards):
        console.print(table)
    console.print(
        f"Hours at {setting.mfu:.0%} of a card's dense bf16 peak, recomputation not counted. Fits: with {MARGIN:.0%} "
        "of the card left free. Evaluation and loading are not in it."
    )
