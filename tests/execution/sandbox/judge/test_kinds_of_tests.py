# ruff: noqa: E501 - a table of tests and programs
"""Kinds of tests, each with right programs, which pass wherever they are judged, and wrong ones, which none passes outside.

Plain Python is the oracle: it passes the right program and fails the wrong one.
"""

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest
from tests.execution.sandbox.judge.plain_python import each_passes_in_plain_python
from tests.execution.tiers import tiers

pytestmark = pytest.mark.named_tier

NP = "import numpy as np\n"
VEC = "class V:\n    def __init__(self, *a): self.a = a\n    def __eq__(self, o): return self.a == (o.a if isinstance(o, V) else o)\n    def __add__(self, o): return V(*(x + y for x, y in zip(self.a, o.a)))\n    def __contains__(self, x): return x in self.a\n    def __hash__(self): return 1\n"
CASES = {
    # objects of libraries, handed over
    "a queue": ("import queue\nq = queue.Queue()\nf(q)\nassert q.get() == 1", "def f(q): q.put(1)", "def f(q): q.put(2)"),
    "a lock": ("import threading\nlock = threading.Lock()\nassert f(lock) == 3 and not lock.locked()", "def f(lock):\n    with lock: return 3", "def f(lock):\n    lock.acquire()\n    return 3"),
    "a pattern": ("import re\nassert f(re.compile('a+'), 'baa') == 'aa'", "def f(p, s): return p.search(s)[0]", "def f(p, s): return ''"),
    "a match": ("import re\nm = re.match('(a)', 'a')\nassert f(m) == 'a'", "def f(m): return m.group(1)", "def f(m): return 'b'"),
    "a generator of numbers": ("import random\nr = random.Random(3)\nassert f(r) == random.Random(3).random()", "def f(r): return r.random()", "def f(r): return 0.5"),
    "a namespace": ("import types\nassert f(types.SimpleNamespace(a=2)) == 2", "def f(n): return n.a", "def f(n): return 3"),
    "a calendar": ("import calendar\nassert f(calendar.TextCalendar()) == 0", "def f(c): return c.getfirstweekday()", "def f(c): return 1"),
    "an element": ("import xml.etree.ElementTree as E\nassert f(E.fromstring('<a><b/></a>')) == 1", "def f(e): return len(list(e))", "def f(e): return 2"),
    "a date with a zone": ("import datetime, zoneinfo\nassert f(datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo('UTC'))) == 'UTC'", "def f(d): return d.tzname()", "def f(d): return ''"),
    "a generator of numpy": (NP + "assert f(np.random.default_rng(1)) == np.random.default_rng(1).integers(9)", "def f(r): return r.integers(9)", "def f(r): return 10"),
    # the state of the process
    "the folder": ("import os\nold = os.getcwd()\nf()\nassert os.getcwd() != old", "import os\ndef f(): os.chdir('/')", "def f(): pass"),
    "an environment variable": ("import os\nf('A', 'b')\nassert os.environ['A'] == 'b'", "import os\ndef f(k, v): os.environ[k] = v", "def f(k, v): pass"),
    "a precision": ("from decimal import Decimal\nf(3)\nassert str(Decimal(1) / Decimal(3)) == '0.333'", "import decimal\ndef f(n): decimal.getcontext().prec = n", "def f(n): pass"),
    "a seed": ("import random\nf(3)\na = random.randint(0, 10**9)\nf(3)\nassert a == random.randint(0, 10**9)", "import random\ndef f(n): random.seed(n)", "def f(n): pass"),
    "a seed, by the program's module": ("random.seed(1)\nassert f() == random.Random(1).random()", "import random\ndef f(): return random.random()", "import random\ndef f(): return 2"),
    "a seed of numpy": (NP + "f(3)\na = np.random.rand()\nf(3)\nassert a == np.random.rand()", NP + "def f(n): np.random.seed(n)", NP + "def f(n): pass"),
    "a logger's level": ("import logging\nf()\nassert logging.getLogger('x').level == 10", "import logging\ndef f(): logging.getLogger('x').setLevel(10)", "def f(): pass"),
    "a recursion limit": ("import sys\nf(3000)\nassert sys.getrecursionlimit() == 3000", "import sys\ndef f(n): sys.setrecursionlimit(n)", "def f(n): pass"),
    "modules": ("import sys\nf()\nassert 'nturl2path' in sys.modules", "def f(): import nturl2path", "def f(): pass"),
    "a signal": ("import signal\nf()\nassert signal.getsignal(signal.SIGUSR1) != signal.SIG_DFL", "import signal\ndef f(): signal.signal(signal.SIGUSR1, lambda *a: None)", "def f(): pass"),
    "a replaced stream": ("import sys\nsys.stdin = __import__('io').StringIO('5')\nassert f() == 5", "def f(): return int(input())", "def f(): return 4"),
    # identity
    "an id": ("a = f()\nassert id(a) == id(f())", "X = []\ndef f(): return X", "def f(): return []"),
    "a singleton": ("assert S() is S()", "class S:\n    one = None\n    def __new__(cls):\n        cls.one = cls.one or super().__new__(cls)\n        return cls.one", "class S: pass"),
    "a copy": ("x = [1]\ny = f(x)\nassert y == x and y is not x", "def f(x): return list(x)", "def f(x): return x"),
    "a cycle of the test's nodes": ("class N: next = None\na, b, c = N(), N(), N()\na.next, b.next, c.next = b, c, b\nassert f(a) and not f(N())", "def f(n):\n    seen = set()\n    while n is not None:\n        if id(n) in seen: return True\n        seen.add(id(n))\n        n = n.next\n    return False", "def f(n): return True"),
    "nodes in a dictionary": ("class N:\n    def __init__(self, *n): self.n = n\na = N()\nassert f(N(a, N(a), a)) == 3", "def f(n):\n    seen = {}\n    def go(n):\n        if n in seen: return\n        seen[n] = 1\n        for m in n.n: go(m)\n    go(n)\n    return len(seen)", "def f(n): return 4"),
    # subclasses of builtins
    "a list of the solution": ("s = S([1, 2])\ns.push(3)\nassert isinstance(s, list) and s == [1, 2, 3] and len(s) == 3 and s[-1] == 3", "class S(list):\n    def push(self, x): self.append(x)", "class S(list):\n    def push(self, x): pass"),
    "a dictionary of the solution": ("d = D(a=1)\nassert d.a == 1 and dict(d) == {'a': 1} and sorted(d) == ['a']", "class D(dict):\n    def __getattr__(self, n): return self[n]", "class D(dict):\n    def __getattr__(self, n): return 2"),
    "a text of the solution": ("n = N('ab')\nassert n.twice() == 'abab' and n.upper() == 'AB' and n + 'c' == 'abc'", "class N(str):\n    def twice(self): return self * 2", "class N(str):\n    def twice(self): return ''"),
    "a number of the solution": ("m = M(3)\nassert m.half() == 1.5 and m + 1 == 4 and int(m) == 3", "class M(int):\n    def half(self): return self / 2", "class M(int):\n    def half(self): return 2"),
    "a list that a function returns": ("import json\nassert json.dumps(f(3)) == '[0, 1, 2]'", "def f(n): return list(range(n))", "def f(n): return []"),
    "a named tuple": ("p = f()\nassert p.x == 1 and p[1] == 2 and isinstance(p, tuple)", "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return P(1, 2)", "def f(): return (1, 2)"),
    "members of an enumeration": ("assert [c.name for c in C] == ['A', 'B'] and C['A'].value == 1 and C(2).name == 'B'", "import enum\nclass C(enum.Enum):\n    A = 1\n    B = 2", "import enum\nclass C(enum.Enum):\n    A = 1"),
    "a default dictionary in place": ("import collections\nd = collections.defaultdict(list)\nf(d)\nassert d['x'] == 0", "def f(d): d.default_factory = int", "def f(d): pass"),
    # decorators
    "a function counted": ("@count\ndef g(): return 1\ng(); g()\nassert g.calls == 2", "def count(g):\n    def call():\n        call.calls += 1\n        return g()\n    call.calls = 0\n    return call", "def count(g):\n    g.calls = 0\n    return g"),
    "a function registered": ("@route('/a')\ndef a(): return 1\nassert ROUTES['/a']() == 1 and a() == 1", "ROUTES = {}\ndef route(p):\n    def mark(g):\n        ROUTES[p] = g\n        return g\n    return mark", "ROUTES = {'/a': lambda: 2}\ndef route(p): return lambda g: g"),
    "a recursion through a memory": ("fib = memo(lambda n: n if n < 2 else fib(n - 1) + fib(n - 2))\nassert fib(200) == 280571172992510140037611932413038677189525", "def memo(g):\n    seen = {}\n    def call(n):\n        if n not in seen: seen[n] = g(n)\n        return seen[n]\n    return call", "def memo(g): return lambda n: n"),
    # exceptions with behavior
    "an error that is completed": ("class E(Exception): pass\ndef g(): raise E('x')\ntry: f(g)\nexcept E as e: seen = e.attempts\nassert seen == 3", "def f(g):\n    try: g()\n    except Exception as e:\n        e.attempts = 3\n        raise", "def f(g):\n    try: g()\n    except Exception as e:\n        e.attempts = 2\n        raise"),
    "an error with a method": ("try: f()\nexcept E as e: seen = (e.describe(), e.code, str(e))\nassert seen == ('E 4', 4, 'no')", "class E(Exception):\n    def __init__(self, m, code):\n        super().__init__(m)\n        self.code = code\n    def describe(self): return f'E {self.code}'\ndef f(): raise E('no', 4)", "class E(Exception):\n    code = 5\n    def describe(self): return 'E 4'\ndef f(): raise E('no')"),
    "errors that are made and compared": ("assert E(1) == E(1) and E(1) != E(2) and E(3).code == 3", "class E(Exception):\n    def __init__(self, code):\n        super().__init__(code)\n        self.code = code\n    def __eq__(self, o): return self.code == o.code\n    __hash__ = None", "class E(Exception):\n    code = 3"),
    "an error that is asked in a callback": ("seen = []\nf(lambda e: seen.append(str(e)))\nassert seen == ['bad']", "def f(g):\n    try: raise ValueError('bad')\n    except ValueError as e: g(e)", "def f(g): g('worse')"),
    # values that change in place
    "a shape": (NP + "a = np.arange(6)\nf(a)\nassert a.shape == (2, 3) and a[1, 2] == 5", "def f(a): a.shape = (2, 3)", "def f(a): a.shape = (3, 2)"),
    "a size": (NP + "a = np.arange(3)\nf(a)\nassert a.tolist() == [0, 1]", "def f(a): a.resize(2, refcheck=False)", "def f(a): pass"),
    "a type of numbers": (NP + "a = np.arange(2)\nf(a)\nassert a.dtype == np.uint64", "def f(a): a.dtype = 'u8'", "def f(a): pass"),
    "an array that is closed": (NP + "a = np.arange(2)\nf(a)\nassert not a.flags.writeable", "def f(a): a.flags.writeable = False", "def f(a): pass"),
    "rows": ("a = [[1], [2]]\nf(a)\nassert a == [[1, 0], [2, 0]]", "def f(a):\n    for r in a: r.append(0)", "def f(a): a.append([0])"),
    "a list that is kept": ("k = K()\nxs = [1]\nk.take(xs)\nk.add(2)\nassert xs == [1, 2]", "class K:\n    def take(self, xs): self.xs = xs\n    def add(self, x): self.xs.append(x)", "class K:\n    def take(self, xs): self.xs = list(xs)\n    def add(self, x): self.xs.append(x)"),
    "a list that a method returns": ("b = B()\nb.items().append(9)\nassert b.items() == []", "class B:\n    def __init__(self): self.x = []\n    def items(self): return list(self.x)", "class B:\n    def __init__(self): self.x = []\n    def items(self): return self.x"),
    "a list that a function returns, and keeps": ("x = [[1]]\ny = f(x)\ny[0][0] = 5\ny.append(2)\nassert x == [[1]]", "import copy\ndef f(x): return copy.deepcopy(x)", "def f(x): return list(x)"),
    # objects under test
    "what an object contains": ("v = V(1, 2)\nassert 2 in v and 3 not in v", VEC, "class V:\n    def __init__(self, *a): self.a = a\n    def __contains__(self, x): return True"),
    "what a built object contains": ("t = T().add('a').add('b')\nassert 'a' in t and 'c' not in t", "class T:\n    def __init__(self): self.a = []\n    def add(self, x):\n        self.a.append(x)\n        return self\n    def __iter__(self): return iter(self.a)\n    def __contains__(self, x): return x in self.a", "class T:\n    def add(self, x): return self\n    def __iter__(self): return iter('c')"),
    "objects in a list": ("assert [V(1), V(2)] == [(1,), (2,)]", VEC, VEC.replace("return self.a ==", "return self.a !=")),
    "a sum of objects": ("assert V(1) + V(2) == V(3)", VEC, VEC.replace("x + y", "x - y")),
    # helpers of a setup, and names
    "a formatted text": ("assert '{:>5.1f}|{}'.format(f(2), 1) == '  4.0|1'", "def f(x): return x * 2", "def f(x): return x"),
    "a class of the test, handed over": ("class P:\n    def __init__(self, n): self.n = n\n    def __lt__(self, o): return self.n < o.n\nassert [p.n for p in f([P(2), P(1)])] == [1, 2]", "def f(ps): return sorted(ps)", "def f(ps): return ps"),
    "a thread that calls back": ("seen = []\nf(seen.append)\nassert sorted(seen) == [0, 1, 2]", "import threading\ndef f(g):\n    ts = [threading.Thread(target=g, args=(n,)) for n in range(3)]\n    for t in ts: t.start()\n    for t in ts: t.join()", "def f(g): g(0)"),
    "an evaluated text": ("assert eval(f(3)) == 3", "def f(n): return str(n)", "def f(n): return '4'"),
    "a pickled object": ("import pickle\nassert pickle.loads(f([1])) == [1]", "import pickle\ndef f(x): return pickle.dumps(x)", "import pickle\ndef f(x): return pickle.dumps([2])"),
    "a mapping": ("import collections.abc\nassert isinstance(f(), collections.abc.Mapping)", "def f(): return {}", "def f(): return []"),
    "a member of a library": ("from http import HTTPStatus\nassert f(200) is HTTPStatus.OK", "from http import HTTPStatus\ndef f(n): return HTTPStatus(n)", "def f(n): return n"),
    "a coroutine": ("import asyncio\nassert asyncio.run(f(2)) == 4", "async def f(x): return x * 2", "async def f(x): return x"),
    "a warning": ("import warnings\nwith warnings.catch_warnings(record=True) as w:\n    warnings.simplefilter('always')\n    f()\nassert len(w) == 1", "import warnings\ndef f(): warnings.warn('x')", "def f(): pass"),
}  # fmt: skip
"""By name: the test, a right program, a wrong one."""


@pytest.fixture(scope="module", params=tiers("kinds of tests"))
def executor(request):
    with Executor(Limits(cpu_s=3, wall_s=20), workers=2, namespaces=request.param == "A") as executor:
        yield executor


@pytest.fixture(scope="module")
def plain():
    """By name: whether plain Python passes the right program, and the wrong one."""
    pairs = [(code, test) for test, *codes in CASES.values() for code in codes]
    passed = each_passes_in_plain_python(pairs)
    return dict(zip(CASES, zip(passed[::2], passed[1::2], strict=True), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_right_program_passes_wherever_it_is_judged_and_a_wrong_one_passes_nowhere(executor, plain, name):
    test, right, wrong = CASES[name]
    assert plain[name] == (True, False)
    outcome = executor.run_one(Program(right, (AssertTest(code=test),)))
    assert outcome.verdict == "passed", outcome
    outcome = executor.run_one(Program(wrong, (AssertTest(code=test),)))
    assert outcome.verdict not in ("passed", "infra_error"), outcome
