"""A program that does nothing fails each test that stays; results that can be read in two ways are left out."""

from pathlib import Path
from typing import Any

import pytest

from iterpref_core.problems.ingestion.ingest import ingest
from iterpref_core.problems.ingestion.intake import Ingested, Source
from iterpref_core.problems.ingestion.problem_rows import Selection
from iterpref_core.records import Problem
from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import read_jsonl
from tests.settings import EXECUTION
from tests.texts import written

ADD = "def add(a, b):\n    return a + b\n"
ASKED = {"prompt": "Add a and b.", "reference": ADD, "entry_point": "add"}
STACK = "class Stack:\n    items = ()\n\n    def size(self):\n        return len(self.items)\n"


def taken(folder: Path, *rows: dict[str, Any], visible: int | None = None) -> tuple[Ingested, list[Problem]]:
    # A row without a reference has no such column.
    stated = [{name: value for name, value in row.items() if value is not None} for row in rows]
    source = Source([written(folder / "in.jsonl", *stated)])
    out = folder / "out.jsonl"
    found = ingest(source, "problems", out, EXECUTION, Selection(visible=visible), folder / "store.sqlite")
    return found, list(read_jsonl(out, Problem))


@pytest.mark.parametrize(
    "tests",
    [
        ["assert True", "assert add"],
        "add(1, 2)\nadd(0, 0)",
        "add(1, 2) == 3",
        "assert add(1, 2) == 3 or True",
        "x = add(1, 2)",
        "print(add(1, 2))",
        "import unittest\n\nclass T(unittest.TestCase):\n    def test_add(self):\n        add(1, 2)\n",
        "from solution import add\n\ndef test_add():\n    add(1, 2)\n",
        "import solution\n\ndef test_add():\n    solution.add(1, 2)\n",
        "def check(candidate):\n    candidate(1, 2)\n    assert True\n",
        "import math\nassert math.pi > 3\nadd(1, 2)",
    ],
)
@pytest.mark.parametrize("reference", [ADD, None])
def test_tests_that_a_program_which_does_nothing_passes_are_left_out(
    tmp_path: Path, tests: Any, reference: str | None
) -> None:
    row = ASKED | {"reference": reference, "tests": tests}
    with pytest.raises(InputError, match=r"1 demands_nothing; .*a program that does nothing passes its tests"):
        taken(tmp_path, row)
    found, (problem,) = taken(tmp_path, row, ASKED | {"tests": ["assert add(1, 2)", "assert add(1, 2) == 3"]})
    assert (found.counts["dropped/demands_nothing"], len(problem.tests)) == (1, 2)


def test_a_class_is_known_by_the_reference_and_a_checker_may_demand_nothing(tmp_path: Path) -> None:
    lower = STACK.replace("Stack", "stack")
    anything = {
        "tests": [{"input": "1", "output": "2"}],
        "checker": "def check(input, expected, printed):\n    return True\n",
    }
    rows = [{"prompt": "Do.", "reference": lower, "tests": ["stack().size()"]}, {"prompt": "Do."} | anything]
    found, _ = taken(tmp_path, *rows, ASKED | {"tests": ["assert add(1, 2) == 3"]})
    assert found.counts["dropped/demands_nothing"] == 2


@pytest.mark.parametrize(
    ("reference", "tests"),
    [
        (STACK, "assert Stack().size() == 0"),
        (STACK, "from solution import Stack\n\ndef test_size():\n    assert Stack().size() == 0\n"),
        ("print(1)\n", [{"input": "", "output": "1\n"}]),
        ("def add(n):\n    return None if n < 0 else n\n", {"fn_name": "add", "inputs": [[1]], "outputs": [1]}),
    ],
)
def test_tests_that_demand_something_stay(tmp_path: Path, reference: str, tests: Any) -> None:
    found, (problem,) = taken(tmp_path, {"prompt": "Do.", "reference": reference, "tests": tests})
    assert (found.counts, len(problem.tests)) == ({"problems": 1, "references/passed": 1}, 1)


def test_the_first_visible_test_demands_something(tmp_path: Path) -> None:
    row = ASKED | {"tests": ["assert True", "assert add(1, 2) == 3", "add(0, 0)", "assert add(0, 0) == 0"]}
    found, (problem,) = taken(tmp_path, row, visible=1)
    shown = [[test.model_dump()["code"] for test in tests] for tests in (problem.tests, problem.hidden_tests)]
    assert shown == [["assert add(1, 2) == 3"], ["assert add(0, 0) == 0"]]
    assert found.counts["tests_left_out/demands_nothing"] == 2


CALLS = {"prompt": "Do.", "tests": {"fn_name": "f", "inputs": [[3], [4]], "outputs": [[1], [0]]}}


@pytest.mark.parametrize(
    ("tests", "reference", "expected"),
    [
        (CALLS["tests"], None, None),
        (CALLS["tests"], "def f(n):\n    return n % 2\n", "1"),
        (CALLS["tests"], "def f(n):\n    return [n % 2]\n", "[1]"),
        ({"fn_name": "f", "inputs": [[{"1": 2}]], "outputs": [2]}, None, None),
        ({"fn_name": "f", "inputs": ["2"], "outputs": ["4"]}, None, "4"),
        ({"fn_name": "f", "inputs": ["2"], "outputs": ["4"]}, "def f(n):\n    return str(2 * n)\n", "'4'"),
        ({"fn_name": "f", "inputs": ["[2]"], "outputs": ["[4]"]}, None, "[4]"),
        ({"fn_name": "f", "inputs": [[2]], "outputs": ["4"]}, None, "'4'"),
    ],
)
def test_where_readings_differ_a_right_program_decides(
    tmp_path: Path, tests: Any, reference: str | None, expected: str | None
) -> None:
    plain = {"prompt": "Do.", "tests": {"fn_name": "f", "inputs": [[1]], "outputs": [7]}}
    found, (*problems, _) = taken(tmp_path, {"prompt": "Do.", "tests": tests, "reference": reference}, plain)
    assert [problem.tests[0].model_dump()["expected"] for problem in problems] == [expected] * (expected is not None)
    assert found.counts.get("dropped/reading_unknown", 0) == (expected is None)


@pytest.mark.parametrize("checker", ["int main() {}", "def judge(input, output):\n    return True\n", "check = 1\n"])
@pytest.mark.parametrize("reference", ["print(1)\n", None])
def test_a_checker_is_python_with_a_function_check(tmp_path: Path, checker: str, reference: str | None) -> None:
    row = {"prompt": "Do.", "tests": [{"input": "1\n", "output": "1\n"}], "reference": reference}
    found, problems = taken(tmp_path, row | {"checker": checker}, row | {"checker": " "})
    assert found.counts["dropped/unknown_checker"] == 1
    assert [problem.tests[0].model_dump()["checker"] for problem in problems] == [None]


@pytest.mark.parametrize("reference", [ADD, None])
def test_an_entry_point_that_nothing_calls_or_defines_is_refused(tmp_path: Path, reference: str | None) -> None:
    row = ASKED | {"reference": reference, "tests": ["assert add(1, 2) == 3"]}
    found, _ = taken(tmp_path, row | {"entry_point": "plus"}, row)
    assert found.counts["dropped/unknown_entry_point"] == 1
