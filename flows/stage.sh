# Run a stage of dvc.yaml: `sh flows/stage.sh NAME [ITEM]`. Python is taken from the environment of this checkout, or of the
# checkout in which `dvc exp run --temp` was started; neither has to be activated.
PATH=".venv/bin:$DVC_ROOT/.venv/bin:$PATH" exec python -m flows.stage "$@"
