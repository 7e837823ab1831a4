"""Own code in any layout of folders, and tests of any kind that pytest runs."""

import sys
from types import SimpleNamespace

import pytest

from iterpref_core.execution import Program, open_executor
from iterpref_core.problems.own_code.own_code import ingest_own_code
from iterpref_core.problems.own_code.survey import open_project
from iterpref_core.records import EnvironmentParams, InputError, OwnCodeParams, Problem
from iterpref_core.storage.dropped import read_dropped
from iterpref_core.storage.jsonl import read_jsonl
from tests.problems.own_code.test_own_code import EXECUTION
from tests.settings import section
from tests.texts import write_files

PARAMS = section(OwnCodeParams, licenses=("unknown",))
TWICE = 'def twice(n):\n    """Return the double of n."""\n    return 2 * n\n'
MODULES = {
    "src/near/mod.py": "near.mod",
    "libs/common/src/common/mod.py": "common.mod",
    "libs/flat/flat/deep/mod.py": "flat.deep.mod",
    "backend/app/mod.py": "app.mod",
    "tools/alone.py": "alone",
}


def ingested(folder, params=PARAMS, execution=EXECUTION):
    out, dropped = folder.parent / "problems.jsonl", folder.parent / "dropped.jsonl"
    counts = ingest_own_code(folder, out, params, execution, dropped=dropped)
    reasons = {(row.reason, row.task_id): row.first_line for row in read_dropped(dropped)}
    return SimpleNamespace(counts=counts, problems=list(read_jsonl(out, Problem)), reasons=reasons)


@pytest.mark.slow
def test_a_repository_of_several_packages_is_taken_as_its_tests_import_it(tmp_path):
    files = {"pytest.ini": "[pytest]\npythonpath = tools\naddopts =\n  --cov=near\n  -n 2\n  --import-mode importlib\n"}
    for number, (path, name) in enumerate(MODULES.items()):
        *parents, _ = name.split(".")
        while parents:
            package = "/".join(parents)
            files[f"{path.rpartition(package)[0]}{package}/__init__.py"] = ""
            parents.pop()
        test = f"from {name} import twice\n\ndef test_it():\n    assert twice({number}) == {2 * number}\n"
        files |= {path: TWICE, f"{path.partition('/')[0]}/tests_{number}/test_mod.py": test}
    folder = write_files(tmp_path / "repo", files)
    taken = ingested(folder)
    names = [problem.prompt.partition("module `")[2].partition("`")[0] for problem in taken.problems]
    assert sorted(names) == sorted(MODULES.values())
    environment = open_project(folder, sys.executable).environment
    own = EnvironmentParams(python=environment.python, paths=environment.paths)
    with open_executor(EXECUTION.model_copy(update={"environments": {"repo": own}})) as executor:
        wrong = executor.run_one(Program("def twice(n): return 1", taken.problems[0].tests))
    assert wrong.verdict == "wrong_answer"


SHOP = '''"""Everything that tests may do.

>>> shown(2)
4
"""
import os, subprocess
from typing import overload
import typing as t

def shown(n):
    """Return the double, as in the module.

    >>> shown(3)
    6
    """
    return 2 * n

def in_text(n):
    """Return three more."""
    return n + 3

@overload
def either(n: int) -> int: ...
@t.overload
def either(n: str) -> str: ...
def either(n):
    """Return it again."""
    def shown(m):
        return m
    return shown(n)

def maker(name):
    """Return a class of a name."""
    return type(name, (), {})

def started():
    """Return the version."""
    return subprocess.run(["true"]).returncode

def set_before():
    """Return the region."""
    os.path.expandvars("$OF_NO_FILE")
    return os.getenv("SHOP_REGION").lower()

def keyed():
    """Return the key."""
    return os.environ["SHOP_KEY"]

def _hidden(n):
    """Return it less one."""
    return n - 1

def not_called():
    """Return nothing."""
'''
SHOP_TESTS = """
import shop

class Made(shop.maker("Base")):
    pass

def test_made():
    assert Made.__base__.__name__ == "Base"

def test_either():
    assert shop.either(1) == 1
    assert shop._hidden(1) == 0

def test_started():
    assert shop.started() == 0

def test_keyed():
    assert shop.keyed() == "a=b"

def test_region():
    assert shop.set_before() == "eu"
"""
KINDS = {
    "pytest.ini": "[pytest]\nfilterwarnings = error\naddopts = --doctest-modules --doctest-glob='*.rst'\n",
    "conftest.py": "import pytest\n\npytest.register_assert_rewrite('shop')\n",
    "shop.py": SHOP,
    "never.py": TWICE,
    "tests/usage.rst": "Use it::\n\n    >>> from shop import in_text\n    >>> in_text(4)\n    7\n",
    "tests/test_shop.py": SHOP_TESTS,
}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    folder = write_files(tmp_path_factory.mktemp("own") / "kinds", KINDS)
    named = EnvironmentParams(python=sys.executable, paths=(), variables={"SHOP_KEY": "a=b"})
    execution = EXECUTION.model_copy(update={"environments": {"kinds": named}})
    return folder, ingested(folder, section(OwnCodeParams, licenses=("unknown",), private=True), execution)


@pytest.mark.slow
def test_doctests_and_what_a_test_file_calls_at_its_import_are_tests(kinds):
    _, taken = kinds
    assert taken.counts["environment"].endswith("/kinds:SHOP_KEY=a=b")
    assert [problem.entry_point for problem in taken.problems] == [
        "shown",
        "in_text",
        "either",
        "maker",
        "keyed",
        "_hidden",
    ]
    assert "no test imports never.py" in taken.reasons.pop(("no_test", "never:twice"))
    starts = taken.reasons.pop(("test_starts_program", "tests/test_shop.py::test_started"))
    assert starts.startswith("the sandbox starts no programs: ")
    lost = {("no_test", f"shop:{name}") for name in ("started", "set_before", "not_called")}
    assert set(taken.reasons) == lost | {("test_fails", "tests/test_shop.py::test_region")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("shown", "n + n", "n + 3"),
        ("maker", "type(n, (), {})", "int"),
    ],
)
def test_a_candidate_is_tested_by_the_examples_of_the_original_docstring(kinds, name, right, wrong):
    folder, taken = kinds
    own = EnvironmentParams(python=sys.executable, paths=(str(folder),), variables={"SHOP_KEY": "a=b"})
    (problem,) = (each for each in taken.problems if each.entry_point == name)
    with open_executor(EXECUTION.model_copy(update={"environments": {"kinds": own}})) as executor:
        for body, verdict in ((right, "passed"), (wrong, "wrong_answer")):
            for docstring in ("", '"Its own."; '):
                outcome = executor.run_one(Program(f"def {name}(n): {docstring}return {body}\n", problem.tests))
                assert outcome.verdict == verdict, outcome.feedback


def test_a_license_is_asked_for_before_tests_run_and_code_without_one_is_counted(tmp_path, caplog):
    never = {"m.py": TWICE, "test_m.py": "import os\nos._exit(1)\n", "setup.py": "setup(license='GPL')\n"}
    folder = write_files(tmp_path / "p", never)
    message = r"1 license.*GPL is not in own_code\.licenses; --set 'own_code\.licenses=\[GPL\]' takes it"
    with pytest.raises(InputError, match=message):
        ingested(folder)
    assert not caplog.records
    tested = write_files(
        tmp_path / "q", {"m.py": TWICE, "test_m.py": "import m\ndef test_it(): assert m.twice(1) == 2\n"}
    )
    assert ingested(tested).counts["license"] == "unknown"
    assert "1 problems are of code that states no license: give --license SPDX" in caplog.text


ORDERED = """
import m

class TestOrdered:
    def test_first(self):
        TestOrdered.ready = True

    def test_second(self):
        assert self.ready and m.twice(2) == 4
"""


def test_a_test_that_passes_behind_another_one_alone_runs_behind_it(tmp_path):
    folder = write_files(tmp_path / "p", {"m.py": TWICE, "test_m.py": ORDERED})
    (problem,) = ingested(folder).problems
    assert "::test_first" in problem.tests[0].files["run_own_tests.py"]


SLOWER_THAN_WATCHED = """
import sys, time, m

def test_long():
    began = time.process_time()
    while sys.getprofile() is None or time.process_time() < began + 0.7:
        pass
    assert m.twice(2) == 4

def test_short():
    assert m.twice(3) == 6
"""


@pytest.mark.slow
def test_of_tests_that_take_too_long_where_candidates_run_the_quick_ones_stay(tmp_path):
    folder = write_files(tmp_path / "p", {"m.py": TWICE, "test_m.py": SLOWER_THAN_WATCHED})
    (problem,) = ingested(folder).problems
    tests = problem.tests[0].files["run_own_tests.py"]
    assert [f"::test_{name}" in tests for name in ("short", "long")] == [True, False]
