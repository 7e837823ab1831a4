"""Experiment flow: DVC's stages in the order of DVC's graph, independent ones at the same time."""

import logging
from collections.abc import Iterable
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture, wait
from prefect.task_runners import ThreadPoolTaskRunner

from flows.stage_flow import log_messages_only
from iterpref_core.config import Benchmark, Seed, load_params
from iterpref_core.objectives.objectives import ObjectiveName
from tasks.common.paths import SUMMARY
from tasks.orchestration.experiment_run import ExperimentRun, Naming
from tasks.orchestration.prefect_artifacts import show_link, show_results
from tasks.orchestration.reproduce import reproduce
from tasks.orchestration.run_options import UNCHANGED, Choice, Jobs, ProfileName, StageName
from tasks.orchestration.services import announced_interfaces
from tasks.orchestration.workspaces import entered
from tasks.recording.dvc_graph import load_graph, name_stages, select_stages

# Tasks wait in their threads, so there are threads for all; how many stages run at once is for `Slots` to say.
THREADS: Any = ThreadPoolTaskRunner(max_workers=64)  # untyped: Prefect declares task runners invariant


@flow(name="experiment", task_runner=THREADS, persist_result=False)
def experiment(
    profile: ProfileName = UNCHANGED,
    objectives: tuple[ObjectiveName, ...] = (),
    benchmarks: tuple[Benchmark, ...] = (),
    seeds: tuple[Seed, ...] = (),
    stages: tuple[StageName, ...] = (),
    force: bool = False,
    jobs: Jobs = 2,
) -> list[str]:
    """Bring the named stages, and all they need, up to date.

    Where a profile, objectives, benchmarks or seeds are chosen, that happens in a copy of the workspace, and its own
    params.yaml and results stay as they are.

    Args:
        profile: whose values replace those of params.yaml.
        objectives: to train; none for those of dvc.yaml.
        benchmarks: to evaluate on; none for those of params.yaml.
        seeds: of training, each an experiment of its own; none for that of params.yaml.
        stages: names from dvc.yaml; `training` stands for all of `training@…`. None for the whole experiment.
        force: run the named stages even where nothing has changed.
        jobs: how many stages may run at once.

    Returns:
        The folders that hold the results, one for each experiment.
    """
    log_messages_only()
    logging.getLogger("iterpref").setLevel(logging.INFO)  # where the flow is served, nobody else does
    folders = []
    for seed in dict.fromkeys(seeds) or (None,):
        choice = Choice(profile=profile, objectives=objectives, benchmarks=benchmarks, seed=seed)
        naming = Naming(f"seed {seed}: " if len(set(seeds)) > 1 else "")
        with entered(choice) as folder:
            run_stages(stages, jobs, naming, force=force)
        folders.append(str(folder))
    return folders


def run_stages(stages: Iterable[str], jobs: int, naming: Naming, *, force: bool = False) -> None:
    """Run the present folder's stages, each as a task of the present flow run, and show what came out."""
    whole, targets = load_graph(), tuple(stages)
    graph = select_stages(whole, targets)
    forced = name_stages(whole, targets) if force else ()
    with ExperimentRun(load_params(), graph, jobs, forced, naming) as run:
        interfaces = announced_interfaces()
        show_link(run.tracker.page(run.mlflow_run, interfaces.mlflow if interfaces else None), naming.label)
        futures: dict[str, PrefectFuture[Any]] = {}
        for stage in graph.values():
            behind = [futures[name] for name in stage.upstream]
            futures[stage.name] = reproduce.submit(stage=stage, run=run, return_state=False, wait_for=behind)
        wait(list(futures.values()))
        for future in futures.values():
            future.result()
    if "report" in graph:
        show_results(SUMMARY, naming.label)
