# The command of each stage in dvc.yaml: `sh flows/stage.sh NAME [ITEM]`. Python comes from the environment of this checkout,
# or of the one in which `dvc exp run --temp` was started, whether or not that is activated.
PATH=".venv/bin:$DVC_ROOT/.venv/bin:$PATH" exec python -m flows.stage "$@"
