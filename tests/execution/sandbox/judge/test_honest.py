"""Honest programs of many forms: what plain Python passes, passes here, outside or judged inside."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, PytestTest, UnittestTest
from tests.execution.sandbox.judge.honest_programs import FORMS
from tests.execution.tiers import tiers

pytestmark = pytest.mark.named_tier

LIMITS = Limits(cpu_s=5, wall_s=60, memory_mb=512, file_mb=4)
KINDS = {"assert": AssertTest, "unittest": UnittestTest, "pytest": PytestTest}

PLAIN = """
import contextlib, io, os, pytest, sys, tempfile, types, unittest
sys.path.insert(0, os.getcwd())
def run(kind, test):
    import solution
    if kind == "assert":
        module = types.ModuleType("test")
        vars(module).update({k: v for k, v in vars(solution).items() if not k.startswith("__")})
        sys.modules["test"] = module
        exec(compile(test, "test.py", "exec"), vars(module))
        return
    with open("test_it.py", "w") as file: file.write(test)
    if kind == "unittest":
        assert unittest.main("test_it", argv=["test"], exit=False).result.wasSuccessful()
    else:
        assert pytest.main(["-q", "-p", "no:cacheprovider", "--noconftest", "--rootdir=.", "test_it.py"]) == 0
"""
"""Runs a form as its reader would: the solution is a file beside the test."""


def plain_python(names: list[str], folder: Path) -> dict[str, bool]:
    """Say by name whether plain Python passes a form: each in a copy of one interpreter, without any sandbox."""
    driver = [PLAIN]
    for number, name in enumerate(names):
        kind, code, test = FORMS[name]
        place = folder / str(number)
        place.mkdir()
        (place / "solution.py").write_text(code, encoding="latin-1" if "coding: latin-1" in code else "utf-8")
        driver.append(
            f"pid = os.fork()\nif pid == 0:\n    os.chdir({str(place)!r})\n    sys.path[0] = os.getcwd()\n"
            "    sys.stdout = sys.stderr = open(os.devnull, 'w')\n    status = 1\n"
            f"    try:\n        run({kind!r}, {test!r})\n        status = 0\n    finally:\n        os._exit(status)\n"
            f"print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
        )
    script = folder / "driver.py"
    script.write_text("\n".join(driver), encoding="utf-8")
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "ignore", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=folder)
    return dict(zip(names, [status == "0" for status in done.stdout.split()], strict=True))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    return plain_python(list(FORMS), tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module", params=tiers("honest"))
def outcomes(request):
    with Executor(LIMITS, workers=2, namespaces=request.param == "A") as executor, ThreadPoolExecutor(2) as threads:

        def run(name):
            kind, code, test = FORMS[name]
            return executor.run_one(Program(code, (KINDS[kind](code=test),)))

        yield dict(zip(FORMS, threads.map(run, FORMS), strict=True))


@pytest.mark.parametrize("name", FORMS)
def test_a_judge_says_what_plain_python_says(name, plain, outcomes):
    assert plain[name], "the form itself is wrong"
    assert outcomes[name].verdict == "passed", outcomes[name].feedback


def test_most_forms_are_judged_outside(outcomes):
    outside = [name for name, outcome in outcomes.items() if not outcome.isolation.count("judged inside")]
    assert len(outside) > 0.6 * len(outcomes)
