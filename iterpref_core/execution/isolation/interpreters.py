"""Describe the interpreters that run programs: this one, or another environment's."""

import functools
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.records import ConfigError

from ..packets import Runtime

OLDEST = (3, 11)
"""The first Python that the sandbox code runs on."""

_SYSTEM_PATHS = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/usr/share/zoneinfo",
)
_PROGRAM_PATHS = (
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib32",
    "/usr/libexec",
    "/usr/share",
    "/usr/include",
    "/usr/local/bin",
    "/bin",
    "/sbin",
    "/lib32",
    "/etc/alternatives",
)
"""Folders of the machine's programs and of what they need. `/usr` as a whole may hold users' files."""
_ASK_S = 60.0
_ASK = """
import importlib.metadata, importlib.util, json, os, sys, sysconfig
libraries = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sysconfig.get_config_var("LIBDIR")]
standard = {*libraries, sysconfig.get_config_var("DESTSHARED")}
site = [path for path in sys.path if path not in standard and not path.endswith(".zip") and os.path.isdir(path)]
preload = []
if importlib.util.find_spec("pytest"):
    # pytest imports its own plugins when it runs, which every program would do again.
    import _pytest.config
    own = [f"_pytest.{name}" for name in getattr(_pytest.config, "default_plugins", ())]
    plugins = {point.module for point in importlib.metadata.entry_points(group="pytest11")}
    preload = ["pytest", *own, *sorted(name for name in plugins if importlib.util.find_spec(name.partition(".")[0]))]
print(json.dumps([sys.version_info[:2], os.path.realpath(sys.executable), libraries, site, preload]))
"""


@dataclass(frozen=True)
class Environment:
    """An interpreter with its installed packages, and folders that programs may read and import from.

    Attributes:
        python: path of the interpreter, such as `.venv/bin/python` of a project.
        paths: further folders, which come first on `sys.path`.
        preload: modules of the environment to import once, because many programs import them.
        processes: programs may start processes, execute the machine's programs, use sockets among themselves, and
            change modes and times of their files. This needs tier A; in other tiers they may not.
        variables: names and values of the variables that programs see.
    """

    python: str
    paths: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    processes: bool = False
    variables: tuple[tuple[str, str], ...] = ()


def _names_of(interpreter: str, standard: Iterable[str | None], site: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the paths of an interpreter, of its standard library and of installed packages, with names."""
    # The first name of a path counts: in a flat layout the folder of packages is also a folder of the library.
    packages = [(path, "site-packages") for path in site]
    libraries = [(path, "lib") for path in standard if path]
    return (*packages, *libraries, (interpreter, "python"))


def _topmost(paths: Iterable[str | None]) -> tuple[str, ...]:
    """Return the readable paths that are not inside one another, and the targets of links.

    A project's `.venv` may be a link: then `project/.venv/lib` is inside `project` only by name.
    """
    named = [path for path in paths if path and os.access(path, os.R_OK)]
    readable = list(dict.fromkeys([*named, *map(os.path.realpath, named)]))
    return tuple(path for path in readable if not any(path.startswith(folder + "/") for folder in readable))


@functools.cache
def own_runtime(preload: tuple[str, ...] = ()) -> Runtime:
    """Return the runtime of this interpreter and its installed packages."""
    standard = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    site = tuple(dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]))
    interpreter = os.path.realpath(sys.executable)
    return Runtime(
        interpreter,
        executable=interpreter,
        site=site,
        readable=_topmost([*standard, sysconfig.get_config_var("LIBDIR"), *site, *_SYSTEM_PATHS]),
        preload=preload,
        names=_names_of(interpreter, standard, site),
    )


def runtime_of(environment: Environment, *, namespaces: bool = False) -> Runtime:
    """Return the runtime of another environment, after asking its interpreter for its paths.

    Args:
        environment: the environment.
        namespaces: the isolation is strong enough for programs with processes.

    Raises:
        ConfigError: a folder is missing, or the interpreter is missing, older than `OLDEST`, or does not answer.
    """
    for folder in environment.paths:
        if not Path(folder).is_dir():
            raise ConfigError(f"environment of {environment.python}: paths: {folder}: no such folder; correct the path")
    interpreter, libraries, installed, preload = _ask(environment.python)
    projects = [Path(folder).resolve() for folder in environment.paths]
    site = dict.fromkeys([*map(str, projects), *installed])
    executable = interpreter
    readable = [*libraries, *site, *_SYSTEM_PATHS]
    processes = environment.processes and namespaces
    if processes:
        # Not resolved: the interpreter finds its environment by its own path.
        path = Path(environment.python).absolute()
        executable = str(path)
        configuration = path.parent.parent / "pyvenv.cfg"
        readable += [interpreter, str(path.parent), *_links(path), str(configuration), *_PROGRAM_PATHS]
    # An installation in editable mode puts the project among the packages.
    of_projects = [(str(project), project.name) for project in projects]
    return Runtime(
        interpreter,
        executable,
        site=tuple(site),
        readable=_topmost(readable),
        preload=(*preload, *environment.preload),
        processes=processes,
        names=(*of_projects, *_names_of(interpreter, libraries[:2], installed), (executable, "python")),
        variables=environment.variables,
    )


def _links(path: Path) -> Iterator[str]:
    """Yield the files on the way of a link, such as python3 of `python -> /usr/bin/python3 -> python3.11`."""
    while path.is_symlink():
        path = path.parent / os.readlink(path)
        yield str(path)


@functools.cache
def _ask(python: str) -> tuple[str, list[str | None], list[str], list[str]]:
    # Isolated mode, so that the caller's variables and the current folder do not change the answer.
    try:
        done = subprocess.run(
            [python, "-I", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=True,
            cwd="/",
        )
        version, interpreter, libraries, site, preload = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ConfigError(f"{python}: is not a working Python interpreter ({error}); correct the path") from None
    if tuple(version) < OLDEST:
        actual = ".".join(map(str, version))
        needed = ".".join(map(str, OLDEST))
        raise ConfigError(f"{python}: is Python {actual}; programs need {needed} or later: give another environment")
    return interpreter, libraries, site, preload
