# MLflow on PostgreSQL, which hands artifacts to and from the S3 store. Reads LISTEN, PORT, and what access.sh reads.
set -eu
here=$(dirname "$0")
. "$here/access.sh"
s3
python "$here/buckets.py" mlflow dvc
MLFLOW_BACKEND_STORE_URI=$(database postgresql+psycopg2 mlflow)
export MLFLOW_BACKEND_STORE_URI
export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=1
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false # judges of traces and the like, in four more processes
exec python -m mlflow server --host "${LISTEN:-127.0.0.1}" --port "${PORT:-5000}" --workers 1 \
    --artifacts-destination s3://mlflow --serve-artifacts
