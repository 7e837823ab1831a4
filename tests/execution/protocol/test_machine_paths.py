"""Feedback has no path of the machine, and is the same in both tiers."""

import sys
import tempfile

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.isolation.interpreters import Environment
from iterpref_core.execution.protocol.machine_paths import MachinePaths
from iterpref_core.records import AssertTest, IoTest, StdinTest
from tests.engines import outcomes_of
from tests.execution.tiers import BWRAP
from tests.settings import ROOT
from tests.texts import read_table

pytestmark = pytest.mark.named_tier

LIMITS = Limits(cpu_s=2, wall_s=60)
CALLED = r"""
import | from json import nope\ndef f(): return 1 | from 'json' (lib/json/__init__.py), line 1
interpreter | import sys\ndef f(): return sys.executable | f() returned 'python', expected 1
search path | import sys\ndef f(): return sys.path[-1] | f() returned 'site-packages', expected 1
file | import os\ndef f(): return os.__file__ | f() returned 'lib/os.py', expected 1
absent file | import os\ndef f(): open(os.path.abspath('x')) | No such file or directory: './x'
long message | import os\ndef f(): raise ValueError('x' * 150 + f' {os.__file__}' * 30) | lib/os.py
printed | import os\nprint(os.__file__, os.getcwd())\ndef f(): 1 / 0 | printed: lib/os.py .
stack | import traceback\nprint(chr(10))\ntraceback.print_stack()\ndef f(): pass | zygote
type of an object | import os\nX = type(os.__file__, (), {})\ndef f(): return X() | of type lib/os.py
like the folder | def f(): return '/jobs/w', '/a/job/w' | ('/jobs/w', '/a/job/w')
somebody's path | def f(): return '/home/user//x', '/lib/x' | ('/home/user//x', '/lib/x')
"""
CALL = IoTest(call="f()", expected="1")
PROGRAMS = {
    **{name: (code, CALL, feedback) for name, code, feedback in read_table(CALLED)},
    "assertion": ("import os\ndef f(): return os.__file__", AssertTest(code="assert f() == 1, f()"), "lib/os.py"),
    "script": (
        "import os\nprint(__file__, os.__file__)",
        StdinTest(input="", output=""),
        "'./solution.py lib/os.py\\n'",
    ),
    "script's error": ("raise ValueError(__file__)", StdinTest(input="", output=""), "ValueError: ./solution.py"),
    "script before a checker": (
        "print(__file__)",
        StdinTest(input="", output="", checker="def check(*_): return False"),
        "printed './solution.py\\n'",
    ),
}


@pytest.fixture(scope="module")
def outcomes():
    """What all programs did, in each tier that can be had."""
    found = []
    for namespaces in [True, False] if not BWRAP.problem else [False]:
        with Executor(LIMITS, workers=1, namespaces=namespaces) as executor:
            programs = [Program(code, (test,)) for code, test, _ in PROGRAMS.values()]
            found.append(dict(zip(PROGRAMS, outcomes_of(executor, programs), strict=True)))
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_feedback_has_no_path_of_the_machine(outcomes, name):
    texts = {one[name].feedback for one in outcomes}
    assert len(texts) == 1, texts
    (text,) = texts
    assert PROGRAMS[name][2] in text
    for path in (sys.prefix, sys.base_prefix, str(ROOT), tempfile.gettempdir()):
        assert path not in text


def test_a_projects_folder_is_called_by_its_name(tmp_path):
    project = tmp_path / "shop"
    project.mkdir()
    (project / "cart.py").write_text("total = 1\n")
    environments = {"shop": Environment(sys.executable, paths=(str(project),))}
    with Executor(LIMITS, workers=1, environments=environments) as executor:
        outcome = executor.run_one(Program("def f():\n    from cart import nope", (CALL,), environment="shop"))
    assert "cannot import name 'nope' from 'cart' (shop/cart.py)" in outcome.feedback


def test_only_whole_paths_have_names():
    paths = MachinePaths([("/job", "."), ("/job/w", "."), ("/", "root")])
    assert paths.hide({"a": ["/job/w/x", "/job/wx", "/jobs", "x/job", "/job"], "b": 3}) == {
        "a": ["./x", "./wx", "/jobs", "x/job", "."],
        "b": 3,
    }
