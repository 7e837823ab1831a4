"""What `iterpref ui` registers on a Prefect server, which others may use too."""

import pytest

pytestmark = [pytest.mark.xdist_group("Prefect server")]


@pytest.mark.usefixtures("prefect_server")
def test_a_restart_keeps_what_a_user_has_set_and_leaves_a_work_pool_s_deployment_alone() -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate
    from prefect.client.schemas.schedules import CronSchedule

    from flows.experiment import experiment
    from flows.serve import deployment_of
    from flows.sweep import sweep

    with get_client(sync_client=True) as client:
        made = deployment_of(sweep).apply()
        nightly = DeploymentScheduleCreate(schedule=CronSchedule(cron="40 1 * * *", timezone="Europe/Berlin"))
        client.create_deployment_schedules(made, [(nightly.schedule, True)])
        client.update_deployment(made, DeploymentUpdate(paused=True, tags=["team"], parameters={"seeds": 3}))
        before = client.read_deployment(made)
        assert deployment_of(sweep).apply() == made
        after = client.read_deployment(made)
        assert (len(after.schedules), after.paused, after.tags, after.parameters) == (1, True, ["team"], {"seeds": 3})
        assert after.parameter_openapi_schema == before.parameter_openapi_schema

        client.create_work_pool(WorkPoolCreate(name="team", type="process"))
        flow = client.create_flow_from_name("experiment")
        steps = [{"prefect.deployments.steps.git_clone": {"repository": "https://example.org/team.git"}}]
        variables = {"env": {"TEAM": "yes"}}
        team = client.create_deployment(
            flow, "experiment", work_pool_name="team", pull_steps=steps, job_variables=variables
        )
        assert deployment_of(experiment).apply() != team
        assert deployment_of(experiment).apply() != team, "also the second time"
        kept = client.read_deployment(team)
        assert (kept.work_pool_name, kept.pull_steps, kept.job_variables) == ("team", steps, variables)
