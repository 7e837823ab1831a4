# ruff: noqa: E501 - tables of tests
"""Readings of tests: the checks that take their place, or why they run inside."""

import pytest

from iterpref_core.execution.reading.readings import read_asserts, read_expression, read_file

ASSERT = {
    "assert f([1, -2], k='a') == {1: (2.0, None)}, 'why'": "f([1, -2], k='a'): {1: (2.0, None)}",
    "'about'\npass\nassert True\nassert f(1) == 2": "f(1): 2",
    "import math\nassert f(math.pi) == 3": "import math -> f(math.pi): 3",
    "import math\nassert f(1) == 3": "f(1): 3",
    "from __future__ import annotations\nassert f(1) == 2": "f(1): 2",
    "print('hi')\nassert f(1) == 2": "inside: a call that is no assertion",
    "def make(n): return [0] * n\nassert f(make(3)) == 0": "inside: the name make",
    "def check(g):\n    assert g(2) == 4\n    assert g(3) == 9\ncheck(f)": "g = f -> g(2): 4 / g(3): 9",
    "def check(g):\n    assert g(2) == 4\ncheck(Solution().f)": "g = Solution().f -> g(2): 4",
    "xs = [3, 1]\nassert f(xs) == [1, 3]\nassert xs == [3, 1]": "xs = [3, 1] -> f(xs): [1, 3] / xs: [3, 1]",
    "xs = [3, 1]\nf(xs)\nassert xs == [1, 3]": "xs = [3, 1]; f(xs) -> xs: [1, 3]",
    "xs = [3, 1]\nys = xs\nf(xs)\nassert ys == [3, 1]": "inside: the form Name",
    "want = [1]\nsame = want\nassert f(1) == same": "inside: two calls in an assertion",
    "n = S(1)\nn = None\nassert f() == 0": "n = S(1); n = None -> f(): 0",
    "want = f(1)\nwant = [1]\nassert f(2) == want": "inside: the expected value want",
    "xs: List[int] = f(1)\nassert xs == [1]": "inside: the statement AnnAssign",
    "from math import nope\nassert f(1) == 1": "from math import nope -> f(1): 1",
    "import math\nfrom solution import *\nassert f(1) == 1": "inside: all names of the solution, after others",
    "assert f(1) == inf": "inside: two calls in an assertion",
    "s = S()\ns.add(1)\nxs = s.items\nxs.append(2)\nassert s.items == [1]": "inside: a call that is no assertion",
    "a = f()\na.append(1)\nassert f() == []": "inside: a call that is no assertion",
    "a = f(1)\nb = f(2)\nassert a == [1]\nassert b == [2]": "a = f(1); b = f(2) -> a: [1] / b: [2]",
    "a, b = f(1)\nassert a == 1\nassert b == 2": "a, b = f(1) -> a: 1 / b: 2",
    "r = f(1)\nr[0] = 5\nassert f(1) == [1]": "inside: the target of an assignment",
    "s = S()\ns.rate = 2\nassert s.total() == 4": "inside: the target of an assignment",
    "x: int = f(1)\nassert x == 2": "x = f(1) -> x: 2",
    "want: int = 2\nassert f(1) == want": "f(1): want",
    "assert f(1) == 2\nf(3)": "f(1): 2 / f(3) -> None: None",
    "assert not f(1) == 2": "f(1): not f(1) == 2",
    "x = f(1)\nassert x > 1 and x < 3": "x = f(1) -> x: x > 1 and x < 3",
    "assert f(1) == 1 or 2 > 3": "f(1): f(1) == 1 or 2 > 3",
    "assert 1 < f(1) <= 3": "f(1): 1 < f(1) <= 3",
    "assert f(1) in (1, 2)": "f(1): f(1) in (1, 2)",
    "assert 3 in f(1)": "f(1): 3 in f(1)",
    "assert f(1) is not None": "f(1): f(1) is not None",
    "assert isinstance(f(1), (int, float))": "f(1): isinstance(f(1), (int, float))",
    "assert type(f(1)) is list": "f(1): list",
    "assert type(f(1)) == int": "f(1): int",
    "assert abs(f(1) - 0.5) < 1e-6": "f(1): abs(f(1) - 0.5) < 1e-06",
    "import math\nassert math.isclose(f(1), 0.5, abs_tol=0.1)": "f(1): math.isclose(f(1), 0.5, abs_tol=0.1)",
    "assert f(1)": "f(1): f(1)",
    "s = S()\nassert s.ok": "s = S() -> s.ok: s.ok",
    "assert g(f(1)) == 3": "g(f(1)): 3",
    "assert len(f(1)) == 3": "len(f(1)): 3",
    "assert round(f(1), 2) == 0.5": "round(f(1), 2): 0.5",
    "assert f(1)[0]['a'] == 1": "f(1)[0]['a']: 1",
    "assert f(1).strip() == 'a'": "f(1).strip(): 'a'",
    "s = S(1)\nassert s.get('a') == 1": "s = S(1) -> s.get('a'): 1",
    "assert f(1).real == 1": "f(1).real: 1",
    "assert sum([1, [2]]) == 3": "sum([1, [2]]): 3",
    "assert f(lambda x: x + 1) == 3": "inside: Lambda in a part that runs before",
    "want = [1]\nassert f(1) == want": "f(1): want",
    "n = 4\nassert f(n) == n": "inside: the expected value n",
    "import math\nassert f(1) == math.pi": "inside: two calls in an assertion",
    "assert f(1) == [float('inf'), {1} , frozenset([2]), 2 ** 10, -1.5, 1 + 2j, [0] * 2, 'a' + 'b', b'x', ...]": "f(1): [float('inf'), {1}, frozenset([2]), 2 ** 10, -1.5, 1 + 2j, [0] * 2, 'a' + 'b', b'x', ...]",
    "xs = [1]\nf(lambda x: x)\nxs = [2]\nassert g(xs) == 2\nassert xs == [2]": "inside: Lambda in a part that runs before",
    "assert f(1) is True": "f(1): True",
    "def check(g): assert g(2) == 5\ndef check(g): assert g(2) == 4\ncheck(f)": "inside: the function check",
    "assert f((_ for _ in ()).throw(ValueError)) == 1": "inside: Call in a part that runs before",
    "xs = [1]\nassert f(xs) is xs": "inside: the identity of a value",
    "a, *b = f(1)\nassert a == 1": "inside: the target of an assignment",
    "x = f(1)\nx += 1\nassert x == 2": "inside: the statement AugAssign",
    "for n in (1, 2):\n    assert f(n) == n": "inside: the statement For",
    "try:\n    f(1)\nexcept ValueError:\n    pass": "inside: the statement Try",
    "assert (y := f(1)) == 2": "inside: the form NamedExpr",
    "assert 1 == 1": "inside: an assertion without a call",
    "x = 1": "inside: no call",
    "import os\nos.remove('a')\nassert f(1) == 1": "inside: a call that is no assertion",
    "assert 2 > 3 or f(1) == 1": "inside: a call that may be left out",
    "assert 1 < 2 < f(1)": "inside: a call that may be left out",
    "assert isinstance(f(1), S)": "inside: a type that is not plain",
    "import math\nassert math.isclose(f(1))": "inside: a comparison of other than two numbers",
    "import math\nassert math.isclose(f(1), 2, rel_tol=g())": "inside: an option that is no literal",
    "assert all(f(1))": "inside: the form Call",
    "assert f(1).startswith('a')": "inside: the form Call",
    "assert f(1)[0]": "inside: a truth value that the test computes",
    "assert len(f(1))": "inside: a truth value that the test computes",
    "assert f(1)[0] == True": "inside: a truth value that the test computes",
    "assert same(f(1), 2) == True": "inside: a truth value that the test computes",
    "assert same(f(1), 2)": "inside: a truth value that the test computes",
    "assert f(1) == g(1)": "inside: two calls in an assertion",
    "assert sorted(f(1), key=len) == []": "inside: the form Call",
    "assert round(f(1), -99) == 0.5": "inside: the form Call",
    "assert f(1)[g()] == 1": "inside: the form Subscript",
    "assert f(1).count('a') == 1": "inside: the form Call",
    "assert f(1)[:2] == [1]": "inside: the form Subscript",
    "assert f(1) + 1 == 3": "inside: the form BinOp",
    "assert [f(n) for n in (1, 2)] == [1, 2]": "inside: the form ListComp",
    "n = 4\nassert f(2) == n\nassert g(n) == 5": "inside: the expected value n",
    "xs = [1]\nassert f(xs) == xs": "inside: the expected value xs",
    "want = sorted(g(1))\nassert f(1) == want": "inside: Call in a part that runs before",
    "import math\nassert f(1) == math.sqrt(4)": "inside: two calls in an assertion",
    "assert f(1) == 10 ** 10000": "inside: two calls in an assertion",
    "seen = []\nf(lambda x: seen.append(x))\nassert seen == [1]": "inside: Lambda in a part that runs before",
    "d = {}\nd[1] = f(2) == 4\nassert d == {1: True}": "inside: the target of an assignment",
    "xs = [1]\nxs.remove(f(1))\nassert xs == []": "inside: a call that is no assertion",
    "s = S({4: 1}[f(2)])\nassert s.v == 1": "inside: Subscript in a part that runs before",
    "assert eval('f(2) == 4') == 1": "inside: the form Call",
    "x = 'ab'\nassert f(x) is x": "inside: the identity of a value",
    "def check(g): assert g(2) == 5\ncheck = print\ncheck(f)\nassert f(2) == 4": "inside: the name check",
    "def check(g): assert g(2) == 5\ncheck(g=f)": "inside: the arguments of check",
    "def ok(x):\n    assert x\n    return x\nassert f(ok(1)) == 1": "inside: the name ok",
    "def right(n): return f(n) == n\nassert right(2)": "inside: the name right",
    "async def main(): return await f(1)\nassert f(main) == 1": "inside: the statement AsyncFunctionDef",
    "assert f(1) =": "inside: the test cannot be compiled: SyntaxError: invalid syntax, line 1",
    "return": "inside: the statement Return",
}  # fmt: skip
"""Sources of `assert` tests."""
UNITTEST = {
    "self.assertEqual(f(1), 2, 'why')": "f(1): 2",
    "class T(unittest.TestCase):\n    def test_a(self):\n        x = f(1)\n        self.assertEqual(x, 2)\n    def test_b(self):\n        x = f(2)\n        self.assertEqual(x, 3)": "x = f(1) -> x: 2 / x = None; x = f(2) -> x: 3",
    "class T(unittest.TestCase):\n    def test_b(self): self.assertEqual(f(2), 3)\n    def test_a(self): self.assertEqual(f(1), 2)": "f(1): 2 / f(2): 3",
    "self.assertTrue(f(1) == 2)\nself.assertFalse(f(2), 'why')\nself.assertTrue(f(3))": "f(1): 2 / f(2): not f(2) / f(3): f(3)",
    "self.assertIsNone(f(1))\nself.assertIsNotNone(f(2))\nself.assertIsInstance(f(3), dict)": "f(1): None / f(2): f(2) is not None / f(3): isinstance(f(3), dict)",
    "self.assertIn(1, f(1))\nself.assertNotIn(f(2), [1])\nself.assertGreaterEqual(f(3), 2)": "f(1): 1 in f(1) / f(2): f(2) not in [1] / f(3): f(3) >= 2",
    "self.assertListEqual(f(1), [2])": "f(1): [2]",
    "self.assertAlmostEqual(f(1), 0.5, places=3)\nself.assertNotAlmostEqual(f(1), 0.5)\nself.assertAlmostEqual(f(2), 1.5, 2)": "f(1): 0.5 / f(1): 0.5 / f(2): 1.5",
    "with self.assertRaises(ValueError):\n    f(1)": "f(1): raises ValueError",
    "self.assertRaises((ValueError, KeyError), f, 1, k=2)": "inside: the assertion assertRaises",
    "with self.assertRaises(ValueError):\n    x = f(1)": "inside: the statement With",
    "class T(unittest.TestCase):\n    def test_a(self):\n        x = f(1)\n        self.assertEqual(x, 2)\n    def test_b(self): self.assertEqual(x, 3)": "inside: the name x",
    "self.assertAlmostEqual(f(1), 0.5, places=99)": "inside: an option of assertAlmostEqual",
    "self.assertNotAlmostEqual(f(1), 0.5, delta=0.1)": "inside: an option of assertNotAlmostEqual",
    "self.assertEqual(f(1), 2, 'why', 3)": "inside: the arguments of assertEqual",
    "self.assertEqual(f(1), 2, 'why', msg='why')": "inside: the arguments of assertEqual",
    "class T(unittest.TestCase):\n    def test_a(self): self.assertEqual(__f(1), 2)": "inside: a class with more than tests",
    "self.assertAlmostEqual(f(1))": "inside: the arguments of assertAlmostEqual",
    "with self.assertRaises(ValueError) as e:\n    f(1)": "inside: the statement With",
    "with self.assertRaises(Bad):\n    f(1)": "inside: an exception that is not Python's",
    "with self.assertRaisesRegex(ValueError, 'x'):\n    f(1)": "inside: the statement With",
    "with self.assertRaises(ZeroDivisionError):\n    1 / (f(1) != 2)": "inside: BinOp in a part that runs before",
    "self.assertEqual(f(1), 2, places=3)": "inside: an option of assertEqual",
    "class T(unittest.TestCase):\n    def setUp(self): self.x = 1\n    def test_a(self): self.assertEqual(f(self.x), 2)": "inside: a class with more than tests",
    "self.x = f(1)\nself.assertEqual(self.x, 2)": "inside: the target of an assignment",
    "self.assertCountEqual(f(1), [2])": "inside: the assertion assertCountEqual",
    "@unittest.skip('x')\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1), 2)": "inside: a class with more than tests",
    "class T(unittest.TestCase):\n    def test_a(self, x=1): self.assertEqual(f(x), 2)": "inside: the parameters of test_a",
}  # fmt: skip
"""Bodies of methods, and whole sources of `unittest` tests."""
PYTEST = {
    "assert f(1) == 2": "f(1): 2",
    "assert f(1) == pytest.approx([0.5], rel=1e-3)": "f(1): pytest.approx([0.5], rel=0.001)",
    "with pytest.raises(ValueError):\n    f(1)": "f(1): raises ValueError",
    "from solution import *\ndef test_a(): assert f(1) == 2": "from solution import * -> f(1): 2",
    "import solution\ndef test_a(): assert solution.f(1) == 2": "import solution -> solution.f(1): 2",
    "from solution import f\nclass TestF:\n    def test_a(self): assert f(1) == 2": "inside: the statement ClassDef",
    "assert pytest.approx(f(1)) == 2": "inside: approx of no literal",
    "with pytest.raises(ValueError, match='x'):\n    f(1)": "inside: an option of raises",
    "from solution import f\ndef test_a(tmp_path): assert f(tmp_path) == 1": "inside: the parameters of test_a",
    "import pytest\nfrom solution import f\n@pytest.mark.parametrize('n', [1])\ndef test_a(n): assert f(n) == n": "inside: the statement FunctionDef",
    "def test_a(): assert f(1) == 2": "inside: the name f",
    "from solution import f\nx = [1]\ndef test_a():\n    assert f(x) == 1\n    x = [2]": "inside: the name x",
    "from solution import f\ndef test_a(): pass\ndef helper(n=f(1)): pass": "inside: the parameters of helper",
    "from solution import f\nassert f(1) == 2  # def test": "inside: no test function",
}  # fmt: skip
"""Bodies of functions, and whole sources for pytest."""
SCRIPT = {
    "from solution import f\nassert f(1) == 2": "from solution import f -> f(1): 2",
    "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1), 2)\nif __name__ == '__main__':\n    unittest.main()": "from solution import f -> f(1): 2",
    "import unittest\nfrom solution import f\nunittest.main()\nassert f(1) == 2": "inside: a statement behind unittest.main",
    "import unittest\nfrom solution import f\nassert f(1) == 2\nunittest.main(exit=False)": "from solution import f -> f(1): 2",
    "import unittest\nfrom solution import f\nassert f(1) == 2\nunittest.main(argv=['x', 'T'])": "inside: a call that is no assertion",
    "import sys\nfrom solution import f\nsys.exit(f(1) != 2)": "inside: a call that is no assertion",
}  # fmt: skip
"""Scripts."""

CASE = "class T(unittest.TestCase):\n    def test_a(self):\n        "
FUNCTION = "import pytest\nfrom solution import f, S\ndef test_a():\n    "


def whole(kind, source):
    """Return the source of a test of a table."""
    if kind == "unittest" and not source.startswith(("class ", "@")):
        return CASE + source.replace("\n", "\n        ")
    if kind == "pytest" and "def test" not in source:
        return FUNCTION + source.replace("\n", "\n    ")
    return source


def text(reading):
    """Return a reading as the tables have it: `before -> expression: expected / ...`."""
    if not reading.checks:
        return f"inside: {reading.why_inside}{reading.problem}"
    parts = []
    for check in reading.checks:
        before = check.before.replace("\n    ", " ").replace("\n", "; ")
        expected = check.condition.expected if check.condition else f"raises {' or '.join(check.raises)}"
        parts.append(f"{before} -> {check.expression}: {expected}" if before else f"{check.expression}: {expected}")
    return " / ".join(parts)


def rows(kind, table):
    return [pytest.param(kind, *row, id=f"{kind} {number}") for number, row in enumerate(table.items())]


@pytest.mark.parametrize(
    ("kind", "source", "wanted"),
    [*rows("assert", ASSERT), *rows("unittest", UNITTEST), *rows("pytest", PYTEST), *rows("script", SCRIPT)],
)
def test_a_test_is_read_as_checks_or_runs_inside(kind, source, wanted):
    if kind == "assert":
        (reading,) = read_asserts((source,), "")
    else:
        reading = read_file(whole(kind, source), "", kind, "solution")
    found = text(reading).replace("from solution import f, S -> ", "")
    assert found == wanted


ANEW = "inside: a name of the setup, which the program may bind anew"


@pytest.mark.parametrize(
    ("setup", "source", "wanted"),
    [
        ("from math import isclose", "assert isclose(len(f(2)), 4.0)", ANEW),
        ("from math import *", "assert isclose(f(2), 4.0)", ANEW),
        ("", "assert isclose(f(2), 4.0)", "inside: a truth value that the test computes"),
        ("def same(a, b): return a == b", "assert same(f(2), 4)", "inside: the name same"),
        ("def make(n): return [n]", "assert f(make(2)) == 4", "inside: the name make"),
        ("no Python", "assert f(2) == 4", "f(2): 4"),
    ],
)
def test_names_of_a_setup_are_a_librarys_or_the_tests_own(setup, source, wanted):
    assert text(read_asserts((source,), setup)[0]) == wanted


def test_a_comparison_names_the_builtins_that_it_means():
    test = "assert isinstance(f(1), list)\nassert abs(f(2) - 3) < 1\nassert type(f(3)) is int\nassert f(4) == 5"
    checks = read_asserts((test,), "")[0].checks
    named = [sorted(check.condition.builtins) if check.condition else [] for check in checks]
    assert named == [["isinstance", "list"], ["abs"], ["int", "type"], []]


def test_assert_tests_share_their_names():
    tests = ("xs = [3, 1]\nassert f(xs) == [1, 3]", "assert xs == [3, 1]")
    assert [text(reading) for reading in read_asserts(tests, "")] == ["xs = [3, 1] -> f(xs): [1, 3]", "xs: [3, 1]"]
    beside = (*tests, "for x in xs: y = x", "assert y == f(1)")
    assert [text(reading) for reading in read_asserts(beside, "")] == [
        "inside: names that a test inside may need",
        "xs: [3, 1]",
        "inside: the statement For",
        "inside: the name y",
    ]
    assert text(read_asserts(("assert f(1) == 2", "("), "")[0]).startswith("inside: the test cannot be compiled")
    assert text(read_asserts(("assert f(1) == 2", "x = '" + "a" * 100_000 + "'"), "")[0]) == "inside: the length"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("xs = [3, 1]\nassert f(xs) == 4", "f([3, 1])"),
        ("def check(g):\n    assert g(2) == 4\ncheck(Solution().f)", "Solution().f(2)"),
        (f"xs = {[7] * 50}\nassert f(xs) == 4", "f(xs)"),
        ("x = f(1)\nassert x == 4", "x"),
    ],
)
def test_people_are_shown_literals_and_functions_in_the_place_of_names(source, shown):
    assert read_asserts((source,), "")[0].checks[0].shown == shown


@pytest.mark.parametrize(
    ("source", "is_the_solutions"),
    [("f(2)", True), (" f(2)", True), ("sorted(f(2))", True), ("S().f(2)", True), ("f(2) == 4", False), ("f(g(2))", True),
     ("f(2)[0]", True), ("[f(2)]", False), ("", False), ("(", False), ("same(f(2), 4)", True), ("g(f(2) == 4)", False)],
)  # fmt: skip
def test_an_expression_is_the_solutions_value_or_one_that_the_test_makes(source, is_the_solutions):
    assert read_expression(source, "") == is_the_solutions
