"""Programs out of trajectories: what passes, what fails, and where a failing one was repaired."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.records import Attempt, IoTest, LabeledProgram, Problem, Trajectory, Verdict
from iterpref_core.records.config import LocalizationParams, PairsParams
from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from iterpref_core.training.data.labeled_programs import read_labeled
from tests.settings import PARAMS, section

RIGHT = "def f(n):\n    m = n + {k}\n    return m\n"
WRONG = "def f(n):\n    m = n - {k}\n    return m\n"
WORSE = "def f(n):\n    m = n * {k}\n    return m\n"
LINE = "    m = n - 1"

Select = Callable[..., tuple[dict[str, float], list[LabeledProgram]]]


def attempts(*versions: tuple[str, Verdict], hidden: Verdict = "passed") -> tuple[Attempt, ...]:
    return tuple(
        Attempt(
            iteration=number, code=code, verdict=verdict, feedback="", prompt_tokens=1, completion_tokens=1,
            hidden=hidden if verdict == "passed" else None,
        )
        for number, (code, verdict) in enumerate(versions)
    )  # fmt: skip


def trajectory(name: str, *made: Attempt) -> Trajectory:
    return Trajectory(task_id=name, solved=any(each.verdict == "passed" for each in made), attempts=made)


@pytest.fixture
def select(tmp_path: Path, word_model: Path) -> Select:
    from iterpref_core.pairs.pairs.program_selection import select_programs

    def run(*trajectories: Trajectory, **settings: Any) -> tuple[dict[str, float], list[LabeledProgram]]:
        test = IoTest(call="f(1)", expected="2")
        problems = [
            Problem(task_id=each.task_id, prompt=f"Task {each.task_id}.", entry_point="f", tests=(test,), license="MIT")
            for each in trajectories
        ]
        write_jsonl(tmp_path / "problems.jsonl", problems)
        write_jsonl(tmp_path / "trajectories.jsonl", trajectories)
        chosen = {"rejected": "first", "benchmarks": (), "near_duplicate": None, "max_tokens": 50}
        localization = section(LocalizationParams, empty=settings.pop("empty", "anchor"), widen_lines=0)
        pairs = section(PairsParams, **chosen | settings)
        params = PARAMS.model_copy(update={"pairs": pairs, "localization": localization})
        out = tmp_path / "programs.jsonl"
        metrics = select_programs(tmp_path / "trajectories.jsonl", tmp_path / "problems.jsonl", word_model, params, out)
        return metrics, list(read_jsonl(out, LabeledProgram))

    return run


def repaired(name: str, k: int = 1) -> Trajectory:
    made = attempts(
        (WRONG.format(k=k), "wrong_answer"), (WORSE.format(k=k), "wrong_answer"), (RIGHT.format(k=k), "passed")
    )
    return trajectory(name, *made)


def test_a_pair_gives_a_program_that_passes_and_one_that_fails_with_its_region(select: Select, tmp_path: Path) -> None:
    at_once = trajectory("b", *attempts((RIGHT.format(k=2), "passed")))
    metrics, programs = select(repaired("a"), at_once)
    assert [(each.problem_id, each.label) for each in programs] == [("a", True), ("a", False)]
    passing, failing = programs
    assert (passing.completion, passing.rejected_spans, passing.license) == (RIGHT.format(k=1), None, "MIT")
    assert failing.prompt == "Task a."
    assert [failing.completion[first:last] for first, last in failing.rejected_spans or ()] == [LINE]
    assert (metrics["programs"], metrics["pairs"], metrics["dropped/solved_by_draft"]) == (2, 1, 1)
    for focal in (False, True):
        assert [read for _, read in read_labeled(tmp_path / "programs.jsonl", focal=focal)] == programs


def test_the_pairs_of_one_problem_share_the_program_that_passes(select: Select) -> None:
    _, programs = select(repaired("a"), rejected="all")
    assert [each.completion for each in programs] == [text.format(k=1) for text in (RIGHT, WRONG, WORSE)]


def test_a_pair_without_a_region_gives_no_program_where_the_policy_says_so(select: Select) -> None:
    inserted = attempts(
        ("def f(n):\n    return n\n", "wrong_answer"), ("def f(n):\n    n += 1\n    return n\n", "passed")
    )
    both = (repaired("a"), trajectory("b", *inserted))
    metrics, programs = select(*both, empty="drop")
    assert {each.problem_id for each in programs} == {"a"}
    assert metrics["dropped/empty"] == 1
    assert len(select(*both, empty="anchor")[1]) == 4


def test_without_a_pair_nothing_is_written(select: Select, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no problem gave a pair \(solved_by_draft 1\)"):
        select(trajectory("b", *attempts((RIGHT.format(k=2), "passed"))))
    assert not (tmp_path / "programs.jsonl").exists()
