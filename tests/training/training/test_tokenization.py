"""Pairs as token ids and masks."""

from typing import get_args

import pytest

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.tokenizers import load_chat_template, load_tokenizer
from iterpref_core.records import InputError, PromptFormat, TemplateUse
from iterpref_core.training.data.tokenization import tokenize_pairs
from iterpref_core.training.data.tokenized_dataset import open_tokenized_dataset


def test_a_problem_is_what_a_pair_says_whatever_it_is_called(pair_records, tokenizer, params):
    named = pair_records[0].model_copy(update={"problem_id": "repo#1"})
    pairs = (named, pair_records[1])
    assert [row.problem_id for row in tokenize_pairs(pairs, ChatTemplate(tokenizer), params)] == ["repo#1", "p1"]


def test_a_template_that_is_taken_off_leaves_the_raw_prompt(pair_records, model_folder, params):
    prompts = {}
    for use in get_args(TemplateUse):
        template = load_chat_template(model_folder, PromptFormat(template=use))
        (row,) = tokenize_pairs(pair_records[:1], template, params)
        prompts[use] = row.prompt_ids
    tokenizer = load_tokenizer(model_folder)
    assert tokenizer.decode(prompts["auto"]) == "Sum what is above 0.\n<|end|>"
    assert tokenizer.decode(prompts["plain"]) == "Sum what is above 0.\n"
    assert tokenizer.decode(prompts["completion"]) == "Sum what is above 0."


def test_nothing_to_train_on_and_no_room_are_refused(pair_records, tmp_path, tokenizer, params):
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match="no pair to train on"):
        open_tokenized_dataset(tmp_path / "empty.jsonl", ChatTemplate(tokenizer), "model", params, tmp_path / "pairs")
    short = params.model_copy(update={"max_length": 64})
    with pytest.raises(InputError, match="no room for a program"):
        next(tokenize_pairs(pair_records, ChatTemplate(tokenizer), short))
