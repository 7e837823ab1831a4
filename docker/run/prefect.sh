# The Prefect server on PostgreSQL. Reads LISTEN, PORT, and what access.sh reads.
set -eu
. "$(dirname "$0")/access.sh"
PREFECT_SERVER_DATABASE_CONNECTION_URL=$(database postgresql+asyncpg prefect)
export PREFECT_SERVER_DATABASE_CONNECTION_URL
export PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
# Pages that ask nobody: the second generation fetches settings of its telemetry from elsewhere, even where that is off.
export PREFECT_SERVER_UI_V2_ENABLED=false PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT=false
exec python -m prefect server start --host "${LISTEN:-127.0.0.1}" --port "${PORT:-4200}"
