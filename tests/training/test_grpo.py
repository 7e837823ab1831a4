"""GRPO by our own settings against TRL's own trainer, with a reward that needs no programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM
from trl import GRPOConfig, GRPOTrainer

from iterpref_core.config import GrpoParams, Params, TrainingParams, load_params
from iterpref_core.errors import InputError
from iterpref_core.inference.codeflow_prompts import draft_prompt
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.inference.prompts import render_prompt
from iterpref_core.records import AssertTest, Problem
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.training import grpo as grpo_module
from iterpref_core.training.dpo_settings import CHECKPOINTING
from iterpref_core.training.grpo import train_grpo
from tests.settings import ROOT

GRPO = GrpoParams(
    learning_rate=1e-2, steps=3, prompts=2, generations=4, temperature=1.0, kl=0.0, max_new_tokens=6
)  # fmt: skip


@pytest.fixture(scope="module")
def every() -> Params:
    return load_params(ROOT / "params.yaml")


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    found = [
        Problem(task_id=f"p/{k}", prompt=f"Sum what is above {k}.", entry_point="solve", source="made", split=split,
                tests=(AssertTest(code="assert solve([1]) == 1"),))
        for k, split in enumerate(["codeflow"] * 4 + ["heldout"])
    ]  # fmt: skip
    write_jsonl(path, found)
    return path


def _reward(completions: Sequence[str], **_: Any) -> list[float]:
    return [float(len(text) % 3) for text in completions]


def test_the_first_steps_are_trl_s_own(
    every: Params, params: TrainingParams, model_folder: Path, problems: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(grpo_module, "execution_reward", lambda _: _reward)
    found = train_grpo(problems, model_folder, GRPO, params, every.execution, tmp_path / "own", tmp_path / "work")
    assert found["steps"] == GRPO.steps
    tokenizer = load_tokenizer(model_folder)
    rows = [{"prompt": render_prompt(tokenizer, draft_prompt(f"Sum what is above {k}."))} for k in range(4)]
    plain = GRPOConfig(
        str(tmp_path / "trl"), learning_rate=GRPO.learning_rate, lr_scheduler_type="cosine", max_steps=GRPO.steps,
        per_device_train_batch_size=8, num_generations=4, max_completion_length=6, temperature=1.0, beta=0.0,
        seed=params.seed, bf16=False, use_cpu=True, **{CHECKPOINTING: False}, save_strategy="no",
        report_to="none", disable_tqdm=True,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    trainer = GRPOTrainer(model, _reward, plain, Dataset.from_list(rows), processing_class=tokenizer)
    trainer.train()
    before, own = (
        AutoModelForCausalLM.from_pretrained(folder).state_dict() for folder in (model_folder, tmp_path / "own")
    )
    for name, weight in trainer.model.state_dict().items():
        torch.testing.assert_close(own[name], weight)
    assert any(not torch.equal(own[name], before[name]) for name in own)
    assert not (tmp_path / "work").exists()


def test_without_problems_there_is_one_message(
    every: Params, params: TrainingParams, model_folder: Path, problems: Path, tmp_path: Path
) -> None:
    problems.write_text(problems.read_text().replace('"codeflow"', '"heldout"'))
    with pytest.raises(InputError, match="no problem of split 'codeflow'"):
        train_grpo(problems, model_folder, GRPO, params, every.execution, tmp_path / "own", tmp_path / "work")
