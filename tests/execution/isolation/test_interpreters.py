"""Programs run in the interpreter of another project, with only its packages and folders."""

import sys
import venv

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.isolation.interpreters import Environment
from iterpref_core.records import ConfigError, IoTest, ScriptTest
from tests.engines import outcomes_of

LIMITS = Limits(cpu_s=2, wall_s=30, memory_mb=256)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Make a virtual environment with one package, next to a folder of the project and an unrelated folder."""
    folder = tmp_path_factory.mktemp("project")
    venv.create(folder / "env", symlinks=True)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    (site / "only_there.py").write_text("VALUE = 7\n")
    (folder / "source").mkdir()
    (folder / "source/mine.py").write_text("VALUE = 8\n")
    (folder / "secret").write_text("canary")
    return folder


def script(text, environment="own"):
    return ScriptTest(module="solution", files={"t.py": text}, run="t.py", environment=environment)


@pytest.fixture(scope="module")
def executor(project):
    python, source = str(project / "env/bin/python"), str(project / "source")
    environments = {"own": Environment(python, (source,)), "other": Environment(python, (source,))}
    with Executor(LIMITS, workers=1, environments=environments) as executor:
        yield executor


def verdict(executor, text, environment="own"):
    outcome = executor.run_one(Program("x = 1", (script(text, environment),)))
    return outcome.verdict


def test_a_test_sees_its_environments_packages_and_folders_and_none_of_ours(executor):
    assert verdict(executor, "import only_there, mine\nassert (only_there.VALUE, mine.VALUE) == (7, 8)") == "passed"
    assert verdict(executor, "import only_there", None) == "infra_error"
    assert verdict(executor, "import numpy") == "infra_error"
    assert verdict(executor, "import numpy, solution\nassert solution.x == 1", None) == "passed"


def test_pytest_and_its_own_plugins_are_there_before_a_program_runs(tmp_path):
    with Executor(LIMITS, workers=1, environments={"own": Environment(sys.executable, (str(tmp_path),))}) as executor:
        assert verdict(executor, "import sys\nassert {'pytest', '_pytest.stepwise'} <= sys.modules.keys()") == "passed"


def test_an_environment_may_be_a_link_to_one_elsewhere(project, tmp_path):
    (tmp_path / "mine.py").write_text("VALUE = 9\n")
    (tmp_path / ".venv").symlink_to(project / "env")
    own = Environment(str(tmp_path / ".venv/bin/python"), (str(tmp_path),))
    with Executor(LIMITS, workers=1, environments={"own": own}) as executor:
        assert verdict(executor, "import only_there, mine\nassert (only_there.VALUE, mine.VALUE) == (7, 9)") == "passed"


@pytest.mark.parametrize(
    "attack",
    [
        "open({secret!r}).read()",
        "open({source!r} + '/mine.py', 'a')",
        "import socket; socket.socket()",
        "import os; os.fork()",
    ],
)
def test_isolation_is_as_strong_as_elsewhere(executor, project, attack):
    text = attack.format(secret=str(project / "secret"), source=str(project / "source"))
    assert verdict(executor, text) == "exception"
    assert (project / "source/mine.py").read_text() == "VALUE = 8\n"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (Environment("/no/such/python"), "is not a working Python interpreter"),
        (Environment("/bin/true"), "is not a working Python interpreter"),
        (Environment(sys.executable, ("/no/such/folder",)), "/no/such/folder: no such folder"),
    ],
)
def test_an_interpreter_that_cannot_be_used_is_a_users_error(environment, message):
    unusable = Executor(LIMITS, workers=1, environments={"own": environment})
    with unusable as executor, pytest.raises(ConfigError, match=message):
        executor.run_one(Program("x = 1", (script("pass"),)))


LOADED = "import sys\ndef f(): return 'xml.dom.minidom' in sys.modules"
READS = "def f(path):\n    with open(path) as file: return file.read()"


@pytest.mark.parametrize("namespaces", [True, False], ids=["A", "B"])
def test_modules_are_preloaded_and_files_readable_in_their_own_environment_alone(namespaces, tmp_path):
    note = tmp_path / "note"
    note.write_text("mine")
    other = Environment(sys.executable, (str(tmp_path),), preload=("xml.dom.minidom",))
    wanted = (IoTest(call="f()", expected="True"),)
    reads = (IoTest(call=f"f({str(note)!r})", expected="'mine'"),)
    programs = [
        Program(LOADED, wanted, environment="other"),
        Program(READS, reads, environment="other"),
        Program(LOADED, wanted),
        Program(READS, reads),
    ]
    with Executor(Limits(), workers=1, namespaces=namespaces, environments={"other": other}) as executor:
        found = [outcome.verdict for outcome in outcomes_of(executor, programs)]
    assert found == ["passed", "passed", "wrong_answer", "exception"]
