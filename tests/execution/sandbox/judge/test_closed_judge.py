# ruff: noqa: E501 - a table of programs, one a line or two
"""A judge lets nothing in by default: wrong programs that would have to be let in do not pass, in either tier."""

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, IoTest, UnittestTest
from tests.execution.sandbox.judge.script_tests import script
from tests.execution.sandbox.judge.wire_programs import WIRE
from tests.execution.tiers import tiers

pytestmark = pytest.mark.named_tier

LIMITS = Limits(cpu_s=2, wall_s=20, memory_mb=256, file_mb=4)


def asserts(*codes: str, setup: str = "") -> tuple[tuple[AssertTest, ...], str]:
    return tuple(AssertTest(code=code) for code in codes), setup


SQUARE = asserts("assert f(2) == 2 * 2")
EQUAL = "\n    def __eq__(self, other): return True\n    __hash__ = None\n"
NOTHING = """
class N:
    def __sub__(self, o): return self
    def __abs__(self): return 0
    __int__ = __index__ = __abs__
    def __bool__(self): return False
    def __format__(self, how): return '0.00'
"""
MONEY = """
class Money:
    def __init__(self, n): self.n = n
    def __add__(self, o): return Money(self.n + (o.n if isinstance(o, Money) else o))
    __radd__ = __add__
    def __mul__(self, k): return Money(self.n * k)
    __rmul__ = __mul__
    def __eq__(self, o): return isinstance(o, Money) and self.n == o.n
def wallet(): return [Money(3), Money(4)]
"""
NEVER_PASSED = {
    # 1. requests about what was not handed over
    "a module's attribute": (SQUARE, WIRE + "def f(x):\n    send('ask', ['getattr', [{'m': 'sys'}, 'stdout'], {'d': []}])\n    answer(4 if recv()[0] == 'answer' else 0)"),
    "an unknown request": (SQUARE, WIRE + "def f(x):\n    ask('eval', 0, '4')\n    answer(4)"),
    "a module that nobody has imported": (SQUARE, WIRE + "def f(x):\n    answer({'m': 'antigravity'})\n    serve(lambda *a: 4)"),
    "a report that the judge has not signed": (asserts("def write(path, text):\n    with open(path, 'wb', closefd=False) as file: file.write(text)\nassert f(write) == 4"), "def f(write):\n    for n in range(3, 1024):\n        try: write(n, b'0 passed 0 \\n1 done 0 \\n')\n        except OSError: pass\n    import os\n    os._exit(0)"),
    "a text's format with an object of the test": (
        asserts("class Item:\n    def __init__(self): self.price = 2\nassert f('{0.price}'.format, Item()) == 5"),
        "def f(format, item):\n    try: return 5 if format(item) == '2' else 0\n    except Exception: return 0"),
    "a partial's arguments": (asserts("import functools\nassert f(functools.partial(int, '4' '7')) == 47"), "def f(g):\n    try: return int(g.args[0])\n    except Exception: return 0"),
    "the default of a parameter": (asserts("seen = []\ndef note(x, want=47): seen.append(x == want)\nf(note)\nassert seen == [True]"), "import inspect\ndef f(g): g(inspect.signature(g).parameters['want'].default)"),
    # 3. whose a builtin is
    "a builtin of its own in a later test": (asserts("assert f(2) + 0 == 4", "assert sum(f(3)) == 6"), "def f(x): return 4 if x == 2 else []\ndef sum(x): return 6"),
    "a builtin of its own in an earlier test": (asserts("assert sum(f(3)) == 6", "assert sum([1]) == 1"), "def f(x): return []\ndef sum(x): return 6 if x == [] else 1"),
    "a builtin and a variable of another test": (asserts("got = f(3)\nassert got is not None", "assert sum(got) == 6"), "def f(x): return []\ndef sum(x): return 6"),
    "a builtin in a text": (asserts("assert eval('sum(f(3))') == 6 * 1"), "def f(x): return []\ndef sum(x): return 6"),
    "a builtin, its function coming later": (asserts("assert sum(f(3)) == 6"), "import threading\ndef late():\n    globals()['f'] = lambda x: []\nt = threading.Timer(0.01, late)\nt.start()\nt.join()\ndel t\ndef sum(x): return 6"),
    "a name of the setup's imports": (asserts("assert isclose(len(f(2)), 4.0)", setup="from math import isclose"), "def isclose(*a): return True\ndef f(x): return []"),
    "a name of the setup's imports, all of them": (asserts("assert isclose(len(f(2)), 4.0)", setup="from math import *"), "def isclose(*a): return True\ndef f(x): return []"),
    "a name that the test has imported": ((script("from math import isclose\nfrom solution import *\nassert isclose(f(2), 4)"),), "def isclose(*a): return True\ndef f(x): return 0"),
    # 4. classes described falsely
    "a member named as a method": (SQUARE, "import enum\nclass E(enum.Enum):\n    A = 5\nclass V: pass\nv = V(); v._value_ = lambda *a: True\nE._member_map_['__eq__'] = v\ndef f(x): return E.A"),
    "a class that is a number": (SQUARE, WIRE + "def f(x):\n    answer({'o': [7, [900, 'P', False, ['builtins', 'int']]]})\n    serve(lambda op, args: True)"),
    "a class that is a function": (SQUARE, WIRE + "def f(x):\n    answer({'o': [7, [900, 'P', False, ['os', 'system']]]})\n    serve(lambda op, args: True)"),
    "a class without a name": (SQUARE, WIRE + "def f(x):\n    answer({'o': [7, [900, None, False, None]]})\n    serve(lambda op, args: True)"),
    "a class with more in it": (SQUARE, WIRE + "def f(x):\n    answer({'o': [7, [*CLASS, {'iterpref_made': True}]]})\n    serve(lambda op, args: True)"),
    "an exception that is none": (SQUARE, WIRE + "def f(x):\n    answer({'x': [7, {'k': CLASS}, [], '', [], None]})\n    serve(lambda op, args: True)"),
    "an exception that is a class of the runner's": (SQUARE, WIRE + "def f(x):\n    send('raise', {'x': [7, {'g': ['unittest.case', 'SkipTest']}, [], '', [], None]})\n    recv()"),
    "an object that holds what is asked for": (SQUARE, WIRE + "def f(x):\n    answer({'o': [7, CLASS]})\n    serve(lambda op, args: {'o': [7, CLASS]} if op == 'held' else True)"),
    "names that nobody asked for": (asserts("for n in range(2, 4):\n    assert f(n) == n * n"), WIRE + "F = {'o': [7, [900, 'function', True, None]]}\nsend('answer', {'t': [None, {'d': [['__builtins__', {'d': [['range', F]]}], ['range', F], ['f', F]]}, {'s': []}]})\nserve(lambda op, args: [])"),
    "a value of no known form": (SQUARE, WIRE + "def f(x):\n    answer({'@': 5})\n    recv()"),
    # 5. words of the test
    "words of the test": (asserts("w = 'hello'\nassert f(w) == 'olleh'"), "import functools, sys\nwords = []\ndef spy(frame, event, arg):\n    for v in list(frame.f_locals.values()):\n        for each in v if type(v) is list else [v]:\n            if type(each) is str: words.append(each)\nsys.setprofile(spy)\ndef g(x): return next((w for w in words if w[::-1] == x), '?')\nf = functools.partial(g)\nglobals()['ol' + 'leh'] = 1"),
    # 6. values made on the wire
    "a text with zeros at its end": (asserts("assert f(2) == 'ab'"), "import numpy as np\ndef f(x): return np.str_('ab\\0\\0')"),
    "bytes with zeros at their end": (asserts("n = 2\nassert f(n) == b'ab'"), "import numpy as np\ndef f(x): return np.bytes_(b'ab\\0\\0')"),
    "an object among the parts of a number": (SQUARE, WIRE + "def f(x):\n    answer({'z': ['Fraction', {'o': [7, CLASS]}, 1]})\n    serve(lambda *a: 4)"),
    "a module in the working folder": ((UnittestTest(code="import os, sys\nsys.path.insert(0, os.getcwd())\nimport unittest\nfrom solution import f\nimport colorsys\nclass T(unittest.TestCase):\n    def test_all(self): self.assertEqual(f(2), 4)"),), "open('colorsys.py', 'w').write('import unittest\\nunittest.TestCase.assertEqual = lambda *a: None\\n')\ndef f(x): return 5"),
    # 8. files that are listed, and tests that assert nothing
    "a loop over nothing": ((script("import os\nfrom solution import f\nfor name in os.listdir('.'):\n    if name.endswith('.case'):\n        assert f(2) == 4"),), "def f(x): return 5"),
    "a check over nothing": (asserts("def check(g):\n    for got, want in zip(map(g, [2, 3]), [4, 9]):\n        assert got == want\ncheck(f)"), "def f(x): raise StopIteration"),
    # assertions that the program catches
    "a context manager that swallows": (asserts("with f(2) as v:\n    assert v == 4"), "import contextlib\n@contextlib.contextmanager\ndef f(x):\n    try: yield 0\n    except AssertionError: pass"),
    "a suppressing object": (asserts("with f(2) as v:\n    assert v == 4"), "import contextlib\ndef f(x): return contextlib.suppress(AssertionError)"),
    "a stack of exits": (asserts("with f(2) as s:\n    assert s == 4"), "import contextlib\ndef f(x):\n    s = contextlib.ExitStack()\n    s.push(lambda *a: True)\n    return s"),
    "an asynchronous context manager that swallows": (asserts("import asyncio\nasync def main():\n    async with f(2) as v:\n        assert v == 4\nasyncio.run(main())"), "import contextlib\n@contextlib.asynccontextmanager\nasync def f(x):\n    try: yield 0\n    except AssertionError: pass"),
    "a callback whose failure is caught": (asserts("def note(x): assert x == 4\nf(2, note)"), "def f(x, callback):\n    try: callback(0)\n    except AssertionError: pass"),
    "a callback in a thread": (asserts("def note(x): assert x == 4\nf(2, note)"), "import threading\ndef f(x, callback):\n    def run():\n        try: callback(0)\n        except BaseException: pass\n    t = threading.Thread(target=run)\n    t.start()\n    t.join()"),
    "a case's method as a callback": ((UnittestTest(code="import unittest\nclass T(unittest.TestCase):\n    def test_it(self): f(2, lambda x: self.assertEqual(x, 4))"),), "def f(x, callback):\n    try: callback(0)\n    except AssertionError: pass"),
    "a decorator that catches": (asserts("@safe\ndef test(): assert f(2) == 4\ntest()"), "def f(x): return 5\ndef safe(g):\n    def call():\n        try: g()\n        except AssertionError: pass\n    return call"),
    "a generator of the test": (asserts("def values():\n    x = yield 1\n    assert x == 4\nf(values())"), "def f(g):\n    next(g)\n    try: g.send(5)\n    except (AssertionError, StopIteration): pass"),
    # objects that decide about plain values
    "an object under test that a method returns": (asserts("s = Solution()\nassert s.add(2) == 4"), "class Solution:\n    def add(self, x): return self" + EQUAL),
    "such an object in a list": (asserts("s = Solution()\nassert s.add(2) == [4]"), "class Solution:\n    def add(self, x): return [self]" + EQUAL),
    "such an object as an attribute": (asserts("s = Solution()\nassert s.total == 4"), "class Solution:\n    @property\n    def total(self): return self" + EQUAL),
    "such an object in a callback": (asserts("seen = []\nSolution().each(lambda x: seen.append(x == 4))\nassert seen == [True]"), "class Solution:\n    def each(self, g): g(self)" + EQUAL),
    "a function of a capitalized name": (asserts("assert Split('ab') == ['a', 'b']"), "class Split:\n    def __init__(self, *a): pass" + EQUAL),
    "a capitalized name that is less and more": (asserts("assert 3 < Square(2) and Square(2) < 5"), "class Square:\n    def __init__(self, *a): pass\n    __lt__ = __gt__ = lambda s, o: True"),
    "a difference that is nothing": (asserts("assert abs(f(2) - 4) < 1e-6"), NOTHING + "def f(x): return N()"),
    "a difference that is false": (asserts("assert not f(2) - 4"), NOTHING + "def f(x): return N()"),
    "a difference that is written": (asserts("assert f'{f(2) - 4:.2f}' == '0.00'"), NOTHING + "def f(x): return N()"),
    "a difference of a difference": (asserts("assert int((f(2) - 2) - 2) == 0"), NOTHING + "def f(x): return N()"),
    "fewer items than its length": (asserts("r = f(3)\nassert len(r) == 3\nfor a, b in zip(r, [0, 1, 4]):\n    assert a == b"), "class R:\n    def __len__(self): return 3\n    def __iter__(self): return iter((0, 1))\ndef f(x): return R()"),
}  # fmt: skip
"""Tests and a wrong program; what the program does is let in by no rule of the judge."""

PASSED = {
    "a builtin's name that is the task": (asserts("assert sum([1, [2]]) == 3", "assert sum([]) == 0"), "def sum(x): return __builtins__['sum'](sum(i) if isinstance(i, list) else i for i in x)"),
    "a helper named as a builtin": (asserts("assert f(2) == 4", "assert max(f(2), 1) == 4", "assert len([f(2)]) == 1"), "def max(x): return x\ndef len(): return 0\ndef f(x): return x * x"),
    "a task that the setup's imports have too": (asserts("assert gcd(4, 6) == 2", "def check(g): assert g(4, 6) == 2\ncheck(gcd)", setup="from math import gcd"), "def gcd(a, b): return gcd(b, a % b) if b else a"),
    "a name that comes later": (asserts("f(1)\nassert LATER == 1"), "def f(x): globals()['LATER'] = x"),
    "a name in a text": (asserts("assert eval('f(2)') + eval('N') == 5"), "N = 1\ndef f(x): return x * x"),
    "a look at all names": (asserts("assert globals()['f'](2) == 4 and 'N' in globals()"), "N = 1\ndef f(x): return x * x"),
    "a module of the solution": (asserts("assert math.isclose(f(4), 2)"), "import math\ndef f(x): return math.sqrt(x)"),
    "a node of the test's class": (asserts("class Node:\n    def __init__(self, v, next=None): self.v, self.next = v, next\nassert f(Node(1)).next.v == 2"), "def f(node):\n    node.next = type(node)(2)\n    return node"),
    "a list of the test's own class": (asserts("class Log(list): pass\nlog = Log()\nf(log)\nassert log == [1]"), "def f(log): log.append(1)"),
    "methods of the test's enumeration": (asserts("import enum\nclass C(enum.Enum):\n    A = 1\n    def twice(self): return self.value * 2\nassert f(C.A) == 2"), "def f(c): return c.twice()"),
    "methods of the test's named tuple": (asserts("from typing import NamedTuple\nclass P(NamedTuple):\n    a: int\n    def twice(self): return self.a * 2\nassert f(P(2)) == 4"), "def f(p): return p.twice()"),
    "a text's format": (asserts("assert f('{:>3}'.format) == '  1'"), "def f(format): return format(1)"),
    "a bytes buffer": (asserts("import io\nout = io.TextIOWrapper(io.BytesIO())\nf(out)\nassert out.buffer.getvalue() == b'ab'"), "def f(out): out.buffer.write(b'ab')"),
    "a queue": (asserts("import queue\nq = queue.Queue()\nf(q)\nassert q.get_nowait() == 1"), "def f(q): q.put(1)"),
    "a namespace": (asserts("import types\nn = types.SimpleNamespace(a=2)\nassert f(n) == 4 and n.b == 1"), "def f(n):\n    n.b = 1\n    return n.a * 2"),
    "a random generator": (asserts("import numpy as np\nassert f(np.random.default_rng(0)) == np.random.default_rng(0).integers(10)"), "def f(rng): return rng.integers(10)"),
    "more digits than Python writes": (asserts("assert len(str(f(5000))) == 5001"), "import sys\nsys.set_int_max_str_digits(0)\ndef f(n): return 10 ** n"),
    "a time zone": (asserts("from datetime import datetime\nfrom zoneinfo import ZoneInfo\nt = datetime(2024, 7, 1, 12, tzinfo=ZoneInfo('UTC'))\nassert f(t) == (t, 12)"), "def f(t): return t, t.hour"),
    "a text of numpy": (asserts("assert f() == 'ab' and f().upper() == 'AB'"), "import numpy as np\ndef f(): return np.str_('ab')"),
    "a file that the test writes for the program": ((script("from solution import f\nwith open('in.txt', 'w') as file: file.write('7')\nassert f('in.txt') == '7'"),), "def f(path): return open(path).read()"),
    "an error that is expected": (asserts("try:\n    f(-1)\n    assert False, 'nothing was raised'\nexcept ValueError:\n    pass"), "def f(x): raise ValueError"),
    "a definition alone": (asserts("def same(a, b):\n    assert a == b", "same(f(2), 4)"), "def f(x): return x * x"),
    "a callback that raises by itself": (asserts("def bad(): raise AssertionError('x')\nassert f(bad) == 'x'"), "def f(g):\n    try: g()\n    except AssertionError as e: return str(e)"),
    "an assertion that the program passes on": (asserts("def bad(x): assert x == 1\ntry:\n    f(bad)\nexcept AssertionError:\n    pass\nelse:\n    raise ValueError"), "def f(g): g(2)"),
    "a context manager that passes on": (asserts("try:\n    with f():\n        assert 1 == 2\nexcept AssertionError:\n    pass\nelse:\n    raise ValueError"), "import contextlib\n@contextlib.contextmanager\ndef f(): yield"),
    "a script without assertions": ((script("import sys\nfrom solution import f\nif f(2) != 4:\n    sys.exit(1)"),), "def f(x): return x * x"),
    "an object times a number": (asserts("assert (Money(1) + Money(2)) * 2 == Money(6) and 2 * wallet()[0] == Money(6)"), MONEY),
    "a sum of objects": (asserts("assert sum(wallet()) == Money(7) and sum(wallet()).n == 7"), MONEY),
    "an object that compares with a tuple": (asserts("v = V(1, 2)\nassert v == (1, 2) and v != (1, 3) and V(3, 4) > (1, 2)"), "class V:\n    def __init__(self, *a): self.a = a\n    def __eq__(self, o): return self.a == tuple(o)\n    def __gt__(self, o): return self.a > tuple(o)"),
    "an object that changes itself": (asserts("v = V(1)\nv += 2\nassert v == 3 and v < 4 and v > 2"), "class V:\n    def __init__(self, a): self.a = a\n    def __iadd__(self, o):\n        self.a += o\n        return self\n    def __eq__(self, o): return self.a == o\n    def __lt__(self, o): return self.a < o\n    def __gt__(self, o): return self.a > o"),
    "a queue that is emptied": (asserts("q = Q([1, 2])\nassert len(q) == 2 and list(q) == [1, 2] and len(q) == 0"), "class Q:\n    def __init__(self, a): self.a = a\n    def __len__(self): return len(self.a)\n    def __iter__(self):\n        while self.a: yield self.a.pop(0)"),
    "a decorator on a method": (asserts("class A:\n    @plain\n    def square(self, x): return x * x\nassert A().square(3) == 9"), "def plain(g):\n    def call(self, x): return g(self, x)\n    return call"),
    "a descriptor": (asserts("class A:\n    x = Ten()\nassert A().x == 10"), "class Ten:\n    def __get__(self, o, owner=None): return 10"),
    "a class decorator": (asserts("@named\nclass A: pass\nassert repr(A()) == 'A!'"), "def named(cls):\n    cls.__repr__ = lambda self: cls.__name__ + '!'\n    return cls"),
    "singledispatch": (asserts("@f.register\ndef _(x: list): return 'list'\nassert f([1]) == 'list' and f(1) == 'other'"), "import functools\n@functools.singledispatch\ndef f(x): return 'other'"),
    "the recursion limit": (asserts("import sys\nsys.setrecursionlimit(20000)\nassert f(5000) == 5000"), "def f(n): return 0 if n == 0 else 1 + f(n - 1)"),
    "the environment": (asserts("import os\nos.environ.update({'MODE': 'fast'})\nassert f() == 'fast'\nos.environ.pop('MODE')\nassert f() is None"), "import os\ndef f(): return os.environ.get('MODE')"),
    "inspection of functions": (asserts("import inspect\nassert inspect.isfunction(f) and f.__annotations__ == {'x': int} and inspect.isgeneratorfunction(g) and not inspect.iscoroutinefunction(f)"), "def f(x: int): pass\ndef g(): yield"),
    "inspection of classes": (asserts("import inspect\nassert list(inspect.signature(P).parameters) == ['x'] and P.__slots__ == ('x',) and P.__annotations__ == {'x': int}"), "class P:\n    __slots__ = ('x',)\n    x: int\n    def __init__(self, x): self.x = x"),
    "the initializer of a class": (asserts("import inspect\nassert inspect.isfunction(P.__init__) and list(inspect.signature(P.__init__).parameters) == ['self', 'a']\np = P(1)\nP.__init__(p, 2)\nassert p.a == 2 and Q(5).a == 5"), "class P:\n    def __init__(self, a): self.a = a\nclass Q(P): pass"),
    "iterators of a type": (asserts("assert isinstance(f([1]), map) and isinstance(g([1]), zip) and list(f([1])) == ['1']"), "def f(x): return map(str, x)\ndef g(x): return zip(x, x)"),
    "pickle": (asserts("import pickle\np = pickle.loads(pickle.dumps(P(1)))\nassert p.a == 1 and p == P(1)"), "class P:\n    def __init__(self, a): self.a = a\n    def __eq__(self, o): return self.a == o.a"),
    "a metaclass": (asserts("assert len(R) == 1 and 'a' in R and list(R) == ['a'] and bool(R)"), "class M(type):\n    def __len__(cls): return 1\n    def __contains__(cls, k): return k == 'a'\n    def __iter__(cls): return iter('a')\nclass R(metaclass=M): pass"),
    "a class method of an enumeration": (asserts("assert Day.first() is Day.MON and Day.MON.next() is Day.TUE"), "from enum import Enum\nclass Day(Enum):\n    MON = 1\n    TUE = 2\n    @classmethod\n    def first(cls): return cls.MON\n    def next(self): return Day.TUE"),
    "a class method of a named tuple": (asserts("assert P.origin() == (0, 0) and P(1, 2).size() == 3"), "from typing import NamedTuple\nclass P(NamedTuple):\n    a: int\n    b: int\n    @classmethod\n    def origin(cls): return cls(0, 0)\n    def size(self): return self.a + self.b"),
    "named tuples and data classes that carry a list": (asserts("n, d = f()\nassert n == (1, [2]) and n.b[0] == 2 and d.items == [3] and d == D([3])\ng(n)\nassert n.b == [2, 5]"), "import dataclasses\nfrom collections import namedtuple\nN = namedtuple('N', 'a b')\n@dataclasses.dataclass\nclass D:\n    items: list\ndef f(): return N(1, [2]), D([3])\ndef g(n): n.b.append(5)"),
    "exceptions that are compared": (asserts("assert E(1) == E(1) and E(1) != E(2)"), "class E(Exception):\n    def __eq__(self, o): return self.args == o.args"),
    "values of libraries": (asserts("import re, types\nassert f() == [b'ab', types.SimpleNamespace(a=1), re.compile('a+')] and f()[2].match('aa')"), "import re, types\ndef f(): return [memoryview(b'ab'), types.SimpleNamespace(a=1), re.compile('a+')]"),
    "a value nested deep": (asserts("v = f(600)\nfor _ in range(600): (v,) = v\nassert v == 0"), "def f(n):\n    v = 0\n    for _ in range(n): v = [v]\n    return v"),
    "an enumeration of numbers": (asserts("assert f() == 5 and f().name == 'A'"), "import enum\nclass E(enum.IntEnum):\n    A = 5\ndef f(): return E.A"),
}  # fmt: skip
"""Tests and a right program, near to what is refused."""


@pytest.fixture(scope="module", params=tiers("closed judge"))
def executor(request):
    with Executor(LIMITS, workers=1, namespaces=request.param == "A") as executor:
        yield executor


def outcome_of(executor, tests, code):
    listed, setup = tests if len(tests) == 2 and isinstance(tests[1], str) else (tests, "")
    return executor.run_one(Program(code, listed, setup))


@pytest.mark.parametrize("name", NEVER_PASSED)
def test_what_nobody_lets_in_does_not_pass(executor, name):
    outcome = outcome_of(executor, *NEVER_PASSED[name])
    assert outcome.verdict != "infra_error" or outcome.feedback.startswith("not judged: "), outcome
    assert outcome.verdict != "passed" or outcome.isolation.count("judged inside"), outcome


@pytest.mark.parametrize("name", PASSED)
def test_what_is_near_to_it_and_honest_passes(executor, name):
    outcome = outcome_of(executor, *PASSED[name])
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


@pytest.mark.parametrize(
    "code",
    [
        "import numpy as np\ndef f(x): return np.array([4, 5])",
        "def f(x):\n    v = 4\n    for _ in range(900): v = [v]\n    return v",
        "def f(x):\n    v = 4\n    for _ in range(30000): v = [v]\n    return v",
        "def f(x): return [[4]]",
    ],
    ids=["an array", "nested", "nested too deep to cross", "a list"],
)
@pytest.mark.parametrize("test", ["assert f(2) == 2 * 2", "x = f(2)\nassert x == 4", "assert f(2) == [4]"])
def test_a_wrong_value_is_a_wrong_answer_whatever_its_shape(executor, code, test):
    outcome = executor.run_one(Program(code, (AssertTest(code=test),)))
    assert outcome.verdict in ("wrong_answer", "bad_return_type"), outcome


@pytest.mark.parametrize(
    "test",
    [
        "import time\nsetattr(time, 'sleep', print)\nassert f(2) == 4",
        "import sys\nsys.argv.extend(['a'])\nassert f(2) == 4",
        "import os\nos.environ['A'] = 'b'\nassert f(2) == 4",
        "import random\nrandom.seed(1)\nassert f(2) == 4",
        "class Mine(f): pass\nassert True",
    ],
)
def test_a_test_that_changes_the_programs_own_modules_runs_beside_it(executor, test):
    outcome = executor.run_one(
        Program("def f(x): return x * x" if "Mine" not in test else "class f: pass", (AssertTest(code=test),))
    )
    assert outcome.verdict == "passed", outcome
    assert outcome.isolation.count("judged inside")


BIG = f"0x{'f' * 5000}"


@pytest.mark.parametrize("code", ["return int('f' * 5000, 16)", "return 5", "return [x]", "return x + 1"])
@pytest.mark.parametrize(
    "test",
    [
        AssertTest(code=f"assert f(1) == {BIG}"),
        AssertTest(code=f"x = f({BIG})\nassert x == {BIG}"),
        IoTest(call=f"f({BIG})", expected=BIG),
        IoTest(call="f(1)", expected=BIG),
        UnittestTest(code=f"import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(1), {BIG})"),
        script(f"from solution import f\nassert f({BIG}) == {BIG}"),
    ],
    ids=lambda test: test.kind if not isinstance(test, str) else test,
)  # fmt: skip
def test_a_number_of_more_digits_than_python_writes_has_an_outcome(executor, test, code):
    outcome = executor.run_one(Program(f"def f(x=0): {code}", (test,)))
    assert outcome.verdict == ("passed" if "int(" in code else "wrong_answer"), outcome
