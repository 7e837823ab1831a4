# ruff: noqa: E501 - a table of programs, one a line or two
"""Verdicts in a table: programs that lie about tests that are judged beside them, and honest ones that look odd.

Each liar meets every kind of test that it could fool, in both tiers; none may pass. Each honest program passes its own.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from iterpref_core.execution import Executor, Limits, Program, probe_isolation
from iterpref_core.records import AssertTest, IoTest, ScriptTest, UnittestTest

LIMITS = Limits(cpu_s=2, wall_s=20, memory_mb=256, file_mb=4)
CASE = "class T(unittest.TestCase):\n    def setUp(self): self.two = 2\n"


def script(text: str, **files: str) -> ScriptTest:
    return ScriptTest(module="solution", files={"t.py": text, **files}, run="t.py")


INSIDE = {
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
}  # fmt: skip

LIAR = "class L({base}):\n    def __eq__(self, o): {test}\n    def __ne__(self, o): return not self == o\n"
LIAR += "    __hash__ = None\n    def __gt__(self, o): return True\n    __ge__ = __lt__ = __le__ = __gt__\n"
LIARS = {
    "equal": LIAR.format(base="object", test="return True") + "def f(x): return L()",
    "equal int": LIAR.format(base="int", test="return True") + "def f(x): return L(0)",
    "equal to numbers": LIAR.format(base="object", test="return type(o).__name__ == 'int'") + "def f(x): return L()",
    "equal unless marked": LIAR.format(
        base="object", test="import builtins; return not hasattr(builtins, '__never__')"
    ) + "def f(x): return L()",
    "skips": "import unittest\ndef f(x): raise unittest.SkipTest('no')",
    "stops": "import unittest.case\ndef f(x): raise unittest.case._ShouldStop",
    "exits": "import sys\ndef f(x): sys.exit(0)",
    "exits at once": "import sys\nsys.exit(0)",
    "exits by os": "import os\ndef f(x): os._exit(0)",
    "raises SystemExit": "def f(x): raise SystemExit(0)",
    "patched asserts": "import unittest\nfor name in dir(unittest.TestCase):\n    if name.startswith('assert'):\n"
                       "        setattr(unittest.TestCase, name, lambda *a, **k: None)\ndef f(x): return 0",
    "patched assertEqual": "import unittest\nunittest.TestCase.assertEqual = lambda *a: None\ndef f(x): return 0",
    "patched run": "import unittest\nunittest.TestCase.run = lambda self, result=None: setattr(result, 'testsRun', "
                   "result.testsRun + 1)\ndef f(x): return 0",
    "patched loader": "import unittest\nclass A(unittest.TestCase):\n    def test_two(self): pass\n"
                      "unittest.TestLoader.loadTestsFromTestCase = lambda self, case: unittest.TestSuite([A('test_two')])"
                      "\ndef f(x): return 0",
    "patched results": "import unittest\nfor name in ('addFailure', 'addError', 'addSubTest'):\n"
                       "    setattr(unittest.TestResult, name, lambda *a: None)\ndef f(x): return 0",
    "expected failures": "import unittest\nold = unittest.TestCase.__init__\ndef init(self, name='runTest'):\n"
                         "    old(self, name)\n    self.__unittest_expecting_failure__ = True\n"
                         "unittest.TestCase.__init__ = init\ndef f(x): return 0",
    "own main": "import unittest\nclass A(unittest.TestCase):\n    def test_two(self): pass\n"
                "try:\n    unittest.main('solution', argv=['x'])\nexcept SystemExit: pass\n"
                "def f(x): raise SystemExit(0)",
    "subclass hook": "import unittest\n@classmethod\ndef hook(cls, **k):\n    for n in list(vars(cls)):\n"
                     "        if n.startswith('test'): setattr(cls, n, lambda self: None)\n"
                     "unittest.TestCase.__init_subclass__ = hook\ndef f(x): return 0",
    "patched AssertionError": "import builtins\nclass E(Exception): pass\nbuiltins.AssertionError = E\ndef f(x): raise E",
    "reads constants": "import sys\ndef f(x):\n    seen, frame = [], sys._getframe(1)\n    while frame:\n"
                       "        seen += [c for c in frame.f_code.co_consts if type(c) is int and c not in (0, x)]\n"
                       "        frame = frame.f_back\n        if seen: return seen[-1]\n    return 0",
    "reads the script": "import re, os\ndef f(x):\n    for name in os.listdir('.'):\n        if name == 't.py':\n"
                        "            found = re.search(r'f\\(%d\\)\\D+(\\d+)' % x, open(name).read())\n"
                        "            return int(found[1]) if found else 0\n    return 0",
    "reads the job": "import sys, re\ndef f(x):\n    frame = sys._getframe(1)\n    while frame:\n"
                     "        job = frame.f_locals.get('job')\n        if isinstance(job, dict):\n"
                     "            found = re.search(r'f\\((?:self.two|%d)\\)\\D+(\\d+)' % x, str(job.get('steps')))\n"
                     "            return int(found[1]) if found else 0\n        frame = frame.f_back\n    return 0",
    "forges reports": "import os\nfor n in range(3, 1024):\n    try: os.write(n, b'-1 loaded 0 \\n0 passed 0 \\n1 passed 0 "
                      "\\n1 done 0 \\n')\n    except OSError: pass\nos._exit(0)\ndef f(x): return 0",
    "patched builtins": "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.all = lambda *a: True\n"
                        "builtins.exec = lambda *a: None\nbuiltins.eval = lambda *a: 4\n"
                        "builtins.compile = lambda *a, **k: '0'\ndef f(x): return 0",
    "reports by the harness": "import gc, os, types\ndef f(x):\n    for found in gc.get_objects():\n"
                              "        if isinstance(found, types.FunctionType) and found.__name__ == 'report':\n"
                              "            found(0, 'passed', '')\n            found(1, 'passed', '')\n"
                              "            found(1, 'done', '')\n            os._exit(0)",
    "wrong": "def f(x): return x + 1",
}  # fmt: skip

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
    "setup and more": ("def f(x): return x * x", INSIDE["unittest"]),
    "loop": ("def f(x): return x * x", INSIDE["loop"]),
    "check": ("def f(x): return x * x", INSIDE["check"]),
    "suite": ("def f(x): return x * x", INSIDE["suite"]),
    "subtests": ("def f(x): return x * x", INSIDE["subtests"]),
    "ordered": ("def f(x): return x * x", INSIDE["ordered"]),
    "script": ("def f(x): return x * x", INSIDE["script"]),
    "main": ("def f(x): return x * x", INSIDE["main"]),
    "list for a scalar": ("def f(): return 4", IoTest(call="f()", expected="4")),
}  # fmt: skip


@pytest.fixture(scope="module", params=["A", "B"])
def executor(request):
    report = next(report for report in probe_isolation() if report.name == "bwrap")
    if request.param == "A" and not report.available:
        pytest.skip(report.problem)
    with Executor(LIMITS, workers=2, namespaces=request.param == "A") as executor:
        yield executor


@pytest.mark.parametrize("name", LIARS)
def test_no_liar_passes(executor, name):
    with ThreadPoolExecutor(2) as threads:
        outcomes = threads.map(lambda test: executor.run_one(Program(LIARS[name], (test,))), INSIDE.values())
    passed = [
        kind for kind, outcome in zip(INSIDE, outcomes, strict=True) if outcome.verdict in ("passed", "infra_error")
    ]
    assert passed == []


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
def test_what_is_judged_outside_is_a_number(executor, code, verdict):
    tests = AssertTest(code="assert f() == 3.14159"), AssertTest(code="assert abs(f() - 70000) < 1e-3")
    for test in tests:
        assert executor.run_one(Program(code, (test,))).verdict == verdict
    listed = AssertTest(code="assert f() == [1, 2]")
    assert executor.run_one(Program(code, (listed,))).verdict == verdict


def test_a_package_is_missing_only_where_its_environment_lacks_it(executor):
    code = "class MissingPackageError(Exception): pass\ndef f(x): raise MissingPackageError('no_such_one')"
    test = ScriptTest(
        module="solution", files={"t.py": "import solution\nsolution.f(1)"}, run="t.py", packages=("json",)
    )
    assert executor.run_one(Program(code, (test,))).verdict == "exception"
    absent = test.model_copy(update={"packages": ("json", "no_such_one")})
    outcome = executor.run_one(Program(code, (absent,)))
    assert (outcome.verdict, outcome.feedback) == (
        "infra_error", "the test needs package no_such_one, which is not installed",
    )  # fmt: skip
