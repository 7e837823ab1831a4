"""Sampling in place of debugging: the same stage, other trajectories; killed and resumed."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from iterpref_core.codeflow.codeflow import CodeflowRun, run_codeflow
from iterpref_core.codeflow.roles import Models, Opened
from iterpref_core.config import CodeflowParams, PairsParams, SamplingParams
from iterpref_core.inference.answer_store import AnswerStore, StoredBackend
from iterpref_core.inference.backend import Backend, Completion, Request, Sampling
from iterpref_core.pairs.pairs import select_pairs
from iterpref_core.records import IoTest, PreferencePair, Problem, Trajectory
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.settings import EXECUTION, section

PARAMS = section(
    CodeflowParams,
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
    run = CodeflowRun(
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


def test_the_other_source_s_settings_and_concurrency_change_nothing(tmp_path: Path, whole: bytes) -> None:
    for name, values in (
        ("b", {"concurrency": 1}),
        ("c", {"concurrency": 64, "max_iterations": 9, "temperature": 1.0}),
    ):
        sample(write_problems(tmp_path / name, MIXED), Lottery(), PARAMS.model_copy(update=values))
        assert (tmp_path / name / "out.jsonl").read_bytes() == whole


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a run that nothing stops writes."""
    folder = write_problems(tmp_path_factory.mktemp("whole"), MIXED)
    sample(folder, Lottery())
    return (folder / "out.jsonl").read_bytes()


@pytest.mark.parametrize("stopped_at", range(1, 8))
def test_a_stopped_run_asks_for_no_answer_again(tmp_path: Path, whole: bytes, stopped_at: int) -> None:
    write_problems(tmp_path, MIXED)
    first, second = Lottery(fail_at=stopped_at), Lottery()
    with pytest.raises(KeyboardInterrupt):
        sample(tmp_path, first)
    changed = PARAMS.model_copy(update={"max_iterations": 9, "temperature": 1.0, "concurrency": 5})
    sample(tmp_path, second, changed)
    assert len(first.asked) + len(second.asked) == 30
    assert not {request.seed for request in first.asked} & {request.seed for request in second.asked}
    assert (tmp_path / "out.jsonl").read_bytes() == whole
    assert list((tmp_path / "work").iterdir()) == []


def kill_this_process(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Killed(Lottery):
    def stop(self) -> None:
        kill_this_process()


@pytest.mark.parametrize(("moment", "left"), [("asking", 30 - 3 * 4), ("executing", 30 - 4)])
def test_kill_9_loses_no_answer_that_was_received(
    tmp_path: Path, whole: bytes, moment: str, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_problems(tmp_path, MIXED)
    with monkeypatch.context() as patch:
        if moment == "executing":  # between an answer and its execution
            patch.setattr("iterpref_core.codeflow.attempts.Program", kill_this_process)
        killed = multiprocessing.get_context("fork").Process(target=sample, args=(tmp_path, Killed(fail_at=3)))
        killed.start()
        killed.join()
    assert killed.exitcode == -signal.SIGKILL
    model = Lottery()
    sample(tmp_path, model)
    assert len(model.asked) == left
    assert (tmp_path / "out.jsonl").read_bytes() == whole


def test_another_number_of_samples_uses_the_answers_that_are_there(tmp_path: Path) -> None:
    write_problems(tmp_path, MIXED)
    with pytest.raises(KeyboardInterrupt):
        sample(tmp_path, Lottery(fail_at=2))
    model = Lottery()
    sample(tmp_path, model, PARAMS.model_copy(update={"sampling": SamplingParams(samples=5, temperature=0.6)}))
    assert len(model.asked) == 25 - 2 * 4 + 1, "of the first 8 answers, one is a sixth sample"


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """Samples of sixty problems, and the metrics."""
    prompts = [f"{kind} {k}" for k in range(20) for kind in ("some", "hard", "easy")]
    folder = write_problems(tmp_path_factory.mktemp("sampled"), prompts)
    return folder, sample(folder, Lottery())


@pytest.mark.parametrize("rejected", ["first", "last", "random"])
def test_a_passing_and_a_failing_sample_make_a_pair(
    tmp_path: Path, sampled: tuple[Path, dict[str, float]], word_model: Path, rejected: str
) -> None:
    folder, metrics = sampled
    params = section(
        PairsParams,
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
    counts = select_pairs(folder / "out.jsonl", folder / "problems.jsonl", word_model, params, out)
    assert (counts["pairs"], counts["dropped/unsolved"] + counts["dropped/solved_by_draft"]) == (
        metrics["mixed"],
        60 - metrics["mixed"],
    )
    trajectories = {t.task_id: t for t in read_jsonl(folder / "out.jsonl", Trajectory)}
    places = []
    for pair in read_jsonl(out, PreferencePair):
        attempts = trajectories[pair.task_id].attempts
        passing = [a.code for a in attempts if a.verdict == "passed"]
        failing = [a.code for a in attempts if a.verdict == "wrong_answer"]
        assert pair.chosen in passing
        assert pair.rejected in {"first": failing[:1], "last": failing[-1:], "random": failing}[rejected]
        places.append((passing.index(pair.chosen), failing.index(pair.rejected)))
    assert len({chosen for chosen, _ in places}) > 1, "one of those that pass, at random"
