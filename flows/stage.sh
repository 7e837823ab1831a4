# Run a stage of dvc.yaml: `sh flows/stage.sh NAME [ITEM]`. Python is taken from the environment of this checkout, or of the
# checkout in which `dvc exp run --temp` was started; neither has to be activated. The stage ends with the process $PPID.
# Under `iterpref run` it is a copy of a process that has loaded the libraries (tasks/fork_server.py).
test "$1" != external && module=flows.stage || module=tasks.external_inputs
PATH=".venv/bin:$DVC_ROOT/.venv/bin:$PATH"
test -z "$ITERPREF_FORK_SERVER" || exec python -IS tasks/fork_server.py "$ITERPREF_FORK_SERVER" $module "$@"
ITERPREF_PARENT=$PPID exec python -m $module "$@"
