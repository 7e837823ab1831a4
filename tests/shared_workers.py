"""Workers that the tests of a file share: to start one takes longer than most programs of the tests do.

A folder of tests that asks for it has executors as in the product, each with warnings, limits and a life of its own.
The workers behind executors of equal settings are the same ones: they serve one program after the other, as in a run.
"""

from dataclasses import replace

import pytest

from iterpref_core.execution.running import executor
from iterpref_core.execution.running.workers import WorkerPool


class LentPool:
    """The pool of one executor: its workers stay when the executor is closed, which then runs nothing more."""

    def __init__(self, shared):
        self._shared = shared
        self._closed = False

    def worker(self, environment, runners=""):
        """See `WorkerPool.worker`."""
        assert not self._closed, "the executor is closed; run programs inside its `with` block"
        return self._shared.worker(environment, runners)

    def __getattr__(self, name):
        return getattr(self._shared, name)

    def close(self):
        """Give the workers back."""
        self._closed = True


def lender(pools):
    """Return a function that is called as `WorkerPool` is, and lends the pool of these settings."""

    def lend(plan, limits, slots, preload, environments):
        # Limits of time come with each program.
        standing = replace(limits, cpu_s=0, wall_s=0)
        settings = repr((plan, standing, slots, preload, sorted(environments.items())))
        if settings not in pools:
            pools[settings] = WorkerPool(plan, limits, slots, preload, environments)
        return LentPool(pools[settings])

    return lend


@pytest.fixture(scope="module", autouse=True)
def shared_workers():
    """Share the workers of all executors that the tests of a file open."""
    pools = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "WorkerPool", lender(pools))
        yield
    for pool in pools.values():
        pool.close()
