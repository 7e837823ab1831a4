"""Rounds of conversations against recorded answers and the real execution engine."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest

from iterpref_core.codeflow import batched_rounds as driver
from iterpref_core.config import CodeflowParams, SamplingParams
from iterpref_core.execution import Executor, Limits, Outcome, Program
from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.inference.codeflow_prompts import refine_prompt
from iterpref_core.inference.replay import ReplayBackend
from iterpref_core.records import IoTest, Problem, Trajectory
from tests.engines import StandInEngine
from tests.settings import section

LIMITS = Limits(cpu_s=2.0, wall_s=10.0, memory_mb=256, output_kb=64, file_mb=1)
GOOD = "def f(x):\n    return x + 1\n"
VERSION = re.compile(r"# version (\d+)")
BAD = "def f(x):\n    return x\n"


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(LIMITS, workers=2) as engine:
        yield engine


def debug_problems(*arguments: Any) -> Iterator[Trajectory]:
    return (finished.trajectory for finished in driver.debug_problems(*arguments))


def problem(name: str) -> Problem:
    return Problem(
        task_id=name,
        prompt=f"{name}: add one.",
        entry_point="f",
        tests=(IoTest(call="f(1)", expected="2"),),
        hidden_tests=(IoTest(call="f(2)", expected="3"),),
    )


def params(concurrency: int = 4, max_iterations: int = 5) -> CodeflowParams:
    return section(
        CodeflowParams,
        seed=11,
        source="debugging",
        max_iterations=max_iterations,
        draft_model="student",
        wording="terse",
        temperature=0.8,
        max_new_tokens=64,
        concurrency=concurrency,
        sampling=SamplingParams(samples=2, temperature=0.6),
    )


class OneAnswer:
    """Gives every prompt the same answer and remembers the sizes of its batches."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.batches: list[int] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        self.batches.append(len(requests))
        return [Completion(self._text, 1, 1, truncated=False) for _ in requests]


class Patient:
    """A model that needs as many refinements as the task's name says."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        return [Completion(self._answer(request.prompt), 1, 1, truncated=False) for request in requests]

    def _answer(self, prompt: str) -> str:
        needed = int(prompt.partition(":")[0].removeprefix("t"))
        done = int(version[1]) + 1 if (version := VERSION.search(prompt)) else 0
        return (GOOD if done >= needed else BAD) + f"# version {done}\n"


def by_task(trajectories: Iterable[Trajectory]) -> dict[str, Trajectory]:
    return {trajectory.task_id: trajectory for trajectory in trajectories}


def test_draft_execute_refine(executor: Executor) -> None:
    drafter = ReplayBackend({"t: add one.": [f"```python\n{BAD}```"]})
    failing = executor.run_one(Program(code=BAD, tests=problem("t").tests))
    refiner = ReplayBackend({refine_prompt("t: add one.", BAD, failing.feedback): [GOOD]})
    (trajectory,) = debug_problems([problem("t")], drafter, refiner, executor, params())
    assert trajectory.solved
    assert [(attempt.code, attempt.verdict) for attempt in trajectory.attempts] == [
        (BAD, "wrong_answer"),
        (GOOD, "passed"),
    ]
    assert trajectory.attempts[0].feedback == failing.feedback != ""
    assert trajectory.attempts[1].completion_tokens == len(GOOD.split())


@pytest.mark.parametrize(
    "attack",
    [
        "tests = [('f(1)', '1')]\ndef f(x):\n    return x\n",
        "import __main__\n__main__.tests = ()\ndef f(x):\n    return x\n",
        "def f(x):\n    return x\nassert f(1) == 1\nraise SystemExit(0)\n",
        "class Anything:\n    def __eq__(self, other):\n        return True\ndef f(x):\n    return Anything()\n",
    ],
    ids=["redefines tests", "empties tests", "brings its own and leaves", "equals everything"],
)
def test_nothing_a_model_writes_changes_the_tests(executor: Executor, attack: str) -> None:
    task = problem("t")
    before = task.to_json()
    model = OneAnswer(attack)
    (trajectory,) = debug_problems([task], model, model, executor, params(max_iterations=1))
    assert not trajectory.solved
    assert "passed" not in {attempt.verdict for attempt in trajectory.attempts}
    assert task.to_json() == before


def test_every_answer_meets_the_same_tests() -> None:
    seen = []

    def record(program: Program) -> Outcome:
        seen.append(program.tests)
        return Outcome("wrong_answer", "wrong", 0, 1)

    model = OneAnswer("def f(x): ...\ntests = ()")
    list(debug_problems([problem("t")], model, model, StandInEngine(record), params()))
    assert seen == [problem("t").tests] * 6


def test_finished_conversations_make_room_for_the_next(executor: Executor) -> None:
    drafter, refiner = OneAnswer(BAD), OneAnswer(GOOD)
    trajectories = list(debug_problems(map(problem, "abcde"), drafter, refiner, executor, params(concurrency=2)))
    assert [trajectory.task_id for trajectory in trajectories] == list("abcde")
    assert drafter.batches == [2, 2, 1]
    assert refiner.batches == [2, 2, 1]


def test_one_model_in_both_roles_gets_one_batch_a_round(executor: Executor) -> None:
    model = OneAnswer(GOOD)
    list(debug_problems(map(problem, "abc"), model, model, executor, params(concurrency=2)))
    assert model.batches == [2, 1]


def test_trajectories_do_not_depend_on_concurrency(executor: Executor) -> None:
    model = Patient()
    tasks = [problem(f"t{needed}") for needed in (0, 7, 2, 1, 5, 6, 3)]
    runs = [by_task(debug_problems(tasks, model, model, executor, params(concurrency=n))) for n in (1, 3, 64)]
    assert runs[0] == runs[1] == runs[2]
    assert {name: len(trajectory.attempts) for name, trajectory in runs[0].items() if trajectory.solved} == {
        "t0": 1,
        "t2": 3,
        "t1": 2,
        "t5": 6,
        "t3": 4,
    }
