"""Normal forms: equal where a program does the same by construction, different where it does not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterpref_core.programs.source_code.normal_form import same_form, solution_forms
from tests.texts import read_table

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


SAME = r"""
def f(x):\n    'doc'\n    return x | def f(x):  # why\n  pass\n  return (x)
def f(x: int) -> int:\n    y = x\n    return y | def f(x):\n    y = x\n    return y
"""
OTHERS = r"""
from typing import List\ndef f(x: List[int]): return x | def f(x): return x
def f(x: List[int]): return x | from typing import List\ndef f(x: List[int]): return x
from a import x\nfrom b import x\nf = x | from b import x\nfrom a import x\nf = x
def f(x): return x | def f(y): return y
class A:\n    def __init__(self): pass | class A:\n    def __new__(self): pass
def g(x): return x | def f(x): return x
def g(x): return x\ndef f(x): return g(x) | def h(y): return y\ndef f(x): return h(y=x)
def f(x):\n    y = x\n    return x | def f(x):\n    y = x\n    return y
def f(x): return x.a | def f(x): return x.b
x = 1\ndef f():\n    global x\n    x = 2 | x = 1\ndef f():\n    x = 2
def f(x): return sum(x) | def f(x):\n    sum = max\n    return sum(x)
class A:\n    n: int = 1\ndef f(): return A | class A:\n    n = 1\ndef f(): return A
def f(x): return 1 | def f(x): return True
def f(x): return [a for a in x for b in a] | def f(x): return [b for a in x for b in a]
def f( | def f(
"""


@pytest.mark.parametrize("table", [SAME, OTHERS])
def test_known_answers(table):
    for one, other in read_table(table):
        assert same_form(one, other, "f") is (table is SAME), one


def test_docstrings_and_annotations_make_no_program_longer():
    plain = "def f(n, start):\n    k = n + start\n    return k"
    described = "def f(n: int, start: list[int]) -> int:\n    'Add.'\n    k = n + start\n    return k"
    assert solution_forms(plain) == solution_forms(described)
