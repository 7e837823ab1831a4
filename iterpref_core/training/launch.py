"""Launcher: starts `accelerate launch`, follows its processes, and hands on what they tell."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from iterpref_core.errors import ConfigError, InputError, TrainingError
from iterpref_core.progress import tell_watchers

_GRACE_S = 10
"""Seconds that processes have to end by themselves after one of them told of an error."""
MESSAGE = "iterpref> "
"""How a line starts by which a process tells the one that launched it something."""


def check_configuration(path: Path) -> None:
    """Whether `accelerate launch` can start with a configuration on this machine.

    Raises:
        ConfigError: it is absent or no mapping, or needs DeepSpeed, which is not installed.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(
            f"params.yaml: training.accelerate: {path} cannot be read ({str(error).splitlines()[0]}); name one of "
            "accelerate_configs/*.yaml, or null for one process"
        ) from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not a configuration of accelerate; `accelerate config` writes one")
    if content.get("distributed_type") == "DEEPSPEED" and find_spec("deepspeed") is None:
        raise ConfigError(
            f"{path}: DeepSpeed is not installed; run `pip install -e '.[deepspeed]'`, or set training.accelerate to "
            "accelerate_configs/fsdp2.yaml, which needs nothing more"
        )


def launch_training(
    configuration: Path, request: Mapping[str, Any], on_log: Callable[[dict[str, float], int], None] | None
) -> dict[str, float]:
    """Run `rank_main` in the processes that a configuration describes; returns what training returned.

    Args:
        configuration: a YAML file as `accelerate config` writes it.
        request: the worker's arguments, as JSON.
        on_log: called with (metrics, step) while training runs.

    Raises:
        ConfigError: the configuration cannot be used here.
        InputError: as training raised it.
        TrainingError: as training raised it, or a process died.
    """
    check_configuration(configuration)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(configuration)]
    command += ["-m", "iterpref_core.training.rank_main", json.dumps(request)]
    result: dict[str, float] | None = None
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                if not line.startswith(MESSAGE):
                    print(line, end="", file=sys.stderr)
                    continue
                told = json.loads(line.removeprefix(MESSAGE))
                if "error" in told:
                    with suppress(subprocess.TimeoutExpired):  # the other processes may wait for the one that ended
                        child.wait(_GRACE_S)
                    raise (InputError if told["input"] else TrainingError)(told["error"])
                if "result" in told:
                    result = told["result"]
                elif "progress" in told:
                    tell_watchers(**told["progress"])
                elif on_log:
                    on_log(told["metrics"], told["step"])
        finally:
            # accelerate ends its processes when it is asked to; one that is left alone ends at its next message.
            if child.poll() is None and sys.exc_info()[0] is not None:
                child.terminate()
    if child.returncode or result is None:
        raise TrainingError(
            f"a process of `accelerate launch` ended with exit code {child.returncode}: what it printed is above. Run "
            "again to continue from the last checkpoint"
        )
    return result
