"""A problem's own time limit holds for each of its tests, wherever its programs run."""

from iterpref_core.execution import Executor, Limits, make_program
from iterpref_core.records import IoTest, Problem, StdinTest

BUSY = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"


def test_a_script_has_the_limit_for_each_test():
    tests = (StdinTest(input="", output="1"), StdinTest(input="", output="1"))
    problem = Problem(task_id="p", prompt="p", tests=tests, time_limit_s=1.0)
    with Executor(Limits(cpu_s=0.1), workers=1) as executor:
        assert executor.run_one(make_program(problem, BUSY + "print(1)", tests)).verdict == "passed"
        short = problem.model_copy(update={"time_limit_s": 0.1})
        assert executor.run_one(make_program(short, BUSY + "print(1)", tests)).verdict == "timeout"


def test_a_function_has_the_limit_for_each_call():
    tests = (IoTest(call="f()", expected="1"), IoTest(call="f()", expected="1"))
    code = "def f():\n    " + BUSY.replace("\n", "\n    ") + "return 1\n"
    problem = Problem(task_id="p", prompt="p", entry_point="f", tests=tests, time_limit_s=1.0)
    with Executor(Limits(cpu_s=0.3), workers=1) as executor:
        assert executor.run_one(make_program(problem, code, tests)).verdict == "passed"
        short = problem.model_copy(update={"time_limit_s": 0.1})
        assert executor.run_one(make_program(short, code, tests)).verdict == "timeout"
