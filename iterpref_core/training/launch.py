"""Start this command in several processes that train together, and report the error of the process that fails."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from iterpref_core import records
from iterpref_core.records import ConfigError, InputError, TrainingError, first_line

COMMIT_VARIABLE = "ITERPREF_COMMIT"
"""Names the commit of the code to the processes of a training, which writes it into the model's record."""

_STARTED_HERE = "ITERPREF_LAUNCHED"
"""Set in a process that `start_processes` has started: its parent reports its error."""
_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""The signals that torch elastic takes from this process, and does not give back."""
_WHERE = "params.yaml: training.accelerate:"
_REMEDY = "name one of config/accelerate/*.yaml, what `accelerate config` writes, or null for one process"


def is_launched() -> bool:
    """Return True if this process is part of a group, started by `accelerate launch`, `torchrun` or this module."""
    several = "LOCAL_RANK" in os.environ or int(os.environ.get("WORLD_SIZE", "1")) > 1
    return several or _STARTED_HERE in os.environ


def check_configuration(configuration: str) -> int:
    """Return the number of processes that a configuration asks for.

    Raises:
        ConfigError: the file or the number is absent.
    """
    where = f"{_WHERE} {configuration}"
    if not Path(configuration).is_file():
        raise ConfigError(f"{where} is not there; {_REMEDY}")
    from iterpref_core.records import read_yaml  # each command imports this file, also without its libraries

    stated = read_yaml(Path(configuration))
    processes = stated.get("num_processes", 1) if isinstance(stated, dict) else None
    if not isinstance(processes, int) or processes < 1:
        raise ConfigError(f"{where} has no num_processes above 0; {_REMEDY}")
    return processes


def start_processes(configuration: str, command: Sequence[str] = ()) -> None:
    """Run this process's own command in each of the processes that a configuration describes, and wait for their end.

    If a process fails, accelerate ends the others, and this process raises its error.

    Args:
        configuration: `training.accelerate`, a YAML file as `accelerate config` writes it.
        command: another command, as `accelerate launch` takes it.

    Raises:
        ConfigError: the configuration is absent, or accelerate does not take it.
        InputError: a process refused its input.
        TrainingError: a process failed otherwise.
        SystemExit: this process got a signal to end.
    """
    check_configuration(configuration)
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    # The children run the same command, and see in their environment that they are children.
    launched = ["--config_file", configuration, *(command or _own_command())]
    os.environ[_STARTED_HERE] = "1"
    handlers = {number: signal.getsignal(number) for number in _HANDLED}
    try:
        launch_command(launch_command_parser().parse_args(launched))
    except ChildFailedError as error:
        # Later failures are mostly effects of the first.
        _, first = error.get_first_failure()
        raise _failure(first.exitcode, first.message) from None
    except CalledProcessError as error:  # of a configuration of one process
        raise _failure(error.returncode, "") from None
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{_WHERE} {configuration}: {first_line(error)}; {_REMEDY}") from None
    except SignalException as error:
        # The exit code of a shell for a process that a signal ended.
        raise SystemExit(128 + error.sigval) from None
    finally:
        del os.environ[_STARTED_HERE]
        for number, handler in handlers.items():
            signal.signal(number, handler)


def leave_error(error: BaseException) -> bool:
    """Keep an error for the process that started this one; return False where none waits for it."""
    if _STARTED_HERE not in os.environ or "TORCHELASTIC_ERROR_FILE" not in os.environ:
        return False
    # The file that torch elastic reads when a child has failed.
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    get_error_handler().record_exception(error)
    return True


def _own_command() -> list[str]:
    """Return the command of this process: `python -m flows.stage training dpo`, or a script with its arguments."""
    # `python -m` has a module specification, a script does not.
    module = sys.modules["__main__"].__spec__
    return ["--module", module.name, *sys.argv[1:]] if module else sys.argv


def _failure(code: int, kept: Any) -> InputError | TrainingError:
    """Return the error of a process that failed.

    >>> _failure(-15, {"message": "RecordError: pairs.jsonl: no such file"})
    InputError('pairs.jsonl: no such file')
    >>> _failure(-9, "Signal 9 (SIGKILL) received by PID 4711")
    TrainingError('a process ended with exit code -9: see above what it printed, and run again')
    """
    refused = code == 2
    if isinstance(kept, dict):
        # The message begins with the class of the error. The code may be that of the signal by which accelerate ended a
        # process that was ending by itself.
        name, _, message = kept["message"].partition(": ")
        refused = issubclass(getattr(records, name, Exception), InputError)
    else:  # it was killed, or is the only one
        message = f"a process ended with exit code {code}: see above what it printed, and run again"
    return InputError(message) if refused else TrainingError(message)
