#!/bin/sh
# Print the newest Python of this machine that pyproject.toml allows, such as `python3.13`, and that can make an environment.
# Each one is started, because pyenv has a command for versions that are not active, and Debian's Python may lack ensurepip.
# shellcheck disable=SC2046
set -- $(sed -nE 's/^requires-python = ">=3\.([0-9]+),<3\.([0-9]+)"$/\1 \2/p' pyproject.toml)
version=$(($2 - 1))
while [ $version -ge "$1" ]; do
    if "python3.$version" -c 'import ensurepip' 2> /dev/null; then
        echo "python3.$version"
        exit
    fi
    version=$((version - 1))
done
echo "error: no Python from 3.$1 to 3.$(($2 - 1)) that can make environments; on Debian and Ubuntu: apt install python3-venv" >&2
echo false # the command in which this name stands fails
exit 2
