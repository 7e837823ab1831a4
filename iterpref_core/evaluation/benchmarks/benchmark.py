"""Define the base of every suite, with tasks, the prompt for a model, and the programs that judge an answer.

A new suite is a folder here with a module `suite`, which has the class and `open_suite`, and rows of
`benchmark_table.BENCHMARKS` that name the folder.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from iterpref_core.execution import ENGINE, Engine, Program, limits_of, open_executor
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.programs.answers.reasoning import opened_reasoning
from iterpref_core.records import BenchmarkName, ExecutionParams, ModelError, Params, Prompt, Verdict

from ..statistics.pass_at_k import DEFAULT_K

T = TypeVar("T")


@dataclass(frozen=True)
class PromptMode:
    """The way to ask a model: as a chat model or not; with its chat template if its weights are here."""

    instruct: bool
    template: ChatTemplate | None = None

    @cached_property
    def reasoning(self) -> str:
        """Return the tag with which the template's generation prompt opens reasoning, or "".

        This model, such as DeepSeek-R1, is asked with that prompt: a prefilled answer would begin after
        the reasoning that was left out.
        """
        if not self.instruct or self.template is None:
            return ""
        try:
            return opened_reasoning(self.template.render_generation_prompt("x"))
        except ModelError:  # a template may refuse a chat without an answer
            return ""

    @property
    def prefilled(self) -> bool:
        """Return True if the model continues a chat with a prefilled answer."""
        return self.instruct and self.template is not None and not self.reasoning

    def ask_to_reason(self, message: Prompt, system: str = "") -> "BenchmarkPrompt":
        """Return the prompt for a model whose template opens reasoning: all that it reads."""
        assert self.template is not None
        text = self.template.render_generation_prompt(message, system)
        return BenchmarkPrompt(text, raw=True, opened=self.reasoning)


@dataclass(frozen=True)
class BenchmarkPrompt:
    """The prompt of one task: a text with a system message before it, or messages.

    `raw`: the text is all that the model reads, without a template. `private`: it is made of somebody's own code,
    and looked at before it goes to another machine. `opened`: the tag of the reasoning that the text opens, and that
    the answer begins in.
    """

    text: Prompt
    system: str = ""
    raw: bool = False
    private: bool = False
    opened: str = ""


@dataclass(frozen=True)
class EvaluationSetting:
    """The setting of a measurement.

    Attributes:
        params: the parameters; `evaluation.benchmarks` names the benchmarks.
        problems: JSONL of problems, for the benchmarks `heldout` and `validation`.
        cache: folder for expected results and the outcomes of canonical solutions; outside of anything that DVC
            deletes.
        limit: tasks of each benchmark, the first ones; None for all.
        own_set: the user has named the file of problems: `heldout` then has the file's name in results, and of a file
            without held-out problems all are scored.
    """

    params: Params
    problems: Path
    cache: Path
    limit: int | None = None
    own_set: bool = False


class Sanitizer(NamedTuple):
    """A suite's own `sanitize(text, entry_point)`: its module, and the interpreter that has it (None: this one)."""

    module: str
    python: Path | None = None


UNANSWERED: Literal["unanswered"] = "unanswered"


class ProgramRun(NamedTuple):
    """The outcome of a sample's programs: of the first failed program, or `passed`.

    `unanswered` is the outcome of a sample whose answer is missing. `exception` is the name of the type that this
    program raised, or ""; `cpu_s` are the CPU seconds of all that ran.
    `inside` is the number of tests that ran inside, in the process of the program, which can lie to them.
    `values` are the results of a canonical solution, as text, where these are wanted.
    """

    verdict: Verdict | Literal["unanswered"]
    feedback: str
    exception: str
    cpu_s: float
    inside: int = 0
    values: Sequence[str] | None = None


class Benchmark(ABC, Generic[T]):
    """A suite on this machine.

    Args:
        name: the key of `benchmark_table.BENCHMARKS` and of the score in results.json.
        data: name and SHA-256 of the file of tasks.
        tasks: task_id → task, in the order of their file.
        execution: limits and workers.

    Attributes:
        harness: the name of the harness in results.json.
        limits: the limits of each program in results.json.
        protocol: the origin of the prompts in results.json; empty for this project's own.
        window: the release and dates of tasks, where a suite has these.
        limit: the number of tasks, where only the first ones are asked; None for all.
        k: the values of k of pass@k.
        canonical: task_id → run of the canonical solution, once these have run.
        identity: further JSON values that affect verdicts, besides data, limits, isolation and code.
        preload: modules that the engine imports once.
        sanitizer: takes the program out of the text that `program` returns, in the sandbox. Its tasks have an
            `entry_point`.
    """

    harness = ENGINE
    protocol = ""
    sanitizer: Sanitizer | None = None
    identity: Sequence[object] = ()
    window: dict[str, Any] | None = None
    limit: int | None = None
    preload: tuple[str, ...] = ()

    def __init__(
        self,
        name: BenchmarkName,
        data: tuple[str, str],
        tasks: Mapping[str, T],
        execution: ExecutionParams,
    ) -> None:
        self.name = name
        self.data = data
        self.execution = execution
        self.tasks: Mapping[str, T] = tasks
        self.k: tuple[int, ...] = DEFAULT_K
        self.canonical: Mapping[str, ProgramRun] = {}
        self.limits: dict[str, Any] = asdict(limits_of(execution))

    @abstractmethod
    def prompt(self, task: T, mode: PromptMode) -> BenchmarkPrompt:
        """Return the prompt for a model that is asked in this mode.

        Raises:
            DataUnavailableError: this suite has no prompt for this kind of model.
        """

    @abstractmethod
    def program(self, task: T, answer: str, mode: PromptMode) -> str:
        """Return the program in an answer, or the text for `sanitizer`, which takes the program from it."""

    @abstractmethod
    def candidate(
        self,
        task: T,
        code: str,
        reference_s: float | None,
    ) -> Iterator[Program]:
        """Yield the programs to run, in order, until one fails; none if the expected results are not known.

        Args:
            task: the task.
            code: a whole program.
            reference_s: CPU seconds that the task's canonical solution took; None if it does not pass.
        """

    def canonical_solution(self, task: T) -> str | None:
        """Return the suite's solution of a task; None where it has none."""
        del task
        return None

    def run_canonical(self, task: T, executor: Engine) -> ProgramRun | None:
        """Run a canonical solution in the suite's own way; return None where it runs as a sample does."""
        del task, executor
        return None

    def entry_point(self, task: T) -> str:
        """Return the name that a program must define; "" where a task names none: it is a script, or not known."""
        return str(getattr(task, "entry_point", ""))

    def completion_prefix(self, task: T) -> str:
        """Return the text that a sample's `completion` goes on with; "" where completions are whole programs."""
        del task
        return ""

    def stops(self, mode: PromptMode) -> tuple[str, ...]:
        """Return the end strings of an answer."""
        del mode
        return ()

    def mode_name(self, mode: PromptMode) -> str:
        """Return the protocol's name of a mode."""
        if not mode.instruct:
            return "completion"
        if mode.reasoning:
            return "chat, reasoning"
        return "chat" if mode.prefilled else "chat endpoint"

    def difficulty(self, task: T) -> str:
        """Return a task's difficulty, which has a score of its own, or ""."""
        del task
        return ""

    def open_executor(self) -> Engine:
        """Open the engine that runs the programs."""
        return open_executor(self.execution, self.preload)
