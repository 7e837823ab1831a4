"""BigCodeBench's programs and tests in this project's sandbox, run as `bigcodebench.eval.untrusted_check` (0.2.5) does.

A program and its tests are one module, `__test__`; the tests of the class `TestCases` decide. What the official harness
puts around them is in `SETUP`. It also replaces `os.kill`, `subprocess.Popen` and others by functions of its own, which
protects it and changes what programs see: `INTERCEPTION` calls it for that. The sandbox is what protects us. Programs
may have processes and sockets of their own where it is of tier A; elsewhere tasks that need them fail, and their own
solutions tell which.
"""

from pathlib import Path

from iterpref_core.config import ExecutionParams
from iterpref_core.evaluation.bigcodebench_data import BigCodeBenchTask
from iterpref_core.execution import ENGINE, Engine, Program, open_executor
from iterpref_core.execution.interpreters import Environment
from iterpref_core.records import UnittestTest

HARNESS = f"bigcodebench-0.2.5 in {ENGINE}"

LIMITS = {"cpu_s": 241.0, "wall_s": 242.0, "memory_mb": 30 * 1024, "output_kb": 16 * 1024, "file_mb": 64}
"""The official harness ends a program after 241 s and gives it 30 GB of address space; it counts no output or files."""

ENVIRONMENT = "bigcodebench"
PRELOAD = ("numpy", "pandas", "matplotlib.pyplot", "scipy.stats", "sklearn", "bigcodebench.eval.utils")
"""What most tasks import; the official harness has numpy and matplotlib loaded too."""
_READABLE = ("/proc/cpuinfo", "/proc/loadavg", "/proc/meminfo", "/proc/stat", "/proc/uptime")
"""What psutil reads about the machine, without a word about any process."""

SETUP = """\
import builtins, io, os, sys, tempfile, time
class _WriteOnly(io.StringIO):
    def _refuse(self, *arguments, **named):
        raise OSError
    read = readline = readlines = _refuse
    def readable(self):
        return False
sys.stdin = _WriteOnly()
builtins.exit = builtins.quit = None
_home = os.getcwd()
_temporary = os.path.join(os.path.dirname(_home), "tmp")
os.makedirs(_temporary, exist_ok=True)
tempfile.tempdir = None
os.environ.update(
    TZ="UTC", HOME=_home, TMPDIR=_temporary, LANG="C.UTF-8", MPLBACKEND="Agg", OMP_NUM_THREADS="1",
    TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0",
    PATH=os.pathsep.join((os.path.dirname(sys.executable), os.defpath)),
    NLTK_DATA=os.pathsep.join(path for path in (f"{folder}/nltk_data" for folder in sys.path) if os.path.isdir(path)),
)
time.tzset()
__name__, __file__, environ = "__test__", "__test__.py", os.environ
sys.modules["__test__"] = sys.modules["solution"]
del builtins, io, tempfile, time, _WriteOnly, _home, _temporary
"""
"""What `bigcodebench.eval.unsafe_execute` and `reliability_guard` put around a program, and a home to write in."""

INTERCEPTION = """\
import atexit
from bigcodebench.eval.utils import safe_environment
_interception = safe_environment()
try:
    _interception.__enter__()
    atexit.register(_interception.__exit__, None, None, None)
except PermissionError:
    pass
del atexit, safe_environment, _interception
"""
"""The official harness's own hand on processes and signals. (`atexit` keeps it: when forgotten, it undoes itself.) It
starts a process; where programs may have none, there is nothing for it to intercept."""

_ONLY_TEST_CASES = """
for _name, _value in list(globals().items()):
    if isinstance(_value, type) and issubclass(_value, __import__("unittest").TestCase) and _value is not TestCases:
        del globals()[_name]
del _name, _value
"""
"""The official harness runs the class `TestCases` alone; one task has another one too."""


def program_of(task: BigCodeBenchTask, code: str) -> Program:
    """A whole program with its task's tests."""
    test = UnittestTest(code=task.test + "\n" + _ONLY_TEST_CASES)
    return Program(code, (test,), SETUP + INTERCEPTION, environment=ENVIRONMENT)


def calibrated(task: BigCodeBenchTask, solution: str) -> str:
    """A solution as the official harness runs it: behind the imports and the signature that its task gives.

    A model that left out the task's imports, or answered with a bare body, is not failed for that.
    """
    return f"{task.code_prompt}\n    pass\n{solution}"


def ground_truth(task: BigCodeBenchTask) -> str:
    """The benchmark's own solution."""
    return f"{task.complete_prompt}\n{task.canonical_solution}"


def open_harness(execution: ExecutionParams, python: Path) -> Engine:
    """An engine with the official limits, whose programs run in BigCodeBench's environment."""
    environment = Environment(str(python), preload=PRELOAD, readable=_READABLE, processes=True)
    return open_executor(execution.model_copy(update=LIMITS), environments={ENVIRONMENT: environment})
