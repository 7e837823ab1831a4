"""The stage trains the embedded models, from tokenizer to repairs, or takes models named by the user."""

import os
import re
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from iterpref_core.execution import open_executor
from iterpref_core.models.pretrained.checkpoints import locate_model, served_name
from iterpref_core.nanolab import embedded_models
from iterpref_core.nanolab import pretrain as pretrain_module
from iterpref_core.nanolab.embedded_models import build_models, train_tokenizer
from iterpref_core.nanolab.pretrain import (
    Example,
    _warm_cosine,
    encode_example,
    new_model,
    pretrain,
    right_padding,
    set_gradient,
    shuffled_batches,
    single_threads,
)
from iterpref_core.nanolab.repairs import make_repairs
from iterpref_core.records import InputError, IoTest, ModelError, ModelParams, NanolabParams, Problem
from iterpref_core.storage.jsonl import write_jsonl
from tests.settings import EXECUTION, changed, moved, section
from tests.settings import PARAMS as DEFAULTS

PARAMS = section(
    NanolabParams,
    hidden_size=32,
    intermediate_size=64,
    student_steps=1,
    debugger_steps=1,
    batch_size=4,
    muon_learning_rate=0.05,
)
EMBEDDED = section(ModelParams, student="nanolab", debugger="nanolab", prompt="auto")
REFERENCES = tuple(
    f"def solve(nums):\n    part = nums[{start}:]\n    kept = [n for n in part if n {test} 3]\n    return {end}(kept)\n"
    for start, test, end in ((0, ">", "sum"), (1, "<", "len"), (2, "!=", "sorted"))
)


@pytest.fixture(autouse=True)
def moved_seed(monkeypatch):
    for module in (pretrain_module, embedded_models):
        monkeypatch.setattr(module, "SEED", moved(module.SEED))


@cache
def tokenizer():
    return train_tokenizer(REFERENCES, 320)


def _problem(number, split):
    reference = REFERENCES[number % 3]
    namespace = {}
    exec(reference, namespace)
    answer = namespace["solve"]([1, 5, 3, 9])
    return Problem(
        task_id=f"{split}/{number}",
        prompt=f"Write solve number {number}.",
        entry_point="solve",
        tests=(IoTest(call="solve([1, 5, 3, 9])", expected=repr(answer)),),
        reference=reference,
        split=split,
    )


PROBLEMS = [_problem(n, split) for split in ("student", "debugger") for n in range(6)]


@given(st.text(max_size=80))
def test_any_text_survives_the_tokenizer(text):
    assert tokenizer().decode(tokenizer()(text)["input_ids"], skip_special_tokens=False) == text


def test_no_token_lies_on_two_lines():
    texts = [tokenizer().decode(token) for token in range(len(tokenizer()))]
    assert ")\n" in texts
    assert not [text for text in texts if "\n" in text.rstrip("\n")]


def test_only_the_completion_is_learnt_and_padding_is_not():
    rows = [encode_example(Example("a", "bb"), tokenizer()), encode_example(Example("a long task", "x"), tokenizer())]
    assert rows[0]["labels"][-1] == tokenizer().eos_token_id
    learnt = [token for token in rows[1]["labels"] if token != -100]
    assert tokenizer().decode(learnt) == "x<|end|>"
    batch = right_padding(tokenizer())(rows)
    padding = batch["attention_mask"] == 0
    assert padding.any()
    assert (batch["labels"][padding] == -100).all()


def test_every_example_comes_once_before_any_comes_again():
    batches = shuffled_batches(10, 5, seed=0)
    for _ in range(3):
        assert sorted(next(batches) + next(batches)) == list(range(10))


@pytest.mark.parametrize(("width", "layers"), [(32, 2), (128, 2), (256, 4)])
def test_the_layers_follow_from_the_width(width, layers):
    model = new_model(tokenizer(), changed(PARAMS, hidden_size=width))
    assert model.config.num_hidden_layers == layers


@pytest.mark.parametrize("bf16", [False, True])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(bf16):
    rows = [encode_example(Example("a" * (n % 5), "b" * (1 + n % 7)), tokenizer()) for n in range(20)]
    torch.manual_seed(0)
    model = new_model(tokenizer(), PARAMS)
    with single_threads() as pool:
        loss = set_gradient(model, rows, right_padding(tokenizer()), pool, bf16=bf16)
    parts = [weight.grad.clone() for weight in model.parameters()]
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        whole = model(**right_padding(tokenizer())(rows)).loss
    whole.backward()
    assert loss == pytest.approx(whole.item(), rel=1e-3 if bf16 else 1e-6)
    for part, weight in zip(parts, model.parameters(), strict=True):
        torch.testing.assert_close(part, weight.grad, **({"atol": 2e-3, "rtol": 2e-2} if bf16 else {}))


def test_the_weights_are_the_same_again_on_any_number_of_cores(monkeypatch):
    examples = [Example("a" * n, "b" * (20 - n)) for n in range(20)]
    params = changed(PARAMS, batch_size=16)
    trained = []
    threads = torch.get_num_threads()
    for cores in (1, 3):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        model, loss = pretrain(examples, tokenizer(), params, 5, "test")
        assert torch.get_num_threads() == threads
        trained.append([torch.tensor(loss), *model.state_dict().values()])
    assert all(torch.equal(one, other) for one, other in zip(*trained, strict=True))


def test_repairs_are_programs_that_fail_with_the_feedback_they_cause():
    with open_executor(EXECUTION) as executor:
        repairs, again = (list(make_repairs(PROBLEMS[:6], 5, executor)) for _ in range(2))
    assert repairs == again
    assert len(repairs) > 2
    for repair in repairs:
        _, broken, feedback = re.split(r"```(?:python)?\n", repair.prompt)
        assert broken != repair.completion
        assert feedback.removesuffix("Write the corrected program.").strip()


def test_the_learning_rate_warms_up_in_a_twentieth_of_the_steps_and_falls_to_nothing():
    rates = [_warm_cosine(step, 100) for step in range(101)]
    assert rates[:5] == sorted(rates[:5])
    assert rates[0] == pytest.approx(1 / 5)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[4] > 0.99
    assert rates[100] == pytest.approx(0)


def _build(folder, problems=(), model=EMBEDDED, backend="transformers", params=PARAMS):
    """Run the stage; it writes to `models`."""
    write_jsonl(folder / "problems.jsonl", problems)
    inference = changed(DEFAULTS.inference, backend=backend)
    sections = {"model": model, "nanolab": params, "execution": EXECUTION, "inference": inference}
    folders = {role: folder / "models" / role for role in ("student", "debugger")}
    return build_models(changed(DEFAULTS, **sections), problems=folder / "problems.jsonl", **folders).metrics()


def _checkpoint(folder):
    model, _ = pretrain([Example("a", "b")], tokenizer(), PARAMS, 1, "test")
    model.save_pretrained(folder / "own")
    tokenizer().save_pretrained(folder / "own")
    return str(folder / "own")


def test_the_stage_writes_ordinary_checkpoints(tmp_path):
    metrics = _build(tmp_path, PROBLEMS)
    for role in ("student", "debugger"):
        model = AutoModelForCausalLM.from_pretrained(tmp_path / "models" / role)
        assert model.config.architectures == ["LlamaForCausalLM"]
        assert len(AutoTokenizer.from_pretrained(tmp_path / "models" / role)) == model.config.vocab_size
    assert metrics["debugger/examples"] > metrics["student/examples"] == 6


def test_a_debugger_goes_on_from_a_student_that_learns_also_where_another_student_is_named(tmp_path):
    names = changed(EMBEDDED, student=_checkpoint(tmp_path))
    metrics = _build(tmp_path, PROBLEMS, names, params=changed(PARAMS, student_steps=60))
    assert "student/loss" not in metrics
    assert metrics["debugger/loss"] < 1.5, "a fresh model of 320 tokens begins at 5.8; without Muon it would have 2"


def test_named_models_are_pinned_and_nothing_is_trained_for_them(tmp_path):
    checkpoint = _checkpoint(tmp_path)
    metrics = _build(tmp_path, PROBLEMS, changed(EMBEDDED, debugger=checkpoint))
    assert not any(name.startswith("debugger/") for name in metrics)
    assert locate_model(tmp_path / "models" / "debugger").name_or_path == checkpoint
    assert _build(tmp_path, model=section(ModelParams, prompt="auto", student=checkpoint, debugger=checkpoint)) == {}


def test_a_debugger_behind_an_endpoint_is_a_name_that_no_hub_is_asked_about(tmp_path):
    checkpoint = _checkpoint(tmp_path)
    named = section(ModelParams, prompt="auto", student=checkpoint, debugger="vendor/big-model")
    assert _build(tmp_path, model=named, backend="openai") == {}
    debugger = tmp_path / "models" / "debugger"
    assert served_name(debugger) == "vendor/big-model"
    assert locate_model(tmp_path / "models" / "student").name_or_path == checkpoint
    pinned = debugger.rename(tmp_path / "pinned")
    _build(tmp_path, model=changed(named, debugger=str(pinned)), backend="openai")
    assert served_name(debugger) == "vendor/big-model"


@pytest.mark.parametrize(
    ("model", "backend", "error", "message"),
    [
        (EMBEDDED, "openai", ModelError, r"model\.debugger.*inference\.backend"),
        (changed(EMBEDDED, student="./absent"), "transformers", ModelError, "no such folder"),
        (EMBEDDED, "transformers", InputError, "no problem of split 'debugger'"),
    ],
)
def test_models_that_cannot_be_had_are_refused(tmp_path, model, backend, error, message):
    with pytest.raises(error, match=message):
        _build(tmp_path, PROBLEMS[:6], model, backend)
    assert not (tmp_path / "models").exists(), "no model is trained or replaced before"
