"""Rounds: an objective trained again and again, each time on the failures of the model of the round before."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.experiment import THREADS, run_stages
from flows.stage_flow import log_messages_only
from iterpref_core.objectives.objectives import ObjectiveName
from tasks.grids.experiment_rounds import RoundResult, opened_rounds, show_rounds
from tasks.orchestration.fork_server import ForkServer
from tasks.orchestration.run_options import UNCHANGED, Benchmarks, Jobs, ProfileName


@flow(name="rounds", task_runner=THREADS, persist_result=False)
def rounds(
    objectives: tuple[ObjectiveName, ...] = ("sft", "target-rpo"),
    count: Annotated[int, Field(ge=1, le=20)] = 2,
    benchmarks: Benchmarks = ("validation",),
    profile: ProfileName = UNCHANGED,
    jobs: Jobs = 2,
) -> list[RoundResult]:
    """Let the trained model draft again, debug its failures, and train on: so many rounds of each objective.

    It happens in a copy of the workspace, whose own files stay as they are. Rounds that are there already are kept.

    Args:
        objectives: each with a chain of rounds of its own.
        count: of rounds of each.
        benchmarks: to evaluate on. To choose anything: `validation`, and never `heldout`.
        profile: whose values replace those of params.yaml.
        jobs: how many stages may run at once.

    Returns:
        What each round did.
    """
    log_messages_only()
    with opened_rounds(objectives, count, benchmarks, profile) as chain, ForkServer() as fork_server:
        for one in chain.rounds:
            chain.begin(one)
            if not chain.recall(one):
                run_stages(chain.targets(one), jobs, chain.naming(one), fork_server)
                chain.save(one)
        show_rounds(chain.results)
    return chain.results
