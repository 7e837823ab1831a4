"""Run the tasks of a graph in order, several at the same time."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from graphlib import TopologicalSorter
from typing import TypeVar

from iterpref_core.storage.cores import THREADS_VARIABLE, usable_cores

R = TypeVar("R")


def run_graph(
    upstream: Mapping[str, Sequence[str]],
    jobs: int,
    work: Callable[[str, dict[str, str]], R],
    cancel: Callable[[], object],
) -> dict[str, Future[R]]:
    """Run the tasks of a graph, and wait until all have ended.

    A task starts after its upstream tasks have succeeded. If several can start, the one with the longest chain of later
    tasks goes first. Tasks that run at the same time share the cores. If the user has set a number of threads, it
    stays.

    Args:
        upstream: task → the tasks it waits for, sorted so that each task comes after them.
        jobs: maximum number of tasks that run at the same time, each in a thread.
        work: runs a task: (its name, environment variables that limit it to its share of the cores) → its result.
        cancel: ends the running tasks if this function is interrupted.

    Returns:
        The tasks that were started. A task after a failed one is missing here.
    """
    graph = TopologicalSorter(upstream)
    graph.prepare()
    # A number that the user has set stays.
    chosen = THREADS_VARIABLE in os.environ
    depth = _depths(upstream)
    futures: dict[str, Future[R]] = {}
    running: dict[Future[R], str] = {}
    ready: list[str] = []
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while True:
                # Start the longest chains first: they decide when the whole graph is done.
                ready = sorted([*ready, *graph.get_ready()], key=lambda name: -depth[name])
                # With 8 cores and 2 jobs: two tasks that can start now get 4 cores each, a single one gets 8.
                company = min(jobs, len(running) + len(ready))
                while ready and len(running) < jobs:
                    name = ready.pop(0)
                    share = {} if chosen else {THREADS_VARIABLE: str(max(1, usable_cores() // company))}
                    futures[name] = pool.submit(copy_context().run, work, name, share)
                    running[futures[name]] = name
                if not running:
                    return futures
                # A failed task releases no later task; independent tasks go on.
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    if future.exception() is None:
                        graph.done(name)
        # Ctrl-C: end the running tasks first, because leaving the pool waits for them.
        except BaseException:
            cancel()
            raise


def _depths(upstream: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the length of the longest chain after each task.

    >>> _depths({"pairs": (), "localization": ("pairs",), "training": ("localization",)})
    {'pairs': 2, 'localization': 1, 'training': 0}
    """
    # From the last task to the first, each passes its depth plus one to the tasks before it.
    depth = dict.fromkeys(upstream, 0)
    for name in reversed(list(upstream)):
        for before in upstream[name]:
            depth[before] = max(depth[before], depth[name] + 1)
    return depth
