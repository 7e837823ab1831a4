"""Answers are read strictly, and whatever is wrong with one is said."""

import doctest

import pytest

from iterpref_core.inference.structured_answers import read_object
from iterpref_core.problems.synthesis import answer_forms as answers
from iterpref_core.problems.synthesis.answer_forms import Draft
from iterpref_core.problems.synthesis.synthesis import read_features

from .conftest import FILES, SOLUTION, TEST, write_answer


def test_the_example_holds() -> None:
    assert doctest.testmod(answers).failed == 0


@pytest.mark.parametrize("frame", ["{}", "\n {} \n", "```json\n{}\n```"])
def test_a_problem_is_read_whole(frame: str) -> None:
    draft = read_object(frame.replace("{}", write_answer(FILES, used=[2, 1])), Draft)
    assert (draft.features, draft.instruction) == ((2, 1), "Write `double(x)`.")
    assert draft.files == {"doubling.py": SOLUTION}
    assert (draft.test, draft.packages) == (TEST, ())


def test_the_first_file_is_the_main_one_and_packages_are_what_is_imported() -> None:
    program = "import json\nimport numpy.linalg\nfrom yaml import safe_load\nfrom helper import x\n" + SOLUTION
    draft = read_object(write_answer({"doubling.py": program, "helper.py": "x = 1\n", "test.py": TEST}), Draft)
    assert list(draft.files) == ["doubling.py", "helper.py"]
    assert draft.packages == ("numpy", "yaml")


BAD = {
    "prose": ("Here: " + write_answer(FILES), "not valid JSON"),
    "broken": (write_answer(FILES)[:-1], "not valid JSON"),
    "another field": (write_answer(FILES, packages=[]), "'packages'"),
    "no file": (write_answer({"test.py": TEST}), "'files'"),
    "a path": (write_answer({"../doubling.py": SOLUTION, "test.py": TEST}), "'files"),
    "another language": (write_answer(FILES | {"data.csv": "1"}), "'files"),
    "a module of the standard library": (write_answer({"json.py": SOLUTION, "test.py": TEST}), "hides a module"),
    "no Python": (write_answer(FILES | {"doubling.py": "def f(:"}), "doubling.py is not valid.*line 1"),
    "a test that imports nothing": (write_answer(FILES | {"test.py": "x = 1\n"}), "test.py does not import doubling"),
    "a test that tests nothing": (write_answer(FILES | {"test.py": "import doubling\n"}), "no unittest.TestCase"),
    "a file nobody needs": (write_answer({**FILES, "idle.py": "x = 1\n"}), "no other file imports idle.py"),
    "no instruction": (write_answer(FILES, instruction=""), "'instruction'"),
    "no feature": (write_answer(FILES, used=[]), "'features'"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_problem_that_is_not_in_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_object(text, Draft)


def test_features_may_be_objects_or_lists() -> None:
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
        ("[]", "no feature in it"),
        ('{"logging": {}}', "no feature in it"),
        ('{"magic": {"spells": {}}}', "'magic' is none of the categories"),
        ('{"logging": {"a": {"b": {"c": {"d": {}}}}}}', "go no deeper than 4 levels"),
        ('{"logging": {"levels": 3}}', "'logging.levels'"),
        ('{"logging": {"a > b": {}}}', "'logging"),
        ('{"logging": {"' + "x" * 81 + '": {}}}', "'logging"),
        ('{"logging": ["x"]', "not valid JSON"),
    ],
)
def test_features_that_are_not_in_form_are_refused(content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_features(content)
