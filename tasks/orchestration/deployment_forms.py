"""Deployment forms, closed: Prefect's server refuses a parameter that does not exist, before there is a run.

Prefect makes the form from the flow's signature and checks the values of its fields, but lets other names through: the
run would crash as soon as it starts, and its page would not say why. `prefect deploy` opens the form again, so
`python -m tasks.orchestration.deployment_forms` follows it.
"""

from pathlib import Path
from uuid import UUID

import yaml
from prefect import get_client
from prefect.client.schemas.actions import DeploymentUpdate

DEPLOYMENTS = Path("prefect.yaml")


def close_form(deployment: UUID) -> None:
    """Let the server refuse what the deployment's form has no field for."""
    with get_client(sync_client=True) as client:
        schema = client.read_deployment(deployment).parameter_openapi_schema or {}
        closed = DeploymentUpdate(parameter_openapi_schema={**schema, "additionalProperties": False})
        client.update_deployment(deployment, closed)


def close_forms() -> None:
    """Close the forms of all deployments that prefect.yaml describes."""
    for deployment in yaml.safe_load(DEPLOYMENTS.read_text(encoding="utf-8"))["deployments"]:
        flow = deployment["entrypoint"].rpartition(":")[2]
        with get_client(sync_client=True) as client:
            found = client.read_deployment_by_name(f"{flow}/{deployment['name']}")
        close_form(found.id)


if __name__ == "__main__":
    close_forms()
