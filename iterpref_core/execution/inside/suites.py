"""Tests that run inside the sandbox: `unittest` classes and scripts that import the solution."""

import importlib
import importlib.util
import os
import sys
import types
from typing import Any


class TestFailure(Exception):
    """A test that ran and did not pass; the message says which and why."""


class MissingPackage(Exception):
    """A package that a test names is not installed here."""


def _last_line(trace: str) -> str:
    lines = [line for line in trace.strip().splitlines() if line.strip()]
    for line in reversed(lines):
        if line and not line[0].isspace() and ":" in line:
            return line
    return lines[-1] if lines else "failed"


def _judge(result: Any) -> None:
    """Raise unless at least one test ran and none failed."""
    for test, trace in [*result.failures, *result.errors]:
        raise TestFailure(f"{test.id().rsplit('.', 1)[-1]}: {_last_line(trace)}")
    if getattr(result, "unexpectedSuccesses", None):
        raise TestFailure("a test that was expected to fail passed")
    if result.testsRun == 0:
        raise TestFailure("no test ran")


def _run_cases(namespace: dict[str, Any], known: frozenset[int]) -> None:
    """Run the TestCase classes of a namespace that are not among the known objects."""
    import unittest

    cases = [
        value
        for value in list(namespace.values())
        if isinstance(value, type) and issubclass(value, unittest.TestCase) and id(value) not in known
    ]
    loader = unittest.TestLoader()
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)
    result = unittest.TestResult()
    result.failfast = True
    suite.run(result)
    _judge(result)


def run_unittest(source: str, namespace: dict[str, Any], filename: str) -> None:
    """Run the TestCase classes that a source defines, in the solution's namespace.

    Raises:
        TestFailure: a test failed, or none ran.
    """
    import unittest

    known = frozenset(id(value) for value in namespace.values())
    namespace.setdefault("unittest", unittest)
    exec(compile(source, filename, "exec"), namespace)
    _run_cases(namespace, known)


def _write_files(files: dict[str, str]) -> None:
    for name, text in files.items():
        if os.path.isabs(name) or ".." in name.split("/"):
            raise TestFailure(f"test file {name!r} is not inside the test's own folder")
        if os.path.dirname(name):
            os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)


def _recording_main(results: list[Any]) -> type:
    """`unittest.main` that keeps its result, because a script may exit 0 whatever the result was."""
    import unittest

    class RecordingProgram(unittest.TestProgram):
        def runTests(self) -> None:
            self.module = self.module or sys.modules["__main__"]
            suite, self.exit = self.test, False
            self.result = unittest.TestResult()
            suite.run(self.result)
            results.append(self.result)

    return RecordingProgram


def run_script(test: dict[str, Any], setup: str, code: str) -> None:
    """Write the solution and the test's files into the working directory and run the script as `__main__`.

    A script passes if it ends without an error and every `unittest` result it made is a success; if it defines
    TestCase classes and never runs them, they are run.

    Raises:
        TestFailure: a test failed, or none ran.
        MissingPackage: a package that the test names is not installed here.
    """
    import unittest

    for package in test["packages"]:
        if importlib.util.find_spec(package) is None:
            raise MissingPackage(package)
    module = test["module"].replace(".", "/") + ".py"
    _write_files({module: f"{setup}\n{code}" if setup else code, **test["files"]})
    sys.path.insert(0, os.getcwd())
    main = types.ModuleType("__main__")
    main.__file__ = test["run"]
    sys.modules["__main__"], sys.argv = main, [test["run"]]
    results: list[Any] = []
    unittest.main = unittest.TestProgram = _recording_main(results)  # type: ignore[assignment,misc]
    source = test["files"][test["run"]]
    try:
        exec(compile(source, test["run"], "exec"), main.__dict__)
    except SystemExit as error:
        if not results or error.code not in (None, 0, False):
            raise TestFailure(f"the test script exited with status {error.code!r}") from None
    for result in results:
        _judge(result)
    if not results and any(isinstance(v, type) and issubclass(v, unittest.TestCase) for v in vars(main).values()):
        _run_cases(vars(main), frozenset())
