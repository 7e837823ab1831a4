"""Find the strongest isolation tier of this machine by probes, and start zygotes in it.

Tier A: bubblewrap (namespaces: no network, no other processes, only Python's files)
around seccomp and resource limits, and Landlock where the kernel has it. Tier B, where namespaces are refused, as in
a plain Docker container: Landlock, seccomp and resource limits. Tier C: anything less; only with `allow_unsafe`.
"""

import functools
import json
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from iterpref_core.records import IsolationError

from ..packets import Runtime
from . import devices
from .interpreters import own_runtime

CODE = Path(__file__).resolve().parents[1]
"""The folder of this package: all code of ours that a sandbox sees."""
PACKAGE = "execution"
"""The package name of that folder in a zygote. Its modules run in interpreters that have only the standard library.
They import no other module of this project."""
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "LD_BIND_NOW": "1",
}
"""The environment of a zygote: repeatable hashes, no threads in numerical libraries, one heap for all threads, since
glibc would reserve 64 MB of address space for each. Library functions are resolved at load time, not again in each
child. Programs see an empty environment."""

HOW_TO_GET = {
    "bwrap": (
        "install bubblewrap (Debian/Ubuntu: apt-get install bubblewrap) and allow user namespaces; "
        "Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
        "--security-opt systempaths=unconfined; Podman: --security-opt seccomp=unconfined --security-opt unmask=ALL"
    ),
    "landlock": "a Linux kernel of 5.13 or later with CONFIG_SECURITY_LANDLOCK and 'landlock' in its lsm= list; "
    "Docker 23 or later lets it through",
    "seccomp": "a Linux kernel of 5.5 or later with CONFIG_SECCOMP_FILTER on x86_64 or aarch64, and no container "
    "manager that listens to seccomp itself",
    "rlimits": "Linux with /proc mounted",
}
LAYERS = tuple(HOW_TO_GET)
IN_A_CONTAINER = (
    "docker build -t iterpref-demo -f docker/Dockerfile . && "
    "docker run --name iterpref-demo --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined iterpref-demo iterpref run && "
    "docker cp iterpref-demo:/srv/iterpref/reports ."
)
"""The command that runs `make demo` in a container with bubblewrap and namespaces."""
WITHOUT = "What executes no program works all the same: localize, show, check, train, estimate."


@dataclass(frozen=True)
class Plan:
    """A tier and its layers."""

    tier: str
    layers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.tier}:{'+'.join(self.layers) or 'none'}"


def _bubblewrap(root: str, disk_mb: int, runtime: Runtime) -> list[str]:
    """Return a command prefix: only Python's files are visible, read-only; `root` is an empty memory disk with a limit.

    If programs may have processes, the command becomes the first process of the namespace, `/dev/shm` is a second
    memory disk, and `localhost` has an address.

    `/tmp` is a link to a folder on the memory disk, which the zygote makes for each program. Only if Python's own files
    are in the machine's `/tmp`, there is no link.
    """
    memory_disk = ["--size", str(disk_mb * 2**20), "--tmpfs"]
    command = [shutil.which("bwrap") or "bwrap"]
    command += ["--unshare-all", "--cap-drop", "ALL", "--hostname", "sandbox"]
    if devices.are_own():
        command += chain.from_iterable(("--cap-add", name) for name in devices.CAPABILITIES)
    visible = [*runtime.readable, runtime.interpreter, str(CODE)]
    for path in visible:
        command += ["--ro-bind", str(Path(path).resolve()), path]
    # Some modes in `/proc` are those of the whole machine.
    command += ["--proc", "/proc", "--remount-ro", "/proc"]
    command += ["--dev", "/dev", "--remount-ro", "/dev", "--remount-ro", "/dev/pts"]
    command += [*memory_disk, root]
    if runtime.processes:
        command += [*memory_disk, "/dev/shm"]
        command.append("--as-pid-1")
        for name in ("hosts", "nsswitch.conf"):
            command += ["--ro-bind", str(CODE / "isolation" / f"etc-{name}.txt"), f"/etc/{name}"]
    if not any(Path(path).is_relative_to("/tmp") for path in [*visible, root]):
        command += ["--symlink", f"{root}/tmp", "/tmp"]
    return [*command, "--remount-ro", "/", "--chdir", "/", "--"]


def command(plan: Plan, module: str, root: str, disk_mb: int, runtime: Runtime) -> list[str]:
    """Return the command that starts a module of this package in a plan's tier.

    Args:
        plan: the isolation.
        module: `sandbox.zygote` or `isolation.probes`.
        root: the folder that programs may write to; in tier A it exists only in the sandbox.
        disk_mb: size of that folder in MiB, in tier A.
        runtime: the interpreter, and the paths that it may read.
    """
    prefix = []
    if "bwrap" in plan.layers:
        prefix = _bubblewrap(root, disk_mb, runtime)
    # `threading`, `random`, `logging` and other modules register functions that run around `fork`. They would take a
    # tenth of a program's CPU time. Only programs that may fork need them: the zygote has one thread and holds no lock,
    # and every program begins with the same random numbers.
    no_hooks = "import os; os.register_at_fork = lambda **hooks: None"
    start = (
        "" if runtime.processes else no_hooks,
        "import sys, types",
        f"package = types.ModuleType({PACKAGE!r})",
        f"package.__path__ = [{str(CODE)!r}]",
        f"sys.modules[{PACKAGE!r}] = package",
        f"import {PACKAGE}.{module}",
        f"{PACKAGE}.{module}.main()",
    )
    options = ["-S", "-s", "-P"]
    return [*prefix, runtime.interpreter, *options, "-c", "\n".join(start)]


def _problem(layer: str) -> str:
    """Return the problem of a layer, empty if the layer holds."""
    runtime = own_runtime()
    plan, root = Plan("A", ("bwrap",)), "/probe"
    if layer != "bwrap":
        # The probe makes and removes this folder.
        plan, root = Plan("B", ()), str(Path(tempfile.gettempdir(), f"iterpref-probe-{secrets.token_hex(8)}"))
    elif not shutil.which("bwrap"):
        return "bubblewrap is not installed"
    order = {"layer": layer, "root": root, "readable": list(runtime.readable)}
    try:
        done = subprocess.run(
            command(plan, "isolation.probes", root, 16, runtime),
            input=json.dumps(order),
            capture_output=True,
            text=True,
            errors="replace",
            env=ENVIRONMENT,
            cwd="/",
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode:
        return done.stderr.strip()[-300:] or f"exit status {done.returncode}"
    return done.stdout


@functools.cache
def probe_isolation() -> dict[str, str]:
    """Try each isolation layer in a separate process; return the problem of each, empty if it prevented all it must.

    The result is cached.
    """
    if sys.platform != "linux":
        return dict.fromkeys(LAYERS, f"this is {platform.system()}, and it is made of what Linux has")
    with ThreadPoolExecutor() as threads:
        *found, listener = threads.map(_problem, (*LAYERS, "listener"))
    problems = dict(zip(LAYERS, found, strict=True))
    return problems | {"seccomp": problems["seccomp"] or listener}


def choose(*, allow_unsafe: bool, namespaces: bool = True) -> Plan:
    """Return the strongest isolation of this machine.

    Args:
        allow_unsafe: accept less than tier B, with a warning.
        namespaces: use bubblewrap if it works.

    Raises:
        IsolationError: less than tier B is available and was not accepted, or this is not Linux.
    """
    problems = probe_isolation()
    if sys.platform != "linux":
        raise IsolationError(
            f"untrusted programs cannot be isolated here: {problems['seccomp']}. The whole experiment in a container: "
            f"`{IN_A_CONTAINER}`. {WITHOUT}"
        )
    held = tuple(layer for layer in LAYERS if not problems[layer] and (namespaces or layer != "bwrap"))
    if {"bwrap", "seccomp", "rlimits"} <= set(held):
        return Plan("A", held)
    if {"landlock", "seccomp", "rlimits"} <= set(held):
        return Plan("B", held)
    missing = [layer for layer in LAYERS if layer not in held]
    explained = [f"{layer}: {problems[layer]}. To get it: {HOW_TO_GET[layer]}" for layer in missing]
    reasons = "; ".join(explained)
    if not allow_unsafe:
        raise IsolationError(
            "untrusted programs cannot be isolated here. Needed are seccomp, rlimits and one of bwrap and landlock. "
            f"Missing: {reasons}. In a container, which has the kernel of the machine under it: `{IN_A_CONTAINER}`. "
            f"{WITHOUT} Programs you trust can be run with `allow_unsafe: true` under `execution` in params.yaml."
        )
    warnings.warn(f"running programs with weak isolation ({'+'.join(held) or 'none'}). {reasons}", stacklevel=3)
    return Plan("C", held)
