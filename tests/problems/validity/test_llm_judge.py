"""An LLM judges tests: its prompt, and its answers read strictly."""

import json
from collections import Counter

import pytest

from iterpref_core.models.inference.backend import Completion
from iterpref_core.models.prompts.structured_answers import read_object
from iterpref_core.problems.validity.llm_judge import LONGEST, Scores, judge_prompt, judge_tests, show_tests
from iterpref_core.records import AssertTest, IoTest, Problem, ScriptTest
from tests.fake_models import FakeModel


def problem(number, **fields):
    values = {"prompt": f"Task {number}.", "tests": (IoTest(call="f(1)", expected="2"),), "reference": "def f(x): ..."}
    return Problem.model_validate({"task_id": f"p/{number}", "entry_point": "f", **values, **fields})


def answer(accuracy, effectiveness, reasonableness):
    scores = {"accuracy": accuracy, "effectiveness": effectiveness, "reasonableness": reasonableness}
    return json.dumps({"reason": "Only one case.", **scores})


class Judge(FakeModel):
    """Gives each task, by its number, the answers written for it, one after the other."""

    def __init__(self, answers):
        self.answers = answers
        self.requests = []

    def complete(self, requests, sampling):
        self.requests += requests
        assert sampling.temperature == 0
        return [Completion(self._answer(request.prompt), 1, 1) for request in requests]

    def _answer(self, prompt):
        return self.answers[int(prompt.partition("Task ")[2].partition(".")[0])].pop(0)


def test_the_judge_reads_the_task_the_reference_and_all_tests_hidden_ones_too():
    hidden = AssertTest(code="assert f(7) == 8")
    prompt = judge_prompt(problem(3, hidden_tests=(hidden,), reference="def f(x):\n    return {x}\n"))
    for expected in (
        "Task 3.",
        "    return {x}\n```",
        "assert f(1) == 2\nassert f(7) == 8\n```",
        "accuracy",
        '"reason"',
    ):
        assert expected in prompt
    assert "{prompt}" not in prompt


def test_scripts_are_shown_with_the_name_they_import_and_set_up_comes_first():
    script = ScriptTest(module="own", files={"t.py": "import own\n"}, run="t.py")
    text = show_tests(problem(1, tests=(script,), setup="import re\n"))
    assert text == "# runs first\nimport re\n# t.py, which imports the solution as own\nimport own"


def test_tests_beyond_what_can_be_read_are_left_out_whole_and_counted():
    long = AssertTest(code="assert f('" + "x" * (LONGEST // 2) + "')")
    text = show_tests(problem(1, tests=(long, long, long)))
    assert text.endswith("\n# 2 more, not shown")
    assert text.count("assert") == 1


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Fine tests!", "Invalid JSON"),
        ("", "Invalid JSON"),
        ('Here: {"reason": "r", "accuracy": 5, "effectiveness": 5, "reasonableness": 5}', "Invalid JSON"),
        ('{"reason": "r", "accuracy": 5, "effectiveness": 5}', "'reasonableness': Field required"),
        ('{"accuracy": 5, "effectiveness": 5, "reasonableness": 5}', "'reason': Field required"),
        ('{"reason": "r", "accuracy": 6, "effectiveness": 5, "reasonableness": 5}', "'accuracy'"),
        ('{"reason": "r", "accuracy": 0, "effectiveness": 5, "reasonableness": 5}', "'accuracy'"),
        ('{"reason": "r", "accuracy": "5", "effectiveness": 5, "reasonableness": 5}', "'accuracy'"),
        ('{"reason": "r", "accuracy": 4.5, "effectiveness": 5, "reasonableness": 5}', "'accuracy'"),
        ('{"reason": "r", "accuracy": true, "effectiveness": 5, "reasonableness": 5}', "'accuracy'"),
        ('{"reason": "r", "accuracy": 5, "effectiveness": 5, "reasonableness": 5, "style": 1}', "'style'"),
        ('[{"reason": "r", "accuracy": 5, "effectiveness": 5, "reasonableness": 5}]', "Input should be an object"),
    ],
)
def test_an_answer_in_another_form_is_not_guessed_at(text, wrong):
    with pytest.raises(ValueError, match=wrong):
        read_object(text, Scores)


def test_the_judge_is_asked_once_more_and_told_why_and_what_stays_unreadable_is_none():
    judge, counts = Judge({0: [answer(1, 2, 3)], 1: ["?", answer(4, 4, 4)], 2: ["?", "!"]}), Counter()
    first, second, third = judge_tests(map(problem, range(3)), judge, counts)
    assert first is not None
    assert (first.accuracy, first.effectiveness, first.reasonableness) == (1, 2, 3)
    assert second is not None
    assert third is None
    assert counts == {"asked": 3, "asked_again": 2, "unreadable": 1}
    assert "Invalid JSON" in judge.requests[3].prompt
