# ruff: noqa: E501 - a table of programs
"""Liars: programs whose `f(2)` is not 4, and that try to pass a test that says so.

They answer comparisons as they like, end before a test does, report in its place, look for what is expected, and put
files, names and modules in the way of the test.
"""

LIAR = "class L({base}):\n    def __eq__(self, o): {test}\n    def __ne__(self, o): return not self == o\n"
LIAR += "    __hash__ = None\n    def __gt__(self, o): return True\n    __ge__ = __lt__ = __le__ = __gt__\n"
REPORTS = "import gc, os, types\ndef f(x):\n    for found in gc.get_objects():\n        if isinstance(found, types.FunctionType) and found.__name__ == 'report':\n            {}\n"
LIARS = {
    "equal": LIAR.format(base="object", test="return True") + "def f(x): return L()",
    "equal int": LIAR.format(base="int", test="return True") + "def f(x): return L(0)",
    "equal to numbers": LIAR.format(base="object", test="return type(o).__name__ == 'int'") + "def f(x): return L()",
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
    "patched builtins": "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.all = lambda *a: True\n"
                        "builtins.exec = lambda *a: None\nbuiltins.eval = lambda *a: 4\n"
                        "builtins.compile = lambda *a, **k: '0'\ndef f(x): return 0",
    "wrong": "def f(x): return x + 1",
    # objects that answer every comparison
    "every operator": "import operator\nclass L:\n    pass\nfor n in 'eq ne lt le gt ge contains'.split():\n    setattr(L, f'__{n}__', lambda *a: True)\n"
                      "for n in 'add sub mul truediv floordiv mod pow neg abs radd rsub rmul round int float index'.split():\n    setattr(L, f'__{n}__', lambda *a: 4)\n"
                      "L.__hash__ = lambda s: hash(4)\nL.__bool__ = lambda s: True\nL.__len__ = lambda s: 4\nL.__iter__ = lambda s: iter([])\ndef f(x): return L()",
    "str subclass": LIAR.format(base="str", test="return True") + "def f(x): return L('4')",
    "list subclass": LIAR.format(base="list", test="return True") + "def f(x): return L([4])",
    "tuple subclass": LIAR.format(base="tuple", test="return True") + "def f(x): return L((4,))",
    "float subclass": LIAR.format(base="float", test="return True") + "def f(x): return L(7.5)",
    "claims to be int": LIAR.format(base="object", test="return True") + "    __class__ = int\n    def __int__(s): return 5\n    __index__ = __int__\ndef f(x): return L()",
    "class as function": "class f:\n    def __init__(s, x): pass\n    def __eq__(s, o): return True\n    def __hash__(s): return 4\n    def __gt__(s, o): return True\n    __lt__ = __ge__ = __le__ = __gt__\n    def __sub__(s, o): return 0\n    __rsub__ = __sub__\n",
    "metaclass as function": "class M(type):\n    def __call__(c, x): return c\n    def __eq__(c, o): return True\n    def __hash__(c): return 4\nclass f(metaclass=M): pass",
    "capitalized name": "class Square:\n    def __init__(s, x): pass\n    def __eq__(s, o): return True\n    __hash__ = None\nf = Square",
    "renamed class": "class Square:\n    def __new__(c, x): return object.__new__(c)\n    def __eq__(s, o): return True\n    __hash__ = None\nf = Square\nSquare.__name__ = 'Number'",
    "enumeration": "import enum\nclass E(enum.IntEnum):\n    A = 5\n    def __eq__(s, o): return True\n    __hash__ = int.__hash__\ndef f(x): return E.A",
    "named tuple": "from typing import NamedTuple\nclass N(NamedTuple):\n    a: int = 4\nN.__eq__ = lambda s, o: True\ndef f(x): return N()",
    "decimal subclass": "from decimal import Decimal\nclass D(Decimal):\n    def __eq__(s, o): return True\n    __hash__ = None\ndef f(x): return D(5)",
    "fraction patched": "from fractions import Fraction\nFraction.__eq__ = lambda s, o: True\nFraction.__sub__ = Fraction.__rsub__ = lambda s, o: 0\ndef f(x): return Fraction(1, 3)",
    "numpy array": "import numpy as np\ndef f(x): return np.arange(3, 6)",
    "numpy half": "import numpy as np\ndef f(x): return np.float16('inf')",
    "numpy subclass": "import numpy as np\nclass A(np.ndarray):\n    def __eq__(s, o): return True\ndef f(x): return np.zeros(1).view(A)",
    "mock": "import unittest.mock\ndef f(x): return unittest.mock.ANY",
    "mock as function": "import unittest.mock\nf = unittest.mock.MagicMock(return_value=unittest.mock.ANY)",
    "mock's class as function": "import unittest.mock\nf = type(unittest.mock.ANY)",
    "namespace": "import types\nclass N(types.SimpleNamespace):\n    def __eq__(s, o): return True\ndef f(x): return N()",
    "weak proxy": LIAR.format(base="object", test="return True") + "import weakref\nl = L()\ndef f(x): return weakref.proxy(l)",
    "inside a list": LIAR.format(base="object", test="return True") + "def f(x): return [L()]",
    "inside a set": LIAR.format(base="object", test="return True") + "L.__hash__ = lambda s: 4\ndef f(x): return {L()}",
    "generator": "def f(x):\n    yield 4",
    "iterator of everything": "class I:\n    def __iter__(s): return s\n    def __next__(s): return 4\n    def __eq__(s, o): return True\n    __hash__ = None\ndef f(x): return I()",
    "coroutine": "async def f(x): return 4",
    "partial": "import functools\ndef f(x): return functools.partial(int, 4)",
    "sometimes": "class L:\n    n = 0\n    def __eq__(s, o): L.n += 1; return L.n % 2 == 1\n    __hash__ = None\ndef f(x): return L()",
    "copies what it is compared with": "class L:\n    def __eq__(s, o): s.v = o; return True\n    __hash__ = None\n    def __repr__(s): return '4'\ndef f(x): return L()",
    # endings
    "exit with a pass": "def f(x): raise SystemExit(None)",
    "keyboard interrupt": "def f(x): raise KeyboardInterrupt",
    "generator exit": "def f(x): raise GeneratorExit",
    "stop iteration": "def f(x): raise StopIteration(4)",
    "base exception": "class E(BaseException): pass\ndef f(x): raise E",
    "named as a skip": "class SkipTest(Exception): pass\nSkipTest.__module__ = 'unittest.case'\ndef f(x): raise SkipTest('no')",
    "pytest skip": "import pytest\ndef f(x): pytest.skip('no')",
    "pytest exit": "import pytest\ndef f(x): pytest.exit('done', 0)",
    "pytest xfail": "import pytest\ndef f(x): pytest.xfail('expected')",
    "pytest outcomes": "import _pytest.outcomes as o\ndef f(x): raise o.Skipped('no')",
    "bdb quit": "import bdb\ndef f(x): raise bdb.BdbQuit",
    "cancelled": "import asyncio\ndef f(x): raise asyncio.CancelledError",
    "exit at load": "import os\nos._exit(0)",
    "killed by itself": "import os, signal\ndef f(x): os.kill(os.getpid(), signal.SIGKILL)",
    "exits later": "import os, threading\nthreading.Timer(0.01, os._exit, (0,)).start()\ndef f(x): return x",
    "at exit": "import atexit, os\natexit.register(lambda: os.write(3, b'x'))\ndef f(x): raise SystemExit(0)",
    # reports and steps
    "forges reports": "import os\nfor n in range(3, 1024):\n    try: os.write(n, b'-1 loaded 0 \\n0 value 0 4\\n0 passed 0 \\n1 done 0 \\n')\n    except OSError: pass\nos._exit(0)\ndef f(x): return 0",
    "reports by the harness": REPORTS.format("for n in range(9):\n                for kind in ('passed', 'returned', 'done'): found(n, kind, 0, '')\n            os._exit(0)"),
    "reports true values": REPORTS.format("for n in range(9): found(n, 'value', 0, 'true')\n            os._exit(0)"),
    "reports with the key": REPORTS.format("key = next(c.cell_contents for c in found.__closure__ if type(c.cell_contents) is str)\n            for n in range(3, 1024):\n                try: os.write(n, f'{{key}} 0 passed 0 \\n{{key}} 1 done 0 \\n'.encode())\n                except OSError: pass\n            os._exit(0)"),
    "reads the steps": "import re, sys\ndef f(x):\n    frame, seen = sys._getframe(1), ''\n    while frame:\n        seen += repr([*frame.f_locals.values()])\n        seen += repr([vars(v) for v in frame.f_locals.values() if hasattr(v, '_steps')])\n        frame = frame.f_back\n    found = re.search(r'f\\(%d\\)\\D+(\\d+)' % x, seen)\n    return int(found[1]) if found else 0",
    "reads other names": "import sys\ndef f(x):\n    for module in [*sys.modules.values()]:\n        for name in ('n', 'want', 'expected'):\n            if type(getattr(module, name, None)) is int: return getattr(module, name)\n    return 0",
    "patches the harness": "import sys\ndef f(x):\n    frame = sys._getframe(1)\n    while frame:\n        for name in ('returned', 'summarize', 'encode', '_computed', '_tree'):\n            if name in frame.f_globals: frame.f_globals[name] = lambda *a, **k: ('value', 'true')\n        for name in ('RUNNERS',):\n            for kind in frame.f_globals.get(name, ()): frame.f_globals[name][kind] = lambda *a: None\n        frame = frame.f_back\n    return 5",
    "patches the encoder": "import gc, types\nfor o in gc.get_objects():\n    if isinstance(o, types.FunctionType) and o.__name__ in ('encode', 'summarize'): o.__code__ = (lambda value, *, lenient=False: 'true').__code__\ndef f(x): return 5",
    "closes the channel": "import os\ndef f(x): os.closerange(3, 1024)",
    # values that cost
    "colliding set": "def f(x): return {n * (2**61 - 1) for n in range(3000)}",
    "many values": "def f(x): return list(range(2 * 10**5))",
    "long text": "def f(x): return 'x' * (33 << 20)",
    "deep value": "def f(x):\n    v = []\n    for _ in range(10**5): v = [v]\n    return v",
    "cyclic value": "def f(x):\n    v = []\n    v.append(v)\n    return v",
    "huge number": "def f(x): return 10 ** 10**5",
    # other processes and files
    "signals": "import os, signal\ndef f(x):\n    for pid in [*range(1, 40), *range(os.getpid() - 3, os.getpid() + 9), os.getppid(), -1]:\n        if pid != os.getpid():\n"
               "            for s in (0, signal.SIGKILL):\n                try: os.kill(pid, s)\n                except OSError: pass\n    return 5",
    "traces": "import ctypes, os\nlibc = ctypes.CDLL(None)\ndef f(x):\n    for pid in range(os.getpid() - 3, os.getpid() + 9): libc.ptrace(16, pid, 0, 0)\n    return 5",
    "reads memory": "import os, re\ndef f(x):\n    for pid in ['self', *range(1, 40), *range(os.getpid() - 3, os.getpid() + 9)]:\n        for name in ('mem', 'environ', 'maps', 'fd/3', 'cwd/expected.txt', 'cmdline'):\n"
                    "            try: found = open(f'/proc/{pid}/{name}', 'rb').read(1 << 20)\n            except OSError: continue\n            if b'4' == found.strip(): return 4\n    return 5",
    "reads its own memory": "import gc, re\ndef f(x):\n    for o in gc.get_objects():\n        if type(o) in (dict, list, tuple):\n            found = re.search(r'f\\(2\\) == (\\d+)', repr(o)[:2000])\n            if found: return int(found[1])\n    return 5",
    "writes modules": "PATCH = 'class E(int):\\n    pass\\n'\nfor name in ('helper', 'unittest', 'pytest', 'random', 'conftest', 'test_solution', 't', 'sitecustomize', 'json'):\n"
                      "    open(name + '.py', 'w').write('import builtins, os\\nos._exit(0)\\ndef wanted(): return 5\\n')\ndef f(x): return 5",
    "writes conftest.py": "open('conftest.py', 'w').write('import pytest\\ndef pytest_runtest_call(item): item.runtest = lambda: None\\n')\nopen('pytest.ini', 'w').write('[pytest]\\naddopts = --collect-only\\n')\ndef f(x): return 5",
    "patches sys.modules": "import sys, types\nfor name in ('unittest', 'pytest', 'unittest.case', 't', '__main__'):\n    sys.modules[name] = types.ModuleType(name)\ndef f(x): return 5",
    "own load_tests": "import unittest\ndef load_tests(*a): return unittest.TestSuite()\ndef setUpModule(): raise unittest.SkipTest('no')\nclass T(unittest.TestCase):\n    def test_two(self): pass\ndef f(x): return 5",
    "shadows builtins": "def len(x): return 4\ndef abs(x): return 0\ndef sorted(x): return [4, 9]\ndef all(x): return True\ndef isinstance(*a): return True\ndef range(*a): return []\ndef f(x): return 5",
    "shadows names of the test": "check = lambda g: None\nok = True\nright = 2\nT = None\nhelper = None\nn = 2\nsquare = 5\ndef f(x): return 5",
    "shadows libraries": "class math:\n    isclose = staticmethod(lambda *a, **k: True)\n    sqrt = staticmethod(lambda x: 2)\ndef f(x): return 5",
    "makes libraries": "import types\nmath = types.ModuleType('math')\nmath.isclose = lambda *a, **k: True\ndef f(x): return 5",
    "shadows unittest": "class unittest:\n    class TestCase:\n        pass\n    def main(*a): pass\ndef f(x): return 5",
    "all names": "def __getattr__(name): return lambda *a: True\nclass AssertionError(Exception): pass\ndef f(x): return 5",
    "patches the stack": "import sys, ctypes\ndef f(x):\n    frame = sys._getframe()\n    while frame:\n        for name in list(frame.f_locals):\n            if name in ('result', 'reply', 'value', 'kind'): frame.f_locals[name] = 4\n        frame = frame.f_back\n    return 5",
    "traces calls": "import sys\nsys.setprofile(lambda frame, event, arg: None)\nsys.settrace(lambda *a: None)\ndef f(x): return 5",
    "warns": "import warnings\nclass W(Warning):\n    def __eq__(s, o): return True\n    __hash__ = None\ndef f(x): warnings.warn(W('x')); return 5",
    "warns with a skip": "import unittest, warnings\ndef f(x): warnings.showwarning(unittest.SkipTest('x'), Warning, '', 1); return 5",
    "prints a report": "def f(x): print('0 passed 0 \\n1 done 0 \\nOK\\n1 passed'); return 5",
}  # fmt: skip
