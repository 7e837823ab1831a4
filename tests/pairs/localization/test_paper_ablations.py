"""Localization by prefix and suffix, and by tokens."""

from typing import get_args

import pytest

from iterpref_core.pairs.localization.localization import ON_TEXT
from iterpref_core.records import LocalizationMethod
from tests.texts import marked


def test_every_method_has_a_row_and_a_word():
    words = set(get_args(LocalizationMethod))
    assert words == {*ON_TEXT}, "a method is a row of ON_TEXT and a word of config.LocalizationMethod"


@pytest.mark.parametrize(
    ("rejected", "chosen", "expected"),
    [
        ("x = a - b\n", "x = a + b\n", ["-"]),
        ("total = a.b(c)\n", "total = a.d(c, e)\n", ["b"]),
        ("if x:\n    y()\n    z()\n", "if x:\n    y()\nz()\n", ["    "]),
        ("if x:\n    y()\nz()\n", "if x:\n    y()\n    z()\n", ["z"]),
        ("a = one\nb = two\n", "a = three\nb = two\n", ["one"]),
        ("return x\n", "return x\n\n", []),
    ],
)
def test_tokens_outside_the_common_sequence(rejected, chosen, expected):
    assert marked(rejected, ON_TEXT["token"](rejected, chosen).rejected) == expected
