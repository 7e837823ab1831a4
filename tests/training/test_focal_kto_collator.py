"""Plain `trl.KTOTrainer` with `FocalKTOCollator`: KTO's loss, with the error region alone of failing programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from iterpref_core.records import PreferencePair
from iterpref_core.records.errors import InputError

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase
    from trl import KTOTrainer


@pytest.fixture
def pairs(pair_records: list[PreferencePair]) -> Dataset:
    from datasets import Dataset

    from iterpref_core import mark_errors

    rows = [{"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected} for pair in pair_records]
    return Dataset.from_list(rows).map(mark_errors)


def _trl_s(
    model: Path,
    rows: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    focal: bool = True,
    **settings: Any,
) -> KTOTrainer:
    """Return TRL's trainer, whose policy differs from its reference."""
    import torch
    from transformers import AutoModelForCausalLM
    from trl import KTOConfig, KTOTrainer

    from iterpref_core import FocalKTOCollator

    common = {
        "report_to": "none", "use_cpu": True, "bf16": False, "beta": 1.0, "activation_checkpointing": False,
        "dataloader_pin_memory": False, "remove_unused_columns": False, "disable_tqdm": True,
        "per_device_train_batch_size": 2 * len(rows), "save_strategy": "no",
    }  # fmt: skip
    args = KTOConfig(output_dir=str(folder), **common | settings)
    trainer = KTOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
        ref_model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
        args=args,
        train_dataset=rows,
        processing_class=tokenizer,
        data_collator=FocalKTOCollator(tokenizer, args) if focal else None,
    )
    with torch.no_grad():
        trainer.model.get_input_embeddings().weight.mul_(0.9)
    return trainer


def _logratios(trainer: KTOTrainer, rows: list[tuple[list[int], list[int], list[bool]]]) -> torch.Tensor:
    """Return K of (prompt, program, tokens that count), by logits and one row at a time."""
    import torch

    found = []
    for prompt, program, counted in rows:
        ids = torch.tensor([prompt + program])
        logps = []
        for model in (trainer.model, trainer.ref_model):
            scores = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(dim=-1)
            logps.append(scores[range(len(program)), program])
        found.append(((logps[0] - logps[1]) * torch.tensor(counted)).sum())
    return torch.stack(found)


@pytest.mark.parametrize("loss_type", ["kto", "apo_zero_unpaired"])
def test_loss_and_gradient_are_those_of_the_equation_over_the_error_region(
    loss_type: str, pairs: Dataset, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """APO-zero of pairs (`apo-zero`, `target-apo-zero`) is the sum of the losses of its two programs."""
    import torch

    from iterpref_core.training.objectives.losses import apo_zero_loss

    trainer = _trl_s(model_folder, pairs, tokenizer, tmp_path, loss_type=loss_type)
    examples = list(trainer.train_dataset)
    assert [example["label"] for example in examples] == [True] * len(pairs) + [False] * len(pairs)
    batch = trainer.data_collator(examples)
    marked = tokenizer.decode(batch["input_ids"][len(pairs)][batch["completion_mask"][len(pairs)] == 1])
    assert marked.strip() == "kept = [n for n in nums if n < 0]"

    rows, mismatched = [], []
    for number, example in enumerate(examples):
        prompt, program = example["prompt_ids"], example["completion_ids"]
        of_program = slice(len(prompt), len(prompt) + len(program))
        rows.append((prompt, program, batch["completion_mask"][number, of_program].tolist()))
        other = examples[number - 1]["completion_ids"]
        mismatched.append((prompt, other, [True] * len(other)))
    chosen, rejected = _logratios(trainer, rows).chunk(2)
    if loss_type == "kto":
        z = _logratios(trainer, mismatched).detach().mean().clamp(min=0)
        assert z > 0
        expected = torch.cat([1 - (chosen - z).sigmoid(), 1 - (z - rejected).sigmoid()]).mean()
    else:
        expected = apo_zero_loss(chosen, rejected, beta=1.0).mean() / 2
    gradients = torch.autograd.grad(expected, list(trainer.model.parameters()))

    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    for weight, gradient in zip(trainer.model.parameters(), gradients, strict=True):
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-4, atol=1e-6)


def test_spans_of_whole_programs_are_plain_kto(
    pairs: Dataset, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    whole = pairs.map(lambda row: {"rejected_spans": [[0, len(row["rejected"] + tokenizer.eos_token)]]})
    ours = _trl_s(model_folder, whole, tokenizer, tmp_path / "ours")
    plain = _trl_s(model_folder, whole, tokenizer, tmp_path / "plain", focal=False)
    regional = _trl_s(model_folder, pairs, tokenizer, tmp_path / "regional")
    losses = []
    for trainer in (ours, plain, regional):
        batch = trainer.data_collator(list(trainer.train_dataset))
        losses.append(trainer.compute_loss(trainer.model, batch).item())
    assert losses[0] == losses[1]
    assert abs(losses[2] - losses[1]) > 1e-4


def test_programs_need_no_pairs(
    pairs: Dataset, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """Three failing programs and one that passes, which has no spans."""
    from datasets import Dataset

    failing = []
    for row in pairs:
        marked = {"prompt": row["prompt"], "completion": row["rejected"], "rejected_spans": row["rejected_spans"]}
        failing.append(marked | {"label": False})
    passing = {"prompt": pairs[0]["prompt"], "completion": pairs[0]["chosen"], "label": True, "rejected_spans": None}
    rows = Dataset.from_list([*failing[:3], passing])
    trainer = _trl_s(model_folder, rows, tokenizer, tmp_path, max_steps=1, per_device_train_batch_size=4)
    trainer.train()
    (logged,) = [entry for entry in trainer.state.log_history if "train_loss" in entry]
    assert logged["train_loss"] > 0

    unmarked = Dataset.from_list([failing[0], failing[1] | {"rejected_spans": None}])
    without = _trl_s(model_folder, unmarked, tokenizer, tmp_path)
    with pytest.raises(InputError, match="FocalKTOCollator: a failing program has no 'rejected_spans'"):
        without.data_collator(list(without.train_dataset))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"remove_unused_columns": True}, "the spans would be removed; set remove_unused_columns=False in KTOConfig"),
        ({"precompute_ref_log_probs": True}, "set precompute_ref_log_probs=False in KTOConfig"),
    ],
)
def test_what_would_count_other_tokens_is_refused(
    pairs: Dataset,
    model_folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    settings: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(InputError, match=f"FocalKTOCollator: .*{message}"):
        _trl_s(model_folder, pairs, tokenizer, tmp_path, **settings)


def test_a_row_whose_error_region_is_cut_off_is_named(
    pairs: Dataset, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    whole = _trl_s(model_folder, pairs, tokenizer, tmp_path)
    examples = list(whole.train_dataset)
    mask = whole.data_collator(examples)["completion_mask"][len(pairs)]
    cut = _trl_s(model_folder, pairs, tokenizer, tmp_path, max_length=int(mask.argmax()))
    with pytest.raises(InputError, match=r"FocalKTOCollator: the row whose prompt begins with .*: nothing is left of"):
        cut.data_collator(examples)
