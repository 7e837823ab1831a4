# ruff: noqa: E501 - tables of programs
"""Tests inside run in one process, as Python, `unittest` and pytest run them; visible tricks of a program fail."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, IoTest, PytestTest, ScriptTest, StdinTest, UnittestTest
from tests.execution.tiers import BWRAP


def script(source, **files):
    return ScriptTest(module="solution", files={"t.py": source} | files, run="t.py")


LIMITS = Limits(cpu_s=2, wall_s=20, memory_mb=512, file_mb=4)


def run(executor, code, *tests, inside=True):
    return executor.run_one(Program(code, tests, inside=inside))


TWO = "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(1), 1)\n    def test_b(self): self.assertEqual(f(2), 4)"
TESTS = {
    "assert": AssertTest(code="for n in (1, 2):\n    assert f(n) == n * n"),
    "unittest": UnittestTest(code=TWO),
    "pytest": PytestTest(
        code="from solution import f\ndef test_a(): assert f(1) == 1\nclass TestB:\n    def test_b(self): assert f(2) == 4"
    ),
    "suite": script(f"{TWO}\nif __name__ == '__main__':\n    unittest.main()"),
    "script": script("import sys\nfrom solution import f\nsys.exit(0 if (f(1), f(2)) == (1, 4) else 1)"),
}
"""Tests that `f(1)` is 1 and `f(2)` is 4, by runner."""
VISIBLE = {
    "is wrong": "return 1",
    "skips": "import unittest\n    raise unittest.SkipTest('no')",
    "skips the second": "import unittest\n    if x == 2: raise unittest.SkipTest('no')\n    return x * x",
    "skips by pytest": "import pytest\n    if x == 2: pytest.skip('no')\n    return x * x",
    "expects to fail": "import pytest\n    if x == 2: pytest.xfail('no')\n    return x * x",
    "ends pytest": "import pytest\n    if x == 2: pytest.exit('done', 0)\n    return x * x",
    "exits": "raise SystemExit(0)",
    "exits at the second": "import sys\n    if x == 2: sys.exit(0)\n    return x * x",
    "exits by os": "import os\n    if x == 2: os._exit(0)\n    return x * x",
    "kills itself": "import os, signal\n    if x == 2: os.kill(os.getpid(), signal.SIGKILL)\n    return x * x",
    "interrupts": "raise KeyboardInterrupt",
    "forges reports": "import os\n    for n in range(3, 1024):\n        try: os.write(n, b'0 passed 0 \\n1 done 0 \\n')\n        except OSError: pass\n    return x * x",
}
"""Bodies of `f`: what a harness sees of them, whatever runner it has."""


@pytest.mark.parametrize("kind", TESTS)
def test_a_right_program_passes_inside(executor, kind):
    outcome = run(executor, "def f(x): return x * x", TESTS[kind])
    assert (outcome.verdict, outcome.feedback, outcome.inside) == ("passed", "", 1)


@pytest.mark.parametrize("kind", TESTS)
@pytest.mark.parametrize("name", VISIBLE)
def test_what_a_harness_sees_is_no_pass(executor, name, kind):
    outcome = run(executor, f"def f(x):\n    {VISIBLE[name]}", TESTS[kind])
    assert outcome.verdict not in ("passed", "infra_error"), outcome
    assert (outcome.verdict == "tampered") == (name == "forges reports")


REPLACED = {
    "assert": [
        "import builtins\nbuiltins.compile = lambda *a, **k: (lambda: 0).__code__",
        "import builtins\nbuiltins.exec = lambda *a, **k: None",
    ],
    "unittest": [
        "import unittest\nclass A(unittest.TestCase):\n    def test_a(self): pass\nunittest.TestLoader.loadTestsFromTestCase = lambda self, case: unittest.TestSuite([A('test_a')])",
        "import unittest\n@classmethod\ndef hook(cls, **k):\n    for n in list(vars(cls)):\n        if n.startswith('test'): delattr(cls, n)\nunittest.TestCase.__init_subclass__ = hook",
        "import unittest\nunittest.TestCase.run = lambda self, result=None: setattr(result, 'testsRun', result.testsRun + 1)",
        "import unittest\nold = unittest.TestCase.__init__\ndef init(self, name='runTest'):\n    old(self, name)\n    self.__unittest_expecting_failure__ = True\nunittest.TestCase.__init__ = init",
        "import sys\ndef f(x):\n    case = sys._getframe(1).f_globals['T']\n    case.test_b = lambda self: None\n    return 1",
    ],
    "pytest": [
        "import pytest, _pytest.python\n_pytest.python.Module.collect = lambda self: []",
        "import _pytest.python\n_pytest.python.Function.runtest = lambda self: (_ for _ in ()).throw(__import__('pytest').skip.Exception('no'))",
        "def pytest_pyfunc_call(pyfuncitem): return True\ndef f(x): return 1",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in REPLACED.items() for code in codes])
def test_a_program_that_leaves_tests_out_does_not_pass(executor, kind, code):
    code = code if "def f" in code else f"{code}\ndef f(x): return 1"
    assert run(executor, code, TESTS[kind]).verdict not in ("passed", "infra_error")


SKIPS = {
    "a case": UnittestTest(code=f"{TWO}\n    @unittest.skip('later')\n    def test_c(self): self.fail()"),
    "a function": PytestTest(
        code="import pytest\nfrom solution import f\n@pytest.mark.skip\ndef test_a(): assert 0\n@pytest.mark.xfail\ndef test_b(): assert f(2) == 5\ndef test_c(): assert f(2) == 4"
    ),
}
ALL_SKIPPED = {
    "each case": UnittestTest(code="import unittest\nclass T(unittest.TestCase):\n    @unittest.skip('later')\n    def test_a(self): f(2)"),
    "each function": PytestTest(code="import pytest\n@pytest.mark.skip\ndef test_a(): assert 0"),
    "no case": UnittestTest(code="import unittest\nclass T(unittest.TestCase): pass"),
    "no function": PytestTest(code="x = 1"),
    "an unexpected success": UnittestTest(code="import unittest\nclass T(unittest.TestCase):\n    @unittest.expectedFailure\n    def test_a(self): self.assertEqual(f(2), 4)"),
}  # fmt: skip


def test_a_test_may_skip_a_part_of_itself_but_not_all(executor):
    for name, test in SKIPS.items():
        assert run(executor, "def f(x): return x * x", test).verdict == "passed", name
    for name, test in ALL_SKIPPED.items():
        assert run(executor, "def f(x): return x * x", test).verdict == "wrong_answer", name


def test_all_tests_inside_share_one_process_in_their_order(executor):
    code = "import os\nSEEN = []\ndef f(x):\n    SEEN.append(x)\n    return len(SEEN), os.getpid() == PID\nPID = os.getpid()"
    tests = [AssertTest(code=f"for n in [{n}]:\n    assert f(n) == ({n + 1}, True)") for n in range(5)]
    outcome = run(
        executor, code, *tests, PytestTest(code="from solution import f\ndef test_it(): assert f(9) == (6, True)")
    )
    assert (outcome.verdict, outcome.tests_passed, outcome.inside) == ("passed", 6, 6)


@pytest.mark.parametrize(("end", "verdict"), [("os._exit(0)", "exited_early"), ("os.abort()", "crash"), ("1 / 0", "exception"), ("exec('while 1: pass')", "timeout")])  # fmt: skip
def test_a_death_is_the_running_tests(executor, end, verdict):
    tests = [AssertTest(code=f"for n in [{n}]:\n    assert f(n) == {n}") for n in range(4)]
    code = f"import os\ndef f(x):\n    if x == 2: {end}\n    return x"
    outcome = executor.run_one(Program(code, tuple(tests), inside=True, cpu_s=0.3))
    assert (outcome.verdict, outcome.tests_passed, outcome.tests_total) == (verdict, 2, 4)


DEEP = "def f(n): return 0 if n == 0 else 1 + f(n - 1)"


def test_a_program_may_call_itself_as_deeply_as_in_python(executor):
    assert run(executor, DEEP, IoTest(call="f(990)", expected="990"), inside=False).verdict == "passed"
    assert run(executor, DEEP, AssertTest(code="for n in [990]:\n    assert f(n) == n")).verdict == "passed"
    assert run(executor, f"{DEEP}\nprint(f(990))", StdinTest(input="", output="990"), inside=False).verdict == "passed"
    assert run(executor, DEEP, IoTest(call="f(1000)", expected="1000"), inside=False).verdict == "exception"


SOURCE = {
    "its own source": ("import inspect\ndef f(): return inspect.getsource(f)", "assert f() == 'def f(): return inspect.getsource(f)\\n'"),
    "its source, asked by the test": ("def f(): return 1", "import inspect\nassert inspect.getsource(f) == 'def f(): return 1\\n'"),
    "its own file": ("def f(): return open(__file__).read()[:7]", "assert f() == 'def f()'"),
    "a line in a traceback": ("import traceback\ndef f():\n    try: 1 / 0\n    except ZeroDivisionError: return traceback.format_exc()", "assert 'try: 1 / 0' in f()"),
    "a class's source": ("class A:\n    x = 1", "import inspect\nassert 'x = 1' in inspect.getsource(A)"),
    "beside a setup": ("import math, inspect\ndef f(): return inspect.getsource(f)[:7]", "assert f() == 'def f()'"),
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCE)
def test_a_program_has_its_own_source(executor, name):
    code, test = SOURCE[name]
    setup = "import math\n\n" if "setup" in name else ""
    for inside in (False, True):
        outcome = executor.run_one(Program(code + "\n", (AssertTest(code=test),), setup, inside=inside))
        assert (outcome.verdict, outcome.feedback) == ("passed", "")


FILES = """
import os, shutil
def f():
    open("a", "w").close()
    os.chmod("a", 0o640)
    os.utime("a", (1000, 2000))
    shutil.copy2("a", "b")
    with open("/tmp/c", "w") as file: file.write("x")
    return oct(os.stat("b").st_mode & 0o777), os.stat("b").st_mtime, os.path.getsize("/tmp/c")
"""


@pytest.mark.skipif(bool(BWRAP.problem), reason=f"tier A cannot be had here: {BWRAP.problem}; {BWRAP.how}")
@pytest.mark.skipif(
    Path(sys.prefix).is_relative_to("/tmp"), reason="Python lies in /tmp, which programs then only read"
)
@pytest.mark.named_tier
def test_modes_and_times_of_files_are_real_in_tier_a():
    with Executor(Limits(), workers=1, namespaces=True) as executor:
        outcome = run(executor, FILES, IoTest(call="f()", expected="('0o640', 2000.0, 1)"), inside=False)
        assert (outcome.verdict, outcome.feedback) == ("passed", "")
        again = IoTest(call="os.path.exists('/tmp/c')", expected="False")
        assert run(executor, "import os", again, inside=False).verdict == "passed", "the next program finds nothing"


def test_a_name_of_a_test_does_not_replace_the_programs_own(executor):
    code = "def check(x): return x + 1\ndef f(x): return check(x)"
    helper = "def check(g):\n    for n in [1]:\n        assert g(n) == 2\ncheck(f)"
    later = "for n in [2]:\n    assert f(n) == 3"
    assert run(executor, code, AssertTest(code=helper), AssertTest(code=later)).verdict == "passed"
    test = UnittestTest(
        code="import unittest\ncheck = 5\nclass T(unittest.TestCase):\n    def test_it(self): self.assertEqual(f(1), 2)"
    )
    assert run(executor, code, test).verdict == "passed"


CODE = "def f(x): return x + 1"
AGAIN = {
    "assert": lambda wanted: AssertTest(code=f"x = f(1)\nassert x == {wanted}"),
    "unittest": lambda wanted: UnittestTest(code=f"import unittest\nclass T(unittest.TestCase):\n    def test_it(self): self.assertEqual(f(1), {wanted})\n"),
    "pytest": lambda wanted: PytestTest(code=f"from solution import f\ndef test_it(): assert f(1) == {wanted}\n"),
    "script": lambda wanted: script(f"from solution import f\nassert f(1) == {wanted}\n"),
    "module": lambda wanted: script("from helper import wanted\nfrom solution import f\nassert f(1) == wanted()\n", **{"helper.py": f"def wanted(): return {wanted}\n"}),
    "file": lambda wanted: script("from solution import f\nassert f(1) == int(open('wanted.txt').read())\n", **{"wanted.txt": str(wanted)}),
}  # fmt: skip
"""Tests that `f(1)` is a number, by form."""


@pytest.mark.parametrize("inside", [False, True], ids=["as read", "inside"])
@pytest.mark.parametrize("last", AGAIN)
@given(before=st.permutations(sorted(AGAIN)))
@settings(max_examples=2)
def test_the_last_test_is_itself_whatever_ran_before(executor, last, inside, before):
    """Each form has run before, including the same form, whose module or file has the same name and other contents."""
    right = [AGAIN[form](2) for form in before]
    passed = run(executor, CODE, *right, AGAIN[last](2), inside=inside)
    assert (passed.verdict, passed.feedback) == ("passed", "")
    failed = run(executor, CODE, *right, AGAIN[last](3), inside=inside)
    assert (failed.verdict, failed.tests_passed) == ("wrong_answer", len(before))


INVOCATION = """
from pathlib import Path
from solution import f
def test_it(pytestconfig):
    assert f(1) == 2
    invocation = pytestconfig.invocation_params
    assert invocation.dir == Path.cwd() != Path("/")
    assert invocation.args[-1] == str(pytestconfig.rootpath / "test_solution.py")
    assert not pytestconfig.pluginmanager.hasplugin("cacheprovider")
"""


EASY_AND_HARD = "from solution import f\ndef test_easy(): assert f(1) == 2\ndef test_hard(): assert f(5) == 6\n"


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.environ['PYTEST_ADDOPTS'] = '-k test_easy'",
        "import os; os.environ['PYTEST_PLUGINS'] = 'evil'\nopen('evil.py', 'w').write('raise KeyError')",
        "open('pytest.ini', 'w').write('[pytest]\\naddopts = -k test_easy')",
        "open('../code/pyproject.toml', 'w').write('[tool.pytest.ini_options]\\naddopts = \"-k test_easy\"')",
    ],
)
def test_a_later_session_of_pytest_reads_no_settings_of_the_program(executor, code):
    easy = "from solution import f\ndef test_easy(): assert f(1) == 2\n"
    tests = (PytestTest(code=easy), PytestTest(code=EASY_AND_HARD))
    assert run(executor, f"{code}\ndef f(x): return 2", *tests).verdict == "wrong_answer"
    assert run(executor, f"{code}\ndef f(x): return x + 1", *tests).verdict == "passed"


def test_pytest_knows_where_it_was_called_in_the_first_session_and_in_the_next(executor):
    """The first session takes a configuration that was made before the program came, in another folder."""
    outcome = run(executor, CODE, PytestTest(code=INVOCATION), PytestTest(code=INVOCATION))
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


@pytest.mark.parametrize(
    ("imports", "missing"),
    [
        ("import no_such_one.part", True),
        ("from no_such_one import x", True),
        ("try:\n    import no_such_one\nexcept ImportError:\n    pass", False),
    ],
)
def test_a_test_without_its_package_is_not_run(executor, imports, missing):
    outcome = run(executor, "def f(x): return x", AssertTest(code=f"{imports}\nassert f(1) == 1"), inside=False)
    if missing:
        assert outcome.feedback == "the test needs package no_such_one, which is not installed"
    assert (outcome.verdict == "infra_error") is missing
    named = script("from solution import f\nassert f(1) == 1").model_copy(update={"packages": ("json", "no_such_one")})
    assert run(executor, "def f(x): return x", named).verdict == "infra_error"


@pytest.mark.parametrize("name", ["solution", "math", "helper"])
def test_no_program_says_which_package_its_test_lacks(executor, name):
    code = f"def f(x): raise ModuleNotFoundError(\"No module named '{name}'\")"
    test = script("import math, helper\nfrom solution import f\nassert f(1) == 1", **{"helper.py": "x = 1"})
    assert run(executor, code, test).verdict == "exception"
