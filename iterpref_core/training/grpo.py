"""GRPO (arXiv 2402.03300) with tests as its reward: TRL's own trainer, and this project's isolated execution.

The model answers problems itself, several times each, and learns from which of its answers pass: nobody repairs them.
A baseline of the study, and the way of training that needs no pairs.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from iterpref_core.config import ExecutionParams, GrpoParams, PromptStyle, TrainingParams
from iterpref_core.errors import InputError
from iterpref_core.execution import open_executor
from iterpref_core.inference.codeflow_prompts import draft_prompt
from iterpref_core.inference.local.fingerprint import model_fingerprint
from iterpref_core.inference.local.model_lineage import training_versions
from iterpref_core.inference.local.precision import uses_bf16
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.inference.local.weights import load_model
from iterpref_core.inference.prompts import render_prompt
from iterpref_core.records import ModelLineage, Problem
from iterpref_core.storage.jsonl import read_jsonl
from iterpref_core.training.dpo_settings import CHECKPOINTING
from iterpref_core.training.execution_reward import execution_reward
from iterpref_core.training.trained_model import write_model


def train_grpo(
    problems: Path,
    model: Path | str,
    grpo: GrpoParams,
    params: TrainingParams,
    execution: ExecutionParams,
    out: Path,
    work: Path,
    prompt: PromptStyle = "auto",
) -> dict[str, float]:
    """Train a model on its own answers to the problems of split `codeflow`.

    Args:
        problems: Problem records. Their visible tests are the reward, and nothing else of them is read.
        model: the model to start from; a folder or hub id.
        grpo: rate, steps, problems a step, and answers a problem.
        params: seed, warm-up, clipping and precision.
        execution: limits of each answer's run.
        out: folder for the trained checkpoint.
        work: folder for what the trainer keeps; removed at the end.
        prompt: whether the model reads prompts in its chat template.

    Returns:
        `steps`; `reward` of the last step that was logged, the share of answers that passed; and `own_tokens`, of all
        prompts and answers.

    Raises:
        InputError: no problem is of that split.
    """
    tokenizer = load_tokenizer(model, prompt)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    rows = list(_rows(problems, tokenizer))
    if not rows:
        raise InputError(f"{problems}: no problem of split 'codeflow'; GRPO has nothing to answer")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    arguments = GRPOConfig(
        str(work),
        learning_rate=grpo.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=int(params.warmup_ratio * grpo.steps),
        max_grad_norm=params.max_grad_norm,
        max_steps=grpo.steps,
        per_device_train_batch_size=grpo.prompts * grpo.generations,
        num_generations=grpo.generations,
        max_completion_length=grpo.max_new_tokens,
        temperature=grpo.temperature,
        beta=grpo.kl,
        seed=params.seed,
        bf16=uses_bf16(params.bf16, device),
        use_cpu=device == "cpu",
        **{CHECKPOINTING: False},
        logging_steps=5,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    with open_executor(execution) as executor:
        trainer = GRPOTrainer(
            load_model(model).float(),
            execution_reward(executor),
            arguments,
            Dataset.from_list(rows),
            processing_class=tokenizer,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    lineage = ModelLineage(
        base=Path(model).name, base_weights=model_fingerprint(model), objective="grpo", versions=training_versions(),
        settings=grpo.model_dump() | {"seed": params.seed}, steps=trainer.state.global_step,
    )  # fmt: skip
    write_model(trainer, model, out, lineage)
    shutil.rmtree(work, ignore_errors=True)
    last: dict[str, float] = next((entry for entry in reversed(trainer.state.log_history) if "reward" in entry), {})
    found = {"reward": last.get("reward", 0.0), "own_tokens": last.get("num_tokens", 0.0)}
    return {"steps": float(trainer.state.global_step)} | found


def _rows(problems: Path, tokenizer: Any) -> Iterator[dict[str, Any]]:
    for problem in read_jsonl(problems, Problem):
        if problem.split == "codeflow":
            yield {
                "prompt": render_prompt(tokenizer, draft_prompt(problem.prompt)),
                "tests": [test.model_dump() for test in problem.tests],
                "setup": problem.setup or "",
            }
