"""Frames that a program forges on its connection to the judge: none makes a wrong program pass."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, PytestTest, Test, UnittestTest
from tests.execution.sandbox.judge.wire_programs import WIRE

NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 7, 8, 100, 900, 10**9, True, None, "0", 1.0])
ATOMS = st.sampled_from([None, True, False, 0, 1, -1, "", "f", "x", 1.5, float("inf"), float("nan")])
DTYPES = st.sampled_from(
    [
        "<f2", "<f8", "O", "U", "S", "<M8[D]", "|b1", "<U2", "V8", ">c8", "<f2[x]", "|O", "q", [["a", "<f2"]], [["a",
        "|O"]],
        [["a", "<f2", [10**9]]], [["a", [["b", "|V0"]]]], [], [["", "U9"], [["a", "b"], "<i4"]],
    ]
)  # fmt: skip
TEXTS = st.sampled_from(["", "00", "007c", "0000000000000000", "0100000000000080", "zz", "f", "..."])
NAMED = st.sampled_from(
    [["builtins", "int"], ["builtins", "object"], ["builtins", "eval"], ["types", "FunctionType"], ["os", "system"]]
)


def larger(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    lists = st.lists(inner, max_size=3)
    pairs = st.lists(st.tuples(inner, inner).map(list), max_size=2)
    bodies = {
        "t": lists,
        "@": NUMBERS,
        "f": lists,
        "b": TEXTS,
        "c": lists,
        "i": TEXTS,
        "I": inner,
        "u": st.sampled_from(["...", "NotImplemented", "os"]),
        "#": st.sampled_from(["math.nan", "numpy.nan", "os"]),
        "z": st.builds(
            lambda name, parts: [name, *parts],
            st.sampled_from(["Decimal", "Fraction", "range", "slice", "UUID", "Pattern", "memoryview", "date"]),
            lists,
        ),
        "v": st.builds(lambda name, items: [name, items], st.sampled_from(["keys", "values", "items"]), lists),
        "n": st.builds(lambda kind, data: [kind, data], DTYPES, TEXTS),
        "a": st.builds(
            lambda kind, shape, data: [kind, shape, data],
            DTYPES,
            st.lists(NUMBERS, max_size=2),
            st.one_of(TEXTS, lists),
        ),
        "d": pairs,
        "s": lists,
        "q": st.builds(lambda most, items: [most, items], NUMBERS, lists),
        "T": DTYPES,
        "S": st.builds(
            lambda name, held: [name, held],
            st.sampled_from(["SimpleNamespace", "UserDict", "UserList", "UserString", "ChainMap", "dict"]),
            st.lists(st.tuples(st.sampled_from(["data", "maps", "__class__"]), inner).map(list), max_size=2),
        ),
        "D": st.builds(
            lambda name, more, items: [name, more, items],
            st.sampled_from(["Counter", "defaultdict", "OrderedDict"]),
            inner,
            pairs,
        ),
        "y": NUMBERS,
        "o": st.tuples(NUMBERS, NUMBERS).map(list),
        "k": NUMBERS,
        "g": NAMED,
        "m": st.lists(st.sampled_from(["sys", "unittest", "solution", "os"]), max_size=1),
        "e": st.builds(lambda n, x: [["mine", n], None, x], NUMBERS, inner),
        "N": st.builds(lambda n, items: [["mine", n], items], NUMBERS, lists),
        "x": st.builds(lambda kind, args: [7, kind, args, "", [], None, None, False, None], NAMED, lists),
    }
    tagged = [st.builds(lambda body, tag=tag: {tag: body}, each) for tag, each in bodies.items()]
    return st.one_of(lists, *tagged)


TREES = st.recursive(ATOMS, larger, max_leaves=5)
CHANGES = st.one_of(
    st.none(),
    st.builds(
        lambda changes, forgotten: [changes, forgotten],
        st.lists(st.tuples(NUMBERS, TREES).map(list), max_size=2),
        st.lists(NUMBERS, max_size=2),
    ),
    TREES,
)
FACTS = st.fixed_dictionaries(
    {
        "sort": st.sampled_from(["object", "exception", "enum", "namedtuple"]),
        "name": st.sampled_from(["P", "int", "__class__"]),
        "methods": st.lists(st.sampled_from(["__eq__", "__bool__", "__len__", "__iter__", "__class__"]), max_size=3),
        "bases": st.lists(st.one_of(NUMBERS, NAMED), max_size=1),
    }
)
OPERATIONS = st.sampled_from(
    [
        "call",
        "getattr",
        "setattr",
        "delattr",
        "op",
        "dir",
        "copy",
        "member",
        "isinstance",
        "step",
        "warn",
        "log",
        "load",
    ]
)
WORDS = st.sampled_from(["", "__eq__", "__call__", "__class__", "append", "items", "want", "__globals__", "write"])
ANSWER = st.builds(
    lambda kind, tree, changes, news: ["answer", kind, tree, changes, news],
    st.sampled_from(["answer", "answer", "raise"]),
    TREES,
    CHANGES,
    st.lists(st.tuples(NUMBERS, FACTS).map(list), max_size=1),
)
REQUEST = st.builds(
    lambda op, handle, name, args, changes: ["ask", op, handle, name, args, changes],
    OPERATIONS,
    NUMBERS,
    WORDS,
    st.lists(TREES, max_size=2),
    CHANGES,
)
FRAMES = st.lists(st.one_of(ANSWER, REQUEST), min_size=1, max_size=4)
TESTS: dict[str, Test] = {
    "assert": AssertTest(code="n = 2\nassert f(n) == 4711"),
    "a list of the test": AssertTest(code="xs = [4711, 8]\nassert f(xs) == [8, 4711]\nassert xs == [4711, 8]"),
    "a list that stays": AssertTest(code="xs = [3, 8]\nf(xs)\nassert sum(xs) == 4711"),
    "a callback": AssertTest(code="seen = []\nf(lambda x: seen.append(x == 4711))\nassert seen == [True]"),
    "an object": AssertTest(code="class Item:\n    want = 4711\nitem = Item()\nassert f(item) == 4712"),
    "a stream": AssertTest(code="import io\nout = io.StringIO()\nf(out)\nassert out.getvalue() == '4711'"),
    "an array": AssertTest(code="import numpy as np\nxs = np.array([1, 2])\nassert f(xs).sum() == 4711"),
    "unittest": UnittestTest(
        code="import unittest\nclass T(unittest.TestCase):\n    def test_it(self): self.assertEqual(f([1]), [4711])"
    ),
    "pytest": PytestTest(code="from solution import f\ndef test_it():\n    xs = [1]\n    assert f(xs) == [4711]"),
}
FORGER = """
TURNS = json.loads(FRAMES)
OBJECT = {"qualname": "P", "module": "solution", "doc": None, "coroutine": False, "function": False}
MORE = {"object": {"fields": None, "shared": None}, "exception": {}, "enum": {"enum": "Enum", "mixin": "",
        "members": [["A", 1]], "attributes": [], "methods": [], "missing": False},
        "namedtuple": {"fields": ["a"], "defaults": [], "attributes": []}}
def facts(news):
    made = []
    for number, each in news:
        kept = dict(each)
        if kept["sort"] in ("enum", "namedtuple"): del kept["methods"], kept["bases"]
        common = OBJECT if kept["sort"] == "object" else {k: OBJECT[k] for k in ("qualname", "module", "doc")}
        made.append([number, {**common, **MORE[kept["sort"]], **kept}])
    return made
def turn():
    what, *frame = TURNS.pop(0)
    if what == "ask":
        op, handle, name, args, changes = frame
        send([0, "ask", op, handle, name, [], False], [args, [], *([] if changes is None else [changes])])
    else:
        kind, tree, changes, news = frame
        send([0, kind, facts(news)], [changes, tree])
def f(x):
    while TURNS:
        turn()
        recv()
    os._exit(0)
"""
"""Answers the first call by the forged frames, one for each that it receives, and then ends."""


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(Limits(cpu_s=5, wall_s=30, memory_mb=512), workers=1) as executor:
        yield executor


@given(frames=FRAMES, test=st.sampled_from(sorted(TESTS)))
def test_no_forged_frames_pass_a_test(executor: Executor, frames: list[object], test: str) -> None:
    code = WIRE + FORGER.replace("FRAMES", repr(json.dumps(frames)))
    outcome = executor.run_one(Program(code, (TESTS[test],)))
    assert outcome.verdict not in ("passed", "infra_error"), outcome
    assert outcome.cpu_s < 4
