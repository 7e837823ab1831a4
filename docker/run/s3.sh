# An S3 store. Reads S3_SERVER, DATA, LISTEN, PORT, and the files s3_access_key and s3_secret_key in SECRETS.
# S3_SERVER=moto is a store in memory that checks no key: for tests on a machine without MinIO.
set -eu
secrets=${SECRETS:-/run/secrets}
case ${S3_SERVER:-minio} in
    minio)
        MINIO_ROOT_USER=$(cat "$secrets/s3_access_key")
        MINIO_ROOT_PASSWORD=$(cat "$secrets/s3_secret_key")
        export MINIO_ROOT_USER MINIO_ROOT_PASSWORD
        exec minio server --quiet --address "${LISTEN:-127.0.0.1}:${PORT:-9000}" "${DATA:-/srv/s3}"
        ;;
    moto) exec moto_server --host "${LISTEN:-127.0.0.1}" --port "${PORT:-9000}" ;;
    *)
        echo "S3_SERVER=$S3_SERVER: minio or moto" >&2
        exit 2
        ;;
esac
