"""Rewarded problems: those that take part, those that are left out for a reason, and the order of asking."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from iterpref_core.execution import Engine
from iterpref_core.records import AssertTest, IoTest, Problem
from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.storage.jsonl import write_jsonl

from .conftest import settings

if TYPE_CHECKING:
    from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts

PARAMS = settings().model_copy(update={"max_prompt_length": 40})
PATCHES = AssertTest(code="from unittest import mock\nassert f(1) == 2")


@pytest.fixture(scope="module")
def prompts(coin: Path) -> RenderedPrompts:
    from transformers import GenerationConfig

    from iterpref_core.models.pretrained.tokenizers import load_chat_template
    from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts

    return RenderedPrompts(load_chat_template(coin), GenerationConfig())


def write(path: Path, *problems: Problem) -> Path:
    write_jsonl(path, problems)
    return path


def test_further_columns_have_no_effect_and_are_counted(
    tmp_path: Path,
    problems: list[Problem],
    prompts: RenderedPrompts,
    executor: Engine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from iterpref_core.training.reinforcement.rewarded_problems import read_chosen, survey_problems

    path = tmp_path / "problems.jsonl"
    rows = [json.loads(problem.to_json()) | {"difficulty": "easy"} for problem in problems]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    survey = survey_problems(path, prompts, PARAMS, executor)
    assert set(read_chosen(path, survey.names, survey.inside)) == set(survey.names)
    assert f"further columns have no effect: difficulty ({len(rows)} rows)" in caplog.text


def test_problems_that_a_program_could_deceive_are_left_out_and_counted(
    tmp_path: Path,
    problems: list[Problem],
    prompts: RenderedPrompts,
    executor: Engine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from iterpref_core.training.reinforcement.rewarded_problems import read_chosen, survey_problems

    first, second, third = problems
    inside = second.model_copy(update={"hidden_tests": (PATCHES,)})
    long = third.model_copy(update={"prompt": "Add one. " * 40})
    other = third.model_copy(update={"task_id": "kept apart", "split": "heldout"})
    named = third.model_copy(update={"task_id": "named", "split": "codeflow"})
    again = first.model_copy(update={"task_id": "again"})
    path = write(tmp_path / "problems.jsonl", first, inside, long, other, named, again)
    survey = survey_problems(path, prompts, PARAMS, executor)
    assert survey.names == ("p0", "named")
    assert survey.left_out == {"judged_inside": 1, "repeated": 1, "too_long": 1}
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert "1 of 5 problems are left out: their prompts have more tokens" in lines[0]
    assert "1 of 5 problems are left out: an earlier one has the same statement and the same tests" in lines[1]
    assert "1 of 5 problems are left out: their tests run in the program's own process" in lines[2]
    assert read_chosen(path, ["named"], frozenset()) == {"named": named}


def test_problems_that_a_program_could_deceive_take_part_if_that_is_asked_for(
    tmp_path: Path,
    problems: list[Problem],
    prompts: RenderedPrompts,
    executor: Engine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from iterpref_core.training.reinforcement.rewarded_problems import read_chosen, survey_problems

    inside = problems[1].model_copy(update={"hidden_tests": (PATCHES,)})
    path = write(tmp_path / "problems.jsonl", problems[0], inside)
    params = PARAMS.model_copy(update={"grpo": PARAMS.grpo.model_copy(update={"inside": "mark"})})
    survey = survey_problems(path, prompts, params, executor)
    assert (survey.names, survey.left_out) == (("p0", "p1"), {"judged_inside": 0, "repeated": 0, "too_long": 0})
    assert "judged inside: 1 of 2 problems, such as p1, take part" in caplog.text
    chosen = read_chosen(path, survey.names, survey.inside)
    assert {name: problem.inside for name, problem in chosen.items()} == {"p0": None, "p1": True}


def test_without_a_problem_there_is_nothing_to_train_on(
    tmp_path: Path, problems: list[Problem], prompts: RenderedPrompts, executor: Engine
) -> None:
    from iterpref_core.training.reinforcement.rewarded_problems import survey_problems

    inside = problems[0].model_copy(update={"tests": (PATCHES,)})
    with pytest.raises(InputError, match="no problem is left to train on: 1 of 1 problems are left out: their tests"):
        survey_problems(write(tmp_path / "inside.jsonl", inside), prompts, PARAMS, executor)
    heldout = problems[0].model_copy(update={"split": "heldout"})
    with pytest.raises(InputError, match="no problem of split 'codeflow'"):
        survey_problems(write(tmp_path / "heldout.jsonl", heldout), prompts, PARAMS, executor)
    untested = problems[0].model_copy(update={"tests": (), "hidden_tests": ()})
    with pytest.raises(RecordError, match="problem 'p0': field 'tests' is empty"):
        survey_problems(write(tmp_path / "untested.jsonl", untested), prompts, PARAMS, executor)
    unreadable = problems[0].model_copy(update={"tests": (IoTest(call="f(1)", expected="two"),)})
    with pytest.raises(RecordError, match="field 'expected' of test 'f\\(1\\)'"):
        survey_problems(write(tmp_path / "unreadable.jsonl", unreadable), prompts, PARAMS, executor)


def test_every_problem_is_asked_before_any_is_asked_again() -> None:
    from iterpref_core.training.reinforcement.rewarded_problems import draw_names

    names = [f"p{number}" for number in range(7)]
    drawn = draw_names(names, 17, seed=3)
    assert [Counter(drawn[:7]), Counter(drawn[7:14])] == [Counter(names)] * 2
    assert drawn[:7] != drawn[7:14] != names
    assert draw_names(names, 10, seed=3) == drawn[:10], "more steps ask the same at first"
    assert draw_names(names, 17, seed=4) != drawn
