"""Pairs in the format of the published CodeFlow set go all the way: ingested, localized and trained on."""

import json
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from iterpref_core.config import LocalizationParams, TrainingParams
from iterpref_core.localization.localization import localize_pairs
from iterpref_core.problems.formats.preference_pairs import ingest_pairs
from iterpref_core.records import PreferencePair
from iterpref_core.training.dataset import load_pairs
from iterpref_core.training.training import train_objective
from tests.settings import section


def test_fenced_pairs_train_like_the_same_pairs_of_ones_own(
    tmp_path: Path,
    pair_records: list[PreferencePair],
    pairs_file: Path,
    spans_file: Path,
    model_folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    params: TrainingParams,
) -> None:
    published, pairs, spans = tmp_path / "codeflow.jsonl", tmp_path / "pairs.jsonl", tmp_path / "focal.jsonl"
    focal = section(LocalizationParams, method="line_lcs", empty="anchor", max_executions=8, widen_lines=0, seed=1)
    records = [
        {
            "prompt": pair.prompt,
            "chosen": f"Fixed:\n```python\n{pair.chosen}```",
            "rejected": f"```python\n{pair.rejected}```",
        }
        for pair in pair_records
    ]
    published.write_text("\n".join(map(json.dumps, records)))
    ingest_pairs(published, pairs)
    localize_pairs(pairs, focal, spans)
    found, own = load_pairs(pairs, spans, tokenizer, params), load_pairs(pairs_file, spans_file, tokenizer, params)
    assert [vars(row) | {"task_id": ""} for row in found] == [vars(row) | {"task_id": ""} for row in own]
    metrics = train_objective(
        pairs, spans, model_folder, "target-rpo", params, tmp_path / "out", tmp_path / "curve.csv", tmp_path / "work"
    )
    assert metrics["pairs"] == len(pair_records)
