# Serves the deployments of prefect.yaml. A machine that cannot isolate programs ends here, before it takes work.
set -eu
iterpref doctor
prefect work-pool create --type process --overwrite iterpref
prefect --no-prompt deploy --all
prefect automation inspect iterpref-crashed > /dev/null 2>&1 || prefect automation create --from-file docker/automations.yaml
exec prefect worker start --pool iterpref
