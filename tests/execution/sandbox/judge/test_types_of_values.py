"""Values that cross between a test and its program keep their exact type, width and byte order, as in plain Python."""

from collections.abc import Iterator

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest
from tests.execution.sandbox.judge.plain_python import passes_in_plain_python

HEAD = """import array, collections, copy, datetime, decimal, fractions, math, pathlib, uuid
import ipaddress, re, time, types, zoneinfo
import numpy as np
"""
SOLUTION = (
    HEAD
    + """
def same(x): return x
def name(x): return type(x).__name__
def text(x): return repr(x)
def first(x): return next(iter(x))
def f():
    return {}
"""
)
PLAIN = st.sampled_from(
    [
        "2", "1.5", "True", "None", "'a'", "b'a'", "2j", "complex(-0.0, -0.0)", "-0.0", "...", "range(0, 9, 2)",
        "decimal.Decimal('-0')", "decimal.Decimal('1E+3')", "fractions.Fraction(1, 3)",
        "datetime.date(2024, 1, 1)", "datetime.timedelta(1, 2, 3)", "datetime.datetime(2024, 1, 1, 5)",
        "datetime.timezone(datetime.timedelta(hours=1), 'X')", "pathlib.Path('a/b')",
    ]
)  # fmt: skip
OBJECTS = st.sampled_from(
    [
        "datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo('UTC'))", "datetime.time(1, fold=1)",
        "uuid.UUID(int=5)", "pathlib.PurePosixPath('a')", "slice(1)", "collections.deque([1])", "bytearray(b'a')",
        "array.array('q', [2])", "np.arange(3)", "np.str_('ab')", "np.datetime64('NaT')", "np.zeros((0, 2))",
        "pathlib.PureWindowsPath('a/b')", "ipaddress.ip_address('1.1.1.1')", "ipaddress.ip_network('1.1.1.0/24')",
        "time.gmtime(0)", "re.compile('a')", "np.matrix([[1, 2]])", "np.void(b'ab')", "np.float16(1.5)",
        "np.rec.array([(1, 2.5)], dtype=[('a', 'i4'), ('b', 'f8')])", "collections.UserDict(a=1)",
        "np.int32(5)", "np.float32(0.1)", "np.complex64(2)", "np.bool_(True)",
        "collections.OrderedDict(a=2)", "collections.Counter([2])",
        "np.zeros(2, dtype=[('x', '>i2')])", "np.array([1.5, np.inf], dtype='f4')", "types.SimpleNamespace(a=2)",
    ]
)  # fmt: skip
"""Values that are no plain data, or lose their type on the way."""
HOLDERS = st.sampled_from(["[{}]", "({}, 1)", "{{'a': {}}}"])
OF_HASHABLE = st.sampled_from(["{{{}: 1}}", "{{{}}}", "frozenset([{}])"])
ATOMS = PLAIN
VALUES = st.one_of(
    ATOMS,
    st.sampled_from(["int", "decimal.Decimal"]),
    st.builds(lambda holder, value: holder.format(value), HOLDERS, ATOMS),
    st.builds(lambda holder, value: holder.format(value), OF_HASHABLE, ATOMS),
)
FORMS = st.sampled_from(
    [
        "assert f() == VALUE", "assert not f() != VALUE", "assert [f()] == [VALUE]", "assert {1: f()} == {1: VALUE}",
        "assert type(f()) is type(VALUE)", "assert isinstance(f(), type(VALUE))", "assert type(f()) == type(VALUE)",
        "assert repr(f()) == repr(VALUE)", "assert str(f()) == str(VALUE)", "assert hash(f()) == hash(VALUE)",
        "assert f().dtype == VALUE.dtype", "assert f().dtype.name == VALUE.dtype.name",
        "assert f().nbytes == VALUE.nbytes",
        "assert f().dtype.str == VALUE.dtype.str", "assert f().dtype.char == VALUE.dtype.char",
        "assert f().tobytes() == VALUE.tobytes()", "assert f().shape == VALUE.shape",
        "assert f().tolist() == VALUE.tolist()",
        "assert np.array_equal(f(), VALUE)", "np.testing.assert_equal(f(), VALUE)", "assert {f()} == {VALUE}",
        "x = VALUE\nassert same(x) == x", "assert type(same(VALUE)) is type(VALUE)",
        "assert name(VALUE) == name(VALUE)",
        "assert name(VALUE) == type(VALUE).__name__", "assert text(VALUE) == repr(VALUE)",
        "assert type(first(f())) is type(next(iter(VALUE)))", "assert repr(first(VALUE)) == repr(next(iter(VALUE)))",
        "assert copy.deepcopy(f()) == VALUE",
        "assert bool(f()) is bool(VALUE)", "assert math.isclose(f(), VALUE)", "assert f() + 1 == VALUE + 1",
        "assert type(f() * 2) is type(VALUE * 2)", "assert f().a == VALUE.a", "assert f().newbyteorder() == VALUE",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(Limits(cpu_s=10, wall_s=60), workers=1, preload=("numpy",)) as executor:
        yield executor


def plain_python_passes(value: str, body: str) -> bool:
    return passes_in_plain_python(SOLUTION.format(value), HEAD + body)


@given(value=VALUES, other=VALUES, same=st.booleans() | st.just(True), form=FORMS)
@pytest.mark.filterwarnings("ignore")
def test_plain_data_has_its_own_type_on_both_sides(
    executor: Executor, value: str, other: str, same: bool, form: str
) -> None:
    body = form.replace("VALUE", f"({value if same else other})")
    outcome = executor.run_one(Program(SOLUTION.format(value), (AssertTest(code=HEAD + body),), inside=False))
    assert (outcome.verdict == "passed") is plain_python_passes(value, body), outcome.feedback


@given(value=OBJECTS, other=OBJECTS | PLAIN, same=st.booleans() | st.just(True), form=FORMS)
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_plain_data_passes_nothing_that_it_does_not_pass_in_plain_python(
    executor: Executor, value: str, other: str, same: bool, form: str
) -> None:
    body = form.replace("VALUE", f"({value if same else other})")
    outcome = executor.run_one(Program(SOLUTION.format(value), (AssertTest(code=HEAD + body),), inside=False))
    assert outcome.verdict != "passed" or plain_python_passes(value, body), outcome.feedback


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("np.float16(3.14)", "3.14159"),
        ("np.float16('inf')", "10**6"),
        ("np.float32('inf')", "1e300"),
        ("[np.float16('inf')]", "[70000]"),
    ],
)
def test_a_number_equals_none_that_would_be_rounded_to_it(executor: Executor, value: str, wanted: str) -> None:
    program = Program(SOLUTION.format(value), (AssertTest(code=f"x = f()\nassert x == {wanted}"),), inside=False)
    assert executor.run_one(program).verdict == "wrong_answer"


@pytest.mark.parametrize("value", ["np.float16('inf')", "np.float32('inf')"])
@pytest.mark.parametrize("asked", ["isinstance(x, np.floating)", "str(x) != 'a wrong type'", "'{}'.format(x)"])
def test_no_infinite_number_equals_others_where_a_test_asks_for_something_else(
    executor: Executor, value: str, asked: str
) -> None:
    program = Program(
        SOLUTION.format(value), (AssertTest(code=f"{HEAD}x = f()\nassert {asked} and x == 1e300"),), inside=False
    )
    assert executor.run_one(program).verdict == "wrong_answer"


@given(value=ATOMS | st.builds(str.format, HOLDERS, ATOMS), says=st.sampled_from(["True", "np.array([True])"]))
@example(value="decimal.Decimal('-0')", says="True")
@example(value="b'a'", says="True")
@pytest.mark.filterwarnings("ignore")
def test_an_object_that_equals_everything_equals_no_value_of_any_type(
    executor: Executor, value: str, says: str
) -> None:
    assume("(0, 2)" not in value)  # numpy says of no items that all are equal
    code = f"import numpy as np\nclass Liar:\n    def __eq__(self, _): return {says}\n    __hash__ = None\n"
    for made in ("Liar()", "f()"):
        test = AssertTest(code=f"{HEAD}assert np.all({made} == {value})")
        outcome = executor.run_one(Program(f"{code}def f(): return Liar()", (test,), inside=False))
        assert outcome.verdict not in ("passed", "tampered"), outcome
