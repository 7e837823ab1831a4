# ruff: noqa: E501 - tables of programs
"""Feedback shows a debugger the values, the statement and the program's line, the same each time."""

import pytest

from iterpref_core.execution import Program
from iterpref_core.execution.protocol.value_texts import clean
from iterpref_core.execution.ruling.operands import with_kept_operands
from iterpref_core.records import AssertTest, IoTest, PytestTest, ScriptTest, StdinTest, UnittestTest
from tests.texts import read_table


def of_case(body):
    return UnittestTest(code=f"import unittest\nclass T(unittest.TestCase):\n{body}")


def of_pytest(body):
    return PytestTest(code=f"import pytest\nfrom solution import f\n{body}")


ZERO = "def f(x): return 0"
RAISES = "def f(x):\n    y = x + 'a'\n    return y"
TYPE_ERROR = "TypeError: unsupported operand type(s) for +: 'int' and 'str', line 2: y = x + 'a', in the test: "
LOOKUP = "def f(d, k):\n    return d[k]"
NO_KEY = "KeyError: 'k', line 2: return d[k], in the test: "
POINT = "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int\ndef f(n): return P(n, n)"
HYPOTHESIS = "from hypothesis import given, settings, strategies as st\n@settings(derandomize=True, database=None)\n"
LINES = "'\\n'.join(f'line {i}' for i in range(30)"
SQUARES = "for k in (1, 3, 4):\n            with self.subTest(k=k):\n                r = f(k)\n                self.assertEqual(r, k * k)"
WRONG_SQUARE = "def f(x): return x * x if x != 3 else 0"
SEEN = "(k=3): self.assertEqual(r, k * k) failed: 0 != 9; r is 0, k is 3, after r = f(k)"
TEXTS = [*read_table(r"""
def f(x): return 0 | for x, want in [(1, 0), (5, 6)]:\n    assert f(x) == want | assert f(x) == want failed: f(x) is 0, want is 6, x is 5
def f(x): return 0 | def check(g):\n    for x in (0, 3):\n        assert g(x) == x * x\ncheck(f) | assert g(x) == x * x failed: g(x) is 0, x * x is 9, x is 3, in check(f)
def f(x): return 0 | r = f(3)\nassert r == 4 | assert r == 4 failed: r is 0, after r = f(3)
def f(x): return 0 | for i in (0, 2):\n    r = f(i)\n    assert r == i * i | assert r == i * i failed: r is 0, i * i is 4, i is 2, after r = f(i)
def f(x): return 0 | import pytest\nwith pytest.raises(ValueError):\n    f(-1) | with pytest.raises(ValueError): f(-1) failed: DID NOT RAISE ValueError
def f(xs): xs.reverse() | xs = [1, 2]\nf(xs)\nassert xs == [1, 2] | assert xs == [1, 2] failed: xs is [2, 1], after f(xs)
def f(x): return 0 | x = 2\nassert f(x) == 4, f'square of {x}' | assert f(x) == 4, f'square of {x}' failed: square of 2; f(x) is 0, x is 2
def f(x): return [1] | x = 2\nassert not f(x) | assert not f(x) failed: f(x) is [1], x is 2
def f(x): return 0 | x = 2\nassert isinstance(f(x), str) | assert isinstance(f(x), str) failed: f(x) is 0, x is 2
def f(x): return 0 | x = 2\nassert 1 < f(x) < 3 | assert 1 < f(x) < 3 failed: f(x) is 0, x is 2
def f(x): return 0 | x = 2\nassert (y := f(x)) and (f(x)\n  == 'é') | assert (y := f(x)) and f(x) == 'é' failed: y is 0, x is 2
class A: pass\ndef f(x): return [A(), A()] | x = 3\nassert f(x) == [1] | assert f(x) == [1] failed: f(x) is [<solution.A object at 0x...>, <solution.A object at 0x...>], x is 3
def f(x):\n    y = x + 'a'\n    return y | x = 1\nassert f(x) == 1 | TypeError: unsupported operand type(s) for +: 'int' and 'str', line 2: y = x + 'a', in the test: assert f(x) == 1; x is 1
def f(x): return 0 | x = 1\nassert f(x, 2) == 1 | TypeError: f() takes 1 positional argument but 2 were given, in the test: assert f(x, 2) == 1; x is 1
class A:\n    def __repr__(self): raise SystemExit\ndef f(x): return A() | x = 1\nassert f(x) == 1 | assert f(x) == 1 failed: f(x) is <SystemExit while A was shown>, x is 1
"""),
    ("def f(x): return 'a\\nx\\n'", of_pytest("def test_a():\n    assert f(1) == 'a\\nb\\n'"), "test_a: assert f(1) == 'a\\nb\\n' failed: 'a\\nx\\n' == 'a\\nb\\n'"),
    ("def f(x): return hex(x)", IoTest(call="f(3735928559)", expected="'0xdeadbee'"), "f(3735928559) returned '0xdeadbeef', expected '0xdeadbee'"),
    ("def f(x): return x.rstrip('/')", IoTest(call="f('/job/')", expected="'/jobs'"), "f('/job/') returned '/job', expected '/jobs'"),
    ("def f(): return {**{f'k{i}': i for i in range(30)}, 'k17': 0}", IoTest(call="f()", expected=repr({f"k{i}": i for i in range(30)})), "f() returned ...'k14': 14, 'k15': 15, 'k16': 16, 'k17': 0, 'k18': 18, 'k19': 19, 'k2': 2, 'k20': 20, 'k21': 21, 'k22': 22, 'k23': ..., expected ...'k14': 14, 'k15': 15, 'k16': 16, 'k17': 17, 'k18': 18, 'k19': 19, 'k2': 2, 'k20': 20, 'k21': 21, 'k22': 22, 'k23':..., which differ at character 103"),
    (ZERO, of_case("    def setUp(self): self.n = 2\n    def test_it(self):\n        self.assertEqual(f(self.n), 4)"), "test_it: self.assertEqual(f(self.n), 4) failed: 0 != 4"),
    (ZERO, of_case("    def test_it(self):\n        for k in (0, 3):\n            with self.subTest(k=k):\n                self.assertEqual(f(k), k)"), "test_it (k=3): self.assertEqual(f(k), k) failed: 0 != 3; k is 3"),
    (RAISES, of_case("    def test_it(self):\n        self.assertEqual(f(1), 4)"), f"test_it: {TYPE_ERROR}self.assertEqual(f(1), 4)"),
    (ZERO, of_pytest("def test_a():\n    for x in (0, 5):\n        assert f(x) == x"), "test_a: assert f(x) == x failed: 0 == 5, where 0 = f(5); x is 5"),
    (RAISES, of_pytest("def test_a():\n    assert f(1) == 2"), f"test_a: {TYPE_ERROR}assert f(1) == 2"),
    (ZERO, of_pytest("@pytest.mark.xfail(strict=True)\ndef test_a():\n    assert f(1) == 0"), "test_a: [XPASS(strict)]"),
    ("def f(x): yield x", of_pytest("def test_a():\n    assert f(1) == [1]"), "test_a: assert f(1) == [1] failed: <generator ob...0x...> == [1]"),
    (ZERO, ScriptTest(module="solution", files={"t.py": "from solution import f\nfor x in (0, 5):\n    assert f(x) == x"}, run="t.py"), "assert f(x) == x failed: f(x) is 0, x is 5"),
    ("def f(): return 300 * 'a' + 'b' + 300 * 'c'", IoTest(call="f()", expected=repr(300 * "a" + "x" + 300 * "c")), f"f() returned ...{40 * 'a'}b{73 * 'c'}..., expected ...{40 * 'a'}x{73 * 'c'}..., which differ at character 301"),
    # A test goes on after a failing `subTest`, and its names get other values.
    (WRONG_SQUARE, of_case(f"    def test_it(self):\n        {SQUARES}"), f"test_it {SEEN}"),
    (WRONG_SQUARE, of_pytest(f"import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        {SQUARES}"), f"T::test_it {SEEN}"),
    (WRONG_SQUARE, of_pytest("def test_a(subtests):\n    for k in (1, 3, 4):\n        with subtests.test(k=k):\n            assert f(k) == 9"), "test_a (k=1): assert f(k) == 9 failed: 1 == 9, where 1 = f(1); k is 1"),
    # What a heading announces
    ("def f(x): return {1, x}", of_pytest("def test_a():\n    assert f(9) == {1, -2, -3}"), "test_a: assert f(9) == {1, -2, -3} failed: {1, 9} == {-3, -2, 1}; Extra items in the left set: 9; Extra items in the right set: -3; -2"),
    (POINT, of_pytest("from solution import P\ndef test_a():\n    assert f(1) == P(1, 2)"), "test_a: assert f(1) == P(1, 2) failed: P(x=1, y=1) == P(x=1, y=2); Differing attributes: ['y']; Drill down into differing attribute y: y: 1 != 2"),
    ("def f(x): return x", of_pytest("def test_a():\n    assert 'b' not in f('abc')"), "test_a: assert 'b' not in f('abc') failed: 'b' not in 'abc'; 'b' is contained here: abc"),
    ("def f(n): return min(n, 17)", of_pytest(f"{HYPOTHESIS}@given(st.integers(0, 99))\ndef test_a(n):\n    assert f(n) == n"), "test_a: assert f(n) == n failed: 17 == 18, where 17 = f(18); Failing test case: test_a( n=18, ); n is 18"),
    ("def f(x): return [1]", of_case("    def test_it(self): self.assertCountEqual(f(1), [1, 2])"), "test_it: self.assertCountEqual(f(1), [1, 2]) failed: Element counts were not equal: First has 0, Second has 1:  2"),
    # Advice that nobody can follow, and values that are cut where they differ
    ("def f(x): return {'a': 1, 'b': 3}", of_pytest("def test_a():\n    assert f(1) == {'a': 1, 'b': 2}"), "test_a: assert f(1) == {'a': 1, 'b': 2} failed: {'a': 1, 'b': 3} == {'a': 1, 'b': 2}; Differing items: {'b': 3} != {'b': 2}"),
    ("def f(x): return 'ab' * 90 + x + 'cd' * 90", of_pytest("def test_a():\n    assert f('X') == 'ab' * 90 + 'Y' + 'cd' * 90"), "test_a: assert f('X') == 'ab' * 90 + 'Y' + 'cd' * 90 failed: 'abababababab...dcdcdcdcdcdcd' == 'abababababab...dcdcdcdcdcdcd'; the first lines that differ: abababababXcdcdcdcdc and abababababYcdcdcdcdc"),
    (f"def f(x): return {LINES} if i != x)", of_pytest(f"def test_a():\n    assert f(23) == {LINES})"), f"test_a: assert f(23) == {LINES[:10]}({LINES[10:]})) failed: 'line 0\\nline...e 28\\nline 29' == 'line 0\\nline...e 28\\nline 29'; only the second has the line: line 23"),
    ("def f(x): return 299 * 'x'", of_case("    def test_it(self):\n        self.assertEqual(f(1), 300 * 'x')"), f"test_it: self.assertEqual(f(1), 300 * 'x') failed: 'xxxx[234 chars]{61 * 'x'}' != 'xxxx[234 chars]{62 * 'x'}'; the first lines that differ: ...{40 * 'x'} and ...{41 * 'x'}, which differ at character 299"),
    # Letters that look alike
    ("def f(x): return 'cafe\\u0301'", IoTest(call="f(1)", expected="'caf\u00e9'"), "f(1) returned 'cafe\u0301', expected 'caf\u00e9', where 'e' is not '\\xe9'"),
    ("def f(x): return 'c\\u0430t'", of_pytest("def test_a():\n    assert f(1) == 'cat'"), "test_a: assert f(1) == 'cat' failed: 'c\u0430t' == 'cat', where '\\u0430' is not 'a'"),
    ("def f(x): return ['c\\u0430t']", of_case("    def test_it(self): self.assertEqual(f(1), ['cat'])"), "test_it: self.assertEqual(f(1), ['cat']) failed: Lists differ: ['c\u0430t'] != ['cat']; First differing element 0: 'c\u0430t'; 'cat', where '\\u0430' is not 'a'"),
    ("print('caf\u00e9')", StdinTest(input="", output="cafe\u0301"), "the program, given '', printed 'caf\u00e9\\n', expected 'cafe\u0301', where '\\xe9' is not 'e'"),
    ("def f(x): return '\\u212b'", IoTest(call="f(1)", expected="'\u00c5'"), "f(1) returned '\u212b', expected '\u00c5', where '\\u212b' is not '\\xc5'"),
    ("def f(x): return '\u518d'", IoTest(call="f(1)", expected="'\u4f60'"), "f(1) returned '\u518d', expected '\u4f60'"),
    # Another error than a test expects
    (LOOKUP, of_pytest("def test_a():\n    with pytest.raises(ValueError):\n        d = {}\n        f(d, 'k')"), f"test_a: {NO_KEY}with pytest.raises(ValueError): f(d, 'k'); d is {{}}"),
    (LOOKUP, of_case("    def test_it(self):\n        with self.assertRaises(ValueError): f({}, 'k')"), f"test_it: {NO_KEY}with self.assertRaises(ValueError): f({{}}, 'k')"),
    (LOOKUP, of_case("    def test_it(self):\n        self.assertRaises(ValueError, f, {}, 'k')"), f"test_it: {NO_KEY}self.assertRaises(ValueError, f, {{}}, 'k')"),
    ("async def f(x): return x", IoTest(call="f(1)", expected="1"), "f(1) returned an object of type coroutine, expected 1"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "test", "text"), TEXTS)
def test_feedback_has_values_statements_and_lines(executor, code, test, text):
    test = AssertTest(code=test) if isinstance(test, str) else test
    outcome = executor.run_one(Program(code, (test,), inside=True))
    assert outcome.feedback == text
    verdicts = {"KeyError": "exception", "TypeError": "exception", "coroutine": "bad_return_type"}
    assert outcome.verdict == next((verdicts[word] for word in verdicts if word in text), "wrong_answer")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def f(x): raise ExceptionGroup('two', [KeyError('user'), ValueError(1)])", "two (2 sub-exceptions); KeyError: 'user'; ValueError: 1"),
        ("def f(x):\n    error = KeyError(x)\n    error.add_note('of the user')\n    raise error", "KeyError: 1; of the user"),
    ],
)  # fmt: skip
def test_errors_of_a_group_and_notes_are_shown(executor, code, told):
    outcome = executor.run_one(Program(code, (IoTest(call="f(1)", expected="2"),)))
    assert told in outcome.feedback


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<A object at 0x7f00fe300880>", "<A object at 0x...>"),
        ("<generator ob...x7f00fe300880>", "<generator ob...0x...>"),
        ("<generator ob...00880>", "<generator ob...0x...>"),
        ("<A object at 0x7f0...", "<A object at 0x......"),
        ("cut off at 0x7f0", "cut off at 0x..."),
        ("0x1f is 31, ...", "0x1f is 31, ..."),
    ],
)
def test_no_address_is_shown_not_even_a_cut_one(text, shown):
    assert clean(text, 100) == shown


@pytest.mark.parametrize("source", ["assert 1, x", "assert (\n  f(1)\n  ==\n  '\u00e9\u00e9' 'a')", "assert [x for x in y] != (z, )", "x = 1", "assert (", "assert lambda: 0", "assert f(*a)"])  # fmt: skip
def test_kept_operands_move_no_line_and_stay_python(source):
    kept = with_kept_operands(source)
    assert kept.count("\n") == source.count("\n")
    if source != "assert (":
        compile(kept, "", "exec")
