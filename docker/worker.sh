# Serve the deployments of docker/prefect.yaml. If the machine cannot isolate programs, stop before it takes work.
set -eu
# Write the password to Prefect's profile, where `docker compose exec project iterpref run` also finds it.
(umask 077 && prefect config set PREFECT_API_AUTH_STRING="$(cat /run/secrets/prefect_auth)" > /dev/null)
iterpref doctor
prefect work-pool create --type process --overwrite iterpref
prefect --no-prompt deploy --all --prefect-file docker/prefect.yaml
python -c "from flows.prefect_session import create_automations; create_automations()"
# Two runs at the same time would use the same GPUs.
exec prefect worker start --limit 1 --with-healthcheck --pool iterpref
