"""The memory part of `iterpref bench generation`: a run over many problems against one over few.

Everything is real but the model and the engine, which answer at once: files, store, work file, conversations.
"""

import multiprocessing
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from iterpref_core.codeflow.codeflow import in_order, work_through
from iterpref_core.codeflow.problem_selection import selected, survey
from iterpref_core.codeflow.roles import Opened
from iterpref_core.codeflow.rollout_store import RolloutStore
from iterpref_core.config import CodeflowParams, SamplingParams
from iterpref_core.execution import Engine, Outcome, Program
from iterpref_core.inference.answer_store import AnswerStore, StoredEndpoint
from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.inference.concurrent_prompts import ConcurrentEndpoint
from iterpref_core.records import IoTest, Problem
from iterpref_core.storage.jsonl import write_jsonl
from tasks.common.resource_usage import peak_mb

PARAMS = CodeflowParams(
    seed=11, source="debugging", max_iterations=5, draft_model="debugger", wording="instruct", temperature=0.8,
    max_new_tokens=512, concurrency=64, sampling=SamplingParams(samples=10, temperature=0.6),
)  # fmt: skip


class _AtOnce(ConcurrentEndpoint):
    """Answers with a kilobyte of text."""

    concurrency = 64

    async def answer(self, request: Request, sampling: Sampling) -> Completion:  # noqa: ARG002 - the protocol's
        """Answer one request."""
        return Completion(f"```python\n# {request.seed}\n{'x = 1' * 200}\n```", 300, 400, truncated=False)


class _Judge(Engine):
    """Fails every draft and passes every refinement, without running them."""

    @property
    def places(self) -> int:
        """How many runs of one program are worth having under way at once."""
        return 2

    def run(self, programs: Iterable[Program], *, first: int = 0) -> Iterator[Outcome]:
        """Outcomes in the order of the programs, decided by their numbers."""
        for number, _ in enumerate(programs, first):
            yield Outcome("passed" if number % 2 else "wrong_answer", "f(1) returned 1, expected 2", 0, 1, "", 0.0, 0.0)

    def close(self) -> None:
        """End what it started: nothing."""


def bench_memory(few: int, many: int) -> dict[str, float]:
    """Peak memory of a process that debugs few problems, and of one that debugs many: MiB."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:  # a process for each
        peaks = [pool.apply(debug_many, (count,)) for count in (few, many)]
    return {
        "memory_problems": float(many),
        "memory_few_mb": round(peaks[0], 1),
        "memory_many_mb": round(peaks[1], 1),
        "memory_growth_mb": round(peaks[1] - peaks[0], 1),
    }


def debug_many(count: int) -> float:
    """Debug so many problems in this process; its peak resident memory, MiB."""
    with tempfile.TemporaryDirectory(prefix="iterpref-bench-") as folder:
        problems = Path(folder) / "problems.jsonl"
        write_jsonl(problems, map(_problem, range(count)))
        survey(problems)
        with (
            RolloutStore(Path(folder) / "work.sqlite") as work,
            AnswerStore(Path(folder) / "answers.sqlite", "bench") as store,
        ):
            model = StoredEndpoint(_AtOnce(), "m", store)
            rest = (problem for problem in selected(problems) if problem.task_id not in work)
            work_through(rest, Opened(model, model), _Judge(), PARAMS, work.append)
            write_jsonl(Path(folder) / "trajectories.jsonl", in_order(problems, work))
    return peak_mb()


def _problem(number: int) -> Problem:
    test = IoTest(call="f(1)", expected="2")
    return Problem(task_id=f"problem-{number}", prompt=f"Task {number}. " * 20, entry_point="f", tests=(test,))
