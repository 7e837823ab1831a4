"""Answers are read strictly, and whatever is wrong with one is said."""

import pytest

from iterpref_core.models.prompts.structured_answers import read_object
from iterpref_core.problems.synthesis.answer_forms import Draft
from iterpref_core.problems.synthesis.synthesis import read_features

from .conftest import PROGRAM, SOLUTION, TEST, write_answer


@pytest.mark.parametrize("frame", ["{}", "\n {} \n", "```json\n{}\n```", "Here it is: {} Done."])
def test_a_problem_is_read_whole(frame):
    draft = read_object(frame.replace("{}", write_answer(PROGRAM, used=[2, 1])), Draft)
    assert (draft.features, draft.instruction) == ((2, 1), "Write `double(x)`.")
    assert (draft.solution, draft.test, draft.packages) == (SOLUTION, TEST, ())


def test_packages_are_what_is_imported():
    program = "import json\nimport numpy.linalg\nfrom yaml import safe_load\n" + SOLUTION
    assert read_object(write_answer(PROGRAM | {"solution": program}), Draft).packages == ("numpy", "yaml")


BAD = {
    "prose": ("I would rather not.", "Invalid JSON"),
    "another field": (write_answer(PROGRAM, packages=[]), "'packages'"),
    "no program": (write_answer({"test": TEST}), "'solution'"),
    "no Python": (write_answer(PROGRAM | {"solution": "def f(:"}), "solution is not valid.*line 1"),
    "a test that imports nothing": (write_answer(PROGRAM | {"test": "x = 1\n"}), "test does not import solution"),
    "a test that tests nothing": (write_answer(PROGRAM | {"test": "import solution\n"}), "no unittest.TestCase"),
    "no instruction": (write_answer(PROGRAM, instruction=""), "'instruction'"),
    "no feature": (write_answer(PROGRAM, used=[]), "'features'"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_problem_that_is_not_in_form_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read_object(text, Draft)


def test_features_may_be_objects_or_lists():
    text = """{
        "Algorithm": {"Sorting": {"merge  sort": {}, "stable": []}, "searching": ["binary", "linear"]},
        "security": {}
    }"""
    assert read_features(text) == (
        ("algorithm", "sorting", "merge sort"),
        ("algorithm", "sorting", "stable"),
        ("algorithm", "searching", "binary"),
        ("algorithm", "searching", "linear"),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"logging": {}}', "it has no feature"),
        ('{"magic": {"spells": {}}}', "'magic' is not a category"),
        ('{"logging": {"a": {"b": {"c": {"d": {}}}}}}', "use at most 4 levels"),
        ('{"logging": {"levels": 3}}', "'logging.levels'"),
        ('{"logging": {"a > b": {}}}', "'logging"),
    ],
)
def test_features_that_are_not_in_form_are_refused(content, message):
    with pytest.raises(ValueError, match=message):
        read_features(content)
