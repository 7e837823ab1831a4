"""Stage task: a stage's body as a Prefect task, where a flow runs."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def stage_task(function: Callable[P, R]) -> Callable[P, R]:
    """Make a stage's body a task of the present flow run, and the plain function where there is none.

    Calling a Prefect task outside of a flow run would start a temporary server (15 seconds and more), and importing
    Prefect alone takes longer than most bodies of the smallest experiment. Results are never cached by Prefect, because
    DVC is the only cache.
    """

    @wraps(function)
    def body(*args: P.args, **kwargs: P.kwargs) -> R:
        return _run_as_task(function, *args, **kwargs) if _in_flow_run() else function(*args, **kwargs)

    return body


def _in_flow_run() -> bool:
    if "prefect" not in sys.modules:
        return False
    from prefect.context import FlowRunContext

    return FlowRunContext.get() is not None


def _run_as_task(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    from prefect import Task
    from prefect.cache_policies import NO_CACHE

    task: Task[P, R] = Task(function, name=function.__name__, cache_policy=NO_CACHE, persist_result=False)
    return task(*args, **kwargs)
