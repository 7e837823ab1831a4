"""KTO on single programs: TRL's loss and weights, and a killed training that ends as one that was not killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from iterpref_core.models.pretrained.lineage import read_lineage
from iterpref_core.records.config import Layout
from iterpref_core.records.errors import ConfigError, InputError, TrainingError
from iterpref_core.storage.file_digest import file_digest
from tests.training.outputs import read_curve, read_weights

from .conftest import BAD, GOOD, WRONG_LINE, Row, Train, settings, write_rows

if TYPE_CHECKING:
    import torch

    from tests.growing_memory import Releases


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    import torch

    return all(torch.equal(first[name], second[name]) for name in first)


def in_order(rows: list[Row], seed: int = 3) -> list[Row]:
    drawn = list(rows)
    Random(seed).shuffle(drawn)
    return drawn


def _focal_collator(tokenizer: Any, args: Any) -> Any:
    """Return TRL's collator, which counts the error region alone of each failing program."""
    import torch
    from trl import DPOConfig
    from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

    from iterpref_core import FocalCollator

    options = {"use_cpu": True, "bf16": False, "report_to": "none", "remove_unused_columns": False}
    marks = FocalCollator(tokenizer, DPOConfig("unused", **options))
    plain = DataCollatorForUnpairedPreference(tokenizer.pad_token_id, max_length=args.max_length)

    def collate(examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch = plain(examples)
        for row, example in zip(batch["completion_mask"], examples, strict=True):
            if not example["label"]:
                failing = example | {"rejected": example["completion"], "rejected_ids": example["completion_ids"]}
                counted = [0] * len(example["prompt_ids"]) + marks.error_region(failing)
                row[: len(counted)] = torch.tensor(counted)[: len(row)]
        return batch

    return collate


@pytest.mark.parametrize("objective", ["kto", "target-kto"])
def test_losses_and_weights_are_those_of_a_script_with_trl_s_trainer(
    objective: str, tmp_path: Path, train: Train, rows: list[Row], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRL is given the texts, tokenizes them itself, and holds a second model as the reference."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import KTOConfig, KTOTrainer

    from iterpref_core.models.pretrained.tokenizers import load_chat_template

    monkeypatch.setattr(KTOTrainer, "_send_telemetry", lambda _: None)
    metrics = train("run", objective)
    template = load_chat_template(model)
    policy, reference = (AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32) for _ in range(2))
    weights = {"desirable_weight": 1.2} if objective == "kto" else {"undesirable_weight": 0.8}
    args = KTOConfig(
        str(tmp_path / "trl"), per_device_train_batch_size=4, gradient_accumulation_steps=2, num_train_epochs=2,
        learning_rate=1e-3, lr_scheduler_type="cosine", warmup_steps=0, beta=0.5, max_length=128, logging_steps=1,
        bf16=False, use_cpu=True, report_to="none", save_strategy="no", remove_unused_columns=False,
        gradient_checkpointing=False, disable_tqdm=True, seed=3, **weights,
    )  # fmt: skip
    texts = [
        {"rejected_spans": None} | row | {"prompt": template.render_prompt(row["prompt"])} for row in in_order(rows)
    ]
    trainer = KTOTrainer(
        model=policy,
        ref_model=reference,
        args=args,
        train_dataset=Dataset.from_list(texts),
        processing_class=template.tokenizer,
        data_collator=_focal_collator(template.tokenizer, args) if objective == "target-kto" else None,
    )
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    curve = read_curve(tmp_path / "run")
    assert len(curve) == len(logged) == metrics["steps"] == 6
    for ours, theirs in zip(curve, logged, strict=True):
        for name in ("loss", "kl", "rewards/chosen", "rewards/rejected", "grad_norm"):
            assert float(ours[name]) == pytest.approx(theirs[name], abs=1e-5), name
    assert float(curve[-1]["kl"]) > 0
    trained = policy.state_dict()
    for name, weight in read_weights(tmp_path / "run" / "out").items():
        torch.testing.assert_close(weight, trained[name], rtol=0, atol=1e-5)
    assert not equal(read_weights(model), read_weights(tmp_path / "run" / "out"))


@pytest.mark.parametrize("layout", ["padded", "fork"])
@pytest.mark.parametrize("objective", ["kto", "target-kto"])
def test_the_loss_is_that_of_the_equation_and_its_gradient_is_where_tokens_count(
    objective: str, layout: Layout, tmp_path: Path, rows: list[Row], programs: Path, model: Path
) -> None:
    """The equation is computed from plain logits, one row at a time; the policy has moved away from the reference."""
    import torch
    from transformers import TrainingArguments

    from iterpref_core.models.pretrained.tokenizers import load_chat_template
    from iterpref_core.models.pretrained.weights import load_model
    from iterpref_core.training.data.labeled_programs import ProgramReader
    from iterpref_core.training.model.reference import score_pairs
    from iterpref_core.training.objectives.objective_table import find_objective
    from iterpref_core.training.training.trainer import PairTrainer

    params = settings(layout=layout)
    template = load_chat_template(model)
    row = find_objective(objective, params.objectives)
    data = list(ProgramReader(programs, focal=row.regional).tokenize(template, params))
    args = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none", per_device_train_batch_size=4)
    policy = load_model(model)
    trainer = PairTrainer(policy, args, data, template.tokenizer, objective=row, beta=0.5, layout=layout)
    four_rows = score_pairs(policy, data[:4], batch_size=4)
    with torch.no_grad():
        trainer.model.get_input_embeddings().weight.mul_(0.9)
    loss = trainer.compute_loss(trainer.model, trainer.data_collator(four_rows))
    gradients = torch.autograd.grad(loss, list(trainer.model.parameters()))

    reference = load_model(model)

    def logratios(prompt: str, program: str) -> torch.Tensor:
        asked = template.tokenizer(template.render_prompt(prompt))["input_ids"]
        answer = [*template.tokenizer(program)["input_ids"], template.tokenizer.eos_token_id]
        ids = torch.tensor([[*asked, *answer]])
        sides = []
        for side in (trainer.model, reference):
            scores = side(input_ids=ids).logits[0, len(asked) - 1 : -1].log_softmax(dim=-1)
            sides.append(scores[range(len(answer)), answer])
        return sides[0] - sides[1].detach()

    def counted(row: Row) -> list[bool]:
        encoded = template.tokenizer(row["completion"], return_offsets_mapping=True)
        if row["label"] or objective == "kto":
            return [True] * (len(encoded["input_ids"]) + 1)
        first, last = WRONG_LINE
        return [start < last and first < end for start, end in encoded["offset_mapping"]] + [False]

    four = in_order(rows)[:4]
    z = torch.stack([logratios(row["prompt"], four[place - 1]["completion"]).sum() for place, row in enumerate(four)])
    z = z.mean().clamp(min=0).detach()
    weights = {True: 1.2, False: 1.0} if objective == "kto" else {True: 1.0, False: 0.8}
    losses = []
    for row in four:
        total = (logratios(row["prompt"], row["completion"]) * torch.tensor(counted(row))).sum()
        inner = total - z if row["label"] else z - total
        losses.append(weights[row["label"]] * (1 - (0.5 * inner).sigmoid()))
    expected = torch.stack(losses).mean()
    assert {row["label"] for row in four} == {True, False}
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    for found, wanted in zip(gradients, torch.autograd.grad(expected, list(trainer.model.parameters())), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-6)


def test_metrics_curve_and_lineage_tell_of_the_programs(
    tmp_path: Path, train: Train, programs: Path, growing_memory: Releases
) -> None:
    metrics = train("run", "target-kto")
    assert growing_memory.count >= 10
    assert (metrics["programs"], metrics["passing"], metrics["failing"]) == (19, 10, 9)
    assert 0 < metrics["focal_token_share"] < 0.6
    curve = read_curve(tmp_path / "run")
    assert [int(row["step"]) for row in curve] == list(range(1, 7))
    assert metrics["rewards/margins"] == float(curve[-1]["rewards/margins"])
    lineage = read_lineage(tmp_path / "run" / "out")
    assert lineage is not None
    assert (lineage.objective, lineage.programs, lineage.pairs) == ("target-kto", 19, None)
    assert (lineage.settings["undesirable_weight"], lineage.settings["beta"]) == (0.8, 0.5)
    assert lineage.data == {"programs": file_digest(programs, "md5")}
    assert not list((tmp_path / "run" / "work" / "checkpoints").iterdir())
    assert not (tmp_path / "run" / "out" / "README.md").exists()


def _train_and_die(folder: Path, programs: Path, start: Path, training: dict[str, Any], last_step: int) -> None:
    """Train in a copy of this process, which is killed after a step."""
    from iterpref_core.training.training.training import train_objective

    def die_late(_: dict[str, float], step: int) -> None:
        if step >= last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    paths = folder / "out", folder / "curve.csv", folder / "work"
    copy = multiprocessing.get_context("fork").Process(
        target=train_objective,
        args=({"programs": programs}, start, "target-kto", settings(**training), *paths, die_late),
    )
    copy.start()
    copy.join()
    assert copy.exitcode == -signal.SIGKILL


@pytest.mark.parametrize(
    "training",
    [
        {},
        pytest.param(
            {"lora": {"r": 4, "lora_dropout": 0.1}, "validation_share": 0.3, "select": "best"}, marks=pytest.mark.slow
        ),
    ],
    ids=["all weights", "adapters with validation"],
)
def test_a_killed_training_resumes_and_ends_with_the_same_weights(
    training: dict[str, Any], tmp_path: Path, train: Train, programs: Path, model: Path
) -> None:
    from iterpref_core.training.training.checkpoint import last_checkpoint

    training = training | {"epochs": 3, "arguments": {"save_steps": 2, "logging_steps": 1}}
    uninterrupted = train("whole", "target-kto", **training)
    killed = tmp_path / "killed"
    _train_and_die(killed, programs, model, training, last_step=5)
    assert not (killed / "out").exists()
    checkpoint = last_checkpoint(next((killed / "work" / "checkpoints").iterdir()))
    assert checkpoint is not None
    assert checkpoint.name == "checkpoint-4"
    assert train("killed", "target-kto", **training) == uninterrupted
    assert (killed / "curve.csv").read_bytes() == (tmp_path / "whole" / "curve.csv").read_bytes()
    whole, resumed = read_weights(tmp_path / "whole" / "out"), read_weights(killed / "out")
    assert equal(whole, resumed)
    assert not equal(whole, read_weights(model))


def test_other_programs_or_settings_do_not_resume_a_checkpoint(
    tmp_path: Path, train: Train, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of checkpoints has the name of all that decides the weights."""
    from iterpref_core.training.training.run import Run

    class _FoundError(Exception):
        pass

    folders = set()

    def found(run: Run, key: str) -> Path:
        folders.add(checkpoints(run, key).name)
        raise _FoundError  # before anything is trained

    checkpoints = Run.checkpoints
    monkeypatch.setattr(Run, "checkpoints", found)

    def start(name: str, **settings: Any) -> int:
        with pytest.raises(_FoundError):
            train(name, **settings)
        return len(folders)

    assert start("first") == start("again") == 1
    assert start("seed", seed=4) == 2
    assert start("weight", objectives={"kto": {"learning_rate": 1e-3, "beta": 0.5}}) == 3
    assert start("data", file=write_rows(tmp_path / "fewer.jsonl", rows[:-1])) == 4


def test_training_goes_on_from_adapters_which_are_the_reference(tmp_path: Path, train: Train) -> None:
    """At the first step policy and reference are the same: the loss is a half, weighed."""
    train("first", "target-kto", lora={"r": 4}, merge=False, epochs=1)
    start = tmp_path / "first" / "out"
    metrics = train("second", "target-kto", lora={}, merge=False, start_from=start)
    curve = read_curve(tmp_path / "second")
    assert float(curve[0]["kl"]) == pytest.approx(0, abs=1e-5)
    assert float(curve[0]["rewards/margins"]) == pytest.approx(0, abs=1e-5)
    assert metrics["steps"] == 6
    assert (tmp_path / "second" / "out" / "adapter_config.json").is_file()
    assert not list((tmp_path / "second" / "out").glob("ref*"))


def test_the_best_checkpoint_is_chosen_on_programs_of_other_problems(tmp_path: Path, train: Train) -> None:
    metrics = train("run", validation_share=0.3, select="best", arguments={"save_steps": 1, "logging_steps": 1})
    losses = {int(row["step"]): float(row["validation/loss"]) for row in read_curve(tmp_path / "run")}
    assert metrics["validation/loss"] == min(losses.values()) == losses[int(metrics["model_step"])]
    assert metrics["validation_programs"] + metrics["programs"] == 19
    assert metrics["validation_programs"] % 2 == 0, "both programs of a problem are on one side"


def test_training_ends_where_the_validation_loss_no_longer_falls(tmp_path: Path, train: Train) -> None:
    arguments = {"save_steps": 1, "logging_steps": 1, "lr_scheduler_type": "constant"}
    objectives = {"kto": {"learning_rate": 0.05, "beta": 0.5}}
    training = {"validation_share": 0.3, "early_stopping_patience": 1, "arguments": arguments, "epochs": 20}
    metrics = train("run", objectives=objectives, **training)
    assert metrics["stopped/patience"] == metrics["steps"] < 40


def test_a_training_that_diverges_before_its_first_checkpoint_has_no_model(tmp_path: Path, train: Train) -> None:
    objectives = {"kto": {"learning_rate": 1e30}}
    with pytest.raises(TrainingError, match=r"training diverged: .* lower the learning rate"):
        train("run", epochs=16, objectives=objectives, arguments={"max_grad_norm": 0.0})
    assert not (tmp_path / "run" / "out").exists()


def test_a_model_whose_logits_the_head_does_not_know_is_refused(
    tmp_path: Path, train: Train, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlamaForCausalLM

    plain = LlamaForCausalLM.forward

    def halved(self: Any, *arguments: Any, **options: Any) -> Any:
        output = plain(self, *arguments, **options)
        output.logits = output.logits * 0.5 + self.lm_head.weight[:, 0]
        return output

    monkeypatch.setattr(LlamaForCausalLM, "forward", halved)
    with pytest.raises(InputError, match="llama: it changes its logits in a way that training does not support"):
        train("run")


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"micro_batch_size": 1}, "training.micro_batch_size: is 1, and kto compares each prompt with another program"),
        ({"micro_batch_size": 3}, "training.batch_size: 8 is no multiple of training.micro_batch_size = 3"),
        ({"accelerate": "fsdp2.yaml"}, "training.accelerate"),
        ({"arguments": {"optm": "sgd"}}, "training.arguments.optm: is not passed on"),
        ({"arguments": {"train_sampling_strategy": "random"}}, "train_sampling_strategy: is not passed on"),
        ({"arguments": {"lr_scheduler_type": "reduce_lr_on_plateau"}}, "follows the validation loss, and nothing is"),
        ({"select": "best"}, "training.select: best needs programs to choose by"),
        ({"lora": {"rank": 4}}, "training.lora.rank: is not known to write"),
        ({"load": "4bit"}, "training.load: 4bit: quantized weights cannot be trained themselves"),
        ({"objectives": {"kto": {"learning_rate": 1, "alpha": 1}}}, "kto.alpha: has no effect on kto"),
        ({"objectives": {"kto": {"learning_rate": 1, "gamma": 1}}}, "kto.gamma: has no effect on kto"),
        ({"objectives": {"kto": {"learning_rate": 1, "reference_free": True}}}, "reference_free: has no effect on kto"),
    ],
)
def test_a_wrong_setting_is_refused_before_the_model_loads(
    tmp_path: Path, train: Train, training: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from iterpref_core.training.training import training as stage

    monkeypatch.setattr(stage, "load_policy", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(ConfigError, match=message):
        train("run", **training)
    assert not (tmp_path / "run" / "out").exists()


def test_a_weight_of_programs_has_no_effect_on_pairs() -> None:
    from iterpref_core.records.config import ObjectiveParams
    from iterpref_core.training.objectives.objective_table import find_objective

    stated = {"dpo": ObjectiveParams(learning_rate=1e-5, desirable_weight=2.0)}
    with pytest.raises(ConfigError, match=r"dpo.desirable_weight: has no effect on dpo; remove it"):
        find_objective("dpo", stated)


def test_programs_that_pass_become_more_likely_than_those_that_fail(tmp_path: Path, train: Train, model: Path) -> None:
    import torch

    from iterpref_core.models.pretrained.tokenizers import load_chat_template
    from iterpref_core.models.pretrained.weights import load_model

    train("run", "kto", epochs=12)

    def preference(folder: Path) -> float:
        template = load_chat_template(folder)
        side = load_model(folder)
        asked = template.tokenizer(template.render_prompt("Sum what is above 4."))["input_ids"]
        sums = []
        for program in (GOOD.format(k=4), BAD.format(k=4)):
            answer = template.tokenizer(program)["input_ids"]
            with torch.no_grad():
                logits = side(input_ids=torch.tensor([[*asked, *answer]])).logits[0, len(asked) - 1 : -1]
            sums.append(logits.log_softmax(dim=-1)[range(len(answer)), answer].sum().item())
        return sums[0] - sums[1]

    assert preference(tmp_path / "run" / "out") > preference(model) + 0.5
