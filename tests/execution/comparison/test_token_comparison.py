"""Comparison of what a script prints with what is expected, token by token."""

import pytest

from iterpref_core.execution.comparison.token_comparison import OutputDifference, first_difference
from tests.texts import read_table

LONG = "9" * 5000
SAME = [("", " \n", ""), ("1  2\n", "\t1\r\n2\v\f", ""), (LONG, LONG + ".0", "")]
SAME += read_table("""
3.0 | 3 |
+3 | 3 |
-0 | 0 |
003 | 3 |
3. | 3.0 |
.5 | 0.5 |
1e3 | 1000 |
1E+3 | 1000.0 |
25e-1 | 2.5 |
1e999999999 | 1e999999999 |
1e999999999 | 10e999999998 |
nan | nan |
Yes | yes | ignore_case
Straße | STRASSE | ignore_case
3.0 | 3 | ignore_case
0.9 | 1.0 | 0.1
1.1 | 1.0 | 0.1
110 | 100.0 | 0.1
0.1 | 0.0 | 0.1
1e999999999 | 1e999999999 | 0.1
0.5 | 0.50 | 0.0
-1.5 | -1.4 | 0.1
""")
"""What is printed, what is expected, and the tolerance or another option."""
DIFFERENT = read_table("""
0.1 | 0.10000000000000001 |
50000000000000000 | 50000000000000001 |
12 | 1 2 |
Yes | yes |
\u0663 | 3 |
inf | 1e999 |
0x10 | 16 |
1_000 | 1000 |
--1 | 1 |
. | 0 |
1e | 1 |
a\u00a0b | a b |
1 | one | 5.0
1.11 | 1.0 | 0.1
1.1000000000000001 | 1.0 | 0.1
111 | 100.0 | 0.1
1.1 | 1 | 0.5
1e999999999 | 0.5 | 0.5
nan | 1.0 | 5.0
0.2 | 0.0 | 0.1
1e99999999999999999999 | 1e99999999999999999998 |
100.0 | 111.2 | 0.1
""")


@pytest.mark.parametrize(("printed", "expected", "option", "same"),
[(*row, True) for row in SAME] + [(*row, False) for row in DIFFERENT])  # fmt: skip
def test_tokens_are_equal_as_texts_or_as_numbers(printed, expected, option, same):
    options = {"ignore_case": True} if option == "ignore_case" else {"tolerance": float(option)} if option else {}
    assert (first_difference(printed, expected, **options) is None) == same
    assert (first_difference(f"a\n{printed}", f"a {expected}", **options) is None) == same


@pytest.mark.parametrize(
    ("printed", "expected", "difference"),
    [
        ("1 2 3", "1 x 4", (2, "2", "x")),
        ("1 2 3", "1 2", (3, "3", None)),
        ("1", "1 2", (2, None, "2")),
        ("1 1.0 2", "1 1 3", (3, "2", "3")),
        ("2 1", "1 2", (1, "2", "1")),
    ],
)
def test_the_first_difference_is_named(printed, expected, difference):
    assert first_difference(printed, expected) == OutputDifference(*difference)
