"""Engine: tasks of a flow in the order of a graph, as many at the same time as there are jobs."""

from collections.abc import Callable, Mapping, Sequence
from graphlib import TopologicalSorter
from queue import SimpleQueue
from typing import Any

from prefect.futures import PrefectFuture

from iterpref_core.cores import usable_cores

Futures = dict[str, PrefectFuture[Any]]
Submit = Callable[[str, dict[str, str], Futures], PrefectFuture[Any]]
"""Submits a task: (its name, environment variables by which it keeps to its share of the cores, the tasks that have
ended) → its future."""


def run_graph(upstream: Mapping[str, Sequence[str]], jobs: int, submit: Submit) -> Futures:
    """Run the tasks of a graph, those with the longest chain after them first, and wait until nothing runs any more.

    A task starts when those before it have ended well. One that has company gets its share of the cores, so that tasks
    do not crowd each other out; one that runs alone gets all.

    Args:
        upstream: task → the tasks that it waits for, in an order in which they can run.
        jobs: number of tasks that run at the same time.
        submit: submits one of them to the present flow run.

    Returns:
        The tasks that were started, in that order. A task behind one that failed is not among them.
    """
    graph = TopologicalSorter(upstream)
    graph.prepare()
    depth = _depths(upstream)
    ended: SimpleQueue[str] = SimpleQueue()
    futures: Futures = {}
    ready: list[str] = []
    running = 0
    while True:
        ready = sorted([*ready, *graph.get_ready()], key=lambda name: -depth[name])
        # With 8 cores and 2 jobs: two tasks that can start now get 4 cores each, a single one gets 8.
        company = min(jobs, running + len(ready))
        while ready and running < jobs:
            name = ready.pop(0)
            share = {"OMP_NUM_THREADS": str(max(1, usable_cores() // company))}
            futures[name] = submit(name, share, futures)
            futures[name].add_done_callback(lambda _, name=name: ended.put(name))  # type: ignore[misc]
            running += 1
        if not running:
            return futures
        last = ended.get()
        running -= 1
        futures[last].wait()
        if futures[last].state.is_completed():
            graph.done(last)


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
