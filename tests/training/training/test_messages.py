"""Messages as prompts: TRL's tokens, a plain model's weights as of the texts that it reads, one line for mistakes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from iterpref_core.evaluation.inspection.pair_terminal import render_terminal
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.prompts.codeflow_prompts import draft_prompt, refine_prompt
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.records.config import PromptFormat, TrainingParams
from iterpref_core.records.errors import RecordError
from iterpref_core.records.prompt_messages import Message, chat_messages, prompt_text
from iterpref_core.storage.jsonl import read_pairs, write_jsonl
from tests.chat_templates import FAMILIES, make_tokenizer

from .conftest import BAD, GOOD, Inputs, read_weights

if TYPE_CHECKING:
    from iterpref_core import FocalCollator

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SYSTEM = Message(role="system", content="Answer with a program.")
TURNS = (
    Message(role="user", content="Sum what is above 1."),
    Message(role="assistant", content="Of a list?"),
    Message(role="user", content="Yes, of `nums`."),
)


def chat_pair(*prompt: Message) -> PreferencePair:
    return PreferencePair(task_id="p", prompt=prompt, chosen=GOOD.format(k=1), rejected=BAD.format(k=1))


def trl_s_row(tokenizer: PreTrainedTokenizerBase, pair: PreferencePair, folder: Path) -> tuple[dict, FocalCollator]:
    """The row that TRL makes of a pair as it takes conversations, and the collator."""
    from datasets import Dataset
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import DPOConfig, DPOTrainer

    from iterpref_core import FocalCollator, mark_errors

    row = {
        "prompt": chat_messages(pair.prompt),
        "chosen": [{"role": "assistant", "content": pair.chosen}],
        "rejected": [{"role": "assistant", "content": pair.rejected}],
    }
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    LlamaForCausalLM(config).save_pretrained(folder / "model")
    args = DPOConfig(
        str(folder), report_to="none", use_cpu=True, bf16=False, remove_unused_columns=False,
        dataloader_pin_memory=False, disable_tqdm=True,
    )  # fmt: skip
    collator = FocalCollator(tokenizer, args)
    trainer = DPOTrainer(
        model=LlamaForCausalLM.from_pretrained(folder / "model"),
        args=args,
        train_dataset=Dataset.from_list([row]).map(mark_errors),
        processing_class=tokenizer,
        data_collator=collator,
    )
    return dict(trainer.train_dataset[0]), collator


@pytest.mark.parametrize(
    ("family", "prompt"),
    [("ChatML", (SYSTEM, *TURNS)), ("ChatML", TURNS), ("Gemma", TURNS)],
    ids=["system and turns", "turns", "another template"],
)
def test_tokens_and_masks_are_trl_s(family: str, prompt: tuple[Message, ...], tmp_path: Path) -> None:
    from iterpref_core import mark_errors
    from iterpref_core.training.data.tokenization import PairForm, tokenize_pairs

    tokenizer = make_tokenizer(FAMILIES[family])
    pair = chat_pair(*prompt)
    marked = mark_errors({"prompt": "", "chosen": pair.chosen, "rejected": pair.rejected})
    spans = FocalSpans(task_id="p", method="m", rejected=marked["rejected_spans"], chosen=marked["chosen_spans"])
    (ours,) = tokenize_pairs([(pair, spans)], ChatTemplate(tokenizer), PairForm(512, 1024, "bare"))
    theirs, collator = trl_s_row(tokenizer, pair, tmp_path)
    assert ours.prompt_ids == theirs["prompt_ids"]
    # TRL trains the line break behind a turn's end, too.
    assert ours.chosen_ids == theirs["chosen_ids"][: len(ours.chosen_ids)]
    assert ours.rejected_ids == theirs["rejected_ids"][: len(ours.rejected_ids)]
    assert ours.focal == collator.error_region(theirs)[: len(ours.focal)]


def test_a_model_without_a_template_is_trained_on_the_texts(
    inputs: Inputs, params: TrainingParams, pair_records: list[PreferencePair], tmp_path: Path
) -> None:
    import torch

    from iterpref_core.training.trainer.train_objective import train_objective

    chats = [
        pair.model_copy(update={"prompt": (SYSTEM, Message(role="user", content=prompt_text(pair.prompt)))})
        for pair in pair_records
    ]
    texts = [pair.model_copy(update={"prompt": prompt_text(pair.prompt)}) for pair in chats]
    once = params.model_copy(update={"epochs": 1})
    for name, records in (("chats", chats), ("texts", texts)):
        folder = tmp_path / name
        pairs = tmp_path / f"{name}.jsonl"
        write_jsonl(pairs, records)
        assert list(read_pairs(pairs)) == records
        paths = (folder / "out", folder / "curve.csv", folder / "work")
        files = {"pairs": pairs, "spans": inputs[1]}
        train_objective(files, inputs[2], "target-dpo", once, *paths, prompt=PromptFormat(template="plain"))
    of_chats = read_weights(tmp_path / "chats")
    of_texts = read_weights(tmp_path / "texts")
    assert all(torch.equal(weight, of_texts[name]) for name, weight in of_chats.items())


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (3, "a text or a list of messages is expected, not int"),
        ([], "the last message must be the user's, which is to be answered; it is missing"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "it is the assistant's"),
        ([{"role": "tool", "content": "a"}], "message 1: the field `role` must be one of system, user, assistant"),
        ([{"role": "user", "content": ["a"]}], "message 1: the field `content` must be a text"),
        (
            [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}, {"role": "user", "content": "c"}],
            "a message of the system must be the first one",
        ),
    ],
)
def test_messages_that_cannot_be_answered_are_one_line(prompt: object, message: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps({"prompt": prompt, "chosen": "a", "rejected": "b"}) + "\n")
    with pytest.raises(RecordError, match=message) as raised:
        list(read_pairs(file))
    assert str(raised.value).startswith(f"{file}:1: field 'prompt': ")
    assert "\n" not in str(raised.value)


def test_the_last_message_is_worded_and_those_before_it_stay() -> None:
    prompt = (SYSTEM, *TURNS)
    draft = draft_prompt(prompt, "instruct")
    again = refine_prompt(prompt, "x = 1", "f is missing")
    for worded in (draft, again):
        assert not isinstance(worded, str)
        assert worded[:-1] == prompt[:-1]
        assert "Yes, of `nums`." in worded[-1].content
    assert "f is missing" in prompt_text(again)


def test_a_pair_is_shown_with_the_roles() -> None:
    console = Console(width=80, color_system=None, record=True, file=io.StringIO())
    nothing = FocalSpans(task_id="p", method="m", rejected=(), chosen=())
    console.print(render_terminal(chat_pair(SYSTEM, *TURNS), nothing))
    shown = console.export_text()
    assert "system: Answer with a program.\n\nuser: Sum what is above 1.\n\nassistant: Of a list?" in shown
