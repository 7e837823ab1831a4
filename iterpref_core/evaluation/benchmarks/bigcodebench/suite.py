"""BigCodeBench, Full and Hard × Complete and Instruct, asked and judged as bigcodebench 0.2.5 does.

A program and its tests are one module, `__test__`; the tests of the class `TestCases` decide. `SETUP` is the state that
the official harness (`bigcodebench.eval.untrusted_check`) puts around them. The harness also replaces `os.kill`,
`subprocess.Popen` and others by functions of its own. That protects it, and programs notice: `INTERCEPTION` calls the
harness for it. Here the sandbox protects the machine. In tier A programs may have processes and sockets of their own;
in tier B tasks that need them fail, and the ground truth names these tasks.
"""

from collections.abc import Iterator

from iterpref_core.execution import ENGINE, Engine, Program, open_executor
from iterpref_core.execution.isolation.interpreters import Environment
from iterpref_core.records import (
    BIGCODEBENCH,
    BIGCODEBENCH_HARD,
    BenchmarkName,
    DataUnavailableError,
    ExecutionParams,
    InputError,
    Record,
    UnittestTest,
)

from ..benchmark import Benchmark, BenchmarkPrompt, EvaluationSetting, PromptMode, Sanitizer
from ..prefill import INSTRUCTION, STOPS, ask_here, continuation, fenced
from ..published_tasks import read_tasks
from .environment import contents_of, find_python

LIMITS = {
    "cpu_s": 241.0,
    "wall_s": 242.0,
    "memory_mb": 30 * 1024,
    "output_kb": 16 * 1024,
    "file_mb": 64,
}
"""The official harness ends a program after 241 s and gives it 30 GB of address space; it counts no output or files."""
COMPLETION_STOPS = (*STOPS, "\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert ")
"""The end strings of bigcodebench (`provider.utility`) for a continued program; chat models have `STOPS` alone."""
ENVIRONMENT = "bigcodebench"
PRELOAD = ("numpy", "pandas", "matplotlib.pyplot", "scipy.stats", "sklearn", "bigcodebench.eval.utils")
"""Modules that most tasks import; the official harness has numpy and matplotlib loaded too."""

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
"""The state that `bigcodebench.eval.unsafe_execute` and `reliability_guard` make for programs, and a home for files."""

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
starts a process; where programs may have none, it has no calls to intercept."""

_ONLY_TEST_CASES = """
for _name, _value in list(globals().items()):
    if isinstance(_value, type) and issubclass(_value, __import__("unittest").TestCase) and _value is not TestCases:
        del globals()[_name]
del _name, _value
"""
"""The official harness runs the class `TestCases` alone; one task has another one too."""


def open_suite(name: BenchmarkName, setting: EvaluationSetting) -> "BigCodeBench":
    """Open a subset and split, such as `bigcodebench-hard-complete`.

    Raises:
        InputError: its tests are refused.
    """
    if setting.params.execution.inside == "refuse":
        raise InputError(
            f"{name}: all of its tests run inside, where a program can deceive them, and execution.inside: refuse "
            "leaves them out; set execution.inside: mark, or name another benchmark"
        )
    return BigCodeBench(name, setting.params.execution)


class BigCodeBenchTask(Record):
    """A task, with the fields of the published data set that are needed."""

    task_id: str
    complete_prompt: str
    instruct_prompt: str
    canonical_solution: str
    code_prompt: str
    test: str
    entry_point: str


class BigCodeBench(Benchmark[BigCodeBenchTask]):
    """One subset and split of BigCodeBench. The splits differ in the question; the list of Hard tasks is published.

    Raises:
        DataUnavailableError: the data or the environment of `make bigcodebench` cannot be had here.
    """

    harness = f"bigcodebench-0.2.5 in {ENGINE}"
    protocol = "bigcodebench 0.2.5"

    def __init__(self, name: BenchmarkName, execution: ExecutionParams) -> None:
        _, subset, self.split = name.split("-")
        published = BIGCODEBENCH if subset == "full" else BIGCODEBENCH_HARD
        data, tasks = read_tasks(published, BigCodeBenchTask)
        super().__init__(name, data, tasks, execution.model_copy(update=LIMITS))
        self.limits = dict(LIMITS)
        self._python = find_python()
        self.sanitizer = Sanitizer("bigcodebench.sanitize", self._python)
        self.identity = [SETUP, INTERCEPTION, contents_of(self._python)]

    def prompt(self, task: BigCodeBenchTask, mode: PromptMode) -> BenchmarkPrompt:
        """Return the task's own text, verbatim, to be continued; for a chat model, bigcodebench's question.

        A chat model with weights here goes on with an answer that is begun for it.
        """
        if not mode.instruct:
            if self.split == "instruct":
                reason = "BigCodeBench-Instruct is for chat models, and this one has no chat template; ask for Complete"
                raise DataUnavailableError(reason)
            return BenchmarkPrompt(task.complete_prompt, raw=True)
        # Complete gives the signature and docstring, Instruct a description in words.
        if self.split == "complete":
            message = fenced(task.complete_prompt)
        else:
            message = f"{INSTRUCTION}\n{task.instruct_prompt.strip()}\n"
        if mode.template is None:
            return BenchmarkPrompt(message)
        return ask_here(mode, message)

    def program(self, task: BigCodeBenchTask, answer: str, mode: PromptMode) -> str:
        """Return the text for `sanitize`: the prompt and its continuation, or a chat model's answer alone."""
        if mode.instruct:
            return continuation(answer, STOPS) if mode.prefilled else answer
        return task.complete_prompt + continuation(answer, COMPLETION_STOPS)

    def candidate(
        self,
        task: BigCodeBenchTask,
        code: str,
        reference_s: float | None,
    ) -> Iterator[Program]:
        """Yield one program after the imports and the signature of its task, as the official harness runs it.

        A model that left out the task's imports, or answered with a bare body, is not failed for that.
        """
        del reference_s
        # "import math\ndef task_func(x):\n    pass\n" comes before the program, whose own definition replaces it.
        calibrated = f"{task.code_prompt}\n    pass\n{code}"
        test = UnittestTest(code=task.test + "\n" + _ONLY_TEST_CASES)
        yield Program(
            calibrated,
            (test,),
            SETUP + INTERCEPTION,
            environment=ENVIRONMENT,
            inside=True,
        )

    def canonical_solution(self, task: BigCodeBenchTask) -> str:
        """Return the canonical solution."""
        return f"{task.complete_prompt}\n{task.canonical_solution}"

    def completion_prefix(self, task: BigCodeBenchTask) -> str:
        """Return the prompt of Complete, also for Instruct."""
        return task.complete_prompt

    def stops(self, mode: PromptMode) -> tuple[str, ...]:
        """Return bigcodebench's end strings for a local model's answer; none of them ends reasoning."""
        if mode.reasoning:
            return ()
        return STOPS if mode.instruct else COMPLETION_STOPS

    def open_executor(self) -> Engine:
        """Open an engine whose programs run in BigCodeBench's environment."""
        environment = Environment(str(self._python), preload=PRELOAD, processes=True)
        return open_executor(self.execution, environments={ENVIRONMENT: environment})
