"""Read the curve and the weights that a training has left in a folder."""

import csv

from safetensors.torch import load_file


def read_curve(folder):
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_validation(folder):
    """Return the validation losses by their steps."""
    return {int(row["step"]): float(loss) for row in read_curve(folder) if (loss := row["validation/loss"])}


def read_weights(model):
    return load_file(model / "model.safetensors")
