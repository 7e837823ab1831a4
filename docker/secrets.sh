# Make docker/secrets/: a password or key a file, random, where it is not there yet. None of them leaves this folder but
# as a secret of compose. The folder is the owner's alone; the files are readable, for the containers have other users.
set -eu
umask 022
folder=$(dirname "$0")/secrets
mkdir -p "$folder"
chmod 700 "$folder"
for name in postgres_password s3_access_key s3_secret_key vllm_api_key; do
    [ -s "$folder/$name" ] || od -An -N 20 -t x1 /dev/urandom | tr -d ' \n' > "$folder/$name"
done
