"""Objects that a test hands over lead a program to nothing that the test keeps, however they are nested."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest

TEST = """
import collections, contextlib, csv, dataclasses, decimal, enum, functools, io, itertools, operator
import queue, random, re, string, sys, types, unittest, weakref
asyncio, logging, threading = map(__import__, ("asyncio", "logging", "threading"))
SECRET = 4700 + 11
def check(x): return x == SECRET
def with_default(x, want=SECRET): return x == want
def closure(w):
    def inner(x): return x == w
    return inner
class Case:
    hidden = property(lambda self: 3)
    def __init__(self): self._want = SECRET
    def right(self, x): return x == self._want
    __slots__ = ("_want",)
class Plain:
    def __init__(self): self._want = SECRET
    def right(self, x): return x == self._want
def gen():
    want = SECRET
    got = yield 1
    yield got == want
exec("async def coro(x=SECRET): return x == SECRET")
try:
    local = SECRET
    raise ValueError("no")
except ValueError as e:
    error = e
error._want = SECRET
found = f({handed})
assert SECRET not in found, "leaked"
assert type(found) is list and len(found) < 10**6
"""
"""A test that keeps a number for itself, in all the places where Python can keep one."""
HANDED = [
    "(lambda x, *, w=SECRET: x == w)",
    "(lambda: sys._getframe())",
    "Case",
    "Case()",
    "Case().right",
    "Case.hidden",
    "ExceptionGroup('x', [error])",
    "Plain()",
    "Plain.right",
    "SECRET.__eq__",
    "[SECRET].count",
    "csv.reader(map(closure(SECRET), [1]))",
    "check",
    "classmethod(with_default)",
    "closure(SECRET)",
    "closure(SECRET).__closure__[0]",
    "collections.ChainMap({'f': closure(SECRET)})",
    "collections.UserDict(f=closure(SECRET))",
    "collections.defaultdict(closure(SECRET))",
    "contextlib.ExitStack()",
    "contextlib.closing(Plain())",
    "coro()",
    "dataclasses.field(default=SECRET)",
    "dataclasses.make_dataclass('D', ['x'])(closure(SECRET))",
    "decimal.getcontext()",
    "enum.Enum('E', 'A B').A",
    "error",
    "filter(closure(SECRET), [1])",
    "functools.cached_property(closure(SECRET))",
    "functools.cmp_to_key(closure(SECRET))",
    "functools.lru_cache(closure(SECRET))",
    "functools.partial(operator.eq, SECRET)",
    "functools.partial(with_default, want=SECRET)",
    "functools.partialmethod(with_default, SECRET)",
    "functools.singledispatch(with_default)",
    "functools.wraps(check)(closure(SECRET))",
    "functools.wraps(with_default)(lambda x: 1)",
    "gen()",
    "io.BytesIO().getbuffer()",
    "io.StringIO()",
    "io.TextIOWrapper(io.BytesIO())",
    "iter([closure(SECRET)])",
    "iter(closure(1), SECRET)",
    "itertools.chain(map(closure(SECRET), [1]))",
    "itertools.cycle([closure(SECRET)])",
    "itertools.repeat(closure(SECRET))",
    "itertools.starmap(closure(SECRET), [(1,)])",
    "lambda x, w=SECRET: x == w",
    "list[int]",
    "logging.getLogger('x')",
    "map(closure(SECRET), [1])",
    "map(functools.partial(operator.eq, SECRET), [1])",
    "operator.attrgetter('a' + str(SECRET))",
    "operator.itemgetter(SECRET)",
    "operator.methodcaller('x', SECRET)",
    "queue.Queue()",
    "random.Random(SECRET)",
    "re.compile('a').scanner('a')",
    "staticmethod(closure(SECRET))",
    "str(SECRET).startswith",
    "string.Formatter()",
    "string.Template('$a')",
    "super(Plain, Plain())",
    "sys",
    "threading.Barrier(2, closure(SECRET))",
    "threading.Event()",
    "threading.Lock()",
    "threading.Thread(target=check, args=(SECRET,), name='t')",
    "threading.Timer(99, check, [SECRET])",
    "threading.local()",
    "type('T', (), {'_w': SECRET, 'f': closure(SECRET)})",
    "types.MappingProxyType(dict(a=closure(SECRET)))",
    "types.SimpleNamespace(f=closure(SECRET))",
    "unittest.FunctionTestCase(closure(SECRET))",
    "weakref.ref(check)",
    "with_default",
    "{SECRET: 1}.get",
    "{SECRET}.__contains__",
]
WRAPPED = ["[{}]", "({},)", "dict(a={})", "types.SimpleNamespace(a={})", "iter([{}])", "map(lambda x: x, [{}])"]
WRAPPED += ["functools.partial(check, {})", "collections.UserList([{}])", "contextlib.nullcontext({})"]
OBJECTS = st.recursive(
    st.sampled_from(HANDED),
    lambda inner: st.builds(lambda how, what: how.format(what), st.sampled_from(WRAPPED), inner),
    max_leaves=3,
)
NAMES = """
__name__ __qualname__ __doc__ __module__ __annotations__ __dict__ __class__ __self__ __func__ __wrapped__
__closure__ __code__ __defaults__ __kwdefaults__ __globals__ __builtins__ __getattribute__ __reduce__
__reduce_ex__ __getstate__ __init__ __new__ __subclasses__ __bases__ __mro__ __slots__ __weakref__ __call__
__get__ __set__ __iter__ __next__ __enter__ __exit__ __len__ __repr__ __str__ __format__ __traceback__
__cause__ __context__ __notes__ __signature__ __text_signature__ __type_params__ __match_args__
__dataclass_fields__ __members__ args func keywords gi_frame gi_code gi_yieldfrom cr_frame cr_code cr_await
ag_frame tb_frame f_globals f_locals f_back f_builtins co_consts cell_contents fget fset fdel maps data
default_factory string re pattern groupindex queue mutex raw buffer name mode obj name_func manager handlers
parent root _target _args _kwargs target value _value_ _name_ _fields _asdict _replace gen cache_info
cache_parameters __objclass__ __module__ tzinfo key secret want expected method side_effect return_value error
errors exception exceptions loads dumps stdin stdout modules path fields default bound arguments parameters
"""
ACTS = {
    "dir": "[getattr(v, name) for name in dir(v)]",
    "text": "repr(v) + str(v) + format(v)",
    "signature": "[each.default for each in inspect.signature(v).parameters.values()]",
    "copy": "copy.copy(v)",
    "deepcopy": "copy.deepcopy(v)",
    "pickle": "pickle.dumps(v)",
    "items": "list(itertools.islice(iter(v), 3))",
    "keys": "list(v.keys())",
    "enter": "v.__enter__()",
    "number": "int(v)",
    "class": "type(v)",
    "reduce": "object.__reduce_ex__(v, 2)",
    "bytes": "bytes(v)",
}
EXPLORER = """
import copy, inspect, itertools, pickle, re
def acts(v):
    for name in NAMES.split(): yield lambda: getattr(v, name)
LOOKS
def look(v, depth, found, seen):
    kind = type(v)
    if kind in (int, float): found.append(v)
    elif kind in (str, bytes): found += [int(n) for n in re.findall(r"(?<![0-9a-fx])4711(?![0-9a-f])", str(v))]
    elif kind in (list, tuple, set, frozenset): [look(item, depth, found, seen) for item in list(v)[:50]]
    elif kind is dict: look([*v, *v.values()], depth, found, seen)
    elif depth and id(v) not in seen and len(seen) < 40:
        seen[id(v)] = v
        for act in acts(v):
            try: result = act()
            except BaseException as error: result = str(error)
            look(result, depth - 1, found, seen)
def f(handed):
    found = []
    look(handed, 3, found, {})
    return found
"""
"""A program that does all with an object that it can think of, and with all that it gets by that."""


def explorer() -> str:
    looks = "".join(f"    yield lambda: {act}\n" for act in ACTS.values())
    return EXPLORER.replace("NAMES", repr(" ".join(NAMES.split()))).replace("LOOKS\n", looks)


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(Limits(cpu_s=20, wall_s=120), workers=1) as executor:
        yield executor


@given(handed=OBJECTS)
@example("collections.UserList([functools.partial(operator.eq, SECRET)])")
@example("types.SimpleNamespace(a=[functools.partial(operator.eq, SECRET)])")
@example("dataclasses.make_dataclass('D', ['x'])(functools.partial(operator.eq, SECRET))")
@settings(max_examples=30)
def test_an_object_of_the_test_leads_to_nothing_that_the_test_keeps(executor: Executor, handed: str) -> None:
    test = TEST.replace("{handed}", handed)
    outcome = executor.run_one(Program(explorer(), (AssertTest(code=test),), inside=False))
    assert outcome.verdict == "passed" or outcome.feedback.startswith("not judged: "), outcome.feedback


def test_the_explorer_finds_what_it_can_reach(executor: Executor) -> None:
    test = TEST.replace("{handed}", "[SECRET]")
    outcome = executor.run_one(Program(explorer(), (AssertTest(code=test),), inside=False))
    assert outcome.verdict == "wrong_answer"
