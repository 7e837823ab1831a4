"""Checkpoints on the command line: refused by every verb before anything is spent; a hub id trains like a folder."""

import json
import shutil
from pathlib import Path

import pytest

from tests.models.pretrained.test_checkpoints import lacks

RECORDS = {
    "pairs": {"task_id": "a", "prompt": "Return x.", "chosen": "return x", "rejected": "x return x"},
    "problems": {
        "task_id": "a", "prompt": "Return x.", "entry_point": "f", "split": "heldout",
        "tests": [{"kind": "io", "call": "f(1)", "expected": "1"}],
    },
}  # fmt: skip
VERBS = {
    "train": ("--objective", "target-dpo", "--pairs", "pairs.jsonl"),
    "debug": ("--problems", "problems.jsonl"),
    "evaluate": ("--benchmark", "heldout", "--problems", "problems.jsonl"),
}


@pytest.fixture(autouse=True)
def _files(iterpref):
    for name, record in RECORDS.items():
        Path(f"{name}.jsonl").write_text(json.dumps(record) + "\n")


@pytest.mark.parametrize("verb", VERBS)
def test_a_checkpoint_without_its_head_is_refused_before_anything_is_spent(iterpref, verb, word_model):
    lacks("lm_head.weight")(Path(shutil.copytree(word_model, "model")))
    before = set(Path().iterdir())
    code, _, err = iterpref(verb, *VERBS[verb], "--model", "model", "--out", "out")
    assert (code, "lacks 1 of the model's weights (lm_head.weight)" in err) == (2, True), err
    assert set(Path().iterdir()) == before
