"""Plain `trl.DPOTrainer` with `FocalCollator`: the loss, the gradient and the masks of `FocalDPOTrainer`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from iterpref_core.errors import InputError
from iterpref_core.objectives.objective_table import OBJECTIVES
from iterpref_core.records import PreferencePair

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase
    from trl import DPOTrainer

Make = Any


@pytest.fixture
def pairs(pair_records: list[PreferencePair]) -> Dataset:
    from datasets import Dataset

    from iterpref_core import mark_errors

    rows = [{"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected} for pair in pair_records]
    return Dataset.from_list(rows).map(mark_errors)


def _trl_s(
    model: Path, pairs: Dataset, tokenizer: PreTrainedTokenizerBase, folder: Path, **settings: Any
) -> DPOTrainer:
    import torch
    from transformers import AutoModelForCausalLM
    from trl import DPOConfig, DPOTrainer

    from iterpref_core import FocalCollator

    common = {
        "report_to": "none", "use_cpu": True, "bf16": False, "beta": 0.1, "activation_checkpointing": False,
        "dataloader_pin_memory": False, "remove_unused_columns": False, "disable_tqdm": True,
    }  # fmt: skip
    return DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
        args=DPOConfig(output_dir=str(folder), **common | settings),
        train_dataset=pairs,
        processing_class=tokenizer,
        data_collator=FocalCollator(tokenizer),
    )


@pytest.mark.parametrize("objective", ["target-dpo", "target-rpo"])
def test_loss_gradient_and_masks_are_those_of_the_own_trainer(
    objective: str, pairs: Dataset, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from iterpref_core import FocalDPOTrainer
    from iterpref_core.training.data.tokenized_pair import TokenizedPair
    from iterpref_core.training.model.label_head import add_label_head
    from iterpref_core.training.model.reference import score_pairs

    row = OBJECTIVES[objective]
    kinds = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 2.0]} if row.nll_of else {}
    theirs = _trl_s(model_folder, pairs, tokenizer, tmp_path, **kinds)
    examples = list(theirs.train_dataset)
    batch = theirs.data_collator(examples)
    marked = tokenizer.decode(batch["input_ids"][len(examples)][batch["completion_mask"][len(examples)] == 1])
    assert marked.strip() == "kept = [n for n in nums if n < 0]"
    assert batch["completion_mask"][0].sum() == len(examples[0]["chosen_ids"])

    policy = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    reference = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    with torch.no_grad():  # so that policy and reference differ
        for model in (policy, theirs.model):
            model.get_input_embeddings().weight.mul_(1.1)
    collator = theirs.data_collator
    rows = []
    for example in examples:
        focal = collator.error_region(example)
        chosen = [0] * len(example["chosen_ids"])
        rows.append(TokenizedPair(example["prompt_ids"], example["chosen_ids"], example["rejected_ids"], focal, chosen))
    add_label_head(reference)
    scored = score_pairs(reference, rows, batch_size=4)
    ours = FocalDPOTrainer(policy, theirs.args, scored, tokenizer, objective=row, beta=0.1, alpha=2.0, layout="padded")

    expected = ours.compute_loss(ours.model, ours.data_collator(scored))
    loss = theirs.compute_loss(theirs.model, batch)
    expected.backward()
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    own = dict(ours.model.named_parameters())
    for name, weight in theirs.model.named_parameters():
        torch.testing.assert_close(weight.grad, own[name].grad, rtol=1e-4, atol=1e-6, msg=name)


def test_trl_trains_with_precomputed_references_and_its_other_losses(
    pairs: Dataset, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    trainer = _trl_s(
        model_folder, pairs, tokenizer, tmp_path,
        loss_type="ipo", precompute_ref_log_probs=True, max_steps=2, per_device_train_batch_size=4, save_strategy="no",
    )  # fmt: skip
    trainer.train()
    assert trainer.state.global_step == 2


def test_what_is_missing_is_said(
    pairs: Dataset, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    trainer = _trl_s(model_folder, pairs.remove_columns("rejected_spans"), tokenizer, tmp_path)
    with pytest.raises(InputError, match=r"no column 'rejected_spans'; call `pairs.map\(mark_errors\)` first"):
        trainer.data_collator(list(trainer.train_dataset)[:2])
    example = dict(_trl_s(model_folder, pairs, tokenizer, tmp_path).train_dataset[0])
    with pytest.raises(InputError, match="token ids of an example are not those of its prompt and rejected program"):
        trainer.data_collator([example | {"rejected": "def f(): pass"}])
