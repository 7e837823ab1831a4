"""Arrays, empty ones and values that equal nothing: compared by a judge as plain Python and numpy compare them."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Outcome, Program
from iterpref_core.records import AssertTest, PytestTest, ScriptTest, Test, UnittestTest
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
    "x = {}\nassert same(x) is x",
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
EMPTY = [
    "np.array([])",
    "np.zeros((0, 2))",
    "np.zeros((2, 0))",
    "np.array([], dtype=int)",
]
NEAR_ALL = [
    "assert f() == pytest.approx({})",
    "np.testing.assert_allclose(f(), {})",
    "np.testing.assert_array_equal({}, f())",
    "np.testing.assert_equal(f(), {})",
    "from numpy.testing import assert_array_almost_equal\nassert_array_almost_equal(f(), {})",
    "assert np.allclose(f(), {})",
    "from numpy import allclose\nassert allclose({}, f())",
    "assert np.isclose(f(), {}).all()",
    "assert all(np.isclose(f(), {}).ravel())",
]
SOLUTION = "import numpy as np\ndef same(x): return x\ndef f():\n    return {}\n"
HEAD = "import numpy as np\nimport pytest\n"


def indented(source: str, by: int) -> str:
    return "\n".join(" " * by + line for line in source.splitlines())


KINDS = {
    "assert": lambda body: AssertTest(code=HEAD + body),
    "unittest": lambda body: UnittestTest(
        code=f"{HEAD}import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n{indented(body, 8)}"
    ),
    "pytest": lambda body: PytestTest(code=f"{HEAD}from solution import f\ndef test_it():\n{indented(body, 4)}"),
    "script": lambda body: ScriptTest(
        module="solution", files={"t.py": f"{HEAD}from solution import f\n{body}\n"}, run="t.py"
    ),
}


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(Limits(cpu_s=10, wall_s=60), workers=1, preload=("numpy",)) as executor:
        yield executor


def outcome_of(executor: Executor, value: str, test: Test) -> Outcome:
    return executor.run_one(Program(SOLUTION.format(value), (test,)))


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
    # A place that compares nothing fails, and identity is not asked of copies.
    if not outcome.feedback.startswith("nothing was compared") and not outcome.isolation.endswith("by copies"):
        assert (outcome.verdict == "passed") is plain_python_passes(value, body), outcome.feedback


@given(
    empty=st.sampled_from(EMPTY),
    wanted=st.sampled_from(["4", "0.0", "np.float64(4)", "np.array(4)"]),
    form=st.sampled_from(NEAR_ALL),
    kind=st.sampled_from(sorted(KINDS)),
)
@pytest.mark.filterwarnings("ignore")
def test_nothing_is_near_no_number(executor: Executor, empty: str, wanted: str, form: str, kind: str) -> None:
    outcome = outcome_of(executor, empty, KINDS[kind](form.format(wanted)))
    assert outcome.verdict == "wrong_answer", outcome


@pytest.mark.parametrize("kind", ["assert", "unittest"])
@pytest.mark.parametrize(
    ("setup", "body"),
    [
        ("import numpy as np", "assert np.allclose(f(), 4)"),
        ("import numpy", "numpy.testing.assert_allclose(f(), 4)"),
        ("from numpy import *", "assert allclose(f(), 4)"),
        ("from numpy.testing import *", "assert_equal(f(), 4)"),
        ("from numpy.testing import assert_allclose as near", "near(f(), 4)"),
        ("from pytest import approx", "assert f() == approx(4)"),
    ],
)
def test_nothing_is_near_no_number_for_what_the_setup_imports(
    executor: Executor, setup: str, body: str, kind: str
) -> None:
    test = KINDS[kind](body).model_copy(update={"code": KINDS[kind](body).code.removeprefix(HEAD)})
    for answer, verdict in (("np.array([])", "wrong_answer"), ("np.array([4.0])", "passed")):
        program = Program(SOLUTION.format(answer), (test,), setup=setup)
        assert executor.run_one(program).verdict == verdict, (setup, body)


@given(
    empty=st.sampled_from(EMPTY),
    form=st.sampled_from(NEAR_ALL),
    kind=st.sampled_from(sorted(KINDS)),
    loop=st.booleans(),
)
@pytest.mark.filterwarnings("ignore")
def test_an_empty_array_may_be_what_is_expected_and_one_of_many_sizes(
    executor: Executor, empty: str, form: str, kind: str, loop: bool
) -> None:
    if loop:
        code = "import numpy as np\ndef zeros(n): return np.zeros(n)\n"
        called = form.replace("f()", "zeros(n)").format("0")
        body = f"for n in range(3):\n{indented(called, 4)}"
        test = KINDS[kind](body)
        if not isinstance(test, AssertTest | UnittestTest):
            return
        outcome = executor.run_one(Program(code, (test,)))
    elif not plain_python_passes(empty, form.format(empty)):
        return
    else:
        outcome = outcome_of(executor, empty, KINDS[kind](form.format(empty)))
    assert outcome.verdict == "passed", outcome


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
    outcome = executor.run_one(Program(code, (AssertTest(code=HEAD + form),)))
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
    assert executor.run_one(Program(code, (AssertTest(code=HEAD + read),))).verdict == "passed"


MASKED = st.builds(
    "np.ma.array({}, mask={})".format,
    st.lists(st.integers(-9, 9), min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
)


@given(
    value=MASKED,
    other=MASKED | st.just("[1, 2, 3]"),
    same=st.booleans(),
    form=st.sampled_from(
        [
            "assert np.array_equal(f(), {})",
            "assert np.sum(f()) == np.sum({})",
            "assert np.shape(f()) == np.shape({})",
            "assert f().tolist() == np.ma.array({}).tolist()",
            "assert f().filled(0).tolist() == np.ma.array({}).filled(0).tolist()",
            "assert f().compressed().tolist() == np.ma.array({}).compressed().tolist()",
            "assert np.ma.getmaskarray(f()).tolist() == np.ma.getmaskarray({}).tolist()",
        ]
    ),
)
@example(
    value="np.ma.array([1, 2, 3], mask=[0, 1, 0])", other="[1, 2, 3]", same=True, form="assert np.array_equal(f(), {})"
)
@pytest.mark.filterwarnings("ignore")
def test_a_masked_array_is_an_object_whose_numbers_and_mask_a_test_asks_for(
    executor: Executor, value: str, other: str, same: bool, form: str
) -> None:
    body = form.format(value if same else other)
    outcome = outcome_of(executor, value, AssertTest(code=HEAD + body))
    assert (outcome.verdict == "passed") is plain_python_passes(value, body), outcome
