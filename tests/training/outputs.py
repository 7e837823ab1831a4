"""Outputs of a training: the curve and the weights in a folder."""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from safetensors.torch import load_file


def read_curve(folder: Path) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_validation(folder: Path) -> dict[int, float]:
    """Return the validation losses by their steps."""
    return {int(row["step"]): float(loss) for row in read_curve(folder) if (loss := row["validation/loss"])}


def read_weights(model: Path) -> dict[str, torch.Tensor]:
    return load_file(model / "model.safetensors")
