# Serves the deployments of docker/prefect.yaml. A machine that cannot isolate programs ends here, before it takes work.
set -eu
# The password stands in Prefect's profile, where `docker compose exec project iterpref run` finds it, too.
(umask 077 && prefect config set PREFECT_API_AUTH_STRING="$(cat /run/secrets/prefect_auth)" > /dev/null)
iterpref doctor
prefect work-pool create --type process --overwrite iterpref
prefect --no-prompt deploy --all --prefect-file docker/prefect.yaml
python -c "from flows.prefect_session import create_automations; create_automations()"
# Two runs at once would take the same GPUs.
exec prefect worker start --limit 1 --with-healthcheck --pool iterpref
