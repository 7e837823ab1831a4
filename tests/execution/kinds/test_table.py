"""Kinds of tests: each that a record or a program may have is in the table once."""

from typing import get_args

from iterpref_core.execution import ValueTest
from iterpref_core.execution.kinds.table import KINDS
from iterpref_core.records import Test


def test_every_kind_of_test_can_be_judged() -> None:
    union, _ = get_args(Test)
    in_records = {test.model_fields["kind"].default for test in get_args(union)}
    assert KINDS.keys() == in_records | {ValueTest.kind}
