"""Rewards from execution: what is read, what is not, and what a hostile program gets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from datasets import Dataset

from iterpref_core.errors import InputError
from iterpref_core.execution import Executor, Limits, Outcome
from iterpref_core.training.execution_reward import Reward, execution_reward
from tests.engines import StandInEngine
from tests.execution.test_hostile import HOSTILE as HOSTILE_PROGRAMS
from tests.execution.test_hostile import LIMITS as HOSTILE_LIMITS
from tests.execution.test_hostile import TESTS as HOSTILE_TESTS
from tests.execution.test_hostile import header_of

RIGHT, WRONG = "def f(x):\n    return x + 1\n", "def f(x):\n    return x - 1\n"
TESTS = ["assert f(1) == 2"]
HOSTILE = (
    "import os\nos._exit(0)\ndef f(x): pass",
    "class Liar(int):\n    def __eq__(self, other): return True\ndef f(x): return Liar(0)",
    "import sys\nsys.modules['builtins'].AssertionError = Exception\ndef f(x): raise SystemExit(0)",
    "def f(x):\n    while True: pass",
)


@pytest.fixture(scope="module")
def reward() -> Iterator[Reward]:
    with Executor(Limits(cpu_s=1, wall_s=20), workers=1) as executor:
        yield execution_reward(executor)


def test_a_program_is_rewarded_for_passing_its_own_row_s_tests(reward: Reward) -> None:
    fenced = f"Sure:\n```python\n{RIGHT}```\n"
    chat = [{"role": "assistant", "content": fenced}]
    rewards = reward(["?"] * 4, [RIGHT, WRONG, fenced, chat], tests=[TESTS] * 4, completion_ids=[[1]] * 4)
    assert rewards == [1.0, 0.0, 1.0, 1.0]


def test_hostile_programs_get_nothing(reward: Reward) -> None:
    assert reward(["?"] * len(HOSTILE), HOSTILE, tests=[TESTS] * len(HOSTILE)) == [0.0] * len(HOSTILE)


def test_no_program_of_the_hostile_suite_is_rewarded_for_anything_but_passing(tmp_path: Path) -> None:
    words = {"@CANARY@": str(tmp_path / "canary"), "PARENT_PID": "999999999", "TCP_PORT": "1", "UDP_PORT": "1"}
    words |= dict.fromkeys(("@NOTE@", "iterpref-hostile"), "note-of-a-reward")
    sources = [path.read_text(encoding="utf-8") for path in HOSTILE_PROGRAMS]
    headers = [header_of(source) for source in sources]
    for word, meaning in words.items():
        sources = [source.replace(word, meaning) for source in sources]
    tests = [[test.model_dump() for test in HOSTILE_TESTS[header["tests"]]] for header in headers]
    with Executor(HOSTILE_LIMITS, workers=2) as executor:
        rewards = execution_reward(executor)(["?"] * len(sources), sources, tests=tests)
    assert len(rewards) > 100
    assert [
        path.stem
        for path, header, reward in zip(HOSTILE_PROGRAMS, headers, rewards, strict=True)
        if reward and "passed" not in header["verdict"]
    ] == []


def test_tests_of_several_kinds_come_back_from_a_data_set_and_hidden_ones_decide_too(reward: Reward) -> None:
    tests = [
        {"kind": "io", "call": "f(1)", "expected": "2"},
        {"kind": "assert", "code": "assert f(2) == offset + 2"},
    ]
    row = {"prompt": "?", "tests": tests, "setup": "offset = 1", "hidden_tests": ["assert f(5) == 6 + offset - 1"]}
    batch = Dataset.from_list([row, row])[:]
    prompts = batch.pop("prompt")
    assert reward(prompts, [RIGHT, WRONG], **batch) == [1.0, 0.0]


def test_a_row_without_tests_has_no_reward(reward: Reward) -> None:
    assert reward(["?"] * 3, [RIGHT, RIGHT, WRONG], tests=[None, TESTS, TESTS]) == [None, 1.0, 0.0]


def test_where_the_engine_fails_there_is_no_reward() -> None:
    broken = StandInEngine(lambda _: Outcome("infra_error", "", 0, 1))
    assert execution_reward(broken)(["?"], [RIGHT], tests=[TESTS]) == [None]


def test_missing_and_broken_tests_are_named(reward: Reward) -> None:
    with pytest.raises(InputError, match=r"no column 'tests' \(it has answer\)"):
        reward(["?"], [RIGHT], answer=["2"])
    with pytest.raises(InputError, match=r"row 0 of the batch, test 1: .*give an assert statement"):
        reward(["?"], [RIGHT], tests=[[*TESTS, {"kind": "io", "call": "f(1)"}]])
