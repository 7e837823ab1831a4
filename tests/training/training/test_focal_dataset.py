"""Somebody's own data set gets the columns that the pipeline gives its files."""

from copy import deepcopy
from dataclasses import replace

import pytest
from datasets import Dataset

from iterpref_core.pairs.localization.localization import mark_errors
from iterpref_core.records.errors import ConfigError, InputError
from iterpref_core.training.objectives.objective_table import OBJECTIVES
from iterpref_core.training.trainer.focal_dataset import focal_dataset

from .conftest import arguments_in


@pytest.fixture
def make_dataset(model, tokenizer, tmp_path):
    settings = arguments_in(tmp_path)

    def make(data, objective="dpo", reads=tokenizer):
        return focal_dataset(data, model, reads, objective, settings)

    return make


@pytest.mark.parametrize("objective", ["sft", "dpo", "target-rpo", "hybrid-dpo", "symmetric-dpo"])
def test_tokens_and_masks_are_the_pipeline_s(objective, pairs, make_dataset, rows):
    found = make_dataset(pairs, objective)
    assert len(found) == len(rows)
    for number, row in enumerate(rows):
        own = replace(found[number], task_id=row.task_id, problem_id=row.problem_id, ref_chosen=(), ref_rejected=())
        assert own == row
        assert found[number].task_id == found[number].problem_id == str(number), "a row is named by its number"
        if OBJECTIVES[objective].preference:
            assert len(found[number].ref_chosen) == len(row.chosen_ids)
            assert max(found[number].ref_rejected) < 0


def test_nothing_stands_between_a_plain_prompt_and_its_program(tokenizer, make_dataset):
    """As in TRL: a line break would make a syntax error of a completion."""
    row = {"prompt": "def f(x):\n    return", "chosen": " x + 1\n", "rejected": " x - 1\n"}
    bare = deepcopy(tokenizer)
    bare.chat_template = None
    (found,) = make_dataset(Dataset.from_list([row]), reads=bare)
    assert bare.decode(found.prompt_ids + found.chosen_ids, skip_special_tokens=True).endswith("return x + 1\n")


def test_an_id_beyond_the_embedding_is_named(plain, model, make_dataset):
    """As where tokens were added to the tokenizer, and the model was not resized."""
    model.resize_token_embeddings(250)
    with pytest.raises(InputError, match="the model: vocab_size is 250"):
        make_dataset(plain)


def test_an_insertion_is_marked_where_it_belongs_and_an_unknown_method_is_named():
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


@pytest.mark.parametrize("name", ["pairs", "model", "tokenizer", "args"])
def test_an_argument_of_another_class_is_named(name, plain, model, tokenizer, tmp_path):
    given = {"pairs": plain, "model": model, "tokenizer": tokenizer, "args": arguments_in(tmp_path)}
    with pytest.raises(InputError, match=f"^focal_dataset: {name} is a list; give a "):
        focal_dataset(**given | {name: [1]}, objective="dpo")


def test_messages_need_a_template(plain, tokenizer, make_dataset):
    """As in TRL: their roles would be lost."""
    bare = deepcopy(tokenizer)
    bare.chat_template = None
    with pytest.raises(InputError, match=r"pairs\[0\]: prompt has messages, and the tokenizer has no chat template"):
        make_dataset(as_chats(plain), reads=bare)


def as_chats(plain, role="assistant"):
    """Rows of messages, whose answers have a role."""
    roles = {"prompt": "user", "chosen": role, "rejected": role}
    return Dataset.from_list([{name: [{"role": roles[name], "content": row[name]}] for name in roles} for row in plain])


def test_messages_are_tokenized_as_texts_are(plain, pairs, make_dataset):
    chats = as_chats(plain)
    whole = chats.map(lambda row: {side: row["prompt"] + row[side] for side in ("chosen", "rejected")})
    expected = make_dataset(pairs, "sft")
    for other in (chats, whole, whole.remove_columns("prompt")):
        assert make_dataset(other.map(mark_errors), "sft") == expected


def parted(row):
    """The row, with a turn more before the chosen answer."""
    return {"chosen": [{"role": "assistant", "content": "Which?"}, *row["prompt"], *row["chosen"]]}


def thinking(row):
    """The row, with a field of the chosen answer that some templates write."""
    return {"chosen": [row["chosen"][0] | {"reasoning_content": "I think."}]}


@pytest.mark.parametrize("form", ["torch", "numpy", "pandas"])
def test_the_form_in_which_rows_are_shown_has_no_effect(form, pairs, make_dataset):
    assert make_dataset(pairs.with_format(form), "sft") == make_dataset(pairs, "sft")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda plain: plain, "no column chosen_spans and no rejected_spans; call `pairs.map"),
        (lambda plain: plain.map(mark_errors).remove_columns("chosen_spans"), "no column chosen_spans; call"),
        (lambda plain: plain.map(lambda _: {"chat_template_kwargs": {"mood": "LOUD"}}), "column chat_template_kwargs"),
        (lambda plain: plain.map(lambda _: {"tools": [{"name": "f"}]}), "column tools"),
        (lambda plain: plain.map(lambda _: {"images": ["a.png"]}), "column images"),
        (lambda plain: plain.map(lambda _: {"ref_chosen_logps": -1.0}), "column ref_chosen_logps"),
        (lambda plain: as_chats(plain).map(mark_errors).map(thinking), r"pairs\[0\]: .* field reasoning_content"),
        (lambda plain: plain.map(lambda _: {"rejected_spans": "3-9", "chosen_spans": "3-9"}), "field 'rejected': "),
        (lambda plain: as_chats(plain).map(mark_errors).map(parted), r"pairs\[0\]: the two conversations"),
        (lambda plain: plain.map(mark_errors).remove_columns("prompt"), r"pairs\[0\]: field 'prompt'"),
        (lambda plain: as_chats(plain, "user").map(mark_errors), r"pairs\[0\]: field 'chosen'"),
        (lambda plain: plain.map(mark_errors).select([]), "empty"),
        (lambda plain: plain.map(mark_errors).map(lambda _: {"rejected": "x"}), "span"),
    ],
)
def test_a_data_set_that_cannot_be_used_is_refused(change, place, plain, make_dataset):
    with pytest.raises(InputError, match=place):
        make_dataset(change(plain), "target-dpo")
