"""Test suites inside the sandbox: `unittest` classes and scripts that import the solution."""

import ast
import os
import sys
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


def _last_line(trace: str) -> str:
    lines = [line for line in trace.strip().splitlines() if line.strip()]
    for line in reversed(lines):
        if line and not line[0].isspace() and ":" in line:
            return line
    return lines[-1] if lines else "failed"


def _name(test: Any) -> str:
    return ".".join(test.id().split(".")[-2:])


class _Result(unittest.TestResult):
    """Keeps what failed in the order in which it did: (test, its trace, whether it was no assertion)."""

    def __init__(self) -> None:
        super().__init__()
        self.failed: list[tuple[Any, str, bool]] = []

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802 - unittest's names
        super().addFailure(test, err)
        self.failed.append((*self.failures[-1], False))

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addError(test, err)
        self.failed.append((*self.errors[-1], True))

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            kept = self.failures if issubclass(err[0], test.failureException) else self.errors
            self.failed.append((test, kept[-1][1], kept is self.errors))


def _judge(results: list[_Result], source: str) -> None:
    """Raise unless at least one test ran, none failed, and none was skipped whose source does not speak of it."""
    failed = [one for result in results for one in result.failed]
    if failed:
        test, trace, is_error = failed[0]
        line = _last_line(trace)
        raised = line.partition(":")[0].rpartition(".")[2] if is_error else ""
        message = f"{test.id().rsplit('.', 1)[-1]}: {line}"
        raise TestFailedError(message, raised, [_name(test) for test, _, _ in failed])
    for result in results:
        if getattr(result, "unexpectedSuccesses", None):
            raise TestFailedError("a test that was expected to fail passed")
        if result.testsRun == 0:
            raise TestFailedError("no test ran")
        if result.skipped and "skip" not in source.lower():
            raise TestFailedError(f"{_name(result.skipped[0][0])} was skipped")


def judge_cases(cases: list[Any], source: str) -> None:
    """Run TestCase classes.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    loader = unittest.TestLoader()
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)
    result = _Result()
    suite.run(result)
    _judge([result], source)


def _run_cases(namespace: dict[str, Any], known: frozenset[int], source: str) -> None:
    """Run the TestCase classes of a namespace that are not among the known objects."""
    found = [value for value in list(namespace.values()) if isinstance(value, type) and id(value) not in known]
    judge_cases([value for value in found if issubclass(value, unittest.TestCase)], source)


def run_unittest(source: str, namespace: dict[str, Any], filename: str) -> None:
    """Run the TestCase classes that a source defines, in the solution's namespace.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    known = frozenset(id(value) for value in namespace.values())
    namespace.setdefault("unittest", unittest)
    exec(compile(source, filename, "exec"), namespace)
    _run_cases(namespace, known, source)


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
            self.exit, self.result = False, _Result()
            self.test.run(self.result)  # type: ignore[attr-defined]
            results.append(self.result)

    return RecordingProgram


def run_script(test: dict[str, Any], setup: str, code: str) -> None:
    """Write the solution and the test's files into the working directory and run the script as `__main__`.

    A script passes if it ends without an error, or exits with 0 in its last statement, and every `unittest` result it
    made is a success; if it defines TestCase classes and never runs them, they are run.

    Raises:
        TestFailedError: a test failed, or none ran.
    """
    module = test["module"].replace(".", "/") + ".py"
    _write_files({module: f"{setup}\n{code}" if setup else code, **test["files"]})
    sys.path.insert(0, os.getcwd())
    main = types.ModuleType("__main__")
    main.__file__ = test["run"]
    sys.modules["__main__"], sys.argv = main, [test["run"]]
    results: list[Any] = []
    unittest.main = unittest.TestProgram = _recording_main(results)  # type: ignore[misc,assignment]
    source = test["files"][test["run"]]
    try:
        exec(compile(source, test["run"], "exec"), main.__dict__)
    except SystemExit as error:
        if error.code not in (None, 0, False) or not _is_at_the_end(error, source, test["run"]):
            raise TestFailedError(f"the test script exited with status {error.code!r}") from None
    if results:
        _judge(results, source)
    elif any(isinstance(v, type) and issubclass(v, unittest.TestCase) for v in vars(main).values()):
        _run_cases(vars(main), frozenset(), source)


def _is_at_the_end(error: SystemExit, source: str, filename: str) -> bool:
    """Whether a script has exited by itself, in its last statement: `sys.exit(main())`."""
    trace, lines = error.__traceback__, []
    name = ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name == filename and trace.tb_frame.f_code.co_name == "<module>":
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return name == filename and bool(lines) and lines[0] >= ast.parse(source).body[-1].lineno
