"""Aliases: a container that the test and the program both hold is one container, as in plain Python."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest

BOX = """
import collections
class Box:
    def __init__(self):
        self.items = []
        self.rows = {}
        self.queue = collections.deque([0])
        self.kept = []
    def keep(self, value):
        self.kept = value
        return value
    def put(self, key, value):
        self.rows[key] = value
    def push(self, value):
        if type(self.kept) in (list, collections.deque):
            self.kept.append(value)
        elif type(self.kept) is set:
            self.kept.add(value)
        else:
            self.kept[value] = value
    def nested(self):
        return [self.items, self.items, (self.kept, self.rows)]
    def show(self):
        return repr([self.items, self.rows, self.queue, self.kept])
    def forget(self):
        self.kept = []
"""
NAMES = st.sampled_from(["a", "b", "c"])
PLACES = st.one_of(NAMES, st.sampled_from(["box.items", "box.queue", "box.kept"]))
NUMBERS = st.integers(0, 400)
STATEMENTS = st.one_of(
    st.builds("{} = {}".format, NAMES, st.one_of(PLACES, st.sampled_from(["[1]", "box.nested()[0]", "box.rows"]))),
    st.builds("{} = box.keep({})".format, NAMES, PLACES),
    st.builds("box.keep({})".format, PLACES),
    st.builds("box.put({}, {})".format, NUMBERS, PLACES),
    st.builds("box.push({})".format, NUMBERS),
    st.builds("change({}, {})".format, PLACES, NUMBERS),
    st.builds("box.items = {}".format, NAMES),
    st.builds("seen.append({} is {})".format, PLACES, PLACES),
    st.builds("seen.append(repr({}))".format, PLACES),
    st.builds("clear({})".format, PLACES),
    st.just("seen.append(box.show())"),
    st.just("seen.append(repr(box.nested()))"),
    st.just("x = box.nested(); seen.append((x[0] is x[1], x[0] is box.items, x[2][0] is box.kept))"),
    st.just("box.forget()"),
    st.just("held.append(box.items)"),
    st.just("held.clear()"),
)
PREAMBLE = """
def change(where, value):
    if type(where) is dict:
        where[value] = value
    else:
        where.append(value)
def clear(where):
    where.clear()
box = Box()
seen, held = [], []
a, b, c = [], [5], [[7]]
"""


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(Limits(cpu_s=5, wall_s=60), workers=1) as executor:
        yield executor


def plain_python(source: str) -> list[object]:
    names: dict[str, object] = {}
    exec(BOX + source, names)
    seen = names["seen"]
    assert isinstance(seen, list)
    return seen


@given(statements=st.lists(STATEMENTS, min_size=1, max_size=14))
def test_a_container_that_both_sides_hold_is_one_as_in_plain_python(executor: Executor, statements: list[str]) -> None:
    body = "\n".join([PREAMBLE, *statements, "seen.append(box.show())"])
    seen = plain_python(body)
    test = f"{body}\nassert seen == {seen!r}, seen"
    outcome = executor.run_one(Program(BOX, (AssertTest(code=test),), inside=False))
    assert outcome.verdict == "passed", (outcome.feedback, seen)
