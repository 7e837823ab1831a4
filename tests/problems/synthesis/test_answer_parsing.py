"""Answers are read strictly, and whatever is wrong with one is said."""

import pytest

from iterpref_core.problems.synthesis.answer_parsing import parse_features, parse_problem

from .conftest import FILES, SOLUTION, TEST, write_answer


def test_a_problem_is_read_whole() -> None:
    draft = parse_problem("Here it is.\n" + write_answer(FILES, "  Write `double(x)`.\n", used="2, 1, 2") + "Done.")
    assert draft.used == (2, 1)
    assert draft.instruction == "Write `double(x)`."
    assert draft.files == {"doubling.py": SOLUTION}
    assert draft.test == TEST
    assert draft.packages == ()


@pytest.mark.parametrize(
    "fence", ["```python\n{}```", "\n```python\n{}\n```\n", "~~~\n{}~~~", "````py title=x\n{}````", "{}", "\n\n{}\n"]
)
def test_a_file_may_stand_in_a_fence(fence: str) -> None:
    draft = parse_problem(write_answer({name: fence.format(text) for name, text in FILES.items()}))
    assert draft.files == {"doubling.py": SOLUTION}
    assert draft.test == TEST


def test_fences_inside_a_program_are_part_of_it() -> None:
    program = SOLUTION + 'DOC = """\n```\nx\n```\n"""\n'
    assert parse_problem(write_answer(FILES | {"doubling.py": program})).files["doubling.py"] == program


def test_json_may_stand_in_a_fence() -> None:
    text = write_answer(FILES).replace("<json>", "<json>\n```json\n").replace("</json>", "\n```\n</json>")
    assert parse_problem(text).test == TEST


def test_packages_are_what_is_imported_whatever_the_answer_lists() -> None:
    program = "import json\nimport numpy.linalg\nfrom yaml import safe_load\nfrom helper import x\n" + SOLUTION
    files = {"doubling.py": program, "helper.py": "x = 1\n", "test.py": TEST}
    draft = parse_problem(write_answer(files, packages=["PyYAML", "scikit-learn"]))
    assert draft.packages == ("numpy", "yaml")


def test_the_order_of_file_names_decides_which_file_is_the_main_one() -> None:
    files = {"helper.py": "x = 2\n", "test.py": TEST, "doubling.py": "from helper import x\n" + SOLUTION}
    draft = parse_problem(write_answer(files, names=["doubling.py", "helper.py", "test.py"]))
    assert list(draft.files) == ["doubling.py", "helper.py"]


BAD = {
    "no json": (write_answer(FILES).replace("<json>", "json: "), r"exactly one <json>...</json>, there are 0"),
    "two jsons": (write_answer(FILES) + "<json>{}</json>", "exactly one <json>.*there are 2"),
    "broken json": (write_answer(FILES).replace('"packages": []', '"packages": ['), "holds no valid JSON"),
    "another key": (write_answer(FILES).replace('"packages"', '"modules"'), "file_names and packages, and nothing"),
    "a list as json": (
        '<features>1</features><instruction>x</instruction><json>["a.py"]</json>',
        "must hold an object",
    ),
    "names are no list": (write_answer(FILES).replace('"packages": []', '"packages": "x"'), "packages must be a list"),
    "a file that is not listed": (write_answer(FILES, names=["test.py"]), "'doubling.py' is not in file_names"),
    "a listed file that is not there": (write_answer(FILES, names=[*FILES, "b.py"]), "file_names has 'b.py', but"),
    "a name listed twice": (write_answer(FILES, names=[*FILES, "test.py"]), "repeats a name"),
    "a file twice": (write_answer(FILES) + '<file name="test.py"></file>', "same name"),
    "no test.py": (write_answer({"doubling.py": SOLUTION}), "there must be test.py"),
    "nothing but test.py": (write_answer({"test.py": TEST}), "at least one file beside it"),
    "a path": (write_answer({"../doubling.py": SOLUTION, "test.py": TEST}), "no plain name of a Python file"),
    "another language": (write_answer(FILES | {"data.csv": "1"}), "'data.csv' is no plain name"),
    "a module of the standard library": (write_answer({"json.py": SOLUTION, "test.py": TEST}), "hides a module"),
    "a solution that is no Python": (
        write_answer(FILES | {"doubling.py": "def f(:"}),
        r"doubling.py is not valid.*line 1",
    ),
    "a test that imports nothing": (write_answer(FILES | {"test.py": "x = 1\n"}), "test.py does not import doubling"),
    "a test that tests nothing": (write_answer(FILES | {"test.py": "import doubling\n"}), "no unittest.TestCase"),
    "a file nobody needs": (write_answer({**FILES, "idle.py": "x = 1\n"}), "no other file imports idle.py"),
    "no instruction": (write_answer(FILES, instruction=""), "<instruction> is empty"),
    "no feature": (write_answer(FILES, used="none"), "names no number"),
    "an empty answer": ("", "exactly one <features>"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_problem_that_is_not_in_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_problem(text)


def test_features_may_be_objects_lists_or_names() -> None:
    text = """Sure: <json>{
        "Algorithm": {"Sorting": {"merge  sort": {}, "stable": null}, "searching": ["binary", {"linear": []}]},
        "logging": "levels",
        "security": {}
    }</json>"""
    assert parse_features(text) == (
        ("algorithm", "sorting", "merge sort"),
        ("algorithm", "sorting", "stable"),
        ("algorithm", "searching", "binary"),
        ("algorithm", "searching", "linear"),
        ("logging", "levels"),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "no object of categories"),
        ("{}", "no feature in it"),
        ('{"logging": {}}', "no feature in it"),
        ('{"magic": {"spells": {}}}', "'magic' is none of the categories"),
        ('{"logging": {"a": {"b": {"c": {"d": {}}}}}}', "go no deeper than 4 levels"),
        ('{"logging": {"levels": 3}}', "3 is no feature"),
        ('{"logging": [7]}', "7 is not the name of a feature"),
        ('{"logging": ["a > b"]}', "no name of a feature"),
        ('{"logging": [""]}', "no name of a feature"),
        ('{"logging": ["' + "x" * 81 + '"]}', "1 to 80 characters"),
        ('{"logging": ["x"]', "no valid JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_features_that_are_not_in_form_are_refused(content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_features(f"<json>{content}</json>")
