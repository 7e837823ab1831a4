# Run a stage of dvc.yaml: `sh flows/stage.sh NAME [ITEM]`. Python is taken from the environment of this checkout, or of the
# checkout in which `dvc exp run --temp` was started; neither has to be activated. The stage ends with the process $PPID.
test "$1" != outside && module=flows.stage || module=tasks.outside
PATH=".venv/bin:$DVC_ROOT/.venv/bin:$PATH" ITERPREF_PARENT=$PPID exec python -m $module "$@"
