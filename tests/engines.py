"""Engines of tests: an idle one, and the outcomes of many programs in a list."""

from iterpref_core.execution import Engine, Limits


class StandInEngine(Engine):
    """Asks a function for outcomes."""

    limits, isolation, slots = Limits(), "none", 1

    def __init__(self, answer):
        self.run_one = answer

    def run_one(self, program):
        raise NotImplementedError

    def close(self):
        """There is nothing to end."""


def outcomes_of(engine, programs):
    """Outcomes of programs, in their order."""
    return [outcome for _, outcome in engine.run_each(programs, lambda program: program)]


def worker_pids(executor):
    """Process ids of the workers that are alive (of bubblewrap in tier A)."""
    return sorted(worker.pid for worker in executor.pool.workers)
