"""Estimates from a sample that is really worked on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from iterpref_core.codeflow import codeflow
from iterpref_core.codeflow.codeflow import CodeflowRun, run_codeflow
from iterpref_core.codeflow.pilot_estimate import estimate_codeflow
from iterpref_core.codeflow.problem_selection import pick
from iterpref_core.codeflow.roles import Models, Opened, Prices
from iterpref_core.config import CodeflowParams, SamplingParams
from iterpref_core.inference.answer_store import AnswerStore, StoredBackend
from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.records import IoTest, Problem
from iterpref_core.storage.jsonl import write_jsonl
from tests.settings import EXECUTION


class Model:
    """Solves every other problem at once, and never the others."""

    def __init__(self) -> None:
        self.asked = 0

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        self.asked += len(requests)
        return [Completion(self._answer(request.prompt), 100, 10, truncated=False) for request in requests]

    def _answer(self, prompt: str) -> str:
        return f"def f(x):\n    return x + {int(prompt.split()[1]) % 2}\n"


def make_run(folder: Path, model: Model, count: int, source: str = "debugging") -> CodeflowRun:
    folder.mkdir(exist_ok=True)
    test = IoTest(call="f(1)", expected="2")
    write_jsonl(
        folder / "problems.jsonl",
        (Problem(task_id=f"t{n}", prompt=f"Task {n} is", entry_point="f", tests=(test,)) for n in range(count)),
    )

    @contextmanager
    def opened(path: Path, run: str) -> Iterator[Opened]:
        with AnswerStore(path, run) as store:
            kept = StoredBackend(model, "m", store)
            yield Opened(kept, kept)

    params = CodeflowParams.model_validate(
        {
            "seed": 11, "source": source, "max_iterations": 2, "draft_model": "debugger", "wording": "terse",
            "temperature": 0.0, "max_new_tokens": 64, "concurrency": 32,
            "sampling": SamplingParams(samples=4, temperature=0.6),
        }
    )  # fmt: skip
    models = Models(("m", "m"), opened, Prices(prompt=1.0, completion=100.0))
    return CodeflowRun(folder / "problems.jsonl", models, params, EXECUTION, folder / "work", folder / "answers.sqlite")


def test_an_estimate_covers_the_truth_and_what_it_paid_for_is_used(tmp_path: Path) -> None:
    model = Model()
    run = make_run(tmp_path, model, 120)
    found = estimate_codeflow(run)
    asked = model.asked
    assert (found.problems, found.sampled) == (120, 20)
    assert asked == found.sample["calls"] == found.solved + 3 * (20 - found.solved)
    assert found.sample["dollars"] == pytest.approx(asked * (100 * 1.0 + 10 * 100.0) / 1e6)
    assert found.sample["seconds"] > 0
    for name in ("calls", "prompt_tokens", "completion_tokens", "dollars", "seconds"):
        quantity = found.expected[name]
        assert quantity.expected == pytest.approx(6 * found.sample[name])
        assert quantity.ci95[0] <= quantity.expected <= quantity.ci95[1]
    assert found.expected["calls"].ci95[0] < 240 < found.expected["calls"].ci95[1]

    again = estimate_codeflow(run)
    assert (again, model.asked) == (found, asked), "a second estimate costs nothing"
    metrics = run_codeflow(run, tmp_path / "out.jsonl")
    assert metrics["llm_calls"] == model.asked == 240
    assert metrics["cost_usd"] == pytest.approx(240 * 1100 / 1e6)


def test_an_estimate_of_sampling_knows_the_calls_exactly(tmp_path: Path) -> None:
    found = estimate_codeflow(make_run(tmp_path, Model(), 25, "sampling"))
    assert found.expected["calls"].expected == 100
    assert found.expected["calls"].ci95 == (100, 100)


def test_the_sample_is_decided_by_hashes_and_grows_with_the_problems(tmp_path: Path) -> None:
    run = make_run(tmp_path, Model(), 300)
    twenty = pick(run.problems, 20)
    assert len(twenty) == 20
    assert twenty == pick(run.problems, 20)
    assert set(twenty) < set(pick(run.problems, 30))
    assert [int(name[1:]) for name in twenty] == sorted(int(name[1:]) for name in twenty)
    assert twenty != [f"t{n}" for n in range(20)]


def test_few_problems_are_all_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = estimate_codeflow(make_run(tmp_path, Model(), 6))
    assert (found.sampled, found.expected["calls"].expected) == (6, 12)
    monkeypatch.setattr(codeflow, "open_executor", None)  # all is there: neither engine nor model is opened again
    assert run_codeflow(make_run(tmp_path, Model(), 6), tmp_path / "out.jsonl")["llm_calls"] == 12
