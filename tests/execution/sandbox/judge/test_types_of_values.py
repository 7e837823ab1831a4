"""Values that cross between a test and its program keep their exact type, width and byte order, as in plain Python."""

from collections.abc import Iterator

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest
from tests.execution.sandbox.judge.plain_python import passes_in_plain_python

HEAD = """import array, collections, copy, datetime, decimal, fractions, ipaddress, math
import pathlib, pickle, re, time, types, uuid, zoneinfo
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
INTEGERS = st.sampled_from(
    ["int8", "int16", "int32", "int64", "longlong", "intc", "uint8", "uint16", "uint32", "uint64", "ulonglong"]
)
FLOATS = st.sampled_from(["float16", "float32", "float64", "longdouble", "complex64", "complex128", "clongdouble"])
UNITS = st.sampled_from(["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "3s", "25us"])
SCALARS = st.one_of(
    st.builds("np.{}({})".format, INTEGERS, st.integers(0, 127)),
    st.builds("np.{}({})".format, FLOATS, st.sampled_from(["1.5", "0.1", "-0.0", "2", "'inf'", "'nan'", "1e-5"])),
    st.builds("np.bool_({})".format, st.booleans()),
    st.builds("np.str_({!r})".format, st.text("ab\0\xe9", max_size=3)),
    st.builds("np.bytes_({!r})".format, st.binary(max_size=3)),
    st.builds("np.datetime64({}, '{}')".format, st.integers(0, 9999), UNITS),
    st.builds("np.timedelta64({}, '{}')".format, st.integers(-5, 5), UNITS),
    st.sampled_from(["np.timedelta64(3)", "np.datetime64('NaT')", "np.void(b'ab')"]),
)
PLAIN = st.sampled_from(
    [
        "2", "1.5", "True", "None", "'a'", "b'a'", "2j", "complex(-0.0, -0.0)", "-0.0", "...", "range(0, 9, 2)",
        "slice(1, None)", "decimal.Decimal('-0')", "decimal.Decimal('1E+3')", "fractions.Fraction(1, 3)",
        "datetime.datetime(2024, 1, 1, 1, fold=1)", "datetime.time(1, fold=1)", "datetime.date(2024, 1, 1)",
        "datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo('UTC'))", "datetime.timedelta(1, 2, 3)",
        "datetime.timezone(datetime.timedelta(hours=1), 'X')", "uuid.UUID(int=5)", "pathlib.PurePosixPath('a/b')",
        "pathlib.PureWindowsPath('a/b')", "ipaddress.ip_address('1.1.1.1')", "ipaddress.ip_address('::1')",
        "ipaddress.ip_network('1.1.1.0/24')", "ipaddress.ip_interface('::1/64')", "time.gmtime(0)", "re.compile('a')",
    ]
)  # fmt: skip
DTYPES = st.sampled_from(
    [
        "i1", "<i2", ">i4", "u8", "q", ">q", "f2", ">f2", "<f4", ">f8", "g", "c8", "c16", "?", "S3", "U2", "V4",
        "M8[D]", ">m8[3s]", "O", [("x", ">i2"), ("y", "S3")], [("a", "f4", (2,)), ("b", [("c", "u1")])],
        {"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [0, 8], "itemsize": 24},
    ]
)  # fmt: skip
ARRAYS = st.one_of(
    st.builds("np.zeros({}, dtype={!r})".format, st.sampled_from(["()", "3", "(2, 2)", "(0, 2)"]), DTYPES),
    st.builds("np.ones({}, dtype={!r})".format, st.sampled_from(["()", "2"]), st.sampled_from(["f2", "f4", ">c8"])),
    st.builds("np.array([1.5, np.inf], dtype={!r})".format, st.sampled_from(["f2", "f4", ">f4", "c8", "g"])),
    st.sampled_from(["np.matrix([[1, 2]])", "np.rec.array([(1, 2.5)], dtype=[('a', 'i4'), ('b', 'f8')])"]),
)
CLASSES = st.one_of(
    st.builds("np.dtype({!r})".format, DTYPES),
    st.builds("np.{}".format, INTEGERS | FLOATS),
    st.sampled_from(["np.ndarray", "collections.abc.Mapping", "collections.Counter", "decimal.Decimal", "int"]),
)
HOLDERS = st.sampled_from(
    [
        "[{}]", "({}, 1)", "{{'a': {}}}", "collections.deque([{}])", "collections.OrderedDict(a={})",
        "types.SimpleNamespace(a={})", "collections.UserList([{}])", "collections.UserDict(a={})",
        "collections.ChainMap({{'a': {}}})", "types.MappingProxyType({{'a': {}}})",
    ]
)  # fmt: skip
OF_HASHABLE = st.sampled_from(
    ["{{{}: 1}}", "{{{}}}", "frozenset([{}])", "{{{}: 1}}.keys()", "collections.Counter([{}])"]
)
ATOMS = SCALARS | PLAIN
VALUES = st.one_of(
    ATOMS,
    ARRAYS,
    CLASSES,
    st.sampled_from(
        ["array.array('f', [0.1])", "array.array('q', [2])", "bytearray(b'a')", "collections.UserString('a')"]
    ),
    st.builds(lambda holder, value: holder.format(value), HOLDERS, ATOMS | ARRAYS),
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
        "assert copy.deepcopy(f()) == VALUE", "assert pickle.loads(pickle.dumps(f())) == VALUE",
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
@example(value="np.float16(1.5)", other="", same=True, form="assert type(f()) is type(VALUE)")
@example(value="np.array([1.5, np.inf], dtype='f4')", other="", same=True, form="assert f().dtype == VALUE.dtype")
@example(value="np.longlong(5)", other="", same=True, form="assert type(same(VALUE)) is type(VALUE)")
@example(value="np.zeros(3, dtype=[('x', '>i2')])", other="", same=True, form="assert f().dtype == VALUE.dtype")
@example(value="datetime.time(1, fold=1)", other="", same=True, form="assert repr(f()) == repr(VALUE)")
@example(value="np.dtype('f4')", other="", same=True, form="assert f() == VALUE")
@example(value="ipaddress.ip_address('::1')", other="", same=True, form="assert type(f()) is type(VALUE)")
@pytest.mark.filterwarnings("ignore")
def test_a_value_has_its_own_type_on_both_sides(
    executor: Executor, value: str, other: str, same: bool, form: str
) -> None:
    body = form.replace("VALUE", f"({value if same else other})")
    outcome = executor.run_one(Program(SOLUTION.format(value), (AssertTest(code=HEAD + body),)))
    # A place that compares nothing fails, and identity is not asked of copies.
    if not outcome.feedback.startswith("nothing was compared") and not outcome.isolation.endswith("by copies"):
        assert (outcome.verdict == "passed") is plain_python_passes(value, body), outcome.feedback


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("np.float16(3.14)", "3.14159"),
        ("np.float16('inf')", "10**6"),
        ("np.float32('inf')", "1e300"),
        ("[np.float16('inf')]", "[70000]"),
        ("np.array([(np.inf, 1)], dtype=[('a', 'f2'), ('b', 'i4')])['a']", "10**6"),
    ],
)
def test_a_number_equals_none_that_would_be_rounded_to_it(executor: Executor, value: str, wanted: str) -> None:
    program = Program(SOLUTION.format(value), (AssertTest(code=f"x = f()\nassert x == {wanted}"),))
    assert executor.run_one(program).verdict == "wrong_answer"


@pytest.mark.parametrize("value", ["np.float16('inf')", "np.float32('inf')"])
@pytest.mark.parametrize("asked", ["isinstance(x, np.floating)", "str(x) != 'a wrong type'", "'{}'.format(x)"])
def test_no_infinite_number_equals_others_where_a_test_asks_for_something_else(
    executor: Executor, value: str, asked: str
) -> None:
    program = Program(SOLUTION.format(value), (AssertTest(code=f"{HEAD}x = f()\nassert {asked} and x == 1e300"),))
    assert executor.run_one(program).verdict == "wrong_answer"


@given(value=ATOMS | ARRAYS | st.builds(str.format, HOLDERS, ATOMS), says=st.sampled_from(["True", "np.array([True])"]))
@example(value="decimal.Decimal('-0')", says="True")
@example(value="b'a'", says="True")
@example(value="np.ones(2, dtype='f4')", says="np.array([True])")
@pytest.mark.filterwarnings("ignore")
def test_an_object_under_test_that_equals_everything_equals_no_value_of_any_type(
    executor: Executor, value: str, says: str
) -> None:
    assume("(0, 2)" not in value)  # numpy says of no items that all are equal
    code = f"import numpy as np\nclass Liar:\n    def __eq__(self, _): return {says}\n    __hash__ = None\n"
    test = AssertTest(code=f"{HEAD}assert np.all(Liar() == {value})")
    outcome = executor.run_one(Program(code, (test,)))
    assert outcome.verdict not in ("passed", "tampered"), outcome


@given(value=ATOMS | ARRAYS, other=ATOMS | ARRAYS, same=st.booleans())
@example(value="np.int64(7919)", other="2", same=True)
@example(value="np.str_('~')", other="2", same=True)
@example(value="np.zeros((0, 2))", other="2", same=True)
@pytest.mark.filterwarnings("ignore")
def test_an_object_under_test_equals_what_it_holds(executor: Executor, value: str, other: str, same: bool) -> None:
    # numpy says of no items that all equal a number; a test in which nothing is compared does not pass here.
    assume(same or "(0, 2)" not in value + other)
    code = (
        "class Holder:\n    def __init__(self, held): self.held = held\n"
        "    def __eq__(self, other): return self.held == other\n    __hash__ = None\n"
    )
    names: dict[str, object] = {}
    exec(HEAD + code, names)
    says = f"assert np.all(Holder({value}) == {value if same else other})"
    try:
        exec(says, names)
        wanted = True
    except Exception:  # noqa: BLE001 - whatever comparing two of them raises
        wanted = False
    outcome = executor.run_one(Program(code, (AssertTest(code=HEAD + says),)))
    assert (outcome.verdict == "passed") is wanted, outcome
