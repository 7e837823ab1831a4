"""Verb about costs at other sizes."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.shared import DEFAULT_PARAMS, JsonOption, ParamsOption
from iterpref_core.config import load_params

if TYPE_CHECKING:
    from iterpref_core.training.method_costs import Generation, Scaled

PANEL = "Experiment"
SIZES = (1_000, 59_000, 1_000_000)
_GENERATION = ("pairs", "problems", "calls", "prompt, new tokens", "dollars", "CPU-hours", "disk, GB")
_TRAINING = (
    "model",
    "pairs",
    "H100s",
    "peak of each, GB",
    "reference, GB",
    "GPU-hours: training",
    "evaluation",
    "hours",
    "dollars",
    "disk, GB",
)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(rich_help_panel=PANEL)(estimate)


def estimate(
    pairs: Annotated[list[int] | None, typer.Option(min=1, help="Number of pairs; repeatable.")] = None,
    price_prompt: Annotated[float | None, typer.Option(min=0, help="Dollars per million prompt tokens.")] = None,
    price_completion: Annotated[float | None, typer.Option(min=0, help="Dollars per million new tokens.")] = None,
    gpu_hour: Annotated[float | None, typer.Option(min=0, help="Dollars per hour of one H100.")] = None,
    mfu: Annotated[float | None, typer.Option(min=0.01, max=1, help="Share of the peak that training reaches.")] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Estimate what CodeFlow, training and evaluation cost at several numbers of pairs and models (docs/scaling.md)."""
    from iterpref_core.training.method_costs import Assumptions, scale

    given: dict[str, Any] = {
        "price_prompt": price_prompt,
        "price_completion": price_completion,
        "gpu_hour": gpu_hour,
        "mfu": mfu,
    }
    assumed = replace(Assumptions(), **{name: value for name, value in given.items() if value is not None})
    generation, trained = scale(pairs or SIZES, load_params(params).training, assumed)
    if json_:
        found = {
            "assumptions": asdict(assumed),
            "generation": [{"pairs": count, **asdict(row)} for count, row in generation.items()],
            "models": [asdict(row) | {"training": row.training.as_dict()} for row in trained],
        }
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(_table(_GENERATION, [_generation_row(count, row) for count, row in generation.items()]))
    typer.echo("")
    typer.echo(_table(_TRAINING, [_training_row(row) for row in trained]))


def _generation_row(pairs: int, row: "Generation") -> list[str]:
    tokens = f"{_short(row.prompt_tokens / 1e6)} M, {_short(row.completion_tokens / 1e6)} M"
    counts = [f"{count:,}" for count in (pairs, row.problems, row.calls)]
    return [*counts, tokens, _short(row.dollars), _short(row.cpu_hours), _short(row.disk / 1e9)]


def _training_row(row: "Scaled") -> list[str]:
    hours = row.training_hours + row.evaluation_hours
    numbers = (row.training_hours, row.evaluation_hours, hours / row.gpus, row.dollars, row.disk / 1e9)
    peak = f"{row.training.memory.total / 1e9:.0f}"
    return [row.model, f"{row.pairs:,}", str(row.gpus), peak, f"{row.reference_copy / 1e9:.0f}", *map(_short, numbers)]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown, so that it can stand in a document."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
