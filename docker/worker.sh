# Serves the deployments of docker/prefect.yaml. A machine that cannot isolate programs ends here, before it takes work.
set -eu
iterpref doctor
prefect work-pool create --type process --overwrite iterpref
prefect --no-prompt deploy --all --prefect-file docker/prefect.yaml
python -c "from flows.prefect_session import create_automations; create_automations()"
# Two runs at once would take the same GPUs.
exec prefect worker start --limit 1 --with-healthcheck --pool iterpref
