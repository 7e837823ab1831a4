"""Stage runner: how every stage's process runs, `python -m flows.<stage>`.

If a Prefect server answers at `PREFECT_API_URL`, the stage runs as a flow (`flows.stage_flow`); otherwise as the plain
function, and Prefect is not even imported. Bad input ends it with exit code 2 and one message, whichever way it runs.
"""

import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from types import FrameType
from typing import NoReturn

from iterpref_core.config import load_params
from iterpref_core.errors import EndpointError, InputError, IterPrefError, storage_error
from iterpref_core.progress import watched_progress
from tasks.common.paths import STATE
from tasks.orchestration.disk_space import full_disk
from tasks.orchestration.repair import check_inputs
from tasks.orchestration.stage_environment import PARENT_VARIABLE, USAGE_EXIT, set_up_libraries
from tasks.orchestration.workspace_lock import only_one
from tasks.recording.stage_journal import open_journal


def run_stage(function: Callable[..., dict[str, float]], stage: str, **parameters: str) -> NoReturn:
    """Run one stage and exit with its code.

    Args:
        function: what the stage does.
        stage: DVC's name of the stage.
        parameters: the function's parameters.
    """
    gc.disable()  # until the body begins: nothing that is imported is garbage
    set_up_libraries()
    logging.basicConfig(format="%(levelname)s: %(message)s")  # Prefect has its own, where it runs the stage
    signal.signal(signal.SIGTERM, _raise_exit)
    try:
        code, message = _run_alone(function, stage, parameters)
    except OSError as error:
        if (found := storage_error(error)) is None:
            raise
        code, message = USAGE_EXIT, str(found)  # not even the lock or the journal can be written
    if message:
        print(f"error: {message}", file=sys.stderr, flush=True)
    gc.freeze()  # the process ends: nobody needs to look for garbage among what the libraries hold
    sys.exit(code)


def _run_alone(function: Callable[..., dict[str, float]], stage: str, parameters: dict[str, str]) -> tuple[int, str]:
    """Run the stage while no other process runs it; returns the exit code and the message for the user."""
    with only_one(STATE / "locks" / f"{stage}.lock", partial(_say_waiting, stage)):
        journal = open_journal(stage)
        with watched_progress(journal.progress):
            code, message, lasting = _execute(function, stage, parameters)
        with suppress(OSError) if code else nullcontext():  # on a full disk, what was first in the way is told
            journal.close(code, message, lasting=lasting)
        if PARENT_VARIABLE not in os.environ and code <= 1:
            gc.disable()  # until the process ends, soon after
            _publish(stage, "FAILED" if code else "FINISHED")
    return code, message


def _say_waiting(stage: str, holder: str) -> None:
    """The process may be left from a killed run, and what it writes is good."""
    print(f"{stage}: process {holder} is still running this stage; waiting for it", flush=True)


def _execute(
    function: Callable[..., dict[str, float]], stage: str, parameters: dict[str, str]
) -> tuple[int, str, bool]:
    """Run the stage; returns the exit code, the message for the user if there is one, and whether the error would last.

    Errors that are not raised on purpose keep their traceback.
    """
    try:
        load_params()
        if PARENT_VARIABLE not in os.environ:  # the orchestrator has seen to it
            check_inputs(partial(_inputs, stage))
        if _server_answers():
            from flows.stage_flow import run_shown

            run_shown(function, stage, parameters)
        else:
            function(**parameters)
    except IterPrefError as error:
        lasting = not isinstance(error, EndpointError)
        return USAGE_EXIT if isinstance(error, InputError) else 1, str(error), lasting
    except KeyboardInterrupt:
        return 130, f"{stage}: interrupted; run again to continue", True
    except SystemExit as error:
        return int(error.code or 0), "", True
    except Exception as error:  # The process ends here: a defect is shown whole, and the journal gets the exit code.
        if (found := storage_error(error) or full_disk()) is not None:
            return USAGE_EXIT, str(found), True
        logging.getLogger(__name__).exception("%s failed", stage)
        return 1, "", True
    return 0, "", True


def _inputs(stage: str) -> tuple[str, ...]:
    from tasks.recording.dvc_graph import load_graph

    return load_graph()[stage].inputs


def _server_answers() -> bool:
    """Whether Prefect's API address is set, and healthy."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return False
    from tasks.orchestration.services import answers

    return answers(f"{url}/health")


def _publish(stage: str, status: str) -> None:
    """Record the stage in MLflow. A tracking server that is away, or no repository, must not cost a stage's work."""
    from mlflow.exceptions import MlflowException

    from tasks.recording.dvc_graph import load_graph
    from tasks.recording.tracking import publish

    # It logs the error that it raises, with a traceback. A level would not last: MLflow resets it when it starts.
    logging.getLogger("mlflow.store.db.utils").addFilter(lambda _: False)
    try:
        publish(load_graph()[stage], load_params(), status)
    except (MlflowException, OSError, InputError) as error:
        print(f"warning: {stage} is not recorded in MLflow: {storage_error(error) or error}", file=sys.stderr)


def _raise_exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
