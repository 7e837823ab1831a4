"""A batch is the same batch however it is computed: at once, in parts, in several processes."""

import csv
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from iterpref_core.config import TrainingParams
from iterpref_core.objectives.objectives import ObjectiveName
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.training.training import train_objective

Inputs = tuple[Path, Path, Path]


@pytest.fixture(scope="session")
def uneven(
    pair_records: list[PreferencePair],
    span_records: list[FocalSpans],
    model_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Inputs:
    """Programs of very different lengths; 11 pairs, so that the last batch of an epoch is not full."""
    folder = tmp_path_factory.mktemp("uneven")
    pairs = [
        pair.model_copy(update={"chosen": pair.chosen + f"print({number})\n" * (number % 5)})
        for number, pair in enumerate(pair_records[:11])
    ]
    write_jsonl(folder / "pairs.jsonl", pairs)
    write_jsonl(folder / "focal.jsonl", span_records[:11])
    return folder / "pairs.jsonl", folder / "focal.jsonl", model_folder


def _train(
    folder: Path, inputs: Inputs, objective: ObjectiveName, params: TrainingParams
) -> tuple[dict[str, list[float]], dict[str, torch.Tensor]]:
    """The columns of the curve, without the epoch, which the trainer counts in micro-batches; and the weights."""
    train_objective(*inputs, objective, params, folder / "out", folder / "curve.csv", folder / "work")
    with (folder / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    curve = {name: [float(row[name]) for row in rows] for name in rows[0] if name != "epoch"}
    return curve, load_file(folder / "out" / "model.safetensors")


CASES = [("target-dpo", "mean")]  # no likelihood is part of it
CASES += [(objective, nll) for objective in ("target-rpo", "hybrid-rpo", "sft") for nll in ("mean", "sum")]


@pytest.mark.parametrize(("objective", "nll"), CASES)
def test_one_by_eight_is_eight_by_one(
    tmp_path: Path,
    uneven: Inputs,
    params: TrainingParams,
    objective: ObjectiveName,
    nll: str,
) -> None:
    """With 11 pairs the second batch has three: its parts count by their pairs and tokens, not as parts."""
    settings = params.model_copy(update={"batch_size": 8, "nll": nll, "epochs": 3})
    runs = {
        micro: _train(tmp_path / str(micro), uneven, objective, settings.model_copy(update={"micro_batch_size": micro}))
        for micro in (8, 2, 1)
    }
    for curve, _ in runs.values():
        if objective != "sft":
            # Before the first step chosen and rejected tie: which of them is ahead is a matter of rounding.
            curve["rewards/accuracies"] = curve["rewards/accuracies"][1:]
    for micro in (2, 1):
        assert runs[micro][0].keys() == runs[8][0].keys()
        for name, values in runs[8][0].items():
            assert runs[micro][0][name] == pytest.approx(values, rel=1e-3, abs=1e-5), name
        for name, weight in runs[8][1].items():
            torch.testing.assert_close(runs[micro][1][name], weight, atol=2e-5, rtol=1e-3, msg=name)
