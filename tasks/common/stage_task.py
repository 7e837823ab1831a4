"""A Prefect task that is its own plain function outside of a flow run."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext

P = ParamSpec("P")
R = TypeVar("R")


class StageTask(Task[P, R]):
    """The body of a stage.

    Inside a flow run it is an ordinary task. Outside, calling a Prefect task would start a temporary server
    (15 seconds and more); there this one simply calls its function, so that a bare `dvc repro` runs the same code.
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override]
        """Run as a task of the present flow run, or as the plain function where there is none."""
        if FlowRunContext.get() is None:
            return self.fn(*args, **kwargs)
        result: R = super().__call__(*args, **kwargs)
        return result


def stage_task(function: Callable[P, R]) -> StageTask[P, R]:
    """Make a stage's body a `StageTask`; results are never cached by Prefect, because DVC is the only cache."""
    return StageTask(function, name=function.__name__, cache_policy=NO_CACHE, persist_result=False)
