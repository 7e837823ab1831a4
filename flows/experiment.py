"""The whole experiment: DVC's stages in the order of DVC's graph, independent ones at the same time."""

from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture, wait
from prefect.task_runners import ThreadPoolTaskRunner

from flows.stage import log_messages_only
from iterpref_core.config import load_params
from tasks.orchestration.reproduce import reproduce
from tasks.orchestration.run import ExperimentRun
from tasks.recording.graph import load_graph, select_stages

# Tasks wait in their threads, so there are threads for all; how many stages run at once is for `Slots` to say.
_THREADS: Any = ThreadPoolTaskRunner(max_workers=64)  # untyped: Prefect declares task runners invariant


@flow(name="experiment", task_runner=_THREADS, persist_result=False)
def experiment(stages: list[str] | None = None, jobs: int = 2) -> None:
    """Bring the named stages, and all they need, up to date.

    Args:
        stages: names from dvc.yaml; `train` stands for all of `train@…`. None for the whole experiment.
        jobs: how many stages may run at once.
    """
    log_messages_only()
    params = load_params()
    graph = select_stages(load_graph(), tuple(stages or ()))
    with ExperimentRun(params, graph, jobs) as run:
        futures: dict[str, PrefectFuture[Any]] = {}
        for stage in graph.values():
            behind = [futures[name] for name in stage.upstream]
            futures[stage.name] = reproduce.submit(stage=stage, run=run, return_state=False, wait_for=behind)
        wait(list(futures.values()))
        for future in futures.values():
            future.result()
