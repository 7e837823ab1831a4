"""Test suites inside the sandbox: `unittest` classes and scripts that import the solution."""

import ast
import os
import sys
import traceback
import types
import unittest
from typing import Any


class TestFailedError(Exception):
    """A test that ran and did not pass; the message says which and why.

    Args:
        message: for people.
        raised: name of the type that it raised, if it was no assertion that failed.
        failed: `Class.method` of all that failed.
    """

    def __init__(self, message: str, raised: str = "", failed: list[str] | None = None) -> None:
        super().__init__(message)
        self.raised, self.failed = raised, failed or []


def message_of(error: BaseException) -> str:
    """What an error says; the program's own `__str__` may do anything, and the verdict must not depend on it."""
    try:
        return str(error)
    except BaseException as inner:  # noqa: BLE001 - as above
        return f"<{type(inner).__name__} while the message was made>"


def _name(test: Any) -> str:
    return ".".join(test.id().split(".")[-2:])


class _Result(unittest.TestResult):
    """Keeps what failed in the order in which it did: (test, its error)."""

    def __init__(self) -> None:
        super().__init__()
        self.failed: list[tuple[Any, BaseException]] = []

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802 - unittest's names
        super().addFailure(test, err)
        self.failed.append((test, err[1]))

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addError(test, err)
        self.failed.append((test, err[1]))

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.failed.append((test, err[1]))


def _judge(results: list[Any], source: str) -> None:
    """Raise unless at least one test ran, none failed, and none was skipped whose source does not speak of it."""
    failed = [failure for result in results for failure in result.failed]
    if failed:
        test, error = failed[0]
        kind = type(error)
        message = f"{test.id().rsplit('.', 1)[-1]}: {kind.__name__}: {message_of(error).partition(chr(10))[0]}"
        raised = "" if issubclass(kind, AssertionError) else kind.__name__
        raise TestFailedError(message, raised, [_name(test) for test, _ in failed])
    for result in results:
        if getattr(result, "unexpectedSuccesses", None):
            raise TestFailedError("a test that was expected to fail passed")
        if result.testsRun == 0:
            raise TestFailedError("no test ran")
        if result.skipped and "skip" not in source.lower():
            raise TestFailedError(f"{_name(result.skipped[0][0])} was skipped")


def _run_cases(values: list[Any], source: str) -> None:
    """Run the TestCase classes among some values.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    cases = [value for value in values if isinstance(value, type) and issubclass(value, unittest.TestCase)]
    loader, result = unittest.TestLoader(), _Result()
    unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases).run(result)
    _judge([result], source)


def run_unittest(source: str, namespace: dict[str, Any], filename: str) -> None:
    """Run the TestCase classes that a source defines, in the solution's namespace.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    known = frozenset(id(value) for value in namespace.values())
    namespace.setdefault("unittest", unittest)
    exec(compile(source, filename, "exec"), namespace)
    _run_cases([value for value in namespace.values() if id(value) not in known], source)


def file_of(module: str) -> str:
    """Where a module is imported from."""
    return module.replace(".", "/") + ".py"


def run_script(test: dict[str, Any], setup: str, code: str) -> None:
    """Write the solution and the test's files into the working directory and run the script as `__main__`.

    A script passes if it ends without an error, or exits with 0 in its last statement, and every `unittest` result it
    made is a success; if it defines TestCase classes and never runs them, they are run.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    files = {file_of(test["module"]): f"{setup}\n{code}" if setup else code, **test["files"]}
    for name, text in files.items():
        if os.path.dirname(name):
            os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)
    sys.path.insert(0, os.getcwd())
    main = types.ModuleType("__main__")
    main.__file__ = test["run"]
    sys.modules["__main__"], sys.argv = main, [test["run"]]
    results: list[_Result] = []

    def run_tests(suite: Any) -> None:
        suite.exit, suite.result = False, _Result()  # kept, because a script may exit 0 whatever the result was
        suite.test.run(suite.result)
        results.append(suite.result)

    unittest.TestProgram.runTests = run_tests  # type: ignore[assignment,method-assign]
    source = test["files"][test["run"]]
    try:
        exec(compile(source, test["run"], "exec"), main.__dict__)
    except SystemExit as error:
        if error.code not in (None, 0, False) or not _is_at_the_end(error, source, test["run"]):
            raise TestFailedError(f"the test script exited with status {error.code!r}") from None
    if results:
        _judge(results, source)
    elif any(isinstance(v, type) and issubclass(v, unittest.TestCase) for v in vars(main).values()):
        _run_cases(list(vars(main).values()), source)


def _is_at_the_end(error: SystemExit, source: str, filename: str) -> bool:
    """Whether a script has exited by itself, in its last statement: `sys.exit(main())`."""
    codes = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    lines = [line for code, line in codes if code.co_filename == filename and code.co_name == "<module>"]
    return codes[-1][0].co_filename == filename and lines[:1] >= [ast.parse(source).body[-1].lineno]
