"""A project's tests run with the plugins of its environment; what pytest cannot load is named with pytest's line."""

import sys
import sysconfig
import venv
from collections import defaultdict

import pytest

from iterpref_core.execution import Program, open_executor
from iterpref_core.execution.isolation import tiers
from iterpref_core.problems.own_code.own_code import ingest_own_code
from iterpref_core.records import EnvironmentParams, InputError, OwnCodeParams, Problem
from iterpref_core.storage.dropped import read_dropped
from iterpref_core.storage.jsonl import read_jsonl
from tests.problems.own_code.test_own_code import EXECUTION
from tests.settings import section
from tests.texts import write_files

PARAMS = section(OwnCodeParams, licenses=("MIT",))
FAIL = "raise RuntimeError('no display')\n"
PLUGINS = {
    "house": "import pytest\n\n@pytest.fixture\ndef house():\n    return 2\n",
    "fails": FAIL,
    "ends_pytest": f"def pytest_configure(config):\n    {FAIL}",
}
MODULE = '''
def twice(n):
    """Return the double."""
    return 2 * n

def thrice(n):
    """Return the triple."""
    return 3 * n

def half(n):
    """Return the half."""
    return n / 2
'''
PLAIN = """
import m

def test_thrice():
    assert m.thrice(1) == 3

def test_half():
    assert m.half(1) == 1

def test_fixture(no_such):
    pass
"""
PROJECT = {
    "pyproject.toml": '[project]\nname = "p"\nlicense = "MIT"\n',
    "pytest.ini": "[pytest]\nrequired_plugins = house\n",
    "m.py": MODULE,
    "tests/test_house.py": "import m\n\ndef test_twice(house):\n    assert m.twice(house) == 4\n",
    "tests/test_plain.py": PLAIN,
    "tests/test_gone.py": "import not_here\n",
    "tests/test_skip.py": "import pytest\npytest.importorskip('neither_here')\n",
}


@pytest.fixture
def python(tmp_path):
    """Return the interpreter of an environment with this one's packages, a plugin that works, and two that do not."""
    venv.create(tmp_path / "env", symlinks=True)
    (site,) = (tmp_path / "env/lib").glob("python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name, text in PLUGINS.items():
        meta = f"{name}-1.0.dist-info"
        write_files(site, {
            f"{name}.py": text,
            f"{meta}/entry_points.txt": f"[pytest11]\n{name} = {name}\n",
            f"{meta}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        })  # fmt: skip
    return str(tmp_path / "env/bin/python")


def ingested(folder, python):
    out, dropped = folder.parent / "problems.jsonl", folder.parent / "dropped.jsonl"
    ingest_own_code(folder, out, PARAMS, EXECUTION, python=python, dropped=dropped)
    reasons = defaultdict(dict)
    for row in read_dropped(dropped):
        reasons[row.reason][row.task_id] = row.first_line
    return {problem.entry_point: problem for problem in read_jsonl(out, Problem)}, reasons


@pytest.mark.parametrize("closed", [{}, {"bwrap": "closed by the test"}], ids=["best tier", "tier B"])
def test_tests_run_with_the_plugins_of_the_environment_that_work(closed, python, tmp_path, monkeypatch):
    # `python` is below /tmp, which tier B closes.
    layers = tiers.probe_isolation() | closed
    monkeypatch.setattr(tiers, "probe_isolation", lambda: layers)
    folder = write_files(tmp_path / "p", PROJECT)
    problems, reasons = ingested(folder, python)
    assert sorted(problems) == ["thrice", "twice"]
    broken = reasons.pop("plugin")
    assert sorted(broken) == ["ends_pytest", "fails"]
    assert all("RuntimeError: no display" in line for line in broken.values())
    assert reasons.pop("not_collected") == {
        "tests/test_gone.py": "ModuleNotFoundError: No module named 'not_here'",
        "tests/test_skip.py": "Skipped: could not import 'neither_here': No module named 'neither_here'",
    }
    assert "fixture 'no_such' not found" in reasons["test_fails"].pop("tests/test_plain.py::test_fixture")
    assert "assert 0.5 == 1" in reasons["test_fails"].pop("tests/test_plain.py::test_half")
    assert reasons == {"test_fails": {}, "no_test": {"m:half": "tests/test_plain.py::test_half (test_fails)"}}
    own = EnvironmentParams(python=python, paths=(str(folder),))
    with open_executor(EXECUTION.model_copy(update={"environments": {"p": own}})) as executor:
        for code, verdict in (("def twice(n): return n + n", "passed"), ("def twice(n): return n", "wrong_answer")):
            assert executor.run_one(Program(code, problems["twice"].tests)).verdict == verdict


HOOK = "def pytest_collection_modifyitems():\n    raise RuntimeError('no hook')\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere\n", r"1 not_collected.*No module named 'nowhere'"),
        (HOOK, r"3 not_collected.*RuntimeError: no hook"),
        ("import os\nos.environ['REGION']\n", r"1 not_collected.*KeyError: 'REGION'"),
    ],
)
def test_a_conftest_that_ends_pytest_is_named_in_the_error(text, message, tmp_path, caplog):
    folder = write_files(tmp_path / "p", PROJECT | {"conftest.py": text, "pytest.ini": ""})
    with pytest.raises(InputError, match=message):
        ingested(folder, sys.executable)
    assert ("p: tests see no variables but those that --environment names; not set: REGION" in caplog.text) == (
        "REGION" in text
    )
