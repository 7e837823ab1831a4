"""Programs out of trajectories: what passes, what fails, and where a failing one was repaired."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.records import Attempt, IoTest, LabeledProgram, Problem, Trajectory, Verdict
from iterpref_core.records.config import LocalizationParams, PairsParams
from iterpref_core.records.errors import ConfigError, InputError
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from iterpref_core.training.data.labeled_programs import read_labeled
from tests.settings import section

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
        chosen = {"rejected": "first", "benchmarks": (), "near_duplicate": None, "judge": None, "max_tokens": 50}
        empty = settings.pop("empty", "anchor")
        method = settings.pop("method", "line_lcs")
        metrics = select_programs(
            tmp_path / "trajectories.jsonl",
            tmp_path / "problems.jsonl",
            word_model,
            section(PairsParams, **chosen | settings),
            section(LocalizationParams, empty=empty, method=method, widen_lines=0),
            tmp_path / "programs.jsonl",
        )
        return metrics, list(read_jsonl(tmp_path / "programs.jsonl", LabeledProgram))

    return run


def repaired(name: str, k: int = 1) -> Trajectory:
    made = attempts(
        (WRONG.format(k=k), "wrong_answer"), (WORSE.format(k=k), "wrong_answer"), (RIGHT.format(k=k), "passed")
    )
    return trajectory(name, *made)


def test_a_repaired_program_has_its_error_region_and_a_draft_that_passes_counts(select: Select, tmp_path: Path) -> None:
    at_once = trajectory("b", *attempts((RIGHT.format(k=2), "passed")))
    never = trajectory("c", *attempts((WRONG.format(k=3), "exception")))
    metrics, programs = select(repaired("a"), at_once, never)
    assert [(each.problem_id, each.label) for each in programs] == [("a", True), ("a", False), ("b", True)]
    passing, failing, _ = programs
    assert (passing.completion, passing.rejected_spans, passing.license) == (RIGHT.format(k=1), None, "MIT")
    assert failing.prompt == "Task a."
    assert [failing.completion[first:last] for first, last in failing.rejected_spans or ()] == [LINE]
    assert (metrics["programs"], metrics["passing"], metrics["failing"], metrics["dropped/unsolved"]) == (3, 2, 1, 1)
    for focal in (False, True):
        assert [read for _, read in read_labeled(tmp_path / "programs.jsonl", focal=focal)] == programs


def test_all_different_versions_are_programs_where_pairs_take_all(select: Select) -> None:
    _, programs = select(repaired("a"), rejected="all")
    assert [each.completion for each in programs] == [text.format(k=1) for text in (RIGHT, WRONG, WORSE)]


def test_what_only_passes_visible_tests_is_neither(select: Select) -> None:
    lucky = attempts((WRONG.format(k=4), "passed"), hidden="wrong_answer")
    metrics, programs = select(repaired("a"), trajectory("b", *lucky), pass_hidden=True)
    assert {each.problem_id for each in programs} == {"a"}
    assert metrics["dropped/fails_hidden_tests"] == 1


def test_a_failing_program_without_a_region_is_left_out_where_the_policy_says_so(select: Select) -> None:
    inserted = attempts(
        ("def f(n):\n    return n\n", "wrong_answer"), ("def f(n):\n    n += 1\n    return n\n", "passed")
    )
    both = (repaired("a"), trajectory("b", *inserted))
    metrics, programs = select(*both, empty="drop")
    assert [(each.problem_id, each.label) for each in programs] == [("a", True), ("a", False), ("b", True)]
    assert metrics["left_out/no_region"] == 1
    _, programs = select(*both, empty="anchor")
    assert len(programs) == 4


def test_the_filters_of_pairs_leave_failing_programs_out(select: Select) -> None:
    renamed = attempts((RIGHT.format(k=2).replace("m", "q"), "wrong_answer"), (RIGHT.format(k=2), "passed"))
    long = attempts(("x = 1\n" * 30, "passed"))
    metrics, programs = select(repaired("a"), trajectory("b", *renamed), trajectory("c", *long))
    assert [(each.problem_id, each.label) for each in programs] == [("a", True), ("a", False), ("b", True)]
    assert (metrics["left_out/cosmetic"], metrics["dropped/too_long"]) == (1, 1)


def test_contaminated_and_repeated_problems_are_dropped(select: Select, tmp_path: Path) -> None:
    benchmark = Problem(task_id="x", prompt="Task b.", tests=(IoTest(call="f(1)", expected="2"),), reference="pass")
    write_jsonl(tmp_path / "bench.jsonl", [benchmark])
    metrics, programs = select(repaired("a"), repaired("b", 2), benchmarks=(str(tmp_path / "bench.jsonl"),))
    assert {each.problem_id for each in programs} == {"a"}
    assert metrics["dropped/contaminated"] == 1
    metrics, programs = select(repaired("a"), repaired("b"), near_duplicate=0.5)
    assert {each.problem_id for each in programs} == {"a"}
    assert metrics["dropped/near_duplicate"] == 1


def test_one_label_alone_is_refused_and_writes_nothing(select: Select, tmp_path: Path) -> None:
    at_once = trajectory("b", *attempts((RIGHT.format(k=2), "passed")))
    with pytest.raises(InputError, match="no program fails"):
        select(at_once)
    never = trajectory("c", *attempts((WRONG.format(k=3), "exception")))
    with pytest.raises(InputError, match=r"no problem gave a program \(unsolved 1\)"):
        select(never)
    assert not (tmp_path / "programs.jsonl").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"judge": "gpt"}, "pairs.judge: judges pairs"), ({"method": "causal"}, "localization.method: causal runs tests")],
)
def test_settings_that_have_no_effect_are_refused(select: Select, settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        select(repaired("a"), **settings)
