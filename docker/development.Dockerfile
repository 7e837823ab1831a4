# The dev container: everything that `make` needs to set up the environment, run the tests and show the pages.
# Python packages are not in the image; they are in `.venv`, in the checkout that an editor mounts.
FROM python:3.11.13-slim-bookworm

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap chromium git make openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --shell /bin/bash --uid 1000 iterpref

USER 1000:1000
ENV DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false MLFLOW_DISABLE_TELEMETRY=true OMP_WAIT_POLICY=PASSIVE
CMD ["sleep", "infinity"]
HEALTHCHECK NONE
