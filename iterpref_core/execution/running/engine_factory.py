"""Open the engine that `params.yaml` describes."""

from collections.abc import Mapping
from dataclasses import fields

from iterpref_core.records import ExecutionParams

from ..isolation.interpreters import Environment
from ..protocol.programs import Limits
from .engine import Engine
from .executor import Executor


def limits_of(params: ExecutionParams) -> Limits:
    """Return the limits of one program."""
    return Limits(**params.model_dump(include={field.name for field in fields(Limits)}))


def open_executor(
    params: ExecutionParams, preload: tuple[str, ...] = (), environments: Mapping[str, Environment] | None = None
) -> Engine:
    """Open the engine that `params.yaml` describes; use it in a `with` block.

    Args:
        params: limits, workers, and the user's environments.
        preload: modules to import once in each worker of this interpreter.
        environments: further environments, by name.

    Raises:
        IsolationError: the machine lacks a layer, and `allow_unsafe` is off.
        ExecutionError: the Ray cluster cannot be used.
    """
    # A benchmark's environment replaces the user's environment of the same name.
    known = {
        name: Environment(named.python, named.paths, variables=tuple(named.variables.items()))
        for name, named in params.environments.items()
    }
    known |= environments or {}
    limits = limits_of(params)
    if params.engine == "local":
        return Executor(
            limits, workers=params.workers, allow_unsafe=params.allow_unsafe, preload=preload, environments=known
        )
    from .ray_executor import RayExecutor  # Ray takes a second to import

    return RayExecutor(limits, allow_unsafe=params.allow_unsafe, preload=preload, environments=known)
