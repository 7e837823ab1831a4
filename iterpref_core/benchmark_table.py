"""Benchmark table: one row for each benchmark, read by parameters, evaluation, screening, `doctor` and the report."""

from dataclasses import dataclass
from typing import NamedTuple


class Published(NamedTuple):
    """The data that a benchmark publishes.

    Attributes:
        variable: the environment variable that names a copy on this machine.
        name: the name of the data with its version.
        place: an address, or the id of a data set on the hub.
        files: the names of the files in that place.
        prompts: the fields of a task that hold its prompt in each form.
        solutions: the fields of a task that hold a solution; empty if none is published.
        task_id: the field of a task that holds its id.
    """

    variable: str
    name: str
    place: str
    files: tuple[str, ...]
    prompts: tuple[str, ...]
    solutions: tuple[str, ...]
    task_id: str = "task_id"


_HUMANEVAL = "https://github.com/evalplus/humanevalplus_release/releases/download/v0.1.10"
_MBPP = "https://github.com/evalplus/mbppplus_release/releases/download/v0.2.0"
_BIGCODEBENCH_FILES = ("data/v0.1.4-00000-of-00001.parquet",)
_BIGCODEBENCH_PROMPTS = ("complete_prompt", "instruct_prompt")
SOURCES = {
    "humaneval": Published(
        variable="HUMANEVAL_OVERRIDE_PATH",
        name="HumanEvalPlus-v0.1.10",
        place=_HUMANEVAL,
        files=("HumanEvalPlus.jsonl.gz",),
        prompts=("prompt",),
        solutions=("canonical_solution",),
    ),
    "mbpp": Published(
        variable="MBPP_OVERRIDE_PATH",
        name="MbppPlus-v0.2.0",
        place=_MBPP,
        files=("MbppPlus.jsonl.gz",),
        prompts=("prompt",),
        solutions=("canonical_solution",),
    ),
    "bigcodebench": Published(
        variable="BIGCODEBENCH_OVERRIDE_PATH",
        name="BigCodeBench-v0.1.4",
        place="bigcode/bigcodebench",
        files=_BIGCODEBENCH_FILES,
        prompts=_BIGCODEBENCH_PROMPTS,
        solutions=("canonical_solution",),
    ),
    "bigcodebench-hard": Published(
        variable="BIGCODEBENCH_HARD_OVERRIDE_PATH",
        name="BigCodeBench-Hard-v0.1.4",
        place="bigcode/bigcodebench-hard",
        files=_BIGCODEBENCH_FILES,
        prompts=_BIGCODEBENCH_PROMPTS,
        solutions=("canonical_solution",),
    ),
    "livecodebench": Published(
        variable="LIVECODEBENCH_PATH",
        name="livecodebench",
        place="livecodebench/code_generation_lite",
        files=("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl", "test6.jsonl"),
        prompts=("question_content",),
        solutions=(),
        task_id="question_id",
    ),
}
"""The versions that evalplus 0.3.1 and bigcodebench 0.2.5 pin. Each release of LiveCodeBench adds a file to the one
before: 400, 511, 612, 713, 880 and 1,055 problems (its README)."""


@dataclass(frozen=True)
class BenchmarkRow:
    """A row of the benchmark table.

    Attributes:
        label: the benchmark's name for readers.
        suite: the key of `suite_table.SUITES` that opens the benchmark.
        source: the key of `SOURCES` whose tasks the benchmark asks. Pairs are screened against these tasks. None for
            this project's own problems, which are screened as `pairs.benchmarks` says.
    """

    label: str
    suite: str
    source: str | None


BENCHMARKS = {
    "heldout": BenchmarkRow("held-out", suite="heldout", source=None),
    "validation": BenchmarkRow("validation split", suite="heldout", source=None),
    "humaneval": BenchmarkRow("HumanEval", suite="evalplus", source="humaneval"),
    "humaneval+": BenchmarkRow("HumanEval+", suite="evalplus", source="humaneval"),
    "mbpp": BenchmarkRow("MBPP", suite="evalplus", source="mbpp"),
    "mbpp+": BenchmarkRow("MBPP+", suite="evalplus", source="mbpp"),
    "bigcodebench-full-complete": BenchmarkRow("BigCodeBench-Complete", suite="bigcodebench", source="bigcodebench"),
    "bigcodebench-full-instruct": BenchmarkRow("BigCodeBench-Instruct", suite="bigcodebench", source="bigcodebench"),
    "bigcodebench-hard-complete": BenchmarkRow(
        "BigCodeBench-Hard-Complete",
        suite="bigcodebench",
        source="bigcodebench-hard",
    ),
    "bigcodebench-hard-instruct": BenchmarkRow(
        "BigCodeBench-Hard-Instruct",
        suite="bigcodebench",
        source="bigcodebench-hard",
    ),
    "livecodebench": BenchmarkRow("LiveCodeBench", suite="livecodebench", source="livecodebench"),
}
"""Every benchmark, in the order of the results table."""
