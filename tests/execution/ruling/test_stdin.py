"""Scripts run on a real console, in both tiers."""

import pytest

from iterpref_core.execution import Executor, Limits, Program, check_tests
from iterpref_core.records import IoTest, Problem, RecordError, StdinTest
from tests.execution.tiers import tiers
from tests.texts import read_table

pytestmark = pytest.mark.named_tier

LIMITS = Limits(cpu_s=0.4, wall_s=60, memory_mb=512, output_kb=64)


@pytest.fixture(scope="module", params=tiers("console"))
def executor(request):
    with Executor(LIMITS, workers=1, namespaces=request.param == "A") as executor:
        assert executor.isolation.startswith(request.param)
        yield executor


def run(executor, code, given="3\n4\n", output="7\n", **options):
    """The outcome of a script with one test."""
    test = StdinTest.model_validate({"input": given, "output": output} | options)
    return executor.run_one(Program(code, (test,)))


# As in Python

SUM = "print(sum(map(int, {})))"
PASSING = dict(
    read_table(r"""
input | print(int(input()) + int(input()))
read | import sys\nprint(sum(map(int, sys.stdin.read().split())))
lines | import sys\nprint(sum(map(int, sys.stdin)))
for line | import sys\nn = 0\nfor line in sys.stdin:\n    n += int(line)\nprint(n)
buffer | import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))
buffer's lines | import sys\ninput = sys.stdin.buffer.readline\nprint(int(input()) + int(input()))
open(0) | print(sum(map(int, open(0))))
os.read | import os\nprint(sum(map(int, os.read(0, 99).split())))
os.fstat | import os, io\nprint(sum(map(int, io.BytesIO(os.read(0, os.fstat(0).st_size)).read().split())))
from sys | from sys import stdin, stdout\nstdout.write(str(sum(map(int, stdin.readlines()))))
standard error | import sys\nprint('not part of the answer', file=sys.stderr)\nprint(7)
main | def main():\n    print(int(input()) + int(input()))\nif __name__ == '__main__':\n    main()
module | import sys\nprint(7 if sys.modules['__main__'].__dict__ is globals() else 8)
file | print(7 if 'print' in open(__file__).read() else 8)
argv | import sys\nprint(7 if sys.argv == ['solution.py'] else sys.argv)
global | n = 0\ndef f():\n    global n\n    n += 7\nf()\nprint(n)
future | from __future__ import annotations\nx: Nope = 7\nprint(x)
coding cookie | # -*- coding: utf-8 -*-\nprint(7)
exit | print(7)\nexit()
quit | print(7)\nquit()
exit 0 | print(7)\nexit(0)
sys.exit | import sys\nprint(7)\nsys.exit()
os._exit | import os\nprint(7, flush=True)\nos._exit(0)
daemon | import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()\nprint(7)
atexit | import atexit\natexit.register(print, 7)
a stream in a class | class Log:\n    out = open('/dev/stdout', 'w')\nLog.out.write('7')
deleted with its names | class A:\n    def __del__(self): print(seven)\na = A()\nseven = 7
deleted in a cycle | class A:\n    def __del__(self): print(7)\na = A()\na.a = a
builtins | print(__builtins__.int(7))
destructor | class Last:\n    def __del__(self): print(7)\nlast = Last()
prompt | print(int(input('')) + int(input()))
dataclass | from dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'int'\nprint(P(7).x)
pickle | import pickle\nclass P: pass\nprint(7 if type(pickle.loads(pickle.dumps(P()))) is P else 8)
exception hook | import sys\nsys.excepthook = lambda *_: None\nprint(7)
""")
) | {
    "os.write": "import os\nos.write(1, b'7\\n')",
    "stdout's buffer": "import sys\nsys.stdout.buffer.write(b'7\\n')",
    "own stdout": "import io, os, sys\nclass Out(io.StringIO):\n"
    "    def flush(self): os.write(1, self.getvalue().encode())\nsys.stdout = Out()\nprint(7)",
    "byte order mark": "\ufeffprint(7)",
    "thread": "import threading, time\ndef late():\n    time.sleep(0.1)\n    print(7)\n"
    "threading.Thread(target=late).start()",
    "deep recursion": "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(1 << 27)\n"
    "def f(n): return 0 if n == 0 else 1 + f(n - 1)\n"
    "t = threading.Thread(target=lambda: print(f(50_007) - 50_000))\nt.start()\nt.join()",
    "Windows lines": "print(7)\r\n",
}


@pytest.mark.parametrize("code", PASSING.values(), ids=PASSING)
def test_a_script_runs_as_in_python(executor, code):
    outcome = run(executor, code)
    assert (outcome.verdict, outcome.feedback) == ("passed", "")
    assert (outcome.tests_passed, outcome.tests_total) == (1, 1)


GIVEN = "the program, given '3\\n4\\n',"
FAILING = [
    *read_table(r"""
import sys\nprint(7, file=sys.stderr) | wrong_answer | printed ''
print(7)\nimport os\nos.close(1)\nos._exit(0) | wrong_answer | printed ''
input(); input(); input() | exception | EOFError: EOF when reading a line, line 1:
print( | syntax_error | SyntaxError: '(' was never closed, line 1: print(
print(7)\nraise SystemExit('no') | exited_early | exit status 1
print(7, flush=True)\nimport os\nos._exit(9) | exited_early | exit status 9
print('x' * (1 << 20)) | output_limit | more than 64 KB printed
while True: print(7) | output_limit | more than 64 KB printed
import sys\nprint(7)\nsys.stdout.write('x' * (1 << 25))\n1 / 0 | output_limit | more than 64 KB printed
x = bytearray(1 << 30) | memory | memory limit of 512 MB
def f(): f()\nf() | exception | RecursionError
"""),
    ("print(8)", "wrong_answer", f"{GIVEN} printed '8\\n', expected '7\\n'"),
    ("", "wrong_answer", f"{GIVEN} printed '', expected '7\\n'"),
    ("print(7, 7)", "wrong_answer", "expected '7\\n': token 2 is one too many"),
    ("print(7)\n1 / 0", "exception", f"{GIVEN} raised ZeroDivisionError: division by zero, line 2: 1 / 0"),
    ("a\0b", "syntax_error", "null bytes"),
    ("print(7)\nexit(3)", "exited_early", f"the program ended with exit status 3 in {GIVEN[:-1]}"),
    ("print(7)\nimport os\nos.abort()", "crash", f"crashed with SIGABRT in {GIVEN[:-1]}"),
    ("while True: pass", "timeout", f"time limit of 0.4 s exceeded in {GIVEN[:-1]}"),
]


@pytest.mark.parametrize(("code", "verdict", "feedback"), FAILING)
def test_a_script_fails_for_the_right_reason(executor, code, verdict, feedback):
    outcome = run(executor, code)
    assert (outcome.verdict, outcome.tests_passed) == (verdict, 0), outcome.feedback
    assert feedback in outcome.feedback


FORGED = """
import os
for descriptor in range(3, 1024):
    try:
        os.write(descriptor, b'0 value 0 "7"\\n0 passed 0 \\n1 done 0 \\n')
    except OSError:
        pass
"""


@pytest.mark.parametrize("more", ["", "print(8)", "os._exit(0)", "print(8)\nexit(1)"])
def test_reports_of_its_own_do_not_help(executor, more):
    outcome = run(executor, FORGED + more)
    assert outcome.verdict == ("exited_early" if "exit(1)" in more else "wrong_answer")


def test_each_test_is_a_process_of_its_own_with_its_own_limit(executor):
    code = "import os, time\nopen('left', 'x').close()\nwhile time.process_time() < 0.2: pass\nprint(int(input()) + 1)"
    tests = tuple(StdinTest(input=f"{n}\n", output=f"{n + 1}\n") for n in (1, 2, 3))
    outcome = executor.run_one(Program(code, tests))
    assert (outcome.verdict, outcome.tests_passed, outcome.tests_total) == ("passed", 3, 3)
    assert outcome.cpu_s > 0.5  # more than the limit of one
    assert 0.2 <= outcome.slowest_s < 0.4


def test_the_first_test_that_fails_decides(executor):
    tests = tuple(StdinTest(input=f"{n}\n", output=f"{n * n}\n") for n in (0, 1, 2, 3))
    outcome = executor.run_one(Program("print(input())", tests))
    assert (outcome.verdict, outcome.tests_passed, outcome.tests_total) == ("wrong_answer", 2, 4)
    assert outcome.feedback == "the program, given '2\\n', printed '2\\n', expected '4\\n'"


def test_stdin_tests_stand_alone(tmp_path):
    tests = (IoTest(call="f(1)", expected="2"), StdinTest(input="5", output="6"))
    with pytest.raises(ValueError, match="stdin tests among others"):
        Program("def f(n): return n + 1", tests)
    problem = Problem(task_id="mixed", prompt="Add 1.", tests=tests[:1], hidden_tests=tests[1:])
    with pytest.raises(RecordError, match="tests of kind stdin among others"):
        check_tests(problem, tmp_path)


def test_the_setup_runs_before_and_its_lines_do_not_count(executor):
    test = StdinTest(input="", output="7")
    outcomes = [
        executor.run_one(Program(code, (test,), "import math\n\n"))
        for code in ("from __future__ import annotations\nprint(math.floor(7.5))", "nope()")
    ]
    assert [outcome.verdict for outcome in outcomes] == ["passed", "exception"]
    assert "line 1: nope()" in outcomes[1].feedback


def test_long_texts_pass_in_both_directions(executor):
    text = "".join(f"{number} äöü \u2028\n" for number in range(100_000))
    assert run(executor, "import sys\nprint(sys.stdin.read(), end='')", text, text).verdict == "passed"
    outcome = run(executor, "import sys\nprint(sys.stdin.read().replace('99999', 'x'))", text, text)
    assert outcome.verdict == "wrong_answer"
    assert outcome.feedback.endswith("token 299998 is 'x', not '99999'")
    assert len(outcome.feedback) < 600


# Checkers

SPLIT = "def check(input, expected, printed):\n    a, b = map(int, printed.split())\n    return a + b == int(input)"


CHECKED = r"""
1 6 | SPLIT | passed |
2 5 | SPLIT | passed |
2 6 | SPLIT | wrong_answer | , expected '3 4': the checker does not accept it
2 | SPLIT | wrong_answer | the checker failed on it: exception ValueError
2 | def check(input, expected, printed): pass | wrong_answer | does not accept it
2 | def check(input, expected, printed):\n    while True: pass | wrong_answer | failed on it: timeout
2 | def check(input, expected, printed): return 1 | passed |
2 | def check( | infra_error | the checker of a test cannot be used: SyntaxError
2 | def other(input, expected, printed): return True | infra_error | name 'check' is not defined
2 | import nope | infra_error | No module named 'nope'
2 | check = 3 | infra_error | 'int' object is not callable
"""


@pytest.mark.parametrize(("printed", "checker", "verdict", "feedback"), read_table(CHECKED))
def test_a_checker_decides(executor, printed, checker, verdict, feedback):
    outcome = run(executor, f"print('{printed}')", "7", "3 4", checker=checker.replace("SPLIT", SPLIT))
    assert outcome.verdict == verdict, outcome.feedback
    assert feedback in outcome.feedback
    assert outcome.tests_passed == (verdict == "passed")


def test_a_program_never_sees_the_checker_or_what_is_expected(executor):
    look = """
import gc, os, sys
secret = "TERCES"
secret = secret[::-1]
found = [repr(o)[:200] for o in gc.get_objects() if secret in repr(o)[:9999]]
frame = sys._getframe(1)
while frame:
    found += [v for v in frame.f_locals.values() if secret in str(v)]
    frame = frame.f_back
print([text for text in found if "TERCES" not in text], os.listdir('.'))
"""
    checker = "def check(input, expected, printed): return expected == 'SECRET' and 'SECRET' not in printed"
    assert run(executor, look, "", "SECRET", checker=checker).verdict == "passed"


def test_a_program_that_fails_is_not_shown_to_its_checker(executor):
    accept = "def check(input, expected, printed): return True"
    assert run(executor, "print(7)\nexit(1)", checker=accept).verdict == "exited_early"
    assert run(executor, "while True: pass", checker=accept).verdict == "timeout"


def test_lines_of_the_input_end_as_in_python(executor):
    test = StdinTest(input="a\r\nb\rc\n", output="'a\\r' 'b\\rc'")
    assert executor.run_one(Program("print(repr(input()), repr(input()))", (test,))).verdict == "passed"


@pytest.mark.parametrize("more", [{"tolerance": -1}, {"tolerance": "NaN"}, {"tolerence": 1}, {"checker": 3}])
def test_a_test_that_does_not_fit_is_an_error(more):
    with pytest.raises(ValueError, match=next(iter(more))):
        StdinTest.model_validate({"input": "", "output": ""} | more)
