"""List the benchmarks, one row each, for parameters, evaluation, screening, `doctor` and the report."""

from dataclasses import dataclass
from typing import NamedTuple


class Published(NamedTuple):
    """The data that a benchmark publishes.

    Attributes:
        key: the name of these tasks in `pairs.benchmarks`.
        variable: the environment variable that names a copy on this machine.
        name: the name of the data with its version.
        location: an address, or the id of a data set on the hub.
        files: the names of the files at that location.
        prompts: the fields of a task that hold its prompt in each form.
        solutions: the fields of a task that hold a solution; empty if none is published.
        task_id: the field of a task that holds its id.
    """

    key: str
    variable: str
    name: str
    location: str
    files: tuple[str, ...]
    prompts: tuple[str, ...] = ("prompt",)
    solutions: tuple[str, ...] = ("canonical_solution",)
    task_id: str = "task_id"


# The versions that evalplus 0.3.1 and bigcodebench 0.2.5 pin.
_HUMANEVAL_RELEASE = "https://github.com/evalplus/humanevalplus_release/releases/download/v0.1.10"
_MBPP_RELEASE = "https://github.com/evalplus/mbppplus_release/releases/download/v0.2.0"
HUMANEVAL = Published(
    key="humaneval",
    variable="HUMANEVAL_OVERRIDE_PATH",
    name="HumanEvalPlus-v0.1.10",
    location=_HUMANEVAL_RELEASE,
    files=("HumanEvalPlus.jsonl.gz",),
)
MBPP = Published(
    key="mbpp",
    variable="MBPP_OVERRIDE_PATH",
    name="MbppPlus-v0.2.0",
    location=_MBPP_RELEASE,
    files=("MbppPlus.jsonl.gz",),
)
BIGCODEBENCH = Published(
    key="bigcodebench",
    variable="BIGCODEBENCH_OVERRIDE_PATH",
    name="BigCodeBench-v0.1.4",
    location="bigcode/bigcodebench",
    files=("data/v0.1.4-00000-of-00001.parquet",),
    prompts=("complete_prompt", "instruct_prompt"),
)
BIGCODEBENCH_HARD = BIGCODEBENCH._replace(
    key="bigcodebench-hard",
    variable="BIGCODEBENCH_HARD_OVERRIDE_PATH",
    name="BigCodeBench-Hard-v0.1.4",
    location="bigcode/bigcodebench-hard",
)
# Each release adds a file to the one before: 400, 511, 612, 713, 880 and 1,055 problems (LiveCodeBench's README).
LIVECODEBENCH = Published(
    key="livecodebench",
    variable="LIVECODEBENCH_PATH",
    name="livecodebench",
    location="livecodebench/code_generation_lite",
    files=("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl", "test6.jsonl"),
    prompts=("question_content",),
    solutions=(),
    task_id="question_id",
)


# Suite → the limit of an answer in its own runner; of this project's own problems a choice.
_MAX_NEW_TOKENS = {"heldout": 1024, "evalplus": 768, "bigcodebench": 1280, "livecodebench": 2000}


@dataclass(frozen=True)
class BenchmarkRow:
    """A row of the benchmark table.

    Attributes:
        label: the benchmark's name for readers.
        suite: the folder of `iterpref_core/evaluation/benchmarks/` whose module `suite` opens the benchmark.
        data: the published tasks that the benchmark asks. Pairs are screened against them. None for this project's own
            problems, whose screening `pairs.benchmarks` decides.
    """

    label: str
    suite: str
    data: Published | None

    @property
    def max_new_tokens(self) -> int:
        """Return the limit of an answer in the benchmark's own runner."""
        return _MAX_NEW_TOKENS[self.suite]


# Every benchmark, in the order of the results table.
BENCHMARKS = {
    "heldout": BenchmarkRow("held-out", "heldout", None),
    "validation": BenchmarkRow("validation split", "heldout", None),
    "humaneval": BenchmarkRow("HumanEval", "evalplus", HUMANEVAL),
    "humaneval+": BenchmarkRow("HumanEval+", "evalplus", HUMANEVAL),
    "mbpp": BenchmarkRow("MBPP", "evalplus", MBPP),
    "mbpp+": BenchmarkRow("MBPP+", "evalplus", MBPP),
    "bigcodebench-full-complete": BenchmarkRow("BigCodeBench-Complete", "bigcodebench", BIGCODEBENCH),
    "bigcodebench-full-instruct": BenchmarkRow("BigCodeBench-Instruct", "bigcodebench", BIGCODEBENCH),
    "bigcodebench-hard-complete": BenchmarkRow("BigCodeBench-Hard-Complete", "bigcodebench", BIGCODEBENCH_HARD),
    "bigcodebench-hard-instruct": BenchmarkRow("BigCodeBench-Hard-Instruct", "bigcodebench", BIGCODEBENCH_HARD),
    "livecodebench": BenchmarkRow("LiveCodeBench", "livecodebench", LIVECODEBENCH),
}

# The data of all benchmarks, by key.
PUBLISHED = {row.data.key: row.data for row in BENCHMARKS.values() if row.data is not None}
