#!/bin/sh
# Install the project with extras into .venv, made where there is none, in the locked versions: sh install.sh EXTRA,EXTRA
# uv does it: only uv leaves out what pyproject.toml overrides, and takes the build of PyTorch that fits the machine. It reads
# nothing of pip's configuration, so what that says of places to look at is passed on.
set -eu
lock=config/environments/requirements.lock
python=.venv/bin/python
PYTHON=${PYTHON:-$(sh config/environments/find_python.sh)}
test -x $python || "$PYTHON" -m venv .venv
if ! uv=$(command -v uv); then
    uv=build/uv/bin/uv
    test -x $uv || { "$PYTHON" -m venv build/uv && build/uv/bin/python -m pip --disable-pip-version-check -qq install uv; }
fi
setting() { $python -m pip config --quiet get "$1" 2> /dev/null | tr '\n' ' ' || true; }

index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(setting global.index-url)}}
links=${PIP_FIND_LINKS:-$(setting global.find-links)}
certificates=${SSL_CERT_FILE:-${PIP_CERT:-$(setting global.cert)}}
UV_DEFAULT_INDEX=${index% } SSL_CERT_FILE=${certificates% }
if [ -n "$UV_DEFAULT_INDEX" ]; then export UV_DEFAULT_INDEX; else unset UV_DEFAULT_INDEX; fi
if [ -n "$SSL_CERT_FILE" ]; then export SSL_CERT_FILE; else unset SSL_CERT_FILE; fi

echo "installing iterpref[$1] into .venv" >&2
set -- pip install --quiet --compile-bytecode --python $python --constraints $lock --editable ".[$1]"
# Where a folder of wheels is named, PyTorch comes from there. Elsewhere uv takes the build for this machine's accelerator: the
# index's own default brings gigabytes for GPUs to machines that have none.
if [ -n "$links" ]; then for link in $links; do set -- "$@" --find-links "$link"; done
else set -- "$@" --torch-backend auto; fi
$uv "$@"
