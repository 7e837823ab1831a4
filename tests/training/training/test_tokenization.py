"""Pairs as token ids and masks."""

from typing import get_args

import pytest

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.tokenizers import load_chat_template, load_tokenizer
from iterpref_core.records import FocalSpans, InputError, PromptFormat, RecordError, TemplateUse
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.training.data.pairs import PairReader
from iterpref_core.training.data.tokenization import tokenize_pairs


def test_a_problem_is_what_a_pair_says_whatever_it_is_called(pair_records, span_records, tokenizer, params):
    named = pair_records[0].model_copy(update={"problem_id": "repo#1"})
    pairs = zip((named, pair_records[1]), span_records, strict=False)
    assert [row.problem_id for row in tokenize_pairs(pairs, ChatTemplate(tokenizer), params)] == ["repo#1", "p1"]


def test_a_template_that_is_taken_off_leaves_the_raw_prompt(pair_records, span_records, model_folder, params):
    prompts = {}
    for use in get_args(TemplateUse):
        template = load_chat_template(model_folder, PromptFormat(template=use))
        (row,) = tokenize_pairs([(pair_records[0], span_records[0])], template, params)
        prompts[use] = row.prompt_ids
    tokenizer = load_tokenizer(model_folder)
    assert tokenizer.decode(prompts["auto"]) == "Sum what is above 0.\n<|end|>"
    assert tokenizer.decode(prompts["plain"]) == "Sum what is above 0.\n"
    assert tokenizer.decode(prompts["completion"]) == "Sum what is above 0."


@pytest.mark.parametrize(
    ("task_id", "end", "message"), [("absent", 5, "'absent' is not in"), ("p0", 10_000, "outside of the program")]
)
def test_spans_of_other_pairs_are_refused(pairs_file, tmp_path, task_id, end, message):
    spans = FocalSpans(task_id=task_id, method="line_lcs", rejected=((0, end),), chosen=())
    write_jsonl(tmp_path / "focal.jsonl", [spans])
    with pytest.raises(RecordError, match=message):
        list(PairReader(pairs_file, tmp_path / "focal.jsonl"))


def test_nothing_to_train_on_and_no_room_are_refused(pairs_file, tmp_path, tokenizer, params):
    (tmp_path / "focal.jsonl").touch()
    with pytest.raises(InputError, match="no pair to train on"):
        next(tokenize_pairs(PairReader(pairs_file, tmp_path / "focal.jsonl"), ChatTemplate(tokenizer), params))
    short = params.model_copy(update={"max_length": 64})
    with pytest.raises(InputError, match="no room for a program"):
        next(tokenize_pairs(PairReader(pairs_file, tmp_path / "x"), ChatTemplate(tokenizer), short))
