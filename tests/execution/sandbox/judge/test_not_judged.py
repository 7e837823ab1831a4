"""What a test asks and a judge cannot do is not the program's fault; what the program does is never the test's."""

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest
from tests.execution.sandbox.judge.script_tests import script
from tests.execution.sandbox.judge.wire_programs import WIRE

CASES = {
    "an object of a library": (
        "import queue\nq = queue.Queue()\nf(q)",
        "def f(q): q.put(1)",
        "the test hands over an object of type Queue",
    ),
    "a function": (
        "assert f(lambda x: x) == 1",
        "def f(g): return g(1)",
        "the test hands over an object of type function",
    ),
    "a long argument": ("assert f('x' * (34 << 20))", "def f(s): return s[0]", "a value takes more than 32 MiB"),
    "a deep argument": (
        "v = []\nfor _ in range(30000): v = [v]\nassert f(v) == 1",
        "def f(v): return 1",
        "a value is nested too deeply",
    ),
}


@pytest.fixture(scope="module")
def executor():
    with Executor(Limits(cpu_s=10, wall_s=60, memory_mb=1024), workers=1) as executor:
        yield executor


@pytest.mark.parametrize("name", CASES)
def test_it_is_not_judged(executor, name):
    test, code, reason = CASES[name]
    outcome = executor.run_one(Program(code, (AssertTest(code=test),), inside=False))
    assert outcome.verdict == "infra_error"
    assert outcome.feedback.startswith(f"not judged: {reason}")


BY_THE_PROGRAM = {
    "a long result": ("assert len(f(34 << 20)) > 9", "def f(n): return 'x' * n", "bad_return_type"),
    "a long result where an error is expected": (
        "try:\n    f(34 << 20)\n    assert False\nexcept Exception:\n    pass",
        "def f(n): return 'x' * n",
        "bad_return_type",
    ),
    "a deep result": (
        "x = f(1)\nassert x == 1",
        "def f(n):\n    v = []\n    for _ in range(30000): v = [v]\n    return v",
        "bad_return_type",
    ),
    "a reason of its own": (
        "x = f(1)\nassert x == 2",
        WIRE + "def f(x):\n    send('cannot', 'not judged: no reason')\n    os._exit(0)",
        "bad_return_type",
    ),
    "an object that computes": (
        "assert f() + 1 == 2",
        "class N:\n    def __add__(self, o): return 2\ndef f(): return N()",
        "exception",
    ),
    "a library that needs the object itself": (
        "import json\nassert json.dumps(f()) == '{}'",
        "class Box(dict): pass\ndef f(): return Box(a=1)",
        "exception",
    ),
    "a package that is there": (
        "import math\nx = f(1)\nassert x == math.pi",
        "def f(x): raise ModuleNotFoundError(\"No module named 'math'\")",
        "exception",
    ),
}


@pytest.mark.parametrize("name", BY_THE_PROGRAM)
def test_no_program_makes_its_own_test_one_that_is_not_judged(executor, name):
    test, code, verdict = BY_THE_PROGRAM[name]
    assert executor.run_one(Program(code, (AssertTest(code=test),), inside=False)).verdict == verdict


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("name", ["solution", "math", "helper"])
def test_no_program_says_which_package_its_test_lacks(executor, inside, name):
    code = f"def f(x): raise ModuleNotFoundError(\"No module named '{name}'\")"
    test = script("import math, helper\nfrom solution import f\nassert f(1) == 1", **{"helper.py": "x = 1"})
    assert executor.run_one(Program(code, (test,), inside=inside)).verdict == "exception"


@pytest.mark.parametrize(("imports", "missing"), [
    ("import no_such_one.part", True),
    ("from no_such_one import x", True),
    ("try:\n    import no_such_one\nexcept ImportError:\n    pass", False),
])  # fmt: skip
def test_a_test_without_its_package_is_not_run(executor, imports, missing):
    outcome = executor.run_one(Program("def f(x): return x", (AssertTest(code=f"{imports}\nassert f(1) == 1"),)))
    if missing:
        assert outcome.feedback == "the test needs package no_such_one, which is not installed"
    assert (outcome.verdict == "infra_error") is missing


@pytest.mark.parametrize("code", ["def f(x): return 'x' * (31 << 20)", "def f(x): return [[[x]]] * 9"])
def test_what_crosses_is_judged(executor, code):
    outcome = executor.run_one(Program(code, (AssertTest(code="x = f(1)\nassert x == 1"),), inside=False))
    assert outcome.verdict == "wrong_answer"
