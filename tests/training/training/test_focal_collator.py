"""Plain `trl.DPOTrainer` with `FocalCollator`: the loss, the gradient and the masks of the stage's trainer."""

import inspect
import re
from copy import deepcopy
from pathlib import Path
from pkgutil import resolve_name
from typing import get_args

import pytest
import torch
from datasets import Dataset
from hypothesis import assume, given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM
from trl import DPOConfig
from trl.data_utils import common_prefix_length
from trl.trainer import dpo_trainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from iterpref_core import FocalCollator, mark_errors
from iterpref_core.records import OBJECTIVES, ConfigError, InputError, Layout
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from tests.settings import ROOT

from .conftest import arguments_in, scored, trainer_of, trl_s
from .test_tokenizers import PROMPT, every_tokenizer, expected_mask, repeatable, spans_of, spelled, tokenizer_named
from .test_tokenizers import pairs as pairs_of_programs


@every_tokenizer
@repeatable
@given(data=st.data(), pair=pairs_of_programs())
def test_a_token_counts_if_and_only_if_it_has_a_character_of_the_region(name, data, pair):
    """Against the bytes of tokens; texts are tokenized as TRL does, the prompt with its program."""
    tokenizer = tokenizer_named(name)
    args = arguments_in(Path("unused"), DPOConfig, max_length=None, remove_unused_columns=False)
    collator = FocalCollator(tokenizer, args)
    prompt = f"{PROMPT}\n"
    text = prompt + pair.rejected + tokenizer.eos_token
    ids = tokenizer(text)["input_ids"]
    pieces = [b"" if token == tokenizer.bos_token_id else spelled(tokenizer, [token])[0] for token in ids]
    whole = b"".join(pieces)
    lead = len(whole) - len(text.encode())  # a blank that opens every text
    assume(whole[max(lead, 0) :] == text.encode())  # no other blanks, as after the end token that a program spells out
    start = common_prefix_length(tokenizer(prompt)["input_ids"], ids)
    spans = data.draw(spans_of(pair.rejected))
    example = {"prompt_ids": ids[:start], "rejected_ids": ids[start:], "prompt": prompt, "rejected_spans": spans}
    moved = [(first + lead + len(prompt), last + lead + len(prompt)) for first, last in spans]
    expected = expected_mask(pieces, whole.decode(), moved)
    programs = dict.fromkeys(("chosen", "rejected"), text.removeprefix(prompt))
    assert collator.error_region(example | programs) == expected[start:]


def _distance(gradient, expected):
    """Return the length of the difference of two gradients, relative to the second one's."""
    off = sum(float((gradient[name] - values).square().sum()) for name, values in expected.items())
    return float((off / sum(float(values.square().sum()) for values in expected.values())) ** 0.5)


def _step(trainer, batch):
    """Return loss and gradient."""
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    return loss.item(), {name: weight.grad for name, weight in trainer.model.named_parameters()}


@pytest.mark.parametrize("objective", ["target-dpo", "target-rpo"])
def test_loss_gradient_and_masks_are_those_of_the_own_trainer(objective, pairs, model_folder, tokenizer, tmp_path):
    row = OBJECTIVES[objective]
    kinds = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 2.0]} if row.nll_of else {"loss_type": "sigmoid"}
    theirs = trl_s(model_folder, pairs, tokenizer, tmp_path, **kinds)
    examples = list(theirs.train_dataset)
    collator = theirs.data_collator
    batch = collator(examples)
    reference = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    rows = []
    for example in examples:
        texts = [example[f"{part}_ids"] for part in ("prompt", "chosen", "rejected")]
        rows.append(TokenizedPair(*texts, collator.error_region(example), [0] * len(texts[1])))
    pairs_scored = scored(reference, rows)
    trainers = [theirs]
    for layout in get_args(Layout):
        policy = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
        arguments = arguments_in(tmp_path)
        trainers.append(trainer_of(policy, pairs_scored, tokenizer, arguments, objective, alpha=2.0, layout=layout))
    with torch.no_grad():  # so that policy and reference differ
        for trainer in trainers:
            trainer.model.get_input_embeddings().weight.mul_(1.1)
    loss, gradient = _step(theirs, batch)
    for ours in trainers[1:]:
        own_loss, own_gradient = _step(ours, ours.data_collator(pairs_scored))
        assert own_loss == pytest.approx(loss, rel=1e-6)
        assert _distance(own_gradient, gradient) < 1e-5


@pytest.mark.filterwarnings("ignore:.*experimental")
def test_the_page_names_every_loss_of_trl_and_smoothing_is_taken_where_it_changes_the_loss(
    pairs, model_folder, tokenizer, tmp_path
):
    losses = re.findall(r'loss_type == "(\w+)"', inspect.getsource(dpo_trainer))
    listed = (ROOT / "docs" / "trl.md").read_text("utf-8").partition("of each objective")[2].partition("## ")[0]
    assert {*re.findall(r'"(\w+)"', listed)} == {*losses, "simpo"}
    for name in ("trl.experimental.cpo.CPOTrainer", "trl.experimental.orpo.ORPOTrainer"):
        assert f"`{name}`" in listed
        assert resolve_name(name)
    trainer = trl_s(model_folder, pairs, tokenizer, tmp_path)
    batch = trainer.data_collator(list(trainer.train_dataset))
    trainer.model.get_input_embeddings().weight.data.mul_(1.1)  # so that policy and reference differ
    values = {loss: set() for loss in losses}
    for trainer.label_smoothing in (0.1, 0.3):
        for loss in losses:
            trainer.loss_types = [loss]
            values[loss].add(trainer.compute_loss(trainer.model, batch).item())
    smoothed = {"remove_unused_columns": False, "label_smoothing": 0.1}
    for loss in losses:
        args = arguments_in(tmp_path, DPOConfig, loss_type=loss, **smoothed)
        if len(values[loss]) > 1:
            FocalCollator(tokenizer, args)
        else:
            with pytest.raises(InputError, match=f"label_smoothing has no effect on {loss}; remove it, or choose one"):
                FocalCollator(tokenizer, args)
    FocalCollator(tokenizer, arguments_in(tmp_path, DPOConfig, loss_type=["sigmoid", "aot"], **smoothed))


@pytest.mark.filterwarnings("ignore:The `'keep_end'` truncation mode")
@pytest.mark.parametrize(
    ("cut", "kept"),
    [
        ({"max_length": None}, slice(None)),
        ({"max_length": 68}, slice(68)),
        ({"max_length": 68, "truncation_mode": "keep_end"}, slice(-68, None)),
    ],
)
def test_rows_are_cut_as_trl_cuts_them(cut, kept, pairs, model_folder, tokenizer, tmp_path):
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
        assert row.tolist() == whole[kept] + [0] * (len(row) - len(whole[kept]))


def test_a_row_whose_error_region_is_cut_off_is_named(pairs, model_folder, tokenizer, tmp_path):
    trainer = trl_s(model_folder, pairs, tokenizer, tmp_path)
    example = trainer.train_dataset[0]
    before = len(example["prompt_ids"]) + trainer.data_collator.error_region(example).index(1)
    trainer = trl_s(model_folder, pairs, tokenizer, tmp_path, max_length=before)
    said = (
        r"prompt begins with 'Sum what is above 0\.': the error region of its rejected program is gone: .*max_length = "
    )
    with pytest.raises(InputError, match=said):
        trainer.data_collator(list(trainer.train_dataset))
    for no_region in ([], None):  # of equal programs, and in an exported data set
        without = [dict(row) | {"rejected_spans": no_region} for row in trainer.train_dataset]
        assert not trainer.data_collator(without)["completion_mask"][len(without) :].any()


def test_what_is_missing_is_said(pairs, model_folder, tokenizer, tmp_path):
    with pytest.raises(InputError, match="remove_unused_columns=False"):
        FocalCollator(tokenizer, arguments_in(tmp_path, DPOConfig))
    with pytest.raises(InputError, match="TrainingArguments is of another trainer; use DPOConfig"):
        FocalCollator(tokenizer, arguments_in(tmp_path))
    for settings in ({"ld_alpha": 0.5}, {"precompute_ref_log_probs": True}):
        with pytest.raises(InputError, match=next(iter(settings))):
            trl_s(model_folder, pairs, tokenizer, tmp_path, **settings)
    bare = deepcopy(tokenizer)
    bare.pad_token = bare.eos_token = None
    with pytest.raises(InputError, match="neither a pad_token nor an eos_token"):
        FocalCollator(bare, arguments_in(tmp_path, DPOConfig, remove_unused_columns=False))
    trainer = trl_s(model_folder, pairs.remove_columns("rejected_spans"), tokenizer, tmp_path)
    with pytest.raises(InputError, match="no column 'rejected_spans'"):
        trainer.data_collator(list(trainer.train_dataset)[:2])
    example = dict(trl_s(model_folder, pairs, tokenizer, tmp_path).train_dataset[0])
    with pytest.raises(InputError, match="token ids of an example"):
        trainer.data_collator([example | {"rejected": example["rejected"] + "pass"}])
    for span in ([9, 3], [-4, 3]):
        with pytest.raises(InputError, match="its rejected_spans are outside of its rejected program"):
            trainer.data_collator([example | {"rejected_spans": [span]}])


LONG = "Sum.\ndef f(x):\n    a = {}\n    b = 2\n    c = 3\n    d = 4\n    e = 5\n    return a + b + c + d + e\n"


@pytest.mark.parametrize(
    ("chosen", "rejected", "region"),
    [
        (LONG.format(1), LONG.format(7), "    a = 7\n"),
        ("Add.\nx = 1", "Add.\nx = 7", "x = 7"),  # a region beyond what TRL leaves
    ],
)
def test_regions_of_texts_that_trl_cuts_itself_are_refused(chosen, rejected, region, model_folder, tokenizer, tmp_path):
    """Without the column `prompt` TRL makes one; regions of the whole text would mark other tokens."""
    start = rejected.index(region)
    row = {"chosen": chosen, "rejected": rejected}
    row["rejected_spans"] = [[start, start + len(region)]]
    trainer = trl_s(model_folder, Dataset.from_list([row]), tokenizer, tmp_path)
    with pytest.raises(InputError, match="no column 'prompt'"):
        trainer.data_collator(list(trainer.train_dataset))


def test_regions_of_programs_that_part_at_once_are_taken(model_folder, tokenizer, tmp_path):
    row = {"prompt": "def f(x):\n    return", "chosen": " x + 1\n", "rejected": " y + 1\n", "rejected_spans": [[1, 2]]}
    trainer = trl_s(model_folder, Dataset.from_list([row]), tokenizer, tmp_path)
    batch = trainer.data_collator(list(trainer.train_dataset))
    assert tokenizer.decode(batch["input_ids"][1][batch["completion_mask"][1] == 1]).strip() == "y"


def test_an_insertion_is_marked_where_it_belongs_and_execution_is_no_method_for_rows():
    row = {"prompt": "", "rejected": "def f(x):\n    return y\n", "chosen": "def f(x):\n    y = x\n    return y\n"}
    assert mark_errors(row) == {"rejected_spans": [[10, 22]], "chosen_spans": [[10, 19]]}
    with pytest.raises(ConfigError, match="'tokens'"):
        mark_errors(row, "tokens")


def test_texts_without_a_prompt_are_refused_where_their_regions_are_marked():
    """TRL makes a prompt of what both programs begin with; regions of the whole text would mark other tokens."""
    row = {"chosen": "Sum.\ndef f(x):\n    a = 1\n", "rejected": "Sum.\ndef f(x):\n    a = 7\n"}
    with pytest.raises(InputError, match=r"mark_errors: .* 'prompt'"):
        mark_errors(row)
    with pytest.raises(InputError, match="batched=True"):
        mark_errors({name: [text] for name, text in row.items()})
    sides = {name: [{"role": "assistant", "content": text}] for name, text in row.items()}
    assert mark_errors(sides) == mark_errors({"prompt": ""} | row)


def test_a_model_in_half_precision_is_warned_of(tokenizer, model, tmp_path, caplog):
    args = arguments_in(tmp_path, DPOConfig, remove_unused_columns=False)
    FocalCollator(tokenizer, args, model.float())
    assert not caplog.text
    FocalCollator(tokenizer, args, model.bfloat16())
    assert caplog.text.count("weights are trained in half precision") == 1
