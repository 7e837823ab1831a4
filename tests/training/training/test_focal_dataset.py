"""Somebody's own data set gets the columns that the pipeline gives its files."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from iterpref_core.pairs.localization.localization import mark_errors
from iterpref_core.records import PreferencePair
from iterpref_core.records.config import ObjectiveName
from iterpref_core.records.errors import ConfigError, InputError
from iterpref_core.training.objectives.objective_table import OBJECTIVES

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments

    from iterpref_core.training.data.tokenized_pair import TokenizedPair


@pytest.fixture
def model(model_folder: Path) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model_folder)


@pytest.fixture
def pairs(pair_records: list[PreferencePair]) -> Dataset:
    from datasets import Dataset

    return Dataset.from_list([pair.model_dump(exclude={"task_id"}) for pair in pair_records])


def settings(folder: Path) -> TrainingArguments:
    from transformers import TrainingArguments

    return TrainingArguments(str(folder), report_to="none", use_cpu=True, dataloader_pin_memory=False)


@pytest.mark.parametrize("objective", ["sft", "dpo", "target-rpo", "hybrid-dpo", "symmetric-dpo"])
def test_tokens_and_masks_are_the_pipeline_s(
    objective: ObjectiveName, pairs: Dataset, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
    rows: list[TokenizedPair], tmp_path: Path,
) -> None:  # fmt: skip
    from iterpref_core.training.trainer.focal_dataset import focal_dataset

    found = focal_dataset(pairs.map(mark_errors), model, tokenizer, objective, settings(tmp_path))
    assert len(found) == len(rows)
    for number, row in enumerate(rows):
        own = replace(found[number], task_id=row.task_id, problem_id=row.problem_id, ref_chosen=(), ref_rejected=())
        assert own == row
        assert found[number].task_id == found[number].problem_id == str(number), "a row is named by its number"
        if OBJECTIVES[objective].preference:
            assert len(found[number].ref_chosen) == len(row.chosen_ids)
            assert max(found[number].ref_rejected) < 0


def test_nothing_stands_between_a_plain_prompt_and_its_program(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """As in TRL: a line break would make a syntax error of a completion."""
    from datasets import Dataset

    from iterpref_core.training.trainer.focal_dataset import focal_dataset

    row = {"prompt": "def f(x):\n    return", "chosen": " x + 1\n", "rejected": " x - 1\n"}
    data = Dataset.from_list([row]).map(mark_errors)
    bare = deepcopy(tokenizer)
    bare.chat_template = None
    (found,) = focal_dataset(data, model, bare, "target-dpo", settings(tmp_path))
    assert bare.decode(found.prompt_ids + found.chosen_ids, skip_special_tokens=True).endswith("return x + 1\n")


@pytest.mark.parametrize(("name", "value"), [("chat_template_kwargs", {"mood": "LOUD"}), ("tools", [{"name": "f"}])])
def test_a_column_of_the_template_that_is_not_read_is_refused(
    name: str, value: object, pairs: Dataset, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    from iterpref_core.training.trainer.focal_dataset import focal_dataset

    with pytest.raises(InputError, match=f"pairs: the column {name} has no effect here"):
        focal_dataset(pairs.map(lambda _: {name: value}), model, tokenizer, "dpo", settings(tmp_path))


def test_an_id_beyond_the_embedding_is_named(
    pairs: Dataset, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """As where tokens were added to the tokenizer, and the model was not resized."""
    from iterpref_core.training.trainer.focal_dataset import focal_dataset

    model.resize_token_embeddings(250)
    with pytest.raises(InputError, match="the model: vocab_size is 250, and there is a token id 3"):
        focal_dataset(pairs, model, tokenizer, "dpo", settings(tmp_path))


def test_an_insertion_is_marked_where_it_belongs_and_execution_is_no_method_for_rows() -> None:
    row = {"prompt": "", "rejected": "def f(x):\n    return y\n", "chosen": "def f(x):\n    y = x\n    return y\n"}
    assert mark_errors(row) == {"rejected_spans": [[10, 22]], "chosen_spans": [[10, 19]]}
    with pytest.raises(ConfigError, match="'causal' runs programs; use `localize_pairs`"):
        mark_errors(row, "causal")
    with pytest.raises(ConfigError, match="no method 'tokens'; did you mean 'token'"):
        mark_errors(row, "tokens")


def test_texts_without_a_prompt_are_refused_where_their_regions_are_marked() -> None:
    """TRL makes a prompt of what both programs begin with; regions of the whole text would mark other tokens."""
    row: dict[str, object] = {"chosen": "Sum.\ndef f(x):\n    a = 1\n", "rejected": "Sum.\ndef f(x):\n    a = 7\n"}
    with pytest.raises(InputError, match="mark_errors: the row has texts and no column 'prompt'"):
        mark_errors(row)
    sides = {name: [{"role": "assistant", "content": text}] for name, text in row.items()}
    assert mark_errors(sides) == mark_errors({"prompt": ""} | row)


def as_chats(pairs: Dataset, role: str = "assistant") -> Dataset:
    """Rows of messages, whose answers have a role."""
    from datasets import Dataset

    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": row["prompt"]}],
                "chosen": [{"role": role, "content": row["chosen"]}],
                "rejected": [{"role": role, "content": row["rejected"]}],
            }
            for row in pairs
        ]
    )


def test_messages_are_tokenized_as_texts_are(
    pairs: Dataset, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    from iterpref_core.training.trainer.focal_dataset import focal_dataset

    chats = as_chats(pairs)
    whole = chats.map(lambda row: {side: row["prompt"] + row[side] for side in ("chosen", "rejected")})
    expected = focal_dataset(pairs.map(mark_errors), model, tokenizer, "sft", settings(tmp_path))
    for other in (chats, whole, whole.remove_columns("prompt")):
        assert focal_dataset(other.map(mark_errors), model, tokenizer, "sft", settings(tmp_path)) == expected


def test_conversations_that_part_early_are_refused(
    pairs: Dataset, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    from datasets import Dataset

    from iterpref_core.training.trainer.focal_dataset import focal_dataset

    row = as_chats(pairs)[0]
    row["chosen"] = [{"role": "assistant", "content": "Which?"}, *row["prompt"], *row["chosen"]]
    with pytest.raises(InputError, match=r"pairs\[0\]: the two conversations differ before their last answer"):
        focal_dataset(Dataset.from_list([row]), model, tokenizer, "dpo", settings(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pairs: pairs, "Target-DPO weighs error regions, .*; call `pairs.map"),
        (lambda pairs: pairs.map(mark_errors).remove_columns("prompt"), r"pairs\[0\]: field 'prompt': .*give texts"),
        (lambda pairs: as_chats(pairs, "user").map(mark_errors), r"pairs\[0\]: field 'chosen': .*end with an answer"),
        (lambda pairs: pairs.map(mark_errors).select([]), "the data set is empty"),
        (lambda pairs: pairs.map(mark_errors).map(lambda _: {"rejected": "x"}), "a span lies outside of the program"),
        (
            lambda pairs: pairs.map(mark_errors).map(lambda row: {"messages": [{"content": row["prompt"]}]})
            .remove_columns("prompt").rename_column("messages", "prompt"),
            r"field 'prompt': message 1: the field `role` must be one of system, user, assistant; give texts",
        ),
    ],
)  # fmt: skip
def test_a_data_set_that_cannot_be_used_is_refused(
    change: Callable[[Dataset], Dataset], message: str, pairs: Dataset, model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path,
) -> None:  # fmt: skip
    from iterpref_core.training.trainer.focal_dataset import focal_dataset

    with pytest.raises(InputError, match=message):
        focal_dataset(change(pairs), model, tokenizer, "target-dpo", settings(tmp_path))
