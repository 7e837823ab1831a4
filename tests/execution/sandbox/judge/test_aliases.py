"""Aliases: a container that the test and the program both hold is one container, as in plain Python."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, PytestTest, UnittestTest

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
    def each(self, note):
        for value in list(self.items):
            note(value, self.items)
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
    st.just("box.each(lambda value, items: seen.append((value, items is box.items, len(items))))"),
    st.just("box.each(lambda value, items: len(items) < 9 and items.append(value))"),
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
    outcome = executor.run_one(Program(BOX, (AssertTest(code=test),)))
    assert outcome.verdict == "passed", (outcome.feedback, seen)


MARK = " judged by copies"
SAME = """
ROWS = {}
def f(x): return x
def keys(): return ROWS.keys()
def put(x): ROWS[x] = x
def size(): return len(ROWS)
"""
COPIES = ["(1, 2)", "'abcdefgh'", "10**30", "2.5", "frozenset({1})", "datetime.date(2024, 1, 2)", "b'abcdef'"]
FORMS = {
    "assert": lambda value, same: AssertTest(
        code=f"import datetime\nx = {value}\nassert f(x) {'is' if same else 'is not'} x"
    ),
    "unittest": lambda value, same: UnittestTest(
        code=f"import datetime\nclass T(unittest.TestCase):\n    def test_it(self):\n        x = {value}\n"
        f"        self.{'assertIs' if same else 'assertIsNot'}(f(x), x)"
    ),
    "pytest": lambda value, same: PytestTest(
        code=f"import datetime\nfrom solution import f\ndef test_it():\n    x = {value}\n"
        f"    assert f(x) {'is' if same else 'is not'} x"
    ),
}


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("form", FORMS)
@given(value=st.sampled_from(COPIES))
@settings(max_examples=3)
def test_a_verdict_says_that_identity_was_asked_of_a_copy(
    executor: Executor, form: str, value: str, same: bool
) -> None:
    assert executor.run_one(Program(SAME, (FORMS[form](value, same),))).isolation.endswith(MARK)


@pytest.mark.parametrize(
    "test",
    [
        "got = keys()\nput(1)\nassert list(got) == []",
        "import threading\nxs = [1]\nt = threading.Thread(target=f, args=(xs,))\nt.start(); t.join()\nassert f(xs)",
    ],
)
def test_a_verdict_says_where_containers_may_not_be_alike(executor: Executor, test: str) -> None:
    assert executor.run_one(Program(SAME, (AssertTest(code=test),))).isolation.endswith(MARK)


@pytest.mark.parametrize(
    "test",
    [
        "assert f(1) is not None",
        "assert type(f(1)) is int",
        "xs = [1]\nassert f(xs) is xs",
        "xs = []\nassert (f(xs) is xs) == True\nassert f(xs) is not f([])",
        "for n in range(300): put(n)\nassert size() == 300",
    ],
)
def test_a_verdict_says_nothing_of_copies_where_there_are_none(executor: Executor, test: str) -> None:
    outcome = executor.run_one(Program(SAME, (AssertTest(code=test),)))
    assert outcome.verdict == "passed", outcome.feedback
    assert MARK not in outcome.isolation


def test_large_containers_that_both_sides_hold_cost_no_more_than_a_bounded_time_and_are_copies_then(
    executor: Executor,
) -> None:
    code = "XS = list(range(200000))\ndef f(): return XS\ndef g(n): return n"
    test = "xs = f()\nassert all(g(n) == n for n in range(1000))\nassert len(xs) == 200000"
    outcome = executor.run_one(Program(code, (AssertTest(code=test),)))
    assert outcome.verdict == "passed", outcome.feedback
    assert outcome.isolation.endswith(MARK)
    assert outcome.cpu_s < 3


def test_the_first_verdict_by_copies_of_an_executor_gives_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    program = Program(SAME, (AssertTest(code="x = (1, 2)\nassert f(x) is not x"),))
    with Executor(Limits(cpu_s=5, wall_s=60), workers=1) as executor:
        for _ in range(2):
            executor.run_one(program)
    assert caplog.text.count("judged by copies") == 1
