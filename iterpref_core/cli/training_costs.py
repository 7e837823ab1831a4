"""`iterpref train --estimate`: what a training would take, as a table or as JSON."""

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from iterpref_core.config import PromptStyle, TrainingParams
from iterpref_core.inference.local.checkpoints import read_config
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.objectives.objectives import find_objective
from iterpref_core.training.dataset import load_pairs
from iterpref_core.training.estimate import CARDS, MARGIN, Estimate, estimate_training


def show_estimate(
    pairs: Path,
    spans: Path,
    model: str,
    objective: str,
    params: TrainingParams,
    prompt: PromptStyle,
    gpus: int,
    mfu: float,
    total_pairs: int | None,
    *,
    as_json: bool,
) -> None:
    """Estimate from the model's configuration and tokenizer and the pairs, and print it.

    Args:
        pairs: preference pairs.
        spans: their error regions.
        model: folder or hub id, of which configuration and tokenizer are read.
        objective: a row of the table of objectives.
        params: settings.
        prompt: whether the model reads prompts in its chat template.
        gpus: cards that share state and batch.
        mfu: share of a card's peak that training reaches.
        total_pairs: how many there will be, if these are a sample.
        as_json: JSON instead of a table.

    Raises:
        InputError: model or pairs cannot be used.
    """
    rows = load_pairs(pairs, spans, load_tokenizer(model, prompt), params)
    row = find_objective(objective, params.objectives)
    found = estimate_training(read_config(model), rows, row, params, gpus=gpus, total_pairs=total_pairs)
    cards = {card.name: {"fits": found.fits(card), "hours": found.hours(card, mfu)} for card in CARDS}
    if as_json:
        typer.echo(json.dumps({**vars(found), "peak_bytes": found.peak_bytes, "cards": cards}, indent=2))
    else:
        _print(found, mfu)


def _print(found: Estimate, mfu: float) -> None:
    parts = Table("", "", box=None, show_header=False)
    parts.add_row("parameters", f"{found.parameters:,}, of which trained {found.trained:,}")
    parts.add_row("steps", f"{found.steps:,}")
    for name, size in (
        ("weights, gradients, optimizer", found.state_bytes),
        ("tensors of a micro-batch", found.batch_bytes),
        ("gathered for a moment", found.gathered_bytes),
        ("peak of each card", found.peak_bytes),
    ):
        parts.add_row(name, f"{size / 1e9:.2f} GB")
    cards = Table("card", "GB", "fits", "hours", "GPU-hours", box=None)
    for card in CARDS:
        hours = found.hours(card, mfu)
        fits = "yes" if found.fits(card) else "no"
        cards.add_row(card.name, f"{card.memory / 1e9:.0f}", fits, f"{hours:.3g}", f"{hours * found.gpus:.3g}")
    console = Console()
    console.print(parts)
    console.print(cards)
    console.print(
        f"Hours at {mfu:.0%} of a card's dense bfloat16 peak, the reference included. Fits: with {MARGIN:.0%} of the "
        "card left free."
    )
