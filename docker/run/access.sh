# Sourced by the others: how to reach PostgreSQL (POSTGRES, host:port) and the S3 store (S3, a URL), from files in SECRETS.
# Secrets go into the environment of one process: into no image, no command line and no file.
secrets=${SECRETS:-/run/secrets}

database() {
    printf '%s://iterpref:%s@%s/%s' "$1" "$(cat "$secrets/postgres_password")" "${POSTGRES:-127.0.0.1:5432}" "$2"
}

s3() {
    AWS_ACCESS_KEY_ID=$(cat "$secrets/s3_access_key")
    AWS_SECRET_ACCESS_KEY=$(cat "$secrets/s3_secret_key")
    AWS_DEFAULT_REGION=us-east-1
    AWS_ENDPOINT_URL=${S3:-http://127.0.0.1:9000}
    MLFLOW_S3_ENDPOINT_URL=$AWS_ENDPOINT_URL
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION AWS_ENDPOINT_URL MLFLOW_S3_ENDPOINT_URL
}
