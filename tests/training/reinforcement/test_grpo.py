"""GRPO: tests decide which answers become more likely, and a killed training ends as one that was not killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from iterpref_core.execution import open_executor
from iterpref_core.models.pretrained.lineage import read_lineage
from iterpref_core.records import Problem
from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import ConfigError, InputError, TrainingError
from iterpref_core.storage.file_digest import file_digest
from tests.once import give_mlflow_tables
from tests.settings import EXECUTION
from tests.training.outputs import read_curve, read_weights

from .conftest import PROMPTS, RIGHT, WRONG, Train, settings

if TYPE_CHECKING:
    from tests.growing_memory import Releases


def preference(folder: Path) -> float:
    """Return by how many nats a model prefers the right program to the wrong one."""
    import torch

    from iterpref_core.models.pretrained.prompt_tokens import encode_prompts
    from iterpref_core.models.pretrained.tokenizers import load_chat_template
    from iterpref_core.models.pretrained.weights import load_model

    template = load_chat_template(folder)
    model = load_model(folder)
    (asked,) = encode_prompts(template, [template.render_prompt(PROMPTS[0])])
    logps = []
    for program in (RIGHT, WRONG):
        answer = template.tokenizer(program)["input_ids"]
        ids = torch.tensor([[*asked.ids, *answer]])
        with torch.no_grad():
            scores = model(input_ids=ids).logits.log_softmax(dim=-1)[0, len(asked.ids) - 1 : -1]
        logps.append(scores[range(len(answer)), answer].sum().item())
    return logps[0] - logps[1]


def test_answers_that_pass_their_tests_become_more_likely(
    tmp_path: Path, train: Train, problems_file: Path, coin: Path, growing_memory: Releases
) -> None:
    metrics = train("run")
    assert growing_memory.count == 8
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


def test_the_trained_weights_are_those_of_trl_s_own_trainer(
    tmp_path: Path, train: Train, problems: list[Problem], coin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRL alone is given the same texts, in the same order, and the same tests as the reward."""
    import torch
    from datasets import Dataset
    from trl import GRPOTrainer

    from iterpref_core.models.pretrained.tokenizers import load_chat_template
    from iterpref_core.models.pretrained.weights import load_model
    from iterpref_core.training.reinforcement.grpo_settings import check_grpo_settings, grpo_config
    from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts
    from iterpref_core.training.reinforcement.rewarded_problems import draw_names
    from iterpref_core.training.reinforcement.rewards import Rewards

    monkeypatch.setattr(GRPOTrainer, "_send_telemetry", lambda _: None)
    params = settings(steps=3, arguments={"beta": 0.1})
    train("run", params)
    template = load_chat_template(coin)
    policy = load_model(coin)
    prompts = RenderedPrompts(template, policy.generation_config)
    drawn = draw_names([problem.task_id for problem in problems], params.grpo.steps * params.grpo.problems, params.seed)
    by_name = {problem.task_id: problem for problem in problems}
    rows = {"prompt": [prompts.render(by_name[name]) for name in drawn], "task_id": drawn}
    accumulation = check_grpo_settings(params, processes=1)
    with open_executor(EXECUTION) as executor:
        trainer = GRPOTrainer(
            policy,
            reward_funcs=Rewards(params.grpo.rewards, by_name, prompts, executor, own={}).functions,
            args=grpo_config(params, 3e-3, accumulation, tmp_path / "checkpoints"),
            train_dataset=Dataset.from_dict(rows),
            processing_class=template.tokenizer,
        )
        trainer.train()
    ours = read_weights(tmp_path / "run" / "out")
    theirs = policy.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert any(not torch.equal(ours[name], weight) for name, weight in read_weights(coin).items())


def test_a_constant_reward_teaches_nothing(
    tmp_path: Path, train: Train, coin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from iterpref_core.training.reinforcement import rewards

    monkeypatch.setattr(rewards, "reward_of", lambda _: 1.0)
    train("run", steps=2)
    before, after = read_weights(coin), read_weights(tmp_path / "run" / "out")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {row["frac_reward_zero_std"] for row in read_curve(tmp_path / "run")} == {"1.0"}


def _train_and_die(folder: Path, problems_file: Path, model: Path, params: TrainingParams, last_step: int) -> None:
    """Train in a copy of this process, which is killed after a step."""
    from iterpref_core.training.reinforcement.grpo import train_grpo

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


@pytest.mark.slow
def test_a_killed_training_resumes_and_ends_with_the_same_weights(
    tmp_path: Path, train: Train, problems_file: Path, coin: Path
) -> None:
    """With adapters, a reference and two micro-batches a step."""
    import torch

    from iterpref_core.training.training.checkpoint import last_checkpoint

    params = settings(arguments={"beta": 0.1}, steps=6).model_copy(update={"lora": {"r": 4}, "micro_batch_size": 8})
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


def test_metrics_go_where_report_to_says(
    tmp_path: Path, train: Train, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    from mlflow.tracking import MlflowClient

    give_mlflow_tables(tmp_path_factory, tmp_path)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    metrics = train("run", settings(steps=2).model_copy(update={"arguments": {"report_to": "mlflow"}}))
    mlflow.flush_async_logging()
    (run,) = MlflowClient(uri, uri).search_runs(["0"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["reward"] == metrics["reward/last"]
    assert run.data.params["num_generations"] == "8"


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
        train("run", params.model_copy(update={"objectives": {"grpo": rate}, "arguments": {"max_grad_norm": 0.0}}))
    assert not (tmp_path / "run" / "out").exists()


@pytest.mark.parametrize(
    ("grpo", "training", "message"),
    [
        ({"arguments": {"los_type": "dr_grpo"}}, {}, "grpo.arguments.los_type: is not passed on to TRL"),
        ({"arguments": {"loss_type": "drgrpo"}}, {}, "loss_type: no value 'drgrpo'; did you mean 'dr_grpo'"),
        ({"arguments": {"num_generations": 2}}, {}, "training.grpo.arguments.num_generations: is not passed on to TRL"),
        (
            {"arguments": {"temperature": 0.0}},
            {},
            "training.grpo.arguments.temperature: is 0, and all answers would be",
        ),
        ({"arguments": {"beta": -0.1}}, {}, "training.grpo.arguments.beta: is -0.1; give a finite number, 0 or more"),
        (
            {"arguments": {"top_p": "high"}},
            {},
            "training.grpo.arguments.top_p: is 'high': Input should be a valid number",
        ),
        ({"arguments": {"optim": "sgd"}}, {}, "grpo.arguments.optim: is not passed on"),
        ({}, {"arguments": {"max_steps": 3}}, "training.arguments.max_steps: with grpo, training.grpo.steps says"),
        ({}, {"arguments": {"optm": "sgd"}}, "training.arguments.optm: is not passed on"),
        ({}, {"micro_batch_size": 3}, "2 problems x 8 generations = 16 answers in a step are no multiple of"),
        ({}, {"lora": {"rank": 4}}, "training.lora.rank: is not known to write"),
        ({}, {"load": "4bit"}, "training.load: 4bit: quantized weights cannot be trained themselves"),
        ({"rewards": {"passes": 1.0}}, {}, "rewards: no reward 'passes'; did you mean 'passes_tests'.*package.module"),
        ({"rewards": {"absent_module:f": 1.0}}, {}, "absent_module:f: absent_module cannot be imported from"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_computed(
    tmp_path: Path, train: Train, grpo: dict[str, object], training: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train("run", settings(**grpo).model_copy(update=training))
    assert not (tmp_path / "run").exists()
