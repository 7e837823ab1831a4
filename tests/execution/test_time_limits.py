"""A problem's own time limit holds for each of its tests, wherever its programs run."""

from iterpref_core.execution import make_program
from iterpref_core.records import IoTest, Problem, StdinTest


def limits_of(test):
    problem = Problem(task_id="p", prompt="p", entry_point="f", tests=(test,) * 3, time_limit_s=0.5)
    program = make_program(problem, "x = 1", problem.tests)
    return program.cpu_s, program.test_cpu_s


def test_each_script_has_the_limit_and_all_calls_together_have_that_of_all():
    assert limits_of(StdinTest(input="", output="1")) == (0.5, 0.5)
    assert limits_of(IoTest(call="f()", expected="1")) == (1.5, 0.5)
