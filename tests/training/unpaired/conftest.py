"""A tiny model, and programs of twelve problems: one that passes and one that fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from iterpref_core.records.config import ObjectiveParams, TrainingParams
from tests.settings import section

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

GOOD = "def solve(nums):\n    kept = [n for n in nums if n > {k}]\n    return sum(kept)\n"
BAD = "def solve(nums):\n    kept = [n for n in nums if n < {k}]\n    return sum(kept)\n"
WRONG_LINE = (BAD.index("    kept"), BAD.index("\n    return") - len("{k}") + 1)
"""The error region of a program that fails, with a `k` of one digit."""

Row = dict[str, Any]
Train = Callable[..., dict[str, float]]
"""(name, objective, programs, **settings) → metrics; what is written lies in the folder `name` of `tmp_path`."""


def settings(**training: object) -> TrainingParams:
    """Return settings for the tiny model: two micro-batches a step, a high rate, all weights in float32."""
    tiny: dict[str, object] = {
        "seed": 3,
        "epochs": 2,
        "batch_size": 8,
        "micro_batch_size": 4,
        "warmup_ratio": 0.1,
        "max_prompt_length": 64,
        "max_length": 128,
        "answer": "bare",
        "bf16": False,
        "lora": None,
        "validation_share": 0.0,
        "select": "last",
        "early_stopping_patience": 0,
        "accelerate": None,
        "arguments": {},
        "objectives": {
            "kto": ObjectiveParams(learning_rate=1e-3, beta=0.5, desirable_weight=1.2),
            "target-kto": ObjectiveParams(learning_rate=1e-3, beta=0.5, undesirable_weight=0.8),
        },
    }
    return section(TrainingParams, **tiny | training)


def write_rows(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    """As many that pass as fail, but for one."""
    made = []
    for k in range(10):
        prompt = f"Sum what is above {k}."
        made.append({"prompt": prompt, "completion": GOOD.format(k=k), "label": True})
        failing = {"prompt": prompt, "completion": BAD.format(k=k), "label": False}
        made.append(failing | {"rejected_spans": [list(WRONG_LINE)]})
    return made[:-1]


@pytest.fixture(scope="session")
def tokenizer(rows: list[Row]) -> PreTrainedTokenizerBase:
    from iterpref_core.training.nanolab.byte_bpe import train_tokenizer

    return train_tokenizer([row["prompt"] + row["completion"] for row in rows], 320)


@pytest.fixture(scope="session")
def model(tokenizer: PreTrainedTokenizerBase, make_model: Callable[[PreTrainedTokenizerBase], Path]) -> Path:
    return make_model(tokenizer)


@pytest.fixture(scope="session")
def programs(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("programs") / "programs.jsonl", rows)


@pytest.fixture
def train(tmp_path: Path, model: Path, programs: Path) -> Train:
    from iterpref_core.training.training.training import train_objective

    def run(name: str, objective: str = "kto", file: Path = programs, **training: Any) -> dict[str, float]:
        folder = tmp_path / name
        start = training.pop("start_from", model)
        paths = folder / "out", folder / "curve.csv", folder / "work"
        return train_objective({"programs": file}, start, objective, settings(**training), *paths)

    return run
