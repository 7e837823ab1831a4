"""Messages as prompts have TRL's tokens, train a plain model as their texts do, and are refused in one line."""

import io
import json

import pytest
from datasets import Dataset
from rich.console import Console

from iterpref_core import mark_errors
from iterpref_core.evaluation.report.pair_view import render_terminal
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.prompts.codeflow_prompts import draft_prompt, refine_prompt
from iterpref_core.records import (
    Message,
    PreferencePair,
    RecordError,
    chat_messages,
    prompt_text,
)
from iterpref_core.storage.jsonl import read_pairs
from iterpref_core.training.data.tokenization import tokenize_pairs
from tests.chat_templates import FAMILIES, make_tokenizer

from .conftest import BAD, GOOD, trl_s

SYSTEM = Message(role="system", content="Answer with a program.")
TURNS = (
    Message(role="user", content="Sum what is above 1."),
    Message(role="assistant", content="Of a list?"),
    Message(role="user", content="Yes, of `nums`."),
)


def chat_pair(*prompt):
    return PreferencePair(task_id="p", prompt=prompt, chosen=GOOD.format(k=1), rejected=BAD.format(k=1))


@pytest.mark.parametrize(
    ("family", "prompt"),
    [("ChatML", (SYSTEM, *TURNS)), ("ChatML", TURNS), ("Gemma", TURNS)],
    ids=["system and turns", "turns", "another template"],
)
def test_tokens_and_masks_are_trl_s(family, prompt, make_model, params, tmp_path):
    tokenizer = make_tokenizer(FAMILIES[family])
    pair = chat_pair(*prompt)
    marked = pair.model_copy(update=mark_errors({"prompt": "", "chosen": pair.chosen, "rejected": pair.rejected}))
    form = params.model_copy(update={"max_prompt_length": 512, "max_length": 1024})
    (ours,) = tokenize_pairs([marked], ChatTemplate(tokenizer), form)
    row = {"prompt": chat_messages(pair.prompt)}  # as TRL takes conversations
    row |= {side: [{"role": "assistant", "content": getattr(pair, side)}] for side in ("chosen", "rejected")}
    trainer = trl_s(make_model(tokenizer), Dataset.from_list([row]).map(mark_errors), tokenizer, tmp_path)
    theirs = dict(trainer.train_dataset[0])
    assert ours.prompt_ids == theirs["prompt_ids"]
    # TRL also trains the line break after a turn's end.
    assert ours.chosen_ids == theirs["chosen_ids"][: len(ours.chosen_ids)]
    assert ours.rejected_ids == theirs["rejected_ids"][: len(ours.rejected_ids)]
    assert ours.focal == trainer.data_collator.error_region(theirs)[: len(ours.focal)]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (3, "a text or a list of messages is expected, not int"),
        ([], "the last message must be the user's, which is to be answered; it is missing"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "it is the assistant's"),
        ([{"role": "tool", "content": "a"}], "the role of a message is one of system, user, assistant, not 'tool'"),
        ([{"role": "user", "content": ["a"]}], "a message has the texts `role` and `content`"),
        (
            [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}, {"role": "user", "content": "c"}],
            "a message of the system must be the first one",
        ),
    ],
)
def test_messages_that_cannot_be_answered_are_one_line(prompt, message, tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps({"prompt": prompt, "chosen": "a", "rejected": "b"}) + "\n")
    with pytest.raises(RecordError, match=message) as raised:
        list(read_pairs(file))
    assert str(raised.value).startswith(f"{file}:1: field 'prompt': ")
    assert "\n" not in str(raised.value)


def test_the_last_message_is_worded_and_those_before_it_stay():
    prompt = (SYSTEM, *TURNS)
    draft = draft_prompt(prompt, "instruct")
    again = refine_prompt(prompt, "x = 1", "f is missing")
    for worded in (draft, again):
        assert not isinstance(worded, str)
        assert worded[:-1] == prompt[:-1]
        assert "Yes, of `nums`." in worded[-1].content
    assert "f is missing" in prompt_text(again)


def test_a_pair_is_shown_with_the_roles():
    console = Console(width=80, color_system=None, record=True, file=io.StringIO())
    console.print(render_terminal(chat_pair(SYSTEM, *TURNS)))
    shown = console.export_text()
    assert "system: Answer with a program.\n\nuser: Sum what is above 1.\n\nassistant: Of a list?" in shown
