"""Objects that speak numpy's protocols: none decides what a function of numpy says of it."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest

HEAD = "import numpy as np\n"


def indented(source: str, by: int) -> str:
    return "\n".join(" " * by + line for line in source.splitlines())


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(Limits(cpu_s=10, wall_s=60), workers=1, preload=("numpy",)) as executor:
        yield executor


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
