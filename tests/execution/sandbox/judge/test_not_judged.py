"""What a judge cannot do is never the program's fault: the test is not judged, and says why."""

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, UnittestTest

VECTOR = "class V:\n    def __init__(self, *a): self.a = a\n    def __eq__(self, o): return self.a == tuple(o)\n"
BOX = "class Box(dict): pass\ndef f(): return Box(a=1)"
CASES = {
    "an object of a library": (
        "import queue\nq = queue.Queue()\nf(q)",
        "def f(q): q.put(1)",
        "the program asks for getattr 'put' of an object of Queue that the test hands over",
    ),
    "a long argument": ("assert f('x' * (34 << 20))", "def f(s): return s[0]", "a value takes more than 32 MiB"),
    "a long result": ("assert len(f(34 << 20)) > 9", "def f(n): return 'x' * n", "a value takes more than 32 MiB"),
    "a long argument of a callback": (
        "f(lambda s: None)\nassert f",
        "def f(g): g('x' * (34 << 20))",
        "a value takes more than 32 MiB",
    ),
    "a deep argument": (
        "v = []\nfor _ in range(30000): v = [v]\nassert f(v) == 1",
        "def f(v): return 1",
        "a value is nested too deeply",
    ),
    "an object compared with a value": (
        "v = V(1)\nassert v == (1,)",
        VECTOR,
        "an object of V is compared with a plain value",
    ),
    "an object that computes": (
        "assert f() + 1 == 2",
        "class N:\n    def __add__(self, o): return 2\ndef f(): return N()",
        "an object of N computes with a plain value",
    ),
    "a library that needs the object itself": (
        "import json\nassert json.dumps(f()) == '{}'",
        BOX,
        "the test may need an object of Box itself: ",
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


def test_it_is_not_judged_in_a_case_of_unittest(executor):
    case = "class T(unittest.TestCase):\n    def test_it(self): self.assertTrue(json.dumps(f()))"
    test = UnittestTest(code=f"import json, unittest\n{case}")
    outcome = executor.run_one(Program(BOX, (test,), inside=False))
    assert outcome.feedback.startswith("not judged: the test may need an object of Box itself: ")


@pytest.mark.parametrize("code", ["def f(x): return 'x' * (31 << 20)", "def f(x): return [[[x]]] * 9"])
def test_what_crosses_is_judged(executor, code):
    outcome = executor.run_one(Program(code, (AssertTest(code="x = f(1)\nassert x == 1"),), inside=False))
    assert outcome.verdict == "wrong_answer"
