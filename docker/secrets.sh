#!/bin/sh
# Create the passwords of the containers in docker/secrets, unless they exist. Only this user can enter the folder. The files
# themselves are readable, because PostgreSQL reads its file as another user.
set -eu
cd "$(dirname "$0")"
mkdir -p -m 700 secrets
umask 022
word() { od -An -N20 -tx1 /dev/urandom | tr -d ' \n'; }
test -s secrets/postgres_password || word > secrets/postgres_password
test -s secrets/prefect_auth || echo "iterpref:$(word)" > secrets/prefect_auth
