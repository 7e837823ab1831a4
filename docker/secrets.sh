#!/bin/sh
# Makes the passwords of the containers in docker/secrets, once. Only this user can enter the folder. The files themselves are
# readable, because PostgreSQL's container reads its file as a user of its own.
set -eu
cd "$(dirname "$0")"
mkdir -p -m 700 secrets
umask 022
word() { od -An -N20 -tx1 /dev/urandom | tr -d ' \n'; }
test -s secrets/postgres_password || word > secrets/postgres_password
test -s secrets/prefect_auth || echo "iterpref:$(word)" > secrets/prefect_auth
