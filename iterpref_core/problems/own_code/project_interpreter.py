"""Project interpreter: where a package is, without importing it, and which plugins pytest has there."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from iterpref_core.errors import InputError

_ASK_S = 60.0
_ASK = """
import importlib.metadata, importlib.util, json, sys
name = sys.argv[1]
spec = importlib.util.find_spec(name)
path = None if spec is None else (list(spec.submodule_search_locations or []) or [spec.origin])[0]
found = {"path": path, "distribution": name, "license": ""}
for distribution in importlib.metadata.packages_distributions().get(name, [])[:1]:
    data = importlib.metadata.metadata(distribution)
    found["distribution"] = f"{data['Name']}=={data['Version']}"
    found["license"] = data["License-Expression"] or data["License"] or ""
print(json.dumps(found))
"""
_PLUGINS = """
import importlib.metadata, json
print(json.dumps(sorted({point.module for point in importlib.metadata.entry_points(group="pytest11")})))
"""


@dataclass(frozen=True)
class Installed:
    """A package as it is installed somewhere.

    Attributes:
        path: its folder, or its file if it is one module.
        distribution: name and version, such as `toolz==1.0.0`.
        license: what its metadata state; empty if they do not.
    """

    path: str
    distribution: str
    license: str


def find_installed(python: str, package: str) -> Installed:
    """Ask an interpreter for a package, given by its import name.

    Raises:
        InputError: it is not there, or is no package of Python source.
    """
    if not package.isidentifier():
        raise InputError(f"{package}: is not a package name; give what `import` takes, without dots")
    found = _ask(python, _ASK, package)
    if not found["path"] or found["path"] in ("built-in", "frozen") or found["path"].endswith(".so"):
        raise InputError(
            f"{package}: is not installed as Python source for {python}; install it there, or give --python"
        )
    return Installed(**found)


def pytest_plugins(python: str) -> tuple[str, ...]:
    """Modules of the pytest plugins that an interpreter has installed.

    Raises:
        InputError: it does not answer.
    """
    return tuple(_ask(python, _PLUGINS))


def _ask(python: str, program: str, *arguments: str) -> Any:
    command = [python, "-I", "-c", program, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True, cwd="/")
        return json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise InputError(f"{python}: is not a working Python interpreter ({error}); correct --python") from None
