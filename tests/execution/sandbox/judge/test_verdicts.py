# ruff: noqa: E501 - a table of programs, one a line or two
"""Verdicts in a table: programs that lie to tests, and honest ones that look odd.

Each liar meets every kind of test that it could fool; none may pass. In the quick tests, and in the other tier, it
meets three of them, in turn: a lie is a message, and messages are alike in both tiers. Each honest program passes its own.
Only tests that have to share a process with the program can be fooled, and their results say so.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, IoTest, PytestTest, ScriptTest, UnittestTest
from tests.execution.sandbox.judge.liars import LIARS
from tests.execution.sandbox.judge.script_tests import script
from tests.execution.tiers import BWRAP, tiers

pytestmark = pytest.mark.named_tier

TIERS = tiers("verdicts")
BEST_TIER = TIERS[:1] if not BWRAP.problem else TIERS[1:]
LIMITS = Limits(cpu_s=2, wall_s=20, memory_mb=256, file_mb=4)
CASE = "class T(unittest.TestCase):\n    def setUp(self): self.two = 2\n"


KINDS = {
    "assert": AssertTest(code="assert f(2) == 2 * 2"),
    "ordered": AssertTest(code="assert f(2) > 1 + 1 and f(3) == 3 * 3"),
    "loop": AssertTest(code="for n, square in [(2, 4), (3, 9)]:\n    assert f(n) == square"),
    "check": AssertTest(code="def check(g):\n    assert g(2) == 4\n    assert g(3) == 9\ncheck(f)"),
    "unittest": UnittestTest(
        code=f"import unittest\n{CASE}    def test_two(self): self.assertEqual(f(self.two), 4)\n"
        "    def test_three(self): self.assertEqual(f(3), 9)\n"
    ),
    "subtests": UnittestTest(
        code=f"import unittest\n{CASE}    def test_all(self):\n        for n in range(4):\n"
        "            with self.subTest(n=n): self.assertEqual(f(n), n * n)\n"
    ),
    "script": script("from solution import f\nassert f(2) == 4\nassert f(3) == 9\n"),
    "suite": script(f"import unittest\nfrom solution import f\n{CASE}    def test_two(self): "
                    "self.assertEqual(f(self.two), 4)\nif __name__ == '__main__':\n    unittest.main()\n"),
    "main": script("import sys\nfrom solution import f\ndef main():\n    assert f(2) == 4\n    return 0\n"
                   "if __name__ == '__main__':\n    sys.exit(main())\n"),
    "call": IoTest(call="f(2)", expected="4"),
    "expression": IoTest(call="f(2) == 4", expected="True"),
    "sorted": IoTest(call="sorted([f(3), f(2)])", expected="[4, 9]"),
    "near": AssertTest(code="assert abs(f(2) - 4) < 1e-6"),
    "library": AssertTest(code="assert math.isclose(f(2), 4)"),
    "between": AssertTest(code="assert 3 < f(2) < 5"),
    "in": AssertTest(code="assert f(2) in [4]"),
    "variable": AssertTest(code="ok = f(2) == 4\nassert ok"),
    "counter": AssertTest(code="right = 0\nfor n in (2, 3):\n    if f(n) == n * n: right += 1\nassert right == 2"),
    "caught": AssertTest(code="try:\n    value = f(2)\nexcept Exception:\n    value = None\nassert value == 4"),
    "thread": AssertTest(code="import threading\nseen = []\nt = threading.Thread(target=lambda: seen.append(f(2)))\n"
                              "t.start()\nt.join()\nassert seen == [4]"),
    "async case": UnittestTest(
        code="import unittest\nclass T(unittest.IsolatedAsyncioTestCase):\n    async def test_two(self):\n"
        "        self.assertEqual(f(2), 4)\n"
    ),
    "inherited": UnittestTest(
        code="import unittest\nclass Base:\n    def test_all(self):\n        for n in (2, 3): self.assertEqual(f(n), n * n)\n"
        "class T(Base, unittest.TestCase): pass\n"
    ),
    "pytest": PytestTest(
        code="import pytest\nfrom solution import f\n@pytest.mark.parametrize('n', [2, 3])\n"
        "def test_all(n): assert f(n) == n * n\n"
    ),
    "approx": PytestTest(code="import pytest\nfrom solution import f\ndef test_it(): assert f(2) == pytest.approx(4)\n"),
    "helper": ScriptTest(
        module="solution",
        files={"t.py": "import helper\nfrom solution import f\nassert f(2) == helper.wanted()\n",
               "helper.py": "def wanted(): return 4\n"},
        run="t.py",
    ),
}  # fmt: skip
"""Tests that `f(2)` is 4, in every form."""

U = "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        "
HONEST = {
    "int enum": ("import enum\nclass E(enum.IntEnum):\n    A = 4\ndef f(): return E.A", AssertTest(code="assert f() == 4")),
    "str enum": ("import enum\nclass E(str, enum.Enum):\n    A = 'a'\ndef f(): return E.A", AssertTest(code="assert f() == 'a'")),
    "fraction": ("from fractions import Fraction\ndef f(): return Fraction(1, 2)", AssertTest(code="assert f() == 0.5")),
    "decimal": ("from decimal import Decimal\ndef f(): return Decimal('1.5')", AssertTest(code="assert f() == 1.5")),
    "keys": ("def f(): return {1: 2}.keys()", AssertTest(code="assert f() == {1}")),
    "items": ("def f(): return {1: 2}.items()", AssertTest(code="assert f() == {(1, 2)}")),
    "bytearray": ("def f(): return bytearray(b'x')", AssertTest(code="assert f() == b'x'")),
    "late numpy": ("def f():\n    import numpy as np\n    return np.int64(4)", AssertTest(code="assert f() == 4")),
    "numpy float": ("import numpy as np\ndef f(): return [np.float64(0.5)]", AssertTest(code="assert f() == [0.5]")),
    "assigned": ("def f(x): return x * 2", AssertTest(code="x = f(2)\nassert x == 4\nassert x != 5")),
    "near": ("def f(): return 3.1400000001", AssertTest(code="assert abs(f() - 3.14) < 1e-6")),
    "isclose": ("def f(): return 0.1 + 0.2", AssertTest(code="import math\nassert math.isclose(f(), 0.3)")),
    "not equal": ("def f(): return 4", AssertTest(code="assert f() != 5 and f() > 3")),
    "match": ("import re\ndef f(s): return re.match('a', s)", AssertTest(code="assert f('abc')\nassert not f('b')")),
    "raises": ("def f(x): raise ValueError(x)", UnittestTest(code=f"{U}with self.assertRaises(ValueError): f(1)")),
    "raises called": ("def f(x): raise ValueError(x)", UnittestTest(code=f"{U}self.assertRaises(ValueError, f, 1)")),
    "asserts itself": (
        "def f(x): assert x > 0", UnittestTest(code=f"{U}with self.assertRaises(AssertionError): f(-1)")),
    "only raises": (
        "def f(x): assert x > 0",
        UnittestTest(code=f"import unittest\n{CASE}    def test_it(self): self.assertRaises(AssertionError, f, -self.two)")),
    "in a thread": (
        "def f(x): return x + 1",
        UnittestTest(code=f"import threading\n{U}seen = []\n        def work():\n            seen.append(f(1))\n"
                     "            assert seen == [2]\n        t = threading.Thread(target=work)\n        t.start()\n"
                     "        t.join()\n        self.assertEqual(seen, [2])")),
    "thread alone": (
        "def f(x): return x + 1",
        UnittestTest(code=f"import threading\n{U}def work():\n            assert f(1) == 2\n"
                     "        t = threading.Thread(target=work)\n        t.start()\n        t.join()")),
    "exit main": ("def f(x): return x", script("import sys, solution\ndef main():\n    assert solution.f(1) == 1\n"
                                               "    return 0\nsys.exit(main())")),
    "exit result": (
        "def f(x): return x",
        script("import sys, unittest, solution\nclass T(unittest.TestCase):\n    def test_it(self): "
               "self.assertEqual(solution.f(1), 1)\nsuite = unittest.defaultTestLoader.loadTestsFromTestCase(T)\n"
               "result = unittest.TextTestRunner().run(suite)\nsys.exit(not result.wasSuccessful())")),
    "skips some": (
        "def f(x): return x",
        UnittestTest(code="import unittest\nclass T(unittest.TestCase):\n    @unittest.skip('later')\n"
                     "    def test_a(self): self.fail()\n    def test_b(self): self.assertEqual(f(1), 1)")),
    "mimetypes": ("import mimetypes\ndef f(): return mimetypes.guess_type('a.html')[0]",
                  AssertTest(code="assert f() == 'text/html'")),
    "almost": ("def f(): return 3.14159", UnittestTest(code=f"{U}self.assertAlmostEqual(f(), 3.14, places=2)")),
    "delta": ("def f(): return 3", UnittestTest(code=f"import unittest\n{CASE}    def test_it(self): "
                                                "self.assertAlmostEqual(f(), self.two, delta=10)")),
    "members": ("def f(): return [1, 2]", UnittestTest(code=f"{U}self.assertIn(1, f())\n        self.assertIsNotNone(f())")),
    "setup and more": ("def f(x): return x * x", KINDS["unittest"]),
    "loop": ("def f(x): return x * x", KINDS["loop"]),
    "check": ("def f(x): return x * x", KINDS["check"]),
    "suite": ("def f(x): return x * x", KINDS["suite"]),
    "subtests": ("def f(x): return x * x", KINDS["subtests"]),
    "ordered": ("def f(x): return x * x", KINDS["ordered"]),
    "script": ("def f(x): return x * x", KINDS["script"]),
    "main": ("def f(x): return x * x", KINDS["main"]),
    "list for a scalar": ("def f(): return 4", IoTest(call="f()", expected="4")),
}  # fmt: skip


@pytest.fixture(scope="module", params=TIERS)
def executor(request):
    with Executor(LIMITS, workers=2, namespaces=request.param == "A") as executor:
        yield executor


@pytest.fixture(scope="module", params=TIERS)
def hurried(request):
    """An executor that soon ends who waits or computes without end: a liar need not get the time that it wants."""
    with Executor(replace(LIMITS, cpu_s=0.5, wall_s=6), workers=4, namespaces=request.param == "A") as executor:
        yield executor


@pytest.fixture(scope="module", params=TIERS)
def with_numpy(request):
    """An executor whose programs need not import numpy anew."""
    with Executor(LIMITS, workers=1, namespaces=request.param == "A", preload=("numpy",)) as executor:
        yield executor


def fooled(executor, liar, kinds):
    """The kinds of tests that a liar passes outside, or that have no verdict on it."""
    with ThreadPoolExecutor(4) as threads:
        outcomes = threads.map(lambda kind: executor.run_one(Program(LIARS[liar], (KINDS[kind],))), kinds)
        return [kind for kind, outcome in zip(kinds, outcomes, strict=True) if fools(outcome)]


def fools(outcome):
    if outcome.verdict == "infra_error":
        return not outcome.feedback.startswith("not judged: ")
    return outcome.verdict == "passed" and not outcome.isolation.count("judged inside")


IN_TURN = 3
"""Kinds of tests that a liar meets in the quick tests; each kind meets fourteen liars."""


def kinds_in_turn(liar):
    kinds, first = list(KINDS), IN_TURN * list(LIARS).index(liar)
    return [kinds[(first + place) % len(kinds)] for place in range(IN_TURN)]


@pytest.mark.parametrize("name", LIARS)
def test_no_liar_passes_three_kinds_of_tests(hurried, name):
    assert fooled(hurried, name, kinds_in_turn(name)) == []


@pytest.mark.slow
@pytest.mark.parametrize("hurried", BEST_TIER, indirect=True)
@pytest.mark.parametrize("name", LIARS)
def test_no_liar_passes_any_other_kind_of_test(hurried, name):
    met = kinds_in_turn(name)
    assert fooled(hurried, name, [kind for kind in KINDS if kind not in met]) == []


def test_each_kind_of_test_meets_liars_in_the_quick_tests():
    met = Counter(kind for name in LIARS for kind in kinds_in_turn(name))
    assert min(met[kind] for kind in KINDS) >= 14


@pytest.mark.parametrize("name", HONEST)
def test_no_honest_program_is_accused(executor, name):
    code, test = HONEST[name]
    outcome = executor.run_one(Program(code, (test,)))
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("import numpy as np\ndef f(): return np.float16('inf')", "wrong_answer"),
        ("import numpy as np\ndef f(): return np.float16(3.14)", "wrong_answer"),
        ("import numpy as np\ndef f(): return np.int64(1)", "wrong_answer"),
        (
            "class L(float):\n    def __eq__(s, o): return True\n    __hash__ = None\ndef f(): return L(1)",
            "wrong_answer",
        ),
        ("class L:\n    def __sub__(s, o): return 0\n    __rsub__ = __sub__\ndef f(): return L()", "bad_return_type"),
    ],
)
def test_what_equals_a_number_is_a_number(with_numpy, code, verdict):
    assert with_numpy.run_one(Program(code, (AssertTest(code="assert f() == 3.14159"),))).verdict == verdict
    for test in ("assert f() == [1, 2]", "assert abs(f() - 70000) < 1e-3", "assert f() == 70000"):
        assert with_numpy.run_one(Program(code, (AssertTest(code=test),))).verdict != "passed"


def test_a_package_is_missing_only_where_its_environment_lacks_it(executor):
    code = "class MissingPackageError(Exception): pass\ndef f(x): raise MissingPackageError('no_such_one')"
    test = ScriptTest(
        module="solution", files={"t.py": "import solution\nsolution.f(1)"}, run="t.py", packages=("json",)
    )
    assert executor.run_one(Program(code, (test,))).verdict == "exception"
    absent = test.model_copy(update={"packages": ("json", "no_such_one")})
    outcome = executor.run_one(Program("import no_such_one\ndef f(x): pass", (absent,)))
    assert (outcome.verdict, outcome.feedback) == (
        "infra_error", "the test needs package no_such_one, which is not installed",
    )  # fmt: skip
