"""Which of the tests that call a function its candidates have to pass."""

import pytest

from iterpref_core.problems.own_code.survey import Run, choices_of_tests, chosen_tests


def callers(*tests):
    """Return tests given as (name, number of functions that it calls, CPU seconds), each with its run."""
    functions = [f"m.py:f{number}" for number in range(100)]
    return {name: Run("", seconds, functions[:calls], []) for name, calls, seconds in tests}


@pytest.mark.parametrize(
    "crowd", [[f"t.py::test_empty[{n}]" for n in range(300)], [f"t.py::T::test[{n}-]" for n in "ab"]]
)
def test_the_test_of_many_functions_has_a_place_beside_many_parameters_of_a_simple_one(crowd):
    chosen = chosen_tests(callers(("t.py::test_whole", 9, 0.001), *((name, 1, 0.001) for name in crowd)), 1.0)
    assert chosen[:2] == [crowd[0], "t.py::test_whole"]
    assert len(chosen) == min(len(crowd) + 1, 100)


def test_what_is_too_slow_leaves_room_for_what_is_quick():
    tests = callers(("a", 1, 0.3), ("b", 2, 0.4), ("c", 3, 0.4), ("d", 4, 0.2), ("e", 5, 0.2))
    assert chosen_tests(tests, 1.0) == ["a", "b", "d"]


def test_other_choices_are_all_tests_of_the_files_and_few_of_the_closest_file():
    direct = callers(("a.py::one", 1, 0.1), ("a.py::two", 2, 0.2), ("b.py::three", 3, 0.1))
    others = callers(("a.py::no_caller", 1, 0.1), ("c.py::elsewhere", 1, 0.1))
    chosen = ["a.py::one", "a.py::two", "b.py::three"]
    beside = ["a.py::no_caller", *chosen]
    assert choices_of_tests(direct, others | direct, 2.0) == [chosen, beside, ["a.py::one"]]
    crowded = others | callers(("a.py::no_caller", 1, 0.7)) | direct
    assert choices_of_tests(direct, crowded, 2.0) == [chosen, ["a.py::one"]]
    assert choices_of_tests(callers(("a.py::one", 1, 0.1)), callers(("a.py::one", 1, 0.1)), 2.0) == [["a.py::one"]]
