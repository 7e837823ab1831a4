"""Normal forms: equal where a program does the same by construction, different where it does not."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterpref_core.programs.source_code.normal_form import same_form, solution_forms

PROGRAM = """
import math
from collections import deque

def helper(a, *, b=2):
    return [{c} for {c} in a if {c} > b]

def f(xs, start=0):
    {d} = start
    def {e}(a):
        nonlocal {d}
        {d} += a
        return {d}
    try:
        {c} = {{k: v for k, v in enumerate(xs)}}
    except ValueError as {b}:
        raise TypeError({b})
    return {e}(sum(map(lambda x: math.floor(x), helper([{a} for {a} in xs])))), {c}
"""
names = st.lists(st.from_regex(r"[a-z]{3,6}_v", fullmatch=True), min_size=5, max_size=5, unique=True)


def fill(five):
    return PROGRAM.format(**dict(zip("abcde", five, strict=True)))


@settings(max_examples=20)
@given(names, names)
def test_a_consistent_renaming_is_the_same_program(one, other):
    assert same_form(fill(one), fill(other), "f")
    assert solution_forms(fill(one)) == solution_forms(fill(other))


@given(names, st.integers(0, 200))
def test_a_changed_constant_operator_or_name_is_another_program(five, place):
    code = fill(five)
    tree = ast.parse(code)
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Constant | ast.Compare | ast.Attribute | ast.AugAssign)]
    node = nodes[place % len(nodes)]
    if isinstance(node, ast.Constant):
        node.value = 77
    elif isinstance(node, ast.Compare):
        node.ops = [ast.NotEq()]
    elif isinstance(node, ast.Attribute):
        node.attr = "ceil"
    else:
        node.op = ast.Sub()
    assert not same_form(code, ast.unparse(tree), "f")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("def f(x):\n    'doc'\n    return x", "def f(x):  # why\n  pass\n  return (x)", True),
        ("def f(x: int) -> int:\n    y = x\n    return y", "def f(x):\n    y = x\n    return y", True),
        ("from typing import List\ndef f(x: List[int]): return x", "def f(x): return x", False),
        ("def f(x: List[int]): return x", "from typing import List\ndef f(x: List[int]): return x", False),
        ("from a import x\nfrom b import x\nf = x", "from b import x\nfrom a import x\nf = x", False),
        ("def f(x): return x", "def f(y): return y", False),
        ("class A:\n    def __init__(self): pass", "class A:\n    def __new__(self): pass", False),
        ("def g(x): return x", "def f(x): return x", False),
        ("def g(x): return x\ndef f(x): return g(x)", "def h(y): return y\ndef f(x): return h(y=x)", False),
        ("def f(x):\n    y = x\n    return x", "def f(x):\n    y = x\n    return y", False),
        ("def f(x): return x.a", "def f(x): return x.b", False),
        ("x = 1\ndef f():\n    global x\n    x = 2", "x = 1\ndef f():\n    x = 2", False),
        ("def f(x): return sum(x)", "def f(x):\n    sum = max\n    return sum(x)", False),
        ("class A:\n    n: int = 1\ndef f(): return A", "class A:\n    n = 1\ndef f(): return A", False),
        ("def f(x): return 1", "def f(x): return True", False),
        ("def f(x): return [a for a in x for b in a]", "def f(x): return [b for a in x for b in a]", False),
        ("def f(", "def f(", False),
    ],
)  # fmt: skip
def test_known_answers(one, other, same):
    assert same_form(one, other, "f") is same


def test_without_an_entry_point_public_names_stay_and_private_ones_do_not():
    assert not same_form("def g(): return 1", "def h(): return 1")
    assert same_form("def _g(): return 1\ndef f(): return _g()", "def _h(): return 1\ndef f(): return _h()")


def test_a_solution_is_found_whatever_it_and_its_helpers_are_called():
    one = "import m\ndef solve(nums: list) -> int:\n    return help(nums) + m.x"
    other = "def find(values):\n    '''Doc.'''\n    return assist(values) + k.x"
    assert [text for text, _ in solution_forms(one.replace("help", "aid"))] == [
        text for text, _ in solution_forms(other)
    ]


def test_docstrings_and_annotations_make_no_program_longer():
    plain = "def f(n, start):\n    k = n + start\n    return k"
    described = "def f(n: int, start: list[int]) -> int:\n    'Add.'\n    k = n + start\n    return k"
    assert solution_forms(plain) == solution_forms(described)


def test_long_numbers_and_long_sums_are_compared():
    number = "0x" + "f" * 5_000  # in decimal, Python writes no more than 4,300 digits
    assert same_form(f"_a = {number}", f"_b = {number}")
    sums = [f"_{name} = 0{' + 1' * 900}" for name in "ab"]
    assert same_form(*sums)
    assert solution_forms(sums[0])[0][0] == solution_forms(sums[1])[0][0]
    assert not same_form(sums[0], f"{sums[0]} + 1")
