"""Own rewards: functions of the user's, named by their import path, that are called as TRL calls its reward functions.

    training:
      grpo:
        rewards: {passes_tests: 1.0, "my_rewards:is_short": 0.2}

A path is checked before the model loads. The function's signature has to take the keywords in `KEYWORDS`.
"""

import sys
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib import import_module
from inspect import isclass, iscoroutinefunction, signature
from pathlib import Path
from types import ModuleType

from iterpref_core.records.errors import ConfigError, first_line, unknown_name

OwnReward = Callable[..., list[float | None]]
"""Returns the reward of each answer, in order; None adds nothing, and an answer with no other is left out."""

KEYWORDS = (
    "prompts",
    "completions",
    "completion_ids",
    "task_id",
    "trainer_state",
    "log_extra",
    "log_metric",
    "programs",
    "problems",
)
"""The keywords that a function is called with: TRL's own, and the program and the problem of each answer."""


def load_own_rewards(rewards: Mapping[str, float], known: tuple[str, ...]) -> dict[str, OwnReward]:
    """Return the user's functions by their paths; names without a colon are this project's.

    Args:
        rewards: names and paths → weights.
        known: this project's rewards.

    Raises:
        ConfigError: a name is unknown, or a path leads to no function that can be called as a reward.
    """
    functions = {}
    for name in rewards:
        if ":" in name:
            functions[name] = _load(name)
        elif name not in known:
            message = unknown_name("reward", name, known)
            raise ConfigError(f"params.yaml: training.grpo.rewards: {message}; one of your own is package.module:name")
    return functions


def source_digest(path: str) -> str:
    """Return a digest of the code that a reward is made of: its module, or the whole package that the module is in."""
    top = sys.modules[path.partition(":")[0].partition(".")[0]]
    digest = sha256()
    for file in _files(top):
        digest.update(sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _load(path: str) -> OwnReward:
    """Return the function that a path names.

    Raises:
        ConfigError: there is none, or it cannot be called as a reward.
    """
    where = f"params.yaml: training.grpo.rewards: {path}"
    module_name, _, name = path.partition(":")
    function = getattr(_import(module_name, where), name, None)
    if not callable(function) or isclass(function) or iscoroutinefunction(function):
        raise ConfigError(f"{where}: {module_name} has no plain function {name!r}; correct the path")
    try:
        signature(function).bind(**dict.fromkeys(KEYWORDS))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{where}: cannot be called as a reward: {first_line(error)}; let it take what it needs of the keywords "
            f"{', '.join(KEYWORDS)}, and **kwargs for the others"
        ) from None
    return function  # type: ignore[no-any-return]


def _import(name: str, where: str) -> ModuleType:
    """Return a module of the environment, or of the current folder.

    Raises:
        ConfigError: it is not there, or cannot be imported.
    """
    # A console script has its own folder on the path in place of the current one. At the end nothing is hidden by it.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return import_module(name)
    except Exception as error:
        raise ConfigError(
            f"{where}: {name} cannot be imported from this environment or {here}: {first_line(error)}; correct the "
            "path or the module"
        ) from error


def _files(module: ModuleType) -> list[Path]:
    """Return the files of a module, or of all modules of a package."""
    files: list[Path] = []
    for folder in getattr(module, "__path__", ()):
        files += sorted(Path(folder).rglob("*.py"))
    if not files and module.__file__:
        files = [Path(module.__file__)]
    return files
