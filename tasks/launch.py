"""Launcher: `accelerate launch` of the command line that a user would start, followed until it ends."""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from iterpref_core.config import Params
from iterpref_core.errors import ConfigError, InputError, TrainingError

_MESSAGE = "error: "
"""The beginning of the line with which a verb says why it cannot go on."""
_REFUSED = "2"
"""The exit code of a verb that refused its input."""


def launch_training(
    options: Mapping[str, object],
    params: Params,
    curve: Path,
    on_log: Callable[[dict[str, float], int], None] | None = None,
) -> dict[str, float]:
    """Run `iterpref train` in the processes that `training.accelerate` describes, and return its metrics.

    A process that fails says why and ends; `accelerate launch` then ends the others, wherever they wait.

    Args:
        options: of the verb, without their dashes.
        params: parameters; `training.accelerate` names a YAML file as `accelerate config` writes it.
        curve: the file that the main process writes as training goes.
        on_log: called with (metrics, step) for the points that are new in it.

    Raises:
        ConfigError: there is no such configuration.
        InputError: a process refused its input.
        TrainingError: training ended otherwise.
    """
    configuration = Path(params.training.accelerate or "")
    if not configuration.is_file():
        raise ConfigError(
            f"params.yaml: training.accelerate: {configuration} is not there; name one of accelerate_configs/*.yaml, "
            "or null for one process"
        )
    curve.unlink(missing_ok=True)
    known = set[tuple[str, str]]()
    message = ""
    with (
        tempfile.TemporaryDirectory(prefix="iterpref-") as folder,
        tempfile.TemporaryFile("w+", encoding="utf-8") as printed,
        subprocess.Popen(
            _command(configuration, Path(folder) / "code", options, _parameters(params)),
            stdout=printed,
            stderr=subprocess.PIPE,
            text=True,
        ) as child,
    ):
        note = Path(folder) / "code"
        assert child.stderr is not None
        try:
            for line in child.stderr:
                if line.startswith(_MESSAGE) and not message:
                    message = line.removeprefix(_MESSAGE).strip()
                if not message:
                    print(line, end="", file=sys.stderr)
                _tell(curve, known, on_log)
        except BaseException:
            child.terminate()
            raise
        if child.wait():
            if not message:
                message = (
                    f"`accelerate launch` ended with exit code {child.returncode}: what it printed is above. "
                    "Run again to continue from the last checkpoint"
                )
            refused = note.is_file() and note.read_text(encoding="ascii") == _REFUSED
            raise InputError(message) if refused else TrainingError(message)
        _tell(curve, known, on_log)
        printed.seek(0)
        text = printed.read()
    # Libraries may print lines of their own before the verb's JSON, such as {'loss': 0.5}. Its first line is a brace.
    _, _, result = f"\n{text}".rpartition("\n{\n")
    metrics: dict[str, float] = json.loads("{" + result)
    return metrics


def _command(
    configuration: Path,
    note: Path,
    options: Mapping[str, object],
    parameters: Mapping[str, Any],
) -> list[str]:
    command = [sys.executable, "-m", "accelerate.commands.launch"]
    command += ["--config_file", str(configuration)]
    command += ["-m", "iterpref_core.cli.launched", str(note), "train", "--json"]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    for key, value in parameters.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    return command


def _parameters(params: Params) -> dict[str, Any]:
    """Return the parameters that training reads, as dotted key → value. Each process trains with the others."""
    training = params.training.model_copy(update={"accelerate": None})
    sections = {"training": training, "execution": params.execution}
    values: dict[str, Any] = {}
    for section, settings in sections.items():
        for name, value in settings.model_dump(mode="json").items():
            values[f"{section}.{name}"] = value
    for name, value in params.model.student_format.parameters.items():
        values[f"model.{name}"] = value
    return values


def _tell(
    curve: Path,
    known: set[tuple[str, str]],
    on_log: Callable[[dict[str, float], int], None] | None,
) -> None:
    """Tell the points that the curve has by now and had not before."""
    if on_log is None or not curve.exists():
        return
    with curve.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        step = row.pop("step")
        new: dict[str, float] = {}
        for name, value in row.items():
            if value and (step, name) not in known:
                new[name] = float(value)
                known.add((step, name))
        if new:
            on_log(new, int(step))
