"""Verdicts and feedback on ordinary programs, good and bad."""

import subprocess
from dataclasses import replace

import pytest

from iterpref_core.execution import Executor, Limits, Program, ValueTest
from iterpref_core.records import InputError, IoTest, ScriptTest
from tests.engines import outcomes_of
from tests.texts import read_table

LIMITS = Limits(cpu_s=0.3, wall_s=3, memory_mb=256, output_kb=64, file_mb=4)


@pytest.fixture(scope="module")
def patient():
    """An executor for a program that waits most of its time."""
    with Executor(Limits(cpu_s=9, wall_s=30), workers=1) as executor:
        yield executor


def io(call, expected):
    return IoTest(call=call, expected=expected)


def run_one(executor, code, *tests):
    return executor.run_one(Program(code, tests))


VERDICTS = [
    *read_table(r"""
def f(x): return x + 1 | passed |
def f(x): return x + 2 | wrong_answer | f(1) returned 3, expected 2
def f(x): pass | wrong_answer | f(1) returned None, expected 2
g = 1 | exception | f(1) raised NameError: name 'f' is not defined
import nowhere | exception | ModuleNotFoundError: No module named 'nowhere', line 1: import nowhere
def f(x: | syntax_error | SyntaxError: '(' was never closed, line 1: def f(x:
def f(x):\n    while True: pass | timeout | time limit of 0.3 s exceeded in f(1)
while True: pass | timeout | time limit of 0.3 s exceeded while the program was loaded
import time\ndef f(x): time.sleep(60) | timeout | no end within 3 s of real time in f(1)
import ctypes\ndef f(x): ctypes.string_at(0) | crash | crashed with SIGSEGV in f(1)
import sys\ndef f(x): sys.exit(0) | exited_early | the program called sys.exit in f(1), line 2: def f(x): sys.exit(0)
import os\ndef f(x): os._exit(0) | exited_early | the process ended in f(1)
def f(x):\n    while True: print('x' * 999) | output_limit | more than 64 KB printed
def f(x): return (i for i in []) | bad_return_type | f(1) returned an object of type generator, expected 2
def f(x): print('here', x); return 0 | wrong_answer | f(1) returned 0, expected 2\nprinted: here 1
"""),
    (
        "def f(x):\n    return x + 'a'",
        "exception",
        "f(1) raised TypeError: unsupported operand type(s) for +: 'int' and 'str', line 2: return x + 'a'",
    ),
    ("x = '\0'", "syntax_error", None),
    ("x = '\ud800'", "syntax_error", None),
    ("(" * 5000, "syntax_error", None),
    (
        "def f(x): return [0] * 10**10",
        "memory",
        "memory limit of 256 MB exceeded in f(1), line 1: def f(x): return [0] * 10**10",
    ),
    ("def f(x): return f(x)", "exception", None),
]


@pytest.mark.parametrize(("code", "verdict", "feedback"), VERDICTS, ids=[repr(case[0][:40]) for case in VERDICTS])
def test_verdict_and_feedback(executor, code, verdict, feedback):
    outcome = run_one(executor, code, io("f(1)", "2"))
    assert (outcome.verdict, outcome.feedback if feedback is not None else None) == (verdict, feedback)
    assert outcome.tests_total == 1
    assert outcome.tests_passed == (verdict == "passed")
    outcome.feedback.encode("utf-8")
    assert len(outcome.feedback) <= 600


def test_only_what_was_printed_before_the_failure_is_shown(executor):
    outcome = run_one(
        executor, "def f(x): print('got', x); return 1", io("f(1)", "1"), io("f(2)", "2"), io("f(3)", "3")
    )
    assert outcome.feedback == "f(2) returned 1, expected 2\nprinted: got 1\\ngot 2"


def test_a_program_may_have_a_time_limit_of_its_own(executor):
    spin = "from time import process_time\ndef f(x):\n    while process_time() < 0.5: pass\n    return 2"
    tests = (io("f(1)", "2"),)
    short, long, same = outcomes_of(executor, [Program(spin, tests, cpu_s=cpu_s) for cpu_s in (0.1, 3.0, None)])
    assert [short.verdict, long.verdict, same.verdict] == ["timeout", "passed", "timeout"]
    assert short.feedback == "time limit of 0.1 s exceeded in f(1)"
    assert same.feedback == "time limit of 0.3 s exceeded in f(1)"


def test_each_test_may_have_a_time_limit_besides_that_of_all(executor):
    slow = (
        "from time import process_time\ndef f(x):\n    end = process_time() + x\n    while process_time() < end: pass"
    )
    tests = tuple(ValueTest("f", [seconds]) for seconds in (0.05, 0.05, 0.05, 30, 0.05))
    program = Program(slow, tests, comparator=lambda _index, _value: True, cpu_s=60, test_cpu_s=0.2)
    hangs, ends = outcomes_of(executor, [program, replace(program, tests=tests[:3] * 3)])
    assert (hangs.verdict, hangs.tests_passed) == ("timeout", 3)
    assert hangs.feedback == "time limit of 0.2 s for one test exceeded in f(30)"
    assert hangs.cpu_s < 10
    assert ends.verdict == "passed", "together they take longer than one may"


def test_loading_a_program_is_no_test(executor):
    code = "from time import process_time\nwhile process_time() < 0.2: pass\ndef f(): return 1"
    outcome = executor.run_one(Program(code, (io("f()", "1"),), cpu_s=5, test_cpu_s=0.1))
    assert outcome.verdict == "passed"


def test_outcomes_come_in_the_order_of_the_programs(executor):
    codes = [f"import time\ntime.sleep({0.02 * (n % 3)})\ndef f(): return {n}" for n in range(40)]
    outcomes = outcomes_of(executor, [Program(code, (io("f()", "-1"),)) for code in codes])
    assert [outcome.feedback for outcome in outcomes] == [f"f() returned {n}, expected -1" for n in range(40)]


def test_the_input_is_taken_only_as_far_as_needed(executor):
    taken = []

    def programs():
        for n in range(1000):
            taken.append(n)
            yield Program("def f(): return 1", (io("f()", "1"),))

    run = executor.run_each(programs(), lambda program: program)
    next(run)
    run.close()
    assert len(taken) < 50
    assert run_one(executor, "def f(): return 1", io("f()", "1")).verdict == "passed"


SET_UP = "    @classmethod\n    def setUpClass(cls): raise ValueError\n"
SCRIPTS = [
    *read_table(r"""
from solution import f\nassert f(2) == 4 | passed
from solution import f\nassert f(2) == 5, 'five' | wrong_answer
import helper\nhelper.check() | passed
import sys, solution\nsys.exit(3) | wrong_answer
import unittest\nclass T(unittest.TestCase):\n    def test_it(self): self.fail('no') | wrong_answer
import unittest\nclass T(unittest.TestCase):\n    pass\nunittest.main(exit=False) | wrong_answer
import no_such_module | infra_error
"""),
    (f"import unittest\nclass T(unittest.TestCase):\n{SET_UP}    def test_it(self): pass", "exception"),
]


@pytest.mark.parametrize(("script", "verdict"), SCRIPTS)
def test_scripts(executor, script, verdict):
    files = {"t.py": script, "helper.py": "import solution\ndef check(): assert solution.f(3) == 6\n"}
    outcome = run_one(executor, "def f(x): return x * 2", ScriptTest(module="solution", files=files, run="t.py"))
    assert outcome.verdict == verdict, outcome.feedback


@pytest.mark.skipif(subprocess.call(["setarch", "-R", "true"]), reason="this kernel fixes no addresses")
def test_a_set_with_none_has_one_order_in_all_runs(executor):
    # Python 3.11 hashes None by its address.
    sets = Program("def f(): return list({None, (None,), (None, None), (None, 1), 7})", (io("f()", "1"),))
    feedback = set()
    for _ in range(3):
        with Executor(executor.limits, workers=1) as other:
            feedback.add(other.run_one(sets).feedback)
    assert len(feedback) == 1


def test_a_program_without_tests_is_refused():
    with pytest.raises(ValueError, match="tests is empty"):
        Program("x = 1", ())


def test_value_tests_are_judged_outside_and_shown_as_calls(executor):
    arguments = ([1, (2, {3})], {"a": None}, float("inf"), 10**5000)
    program = Program(
        "def f(*values): return list(values)",
        (ValueTest("f", arguments), ValueTest("f", (3, 1, 2), then="sorted"), ValueTest("f", (0,), then="tuple")),
        comparator=lambda index, actual: (
            (index, type(actual), actual) in [(0, list, list(arguments)), (1, list, [1, 2, 3]), (2, tuple, (0,))]
        ),
    )
    right, wrong, crash = outcomes_of(
        executor,
        [
            program,
            replace(program, code="def f(*values): return len(values)"),
            replace(program, code="def f(): return 1"),
        ],
    )
    assert right.verdict == "passed", right.feedback
    assert (wrong.verdict, wrong.tests_passed) == ("wrong_answer", 0)
    assert wrong.feedback == "f([1, (2, {3})], {'a': None}, inf, an integer of about 5000 digits) returned 4"
    assert crash.verdict == "exception"
    assert "raised TypeError: f() takes 0 positional arguments but 4 were given" in crash.feedback


def test_no_value_and_no_comparator_ends_a_run(executor, caplog):
    """What a program returns may be deep, huge or of one hash; the run goes on, and at once."""
    deep = "def f():\n    x = []\n    for _ in range(250): x = [x]\n    return x"
    one_hash = "def f(): return {n * (2**61 - 1) for n in range(3_000)}"
    codes = (deep, one_hash, "def f(): return 1")
    outcomes = outcomes_of(executor, [Program(code, (io("f()", "1"),)) for code in codes])
    assert outcomes[0].verdict in ("wrong_answer", "bad_return_type")
    assert [outcome.verdict for outcome in outcomes[1:]] == ["bad_return_type", "passed"]
    program = Program("def f(): return None", (ValueTest("f", ()),), comparator=lambda _, value: value.real == 1 / 0)
    assert [outcome.verdict for outcome in outcomes_of(executor, [program])] == ["wrong_answer"]
    assert "the comparator of test 0 (f()) failed on a value" in caplog.text


RESET_THE_CLOCK = """
import os, time
def f(x):
    if x:
        return x
    channel = 1023
    size = os.fstat(channel).st_size
    while time.process_time() < 1.2:
        os.pwrite(channel, @GROWTH@, size)
        time.sleep(0.3)
        os.ftruncate(channel, size)
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
    return x
"""


@pytest.mark.parametrize("growth", ["b' '", "b'0000'", "b'x\\n'", "b'0 value 0 0\\n'"])
def test_a_program_cannot_start_the_clock_of_a_test_again(patient, growth):
    tests = tuple(IoTest(call=f"f({n})", expected=str(n)) for n in range(2))
    program = Program(RESET_THE_CLOCK.replace("@GROWTH@", growth), tests, cpu_s=9, test_cpu_s=0.15)
    outcome = patient.run_one(program)
    assert outcome.verdict in ("timeout", "tampered")  # whether the worker has looked between growth and truncation


def test_a_limit_of_this_process_does_not_decide_verdicts(monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda _: (64 * 1024, 64 * 1024))
    with pytest.raises(InputError, match=r"files of 64 KiB \(`ulimit -f`\), and programs those of 4 MiB"):
        Executor(Limits(), workers=1)
