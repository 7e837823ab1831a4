#!/bin/sh
# Install locked requirements into .venv, made where there is none: sh config/environments/install.sh LOCK
# uv does it in a quarter of pip's time; where uv, or what it asks, cannot be had, pip does it. uv reads nothing of pip's
# configuration, so what that says of places to look at is passed on.
set -eu
lock=$1
python=.venv/bin/python
test -x $python || "${PYTHON:-python3.11}" -m venv .venv
echo "installing $(grep -c '==' "$lock") packages of $lock into .venv" >&2

pip() { $python -m pip --disable-pip-version-check -qq "$@"; }
setting() { $python -m pip config --quiet get "$1" 2> /dev/null | tr '\n' ' ' || true; }

find_uv() {
    command -v uv && return
    test -x build/uv/bin/uv || { "${PYTHON:-python3.11}" -m venv build/uv && build/uv/bin/python -m pip -qq install uv; } || return
    echo build/uv/bin/uv
}

by_uv() {
    uv=$(find_uv) || return
    index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(setting global.index-url)}}
    links=${PIP_FIND_LINKS:-$(setting global.find-links)}
    certificates=${SSL_CERT_FILE:-${PIP_CERT:-$(setting global.cert)}}
    set -- pip install --quiet --compile-bytecode --python $python  # as pip does: Python itself may be told not to
    # Where a folder of wheels is named, PyTorch comes from there. Elsewhere uv takes the build for this machine's
    # accelerator: the index's own default brings gigabytes for GPUs to machines that have none.
    if [ -n "$links" ]; then for link in $links; do set -- "$@" --find-links "$link"; done
    else set -- "$@" --torch-backend auto; fi
    UV_DEFAULT_INDEX=${index% } SSL_CERT_FILE=${certificates% }
    if [ -n "$UV_DEFAULT_INDEX" ]; then export UV_DEFAULT_INDEX; else unset UV_DEFAULT_INDEX; fi
    if [ -n "$SSL_CERT_FILE" ]; then export SSL_CERT_FILE; else unset SSL_CERT_FILE; fi
    $uv "$@" -r "$lock"
}

by_uv || {
    echo "uv could not install them (see above); pip does, which takes some minutes" >&2
    pip install -r "$lock"
}
