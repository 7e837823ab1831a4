"""Arrays, empty ones and values that equal nothing: compared by a judge as plain Python and numpy compare them."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Outcome, Program
from iterpref_core.records import AssertTest, Test
from tests.execution.sandbox.judge.plain_python import passes_in_plain_python

NUMBERS = st.sampled_from(["0.0", "-0.0", "1.5", "float('nan')", "float('inf')", "-float('inf')", "2", "True"])
OF_NUMPY = st.sampled_from(
    [
        "np.float64('nan')", "np.float32('nan')", "np.float16(1.5)", "np.int8(2)", "np.bool_(True)", "np.nan",
        "np.complex128(complex('nan'))", "np.datetime64('NaT')", "np.datetime64('NaT', 'D')",
        "np.datetime64('2024-01-02')", "np.timedelta64('NaT')", "np.timedelta64(3, 's')", "np.float64(1.5)",
        "np.longdouble(1.5)",
    ]
)  # fmt: skip
TIMES = st.sampled_from(["np.datetime64('NaT')", "np.datetime64('2024-01-02')"])
DTYPES = st.sampled_from(["float", "np.float32", "np.float16", "complex", "object"])
ARRAYS = st.one_of(
    st.builds("np.array([{}], dtype={})".format, st.lists(NUMBERS, max_size=3).map(", ".join), DTYPES),
    st.builds("np.array([{}], dtype='datetime64[D]')".format, st.lists(TIMES, max_size=3).map(", ".join)),
    st.sampled_from(["np.zeros((0, 2))", "np.zeros((2, 0))", "np.array(1.5)", "np.array(float('nan'))"]),
)
VALUES = st.one_of(
    NUMBERS,
    OF_NUMPY,
    ARRAYS,
    st.builds("[{}]".format, st.lists(NUMBERS | OF_NUMPY, max_size=3).map(", ".join)),
    st.builds("({}, {})".format, NUMBERS, OF_NUMPY),
    st.builds("{{'a': {}}}".format, NUMBERS | OF_NUMPY | ARRAYS),
)
FORMS = [
    "assert f() == {}",
    "x = f()\nassert x == {}",
    "x = f()\nassert x == x",
    "x = f()\nassert x in [x]",
    "x = {}\nassert [x] == [same(x)]",
    "x = {}\nassert same([x, 1]) == [x, 1]",
    "x = {}\nassert same((x, {{x}})) == (x, {{x}})",
    "assert not f() != {}",
    "assert np.all(f() == {})",
    "np.testing.assert_equal(f(), {})",
    "np.testing.assert_array_equal(f(), {})",
    "np.testing.assert_array_equal({}, f())",
    "np.testing.assert_allclose(f(), {})",
    "np.testing.assert_allclose(f(), {}, equal_nan=False)",
    "np.testing.assert_almost_equal(f(), {})",
    "from numpy.testing import assert_array_almost_equal\nassert_array_almost_equal(f(), {})",
    "assert np.array_equal(f(), {})",
    "assert np.array_equal(f(), {}, equal_nan=True)",
    "assert np.allclose(f(), {})",
    "assert np.allclose(f(), {}, equal_nan=True)",
    "assert np.isclose(f(), {}).all()",
    "assert f() == pytest.approx({})",
    "assert f() == pytest.approx({}, nan_ok=True)",
    "assert np.isnan(f())",
    "assert np.isnat(f())",
    "assert str(f()) == str({})",
    "assert type(f()) is type({})",
]
SOLUTION = "import numpy as np\ndef same(x): return x\ndef f():\n    return {}\n"
HEAD = "import numpy as np\nimport pytest\n"


def indented(source: str, by: int) -> str:
    return "\n".join(" " * by + line for line in source.splitlines())


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(Limits(cpu_s=10, wall_s=60), workers=1, preload=("numpy",)) as executor:
        yield executor


def outcome_of(executor: Executor, value: str, test: Test) -> Outcome:
    return executor.run_one(Program(SOLUTION.format(value), (test,), inside=False))


def plain_python_passes(value: str, body: str) -> bool:
    return passes_in_plain_python(SOLUTION.format(value), HEAD + body)


@given(value=VALUES, other=VALUES, same=st.booleans(), form=st.sampled_from(FORMS))
@example(value="(0.0, np.float32('nan'))", other="0.0", same=True, form="assert str(f()) == str({})")
@pytest.mark.filterwarnings("ignore")
def test_values_that_equal_nothing_are_judged_as_in_plain_python(
    executor: Executor, value: str, other: str, same: bool, form: str
) -> None:
    body = form.format(value if same else other)
    outcome = outcome_of(executor, value, AssertTest(code=HEAD + body))
    assert (outcome.verdict == "passed") is plain_python_passes(value, body), outcome.feedback


ANSWERS = st.sampled_from(["True", "np.array([True])", "np.True_", "0.0", "np.zeros(3)"])
SAYS_SO = [
    "def __array_function__(self, *_, **__): return {}",
    "def __array_ufunc__(self, *_, **__): return {}",
    "def __array_wrap__(self, *_, **__): return {}",
    "def __array_finalize__(self, *_): self[...] = {}",
    "def __array__(self, *_, **__): return {}",
    "__array_priority__ = 1e9",
    "def __eq__(self, _): return {}",
]
ASKED = [
    "assert np.array_equal(f(), [7, 8, 9])",
    "assert np.allclose(f(), [7, 8, 9])",
    "assert np.isclose(f(), 4).all()",
    "assert np.all(np.equal(f(), [7, 8, 9]))",
    "assert (f() == np.array([7, 8, 9])).all()",
    "assert (np.array([7, 8, 9]) == f()).all()",
    "assert np.all(np.abs(f() - np.array([7, 8, 9])) < 0.1)",
    "assert np.max(np.abs(np.subtract(f(), [7, 8, 9]))) < 0.1",
    "np.testing.assert_array_equal(f(), [7, 8, 9])",
    "np.testing.assert_allclose(f(), [7, 8, 9])",
]


@given(
    base=st.sampled_from(["object", "np.ndarray"]),
    says=st.lists(st.sampled_from(SAYS_SO), min_size=1, max_size=3, unique=True),
    answer=ANSWERS,
    form=st.sampled_from(ASKED),
)
@example(base="object", says=SAYS_SO[:1], answer="True", form=ASKED[0])
@example(base="object", says=SAYS_SO[1:2], answer="np.array([True])", form=ASKED[3])
@example(base="np.ndarray", says=SAYS_SO[:1], answer="True", form=ASKED[0])
@example(base="np.ndarray", says=SAYS_SO[3:4], answer="0.0", form=ASKED[6])
def test_no_object_decides_what_a_function_of_numpy_says_of_it(
    executor: Executor, base: str, says: list[str], answer: str, form: str
) -> None:
    body = indented("\n".join(line.format(answer) for line in says), 4)
    made = "Liar()" if base == "object" else "np.zeros(3).view(Liar)"
    code = f"import numpy as np\nclass Liar({base}):\n{body}\ndef f(): return {made}\n"
    outcome = executor.run_one(Program(code, (AssertTest(code=HEAD + form),), inside=False))
    assert outcome.verdict not in ("passed", "tampered"), outcome


@pytest.mark.parametrize("address", ["8", "id(int)", "numbers.ctypes.data"])
@pytest.mark.parametrize("holder", ["object", "class"])
def test_a_judge_reads_no_numbers_at_an_address_that_a_program_names(
    executor: Executor, address: str, holder: str
) -> None:
    code = (
        "import numpy as np\nnumbers = np.array([7, 8, 9])\nclass Liar:\n"
        f"    __array_interface__ = dict(data=({address}, False), shape=(3,), typestr='<i8', version=3)\n"
        f"def f(): return {'Liar()' if holder == 'object' else 'Liar'}\n"
    )
    read = "assert np.asarray(f()).dtype == object"
    assert executor.run_one(Program(code, (AssertTest(code=HEAD + read),), inside=False)).verdict == "passed"
