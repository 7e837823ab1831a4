"""Several tests of one program: each is run, and none takes another's modules or files for its own."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, PytestTest, ScriptTest, Test, UnittestTest
from tests.execution.sandbox.judge.script_tests import script

CODE = "def f(x): return x + 1"
HELPED = "from helper import wanted\nfrom solution import f\nassert f(1) == wanted()\n"
READING = "from solution import f\nassert f(1) == int(open('wanted.txt').read())\n"


TESTS: dict[str, Callable[[int], Test]] = {
    "assert": lambda wanted: AssertTest(code=f"x = f(1)\nassert x == {wanted}"),
    "unittest": lambda wanted: UnittestTest(
        code=f"import unittest\nclass T(unittest.TestCase):\n    def test_it(self): self.assertEqual(f(1), {wanted})\n"
    ),
    "pytest": lambda wanted: PytestTest(code=f"from solution import f\ndef test_it(): assert f(1) == {wanted}\n"),
    "script": lambda wanted: script(f"from solution import f\nassert f(1) == {wanted}\n"),
    "module": lambda wanted: script(HELPED, **{"helper.py": f"def wanted(): return {wanted}\n"}),
    "file": lambda wanted: script(READING, **{"wanted.txt": str(wanted)}),
}
"""Tests that `f(1)` is a number, by form."""


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(Limits(cpu_s=5, wall_s=60), workers=1) as executor:
        yield executor


@pytest.mark.parametrize("inside", [False, True], ids=["judge", "inside"])
@pytest.mark.parametrize("last", TESTS)
@given(before=st.permutations(sorted(TESTS)))
@settings(max_examples=2)
def test_the_last_test_is_itself_whatever_ran_before(
    executor: Executor, last: str, inside: bool, before: list[str]
) -> None:
    """Each form has run before, its own among them, whose module or file has the same name and says something else."""
    right = tuple(TESTS[form](2) for form in before)
    passed = executor.run_one(Program(CODE, (*right, TESTS[last](2)), inside=inside))
    assert (passed.verdict, passed.feedback) == ("passed", "")
    failed = executor.run_one(Program(CODE, (*right, TESTS[last](3)), inside=inside))
    assert (failed.verdict, failed.tests_passed) == ("wrong_answer", len(before))


INVOCATION = """
from pathlib import Path
def test_it(pytestconfig):
    invocation = pytestconfig.invocation_params
    assert invocation.dir == Path.cwd() != Path("/")
    assert invocation.args[-1] == str(pytestconfig.rootpath / "test_solution.py")
    assert len(invocation.plugins) == 1
    assert not pytestconfig.pluginmanager.hasplugin("cacheprovider")
"""


@pytest.mark.parametrize("inside", [False, True], ids=["judge", "inside"])
def test_pytest_knows_where_it_was_called_in_the_first_session_and_in_the_next(
    executor: Executor, inside: bool
) -> None:
    """The first session takes a configuration that was made before the program came, in another folder."""
    outcome = executor.run_one(Program(CODE, (PytestTest(code=INVOCATION),) * 2, inside=inside))
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


def test_a_script_that_is_nowhere_is_named_by_its_record() -> None:
    with pytest.raises(ValueError, match=r"'run' names 't[.]py', which is not in 'files'"):
        ScriptTest(module="solution", files={"s.py": ""}, run="t.py")
