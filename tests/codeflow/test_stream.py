"""The loop without barriers: who is asked next, what waits for what, and how it ends when something fails."""

import asyncio
import gc
import math
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from iterpref_core.codeflow import stream
from iterpref_core.codeflow.batched_rounds import debug_problems
from iterpref_core.codeflow.draft_sampling import sample_problems
from iterpref_core.codeflow.priority_semaphore import PrioritySemaphore
from iterpref_core.codeflow.rollouts import Rollout
from iterpref_core.codeflow.stream import stream_debugging, stream_sampling
from iterpref_core.config import CodeflowParams, SamplingParams
from iterpref_core.errors import EndpointError, RefusedError
from iterpref_core.execution import Engine, Executor, Limits, Outcome, Program
from iterpref_core.inference.answer_store import AnswerStore, StoredEndpoint
from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.inference.concurrent_prompts import ConcurrentEndpoint
from iterpref_core.inference.local.batching_endpoint import Batched
from iterpref_core.records import IoTest, Problem, Trajectory
from tests.settings import section

GOOD, BAD = "def f(x):\n    return x + 1\n", "def f(x):\n    return x\n"
RIGHT_FOR_ONE = "def f(x):\n    return 2\n"


def params(concurrency: int = 4, max_iterations: int = 5, samples: int = 3) -> CodeflowParams:
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
        sampling=SamplingParams(samples=samples, temperature=0.6),
    )


def problem(name: str) -> Problem:
    """`t3` needs three refinements."""
    visible, hidden = (IoTest(call=f"f({x})", expected=str(x + 1)) for x in (1, 2))
    return Problem(task_id=name, prompt=f"{name}: add one.", entry_point="f", tests=(visible,), hidden_tests=(hidden,))


class Patient(ConcurrentEndpoint):
    """Needs as many refinements as the task's name says; takes `pause_s`, and watches how many calls are under way."""

    concurrency = 4

    def __init__(self, pause_s: float = 0.0, good: str = GOOD) -> None:
        self.pause_s, self.good = pause_s, good
        self.under_way = self.most = 0
        self.asked: list[tuple[str, int]] = []

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        name, done = request.prompt.partition(":")[0], request.prompt.count("# again") + ("wrong" in request.prompt)
        self.asked.append((name, done))
        try:
            await self.respond(name)
        finally:
            self.under_way -= 1
        text = (self.good if done >= int(name[1:]) else BAD) + "# again\n" * done
        return Completion(text, 1, 1, truncated=False)

    async def respond(self, name: str) -> None:
        await asyncio.sleep(self.pause_s)


class Checks(Engine):
    """Runs programs by looking at them; takes `pause_s` for those of task t9."""

    places = 2

    def __init__(self, pause_s: float = 0.0) -> None:
        self._pause_s = pause_s

    def run_one(self, program: Program) -> Outcome:
        time.sleep(self._pause_s)
        good = program.code.startswith(GOOD) or (
            program.code.startswith(RIGHT_FOR_ONE) and program.tests[0] == problem("t0").tests[0]
        )
        return Outcome("passed" if good else "wrong_answer", "" if good else "no", 0, 1)

    def close(self) -> None:
        """Nothing to end."""


def debug(names: Iterable[str], model: Patient, settings: CodeflowParams | None = None) -> dict[str, Trajectory]:
    found: list[Rollout] = []
    stream_debugging(map(problem, names), model, model, Checks(), settings or params(), found.append)
    assert len({one.trajectory.task_id for one in found}) == len(found)
    return {one.trajectory.task_id: one.trajectory for one in found}


def test_a_gate_lets_the_lowest_rank_in_first_and_forgets_who_gave_up() -> None:
    entered: list[str] = []

    async def enter(gate: PrioritySemaphore, name: str, rank: int) -> None:
        async with gate.entered(rank):
            entered.append(name)
            await asyncio.sleep(0.01)

    async def main() -> None:
        gate = PrioritySemaphore(1)
        order = (("a", 5), ("b", 2), ("c", 1), ("d", 2), ("e", 0))
        tasks = {name: asyncio.create_task(enter(gate, name, rank)) for name, rank in order}
        await asyncio.sleep(0)
        tasks["e"].cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        async with asyncio.timeout(1), gate.entered(0):
            entered.append("free again")

    asyncio.run(main())
    assert entered == ["a", "c", "b", "d", "free again"]


def test_trajectories_are_those_of_rounds_whatever_the_concurrency() -> None:
    names = [f"t{needed}" for needed in (0, 7, 2, 1, 5, 6, 3)]
    rounds = debug_problems(map(problem, names), Patient(), Patient(), Checks(), params())
    expected = {one.trajectory.task_id: one.trajectory for one in rounds}
    assert {name: len(one.attempts) for name, one in expected.items() if one.solved} == {
        "t0": 1, "t2": 3, "t1": 2, "t5": 6, "t3": 4
    }  # fmt: skip
    for concurrency in (1, 3, 64):
        assert debug(names, Patient(), params(concurrency)) == expected


def test_calls_under_way_are_bounded_and_conversations_with_most_ahead_come_first() -> None:
    model = Patient(pause_s=0.005)
    assert len(debug(["t1", "t2", "t3", "t4", "t5", "t0"], model, params(2))) == 6
    assert model.most == 2
    assert [done for _, done in model.asked[:6]] == [0] * 6, "all drafts before any refinement"


def test_memory_is_bounded_because_only_a_window_of_problems_is_open() -> None:
    taken = 0

    def source() -> Iterator[Problem]:
        nonlocal taken
        for number in range(500):
            taken += 1
            yield problem(f"t0{number}").model_copy(update={"prompt": "t0: add one."})

    done = 0
    ahead: list[int] = []

    def keep(_: Rollout) -> None:
        nonlocal done
        done += 1
        ahead.append(taken - done)

    model = Patient()
    stream_debugging(source(), model, model, Checks(), params(2), keep)
    assert done == 500
    assert max(ahead) <= 2 * stream.WINDOW


def test_a_slow_answer_and_a_slow_program_hold_up_nobody_else() -> None:
    others_are_done = threading.Event()

    class Slow(Patient):
        async def respond(self, name: str) -> None:
            async with asyncio.timeout(60):
                while name == "t4" and not others_are_done.is_set():
                    await asyncio.sleep(0.001)

    class SlowEngine(Checks):
        def run_one(self, program: Program) -> Outcome:
            if "# again\n# again\n# again" in program.code:
                assert others_are_done.wait(60)
            return super().run_one(program)

    order: list[str] = []

    def keep(one: Rollout) -> None:
        order.append(one.trajectory.task_id)
        if len(order) == 3:
            others_are_done.set()

    names = ["t4", "t3", "t0", "t1", "t2"]
    model = Slow()
    stream_debugging(map(problem, names), model, model, SlowEngine(), params(), keep)
    assert set(order[:3]) == {"t0", "t1", "t2"}
    assert set(order[3:]) == {"t3", "t4"}


class Failing(Patient):
    """Its nth call fails at once; those beside it take a moment."""

    def __init__(self, error: BaseException, at: int) -> None:
        super().__init__(pause_s=0.05)
        self._error, self._at = error, at

    async def respond(self, name: str) -> None:
        if len(self.asked) == self._at:
            raise self._error
        await super().respond(name)


def test_an_error_ends_the_run_and_answers_to_calls_under_way_are_stored(tmp_path: Path) -> None:
    names = [f"t{n}" for n in range(10)]
    failing, rest = Failing(EndpointError("gone"), at=8), Patient()
    with AnswerStore(tmp_path / "answers.sqlite", "run") as store:
        kept = StoredEndpoint(failing, "m", store)
        with pytest.raises(EndpointError, match="gone"):
            stream_debugging(map(problem, names), kept, kept, Checks(), params(), lambda _: None)
        assert failing.under_way == 0
        assert store.spent().calls == len(failing.asked) - 1
        kept = StoredEndpoint(rest, "m", store)
        stream_debugging(map(problem, names), kept, kept, Checks(), params(), lambda _: None)
    asked = Counter(failing.asked) + Counter(rest.asked)
    assert [name for name, times in asked.items() if times > 1] == [failing.asked[7]]


class Down(Patient):
    """Fails every call, each in its own time."""

    async def respond(self, name: str) -> None:
        await asyncio.sleep(0.01 * int(name[1:]))
        raise EndpointError(f"{name}: down")


def test_many_calls_that_fail_together_are_one_error(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(EndpointError, match="t1: down"):
        debug([f"t{number}" for number in range(1, 9)], Down(), params(concurrency=8))
    gc.collect()  # asyncio complains when it forgets an exception that nobody has looked at
    assert not caplog.records


def test_ctrl_c_does_not_wait_for_calls_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "GRACE_S", math.inf)

    class Endless(Patient):
        async def respond(self, name: str) -> None:
            if len(self.asked) == 4:
                raise KeyboardInterrupt
            await asyncio.Event().wait()

    model = Endless()
    with pytest.raises(KeyboardInterrupt):
        debug([f"t{n}" for n in range(10)], model)
    assert (len(model.asked), model.under_way) == (4, 0)


def test_a_call_that_does_not_come_back_holds_up_the_end_of_a_failed_run_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "GRACE_S", 0.05)

    class Endless(Failing):
        async def respond(self, name: str) -> None:
            await super().respond(name)
            await asyncio.sleep(3600)

    with pytest.raises(EndpointError):
        debug([f"t{n}" for n in range(10)], Endless(EndpointError("gone"), at=4))


def test_an_error_of_whoever_keeps_the_trajectories_ends_the_run() -> None:
    def keep(_: Rollout) -> None:
        raise OSError("disk full")

    model = Patient()
    with pytest.raises(OSError, match="disk full"):
        stream_debugging(map(problem, ["t0", "t9"]), model, model, Checks(), params(), keep)


def test_a_refused_prompt_ends_its_trajectory_with_the_attempts_made_so_far() -> None:
    class Refusing(Patient):
        async def respond(self, name: str) -> None:
            if name == "t5" or (name == "t4" and ("t4", 2) in self.asked):
                raise RefusedError("too long")

    found = debug(["t1", "t4", "t5"], Refusing())
    assert [(name, one.solved, one.refused, len(one.attempts)) for name, one in sorted(found.items())] == [
        ("t1", True, None, 2),
        ("t4", False, 1, 2),
        ("t5", False, 1, 0),
    ]


def test_what_recognizes_the_visible_tests_is_found_by_the_hidden_ones() -> None:
    found = debug(["t0", "t1"], Patient(good=RIGHT_FOR_ONE))
    assert {name: [attempt.hidden for attempt in one.attempts] for name, one in found.items() if one.solved} == {
        "t0": ["wrong_answer"],
        "t1": [None, "wrong_answer"],
    }
    rounds = debug_problems(map(problem, found), *[Patient(good=RIGHT_FOR_ONE)] * 2, Checks(), params())
    assert [one.trajectory for one in rounds] == list(found.values())


def test_a_model_of_this_process_drafts_in_batches_beside_an_endpoint() -> None:
    class Student:
        def __init__(self) -> None:
            self.batches: list[int] = []

        def generate(self, requests: list[Request], sampling: Sampling) -> list[Completion]:
            self.batches.append(len(requests))
            time.sleep(0.02)
            return [Completion(BAD, 1, 1, truncated=False) for _ in requests]

    student, debugger = Student(), Patient()
    names = [f"t1{n}" for n in range(40)]
    problems = [problem(name).model_copy(update={"prompt": "t1: add one."}) for name in names]
    found: list[Rollout] = []
    stream_debugging(problems, Batched(student, 16), debugger, Checks(), params(16), found.append)
    assert all(one.trajectory.solved and len(one.trajectory.attempts) == 2 for one in found)
    assert (sum(student.batches), max(student.batches)) == (40, 16)
    assert len(student.batches) < 12
    assert len(found) == len(debugger.asked) == 40


def test_an_error_of_a_model_of_this_process_reaches_the_caller() -> None:
    class Broken:
        def generate(self, requests: list[Request], sampling: Sampling) -> list[Completion]:
            raise EndpointError("no memory")

    with pytest.raises(EndpointError, match="no memory"):
        stream_debugging([problem("t0")], Batched(Broken(), 2), Patient(), Checks(), params(), lambda _: None)


def test_samples_of_a_problem_are_those_of_batches_and_refused_ones_are_left_out() -> None:
    class Lottery(Patient):
        async def answer(self, request: Request, sampling: Sampling) -> Completion:
            assert sampling.temperature == 0.6
            await asyncio.sleep(request.seed % 7 / 1000)
            if request.prompt.startswith("t9") and request.seed % 2:
                raise RefusedError("no")
            return Completion((GOOD if request.seed % 2 else BAD) + f"# {request.seed}\n", 1, 1, truncated=False)

    names = [f"t{n}" for n in range(9)]
    settings = params(samples=6)
    rounds = [one.trajectory for one in sample_problems(map(problem, names), Lottery(), Checks(), settings)]
    found: list[Rollout] = []
    stream_sampling(map(problem, [*names, "t9"]), Lottery(), Checks(), settings, found.append)
    by_name = {one.trajectory.task_id: one.trajectory for one in found}
    refused = by_name.pop("t9")
    assert [by_name[one.task_id] for one in rounds] == rounds
    assert {attempt.hidden for one in rounds for attempt in one.attempts if attempt.verdict == "passed"} == {"passed"}
    assert refused.refused == 6 - len(refused.attempts) > 0
    assert not refused.solved


def test_the_real_engine_runs_programs_from_many_threads() -> None:
    model = Patient()
    limits = Limits(cpu_s=2.0, wall_s=10.0, memory_mb=256, output_kb=64, file_mb=1)
    found: list[Rollout] = []
    with Executor(limits, workers=2) as engine:
        names = [f"t{n}" for n in (0, 1, 2, 3)]
        stream_debugging(map(problem, names), model, model, engine, params(), found.append)
        assert len(engine.worker_pids()) <= 2
    assert all(one.trajectory.solved for one in found)
    assert all(one.trajectory.attempts[-1].hidden == "passed" for one in found)
    assert all(sum(one.busy.lanes) > 0 for one in found)
