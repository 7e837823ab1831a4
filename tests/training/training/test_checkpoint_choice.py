"""Validation, or the end before divergence, chooses the weights that become the model."""

import json
import logging
import math
import shutil
from contextlib import nullcontext

import pytest
import torch
import torch.nn.utils as utils
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from iterpref_core.models.pretrained.weights import load_model
from iterpref_core.records import InputError, ObjectiveParams, PreferencePair, TrainingError
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.training.data.held_out import held_out, problems_of
from iterpref_core.training.trainer.focal_trainer import FocalTrainer
from tests.settings import changed

from .conftest import (
    arguments_in,
    assert_equal_weights,
    logps_by_hand,
    read_curve,
    read_validation,
    read_weights,
    scored,
    trainer_of,
)


@given(rows=st.lists(st.tuples(st.sampled_from(["", "p", "q", "r"]), st.sampled_from("abcd")), min_size=1, max_size=8))
def test_rows_of_one_id_or_one_statement_are_of_one_problem_and_others_are_not(rows):
    linked = [[row[1] == other[1] or row[0] == other[0] != "" for other in rows] for row in rows]
    expected = connected_components(csr_array(linked))[1]
    problems = problems_of(*zip(*rows, strict=True))
    assert len({*problems}) == len({*expected}) == len({*zip(problems, expected, strict=True)})


def test_a_pair_stays_on_its_side_when_others_go(rows, params):
    settings = changed(params, validation_share=0.4, seed=3)
    task_ids = [row.task_id for row in rows]
    held = held_out(task_ids, settings, 1)
    assert 0 < sum(held) < len(rows)
    assert held_out(task_ids[3:], settings, 1) == held[3:]
    assert held_out(task_ids * 2, settings, 1) == held * 2, "further pairs of a problem are on its side"
    assert held_out(task_ids, changed(settings, seed=4), 1) != held
    assert held_out(task_ids, params, 1) == [False] * len(rows)


VALIDATION = (2, 5, 11)


@pytest.fixture
def with_split(pair_records, inputs, tmp_path):
    """Return a file in which some pairs are of a split, and the model."""

    def write(split, numbers=VALIDATION):
        pairs = [changed(pair, split=split) if at in numbers else pair for at, pair in enumerate(pair_records)]
        write_jsonl(tmp_path / "pairs.jsonl", pairs)
        return tmp_path / "pairs.jsonl", inputs[1]

    return write


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_pairs_of_the_split_validation_are_validated_and_never_trained_on(
    share, tmp_path, train, with_split, pair_records, model, rows, caplog
):
    pairs, start = with_split("Dev")
    settings = {"validation_share": share, "select": "best", "arguments": EVERY_EPOCH}
    found = train("validated", "target-dpo", (pairs, start), epochs=1, **settings)
    assert (found["pairs"], found["validation_pairs"]) == (9, 3)
    assert ("training.validation_share draws none" in caplog.text) == bool(share)
    write_jsonl(pairs, [pair for at, pair in enumerate(pair_records) if at not in VALIDATION])
    train("rest", "target-dpo", (pairs, start), epochs=1)
    # The reference is scored in other batches, which round differently in some arithmetics.
    weights = (read_weights(tmp_path / name) for name in ("validated", "rest"))
    torch.testing.assert_close(*weights, rtol=0, atol=1e-6)
    losses = []
    policy = load_model(tmp_path / "rest" / "out")
    for row in (rows[number] for number in VALIDATION):
        sums = []
        for program, marks in ((row.chosen_ids, [1] * len(row.chosen_ids)), (row.rejected_ids, row.focal)):
            own, other = (logps_by_hand(each.double(), row.prompt_ids, program) for each in (policy, model))
            sums.append(((own - other) * torch.tensor(marks)).sum().item())
        losses.append(math.log1p(math.exp(-0.1 * (sums[0] - sums[1]))))
    assert found["validation/loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)


@pytest.mark.parametrize(
    ("split", "numbers", "message"),
    [
        ("Held-out", VALIDATION, "^pair 'p2': its split is 'Held-out', which is neither trained on nor validated"),
        (
            "validation",
            range(12),
            "^the split validation of 12 pairs holds 12 out; it must hold out at least 1 and leave",
        ),
        ("hard", VALIDATION, None),
    ],
)
def test_no_pair_of_a_split_for_results_is_trained_on(split, numbers, message, train, with_split):
    with pytest.raises(InputError, match=message) if message else nullcontext():
        assert train("run", "sft", with_split(split, numbers), epochs=1)["pairs"] == 12


LOSSES = (0.6, 0.5, 0.55, 0.4, 0.45, 0.42, 0.3, 0.7)
"""Of eight validations: the lowest is not the last, and two in a row are not lower than the one before them."""
EVERY_EPOCH = {"save_steps": 3}
VALIDATED = {"epochs": len(LOSSES), "validation_share": 0.3, "seed": 3, "arguments": EVERY_EPOCH}
"""Epochs of three steps, each with a validation of the pairs that are drawn from the seed."""


@pytest.fixture
def stated_losses(monkeypatch):
    """Let each validation compute a loss, and then have the one that is stated: how training goes decides nothing."""
    validate = FocalTrainer.evaluation_loop

    def stated(trainer, *args, **kwargs):
        output = validate(trainer, *args, **kwargs)
        before = sum("eval_loss" in entry for entry in trainer.state.log_history)
        output.metrics["eval_loss"] = LOSSES[before]
        return output

    monkeypatch.setattr(FocalTrainer, "evaluation_loop", stated)


@pytest.fixture
def stated_margins(monkeypatch):
    """Let the margins of a training grow by 1 with each step, from 0."""
    take = FocalTrainer._take_means
    monkeypatch.setattr(
        FocalTrainer, "_take_means", lambda self: take(self) | {"rewards/margins": float(self.state.global_step)}
    )


def test_the_best_checkpoint_is_the_model(tmp_path, train, stated_losses):
    settings = VALIDATED | {"arguments": EVERY_EPOCH | {"lr_scheduler_type": "constant"}}
    best = train("best", "dpo", **settings, select="best")
    losses = read_validation(tmp_path / "best")
    assert tuple(losses.values()) == LOSSES
    assert best["pairs"] + best["validation_pairs"] == 12
    assert best["model_step"] == min(losses, key=lambda step: losses[step]) < best["steps"]
    assert best["validation/loss"] == min(LOSSES)
    curve = read_curve(tmp_path / "best")
    assert [int(row["step"]) for row in curve if row["chosen"] == "1"] == [best["model_step"]]
    # The rate is the same at every step: a training that ends where the loss is lowest has the same weights.
    last = train("last", "dpo", **settings | {"epochs": LOSSES.index(min(LOSSES)) + 1})
    assert last["model_step"] == last["steps"] == best["model_step"]
    assert_equal_weights(tmp_path / "last", tmp_path / "best")
    assert [row["loss"] for row in read_curve(tmp_path / "last")] == [row["loss"] for row in curve[: last["steps"]]]


def test_exploding_margins_end_training_and_an_earlier_checkpoint_is_the_model(tmp_path, train, stated_margins, caplog):
    with caplog.at_level(logging.WARNING, "iterpref_core.training.trainer.train_objective"):
        stopped = train("stopped", "target-rpo", epochs=4, max_margin=6.5, arguments=EVERY_EPOCH)
    assert (stopped["stopped/margin"], stopped["steps"], stopped["model_step"]) == (8, 7, 6)
    (said,) = [record.getMessage() for record in caplog.records if record.name.startswith("iterpref_core")]
    assert said.startswith("training diverged: margin = 7 at step 8; an earlier checkpoint becomes the model")
    assert not list((tmp_path / "stopped" / "work" / "checkpoints").iterdir())


def test_where_a_validated_training_diverges_the_best_checkpoint_is_the_model(train, stated_losses, stated_margins):
    stopped = train("stopped", "dpo", **VALIDATED, select="best", max_margin=18.5)
    assert (stopped["stopped/margin"], stopped["model_step"]) == (20, 12), "step 18 has a checkpoint, and a higher loss"


def test_a_run_that_diverges_before_its_first_checkpoint_is_an_error(tmp_path, train, inputs, stated_margins):
    with pytest.raises(TrainingError, match=r"margin = 1 at step 2, before its first checkpoint"):
        train("margin", "target-rpo", epochs=8, max_margin=0.5)
    assert not (tmp_path / "margin" / "out").exists()
    broken = shutil.copytree(inputs[1], tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["lm_head.weight"][:] = 3e38  # which are numbers, as no logit is
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(TrainingError, match="loss = nan at step 1, before its first checkpoint"):
        train("nan", "dpo", (inputs[0], broken))


def test_a_training_whose_gradient_is_zero_has_diverged(tmp_path, train, params):
    """A rate of 1e6 makes all hidden states overflow, which the norms turn into zeros: nothing is NaN."""
    fast = {name: changed(row, learning_rate=1e6) for name, row in params.objectives.items()}
    arguments = {"max_grad_norm": 0.0, "lr_scheduler_type": "constant", "save_steps": 1}
    metrics = train("dead", "sft", epochs=4, objectives=fast, arguments=arguments, warmup_ratio=0.0)
    assert metrics["stopped/gradient"] <= 3
    assert metrics["model_step"] < metrics["stopped/gradient"]


def test_a_training_without_any_gradient_is_an_error_and_a_batch_without_one_is_none(
    tmp_path, train, inputs, pair_records
):
    """Rows to replay have none where alpha is 0, and equal programs where all of y- counts."""
    equal = [pair.model_copy(update={"rejected": pair.chosen}) for pair in pair_records[:4]]
    alone = [PreferencePair(**pair.model_dump(include={"task_id", "prompt", "chosen"})) for pair in pair_records]
    objectives = {"target-rpo": ObjectiveParams(learning_rate=1e-3, alpha=0.0, beta=0.1)}
    settings = {"epochs": 1, "arguments": {"train_sampling_strategy": "sequential", "save_steps": 1}}
    write_jsonl(tmp_path / "pairs", [*alone[:4], *pair_records[4:8], *alone[8:]])
    found = train("alone", "target-rpo", (tmp_path / "pairs", inputs[1]), objectives=objectives, **settings)
    assert (found["steps"], found["model_step"], found["replay"]) == (3, 3, 8)
    assert found["rewards/margins"] == float(read_curve(tmp_path / "alone")[1]["rewards/margins"])
    write_jsonl(tmp_path / "pairs", [*equal, *pair_records[4:8]])
    assert train("some", "dpo", (tmp_path / "pairs", inputs[1]), **settings)["model_step"] == 2
    write_jsonl(tmp_path / "pairs", equal)
    for _ in range(2):  # the second goes on from a checkpoint
        with pytest.raises(TrainingError, match="the gradient is 0 in every step"):
            train("none", "dpo", (tmp_path / "pairs", inputs[1]), **settings | {"epochs": 2})
    assert not (tmp_path / "none" / "out").exists()


def test_a_gradient_that_is_not_finite_is_never_applied(tmp_path, train, monkeypatch):
    """The model is a checkpoint from before, and finite."""
    real, steps = utils.clip_grad_norm_, iter(range(9))
    monkeypatch.setattr(
        "torch.nn.utils.clip_grad_norm_",
        lambda *args, **kwargs: real(*args, **kwargs) * (torch.nan if next(steps) == 4 else 1.0),
    )
    metrics = train("gradient", "target-rpo", arguments={"save_steps": 3})
    assert (metrics["stopped/gradient"], metrics["model_step"]) == (5, 3)
    assert all(weight.isfinite().all() for weight in read_weights(tmp_path / "gradient").values())
    json.dumps(metrics, allow_nan=False)


@pytest.mark.parametrize("nll", ["mean", "sum"])
def test_evaluate_scores_the_pairs_that_it_is_given(nll, rows, inputs, tokenizer, tmp_path):
    model = load_model(inputs[1])
    ready, arguments = scored(model, rows), arguments_in(tmp_path)
    trainer = trainer_of(model, ready, tokenizer, arguments, "target-rpo", ready[:2], nll=nll)
    losses = []
    for arguments.per_device_eval_batch_size in (1, 5, 8):
        losses.append(trainer.evaluate(ready, metric_key_prefix="test")["test_loss"])
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4), "whatever batches they are computed in"
    assert trainer.evaluate()["eval_loss"] != losses[-1], "in the same batches"


def test_training_ends_where_the_validation_loss_no_longer_falls(tmp_path, train, stated_losses):
    ended = train("ended", "dpo", **VALIDATED, select="best", early_stopping_patience=2)
    losses = read_validation(tmp_path / "ended")
    assert tuple(losses.values()) == LOSSES[:6], "the fourth is lower than the two behind it"
    assert ended["stopped/patience"] == ended["steps"] == list(losses)[5]
    assert (ended["model_step"], ended["validation/loss"]) == (list(losses)[3], LOSSES[3])
    whole = train("whole", "dpo", **VALIDATED, select="best", early_stopping_patience=3)
    assert "stopped/patience" not in whole
    assert whole["steps"] > ended["steps"]


@pytest.mark.parametrize(
    "settings",
    [
        {"arguments": {"max_steps": 4}},
        VALIDATED | {"select": "best", "early_stopping_patience": 2},
    ],
    ids=["steps that end within an epoch", "an early end"],
)
def test_a_training_that_was_killed_after_its_last_step_makes_no_further_one(
    settings, tmp_path, train, monkeypatch, stated_losses
):
    def killed(*_, **__):
        raise RuntimeError("killed before the model is written")

    whole = train("whole", "dpo", **settings)
    with monkeypatch.context() as patched:
        patched.setattr("iterpref_core.training.trainer.train_objective.write_model", killed)
        with pytest.raises(RuntimeError, match="killed before the model is written"):
            train("killed", "dpo", **settings)
    assert train("killed", "dpo", **settings) == whole
    assert_equal_weights(tmp_path / "killed", tmp_path / "whole")
