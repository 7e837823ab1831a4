# The pipeline, in three images that build on each other; ACCELERATOR is `cpu` or `cuda`.
#   pipeline      the Prefect server, MLflow, and any verb of `iterpref`
#   worker        that, and what isolates generated code: runs deployments
#   bigcodebench  that, and the environment of BigCodeBench's tasks
# Built from the repository's root: docker compose -f docker/compose.yaml build
# Base images are pinned by their exact version, packages of Debian by its release, all others by their locks.
FROM python:3.11.13-slim-bookworm AS pipeline
ARG ACCELERATOR=cpu

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 iterpref \
    && install --directory --owner 1000 --group 1000 /srv/iterpref /srv/services
WORKDIR /srv/iterpref

# PyTorch's CPU wheels: PyPI's default build brings the CUDA libraries.
COPY requirements.lock ./
RUN if [ "$ACCELERATOR" = cpu ]; then set -- --extra-index-url https://download.pytorch.org/whl/cpu; fi \
    && pip install --no-cache-dir "$@" -r requirements.lock

COPY --chown=1000:1000 . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e .

USER 1000:1000
ENV PYTHONUNBUFFERED=1 DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false MLFLOW_DISABLE_TELEMETRY=true \
    OMP_WAIT_POLICY=PASSIVE
# DVC works in a git repository; the copy has none of the original's records.
RUN git config --global --add safe.directory /srv/iterpref && git init --quiet
CMD ["iterpref", "run"]
HEALTHCHECK --interval=60s --timeout=30s CMD ["iterpref", "--help"]

FROM pipeline AS worker
USER 0:0
# bubblewrap: the strongest layer, where the container may use namespaces; without it Landlock and seccomp hold.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends bubblewrap && rm -rf /var/lib/apt/lists/*
USER 1000:1000
CMD ["sh", "docker/run/worker.sh"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s CMD ["python", "docker/run/healthy.py", "http://127.0.0.1:8080/health"]

FROM worker AS bigcodebench
USER 0:0
# NLTK's corpora are no packages; tasks that read them fail where they could not be had, and results.json names them.
RUN python -m venv /opt/bigcodebench \
    && /opt/bigcodebench/bin/pip install --no-cache-dir --no-deps -r environments/bigcodebench.lock \
    && /opt/bigcodebench/bin/python -m nltk.downloader -q \
        -d /opt/bigcodebench/lib/python3.11/site-packages/nltk_data \
        stopwords punkt vader_lexicon words averaged_perceptron_tagger wordnet
ENV ITERPREF_BIGCODEBENCH_PYTHON=/opt/bigcodebench/bin/python
USER 1000:1000
