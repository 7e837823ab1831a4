"""Which weights become the model: chosen by validation, or those before training diverged."""

import csv
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from iterpref_core.config import TrainingParams
from iterpref_core.errors import ConfigError, TrainingError
from iterpref_core.objectives.objectives import ObjectiveName
from iterpref_core.training.dataset import TokenizedPair
from iterpref_core.training.training import train_objective
from iterpref_core.training.validation import held_out

Train = Callable[..., dict[str, float]]


@pytest.fixture
def train(tmp_path: Path, pairs_file: Path, spans_file: Path, model_folder: Path, params: TrainingParams) -> Train:
    def run(name: str, objective: ObjectiveName = "target-rpo", **settings: object) -> dict[str, float]:
        folder = tmp_path / name
        changed = TrainingParams.model_validate({**params.model_dump(), "epochs": 8, **settings})
        paths = folder / "out", folder / "curve.csv", folder / "work"
        return train_objective(pairs_file, spans_file, model_folder, objective, changed, *paths)

    return run


def _curve(folder: Path) -> list[dict[str, str]]:
    with (folder / "curve.csv").open() as file:
        return list(csv.DictReader(file))


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "out" / "model.safetensors")


def _rate(params: TrainingParams, rate: float) -> dict[str, object]:
    return {name: {"learning_rate": rate, "alpha": own.alpha} for name, own in params.objectives.items()}


def test_a_pair_stays_on_its_side_when_others_go(rows: list[TokenizedPair], params: TrainingParams) -> None:
    settings = params.model_copy(update={"validation_share": 0.4})
    task_ids = [row.task_id for row in rows]
    held = held_out(task_ids, settings, 1)
    assert 0 < sum(held) < len(rows)
    assert held_out(task_ids[3:], settings, 1) == held[3:]
    further = [f"{task_id}#2" for task_id in task_ids]
    assert held_out([*task_ids, *further], settings, 1) == held * 2
    assert held_out(further, settings, 1) != held, "of others' pairs no `#` means one problem"
    assert held_out(task_ids, settings.model_copy(update={"seed": 4}), 1) != held
    assert held_out(task_ids, params, 1) == [False] * len(rows)


def test_the_best_checkpoint_is_the_model(tmp_path: Path, train: Train, params: TrainingParams) -> None:
    """A learning rate that is too high: the lowest validation loss is not at the end."""
    settings = {"objective": "dpo", "validation_share": 0.3, "objectives": _rate(params, 0.05)}
    last, best = train("last", **settings), train("best", **settings, select="best")
    assert last["pairs"] + last["validation_pairs"] == 12
    assert last["model_step"] == last["steps"]
    curve = [row for row in _curve(tmp_path / "best") if row["validation/loss"]]
    losses = {int(row["step"]): float(row["validation/loss"]) for row in curve}
    assert best["model_step"] == min(losses, key=lambda step: losses[step]) < best["steps"]
    assert [int(row["step"]) for row in curve if row["chosen"] == "1"] == [best["model_step"]]
    assert best["validation/loss"] == pytest.approx(min(losses.values()))
    of_last = _weights(tmp_path / "last")
    assert any(not torch.equal(of_last[name], weight) for name, weight in _weights(tmp_path / "best").items())
    # Training itself is the same: what is chosen from it is not.
    assert [row["loss"] for row in _curve(tmp_path / "last")] == [row["loss"] for row in _curve(tmp_path / "best")]


@pytest.mark.parametrize("nll", ["mean", "sum"])
def test_validation_loss_does_not_depend_on_the_batches_it_is_computed_in(
    tmp_path: Path, train: Train, nll: str
) -> None:
    for micro in (1, 4):
        train(str(micro), validation_share=0.4, nll=nll, micro_batch_size=micro, epochs=1)
    one, four = (
        [float(row["validation/loss"]) for row in _curve(tmp_path / str(micro)) if row["validation/loss"]]
        for micro in (1, 4)
    )
    assert one == pytest.approx(four, rel=1e-4)


def test_exploding_margins_end_training_and_an_earlier_checkpoint_is_the_model(
    tmp_path: Path, train: Train, params: TrainingParams, caplog: pytest.LogCaptureFixture
) -> None:
    whole = train("whole")
    limit = whole["rewards/margins"] * 0.6
    with caplog.at_level(logging.WARNING, "iterpref_core.training.training"):
        stopped = train("stopped", max_margin=limit)
    assert 0 < stopped["model_step"] < stopped["stopped/margin"] < whole["steps"]
    assert stopped["steps"] == stopped["stopped/margin"] - 1
    assert len(caplog.records) == 1
    assert "training diverged: margin = " in caplog.text
    assert not list((tmp_path / "stopped" / "work" / "checkpoints").iterdir())


def test_a_run_that_diverges_before_its_first_checkpoint_is_an_error(
    tmp_path: Path, train: Train, model_folder: Path, params: TrainingParams, pairs_file: Path, spans_file: Path
) -> None:
    with pytest.raises(TrainingError, match=r"margin = .* at step \d, before its first checkpoint"):
        train("margin", max_margin=1e-9, objectives=_rate(params, 1e-3))
    assert not (tmp_path / "margin" / "out").exists()
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in model_folder.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    weights = load_file(broken / "model.safetensors")
    weights["lm_head.weight"][:] = 3e38  # which are numbers, as no logit is
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(TrainingError, match="loss = nan at step 1, before its first checkpoint"):
        train_objective(
            pairs_file, spans_file, broken, "dpo", params, tmp_path / "o", tmp_path / "c.csv", tmp_path / "w"
        )


def test_a_gradient_that_is_not_finite_is_never_applied(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is a checkpoint from before, and finite."""
    import torch.nn.utils as utils

    real, steps = utils.clip_grad_norm_, iter(range(100))
    monkeypatch.setattr(
        "torch.nn.utils.clip_grad_norm_",
        lambda *args, **kwargs: real(*args, **kwargs) * (torch.nan if next(steps) == 10 else 1.0),
    )
    metrics = train("gradient")
    assert metrics["stopped/gradient"] == 11
    assert metrics["model_step"] == 9
    assert all(weight.isfinite().all() for weight in _weights(tmp_path / "gradient").values())
    json.dumps(metrics, allow_nan=False)


def test_choosing_without_pairs_to_choose_by_is_refused(train: Train) -> None:
    with pytest.raises(ConfigError, match=r"training\.select: best needs pairs"):
        train("best", select="best")
    with pytest.raises(ConfigError, match=r"training\.validation_share: 0\.0001 of 12 pairs keeps 0"):
        train("none", validation_share=0.0001)
