#!/bin/sh
# Install the project with extras into .venv, made where there is none, in the locked versions: sh install.sh EXTRA,EXTRA
# uv is needed, because only uv omits the packages that pyproject.toml overrides and selects the build of PyTorch for the machine.
# uv ignores pip's configuration, so the package index and the folder of wheels in it are passed on.
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

# The sandbox reads bytecode, and may write none. CI compiles what it imports, a third of all modules.
export UV_COMPILE_BYTECODE="${UV_COMPILE_BYTECODE:-1}"
echo "installing iterpref[$1] into .venv" >&2
set -- pip install --quiet --python $python --constraints $lock --editable ".[$1]"
# If pip's configuration names a folder of wheels, PyTorch comes from there. Otherwise uv takes the build for this machine: the
# default build brings gigabytes of GPU libraries to machines without a GPU.
if [ -n "$links" ]; then for link in $links; do set -- "$@" --find-links "$link"; done
else set -- "$@" --torch-backend auto; fi
$uv "$@"
