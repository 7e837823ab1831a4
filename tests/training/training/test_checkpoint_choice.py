"""Validation, or the end before divergence, chooses the weights that become the model."""

import json
import logging
import shutil

import pytest
import torch
import torch.nn.utils as utils
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from iterpref_core.models.pretrained.weights import load_model
from iterpref_core.records import TrainingError
from iterpref_core.training.data.held_out import held_out, problems_of
from tests.settings import changed

from .conftest import (
    arguments_in,
    assert_equal_weights,
    read_curve,
    read_validation,
    read_weights,
    scored,
    trainer_of,
)


def _rate(params, rate):
    return {name: changed(row, learning_rate=rate) for name, row in params.objectives.items()}


@given(rows=st.lists(st.tuples(st.sampled_from(["", "p", "q", "r"]), st.sampled_from("abcd")), min_size=1, max_size=8))
def test_rows_of_one_id_or_one_statement_are_of_one_problem_and_others_are_not(rows):
    linked = [[row[1] == other[1] or row[0] == other[0] != "" for other in rows] for row in rows]
    expected = connected_components(csr_array(linked))[1]
    problems = problems_of(*zip(*rows, strict=True))
    assert len({*problems}) == len({*expected}) == len({*zip(problems, expected, strict=True)})


def test_a_pair_stays_on_its_side_when_others_go(rows, params):
    settings = changed(params, validation_share=0.4)
    task_ids = [row.task_id for row in rows]
    held = held_out(task_ids, settings, 1)
    assert 0 < sum(held) < len(rows)
    assert held_out(task_ids[3:], settings, 1) == held[3:]
    assert held_out(task_ids * 2, settings, 1) == held * 2, "further pairs of a problem are on its side"
    assert held_out(task_ids, changed(settings, seed=4), 1) != held
    assert held_out(task_ids, params, 1) == [False] * len(rows)


TOO_FAST = {"epochs": 8, "validation_share": 0.3}
"""With a learning rate that is too high: the lowest validation loss is not at the end."""


def test_the_best_checkpoint_is_the_model(tmp_path, train, trained, params):
    settings = TOO_FAST | {"objectives": _rate(params, 0.5)}
    last, (best, chosen) = train("last", "dpo", **settings), trained("dpo", **settings, select="best")
    assert last["pairs"] + last["validation_pairs"] == 12
    assert last["model_step"] == last["steps"]
    losses = read_validation(chosen)
    assert best["model_step"] == min(losses, key=lambda step: losses[step]) < best["steps"]
    assert [int(row["step"]) for row in read_curve(chosen) if row["chosen"] == "1"] == [best["model_step"]]
    assert best["validation/loss"] == pytest.approx(min(losses.values()))
    with pytest.raises(AssertionError):
        assert_equal_weights(tmp_path / "last", chosen)
    # Training itself is the same: what is chosen from it is not.
    assert [row["loss"] for row in read_curve(tmp_path / "last")] == [row["loss"] for row in read_curve(chosen)]


def test_exploding_margins_end_training_and_an_earlier_checkpoint_is_the_model(tmp_path, train, trained, caplog):
    whole, _ = trained("target-rpo", epochs=4)
    limit = whole["rewards/margins"] * 0.6
    with caplog.at_level(logging.WARNING, "iterpref_core.training.trainer.train_objective"):
        stopped = train("stopped", "target-rpo", epochs=4, max_margin=limit)
    assert 0 < stopped["model_step"] < stopped["stopped/margin"] < whole["steps"]
    assert stopped["steps"] == stopped["stopped/margin"] - 1
    (said,) = [record.getMessage() for record in caplog.records if record.name.startswith("iterpref_core")]
    assert said.startswith("training diverged: margin = ")
    assert not list((tmp_path / "stopped" / "work" / "checkpoints").iterdir())


def test_a_run_that_diverges_before_its_first_checkpoint_is_an_error(tmp_path, train, inputs):
    with pytest.raises(TrainingError, match=r"margin = .* at step \d, before its first checkpoint"):
        train("margin", "target-rpo", epochs=8, max_margin=1e-9)
    assert not (tmp_path / "margin" / "out").exists()
    broken = shutil.copytree(inputs[1], tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["lm_head.weight"][:] = 3e38  # which are numbers, as no logit is
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(TrainingError, match="loss = nan at step 1, before its first checkpoint"):
        train("nan", "dpo", (inputs[0], broken))


def test_a_training_whose_gradient_is_zero_has_diverged(tmp_path, train, params):
    """A rate of 1e6 makes all hidden states overflow, which the norms turn into zeros: nothing is NaN."""
    arguments = {"max_grad_norm": 0.0, "lr_scheduler_type": "constant", "save_steps": 1}
    metrics = train("dead", "sft", epochs=4, objectives=_rate(params, 1e6), arguments=arguments, warmup_ratio=0.0)
    assert metrics["stopped/gradient"] <= 3
    assert metrics["model_step"] < metrics["stopped/gradient"]


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


def test_training_ends_where_the_validation_loss_no_longer_falls(trained, params):
    settings = TOO_FAST | {"objectives": _rate(params, 0.5), "select": "best"}
    whole, folder = trained("dpo", **settings)
    losses = list(read_validation(folder).values())
    # The last validation is the first that follows two others, none lower than the lowest before it.
    last = next(n for n in range(2, len(losses)) if min(losses[n - 1 : n + 1]) >= min(losses[: n - 1]))
    assert last + 1 < len(losses), "it has something to save"
    ended, folder = trained("dpo", **settings, early_stopping_patience=2)
    assert list(read_validation(folder).values()) == losses[: last + 1]
    assert ended["stopped/patience"] == ended["steps"] < whole["steps"]
    assert ended["validation/loss"] == min(losses[: last + 1])
    assert "stopped/patience" not in whole


@pytest.mark.parametrize(
    "settings",
    [
        {"arguments": {"max_steps": 4}},
        TOO_FAST | {"select": "best", "early_stopping_patience": 2},
    ],
    ids=["steps that end within an epoch", "an early end"],
)
def test_a_training_that_was_killed_after_its_last_step_makes_no_further_one(
    settings, tmp_path, train, trained, params, monkeypatch
):
    def killed(*_, **__):
        raise RuntimeError("killed before the model is written")

    settings = settings | {"objectives": _rate(params, 0.5)}
    whole, folder = trained("dpo", **settings)
    with monkeypatch.context() as patched:
        patched.setattr("iterpref_core.training.trainer.train_objective.write_model", killed)
        with pytest.raises(RuntimeError, match="killed before the model is written"):
            train("killed", "dpo", **settings)
    assert train("killed", "dpo", **settings) == whole
    assert_equal_weights(tmp_path / "killed", folder)
