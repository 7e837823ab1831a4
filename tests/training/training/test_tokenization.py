"""Pairs as token ids and masks."""

from typing import get_args

import pytest

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.tokenizers import load_chat_template, load_tokenizer
from iterpref_core.records import InputError, PromptFormat, TemplateUse
from iterpref_core.training.data.pairs import PairReader
from iterpref_core.training.data.tokenization import tokenize_pairs


@pytest.fixture
def tokenized(pair_records, tokenizer, params):
    """The first pair, with other settings."""
    return lambda **form: next(
        tokenize_pairs(pair_records[:1], ChatTemplate(tokenizer), params.model_copy(update=form))
    )


@pytest.mark.parametrize(("style", "template"), [("bare", "{}"), ("fenced", "```python\n{}```")])
def test_the_mask_marks_the_wrong_line_and_moves_with_what_stands_around_the_program(
    style, template, tokenized, pair_records, tokenizer
):
    row = tokenized(answer=style)
    for ids, mask, program, line in (
        (row.chosen_ids, row.focal_chosen, pair_records[0].chosen, "    kept = [n for n in nums if n > 0]"),
        (row.rejected_ids, row.focal, pair_records[0].rejected, "    kept = [n for n in nums if n < 0]"),
    ):
        assert (ids[-1], mask[-1]) == (tokenizer.eos_token_id, 0)
        assert tokenizer.decode(ids[:-1]) == template.format(program)
        marked = [token for token, mark in zip(ids, mask, strict=True) if mark]
        assert tokenizer.decode(marked).strip("\n") == line


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


def test_nothing_to_train_on_and_no_room_are_refused(pairs_file, tmp_path, tokenizer, params):
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match="no pair to train on"):
        next(tokenize_pairs(PairReader(tmp_path / "empty.jsonl"), ChatTemplate(tokenizer), params))
    short = params.model_copy(update={"max_length": 64})
    with pytest.raises(InputError, match="no room for a program"):
        next(tokenize_pairs(PairReader(pairs_file), ChatTemplate(tokenizer), short))
