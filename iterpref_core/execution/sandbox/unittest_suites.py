"""Test suites inside the sandbox: `unittest` classes and scripts that import the solution."""

import builtins
import importlib
import importlib.util
import os
import sys
import types
import unittest
from typing import Any


class TestFailedError(Exception):
    """A test that ran and did not pass; the message says which and why, `raised` names what it raised."""

    def __init__(self, message: str, raised: str = "") -> None:
        super().__init__(message)
        self.raised = raised


class MissingPackageError(Exception):
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
        line = _last_line(trace)
        raised = "" if result.failures else line.partition(":")[0].rpartition(".")[2]
        raise TestFailedError(f"{test.id().rsplit('.', 1)[-1]}: {line}", raised)
    if getattr(result, "unexpectedSuccesses", None):
        raise TestFailedError("a test that was expected to fail passed")
    if result.testsRun == 0:
        raise TestFailedError("no test ran")


def judge_cases(cases: list[Any]) -> None:
    """Run TestCase classes up to the first failure.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    loader = unittest.TestLoader()
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)
    result = unittest.TestResult()
    result.failfast = True
    suite.run(result)
    _judge(result)


def _run_cases(namespace: dict[str, Any], known: frozenset[int]) -> None:
    """Run the TestCase classes of a namespace that are not among the known objects."""
    found = [value for value in list(namespace.values()) if isinstance(value, type) and id(value) not in known]
    judge_cases([value for value in found if issubclass(value, unittest.TestCase)])


def run_unittest(source: str, namespace: dict[str, Any], filename: str) -> None:
    """Run the TestCase classes that a source defines, in the solution's namespace.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    known = frozenset(id(value) for value in namespace.values())
    namespace.setdefault("unittest", unittest)
    exec(compile(source, filename, "exec"), namespace)
    _run_cases(namespace, known)


def _write_files(files: dict[str, str]) -> None:
    for name, text in files.items():
        if os.path.isabs(name) or ".." in name.split("/"):
            raise TestFailedError(f"test file {name!r} is not inside the test's own folder")
        if os.path.dirname(name):
            os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)


def _recording_main(results: list[Any]) -> type:
    """`unittest.main` that keeps its result, because a script may exit 0 whatever the result was."""

    class RecordingProgram(unittest.TestProgram):
        def runTests(self) -> None:  # noqa: N802 - overrides unittest's
            self.exit, self.result = False, unittest.TestResult()
            self.test.run(self.result)  # type: ignore[attr-defined]
            results.append(self.result)

    return RecordingProgram


def run_script(test: dict[str, Any], setup: str, code: str) -> None:
    """Write the solution and the test's files into the working directory and run the script as `__main__`.

    A script passes if it ends without an error and every `unittest` result it made is a success; if it defines
    TestCase classes and never runs them, they are run.

    Raises:
        TestFailedError: a test failed, or none ran.
        MissingPackageError: a package that the test names is not installed here.
    """
    for package in test["packages"]:
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError(package)
    module = test["module"].replace(".", "/") + ".py"
    _write_files({module: f"{setup}\n{code}" if setup else code, **test["files"]})
    sys.path.insert(0, os.getcwd())
    main = types.ModuleType("__main__")
    main.__file__ = test["run"]
    vars(main)["__builtins__"] = builtins  # the public ones: this module's own are a private copy
    sys.modules["__main__"], sys.argv = main, [test["run"]]
    results: list[Any] = []
    unittest.main = unittest.TestProgram = _recording_main(results)  # type: ignore[misc,assignment]
    source = test["files"][test["run"]]
    try:
        exec(compile(source, test["run"], "exec"), main.__dict__)
    except SystemExit as error:
        if not results or error.code not in (None, 0, False):
            raise TestFailedError(f"the test script exited with status {error.code!r}") from None
    for result in results:
        _judge(result)
    if not results and any(isinstance(v, type) and issubclass(v, unittest.TestCase) for v in vars(main).values()):
        _run_cases(vars(main), frozenset())
