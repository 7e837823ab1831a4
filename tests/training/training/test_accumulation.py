"""A batch is the same batch, computed at once or in parts."""

import pytest
import torch

from iterpref_core.storage.jsonl import write_jsonl

from .conftest import read_curve, read_weights


def test_a_batch_in_four_parts_trains_as_one(tmp_path, pair_records, model_folder, train):
    """With 11 pairs the second batch has three: its parts count by their pairs and tokens, not as parts."""
    uneven = tmp_path / "pairs.jsonl"
    longer = (f"print({number})\n" * (number % 5) for number in range(11))
    pairs = zip(pair_records, longer, strict=False)
    write_jsonl(uneven, [pair.model_copy(update={"chosen": pair.chosen + more}) for pair, more in pairs])
    curves, weights = {}, {}
    for micro in (8, 2):
        train(str(micro), "hybrid-rpo", (uneven, model_folder), batch_size=8, epochs=1, micro_batch_size=micro)
        rows, weights[micro] = read_curve(tmp_path / str(micro)), read_weights(tmp_path / str(micro))
        # The trainer counts the epoch in micro-batches.
        curves[micro] = {name: [float(row[name]) for row in rows] for name in rows[0] if name != "epoch"}
        # Before the first step chosen and rejected tie: which of them is ahead is a matter of rounding.
        del curves[micro]["rewards/accuracies"][0]
    assert curves[2].keys() == curves[8].keys()
    for name, values in curves[8].items():
        assert curves[2][name] == pytest.approx(values, rel=1e-3, abs=1e-5), name
    torch.testing.assert_close(weights[2], weights[8], atol=2e-5, rtol=1e-3)
