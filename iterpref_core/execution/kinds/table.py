"""The kinds of tests, by their names in records: a line for each."""

from .assertion import Assertion
from .call import Call, Value
from .kind import Kind
from .pytest_file import PytestFile
from .script import Script
from .stdin import Stdin
from .unittest_classes import UnittestClasses

_ALL: tuple[Kind, ...] = (
    Call(),
    Assertion(),
    UnittestClasses(),
    PytestFile(),
    Script(),
    Stdin(),
    Value(),
)
KINDS = {kind.name: kind for kind in _ALL}
