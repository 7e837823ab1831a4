#!/bin/sh
# Try the containers together: start them, run the smallest experiment as a run of the deployment, find it in MLflow, and remove
# the containers with their volumes. Arguments, such as `--build`, go to `docker compose up`.
set -eu
cd "$(dirname "$0")/.."
compose() {
    docker compose --project-name iterpref-try --file docker/compose.yaml "$@"
}
sh docker/secrets.sh
# Take any free ports: containers in daily use may have the ports of compose.yaml.
export PREFECT_PORT= MLFLOW_PORT=
trap 'compose down --volumes' EXIT

compose up --wait "$@"
compose exec -T project iterpref doctor
values=$(compose exec -T project python - <<'END'
import json
from pathlib import Path

from iterpref_core.records import flatten, read_yaml

values = dict(flatten(read_yaml(Path("config/profiles/tiny.yaml"))))
del values["base"]
print(json.dumps(values))
END
)
compose exec -T project prefect deployment run experiment/experiment --watch --param "values=$values"
compose exec -T project python - <<'END'
from tasks.mlflow.server import Server

server = Server()
found = server.client.search_runs([server.experiment_id], "attributes.status = 'FINISHED'")
commands = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
assert len(commands) == 1, "the run of the deployment, which holds the runs of its stages"
print(f"MLflow has {len(found)} runs; {commands[0].info.run_name}: {commands[0].data.metrics}")
END
