"""Stage `codeflow`: files in, files out, by debugging and by sampling; killed and begun again."""

import multiprocessing
import os
import re
import signal
import time
from contextlib import contextmanager, nullcontext
from importlib import import_module
from itertools import product

import pytest

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import Completion
from iterpref_core.pairs.codeflow.codeflow import run_codeflow
from iterpref_core.pairs.codeflow.roles import NO_CAPS, Models, choose_models
from iterpref_core.records import (
    AssertTest,
    CodeflowParams,
    CodeflowResult,
    InferenceParams,
    InputError,
    IoTest,
    Problem,
    PromptFormat,
    RecordError,
    SamplingParams,
    Trajectory,
)
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.fake_models import FakeModel, stored
from tests.settings import EXECUTION, changed, section

PARAMS = section(
    CodeflowParams,
    source="debugging",
    max_iterations=2,
    draft_model="student",
    temperature=0.0,
    sampling=SamplingParams(samples=3, temperature=0.6),
)
VERSION = re.compile(r"# version (\d+)")
NEEDED = re.compile(r"^(\d+) refinements", re.MULTILINE)


class Patient(FakeModel):
    """A model that needs as many refinements as the task's prompt says; may be told to fail at its nth call."""

    concurrency = 2

    def __init__(self, fail_at=None):
        self._fail_at = fail_at
        self.calls = 0
        self.asked = []

    def complete(self, requests, sampling):
        self.calls += 1
        if self.calls == self._fail_at:
            self.stop()
        self.asked += [request.prompt.split("\n")[0] for request in requests]
        return [self.answer_to(request) for request in requests]

    def stop(self):
        raise KeyboardInterrupt

    def answer_to(self, request):
        return Completion(self._answer(request.prompt), 10, 4)

    def _answer(self, prompt):
        needed = int(NEEDED.search(prompt)[1])
        done = int(version[1]) + 1 if (version := VERSION.search(prompt)) else 0
        return f"def f(x):\n    return x + {int(done >= needed)}\n# version {done}\n"


class Killed(Patient):
    def stop(self):
        # The event loop stores the answers of the batches before, while a real model computes for seconds.
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)


def write_problems(path, needed, split="codeflow"):
    tests = (IoTest(call="f(1)", expected="2"),)
    write_jsonl(
        path,
        (
            Problem(task_id=f"t{k}", prompt=f"{n} refinements for t{k}", entry_point="f", tests=tests, split=split)
            for k, n in enumerate(needed)
        ),
    )
    return path


def models_of(model):
    """One model in both roles, whose answers are kept."""

    @contextmanager
    def opened(store, run):
        with AnswerStore(store, run) as answers:
            kept = stored(model, "model", answers, concurrency=2)
            yield kept, kept

    return Models(("a", "b"), opened)


def debug(folder, model, params=PARAMS, execution=EXECUTION):
    files = folder / "answers.sqlite", folder / "out.jsonl"
    return run_codeflow(folder / "problems.jsonl", models_of(model), params, execution, *files)


def test_trajectories_in_the_problems_order_and_a_cumulative_curve(tmp_path):
    write_problems(tmp_path / "problems.jsonl", [2, 0, 9, 1, 0])
    metrics = debug(tmp_path, Patient())
    trajectories = list(read_jsonl(tmp_path / "out.jsonl", Trajectory))
    assert [trajectory.task_id for trajectory in trajectories] == ["t0", "t1", "t2", "t3", "t4"]
    assert [trajectory.solved for trajectory in trajectories] == [True, True, False, True, True]
    assert list(metrics.pass_rate.values()) == [0.4, 0.6, 0.8]
    assert (metrics.problems, metrics.solved, metrics.llm_calls) == (5, 4, 10)
    assert (metrics.prompt_tokens, metrics.completion_tokens) == (100, 40)
    assert {verdict: count for verdict, count in metrics.verdicts.items() if count} == {"passed": 4, "wrong_answer": 6}
    assert metrics.verdicts["timeout"] == 0
    assert metrics.metrics()["pass_rate/2"] == 0.8
    assert metrics.verdicts_by_iteration == {
        0: {"passed": 2, "wrong_answer": 3}, 1: {"passed": 1, "wrong_answer": 2}, 2: {"passed": 1, "wrong_answer": 1},
    }  # fmt: skip
    problem = next(read_jsonl(tmp_path / "problems.jsonl", Problem))
    assert {trajectory.tests for trajectory in trajectories} == {problem.tests_digest}
    assert CodeflowResult.of_metrics(metrics.metrics()) == metrics


def test_a_refused_problem_holds_up_no_trajectory_behind_it(tmp_path):
    path = write_problems(tmp_path / "problems.jsonl", [2, 0, 1, 0])
    problems = list(read_jsonl(path, Problem))
    inside = AssertTest(code="for _ in range(1):\n    assert f(1) == 2")
    problems[1] = changed(problems[1], hidden_tests=(inside,))
    write_jsonl(path, problems)
    execution = changed(EXECUTION, inside="refuse")
    metrics = debug(tmp_path, Patient(), execution=execution)
    written = [trajectory.task_id for trajectory in read_jsonl(tmp_path / "out.jsonl", Trajectory)]
    assert (written, metrics.refused["inside"]) == (["t0", "t2", "t3"], 1)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("source", ["debugging", "sampling"])
def test_a_stopped_run_asks_for_no_answer_again_and_writes_the_same(tmp_path, source, killed):
    params = changed(PARAMS, source=source)
    folders = [tmp_path / "whole", tmp_path / "stopped"]
    for folder in folders:
        folder.mkdir()
        write_problems(folder / "problems.jsonl", [0, 1, 0, 1, 0, 1])
    whole, first, rest = Patient(), Killed(fail_at=3) if killed else Patient(fail_at=3), Patient()
    expected = debug(folders[0], whole, params)
    stopped = multiprocessing.get_context("fork").Process(target=debug, args=(folders[1], first, params))
    stopped.start()
    stopped.join()
    assert stopped.exitcode
    assert not (folders[1] / "out.jsonl").exists()
    assert debug(folders[1], rest, params) == expected
    assert len(rest.asked) == len(whole.asked) - 4, "two batches of two were answered"
    assert (folders[1] / "out.jsonl").read_bytes() == (folders[0] / "out.jsonl").read_bytes()


def test_bad_problems_are_refused_before_any_work(tmp_path):
    path = write_problems(tmp_path / "problems.jsonl", [0, 0])
    good = path.read_text()
    model = Patient(fail_at=1)

    path.write_text(good.replace('[{"kind":"io","call":"f(1)","expected":"2"}]', "[]", 1))
    with pytest.raises(InputError, match=r"problems\.jsonl: problem 't0': field 'tests' is empty"):
        debug(tmp_path, model)
    path.write_text(good + good)
    with pytest.raises(RecordError, match=r"problems\.jsonl:3: field 'task_id': 't0'"):
        debug(tmp_path, model)
    path.write_text(good.replace("codeflow", "heldout"))
    with pytest.raises(InputError, match="no problem of split 'codeflow'"):
        debug(tmp_path, model)
    assert not (tmp_path / "out.jsonl").exists()


INFERENCE = section(InferenceParams, backend="transformers", bf16=False)


@pytest.mark.parametrize(
    ("backend", "draft_model", "style", "opened"),
    [
        ("transformers", "student", "plain", ["plain", "auto"]),
        ("transformers", "debugger", "plain", ["auto"]),
        ("transformers", "student", "auto", ["auto"]),
        ("vllm", "student", "auto", ["auto"]),
    ],
)
def test_a_model_is_opened_once_for_each_prompt_style_that_it_is_read_in(
    word_model, tmp_path, monkeypatch, backend, draft_model, style, opened
):
    found = []

    def open_model(model, prompt, *_):
        found.append(prompt.template)
        return nullcontext(Patient())

    monkeypatch.setattr("iterpref_core.pairs.codeflow.roles.open_model", open_model)
    params, inference = changed(PARAMS, draft_model=draft_model), changed(INFERENCE, backend=backend)
    models = choose_models(
        word_model, word_model, params, inference, NO_CAPS, PromptFormat(template=style), PromptFormat()
    )
    with models.open(tmp_path / "answers.sqlite", "run") as (drafter, refiner):
        assert found == opened
        assert (drafter is refiner) == (len(opened) == 1)
    assert (models.identity[0] == models.identity[1]) == (len(opened) == 1)


def test_drafts_cost_what_refinements_do_unless_the_student_makes_them(word_model, tmp_path, monkeypatch):
    inference = changed(
        INFERENCE, price_prompt=2.0, price_completion=10.0, backend="openai", base_url="http://127.0.0.1:9/v1"
    )
    for backend in ("openai", "transformers"):
        module = import_module(f"iterpref_core.models.inference.{backend}_model")
        monkeypatch.setattr(module, "open_backend", lambda settings: nullcontext(Patient()))
    write_problems(tmp_path / "problems.jsonl", [2, 0])
    costs = {}
    for draft_model, source in product(("debugger", "student"), ("debugging", "sampling")):
        params = changed(PARAMS, draft_model=draft_model, source=source)
        models = choose_models(word_model, "gpt", params, inference, NO_CAPS, PromptFormat(), PromptFormat())
        files = tmp_path / f"{draft_model} {source}.sqlite", tmp_path / "out.jsonl"
        found = run_codeflow(tmp_path / "problems.jsonl", models, params, EXECUTION, *files)
        costs[draft_model, source] = found.llm_calls, round(found.cost_usd / 60e-6)
    # An answer costs 60 millionths of a dollar.
    assert costs == {
        ("debugger", "debugging"): (4, 4),
        ("debugger", "sampling"): (6, 6),
        ("student", "debugging"): (4, 2),
        ("student", "sampling"): (6, 0),
    }
