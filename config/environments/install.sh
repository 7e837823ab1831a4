#!/bin/sh
# Install the project with extras into .venv, in the locked versions: sh install.sh EXTRA,EXTRA. Without an argument make .venv alone.
# uv is needed: it finds a Python that pyproject.toml allows, or fetches one; and only uv omits the packages that pyproject.toml
# overrides and selects the build of PyTorch for the machine. It ignores pip's configuration, so the index and the folder of wheels
# in it are passed on.
set -eu
lock=config/environments/requirements.lock
uv=$(command -v uv) || uv=build/uv/bin/uv
if ! test -x "$uv"; then
    # Any version will do here. On Debian and Ubuntu this needs the package python3-venv.
    python3 -m venv build/uv && build/uv/bin/python -m pip --disable-pip-version-check -qq install uv
fi
pip=build/uv/bin/python
test -x $pip || pip=python3
setting() { $pip -m pip config --quiet get "$1" 2> /dev/null | tr '\n' ' ' || true; }

index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(setting global.index-url)}}
links=${PIP_FIND_LINKS:-$(setting global.find-links)}
certificates=${SSL_CERT_FILE:-${PIP_CERT:-$(setting global.cert)}}
UV_DEFAULT_INDEX=${index% } SSL_CERT_FILE=${certificates% }
if [ -n "$UV_DEFAULT_INDEX" ]; then export UV_DEFAULT_INDEX; else unset UV_DEFAULT_INDEX; fi
if [ -n "$SSL_CERT_FILE" ]; then export SSL_CERT_FILE; else unset SSL_CERT_FILE; fi

test -x .venv/bin/python || "$uv" venv --quiet --seed ${PYTHON:+--python "$PYTHON"} .venv
if [ $# = 0 ]; then exit; fi
# The sandbox reads bytecode, and may write none. CI compiles what it imports, a third of all modules.
export UV_COMPILE_BYTECODE="${UV_COMPILE_BYTECODE:-1}"
echo "installing iterpref[$1] into .venv" >&2
set -- pip install --quiet --python .venv/bin/python --constraints $lock --editable ".[$1]"
for link in $links; do set -- "$@" --find-links "$link"; done
# PyTorch comes from a folder of wheels if that has one for this Python. Otherwise uv takes the build for this machine: the default
# build brings gigabytes of GPU libraries to machines without a GPU.
tag=$(.venv/bin/python -c 'import sys; print(f"cp{sys.version_info.major}{sys.version_info.minor}")')
for link in $links; do
    for wheel in "$link"/torch-*-"$tag"-*.whl; do
        if [ -e "$wheel" ]; then exec "$uv" "$@"; fi
    done
done
exec "$uv" "$@" --torch-backend auto
