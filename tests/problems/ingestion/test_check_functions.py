"""Check functions of HumanEval: the tests that are made of one judge every program as the function itself does."""

from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.problems.ingestion.code_tests import read_code

PROGRAMS = {name: f"def NAME(x):\n    {body}\n" for name, body in {
    "right": "return x + 1", "wrong": "return x", "sometimes": "return x + 1 if x else x", "fails": "return x.y",
}.items()}  # fmt: skip
CALLS = {
    "inc": "",
    "x": "",
    "f": "",
    "Solution().inc": "class Solution:\n    def inc(self, x):\n        return inc(x)\n",
}
ASSERTIONS = st.sampled_from(
    [
        "assert PARAMETER(1) == 2",
        "assert PARAMETER(0) == 1, 'zero'",
        "assert all(PARAMETER(x) == x + 1 for x in (0, 1))",
        "assert [f for f in (0, 1) if PARAMETER(f) != f + 1] == []",
        "assert list(map(lambda inc: PARAMETER(inc), [0])) == [1]",
        "assert (lambda PARAMETER: PARAMETER)(1) == 1",
        "assert abs(PARAMETER(1) - 2) < tolerance",
        "assert METADATA['n'] == PARAMETER(1)",
        "assert helper(PARAMETER(1)) == 2",
        "assert (y := PARAMETER(1)) == 2",
        "y = PARAMETER(1)\n    assert y == 2",
        "for x in (0, 1):\n        assert PARAMETER(x) == x + 1",
        "pass",
        "'A docstring.'",
    ]
)


@given(
    assertions=st.lists(ASSERTIONS, min_size=1, max_size=4),
    parameter=st.sampled_from(["candidate", "f", "x", "inc"]),
    call=st.sampled_from(sorted(CALLS)),
    second=st.booleans(),
    around=st.sampled_from(["METADATA = {'n': 2}\n", "METADATA = {'n': 2}\n\ndef helper(v):\n    return v\n"]),
    called=st.booleans(),
)
def test_the_tests_of_a_check_function_judge_as_the_function_does(assertions, parameter, call, second, around, called):
    body = "".join(f"    {assertion}\n" for assertion in assertions).replace("PARAMETER", parameter)
    head = f"def check({parameter}, tolerance=0.5):\n" if second else f"def check({parameter}):\n"
    source = around + head + body + (f"\ncheck({call})\n" if called else "")
    tests = read_code(source, call)
    for code in PROGRAMS.values():
        program = code.replace("NAME", "inc" if CALLS[call] else call) + CALLS[call]
        alone = source if called else f"{source}\ncheck({call})\n"
        assert all(passes(program, test.code) for test in tests) == passes(program, alone)


def passes(program, test):
    names = {}
    try:
        exec(program, names)
        exec(test, names)
    except Exception:  # noqa: BLE001 - of any kind
        return False
    return True
