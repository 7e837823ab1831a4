"""Plain Python, the oracle: runs tests beside their programs as their readers would, without any sandbox."""

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
import types
import unittest
from pathlib import Path

from tests.settings import ROOT

MOST_S = 30
"""Seconds after which a program counts as one that does not pass."""


def passes(questions):
    """Return for each question whether its tests pass, in a process and a folder of its own.

    The processes are forks of a new interpreter: a fork of this one, which has threads, may wait for ever.
    """
    command = [sys.executable, "-W", "ignore", "-m", "tests.execution.verdicts.plain_python"]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    asked = json.dumps(questions)
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def _run(kind, setup, code, sources):
    """Run tests in the current folder; raise unless they pass."""
    encoding = "latin-1" if "coding: latin-1" in code else "utf-8"
    Path("solution.py").write_text(f"{setup}\n{code}" if setup else code, encoding=encoding)
    sys.path.insert(0, str(Path.cwd()))
    if kind == "assert":
        import solution

        module = types.ModuleType("test")
        sys.modules["test"] = module
        vars(module).update({name: value for name, value in vars(solution).items() if not name.startswith("__")})
        for source in sources:
            exec(compile(source, "test.py", "exec"), vars(module))
        return
    (source,) = sources
    if "solution" not in source:
        source = f"from solution import *\n{source}"
    Path("test_it.py").write_text(source, encoding="utf-8")
    if kind == "unittest":
        assert unittest.main("test_it", argv=["test"], exit=False).result.wasSuccessful()
    elif kind == "pytest":
        import pytest

        alone = ["-p", "no:cacheprovider", "--noconftest", "--rootdir=."]
        alone.append("--basetemp=tmp_path")  # in the common folder, pytest first removes what other runs of it left
        assert pytest.main(["-q", *alone, "test_it.py"]) == 0
    else:
        names = {"__name__": "__main__", "__file__": str(Path("test_it.py").resolve())}
        exec(compile(source, "test_it.py", "exec"), names)


def _answer(question):
    """Return whether a question's tests pass, in a fork of this process."""
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.chdir(folder)
                sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process lasts
                signal.alarm(MOST_S)
                _run(*question)
                status = 0
            except SystemExit as error:
                status = 1 if error.code else 0
            except BaseException:  # noqa: BLE001 - whatever a test raises; it is shown where it was not expected
                traceback.print_exc()
            finally:
                os._exit(status)
        return os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    import numpy as np  # noqa: F401 - once for all
    import pytest

    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        pytest.main(["--collect-only", "-p", "no:cacheprovider", "--noconftest", __file__])  # imports its plugins
    gc.freeze()  # no fork looks for garbage among what is there already
    print(json.dumps([_answer(question) for question in json.load(sys.stdin)]))
