"""Plain `trl.DPOTrainer` with `FocalCollator`: the loss, the gradient and the masks of `FocalDPOTrainer`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from hypothesis import assume, given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase, TrainingArguments
from trl import DPOConfig, DPOTrainer
from trl.data_utils import common_prefix_length
from trl.trainer.dpo_trainer import DataCollatorForPreference

from iterpref_core import FocalCollator, FocalDPOConfig
from iterpref_core.records import PreferencePair
from iterpref_core.records.errors import InputError
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model.label_head import add_label_head
from iterpref_core.training.model.reference import score_pairs
from iterpref_core.training.objectives.objective_table import OBJECTIVES
from iterpref_core.training.trainer.focal_trainer import FocalDPOTrainer

from .conftest import trl_s
from .test_tokenizers import PROMPT, every_tokenizer, expected_mask, repeatable, spans_of, spelled, tokenizer_named
from .test_tokenizers import pairs as pairs_of_programs


@every_tokenizer
@repeatable
@given(data=st.data(), pair=pairs_of_programs())
def test_a_token_counts_if_and_only_if_it_has_a_character_of_the_region(
    name: str, data: st.DataObject, pair: PreferencePair
) -> None:
    """Against the bytes that tokens stand for; texts are tokenized as TRL does, the prompt with its program."""
    tokenizer = tokenizer_named(name)
    settings = {"use_cpu": True, "bf16": False, "report_to": "none", "remove_unused_columns": False}
    collator = FocalCollator(tokenizer, DPOConfig("unused", max_length=None, **settings))
    prompt = f"{PROMPT}\n"
    text = prompt + pair.rejected + tokenizer.eos_token
    ids = tokenizer(text)["input_ids"]
    pieces = [b"" if token == tokenizer.bos_token_id else spelled(tokenizer, [token])[0] for token in ids]
    whole = b"".join(pieces)
    lead = len(whole) - len(text.encode())  # a blank that opens every text
    assume(whole[max(lead, 0) :] == text.encode())  # no others, as behind the end token that a program spells out
    start = common_prefix_length(tokenizer(prompt)["input_ids"], ids)
    spans = data.draw(spans_of(pair.rejected))
    example = {"prompt_ids": ids[:start], "rejected_ids": ids[start:], "prompt": prompt, "rejected_spans": spans}
    moved = [(first + lead + len(prompt), last + lead + len(prompt)) for first, last in spans]
    expected = expected_mask(pieces, whole.decode(), moved)
    programs = dict.fromkeys(("chosen", "rejected"), text.removeprefix(prompt))
    assert collator.error_region(example | programs) == expected[start:]


@pytest.mark.parametrize("objective", ["target-dpo", "target-rpo"])
def test_loss_gradient_and_masks_are_those_of_the_own_trainer(
    objective: str, pairs: Dataset, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    row = OBJECTIVES[objective]
    kinds = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 2.0]} if row.nll_of else {}
    alpha = {"alpha": 2.0} if row.nll_of else {}
    theirs = trl_s(model_folder, pairs, tokenizer, tmp_path, **kinds)
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
    scored = score_pairs(reference, rows, size=4)
    args = TrainingArguments(str(tmp_path), use_cpu=True, bf16=False, report_to="none")
    ours = FocalDPOTrainer(policy, args, scored, tokenizer, objective=row, beta=0.1, layout="padded", **alpha)

    expected = ours.compute_loss(ours.model, ours.data_collator(scored))
    loss = theirs.compute_loss(theirs.model, batch)
    expected.backward()
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    own = dict(ours.model.named_parameters())
    for name, weight in theirs.model.named_parameters():
        torch.testing.assert_close(weight.grad, own[name].grad, rtol=1e-4, atol=1e-6, msg=name)


def test_trl_trains_with_its_other_losses(
    pairs: Dataset, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    trainer = trl_s(
        model_folder, pairs, tokenizer, tmp_path,
        loss_type="ipo", max_steps=2, per_device_train_batch_size=4, save_strategy="no",
    )  # fmt: skip
    trainer.train()
    assert trainer.state.global_step == 2


def test_references_of_whole_programs_are_never_taken_for_those_of_error_regions(
    pairs: Dataset, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """TRL keeps precomputed ones by data set and model: the second trainer would get those of the first."""
    args = DPOConfig(
        str(tmp_path), precompute_ref_log_probs=True, remove_unused_columns=False, use_cpu=True, bf16=False,
        report_to="none", disable_tqdm=True,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    plain = DPOTrainer(model=model, args=args, train_dataset=pairs, processing_class=tokenizer)
    assert "ref_rejected_logps" in plain.train_dataset.column_names
    with pytest.raises(InputError, match=r"FocalCollator: .* precomputed"):
        trl_s(model_folder, pairs, tokenizer, tmp_path, precompute_ref_log_probs=True)


@pytest.mark.filterwarnings("ignore:The `'keep_end'` truncation mode")
@pytest.mark.parametrize("truncation_mode", ["keep_start", "keep_end"])
@pytest.mark.parametrize("max_length", [None, 1024, 68, 50])
def test_rows_are_cut_as_trl_cuts_them(
    max_length: int | None, truncation_mode: str, pairs: Dataset, model_folder: Path,
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path,
) -> None:  # fmt: skip
    cut: dict[str, Any] = {"max_length": max_length, "truncation_mode": truncation_mode}
    trainer = trl_s(model_folder, pairs, tokenizer, tmp_path, **cut)
    examples = list(trainer.train_dataset)
    ours = trainer.data_collator(examples)
    theirs = DataCollatorForPreference(tokenizer.pad_token_id, **cut)(examples)
    assert ours.keys() == theirs.keys()
    for name in ("input_ids", "attention_mask"):
        assert torch.equal(ours[name], theirs[name])
    half = len(examples)
    assert torch.equal(ours["completion_mask"][:half], theirs["completion_mask"][:half])
    for row, example in zip(ours["completion_mask"][half:], examples, strict=True):
        whole = [0] * len(example["prompt_ids"]) + trainer.data_collator.error_region(example)
        kept = slice(None, max_length) if truncation_mode == "keep_start" else slice(-(max_length or 0), None)
        assert row[: len(whole[kept])].tolist() == whole[kept]
        assert not row[len(whole[kept]) :].any()


def test_a_row_whose_error_region_is_cut_off_is_named(
    pairs: Dataset, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    trainer = trl_s(model_folder, pairs, tokenizer, tmp_path)
    example = trainer.train_dataset[0]
    before = len(example["prompt_ids"]) + trainer.data_collator.error_region(example).index(1)
    trainer = trl_s(model_folder, pairs, tokenizer, tmp_path, max_length=before)
    said = r"row whose prompt begins with 'Sum what is above 0\.': nothing is left of the error region .*max_length = "
    with pytest.raises(InputError, match=said):
        trainer.data_collator(list(trainer.train_dataset))
    for no_region in ([], None):  # of equal programs, and in an exported data set
        without = [dict(row) | {"rejected_spans": no_region} for row in trainer.train_dataset]
        assert not trainer.data_collator(without)["completion_mask"][len(without) :].any()


def test_what_is_missing_is_said(
    pairs: Dataset, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="remove_unused_columns=False"):
        FocalCollator(tokenizer, DPOConfig(str(tmp_path), bf16=False, use_cpu=True, report_to="none"))
    for kind, settings in ((FocalDPOConfig, {}), (DPOConfig, {"ld_alpha": 0.5})):
        args = kind(str(tmp_path), bf16=False, use_cpu=True, report_to="none", remove_unused_columns=False, **settings)
        with pytest.raises(InputError, match=r"ld_alpha|FocalDPOConfig"):
            FocalCollator(tokenizer, args)
    trainer = trl_s(model_folder, pairs.remove_columns("rejected_spans"), tokenizer, tmp_path)
    with pytest.raises(InputError, match="no column 'rejected_spans'"):
        trainer.data_collator(list(trainer.train_dataset)[:2])
    example = dict(trl_s(model_folder, pairs, tokenizer, tmp_path).train_dataset[0])
    with pytest.raises(InputError, match="token ids of an example"):
        trainer.data_collator([example | {"rejected": example["rejected"] + "pass"}])


LONG = "Sum.\ndef f(x):\n    a = {}\n    b = 2\n    c = 3\n    d = 4\n    e = 5\n    return a + b + c + d + e\n"


@pytest.mark.parametrize(
    ("chosen", "rejected", "region"),
    [
        (LONG.format(1), LONG.format(7), "    a = 7\n"),
        (LONG.format(1), LONG.format("x"), "x\n"),
        ("Add.\nx = 1", "Add.\nx = 7", "x = 7"),  # a region beyond what TRL leaves
    ],
)
def test_regions_of_texts_that_trl_cuts_itself_are_refused(
    chosen: str, rejected: str, region: str, model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """Without the column `prompt` TRL makes one; regions of the whole text would mark other tokens."""
    start = rejected.index(region)
    row: dict[str, Any] = {"chosen": chosen, "rejected": rejected}
    row["rejected_spans"] = [[start, start + len(region)]]
    trainer = trl_s(model_folder, Dataset.from_list([row]), tokenizer, tmp_path)
    with pytest.raises(InputError, match="no column 'prompt'"):
        trainer.data_collator(list(trainer.train_dataset))


def test_regions_of_programs_that_part_at_once_are_taken(
    model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    row = {"prompt": "def f(x):\n    return", "chosen": " x + 1\n", "rejected": " y + 1\n", "rejected_spans": [[1, 2]]}
    trainer = trl_s(model_folder, Dataset.from_list([row]), tokenizer, tmp_path)
    batch = trainer.data_collator(list(trainer.train_dataset))
    assert tokenizer.decode(batch["input_ids"][1][batch["completion_mask"][1] == 1]).strip() == "y"
