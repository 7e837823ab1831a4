"""Sampling in place of debugging: the same stage, other trajectories; killed and resumed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from iterpref_core.config import CodeflowParams, PairsParams, SamplingParams
from iterpref_core.debugging.codeflow import Run, run_codeflow
from iterpref_core.debugging.models import Models, Opened
from iterpref_core.debugging.pairs import select_pairs
from iterpref_core.inference.backend import Backend, Completion, Request, Sampling
from iterpref_core.inference.store import AnswerStore, StoredBackend
from iterpref_core.jsonl import read_jsonl, write_jsonl
from iterpref_core.records import IoTest, PreferencePair, Problem, Trajectory
from tests.settings import EXECUTION, ROOT

PARAMS = CodeflowParams(
    seed=11,
    source="sampling",
    max_iterations=2,
    draft_model="student",
    wording="terse",
    temperature=0.0,
    max_new_tokens=64,
    concurrency=4,
    sampling=SamplingParams(samples=6, temperature=0.6),
)


class Lottery:
    """A model whose answer is decided by the seed: for every other seed the program is right, unless it never is."""

    def __init__(self, fail_at: int | None = None) -> None:
        self._fail_at = fail_at
        self.asked: list[Request] = []
        self.batches: list[int] = []
        self.temperatures: set[float] = set()

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        if len(self.batches) == self._fail_at:
            self.stop()
        self.asked += requests
        self.batches.append(len(requests))
        self.temperatures.add(sampling.temperature)
        return [Completion(self._answer(request), 10, 4, truncated=False) for request in requests]

    def stop(self) -> None:
        raise KeyboardInterrupt

    def _answer(self, request: Request) -> str:
        right = request.prompt.startswith("easy") or (request.seed % 2 and not request.prompt.startswith("hard"))
        return f"```python\ndef f(x):\n    return x + {int(right)}\n# {request.seed}\n```"


def write_problems(folder: Path, prompts: Sequence[str]) -> Path:
    folder.mkdir(exist_ok=True)
    tests = (IoTest(call="f(1)", expected="2"),)
    problems = (
        Problem(task_id=f"t{k}", prompt=prompt, entry_point="f", tests=tests) for k, prompt in enumerate(prompts)
    )
    write_jsonl(folder / "problems.jsonl", problems)
    return folder


def models_of(model: Backend) -> Models:
    """One model in both roles, whose answers are kept."""

    @contextmanager
    def opened(store: Path, run: str) -> Iterator[Opened]:
        with AnswerStore(store, run) as answers:
            kept = StoredBackend(model, "model", answers)
            yield Opened(kept, kept)

    return Models(("a", "b"), opened)


def sample(folder: Path, model: Lottery, params: CodeflowParams = PARAMS) -> dict[str, float]:
    run = Run(
        folder / "problems.jsonl", models_of(model), params, EXECUTION, folder / "work", folder / "answers.sqlite"
    )
    return run_codeflow(run, folder / "out.jsonl")


MIXED = ["some 0", "hard 1", "easy 2", "some 3", "some 4"]


def test_every_problem_has_its_samples_and_the_metrics_count_them(tmp_path: Path) -> None:
    model = Lottery()
    metrics = sample(write_problems(tmp_path, MIXED), model)
    trajectories = list(read_jsonl(tmp_path / "out.jsonl", Trajectory))
    assert [trajectory.task_id for trajectory in trajectories] == ["t0", "t1", "t2", "t3", "t4"]
    assert all([a.iteration for a in trajectory.attempts] == list(range(6)) for trajectory in trajectories)
    assert len({request.seed for request in model.asked}) == len(model.asked) == 30
    assert model.temperatures == {0.6}
    assert model.batches == [4] * 7 + [2]
    passing = [sum(a.verdict == "passed" for a in trajectory.attempts) for trajectory in trajectories]
    assert passing[1:3] == [0, 6]
    assert [trajectory.solved for trajectory in trajectories] == [count > 0 for count in passing]
    assert (metrics["problems"], metrics["llm_calls"], metrics["completion_tokens"]) == (5, 30, 120)
    assert metrics["mixed"] == sum(0 < count < 6 for count in passing)
    assert metrics["solved"] == sum(count > 0 for count in passing)
    assert metrics["verdicts/passed"] == sum(passing)
    first = [next((a.iteration for a in t.attempts if a.verdict == "passed"), 99) for t in trajectories]
    assert [metrics[f"pass_rate/{k}"] for k in range(6)] == [sum(place <= k for place in first) / 5 for k in range(6)]
    assert list((tmp_path / "work").iterdir()) == []


def test_the_other_source_s_settings_and_concurrency_change_nothing(tmp_path: Path) -> None:
    sample(write_problems(tmp_path / "a", MIXED), Lottery())
    for name, values in (
        ("b", {"concurrency": 1}),
        ("c", {"concurrency": 64, "max_iterations": 9, "temperature": 1.0}),
    ):
        sample(write_problems(tmp_path / name, MIXED), Lottery(), PARAMS.model_copy(update=values))
        assert (tmp_path / name / "out.jsonl").read_bytes() == (tmp_path / "a" / "out.jsonl").read_bytes()


@pytest.mark.parametrize("stopped_at", range(1, 8))
def test_a_stopped_run_asks_for_no_answer_again(tmp_path: Path, stopped_at: int) -> None:
    sample(write_problems(tmp_path / "whole", MIXED), Lottery())
    write_problems(tmp_path, MIXED)
    first, second = Lottery(fail_at=stopped_at), Lottery()
    with pytest.raises(KeyboardInterrupt):
        sample(tmp_path, first)
    changed = PARAMS.model_copy(update={"max_iterations": 9, "temperature": 1.0, "concurrency": 5})
    sample(tmp_path, second, changed)
    assert len(first.asked) + len(second.asked) == 30
    assert not {request.seed for request in first.asked} & {request.seed for request in second.asked}
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole" / "out.jsonl").read_bytes()
    assert list((tmp_path / "work").iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
import iterpref_core.debugging.attempts as attempts
from tests.debugging.test_sampling import Lottery, sample

class Killed(Lottery):
    def stop(self):
        os.kill(os.getpid(), signal.SIGKILL)

def killed(code, **_):  # between an answer and its execution
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "executing":
    attempts.Program = killed
sample(Path(sys.argv[1]), Killed(fail_at=3))
"""


@pytest.mark.parametrize(("moment", "left"), [("asking", 30 - 3 * 4), ("executing", 30 - 4)])
def test_kill_9_loses_no_answer_that_was_received(tmp_path: Path, moment: str, left: int) -> None:
    sample(write_problems(tmp_path / "whole", MIXED), Lottery())
    write_problems(tmp_path, MIXED)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), moment], check=False, env=dict(os.environ), cwd=ROOT
    )
    assert killed.returncode == -signal.SIGKILL
    model = Lottery()
    sample(tmp_path, model)
    assert len(model.asked) == left
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole" / "out.jsonl").read_bytes()


def test_another_number_of_samples_uses_the_answers_that_are_there(tmp_path: Path) -> None:
    write_problems(tmp_path, MIXED)
    with pytest.raises(KeyboardInterrupt):
        sample(tmp_path, Lottery(fail_at=2))
    model = Lottery()
    sample(tmp_path, model, PARAMS.model_copy(update={"sampling": SamplingParams(samples=5, temperature=0.6)}))
    assert len(model.asked) == 25 - 2 * 4 + 1, "of the first 8 answers, one is a sixth sample"


@pytest.mark.parametrize("rejected", ["first", "last", "random"])
def test_a_passing_and_a_failing_sample_make_a_pair(tmp_path: Path, word_model: Path, rejected: str) -> None:
    prompts = [f"{kind} {k}" for k in range(20) for kind in ("some", "hard", "easy")]
    metrics = sample(write_problems(tmp_path, prompts), Lottery())
    params = PairsParams(
        seed=13,
        rejected=rejected,  # type: ignore[arg-type]
        pass_hidden=False,
        max_error_lines=20,
        max_tokens=64,
        benchmarks=("heldout",),
        contaminated="drop",
        near_duplicate=None,
        judge=None,
    )
    out = tmp_path / "pairs.jsonl"
    counts = select_pairs(tmp_path / "out.jsonl", tmp_path / "problems.jsonl", word_model, params, out)
    assert (counts["pairs"], counts["dropped/unsolved"] + counts["dropped/solved_by_draft"]) == (
        metrics["mixed"],
        60 - metrics["mixed"],
    )
    trajectories = {t.task_id: t for t in read_jsonl(tmp_path / "out.jsonl", Trajectory)}
    places = []
    for pair in read_jsonl(out, PreferencePair):
        attempts = trajectories[pair.task_id].attempts
        passing = [a.code for a in attempts if a.verdict == "passed"]
        failing = [a.code for a in attempts if a.verdict == "wrong_answer"]
        assert pair.chosen in passing
        assert pair.rejected in {"first": failing[:1], "last": failing[-1:], "random": failing}[rejected]
        places.append((passing.index(pair.chosen), failing.index(pair.rejected)))
    assert len({chosen for chosen, _ in places}) > 1, "one of those that pass, at random"
