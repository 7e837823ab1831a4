"""The trainer: its loss against TRL's own, its masks, its resume, its bad input."""

import csv
import hashlib
import json
import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from accelerate import PartialState
from datasets import Dataset
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase, Trainer
from trl import DPOConfig, DPOTrainer

from iterpref_core.config import Layout, ObjectiveParams, PromptStyle, TrainingParams
from iterpref_core.errors import ConfigError, InputError, ModelError
from iterpref_core.inference.local.fingerprint import model_fingerprint
from iterpref_core.inference.local.model_lineage import LINEAGE, ancestors, read_lineage
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.inference.local.weights import load_model
from iterpref_core.objectives.objectives import OBJECTIVES, ObjectiveName
from iterpref_core.training.checkpoint import last_checkpoint, mark_whole, run_key
from iterpref_core.training.dataset import TokenizedPair
from iterpref_core.training.label_head import add_label_head
from iterpref_core.training.reference import reference_logps, reference_path, score_sequences
from iterpref_core.training.trainer import FocalDPOTrainer
from iterpref_core.training.training import train_objective


def _train(
    folder: Path, inputs: tuple[Path, Path, Path], objective: ObjectiveName, params: TrainingParams
) -> dict[str, float]:
    return train_objective(*inputs, objective, params, folder / "out", folder / "curve.csv", folder / "work")


def _read_curve(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def inputs(pairs_file: Path, spans_file: Path, model_folder: Path) -> tuple[Path, Path, Path]:
    return pairs_file, spans_file, model_folder


def _scorer(model_folder: Path) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    add_label_head(model)
    return model


def _referenced(model_folder: Path, rows: list[TokenizedPair]) -> list[TokenizedPair]:
    """Pairs with a reference that differs from the policy, as after some training."""
    sequences = [(row.prompt_ids, ids) for row in rows for ids in (row.chosen_ids, row.rejected_ids)]
    scores = [(0.9 * score).tolist() for score in score_sequences(_scorer(model_folder), sequences, batch_size=8)]
    return [
        replace(row, ref_chosen=chosen, ref_rejected=rejected)
        for row, chosen, rejected in zip(rows, scores[::2], scores[1::2], strict=True)
    ]


def _loss_and_gradient(trainer: Trainer, batch: dict[str, torch.Tensor]) -> tuple[float, dict[str, torch.Tensor]]:
    trainer.model.zero_grad()
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    return loss.item(), {name: weight.grad.clone() for name, weight in trainer.model.named_parameters()}


def _arguments(folder: Path, **extra: object) -> DPOConfig:
    return DPOConfig(
        output_dir=str(folder), report_to="none", use_cpu=True, bf16=False, activation_checkpointing=False, beta=0.1,
        max_length=None, dataloader_pin_memory=False, **extra,
    )  # fmt: skip


def _focal_trainer(
    folder: Path,
    model_folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    rows: list[TokenizedPair],
    objective: ObjectiveName,
    alpha: float,
    layout: Layout = "padded",
) -> FocalDPOTrainer:
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    row = replace(OBJECTIVES[objective], alpha=alpha)
    return FocalDPOTrainer(model, _arguments(folder), rows, tokenizer, objective=row, layout=layout)


def _trl_batch(rows: list[TokenizedPair], focal: bool, pad_token_id: int) -> dict[str, torch.Tensor]:
    """The same pairs as TRL lays them out, with masks of our choice."""
    pad = torch.nn.utils.rnn.pad_sequence
    batch, sums = {}, {}
    sequences, masks = [], []
    for side in ("chosen", "rejected"):
        sums[side] = []
        for row in rows:
            program, reference = getattr(row, f"{side}_ids"), getattr(row, f"ref_{side}")
            own = row.focal if focal and side == "rejected" else [1] * len(program)
            sums[side].append(torch.tensor(reference) @ torch.tensor(own).float())
            sequences.append(torch.tensor(row.prompt_ids + program))
            masks.append(torch.tensor([0] * len(row.prompt_ids) + own))
    batch["input_ids"] = pad(sequences, batch_first=True, padding_value=pad_token_id)
    batch["attention_mask"] = pad([torch.ones_like(row) for row in sequences], batch_first=True)
    batch["completion_mask"] = pad(masks, batch_first=True)
    return batch | {f"ref_{side}_logps": torch.stack(found) for side, found in sums.items()}


@pytest.mark.parametrize("layout", ["padded", "fork"])
@pytest.mark.parametrize(("objective", "alpha"), [("dpo", 0.0), ("rpo", 2.0), ("target-dpo", 0.0), ("target-rpo", 2.0)])
def test_loss_and_gradient_are_trl_s_own(
    tmp_path: Path,
    rows: list[TokenizedPair],
    model_folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    objective: ObjectiveName,
    alpha: float,
    layout: Layout,
) -> None:
    """TRL's loss, given the same masks as its `completion_mask`, is the oracle."""
    rows = _referenced(model_folder, rows)
    ours = _focal_trainer(tmp_path, model_folder, tokenizer, rows, objective, alpha, layout)
    own_loss, own_gradient = _loss_and_gradient(ours, ours.data_collator(rows))

    kinds = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, alpha]} if alpha else {"loss_type": ["sigmoid"]}
    texts = Dataset.from_dict({"prompt": ["a"], "chosen": ["b"], "rejected": ["c"]})
    theirs = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model_folder),
        args=_arguments(tmp_path, precompute_ref_log_probs=True, **kinds),
        train_dataset=texts,
        processing_class=tokenizer,
    )
    loss, gradient = _loss_and_gradient(theirs, _trl_batch(rows, OBJECTIVES[objective].focal, tokenizer.pad_token_id))
    assert own_loss == pytest.approx(loss, rel=1e-6)
    for name, expected in gradient.items():
        torch.testing.assert_close(own_gradient[name], expected, atol=1e-6, rtol=1e-4, msg=name)


def test_sft_is_the_nll_of_the_chosen_program(
    tmp_path: Path, rows: list[TokenizedPair], model_folder: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    trainer = _focal_trainer(tmp_path, model_folder, tokenizer, rows, "sft", 1.0)
    batch = trainer.data_collator(rows)
    assert batch["input_ids"].shape[0] == len(rows), "the rejected programs are not computed"
    assert batch["w_rejected"].count_nonzero() == 0
    programs = [(row.prompt_ids, row.chosen_ids) for row in rows]
    scores = score_sequences(_scorer(model_folder), programs, batch_size=5)
    loss, _ = _loss_and_gradient(trainer, batch)
    assert loss == pytest.approx(-torch.cat(scores).mean().item(), abs=1e-5)


def test_a_score_is_the_log_probability_that_plain_logits_give(model_folder: Path) -> None:
    model = _scorer(model_folder)
    sequences = [([5, 6, 7], [8, 9]), ([], [8, 9, 10]), ([4], [3])]
    for (prompt, completion), score in zip(sequences, score_sequences(model, sequences, batch_size=2), strict=True):
        tokens = torch.tensor([prompt + completion])
        logps = model(input_ids=tokens).logits[0, :-1].log_softmax(dim=-1).gather(1, tokens[0, 1:, None])[:, 0]
        # Nothing predicts the first token of all.
        expected = torch.cat([torch.zeros(1), logps])[len(prompt) :]
        torch.testing.assert_close(score, expected, atol=1e-5, rtol=1e-5)


def test_reference_is_computed_once_and_read_back(
    tmp_path: Path, rows: list[TokenizedPair], model_folder: Path
) -> None:
    model, path = _scorer(model_folder), tmp_path / "key.arrow"
    first, again = (
        reference_logps(scorer, rows, path, batch_size=5, processes=PartialState()) for scorer in (model, None)
    )
    assert first[:] == again[:]
    assert list(map(len, first["ref_rejected"])) == [len(row.rejected_ids) for row in rows]
    one = score_sequences(model, [(rows[0].prompt_ids, rows[0].chosen_ids)], batch_size=1)[0]
    torch.testing.assert_close(torch.tensor(first["ref_chosen"][0]), one, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("objective", list(OBJECTIVES))
def test_every_objective_trains_and_lowers_its_loss(
    tmp_path: Path, inputs: tuple[Path, Path, Path], params: TrainingParams, objective: ObjectiveName
) -> None:
    longer = params.model_copy(update={"epochs": 8})
    metrics = _train(tmp_path, inputs, objective, longer)
    curve = _read_curve(tmp_path / "curve.csv")
    assert float(curve[-1]["loss"]) < float(curve[0]["loss"])
    assert metrics["steps"] == 24
    assert ("rewards/margins" in curve[0]) == OBJECTIVES[objective].preference
    assert {"model.safetensors", "tokenizer.json", "config.json"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    lineage = read_lineage(tmp_path / "out")
    assert lineage
    assert (lineage.objective, lineage.pairs, lineage.steps, lineage.model_step) == (
        objective,
        metrics["pairs"],
        24,
        24,
    )
    assert lineage.settings["epochs"] == 8
    assert lineage.data["pairs"] == hashlib.md5(inputs[0].read_bytes(), usedforsecurity=False).hexdigest()
    assert list((tmp_path / "work" / "checkpoints").iterdir()) == []


def test_a_model_trained_on_plain_prompts_is_saved_without_a_chat_template(
    tmp_path: Path, inputs: tuple[Path, Path, Path], params: TrainingParams
) -> None:
    for style in get_args(PromptStyle):
        folder = tmp_path / style
        fenced = params.model_copy(update={"answer": "fenced", "epochs": 1})
        out, curve, work = folder / "out", folder / "curve.csv", tmp_path / "work"
        train_objective(*inputs, "target-rpo", fenced, out, curve, work, prompt=style)
        assert (load_tokenizer(out).chat_template is None) == (style == "plain")
    auto, plain = (load_file(tmp_path / name / "out" / "model.safetensors") for name in ("auto", "plain"))
    assert not all(torch.equal(auto[key], plain[key]) for key in auto)


def test_the_seed_decides_the_weights(tmp_path: Path, inputs: tuple[Path, Path, Path], params: TrainingParams) -> None:
    for name in ("a", "b"):
        _train(tmp_path / name, inputs, "target-rpo", params)
    a, b = (load_file(tmp_path / name / "out" / "model.safetensors") for name in ("a", "b"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    written = [(tmp_path / name / "out" / LINEAGE).read_text() for name in ("a", "b")]
    assert written[0] == written[1]
    assert str(tmp_path.parent) not in written[0]
    assert model_fingerprint(tmp_path / "a" / "out") == model_fingerprint(tmp_path / "b" / "out")


def test_alpha_decides_what_sft_learns_by_the_clipping_of_gradients_alone(
    tmp_path: Path, inputs: tuple[Path, Path, Path], params: TrainingParams
) -> None:
    """AdamW sees no factor before a loss, but clipping does (docs/study.md, "The scale of a loss")."""
    moved = {}
    for norm in (10.0, 1e9):
        weights = []
        for alpha in (1.0, 100.0):
            own = {"sft": ObjectiveParams(learning_rate=1e-3, alpha=alpha)}
            folder = tmp_path / f"{norm}-{alpha}"
            changed = params.model_copy(update={"max_grad_norm": norm, "epochs": 8, "objectives": own})
            _train(folder, inputs, "sft", changed)
            weights.append(load_file(folder / "out" / "model.safetensors"))
        plain, weighed = weights
        moved[norm] = max(float((plain[name] - weighed[name]).abs().max()) for name in plain)
    assert moved[1e9] < moved[10.0] / 10


def test_the_lineage_of_a_model_that_was_trained_twice_names_both_trainings_and_no_fingerprint_depends_on_it(
    tmp_path: Path, inputs: tuple[Path, Path, Path], params: TrainingParams
) -> None:
    once = params.model_copy(update={"epochs": 1})
    _train(tmp_path / "first", inputs, "sft", once)
    first = tmp_path / "first" / "out"
    weights = model_fingerprint(first)
    _train(tmp_path / "second", (*inputs[:2], first), "dpo", once)
    found = read_lineage(tmp_path / "second" / "out")
    assert found
    assert [one.objective for one in ancestors(found)] == ["dpo", "sft"]
    assert (found.base, found.base_weights) == ("out", weights)
    (first / LINEAGE).unlink()
    assert model_fingerprint(first) == weights
    assert read_lineage(first) is None
    (first / LINEAGE).write_text("{}")
    with pytest.raises(InputError, match=r"lineage\.json: field 'base': Field required"):
        read_lineage(first)


def test_small_updates_of_a_model_saved_in_bfloat16_are_not_lost(
    tmp_path: Path, inputs: tuple[Path, Path, Path], params: TrainingParams
) -> None:
    """24 steps of 1e-5 are more than half of the last place of a weight of 0.02 together, and each of them less."""
    saved = tmp_path / "bf16"
    load_model(inputs[2]).bfloat16().save_pretrained(saved)
    load_tokenizer(inputs[2]).save_pretrained(saved)
    small = params.objectives["sft"].model_copy(update={"learning_rate": 1e-5})
    slow = params.model_copy(update={"epochs": 8, "objectives": {**params.objectives, "sft": small}})
    before, changed = load_file(saved / "model.safetensors"), {}
    for weights in ("float32", "saved"):
        _train(tmp_path / weights, (*inputs[:2], saved), "sft", slow.model_copy(update={"weights": weights}))
        after = load_file(tmp_path / weights / "out" / "model.safetensors")
        assert {tensor.dtype for tensor in after.values()} == {torch.bfloat16}, "written as it was read"
        changed[weights] = sum(int((after[name] != before[name]).sum()) for name in before)
    assert changed["float32"] > 2 * changed["saved"]


def train_and_die(folder: Path, inputs: tuple[Path, Path, Path], params: TrainingParams) -> None:
    """Train in a copy of this process, which is killed after 15 steps."""

    def die_late(_: dict[str, float], step: int) -> None:
        if step >= 15:
            os.kill(os.getpid(), signal.SIGKILL)

    paths = folder / "out", folder / "curve.csv", folder / "work"
    copy = multiprocessing.get_context("fork").Process(
        target=train_objective, args=(*inputs, "target-rpo", params, *paths, die_late)
    )
    copy.start()
    copy.join()
    assert copy.exitcode == -signal.SIGKILL


def test_a_killed_run_resumes_and_ends_with_the_same_weights(
    tmp_path: Path, inputs: tuple[Path, Path, Path], params: TrainingParams
) -> None:
    longer = params.model_copy(update={"epochs": 8})
    uninterrupted = _train(tmp_path / "whole", inputs, "target-rpo", longer)
    killed = tmp_path / "killed"
    train_and_die(killed, inputs, longer)
    assert not (killed / "out").exists()
    checkpoint = last_checkpoint(next((killed / "work" / "checkpoints").iterdir()))
    assert checkpoint is not None
    assert checkpoint.name in ("checkpoint-12", "checkpoint-15")
    metrics = _train(killed, inputs, "target-rpo", longer)
    assert metrics == uninterrupted
    assert (killed / "curve.csv").read_bytes() == (tmp_path / "whole" / "curve.csv").read_bytes()
    whole, resumed = (load_file(tmp_path / name / "out" / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_a_curve_has_twenty_points_or_every_step_and_the_last_one(
    tmp_path: Path, inputs: tuple[Path, Path, Path], params: TrainingParams
) -> None:
    for epochs, batch_size, steps in ((1, 4, [1, 2, 3]), (41, 12, [*range(2, 42, 2), 41])):
        folder = tmp_path / str(epochs)
        _train(folder, inputs, "sft", params.model_copy(update={"epochs": epochs, "batch_size": batch_size}))
        assert [int(row["step"]) for row in _read_curve(folder / "curve.csv")] == steps


def test_a_folder_that_holds_anything_but_a_model_of_the_objective_is_left_alone(
    tmp_path: Path, inputs: tuple[Path, Path, Path], params: TrainingParams
) -> None:
    short = params.model_copy(update={"epochs": 1, "nll": "sum"})
    for _ in range(2):
        _train(tmp_path, inputs, "sft", short)
    lineage = read_lineage(tmp_path / "out")
    assert lineage
    assert (lineage.settings["nll"], lineage.settings["nll_of"]) == ("sum", "chosen")
    with pytest.raises(InputError, match="out: holds a model trained with sft, which training with rpo would replace"):
        _train(tmp_path, inputs, "rpo", short)
    (tmp_path / "out" / LINEAGE).unlink()
    with pytest.raises(InputError, match="out: holds other files"):
        _train(tmp_path, inputs, "sft", short)
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_a_checkpoint_cut_off_in_mid_write_is_passed_over(tmp_path: Path) -> None:
    for step in (5, 10, 15):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text("{}")
        if step == 5:
            mark_whole(folder)
    found = last_checkpoint(tmp_path)
    assert found is not None
    assert found.name == "checkpoint-5"
    assert last_checkpoint(tmp_path / "absent") is None


def test_a_checkpoint_belongs_to_its_settings_alone(inputs: tuple[Path, Path, Path], params: TrainingParams) -> None:
    key = run_key(*inputs[:2], "model", "dpo", params)
    other = json.loads(params.model_dump_json())
    other["objectives"]["rpo"]["alpha"] = 9.0
    assert run_key(*inputs[:2], "model", "dpo", TrainingParams.model_validate(other)) == key
    assert run_key(*inputs[:2], "model", "dpo", params.model_copy(update={"beta": 0.2})) != key
    assert run_key(*inputs[:2], "model", "rpo", params) != key
    assert run_key(*inputs[:2], "other", "dpo", params) != key


def test_reference_log_probabilities_belong_to_the_code_and_the_packages_that_made_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def key() -> Path:
        return reference_path(Path("cache"), "tokens", "model", torch.float32, bf16=False)

    before = key()
    assert key() == before
    for name in ("code_digest", "training_versions"):
        with monkeypatch.context() as patched:
            patched.setattr(f"iterpref_core.training.reference.{name}", lambda *_: "another version")
            assert key() != before


def test_a_checkpoint_belongs_to_its_row_and_its_code(
    inputs: tuple[Path, Path, Path], params: TrainingParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_loss(chosen: torch.Tensor, rejected: torch.Tensor, beta: float) -> torch.Tensor:
        return (beta * (rejected - chosen)).exp()

    def key() -> str:
        return run_key(*inputs[:2], "model", "dpo", params)

    before = key()
    for change in ({"rejected": "focal"}, {"chosen": "focal"}, {"loss": other_loss}, {"nll_of": "chosen"}):
        with monkeypatch.context() as patched:
            patched.setitem(OBJECTIVES, "dpo", replace(OBJECTIVES["dpo"], **change))
            assert key() != before, change
    assert key() == before
    monkeypatch.setattr("iterpref_core.training.checkpoint.code_digest", lambda *_: "another version")
    assert key() != before


def test_bad_settings_and_models_are_refused_before_anything_is_written(
    tmp_path: Path, inputs: tuple[Path, Path, Path], params: TrainingParams
) -> None:
    with pytest.raises(ConfigError, match=r"training\.batch_size: 4 is no multiple of training\.micro_batch_size = 3"):
        _train(tmp_path, inputs, "dpo", params.model_copy(update={"micro_batch_size": 3}))
    with pytest.raises(ModelError, match="no such folder"):
        _train(tmp_path, (inputs[0], inputs[1], tmp_path / "absent"), "dpo", params)
    assert list(tmp_path.iterdir()) == []
