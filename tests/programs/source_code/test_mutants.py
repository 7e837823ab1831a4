import pytest

from iterpref_core.programs.source_code.mutants import mutants_of
from tests.texts import read_table

PROGRAM = '''
import math
def f(xs: list[int] = 3, k=2) -> int:
    """Says what it does."""
    total = 0
    for i, x in enumerate(xs):
        if not x or x < 3 and x != k:
            continue
        total += -x if x % 2 else x
        print(f"x is {x + 1}")
    return total, "", "abc", True, None
'''
CHANGES = r"""
a + b | a + b -> pass | a + b -> a - b
x = 1 | x = 1 -> pass | 1 -> 2
x = a < b | x = a < b -> pass | a < b -> a <= b | a < b -> a >= b
if a < c: f() | if a < c: -> if not a < c: | a < c -> a <= c | a < c -> a >= c | f() -> pass
a < b == c | a < b == c -> pass | a < b == c -> a <= b == c | a < b == c -> a >= b == c | a < b == c -> a < b != c
x += 1 | x += 1 -> x -= 1 | x += 1 -> pass | 1 -> 2
if a:\n    f() | if a: -> if not a: | f() -> pass
for x in y:\n    break | break -> continue
def f():\n    'doc'\n    return
def f(x: 1) -> 2:\n    return x | return x -> return None
x = f'{a}b' | x = f'{a}b' -> pass
x: int = 'a' | 'a' -> ''
"""
"""Programs, each with the changes of its mutants."""


def changes(code):
    return [mutant.change for mutant in mutants_of(code, 1000, "")]


@pytest.mark.parametrize("row", read_table(CHANGES))
def test_the_mutants_of_small_programs(row):
    code, *expected = row
    assert changes(code) == expected


def test_a_choice_is_part_of_all_and_the_same_every_time():
    everything = mutants_of(PROGRAM, 1000, "")
    chosen = mutants_of(PROGRAM, 7, "seed")
    assert len(chosen) == 7
    assert [mutant for mutant in everything if mutant in chosen] == chosen
    assert mutants_of(PROGRAM, 7, "seed") == chosen
    assert mutants_of(PROGRAM, 7, "other") != chosen


@pytest.mark.parametrize("code", ["def f(", "(" * 5000, "x = '\0'", "-" * 100_000 + "1"])
def test_what_cannot_be_parsed_has_no_mutants(code):
    assert mutants_of(code, 5, "") == []
