# PostgreSQL with one data base for Prefect and one for MLflow, which the first start makes.
# Reads PGDATA, LISTEN, PORT, and the file postgres_password in SECRETS.
set -eu
if ! [ -f "$PGDATA/PG_VERSION" ]; then
    # Made beside its place and moved there when it is complete: a first start that is cut off begins anew.
    rm -rf "$PGDATA.new"
    initdb --pgdata "$PGDATA.new" --username iterpref --pwfile "${SECRETS:-/run/secrets}/postgres_password" \
        --auth scram-sha-256 --encoding UTF8 --no-locale
    echo 'host all all all scram-sha-256' >> "$PGDATA.new/pg_hba.conf"
    for name in prefect mlflow; do
        echo "CREATE DATABASE $name" | postgres --single -D "$PGDATA.new" postgres
    done
    mv "$PGDATA.new" "$PGDATA"
fi
exec postgres -D "$PGDATA" -c unix_socket_directories= \
    -c listen_addresses="${LISTEN:-127.0.0.1}" -c port="${PORT:-5432}"
