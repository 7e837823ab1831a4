"""Rewards: whether or how many tests pass, and the user's own, of answers that the engine could judge."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies
from hypothesis import settings as hypothesis_settings

from iterpref_core.execution import Engine, Outcome
from iterpref_core.records import IoTest, Problem
from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import ConfigError

from .conftest import RIGHT, WRONG, Train, settings

if TYPE_CHECKING:
    from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts

_NUMBERS = count()

Compute = Callable[..., dict[str, list[float | None]]]
"""(weights, answers, problem, own functions) → the rewards of each name."""


@pytest.fixture(scope="module")
def prompts(coin: Path) -> RenderedPrompts:
    from transformers import GenerationConfig

    from iterpref_core.models.pretrained.tokenizers import load_chat_template
    from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts

    return RenderedPrompts(load_chat_template(coin), GenerationConfig())


@pytest.fixture(scope="module")
def compute(prompts: RenderedPrompts, executor: Engine) -> Compute:
    from transformers import PreTrainedTokenizerBase

    from iterpref_core.training.reinforcement.rewards import Rewards

    tokenizer: PreTrainedTokenizerBase = prompts._template.tokenizer

    def run(
        weights: dict[str, float],
        answers: list[str],
        problem: Problem,
        own: dict[str, Any] | None = None,
        logged: dict[str, float] | None = None,
    ) -> dict[str, list[float | None]]:
        rewards = Rewards(weights, {problem.task_id: problem}, prompts, executor, own or {})
        told = {} if logged is None else logged
        keywords = {
            "prompts": [""] * len(answers),
            "completions": answers,
            "completion_ids": [tokenizer(answer)["input_ids"] for answer in answers],
            "task_id": [problem.task_id] * len(answers),
            "log_metric": told.__setitem__,
        }
        return {function.__name__: function(**keywords) for function in rewards.functions}

    return run


def table(right: list[bool]) -> Problem:
    """Return a problem whose test `n` calls f(n), expects n, and stands in the visible or the hidden tests."""
    tests = tuple(IoTest(call=f"f({n})", expected=str(n)) for n in range(len(right)))
    return Problem(task_id="t", prompt="Return x.", entry_point="f", tests=tests[:1], hidden_tests=tests[1:])


@hypothesis_settings(max_examples=12)
@given(right=strategies.lists(strategies.booleans(), min_size=1, max_size=5))
def test_the_share_of_tests_is_that_of_the_tests_that_pass(compute: Compute, right: list[bool]) -> None:
    answer = f"def f(x):\n    return x if {right}[x] else -1\n"
    found = compute({"share_of_tests": 1.0, "passes_tests": 0.0}, [answer], table(right))
    assert found["share_of_tests"] == [pytest.approx(sum(right) / len(right))]
    assert found["passes_tests"] == [float(all(right))]


@pytest.mark.parametrize(
    ("body", "share"),
    [
        ("return x", 1.0),
        ("return x if x != 1 else 1 / 0", 0.75),
        ("return x if x != 1 else [0 for _ in iter(int, 1)]", 0.25),
        ("print('x' * 70_000) if x == 3 else None\n    return x", 0.75),
        ("return x +", 0.0),
    ],
)
def test_a_program_that_was_ended_fails_the_tests_behind(compute: Compute, body: str, share: float) -> None:
    """Of four tests; the third program loops on the second alone, and the fourth prints too much on the last."""
    found = compute({"share_of_tests": 1.0}, [f"def f(x):\n    {body}\n"], table([True] * 4))
    assert found["share_of_tests"] == [share]


def test_programs_run_once_for_all_rewards(
    compute: Compute, executor: Engine, problems: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    run_one = executor.run_one

    def keep(program: Any) -> Any:
        ran.append(program.code)
        return run_one(program)

    monkeypatch.setattr(executor, "run_one", keep)
    own = {"mine:two": lambda programs, **_: [2.0 for _ in programs]}
    found = compute({"passes_tests": 1.0, "mine:two": 0.5}, [RIGHT, WRONG], problems[0], own)
    assert found == {"passes_tests": [1.0, 0.0], "mine.two": [2.0, 2.0]}
    assert ran == [RIGHT, WRONG]


@pytest.mark.parametrize("failing", [1, 2])
def test_an_answer_that_could_not_be_judged_has_no_reward_at_all(
    compute: Compute, executor: Engine, problems: list[Problem], monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """With a reward of one's own alone it would stand behind the others, though the engine failed.

    The engine fails on all tests together, or on the second test alone, which the share needs.
    """
    numbers = count(1)
    run_one = executor.run_one

    def fail(program: Any) -> Outcome:
        if next(numbers) == failing:
            return Outcome("infra_error", "", 0, len(program.tests))
        return run_one(program)

    monkeypatch.setattr(executor, "run_one", fail)
    logged: dict[str, float] = {}
    own = {"mine:one": lambda programs, **_: [1.0 for _ in programs]}
    weights = {"passes_tests": 1.0, "share_of_tests": 1.0, "mine:one": 1.0}
    found = compute(weights, [WRONG], problems[0], own, logged=logged)
    assert set(found) == {"passes_tests", "share_of_tests", "mine.one"}
    assert all(values == [None] for values in found.values())
    assert logged == {"unjudged": 1.0}


def write_module(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a module into the current folder and return its name, which no other test uses."""
    name = f"own_rewards_{next(_NUMBERS)}"
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    return name


def test_a_function_of_one_s_own_trains_and_stands_in_the_curve(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It rewards the program that fails, and the tests have no weight: so only the function can teach."""
    from iterpref_core.models.pretrained.lineage import read_lineage

    code = "def minus(programs, problems, **kwargs):\n    return [float('-' in program) for program in programs]\n"
    name = write_module(tmp_path, code, monkeypatch)
    rewards = {"passes_tests": 0.0, f"{name}:minus": 2.0}
    metrics = train("run", settings(steps=1, rewards=rewards))
    header, row = (tmp_path / "run" / "curve.csv").read_text(encoding="utf-8").splitlines()
    first = dict(zip(header.split(","), row.split(","), strict=True))
    assert float(first["reward"]) == metrics["reward/first"]
    assert float(first["reward"]) == pytest.approx(2 * float(first[f"rewards/{name}.minus/mean"]))
    assert float(first["rewards/passes_tests/mean"]) > 0
    lineage = read_lineage(tmp_path / "run" / "out")
    assert lineage is not None
    assert lineage.settings["grpo.rewards"] == rewards


def test_a_changed_function_is_another_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from iterpref_core.training.reinforcement.own_rewards import load_own_rewards, source_digest

    name = write_module(tmp_path, "def f(**kwargs):\n    return []\n", monkeypatch)
    path = f"{name}:f"
    load_own_rewards({path: 1.0}, ())
    before = source_digest(path)
    assert source_digest(path) == before
    (tmp_path / f"{name}.py").write_text("def f(**kwargs):\n    return [1]\n", encoding="utf-8")
    assert source_digest(path) != before


@pytest.mark.parametrize(
    ("code", "function", "message"),
    [
        ("def f(**kwargs): pass", "g", "has no plain function 'g'"),
        ("def f(completions): pass", "f", "cannot be called as a reward: got an unexpected keyword argument 'prompts'"),
        ("def f(answers, **kwargs): pass", "f", "cannot be called as a reward: missing a required argument: 'answers'"),
        ("async def f(**kwargs): pass", "f", "has no plain function 'f'"),
        ("f = 3", "f", "has no plain function 'f'"),
        ("class f:\n    def __init__(self, **kwargs): pass", "f", "has no plain function 'f'"),
        ("import package_that_is_not_there", "f", "cannot be imported .*: No module named 'package_that_is_not_there'"),
        ("raise ValueError('no key')", "f", "cannot be imported .*: no key; correct the path or the module"),
        ("def f(:", "f", "cannot be imported .*: invalid syntax"),
    ],
)
def test_a_function_that_is_no_reward_is_told_before_the_model_loads(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch, code: str, function: str, message: str
) -> None:
    from iterpref_core.training.reinforcement import grpo

    name = write_module(tmp_path, code, monkeypatch)
    monkeypatch.delattr(grpo, "load_policy")
    with pytest.raises(ConfigError, match=message) as caught:
        train("run", settings(rewards={f"{name}:{function}": 1.0}))
    assert str(caught.value).startswith(f"params.yaml: training.grpo.rewards: {name}:{function}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([1.0], r"returned \[1.0\]; return a list with a finite number or None for each of the 2 answers"),
        ([1.0, float("nan")], r"returned \[1.0, nan\]; return"),
        (["a", 1.0], r"returned \['a', 1.0\]; return"),
        (None, "returned None; return"),
    ],
)
def test_a_function_that_returns_no_rewards_is_named(
    compute: Compute, problems: list[Problem], returned: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=f"rewards: mine:f: .*{message}"):
        compute({"mine:f": 1.0}, [RIGHT, WRONG], problems[0], {"mine:f": lambda **_: returned})


@pytest.mark.parametrize("rewards", [{}, {"passes_tests": float("inf")}, {"passes_tests": "much"}])
def test_weights_are_finite_numbers(rewards: Any) -> None:
    with pytest.raises(ValueError, match="rewards"):
        TrainingParams.model_validate(
            settings().model_dump() | {"grpo": settings().grpo.model_dump() | {"rewards": rewards}}
        )
