"""Readings: tests that were read as checks, with the reason where one was not.

Tests that share their names are read together, and each reading may find that a name is no expected value:

    xs = [3, 1]
    assert f(xs) == [1, 3]     the program is told xs, which it may change:
    assert xs == [3, 1]        so the next reading takes the xs of this line for a value of the program's process
"""

import ast
import functools
from collections.abc import Sequence
from typing import NamedTuple

from iterpref_core.execution.reading.checks import Check, TestReader
from iterpref_core.execution.reading.conditions import ConditionReader
from iterpref_core.execution.reading.names import InsideError, Name, Names, Origin, stored
from iterpref_core.execution.reading.sources import UNREADABLE, compile_problem, packages_of, parsed

_MAX_SOURCE = 100_000
"""Length of a test that is read: no text of a value that equals one in it is as long as `canonical.MAX_TEXT`."""
_MOST_READINGS = 5
"""Each reading finds names that are no expected values, and so changes the result of the next one."""


class Reading(NamedTuple):
    """A test that was read.

    Attributes:
        checks: the checks that replace the test, in order; none where it runs inside.
        why_inside: the part of the test that is on no list; empty if it is read as checks.
        packages: that the test cannot do without.
        problem: why the test cannot be compiled; empty if it can.
    """

    checks: tuple[Check, ...] = ()
    why_inside: str = ""
    packages: tuple[str, ...] = ()
    problem: str = ""


@functools.lru_cache(maxsize=256)
def read_expression(source: str, setup: str) -> bool:
    """Tell whether the value of an expression is the solution's, rather than one that the test makes of it.

    >>> read_expression("sorted(f(2))", ""), read_expression("f(2) == 4", "")
    (True, False)
    """
    names = Names(shared=True)
    try:
        _bind_setup(names, setup)
        ConditionReader(names).directness(parsed(source.strip()).body[0].value)  # type: ignore[attr-defined]
    except (InsideError, AttributeError, IndexError, *UNREADABLE):
        return False
    return True


@functools.lru_cache(maxsize=256)
def read_asserts(sources: tuple[str, ...], setup: str) -> tuple[Reading, ...]:
    r"""Return the readings of `assert` tests, which share their names.

    >>> first, second = read_asserts(("xs = [2, 1]\nassert f(xs) == [1, 2]", "assert xs == [2, 1]"), "")
    >>> [(check.before, check.expression) for check in (*first.checks, *second.checks)]
    [('xs = [2, 1]', 'f(xs)'), ('', 'xs')]

    Args:
        sources: of the tests.
        setup: source that runs before the program.
    """
    return _read(sources, setup, "assert", "solution")


@functools.lru_cache(maxsize=256)
def read_file(source: str, setup: str, runner: str, module: str) -> Reading:
    """Return the reading of a test that has a module of its own.

    Args:
        source: of the test.
        setup: source that runs before the program.
        runner: `unittest`, `pytest` or `script`.
        module: name that the solution is imported by.
    """
    (reading,) = _read((source,), setup, runner, module)
    return reading


def _read(sources: Sequence[str], setup: str, runner: str, module: str) -> tuple[Reading, ...]:
    trees: list[ast.Module] = []
    for source in sources:
        try:
            trees.append(parsed(source))
        except UNREADABLE as error:
            return tuple(Reading(problem=compile_problem(error)) for _ in sources)
    packages = [packages_of(tree, frozenset({module})) for tree in trees]
    try:
        if sum(map(len, sources)) > _MAX_SOURCE:
            raise InsideError("the length")
        found = _read_trees(trees, setup, runner, module)
    except InsideError as error:
        found = [Reading(why_inside=str(error)) for _ in trees]
    return tuple(reading._replace(packages=needed) for reading, needed in zip(found, packages, strict=True))


def _read_trees(trees: Sequence[ast.Module], setup: str, runner: str, module: str) -> list[Reading]:
    """Return the readings of tests that share their names.

    Raises:
        InsideError: all of them run inside.
    """
    refused: frozenset[str] = frozenset()
    for _ in range(_MOST_READINGS):
        names = Names(shared=runner in ("assert", "unittest"), refused=refused)
        _bind_setup(names, setup)
        readers = [TestReader(names, runner, module) for _ in trees]
        for reader, tree in zip(readers, trees, strict=True):
            reader.read(tree)
        used = frozenset().union(*(reader.used for reader in readers))
        # What the program has seen, or may have changed, is no expected value.
        if not names.expected & used:
            break
        refused |= names.expected & used
    else:
        raise InsideError("expected values that the program is told")
    if any(reader.why_inside for reader in readers):
        # Tests share their names: what one binds, one that runs inside may need.
        for reader, tree in zip(readers, trees, strict=True):
            if stored(tree):
                reader.why_inside = reader.why_inside or "names that a test inside may need"
    return [
        Reading(why_inside=reader.why_inside) if reader.why_inside else Reading(reader.checks(used))
        for reader in readers
    ]


def _bind_setup(names: Names, setup: str) -> None:
    """Take the names of a setup for a library's, or for unknown ones: no program decides by them.

    Raises:
        InsideError: nobody can say which names there are.
    """
    try:
        statements = parsed(setup).body
    except UNREADABLE:
        return  # the program's process says why
    names.bound |= dict.fromkeys(stored(ast.Module(statements, [])), Name(Origin.UNKNOWN))
    for node in statements:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.bind_import(node)
    names.of_setup = set(names.bound)
