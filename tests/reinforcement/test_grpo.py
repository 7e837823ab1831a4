"""GRPO: tests decide which answers become more likely, and a killed training ends as one that was not killed."""

import csv
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from iterpref_core.config import TrainingParams
from iterpref_core.errors import ConfigError, InputError, TrainingError
from iterpref_core.inference.local.framed_tokens import encode_openings
from iterpref_core.inference.local.model_lineage import read_lineage
from iterpref_core.inference.local.tokenizers import load_frame
from iterpref_core.inference.local.weights import load_model
from iterpref_core.reinforcement import tests_as_reward
from iterpref_core.reinforcement.grpo import train_grpo
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.training.checkpoint import last_checkpoint
from tests.settings import EXECUTION

from .conftest import PROMPTS, RIGHT, WRONG, Train, settings


def read_curve(folder: Path) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def preference(folder: Path) -> float:
    """Return by how many nats a model prefers the right program to the wrong one."""
    frame = load_frame(folder)
    model = load_model(folder)
    (asked,) = encode_openings(frame, [frame.open(PROMPTS[0])])
    logps = []
    for program in (RIGHT, WRONG):
        answer = frame.tokenizer(program)["input_ids"]
        ids = torch.tensor([[*asked.ids, *answer]])
        with torch.no_grad():
            scores = model(input_ids=ids).logits.log_softmax(dim=-1)[0, len(asked.ids) - 1 : -1]
        logps.append(scores[range(len(answer)), answer].sum().item())
    return logps[0] - logps[1]


def test_answers_that_pass_their_tests_become_more_likely(
    tmp_path: Path, train: Train, problems_file: Path, coin: Path
) -> None:
    metrics = train("run")
    assert preference(tmp_path / "run" / "out") > preference(coin) + 0.2
    assert (metrics["problems"], metrics["answers"], metrics["steps"]) == (3, 8 * 2 * 8, 8)
    curve = read_curve(tmp_path / "run")
    assert [int(row["step"]) for row in curve] == list(range(1, 9))
    assert float(curve[0]["reward"]) == metrics["reward/first"]
    assert {row["unjudged"] for row in curve} == {"0.0"}
    lineage = read_lineage(tmp_path / "run" / "out")
    assert lineage is not None
    assert (lineage.objective, lineage.problems, lineage.pairs) == ("grpo", 3, None)
    assert lineage.settings["grpo.generations"] == 8
    assert lineage.data == {"problems": file_digest(problems_file, "md5")}
    assert "trl" in lineage.versions
    assert not list((tmp_path / "run" / "work" / "checkpoints").iterdir())


def test_a_constant_reward_teaches_nothing_and_is_told(
    tmp_path: Path, train: Train, coin: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tests_as_reward, "reward_of", lambda _: 1.0)
    train("run", steps=2)
    before, after = read_weights(coin), read_weights(tmp_path / "run" / "out")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert "the model learned nothing" in caplog.text
    assert "every answer passed" in caplog.text


def _train_and_die(folder: Path, problems_file: Path, model: Path, params: TrainingParams, last_step: int) -> None:
    """Train in a copy of this process, which is killed after a step."""

    def die_late(_: dict[str, float], step: int) -> None:
        if step >= last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    paths = folder / "out", folder / "curve.csv", folder / "work"
    copy = multiprocessing.get_context("fork").Process(
        target=train_grpo, args=(problems_file, model, params, EXECUTION, *paths, die_late)
    )
    copy.start()
    copy.join()
    assert copy.exitcode == -signal.SIGKILL


def test_a_killed_training_resumes_and_ends_with_the_same_weights(
    tmp_path: Path, train: Train, problems_file: Path, coin: Path
) -> None:
    """With adapters, a reference and two micro-batches a step."""
    params = settings(beta=0.1, steps=6).model_copy(update={"lora": {"r": 4}, "micro_batch_size": 8})
    uninterrupted = train("whole", params)
    killed = tmp_path / "killed"
    _train_and_die(killed, problems_file, coin, params, last_step=4)
    assert not (killed / "out").exists()
    checkpoint = last_checkpoint(next((killed / "work" / "checkpoints").iterdir()))
    assert checkpoint is not None
    assert checkpoint.name == "checkpoint-3"
    assert train("killed", params) == uninterrupted
    assert (killed / "curve.csv").read_bytes() == (tmp_path / "whole" / "curve.csv").read_bytes()
    assert float(read_curve(killed)[-1]["kl"]) > 0
    whole, resumed = read_weights(tmp_path / "whole" / "out"), read_weights(killed / "out")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert any(not torch.equal(whole[name], weight) for name, weight in read_weights(coin).items())


def test_a_model_of_another_objective_is_left_alone(tmp_path: Path, train: Train) -> None:
    out = tmp_path / "run" / "out"
    out.mkdir(parents=True)
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="out: holds other files, which training with grpo would replace"):
        train("run")


def test_a_training_that_diverges_before_its_first_checkpoint_has_no_model(tmp_path: Path, train: Train) -> None:
    params = settings(steps=32)
    rate = params.objectives["grpo"].model_copy(update={"learning_rate": 1e30})
    with pytest.raises(TrainingError, match=r"training diverged: .* lower training.objectives.grpo.learning_rate"):
        train("run", params.model_copy(update={"objectives": {"grpo": rate}, "max_grad_norm": 0.0}))
    assert not (tmp_path / "run" / "out").exists()


@pytest.mark.parametrize(
    ("grpo", "training", "message"),
    [
        ({"arguments": {"los_type": "dr_grpo"}}, {}, "no argument 'los_type'; did you mean 'loss_type'"),
        ({"arguments": {"loss_type": "drgrpo"}}, {}, "loss_type: no value 'drgrpo'; did you mean 'dr_grpo'"),
        ({"arguments": {"vllm_importance_sampling_clip_min": 9.0}}, {}, "training.grpo.arguments: .*; correct the"),
        ({"arguments": {"beta": 0.1}}, {}, "training.grpo.arguments.beta: is decided by training.grpo.beta"),
        ({"arguments": {"optim": "sgd"}}, {}, "arguments.optim: .*; set it in training.arguments"),
        ({}, {"arguments": {"max_steps": 3}}, "training.arguments.max_steps: with grpo, training.grpo.steps says"),
        ({}, {"arguments": {"optm": "sgd"}}, "training.arguments: no argument 'optm'; did you mean 'optim'"),
        ({}, {"micro_batch_size": 3}, "2 problems x 8 generations = 16 answers in a step are no multiple of"),
        ({}, {"lora": {"rank": 4}}, "training.lora: no option of LoraConfig 'rank'"),
        ({}, {"load": "4bit"}, "training.load: 4bit: quantized weights cannot be trained themselves"),
        ({}, {"objectives": {}}, "training.objectives.grpo.learning_rate: is not in params.yaml"),
        ({"backend": "vllm"}, {}, "training.grpo.backend: vllm: is not installed in this environment"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_computed(
    tmp_path: Path, train: Train, grpo: dict[str, object], training: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train("run", settings(**grpo).model_copy(update=training))
    assert not (tmp_path / "run").exists()
