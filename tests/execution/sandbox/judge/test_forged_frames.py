"""Frames that a program forges on its connection to the judge: none makes a wrong program pass."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.sandbox.judge.proxies import OPERATIONS
from iterpref_core.records import AssertTest, PytestTest, Test, UnittestTest
from tests.execution.sandbox.judge.wire_programs import WIRE

NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 7, 8, 100, 900, 10**9, True, None, "0", 1.0])
ATOMS = st.sampled_from([None, True, False, 0, 1, -1, "", "f", "x", 1.5, float("inf"), float("nan")])
TEXTS = st.sampled_from(["", "00", "007c", "0000000000000000", "0100000000000080", "zz", "f", "..."])
NAMED = st.sampled_from(
    [["builtins", "int"], ["builtins", "object"], ["builtins", "eval"], ["types", "FunctionType"], ["os", "system"]]
)
CLASSES = st.recursive(
    st.builds(
        lambda handle, name, fact, shown: [handle, name, fact, shown],
        NUMBERS,
        st.sampled_from(["P", "int", "__class__", None]),
        st.booleans()
        | st.sampled_from([None, [], [{"g": ["builtins", "ValueError"]}], [{"g": ["os", "system"]}], "x"]),
        st.none() | NAMED,
    ),
    lambda inner: st.builds(lambda handle, base: [handle, "Q", [{"k": base}], None], NUMBERS, inner),
    max_leaves=2,
)


def larger(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    lists = st.lists(inner, max_size=3)
    pairs = st.lists(st.tuples(inner, inner).map(list), max_size=2)
    named = st.lists(st.tuples(st.sampled_from(["want", "__class__", "_iterpref"]), inner).map(list), max_size=2)
    bodies = {
        "t": lists,
        "f": lists,
        "b": TEXTS,
        "c": lists,
        "i": TEXTS,
        "u": st.sampled_from(["...", "NotImplemented", "os"]),
        "z": st.builds(
            lambda name, parts: [name, *parts],
            st.sampled_from(["Decimal", "Fraction", "range", "slice", "UUID", "Pattern", "date"]),
            lists,
        ),
        "d": pairs,
        "s": lists,
        "y": NUMBERS,
        "o": st.tuples(NUMBERS, CLASSES).map(list),
        "k": CLASSES,
        "g": NAMED,
        "m": st.sampled_from(["sys", "unittest", "solution", "os", "numpy", None]),
        "x": st.builds(
            lambda handle, kind, args, attributes: [handle, kind, args, "", attributes, None],
            NUMBERS,
            st.one_of(NAMED.map(lambda name: {"g": name}), CLASSES.map(lambda facts: {"k": facts})),
            lists,
            named,
        ),
    }
    tagged = [st.builds(lambda body, tag=tag: {tag: body}, each) for tag, each in bodies.items()]
    return st.one_of(lists, *tagged)


TREES = st.recursive(ATOMS, larger, max_leaves=5)
ANSWER = st.tuples(st.sampled_from(["answer", "answer", "raise", "cannot"]), TREES)
REQUEST = st.builds(
    lambda op, args, named: ["ask", [op, args, {"d": named}]],
    st.sampled_from([*OPERATIONS, "load", "eval", None]),
    st.lists(TREES, max_size=3),
    st.lists(st.tuples(st.sampled_from(["want", "x"]), TREES).map(list), max_size=1),
)
FRAMES = st.lists(ANSWER | REQUEST | st.tuples(ATOMS, TREES), min_size=1, max_size=4)
TESTS: dict[str, Test] = {
    "assert": AssertTest(code="n = 2\nassert f(n) == 4711"),
    "a list of the test": AssertTest(code="xs = [4711, 8]\nassert f(xs) == [8, 4711]\nassert xs == [4711, 8]"),
    "a list that stays": AssertTest(code="xs = [3, 8]\nf(xs)\nassert sum(xs) == 4711"),
    "unittest": UnittestTest(
        code="import unittest\nclass T(unittest.TestCase):\n    def test_it(self): self.assertEqual(f([1]), [4711])"
    ),
    "pytest": PytestTest(code="from solution import f\ndef test_it():\n    xs = [1]\n    assert f(xs) == [4711]"),
}
FORGER = """
def f(x):
    for kind, values in json.loads(FRAMES):
        send(kind, values)
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
    outcome = executor.run_one(Program(code, (TESTS[test],), inside=False))
    assert outcome.verdict != "passed", outcome
    assert outcome.verdict != "infra_error" or outcome.feedback.startswith("not judged: "), outcome
    assert outcome.cpu_s < 4
