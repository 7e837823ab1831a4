"""Engines of tests: one that runs nothing, and the outcomes of many programs in a list."""

from collections.abc import Callable, Iterable

from iterpref_core.execution import Engine, Executor, Limits, Outcome, Program


class StandInEngine(Engine):
    """Asks a function for outcomes."""

    limits, isolation, slots = Limits(), "none", 1

    def __init__(self, answer: Callable[[Program], Outcome]) -> None:
        self.run_one = answer  # type: ignore[method-assign]

    def run_one(self, program: Program) -> Outcome:
        raise NotImplementedError

    def close(self) -> None:
        """There is nothing to end."""


def outcomes_of(engine: Engine, programs: Iterable[Program]) -> list[Outcome]:
    """Outcomes of programs, in their order."""
    return [outcome for _, outcome in engine.run_each(programs, lambda program: program)]


def worker_pids(executor: Executor) -> list[int]:
    """Process ids of the workers that are alive (of bubblewrap in tier A)."""
    return sorted(worker.pid for worker in executor.pool.workers)
