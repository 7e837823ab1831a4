"""Pairs as token ids and masks."""

from pathlib import Path
from typing import get_args

import pytest
from transformers import PreTrainedTokenizerBase

from iterpref_core.config import PromptStyle, TrainingParams
from iterpref_core.errors import InputError, RecordError
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.training.dataset import join_spans, load_pairs, tokenize_pair


def test_the_mask_marks_the_wrong_line_and_nothing_else(
    pair_records: list[PreferencePair],
    span_records: list[FocalSpans],
    tokenizer: PreTrainedTokenizerBase,
    params: TrainingParams,
) -> None:
    row = tokenize_pair(pair_records[0], span_records[0], tokenizer, params)
    marked = [token for token, mark in zip(row.rejected_ids, row.focal, strict=True) if mark]
    assert tokenizer.decode(marked).strip("\n") == "    kept = [n for n in nums if n < 0]"
    assert row.rejected_ids[-1] == tokenizer.eos_token_id
    assert row.focal[-1] == 0
    assert row.cut == 0


def test_a_fence_around_the_program_moves_the_mask_with_it(
    pair_records: list[PreferencePair],
    span_records: list[FocalSpans],
    tokenizer: PreTrainedTokenizerBase,
    params: TrainingParams,
) -> None:
    fenced = params.model_copy(update={"answer": "fenced"})
    row = tokenize_pair(pair_records[0], span_records[0], tokenizer, fenced)
    for ids, program in ((row.chosen_ids, pair_records[0].chosen), (row.rejected_ids, pair_records[0].rejected)):
        assert ids[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(ids[:-1]) == f"```python\n{program}```"
    for ids, mask, line in (
        (row.rejected_ids, row.focal, "    kept = [n for n in nums if n < 0]"),
        (row.chosen_ids, row.focal_chosen, "    kept = [n for n in nums if n > 0]"),
    ):
        marked = [token for token, mark in zip(ids, mask, strict=True) if mark]
        assert tokenizer.decode(marked).strip("\n") == line


def test_a_template_that_is_taken_off_leaves_the_raw_prompt(
    pair_records: list[PreferencePair], span_records: list[FocalSpans], model_folder: Path, params: TrainingParams
) -> None:
    prompts = {
        style: tokenize_pair(pair_records[0], span_records[0], load_tokenizer(model_folder, style), params).prompt_ids
        for style in get_args(PromptStyle)
    }
    tokenizer = load_tokenizer(model_folder)
    assert tokenizer.decode(prompts["auto"]) == "Sum what is above 0.\n<|end|>"
    assert tokenizer.decode(prompts["plain"]) == "Sum what is above 0.\n"


def test_truncation_that_cuts_the_error_region_is_counted(
    pair_records: list[PreferencePair],
    span_records: list[FocalSpans],
    tokenizer: PreTrainedTokenizerBase,
    params: TrainingParams,
) -> None:
    whole = tokenize_pair(pair_records[0], span_records[0], tokenizer, params)
    room = whole.focal.index(1) + 2
    short = params.model_copy(update={"max_length": len(whole.prompt_ids) + room})
    cut = tokenize_pair(pair_records[0], span_records[0], tokenizer, short)
    assert len(cut.rejected_ids) == len(cut.focal) == room
    assert (sum(cut.focal), cut.cut) == (2, sum(whole.focal) - 2)


def test_a_long_prompt_loses_its_start(
    pair_records: list[PreferencePair],
    span_records: list[FocalSpans],
    tokenizer: PreTrainedTokenizerBase,
    params: TrainingParams,
) -> None:
    short = tokenize_pair(
        pair_records[0], span_records[0], tokenizer, params.model_copy(update={"max_prompt_length": 3})
    )
    whole = tokenize_pair(pair_records[0], span_records[0], tokenizer, params)
    assert short.prompt_ids == whole.prompt_ids[-3:]


def test_pairs_without_spans_take_no_part(pairs_file: Path, span_records: list[FocalSpans], tmp_path: Path) -> None:
    write_jsonl(tmp_path / "focal.jsonl", span_records[3::4])
    joined = list(join_spans(pairs_file, tmp_path / "focal.jsonl"))
    assert [(pair.task_id, spans.task_id) for pair, spans in joined] == [("p3", "p3"), ("p7", "p7"), ("p11", "p11")]


@pytest.mark.parametrize(
    ("task_id", "end", "message"), [("absent", 5, "'absent' is not in"), ("p0", 10_000, "outside of the program")]
)
def test_spans_of_other_pairs_are_refused(
    pairs_file: Path, tmp_path: Path, task_id: str, end: int, message: str
) -> None:
    spans = FocalSpans(task_id=task_id, method="line_lcs", rejected=((0, end),), chosen=())
    write_jsonl(tmp_path / "focal.jsonl", [spans])
    with pytest.raises(RecordError, match=message):
        list(join_spans(pairs_file, tmp_path / "focal.jsonl"))


def test_nothing_to_train_on_and_no_room_are_refused(
    pairs_file: Path, tmp_path: Path, tokenizer: PreTrainedTokenizerBase, params: TrainingParams
) -> None:
    (tmp_path / "focal.jsonl").touch()
    with pytest.raises(InputError, match="no pair to train on"):
        load_pairs(pairs_file, tmp_path / "focal.jsonl", tokenizer, params)
    with pytest.raises(InputError, match="no room for a program"):
        load_pairs(pairs_file, tmp_path / "x", tokenizer, params.model_copy(update={"max_length": 64}))
