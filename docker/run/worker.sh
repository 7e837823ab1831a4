# A Prefect worker in this workspace. Reads PREFECT_API_URL, MLFLOW_TRACKING_URI, what access.sh reads, and vllm_api_key
# in SECRETS. DVC's remote is the S3 store: `dvc push` and `dvc pull` need no further setting.
set -eu
. "$(dirname "$0")/access.sh"
s3
if [ -f "$secrets/vllm_api_key" ]; then
    OPENAI_API_KEY=$(cat "$secrets/vllm_api_key")
    export OPENAI_API_KEY
fi
# Generated code runs here: without isolation this ends, and takes no work.
python -c 'from iterpref_core.execution.isolation import choose; print("isolation: tier", choose(allow_unsafe=False, namespaces=True).tier)'
python -m dvc remote add --quiet --force --local --default store s3://dvc
python -m dvc remote modify --quiet --local store endpointurl "$AWS_ENDPOINT_URL"
prefect work-pool inspect iterpref > /dev/null 2>&1 || prefect work-pool create --type process iterpref
prefect --no-prompt deploy --all
python -m tasks.orchestration.deployment_forms # a parameter that does not exist is refused
export PREFECT_LOGGING_EXTRA_LOGGERS=iterpref PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW=ignore # stages' lines, too
exec prefect worker start --pool iterpref --with-healthcheck
