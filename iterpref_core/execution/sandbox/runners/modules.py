"""Run tests that are modules: `unittest` classes, and scripts that import the solution by name.

A program that has changed or skipped a case fails it.
"""

import sys
import unittest
from collections.abc import Iterable
from typing import Any

from ...protocol.steps import SandboxStep
from ...solution.loading import line_in, write_files
from ..reports import TestFailedError, run_source, tellers


def run_unittest(step: SandboxStep, path: str, solution: str, names: dict[str, Any]) -> None:
    """Run a module and the classes that it defines.

    Raises:
        TestFailedError: a case failed, or none ran.
    """
    names.setdefault("unittest", unittest)
    if not _run_module(step.source, path, solution, names):
        raise TestFailedError("no test ran")


def run_script(step: SandboxStep, path: str, solution: str, names: dict[str, Any]) -> None:
    """Run a script as `__main__`, with its other files and the solution in the same folder.

    The script itself is not written to disk, because the program could read the expected values there.

    Raises:
        TestFailedError: a case failed, or the script exits with a status that is not 0.
    """
    files = dict(step.files)
    write_files({name: text for name, text in files.items() if name != step.path})
    forget(modules_of(files))
    sys.argv = [path]
    _run_module(step.source, path, solution, names)


def _run_module(source: str, path: str, solution: str, names: dict[str, Any]) -> int:
    """Run a module and its `unittest` classes; return the number of their cases.

    Names that exist before the module runs belong to the solution; its test classes do not run.

    Raises:
        TestFailedError: a case failed, or the module exits with a status that is not 0.
    """
    # By identity: a test may bind the same name to a class of its own.
    known = {name: id(value) for name, value in names.items()}
    main: Any = unittest.main
    ran: list[int] = []

    def run_all() -> int:
        # In the order of their names, as `unittest` loads them.
        values = [value for name, value in sorted(names.items()) if known.get(name) != id(value)]
        return run_cases(values, solution, path)

    def run_and_exit(*_: Any, exit: bool = True, **__: Any) -> None:  # noqa: A002 - as `unittest.main` has it
        ran.append(run_all())
        if exit:
            raise SystemExit(0)

    # A test that calls `unittest.main` gets this runner, which notices skipped cases.
    vars(unittest)["main"] = run_and_exit
    try:
        exited = run_source(source, path, solution, names)
    finally:
        vars(unittest)["main"] = main
    return sum(ran) or (0 if exited else run_all())


def modules_of(files: Iterable[str]) -> set[str]:
    """Return the names under which files can be imported.

    >>> sorted(modules_of(["t.py", "lib/__init__.py", "lib/sums.py", "data.txt"]))
    ['lib', 'lib.sums', 't']
    """
    sources = [name.removesuffix(".py") for name in files if name.endswith(".py")]
    return {name.removesuffix("/__init__").replace("/", ".") for name in sources}


def forget(modules: Iterable[str]) -> None:
    """Remove modules, so that they are imported again; an earlier test may have had modules of the same names."""
    for name in modules:
        sys.modules.pop(name, None)


class _Outcomes(unittest.TestResult):
    """Records the outcomes of cases.

    Args:
        solution: path of the program; a skip that is raised there fails the case.
        test: path of the module.
    """

    def __init__(self, solution: str, test: str) -> None:
        super().__init__()
        self._test = test
        self.failed: list[TestFailedError] = []
        self.passed: set[str] = set()
        self.left_out: set[str] = set()
        self._solution = solution

    def startTest(self, test: Any) -> None:  # noqa: N802
        super().startTest(test)
        tellers[0](str(test._testMethodName))  # noqa: SLF001

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802 - as `unittest` names them
        self._fail(getattr(test, "_testMethodName", None) or str(test), err[1])

    addFailure = addError  # noqa: N815

    def _fail(self, name: str, error: BaseException) -> None:
        if not self.failed:
            self.failed.append(TestFailedError(name=name, error=error, test=self._test))

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        if err is not None:
            self._fail(f"{test._testMethodName} {subtest._subDescription()}", err[1])  # noqa: SLF001 - `test_pop (k=3)`

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        del reason
        # `unittest` calls this method while it handles the exception, if there is one.
        error = sys.exc_info()[1]
        if error is not None and line_in(error, self._solution) is not None:
            self.failed.append(TestFailedError(f"{test.id().rpartition('.')[2]}: the program skipped the test"))
        self.left_out.add(test.id())

    def addSuccess(self, test: Any, err: Any = None) -> None:  # noqa: N802
        del err
        self.passed.add(test.id())

    addExpectedFailure = addSuccess  # noqa: N815

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        self.failed.append(TestFailedError(f"{test.id().rpartition('.')[2]} was expected to fail, and passed"))


def run_cases(values: Iterable[Any], solution: str, test: str) -> int:
    """Run the cases of all test classes among some values; return the number of cases.

    Args:
        values: values of the names in a module.
        solution: path of the program.
        test: path of the module.

    Raises:
        TestFailedError: a case failed, no case ran, or the program skipped or replaced a case.
    """
    tests = [kind for kind in values if isinstance(kind, type) and issubclass(kind, unittest.TestCase)]
    classes = dict.fromkeys(kind for kind in tests if kind.__module__ != unittest.TestCase.__module__)
    # The loader of `unittest` is not used, because a program may replace it.
    written = {
        (kind, name): getattr(kind, name)
        for kind in classes
        for name in sorted(dir(kind))
        if name.startswith("test") and callable(getattr(kind, name))
    }
    # `TestPop('test_empty')` is one case of the class.
    cases = {place: place[0](place[1]) for place in written}
    if classes and not cases:
        raise TestFailedError("no test ran")
    outcomes = _Outcomes(solution, test)
    unittest.TestSuite(cases.values()).run(outcomes)
    if outcomes.failed:
        raise outcomes.failed[0]
    if cases and len(outcomes.left_out) >= len(cases):
        raise TestFailedError("all tests were skipped")
    for (kind, name), case in cases.items():
        # A patched `TestCase.run` reports no success. A replaced method is another one than was written.
        is_over = case.id() in outcomes.passed | outcomes.left_out
        if not is_over or getattr(kind, name, None) is not written[kind, name]:
            raise TestFailedError(f"{name} did not run to its end as it was written")
    return len(cases)
