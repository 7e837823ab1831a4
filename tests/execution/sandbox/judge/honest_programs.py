# ruff: noqa: E501 - a table of programs
"""Honest programs and tests of many forms, each of which plain Python passes; a judge must say the same.

By name: the kind of test, the program, and the test's source. `unittest` and `pytest` sources import what they use
from `solution`, so that Python can run them as they stand.
"""

U = "import unittest\nfrom solution import *\nimport solution\nclass T(unittest.TestCase):\n"
VECTOR = """
class Vector:
    def __init__(self, x, y): self.x, self.y = x, y
    def __eq__(self, other): return (self.x, self.y) == (tuple(other) if isinstance(other, tuple) else (other.x, other.y))
    def __hash__(self): return hash((self.x, self.y))
    def __add__(self, other): return Vector(self.x + other.x, self.y + other.y)
    def __mul__(self, k): return Vector(self.x * k, self.y * k)
    __rmul__ = __mul__
    def __neg__(self): return Vector(-self.x, -self.y)
    def __abs__(self): return (self.x ** 2 + self.y ** 2) ** 0.5
    def __bool__(self): return bool(self.x or self.y)
    def __lt__(self, other): return abs(self) < abs(other)
    def __repr__(self): return f'Vector({self.x}, {self.y})'
    def __iter__(self): return iter((self.x, self.y))
    def __getitem__(self, n): return (self.x, self.y)[n]
    def __len__(self): return 2
    def __contains__(self, n): return n in (self.x, self.y)
    def __format__(self, how): return f'<{self.x:{how}}|{self.y:{how}}>'
    def __call__(self, n): return self.x * n
    @classmethod
    def zero(cls): return cls(0, 0)
    @staticmethod
    def unit(): return Vector(1, 0)
    @property
    def length(self): return abs(self)
    NAMES = ('x', 'y')
"""
STACK = """
class Stack:
    def __init__(self, items=None): self.items = items if items is not None else []
    def push(self, item): self.items.append(item); return self
    def pop(self):
        if not self.items: raise IndexError('pop from an empty stack')
        return self.items.pop()
    def __len__(self): return len(self.items)
    def size(self): return len(self.items)
    def __enter__(self): self.open = True; return self
    def __exit__(self, *error): self.open = False; self.error = error[0]; return error[0] is ValueError
"""
SQUARE = "def f(x): return x * x"

FORMS = {
    # values
    "int": ("assert", SQUARE, "assert f(2) == 4"),
    "variable": ("assert", SQUARE, "ok = f(2) == 4\nassert ok"),
    "helper": ("assert", SQUARE, "def same(a, b):\n    return a == b\nassert same(f(3), 9)"),
    "check(candidate)": ("assert", SQUARE, "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == 1\ncheck(f)"),
    "loop": ("assert", SQUARE, "for n in range(20):\n    assert f(n) == n ** 2"),
    "counter": ("assert", SQUARE, "bad = 0\nfor n in range(5):\n    bad += f(n) != n * n\nassert bad == 0"),
    "all": ("assert", SQUARE, "assert all(f(n) == n * n for n in range(9))"),
    "try": ("assert", SQUARE, "try:\n    f(None)\nexcept TypeError as error:\n    seen = str(error)\nassert 'NoneType' in seen"),
    "not reached": ("assert", SQUARE, "if f(2) != 4:\n    assert False, 'never'\nassert f(1) == 1"),
    "bool type": ("assert", "def f(x): return x > 1", "assert f(2) is True and f(0) is False"),
    "none": ("assert", "def f(): pass", "assert f() is None"),
    "float": ("assert", "def f(): return 0.1 + 0.2", "assert abs(f() - 0.3) < 1e-9 and f() != 0.3"),
    "nan": ("assert", "def f(): return float('nan')", "x = f()\nassert x != x"),
    "inf": ("assert", "def f(): return -float('inf')", "assert f() == float('-inf')"),
    "complex": ("assert", "def f(): return 1 + 2j", "assert f() == 1 + 2j"),
    "big int": ("assert", "def f(n): return 7 ** n", "assert f(9000) == 7 ** 9000"),
    "str": ("assert", "def f(s): return s[::-1]", "assert f('h\\u00e9\\ud800') == '\\ud800\\u00e9h'"),
    "bytes": ("assert", "def f(s): return s.encode()", "assert f('abc') == b'abc'"),
    "bytearray": ("assert", "def f(): return bytearray(b'x')", "assert f() == b'x'"),
    "nested": ("assert", "def f(): return {'a': [(1, {2: {3}})], 'b': (None, True)}", "assert f() == {'a': [(1, {2: {3}})], 'b': (None, True)}"),
    "set": ("assert", "def f(x): return set(x)", "assert f([1, 1, 2]) == {1, 2}"),
    "frozenset": ("assert", "def f(x): return frozenset(x)", "assert f([1]) == frozenset({1}) and {f([1])} == {frozenset([1])}"),
    "order of a dict": ("assert", "def f(): return {'b': 1, 'a': 2}", "assert list(f()) == ['b', 'a']"),
    "range": ("assert", "def f(n): return range(n)", "assert f(3) == range(3) and list(f(3)) == [0, 1, 2]"),
    "decimal": ("assert", "from decimal import Decimal\ndef f(): return Decimal('1.10')", "from decimal import Decimal\nassert f() == Decimal('1.1') and str(f()) == '1.10'"),
    "fraction": ("assert", "from fractions import Fraction\ndef f(): return Fraction(1, 2)", "assert f() == 0.5"),
    "date": ("assert", "import datetime\ndef f(d): return d + datetime.timedelta(days=1)", "import datetime\nassert f(datetime.date(2024, 2, 28)) == datetime.date(2024, 2, 29)"),
    "datetime": ("assert", "from datetime import datetime, timezone\ndef f(): return datetime(2024, 1, 1, tzinfo=timezone.utc)", "from datetime import datetime, timezone\nassert f() == datetime(2024, 1, 1, tzinfo=timezone.utc)"),
    "counter type": ("assert", "from collections import Counter\ndef f(s): return Counter(s)", "assert f('aab') == {'a': 2, 'b': 1} and f('aab').most_common(1) == [('a', 2)]"),
    "defaultdict": ("assert", "from collections import defaultdict\ndef f():\n    d = defaultdict(list)\n    d['a'].append(1)\n    return d", "d = f()\nassert d == {'a': [1]} and d['b'] == []"),
    "deque": ("assert", "from collections import deque\ndef f(x): return deque(x, 2)", "from collections import deque\nassert f([1, 2, 3]) == deque([2, 3]) and f([1]).maxlen == 2"),
    "ordered dict": ("assert", "from collections import OrderedDict\ndef f(): return OrderedDict(b=1, a=2)", "assert list(f().items()) == [('b', 1), ('a', 2)]"),
    "namedtuple": ("assert", "from collections import namedtuple\nPoint = namedtuple('Point', 'x y')\ndef f(): return Point(1, 2)", "p = f()\nassert p == (1, 2) and p.x == 1 and p._asdict() == {'x': 1, 'y': 2} and isinstance(p, Point) and Point(1, 2) == p"),
    "typed namedtuple": ("assert", "from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\n    y: int = 2\n    def total(self): return self.x + self.y\ndef f(x): return P(x)", "assert f(1).total() == 3 and f(1) == (1, 2) and P(5, 6).y == 6"),
    "enum": ("assert", "import enum\nclass Color(enum.Enum):\n    RED = 1\n    BLUE = 2\ndef f(): return Color.RED", "assert f() is Color.RED and f() == Color(1) and f().name == 'RED' and f().value == 1 and len(Color) == 2"),
    "enum argument": ("assert", "import enum\nclass Color(enum.Enum):\n    RED = 1\n    def shout(self): return self.name + '!'\ndef f(c): return c is Color.RED", "assert f(Color.RED) and Color.RED.shout() == 'RED!'"),
    "int enum": ("assert", "import enum\nclass E(enum.IntEnum):\n    A = 4\ndef f(): return E.A", "assert f() == 4 and f() + 1 == 5"),
    "str enum": ("assert", "import enum\nclass E(str, enum.Enum):\n    A = 'a'\ndef f(): return E.A", "assert f() == 'a' and f().upper() == 'A'"),
    "flag": ("assert", "import enum\nclass P(enum.Flag):\n    R = 1\n    W = 2\ndef f(): return P.R | P.W", "assert f() == P.R | P.W and P.R in f()"),
    "keys": ("assert", "def f(): return {1: 2}.keys()", "assert f() == {1} and list(f()) == [1]"),
    "items": ("assert", "def f(): return {1: [2]}.items()", "assert list(f()) == [(1, [2])]"),
    "values": ("assert", "def f(): return {1: 2}.values()", "assert sorted(f()) == [2]"),
    "ellipsis": ("assert", "def f(): return ...", "assert f() is ..."),
    "types as values": ("assert", "def f(x): return type(x)", "assert f(1) is int and f('a') == str and f(None) is type(None)"),
    "numpy int": ("assert", "import numpy as np\ndef f(): return np.int64(4)", "assert f() == 4"),
    "numpy array": ("assert", "import numpy as np\ndef f(n): return np.arange(n).reshape(2, -1)", "import numpy as np\nassert np.array_equal(f(6), [[0, 1, 2], [3, 4, 5]]) and f(6).shape == (2, 3) and f(4).sum() == 6"),
    "numpy in place": ("assert", "def f(a): a += 1", "import numpy as np\na = np.zeros(3)\nf(a)\nassert a.tolist() == [1, 1, 1]"),
    "numpy testing": ("assert", "import numpy as np\ndef f(a): return np.sqrt(a)", "import numpy as np\nnp.testing.assert_allclose(f(np.array([4.0, 9.0])), [2, 3])"),
    "uuid": ("assert", "import uuid\ndef f(): return uuid.UUID(int=5)", "import uuid\nassert f() == uuid.UUID(int=5)"),
    "path": ("assert", "from pathlib import Path\ndef f(p): return p / 'a'", "from pathlib import Path\nassert f(Path('x')) == Path('x/a')"),
    "array": ("assert", "import array\ndef f(): return array.array('i', [1, 2])", "import array\nassert f() == array.array('i', [1, 2])"),
    # arguments
    "in place": ("assert", "def f(x): x.sort()", "x = [3, 1, 2]\nassert f(x) is None\nassert x == [1, 2, 3]"),
    "in place nested": ("assert", "def f(rows):\n    for row in rows: row.append(0)", "inner = [1]\nrows = [inner, [2]]\nf(rows)\nassert rows == [[1, 0], [2, 0]] and inner == [1, 0] and rows[0] is inner"),
    "in place dict": ("assert", "def f(d): d['a'] = [1]; d.pop('b')", "d = {'b': 2}\nf(d)\nassert d == {'a': [1]}"),
    "in place set": ("assert", "def f(s): s.add(2)", "s = {1}\nf(s)\nassert s == {1, 2}"),
    "in place deque": ("assert", "def f(s): s.appendleft(0)", "from collections import deque\ns = deque([1])\nf(s)\nassert list(s) == [0, 1]"),
    "in place bytearray": ("assert", "def f(s): s += b'y'", "s = bytearray(b'x')\nf(s)\nassert s == b'xy'"),
    "result is the argument": ("assert", "def f(x): x.append(1); return x", "x = []\nassert f(x) is x and x == [1]"),
    "result is a part": ("assert", "def f(x): return x[0]", "x = [[1]]\nassert f(x) is x[0]"),
    "argument unchanged": ("assert", "def f(x): return sorted(x)", "x = [2, 1]\ny = f(x)\nassert x == [2, 1] and y == [1, 2] and y is not x"),
    "aliased rows": ("assert", "def f(rows): rows[0][0] = 5", "row = [0]\nrows = [row, row]\nf(rows)\nassert rows == [[5], [5]]"),
    "keywords": ("assert", "def f(a, *rest, b=1, **more): return a, rest, b, more", "assert f(1, 2, b=3, c=4) == (1, (2,), 3, {'c': 4})"),
    "swapped": ("assert", "def f(a, b): a[:], b[:] = b[:], a[:]", "a, b = [1], [2]\nf(a, b)\nassert (a, b) == ([2], [1])"),
    # callbacks
    "callback": ("assert", "def f(g, xs): return [g(x) for x in xs]", "assert f(lambda x: x + 1, [1, 2]) == [2, 3]"),
    "builtin callback": ("assert", "def f(g, xs): return list(map(g, xs))", "assert f(str, [1, 2]) == ['1', '2'] and f(len, ['a']) == [1]"),
    "library callback": ("assert", "def f(g, xs):\n    import functools\n    return functools.reduce(g, xs)", "import operator\nassert f(operator.mul, [2, 3, 4]) == 24"),
    "key function": ("assert", "def f(xs, key): return sorted(xs, key=key)", "assert f(['bb', 'a'], key=lambda s: len(s)) == ['a', 'bb']"),
    "bound method callback": ("assert", "def f(emit):\n    for n in range(3): emit(n)", "seen = []\nf(seen.append)\nassert seen == [0, 1, 2]"),
    "callback raises": ("assert", "def f(g):\n    try: g()\n    except ValueError as error: return str(error)", "def g(): raise ValueError('no')\nassert f(g) == 'no'"),
    "callback's own error": ("assert", "def f(g): return g()", "class Mine(Exception): pass\ndef g(): raise Mine('x')\ntry:\n    f(g)\nexcept Mine as error:\n    seen = error\nassert seen.args == ('x',)"),
    "function returned": ("assert", "def f(n): return lambda x: x + n", "add = f(2)\nassert add(3) == 5 and callable(add)"),
    "decorator": ("assert", "import functools\ndef twice(g):\n    @functools.wraps(g)\n    def inner(*a): return g(g(*a))\n    return inner", "@twice\ndef g(x):\n    'doc'\n    return x + 1\nassert g(1) == 3 and g.__name__ == 'g' and g.__doc__ == 'doc'"),
    "decorator counts": ("assert", "def cached(g):\n    seen = {}\n    def inner(x):\n        if x not in seen: seen[x] = g(x)\n        return seen[x]\n    return inner", "calls = []\n@cached\ndef g(x):\n    calls.append(x)\n    return x\ng(1); g(1)\nassert calls == [1]"),
    "object of the test": ("assert", "def f(item): item.price *= 2; return item.name", "class Item:\n    def __init__(self): self.name, self.price = 'a', 2\ni = Item()\nassert f(i) == 'a' and i.price == 4"),
    "class of the test": ("assert", "def f(kind): return kind(3).double()", "class Thing:\n    def __init__(self, n): self.n = n\n    def double(self): return self.n * 2\nassert f(Thing) == 6"),
    "dataclass of the test": ("assert", "def f(p): return p.x + p.y", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int\nassert f(P(1, 2)) == 3"),
    "object comes back": ("assert", "def f(x): return x", "class A: pass\na = A()\nassert f(a) is a and f([a])[0] is a"),
    "tree of the test": ("assert", "def depth(node): return 0 if node is None else 1 + max(depth(node.left), depth(node.right))", "class Node:\n    def __init__(self, left=None, right=None): self.left, self.right = left, right\nassert depth(Node(Node(), Node(Node()))) == 3"),
    "generator argument": ("assert", "def f(xs): return sum(xs)", "assert f(x for x in range(4)) == 6"),
    "stringio argument": ("assert", "def f(out): out.write('hello'); out.write(' you')", "import io\nout = io.StringIO()\nf(out)\nassert out.getvalue() == 'hello you'"),
    "stringio read": ("assert", "def f(file): return [line.strip() for line in file]", "import io\nassert f(io.StringIO('a\\nb\\n')) == ['a', 'b']"),
    # objects
    "object": ("assert", STACK, "s = Stack()\ns.push(1).push(2)\nassert s.pop() == 2 and len(s) == 1 and s.size() == 1"),
    "object's list": ("assert", STACK, "s = Stack()\ns.push(1)\nassert s.items == [1]"),
    "truth by length": ("assert", STACK, "assert not Stack() and Stack([1])"),
    "equal to a tuple": ("assert", VECTOR, "assert Vector(1, 2) == (1, 2) and Vector(1, 2) != (1, 3)"),
    "operators": ("assert", VECTOR, "assert Vector(1, 2) + Vector(3, 4) == Vector(4, 6) and Vector(1, 2) * 2 == Vector(2, 4) and 2 * Vector(1, 2) == Vector(2, 4)"),
    "unary": ("assert", VECTOR, "assert -Vector(1, 2) == Vector(-1, -2) and abs(Vector(3, 4)) == 5.0 and not Vector(0, 0)"),
    "order": ("assert", VECTOR, "assert Vector(1, 0) < Vector(2, 0) and sorted([Vector(2, 0), Vector(1, 0)])[0] == Vector(1, 0)"),
    "repr": ("assert", VECTOR, "assert repr(Vector(1, 2)) == 'Vector(1, 2)' and str(Vector(1, 2)) == 'Vector(1, 2)' and f'{Vector(1, 2)}' != ''"),
    "format": ("assert", VECTOR, "assert f'{Vector(1, 2):03d}' == '<001|002>'"),
    "iteration": ("assert", VECTOR, "assert list(Vector(1, 2)) == [1, 2] and tuple(Vector(1, 2)) == (1, 2)\nx, y = Vector(5, 6)\nassert (x, y) == (5, 6)"),
    "getting items": ("assert", VECTOR, "v = Vector(1, 2)\nassert v[0] == 1 and v[-1] == 2 and len(v) == 2 and 2 in v and 3 not in v"),
    "hash": ("assert", VECTOR, "assert len({Vector(1, 2), Vector(1, 2)}) == 1 and {Vector(1, 2): 'a'}[Vector(1, 2)] == 'a'"),
    "called object": ("assert", VECTOR, "assert Vector(3, 0)(2) == 6"),
    "class method": ("assert", VECTOR, "assert Vector.zero() == Vector(0, 0) and Vector.unit().x == 1 and Vector.NAMES == ('x', 'y')"),
    "property": ("assert", VECTOR, "v = Vector(3, 4)\nassert v.length == 5.0\nv.x = 0\nassert v.length == 4.0"),
    "isinstance": ("assert", VECTOR + "class Sub(Vector): pass", "assert isinstance(Sub(1, 2), Vector) and issubclass(Sub, Vector) and type(Sub(1, 2)) is Sub and not isinstance(3, Vector) and type(Sub(0, 1)).__name__ == 'Sub'"),
    "hasattr": ("assert", VECTOR, "v = Vector(1, 2)\nassert hasattr(v, 'x') and not hasattr(v, 'z') and getattr(v, 'z', 7) == 7"),
    "same object": ("assert", "class A: pass\nONE = A()\ndef f(): return ONE", "assert f() is f() and f() is ONE"),
    "attribute set": ("assert", "class A: pass\ndef f(a): return a.n", "a = A()\na.n = 5\nassert f(a) == 5\ndel a.n\nassert not hasattr(a, 'n')"),
    "linked nodes": ("assert", "class Node:\n    def __init__(self, value, next=None): self.value, self.next = value, next\ndef last(n):\n    while n.next: n = n.next\n    return n.value", "a = Node(1, Node(2, Node(3)))\nassert last(a) == 3\na.next.next = Node(9)\nassert last(a) == 9 and a.next.value == 2"),
    "dataclass": ("assert", "from dataclasses import dataclass, field\n@dataclass\nclass P:\n    x: int\n    tags: list = field(default_factory=list)\ndef f(x): return P(x)", "assert f(1) == P(1) and f(1).x == 1 and f(1).tags == [] and repr(f(1)) == 'P(x=1, tags=[])'"),
    "asdict": ("assert", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int\ndef f(): return P(1, 2)", "import dataclasses\nassert dataclasses.asdict(f()) == {'x': 1, 'y': 2} and dataclasses.is_dataclass(f()) and [x.name for x in dataclasses.fields(f())] == ['x', 'y'] and dataclasses.replace(f(), x=5).x == 5"),
    "frozen dataclass": ("assert", "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass P:\n    x: int", "import dataclasses\nassert {P(1), P(1)} == {P(1)}\ntry:\n    P(1).x = 2\nexcept dataclasses.FrozenInstanceError:\n    pass\nelse:\n    assert False"),
    "pattern": ("assert", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int", "match P(1, 2):\n    case P(x=1, y=second):\n        pass\nassert second == 2"),
    "abstract class": ("assert", "import abc\nclass Shape(abc.ABC):\n    @abc.abstractmethod\n    def area(self): ...\nclass Square(Shape):\n    def __init__(self, n): self.n = n\n    def area(self): return self.n ** 2", "assert isinstance(Square(2), Shape) and Square(2).area() == 4\ntry:\n    Shape()\nexcept TypeError:\n    pass\nelse:\n    assert False"),
    "copy": ("assert", STACK, "import copy\ns = Stack([1])\nt = copy.deepcopy(s)\nt.push(2)\nassert s.size() == 1 and t.size() == 2"),
    "class of a class": ("assert", "class Outer:\n    class Inner:\n        def __init__(self, n): self.n = n", "assert Outer.Inner(3).n == 3"),
    "class defined twice": ("assert", "class A:\n    def f(self): return 1\nclass A:\n    def f(self): return 2", "assert A().f() == 2"),
    "private names": ("assert", "class A:\n    def __init__(self): self.__n = 3\n    def n(self): return self.__n", "assert A().n() == 3 and A()._A__n == 3 and not hasattr(A(), '__n')"),
    "slots": ("assert", "class A:\n    __slots__ = ('x',)\n    def __init__(self): self.x = 1", "a = A()\nassert a.x == 1\ntry:\n    a.y = 2\nexcept AttributeError:\n    pass\nelse:\n    assert False"),
    "getattr of its own": ("assert", "class A:\n    def __getattr__(self, name): return name.upper()", "assert A().abc == 'ABC'"),
    "vars": ("assert", "class A:\n    def __init__(self): self.x = 1", "assert vars(A()) == {'x': 1} and A().__dict__ == {'x': 1} and 'x' in dir(A())"),
    "list subclass": ("assert", "class L(list):\n    def total(self): return sum(self)", "l = L([1, 2])\nl.append(3)\nassert l.total() == 6 and l == [1, 2, 3] and len(l) == 3 and l[0] == 1 and list(l) == [1, 2, 3]"),
    "dict subclass": ("assert", "class D(dict):\n    def __missing__(self, key): return key * 2", "d = D(a=1)\nassert d['a'] == 1 and d[4] == 8 and d == {'a': 1} and dict(d.items()) == {'a': 1}"),
    "int subclass": ("assert", "class N(int):\n    def double(self): return N(self * 2)", "assert N(2).double() == N(4) and N(3) == 3"),
    "singleton": ("assert", "class S:\n    one = None\n    def __new__(cls):\n        if cls.one is None: cls.one = super().__new__(cls)\n        return cls.one", "assert S() is S()"),
    "descriptor": ("assert", "class Positive:\n    def __set_name__(self, owner, name): self.name = '_' + name\n    def __get__(self, obj, kind): return getattr(obj, self.name)\n    def __set__(self, obj, value):\n        if value <= 0: raise ValueError('positive')\n        setattr(obj, self.name, value)\nclass A:\n    n = Positive()", "a = A()\na.n = 3\nassert a.n == 3\ntry:\n    a.n = -1\nexcept ValueError as error:\n    assert str(error) == 'positive'"),
    "metaclass": ("assert", "class M(type):\n    def __call__(cls, *a):\n        made = super().__call__(*a)\n        made.tag = 'm'\n        return made\nclass A(metaclass=M): pass", "assert A().tag == 'm'"),
    "generic": ("assert", "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass Box(Generic[T]):\n    def __init__(self, item: T): self.item = item", "box = Box[int](3)\nassert box.item == 3 and Box('a').item == 'a'"),
    # iteration, contexts, coroutines
    "generator": ("assert", "def f(n):\n    for i in range(n): yield i * i", "g = f(3)\nassert next(g) == 0 and list(g) == [1, 4]"),
    "generator send": ("assert", "def f():\n    total = 0\n    while True:\n        got = yield total\n        total += got", "g = f()\nnext(g)\nassert g.send(2) == 2 and g.send(3) == 5"),
    "generator ends": ("assert", "def f():\n    yield 1\n    return 7", "g = f()\nnext(g)\ntry:\n    next(g)\nexcept StopIteration as stop:\n    assert stop.value == 7"),
    "yield from": ("assert", "def f(xs):\n    for x in xs:\n        if isinstance(x, list): yield from f(x)\n        else: yield x", "assert list(f([1, [2, [3]]])) == [1, 2, 3]"),
    "map and zip": ("assert", "def f(x): return map(str, x)\ndef g(a, b): return zip(a, b)", "assert list(f([1])) == ['1'] and dict(g('ab', [1, 2])) == {'a': 1, 'b': 2}"),
    "iterator class": ("assert", "class Count:\n    def __init__(self, n): self.i, self.n = 0, n\n    def __iter__(self): return self\n    def __next__(self):\n        if self.i >= self.n: raise StopIteration\n        self.i += 1\n        return self.i", "assert list(Count(3)) == [1, 2, 3] and sum(Count(4)) == 10"),
    "reversed": ("assert", "class R:\n    def __reversed__(self): return iter([3, 2])", "assert list(reversed(R())) == [3, 2]"),
    "context": ("assert", STACK, "with Stack() as s:\n    assert s.open\nassert not s.open and s.error is None"),
    "context swallows": ("assert", STACK, "with Stack() as s:\n    raise ValueError('x')\nassert s.error is ValueError"),
    "contextmanager": ("assert", "import contextlib\nlog = []\n@contextlib.contextmanager\ndef f(x):\n    log.append('in')\n    try: yield x\n    finally: log.append('out')\ndef seen(): return log", "with f(3) as x:\n    assert x == 3\nassert seen() == ['in', 'out']"),
    "coroutine": ("assert", "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x * 2", "import asyncio\nassert asyncio.run(f(2)) == 4"),
    "awaited": ("assert", "import asyncio\nasync def f(x):\n    await asyncio.sleep(0.001)\n    return x * 2", "import asyncio\nasync def main():\n    one = await f(1)\n    rest = await asyncio.gather(f(2), f(3))\n    return [one, *rest]\nassert asyncio.run(main()) == [2, 4, 6]"),
    "coroutine raises": ("assert", "async def f(): raise KeyError('k')", "import asyncio\ntry:\n    asyncio.run(f())\nexcept KeyError as error:\n    assert error.args == ('k',)\nelse:\n    assert False"),
    "async generator": ("assert", "async def f(n):\n    for i in range(n): yield i", "import asyncio\nasync def main(): return [i async for i in f(3)]\nassert asyncio.run(main()) == [0, 1, 2]"),
    "async context": ("assert", "class C:\n    async def __aenter__(self): return 5\n    async def __aexit__(self, *error): return False", "import asyncio\nasync def main():\n    async with C() as c: return c\nassert asyncio.run(main()) == 5"),
    "async callback": ("assert", "async def f(g, x): return await g(x) + 1", "import asyncio\nasync def g(x):\n    await asyncio.sleep(0)\n    return x * 10\nassert asyncio.run(f(g, 2)) == 21"),
    "wait for": ("assert", "import asyncio\nasync def f(): await asyncio.sleep(30)", "import asyncio\nasync def main():\n    try: await asyncio.wait_for(f(), 0.01)\n    except asyncio.TimeoutError: return 'late'\nassert asyncio.run(main()) == 'late'"),
    # exceptions
    "raises": ("assert", "def f(x): raise ValueError('bad', x)", "try:\n    f(3)\nexcept ValueError as error:\n    seen = error\nassert seen.args == ('bad', 3) and type(seen) is ValueError"),
    "own exception": ("assert", "class Bad(ValueError):\n    def __init__(self, code): super().__init__(f'code {code}'); self.code = code\ndef f(c): raise Bad(c)", "try:\n    f(7)\nexcept Bad as error:\n    assert error.code == 7 and str(error) == 'code 7' and isinstance(error, ValueError) and type(error).__name__ == 'Bad'\nelse:\n    assert False"),
    "exception method": ("assert", "class Bad(Exception):\n    def hint(self): return 'try ' + self.args[0]\ndef f(): raise Bad('again')", "try:\n    f()\nexcept Bad as error:\n    assert error.hint() == 'try again'"),
    "exception hierarchy": ("assert", "class A(Exception): pass\nclass B(A): pass\ndef f(): raise B", "try:\n    f()\nexcept A as error:\n    assert type(error) is B and issubclass(B, A)"),
    "cause": ("assert", "def f():\n    try: {}['x']\n    except KeyError as error: raise RuntimeError('no') from error", "try:\n    f()\nexcept RuntimeError as error:\n    assert isinstance(error.__cause__, KeyError)"),
    "library exception": ("assert", "import json\ndef f(): json.loads('{')", "import json\ntry:\n    f()\nexcept json.JSONDecodeError as error:\n    assert error.pos == 1"),
    "os error": ("assert", "def f(): open('absent')", "try:\n    f()\nexcept FileNotFoundError as error:\n    assert error.errno == 2 and error.filename == 'absent'"),
    "zero division": ("assert", "def f(): 1 / 0", "try:\n    f()\nexcept ZeroDivisionError as error:\n    assert 'division' in str(error)"),
    "exception returned": ("assert", "def f(): return ValueError('x')", "assert isinstance(f(), ValueError) and f().args == ('x',)"),
    "exception made by the test": ("assert", "class Bad(Exception): pass\ndef f(error): raise error", "try:\n    f(Bad('mine'))\nexcept Bad as error:\n    assert str(error) == 'mine'"),
    "system exit": ("assert", "import sys\ndef f(): sys.exit(3)", "try:\n    f()\nexcept SystemExit as error:\n    assert error.code == 3\nelse:\n    assert False"),
    "exception group": ("assert", "def f(): raise ExceptionGroup('g', [ValueError(1), KeyError(2)])", "try:\n    f()\nexcept* ValueError as group:\n    assert len(group.exceptions) == 1\nexcept* KeyError:\n    pass"),
    "notes": ("assert", "def f():\n    error = ValueError('x')\n    error.add_note('more')\n    raise error", "try:\n    f()\nexcept ValueError as error:\n    assert error.__notes__ == ['more']"),
    # the module
    "constant": ("assert", "RATE = 3\ndef f(): return RATE", "assert RATE == 3 and f() == 3"),
    "library of the solution": ("assert", "import math\ndef f(x): return math.sqrt(x)", "assert math.isclose(f(4), 2.0)"),
    "function of a library": ("assert", "from math import sqrt\nfrom itertools import permutations\ndef f(x): return sqrt(x)", "assert sqrt(4) == f(4) and len(list(permutations([1, 2, 3]))) == 6"),
    "evaluated": ("assert", SQUARE, "assert eval('f(3)') == 9"),
    "module": ("assert", SQUARE, "import solution\nassert solution.f(2) == 4 and solution.__name__ == 'solution'"),
    "set on the module": ("assert", "RATE = 1\ndef f(x): return x * RATE", "import solution\nsolution.RATE = 3\nassert f(2) == 6 and solution.RATE == 3"),
    "global changes": ("assert", "COUNT = 0\ndef f():\n    global COUNT\n    COUNT += 1", "import solution\nf(); f()\nassert solution.COUNT == 2"),
    "from future": ("assert", "from __future__ import annotations\ndef f(x: Unknown) -> Missing: return x", "assert f(1) == 1"),
    "cookie": ("assert", "# -*- coding: latin-1 -*-\ndef f(): return '\u00e9'", "assert f() == '\\u00e9'"),
    "byte order mark": ("assert", "\ufeffdef f(): return 1", "assert f() == 1"),
    "file": ("assert", "import os\ndef f(): return os.path.basename(__file__)", "assert f() == 'solution.py'"),
    "name": ("assert", "def f(): return __name__\nif __name__ == '__main__':\n    raise SystemExit", "assert f() == 'solution'"),
    "docstring": ("assert", "'About it.'\ndef f():\n    'Do it.'", "import solution\nassert f.__doc__ == 'Do it.' and f.__name__ == 'f'"),
    "signature": ("assert", "def f(a, b=2, *, c): pass", "import inspect\nassert list(inspect.signature(f).parameters) == ['a', 'b', 'c'] and inspect.signature(f).parameters['b'].default == 2"),
    "star import": ("assert", "__all__ = ['f']\ndef f(): return 1\ndef g(): return 2", "from solution import *\nassert f() == 1"),
    "load_tests in the solution": ("unittest", "def load_tests(*a): return None\ndef f(): return 1", "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    def test_it(self): self.assertEqual(f(), 1)"),
    "test case in the solution": ("unittest", "import unittest\nclass Mine(unittest.TestCase):\n    def test_no(self): self.fail()\ndef f(): return 1", "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    def test_it(self): self.assertEqual(f(), 1)"),
    "partial": ("assert", "from functools import partial\nadd = partial(lambda a, b: a + b, 1)", "assert add(2) == 3"),
    "lru cache": ("assert", "from functools import lru_cache\n@lru_cache(None)\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)", "assert fib(50) == 12586269025 and fib.cache_info().hits > 0"),
    # printed, logged, warned
    "printed": ("assert", "def f(): print('hello')", "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    f()\nassert out.getvalue() == 'hello\\n'"),
    "printed to stderr": ("assert", "import sys\ndef f(): print('oops', file=sys.stderr)", "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stderr(out):\n    f()\nassert out.getvalue() == 'oops\\n'"),
    "stdout replaced": ("assert", "def f(): print('a'); print('b')", "import io, sys\nold, sys.stdout = sys.stdout, io.StringIO()\nf()\ntext = sys.stdout.getvalue()\nsys.stdout = old\nassert text == 'a\\nb\\n'"),
    "printed in a callback": ("assert", "def f(g): print('one'); g(); print('three')", "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    f(lambda: print('two'))\nassert out.getvalue() == 'one\\ntwo\\nthree\\n'"),
    "warned": ("assert", "import warnings\ndef f(): warnings.warn('old', DeprecationWarning); return 1", "import warnings\nwith warnings.catch_warnings(record=True) as seen:\n    warnings.simplefilter('always')\n    assert f() == 1\nassert [w.category for w in seen] == [DeprecationWarning] and str(seen[0].message) == 'old'"),
    "files": ("assert", "def save(name, text):\n    with open(name, 'w') as file: file.write(text)", "save('a.txt', 'hello')\nassert open('a.txt').read() == 'hello'"),
    "files read": ("assert", "def load(name):\n    with open(name) as file: return file.read()", "with open('b.txt', 'w') as file: file.write('x')\nassert load('b.txt') == 'x'"),
    "temporary folder": ("assert", "import os\ndef f(path): open(os.path.join(path, 'a'), 'w').close()", "import os, tempfile\nwith tempfile.TemporaryDirectory() as folder:\n    f(folder)\n    assert os.listdir(folder) == ['a']"),
    # threads
    "threads": ("assert", SQUARE, "import threading\nout = []\nts = [threading.Thread(target=lambda n=n: out.append(f(n))) for n in range(12)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nassert sorted(out) == [n * n for n in range(12)]"),
    "thread pool": ("assert", SQUARE, "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(10) as pool:\n    assert list(pool.map(f, range(20))) == [n * n for n in range(20)]"),
    "threads that wait": ("assert", "import threading\nevent = threading.Event()\ndef wait(): return event.wait(5)\ndef go(): event.set()", "import threading\nseen = []\nt = threading.Thread(target=lambda: seen.append(wait()))\nt.start()\ngo()\nt.join()\nassert seen == [True]"),
    "threads of the solution": ("assert", "import threading\ndef f(g):\n    ts = [threading.Thread(target=g, args=(n,)) for n in range(9)]\n    [t.start() for t in ts]\n    [t.join() for t in ts]", "seen = []\nf(seen.append)\nassert sorted(seen) == list(range(9))"),
    "locked counter": ("assert", "import threading\nclass Counter:\n    def __init__(self): self.n, self.lock = 0, threading.Lock()\n    def add(self):\n        with self.lock: self.n += 1", "import threading\nc = Counter()\nts = [threading.Thread(target=lambda: [c.add() for _ in range(10)]) for _ in range(8)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nassert c.n == 80"),
    # unittest
    "case": ("unittest", SQUARE, U + "    def test_it(self):\n        self.assertEqual(f(2), 4)\n        self.assertTrue(f(2) == 4)\n        self.assertIn(f(2), [4])\n        self.assertAlmostEqual(f(0.1), 0.01)"),
    "set up": ("unittest", STACK, U + "    def setUp(self): self.s = Stack()\n    def test_a(self):\n        self.s.push(1)\n        self.assertEqual(self.s.pop(), 1)\n    def test_b(self):\n        with self.assertRaises(IndexError): self.s.pop()\n    def test_c(self):\n        with self.assertRaisesRegex(IndexError, 'empty'): self.s.pop()"),
    "set up class": ("unittest", SQUARE, U + "    @classmethod\n    def setUpClass(cls): cls.n = f(2)\n    def test_a(self): self.assertEqual(self.n, 4)"),
    "set up module": ("unittest", SQUARE, "import unittest\nfrom solution import f\nREADY = []\ndef setUpModule(): READY.append(1)\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual((f(2), READY), (4, [1]))"),
    "subtests": ("unittest", SQUARE, U + "    def test_a(self):\n        for n in range(3):\n            with self.subTest(n=n): self.assertEqual(f(n), n * n)"),
    "skipped class": ("unittest", SQUARE, "import unittest\nfrom solution import f\n@unittest.skip('later')\nclass A(unittest.TestCase):\n    def test_a(self): self.fail()\nclass B(unittest.TestCase):\n    def test_b(self): self.assertEqual(f(1), 1)"),
    "expected failure": ("unittest", SQUARE, U + "    @unittest.expectedFailure\n    def test_a(self): self.assertEqual(f(2), 5)\n    def test_b(self): self.assertEqual(f(2), 4)"),
    "suite at module level": ("unittest", SQUARE, "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(2), 4)\nsuite = unittest.TestLoader().loadTestsFromTestCase(T)\nresult = unittest.TextTestRunner().run(suite)\nassert result.wasSuccessful()"),
    "names defined twice": ("unittest", SQUARE, "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    def test_a(self): self.fail()\nclass T(unittest.TestCase):\n    def test_a(self): self.fail()\n    def test_a(self): self.assertEqual(f(2), 4)"),
    "load_tests": ("unittest", SQUARE, "import unittest\nfrom solution import f\nclass A(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(2), 4)\nclass B(unittest.TestCase):\n    def test_b(self): self.fail()\ndef load_tests(loader, tests, pattern): return loader.loadTestsFromTestCase(A)"),
    "inherited tests": ("unittest", SQUARE, "import unittest\nfrom solution import f\nclass Base:\n    def test_a(self): self.assertEqual(f(self.n), self.n ** 2)\nclass A(Base, unittest.TestCase):\n    n = 2\nclass B(Base, unittest.TestCase):\n    n = 3"),
    "mangled names": ("unittest", SQUARE, U + "    def __helper(self, n): return f(n)\n    def test_a(self): self.assertEqual(self.__helper(2), 4)"),
    "async case": ("unittest", "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x", "import unittest\nfrom solution import f\nclass T(unittest.IsolatedAsyncioTestCase):\n    async def test_a(self): self.assertEqual(await f(3), 3)"),
    "decorated method": ("unittest", SQUARE, "import functools, unittest\nfrom solution import f\ndef twice(g):\n    @functools.wraps(g)\n    def inner(self):\n        g(self); g(self)\n    return inner\nclass T(unittest.TestCase):\n    @twice\n    def test_a(self): self.assertEqual(f(2), 4)"),
    "raises own": ("unittest", "class Bad(Exception): pass\ndef f(): raise Bad('x')", U + "    def test_a(self):\n        with self.assertRaises(solution.Bad) as seen: f()\n        self.assertEqual(str(seen.exception), 'x')"),
    "counts equal": ("unittest", "def f(x): return x[::-1]", U + "    def test_a(self):\n        self.assertCountEqual(f([1, 2, 2]), [2, 1, 2])\n        self.assertListEqual(f([1, 2]), [2, 1])\n        self.assertIsInstance(f([]), list)\n        self.assertIsNone({}.get(1))"),
    "warns": ("unittest", "import warnings\ndef f(): warnings.warn('old', UserWarning)", U + "    def test_a(self):\n        with self.assertWarns(UserWarning): f()"),
    "logs": ("unittest", "import logging\nlog = logging.getLogger('mine')\ndef f(): log.info('hello %s', 'you')", U + "    def test_a(self):\n        with self.assertLogs('mine', level='INFO') as seen: f()\n        self.assertEqual(seen.output, ['INFO:mine:hello you'])"),
    "captured": ("unittest", "def f(): print('hi')", "import contextlib, io, unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    def test_a(self):\n        out = io.StringIO()\n        with contextlib.redirect_stdout(out): f()\n        self.assertEqual(out.getvalue(), 'hi\\n')"),
    "tear down": ("unittest", STACK, U + "    def setUp(self): self.s = Stack([1])\n    def tearDown(self): self.s.pop()\n    def test_a(self): self.assertEqual(len(self.s), 1)"),
    "cleanup": ("unittest", SQUARE, U + "    def test_a(self):\n        self.addCleanup(f, 2)\n        self.assertEqual(f(2), 4)"),
    "main guard": ("unittest", SQUARE, U + "    def test_a(self): self.assertEqual(f(2), 4)\nif __name__ == '__main__':\n    unittest.main()"),
    # pytest
    "pytest": ("pytest", SQUARE, "from solution import f\ndef test_a(): assert f(2) == 4"),
    "parametrized": ("pytest", SQUARE, "import pytest\nfrom solution import f\n@pytest.mark.parametrize('n', range(5))\ndef test_a(n): assert f(n) == n * n"),
    "fixture": ("pytest", STACK, "import pytest\nfrom solution import Stack\n@pytest.fixture\ndef s():\n    made = Stack()\n    yield made\n    made.items.clear()\ndef test_a(s):\n    s.push(1)\n    assert len(s) == 1"),
    "pytest raises": ("pytest", STACK, "import pytest\nimport solution\ndef test_a():\n    with pytest.raises(IndexError, match='empty'):\n        solution.Stack().pop()"),
    "pytest class": ("pytest", SQUARE, "from solution import f\nclass TestF:\n    def setup_method(self): self.n = 2\n    def test_a(self): assert f(self.n) == 4"),
    "approx": ("pytest", "def f(): return [0.1 + 0.2]", "import pytest\nfrom solution import f\ndef test_a(): assert f() == pytest.approx([0.3])"),
    "capsys": ("pytest", "def f(): print('hi')", "from solution import f\ndef test_a(capsys):\n    f()\n    assert capsys.readouterr().out == 'hi\\n'"),
    "caplog": ("pytest", "import logging\ndef f(): logging.getLogger('a').warning('careful')", "from solution import f\ndef test_a(caplog):\n    f()\n    assert 'careful' in caplog.text"),
    "tmp_path": ("pytest", "def f(path): path.write_text('x')", "from solution import f\ndef test_a(tmp_path):\n    f(tmp_path / 'a')\n    assert (tmp_path / 'a').read_text() == 'x'"),
    "pytest warns": ("pytest", "import warnings\ndef f(): warnings.warn('old', FutureWarning)", "import pytest\nfrom solution import f\ndef test_a():\n    with pytest.warns(FutureWarning, match='old'): f()"),
    "some skipped": ("pytest", SQUARE, "import pytest\nfrom solution import f\n@pytest.mark.skip\ndef test_a(): assert 0\ndef test_b(): assert f(1) == 1"),
    "expected to fail": ("pytest", SQUARE, "import pytest\nfrom solution import f\n@pytest.mark.xfail\ndef test_a(): assert f(2) == 5\ndef test_b(): assert f(1) == 1"),
    "case in pytest": ("pytest", SQUARE, "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(2), 4)"),
    "imported in the test": ("pytest", SQUARE, "def test_a():\n    from solution import f\n    assert f(2) == 4"),
    # classes as the test sees them
    "defaults of a named tuple": ("assert", "import collections\nPt = collections.namedtuple('Pt', 'x y', defaults=[0])", "assert Pt(1) == (1, 0)"),
    "annotations of a named tuple": ("assert", "from typing import NamedTuple\nclass N(NamedTuple):\n    a: int\n    b: list", "assert N.__annotations__ == {'a': int, 'b': list}"),
    "descriptor with a private value": ("assert", "class Typed:\n    def __set_name__(self, owner, name): self.name = '_' + name\n    def __get__(self, o, t=None): return getattr(o, self.name)\n    def __set__(self, o, v):\n        if type(v) is not int: raise TypeError(self.name)\n        setattr(o, self.name, v)", "class A:\n    x = Typed()\n    def __init__(self, x): self.x = x\na = A(3)\na.x += 1\nassert a.x == 4"),
    "missing member": ("assert", "import enum\nclass Day(enum.Enum):\n    MON = 1\n    @classmethod\n    def _missing_(cls, value): return cls.MON", "assert Day(99) is Day.MON"),
    "text of a member": ("assert", "import enum\nclass Day(enum.Enum):\n    MON = 1\n    def __str__(self): return self.name.title()", "assert str(Day.MON) == f'{Day.MON}' == 'Mon'"),
    "order of members": ("assert", "import enum\nclass Grade(enum.Enum):\n    A = 1\n    B = 2\n    def __lt__(self, other): return self.value > other.value", "assert sorted(Grade) == [Grade.B, Grade.A] and max(Grade) is Grade.A"),
    "called member": ("assert", "import enum\nclass Op(enum.Enum):\n    ADD = '+'\n    def __call__(self, a, b): return a + b", "assert Op.ADD(1, 2) == 3"),
    "items of a class": ("assert", "class Meta(type):\n    def __getitem__(cls, key): return key * 2\nclass R(metaclass=Meta): pass\nclass G:\n    def __class_getitem__(cls, key): return (cls.__name__, key)", "assert R['x'] == 'xx' and G[int] == ('G', int)"),
    "vars and dir of a class": ("assert", "class C:\n    z = 5\n    def m(self): pass\n    @staticmethod\n    def s(): pass", "assert [n for n in dir(C) if n[0] != '_'] == ['m', 's', 'z']\nassert 'm' in vars(C) and isinstance(vars(C)['s'], staticmethod)"),
    "name of the class of a class": ("assert", "class C: pass", "assert type(C).__name__ == 'type' and C.__class__ is type(C)"),
    "hash and text of an exception": ("assert", "class E(Exception):\n    def __eq__(self, o): return self.args == o.args\n    def __hash__(self): return hash(self.args)\n    def __repr__(self): return 'E!'\ndef f(): raise E(1)", "try:\n    f()\n    seen = None\nexcept E as e:\n    seen = (e == E(1), hash(e) == hash(E(1)), repr(e), len({e, E(1)}))\nassert seen == (True, True, 'E!', 1)"),
    "annotations with items": ("assert", "import typing\ndef f(x: 'int | None', y: int | None, z: typing.Optional[int], *c: typing.Callable[[int], str]) -> list[dict[str, int]]: pass", "import inspect, typing\nassert f.__annotations__ == {'x': 'int | None', 'y': int | None, 'z': typing.Optional[int], 'c': typing.Callable[[int], str], 'return': list[dict[str, int]]}\nassert inspect.signature(f).return_annotation == list[dict[str, int]]\nassert inspect.signature(f).parameters['y'].annotation == int | None"),
    "docstring of a property": ("assert", "class C:\n    @property\n    def p(self):\n        'doc p'", "assert C.p.__doc__ == 'doc p'"),
}  # fmt: skip
