"""Engine: tasks in the order of a graph, as many at the same time as there are jobs."""

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
    """Run the tasks of a graph, those with the longest chain after them first, and wait until nothing runs any more.

    A task starts when those before it have ended well. One that has company gets its share of the cores, so that tasks
    do not crowd each other out; one that runs alone gets all. A number that the user has set stays.

    Args:
        upstream: task → the tasks that it waits for, in an order in which they can run.
        jobs: number of tasks that run at the same time, each in a thread.
        work: runs a task: (its name, environment variables by which it keeps to its share of the cores) → its result.
        cancel: ends the tasks that run, when this function is interrupted.

    Returns:
        The tasks that were started, which have ended. A task behind one that failed is not among them.
    """
    graph = TopologicalSorter(upstream)
    graph.prepare()
    chosen = THREADS_VARIABLE in os.environ
    depth = _depths(upstream)
    futures: dict[str, Future[R]] = {}
    running: dict[Future[R], str] = {}
    ready: list[str] = []
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while True:
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
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    if future.exception() is None:
                        graph.done(name)
        except BaseException:
            cancel()
            raise


def _depths(upstream: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the length of the longest chain after each task.

    >>> _depths({"pairs": (), "localization": ("pairs",), "training": ("localization",)})
    {'pairs': 2, 'localization': 1, 'training': 0}
    """
    depth = dict.fromkeys(upstream, 0)
    for name in reversed(list(upstream)):
        for before in upstream[name]:
            depth[before] = max(depth[before], depth[name] + 1)
    return depth
