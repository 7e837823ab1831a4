"""Many conversations: in rounds and without barriers; who is asked next, and how it ends when something fails."""

import asyncio
import math
import threading
from collections import Counter

import pytest

from iterpref_core.execution import Engine, Outcome
from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import Completion, Model
from iterpref_core.pairs.codeflow import rollouts
from iterpref_core.pairs.codeflow.rollouts import roll_out
from iterpref_core.records import CodeflowParams, EndpointError, IoTest, Problem, SamplingParams
from tests.fake_models import FakeModel, stored
from tests.settings import section

GOOD, BAD = "def f(x):\n    return x + 1\n", "def f(x):\n    return x\n"
RIGHT_FOR_ONE = "def f(x):\n    return 2\n"


def params(max_iterations=5, source="debugging"):
    return section(
        CodeflowParams,
        source=source,
        max_iterations=max_iterations,
        draft_model="student",
        temperature=0.8,
        sampling=SamplingParams(samples=6, temperature=0.6),
    )


def problem(name):
    """`t3` needs three refinements."""
    visible, hidden = (IoTest(call=f"f({x})", expected=str(x + 1)) for x in (1, 2))
    return Problem(task_id=name, prompt=f"{name}: add one.", entry_point="f", tests=(visible,), hidden_tests=(hidden,))


def reply(request, good=GOOD):
    """What a model says that needs as many refinements as the task's name tells."""
    name, done = request.prompt.partition(":")[0], request.prompt.count("# again") + ("wrong" in request.prompt)
    return Completion((good if done >= int(name[1:]) else BAD) + "# again\n" * done, 1, 1)


class Patient(Model):
    """Takes `pause_s`, and watches how many calls are under way."""

    concurrency = 4

    def __init__(self, pause_s=0.0, good=GOOD):
        self.pause_s, self.good = pause_s, good
        self.under_way = self.most = 0
        self.asked = []

    async def answer(self, request, sampling):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        name, done = request.prompt.partition(":")[0], request.prompt.count("# again") + ("wrong" in request.prompt)
        self.asked.append((name, done))
        try:
            await self.respond(name)
        finally:
            self.under_way -= 1
        return Completion("", 0, 0, "refused: 400 too long") if self.refuses(name) else reply(request, self.good)

    async def respond(self, name):
        await asyncio.sleep(self.pause_s)

    def refuses(self, name):
        del name
        return False


class Local(FakeModel):
    """The same in this process; remembers the sizes of its batches."""

    def __init__(self, respond=reply):
        self.respond = respond
        self.batches = []

    def complete(self, requests, sampling):
        self.batches.append(len(requests))
        return [self.respond(request) for request in requests]


class Checks(Engine):
    """Runs programs by looking at them."""

    slots = 2

    def run_one(self, program):
        good = program.code.startswith(GOOD) or (
            program.code.startswith(RIGHT_FOR_ONE) and program.tests[0] == problem("t0").tests[0]
        )
        return Outcome("passed" if good else "wrong_answer", "" if good else "no", 0, 1)

    def close(self):
        """Nothing to end."""


def debug(names, model, settings=None, refiner=None):
    found = []
    roll_out(map(problem, names), model, refiner or model, Checks(), settings or params(), found.append)
    assert len({trajectory.task_id for trajectory in found}) == len(found)
    return {trajectory.task_id: trajectory for trajectory in found}


def test_trajectories_are_the_same_in_rounds_and_without_barriers_whatever_the_concurrency():
    names = [f"t{needed}" for needed in (0, 7, 2, 1, 5, 6, 3)]
    expected = debug(names, Local())
    assert {name: len(one.attempts) for name, one in expected.items() if one.solved} == {
        "t0": 1, "t2": 3, "t1": 2, "t5": 6, "t3": 4
    }  # fmt: skip
    for concurrency in (1, 3, 64):
        for model in (Patient(), Local()):
            model.concurrency = concurrency
            assert debug(names, model) == expected


def test_a_slow_answer_and_a_slow_program_hold_up_nobody_else():
    others_are_done = threading.Event()

    class Slow(Patient):
        async def respond(self, name):
            async with asyncio.timeout(60):
                while name == "t4" and not others_are_done.is_set():
                    await asyncio.sleep(0.001)

    class SlowEngine(Checks):
        def run_one(self, program):
            if "# again\n# again\n# again" in program.code:
                assert others_are_done.wait(60)
            return super().run_one(program)

    order = []

    def keep(trajectory):
        order.append(trajectory.task_id)
        if len(order) == 3:
            others_are_done.set()

    model = Slow()
    roll_out(map(problem, ["t4", "t3", "t0", "t1", "t2"]), model, model, SlowEngine(), params(), keep)
    assert set(order[:3]) == {"t0", "t1", "t2"}
    assert set(order[3:]) == {"t3", "t4"}


class Failing(Patient):
    """Its nth call fails at once; those beside it take a moment."""

    def __init__(self, error, at):
        super().__init__(pause_s=0.05)
        self._error, self._at = error, at

    async def respond(self, name):
        if len(self.asked) == self._at:
            raise self._error
        await super().respond(name)


def test_an_error_ends_the_run_and_answers_to_calls_under_way_are_stored(tmp_path):
    names = [f"t{n}" for n in range(10)]
    failing, rest = Failing(EndpointError("gone"), at=8), Patient()
    with AnswerStore(tmp_path / "answers.sqlite", "run") as store:
        with pytest.raises(EndpointError, match="gone"):
            debug(names, stored(failing, "m", store))
        assert failing.under_way == 0
        assert store.spent().calls == len(failing.asked) - 1
        debug(names, stored(rest, "m", store))
    asked = Counter(failing.asked) + Counter(rest.asked)
    assert [name for name, times in asked.items() if times > 1] == [failing.asked[7]]


def test_ctrl_c_does_not_wait_for_calls_under_way(monkeypatch):
    monkeypatch.setattr(rollouts, "GRACE_S", math.inf)

    class Endless(Patient):
        async def respond(self, name):
            if len(self.asked) == 4:
                raise KeyboardInterrupt
            await asyncio.Event().wait()

    model = Endless()
    with pytest.raises(KeyboardInterrupt):
        debug([f"t{n}" for n in range(10)], model)
    assert (len(model.asked), model.under_way) == (4, 0)


def test_samples_are_the_same_in_batches_and_without_barriers_and_missing_ones_are_left_out():
    def draw(request):
        return Completion((GOOD if request.seed % 2 else BAD) + f"# {request.seed}\n", 1, 1)

    class Lottery(Patient):
        async def answer(self, request, sampling):
            assert sampling.temperature == 0.6
            await asyncio.sleep(request.seed % 7 / 1000)
            if request.prompt.startswith("t9") and request.seed % 2:
                return Completion("half of it", 9, 9, "filtered: safety")
            return draw(request)

    names = [f"t{n}" for n in range(9)]
    local = Local(draw)
    batched = debug(names, local, params(source="sampling"))
    assert local.batches == [4] * 13 + [2]
    found = debug([*names, "t9"], Lottery(), params(source="sampling"))
    filtered = found.pop("t9")
    assert found == batched
    attempts = [attempt for one in batched.values() for attempt in one.attempts]
    assert {attempt.hidden for attempt in attempts if attempt.verdict == "passed"} == {"passed"}
    assert filtered.missing == ("filtered: safety",) * (6 - len(filtered.attempts)) != ()
    assert not filtered.solved
