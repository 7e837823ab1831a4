"""Sweep: objectives x beta x seeds, each point of beta x seed a DVC experiment."""

from prefect import flow

from flows.experiment import THREADS, run_stages
from flows.stage_flow import log_messages_only
from iterpref_core.config import Beta, Seed
from iterpref_core.objectives.objectives import ObjectiveName
from tasks.grids.sweeps import SweepResult, opened_sweep, show_sweep
from tasks.orchestration.run_options import Benchmarks, Jobs


@flow(name="sweep", task_runner=THREADS, persist_result=False)
def sweep(
    objectives: tuple[ObjectiveName, ...] = (),
    betas: tuple[Beta, ...] = (),
    seeds: tuple[Seed, ...] = (),
    benchmarks: Benchmarks = ("validation",),
    jobs: Jobs = 2,
) -> SweepResult:
    """Train and evaluate every objective at every beta with every seed, and compare them to the base model.

    It happens in a copy of the workspace, whose own files stay as they are. Points that are there already are kept, and
    where one fails the others still run.

    Args:
        objectives: to train; none for those of dvc.yaml.
        betas: none for that of params.yaml.
        seeds: of training; none for that of params.yaml.
        benchmarks: to evaluate on. To choose anything: `validation`, and never `heldout`.
        jobs: how many stages may run at once.

    Returns:
        The experiments, and a table of their scores.
    """
    log_messages_only()
    with opened_sweep(objectives, betas, seeds, benchmarks) as grid:
        if grid.shared_is_stale():
            run_stages(grid.shared, jobs, grid.naming())
        for point in grid.points:
            with grid.attempted(point):
                if not grid.recall(point):
                    run_stages(grid.targets, jobs, grid.naming(point))
                    grid.save(point)
        result = grid.result()
        show_sweep(result)
        grid.check()
    return result
