"""Run one stage: DVC calls `python -m flows.stage NAME [ITEM]`.

The exit codes are as for `iterpref`. The last line on stderr, after `error: `, gives the reason.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from iterpref_core.cli import exit_code
from iterpref_core.cli.libraries import PrintableFormatter, set_up_libraries
from iterpref_core.records import InputError, read_yaml, unknown_name
from iterpref_core.storage.progress import is_main_process
from iterpref_core.training.launch import is_launched
from tasks.cards import own_cards
from tasks.child import die_with
from tasks.dvc.observation import observe_stage
from tasks.lock import only_one
from tasks.paths import COMMIT_VARIABLE, PARAMS, STATE

if TYPE_CHECKING:
    from tasks.mlflow.logged import StageRecord

STAGES = (
    "problems",
    "nanolab",
    "validity",
    "codeflow",
    "pairs",
    "localization",
    "training",
    "evaluation",
    "report",
)
"""The stages of dvc.yaml. Each is a module of `tasks`, whose function `run` returns the record of the stage."""

ACCELERATED = ("nanolab", "validity", "codeflow", "training", "evaluation")
"""The stages that use a GPU if the machine has one."""


def main(name: str, *arguments: str) -> int:
    """Run a stage and return its exit code.

    Args:
        name: the stage's name in dvc.yaml.
        arguments: the part after `@` in DVC's name of the stage, such as an objective; or options of the stage.
    """
    # Python needs a second to come here. By then DVC, which the shell has named, may have ended.
    die_with(int(os.environ.pop("ITERPREF_PARENT", "") or os.getppid()))
    set_up_libraries()
    shown = logging.StreamHandler()
    shown.setFormatter(PrintableFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[shown])
    signal.signal(signal.SIGTERM, _raise_exit)
    return exit_code(lambda: _run(name, *arguments))


def _run(name: str, *arguments: str) -> None:
    """Run a stage.

    DVC observes the stage before its code is imported and its inputs are read. So any edit after the stage has started
    is noticed at its end (`tests/flows/test_edits.py`).
    """
    # `evaluation sft` is DVC's stage `evaluation@sft`; the arguments of `report` are options.
    is_item = bool(arguments) and not arguments[0].startswith("--")
    stage = f"{name}@{arguments[0]}" if is_item else name
    if name not in STAGES:
        raise InputError(unknown_name("stage", name, STAGES))
    # `accelerate launch` starts a process for each GPU, whose parent has the lock and the GPUs.
    if is_launched():
        from iterpref_core.records import load_params
        from tasks.mlflow.logged import write_metrics

        measured = _function_of(name)(load_params(), *arguments)
        if is_main_process():
            write_metrics(stage, measured)
        return

    with (
        # A killed run may have left a process, whose output is still valid.
        only_one(STATE / "locks" / f"{stage}.lock", f"is still running {stage}", partial(print, flush=True)),
        own_cards(every=_takes_every_card(name)) if name in ACCELERATED else nullcontext(),
    ):
        # The bytes before and after the reading are equal, so DVC observed these parameters.
        text = PARAMS.read_bytes()
        begun = observe_stage(stage)
        from iterpref_core.records import load_params
        from tasks.mlflow.logged import run_logged

        params = load_params()
        if PARAMS.read_bytes() != text:
            raise InputError(f"{PARAMS}: was edited while {stage} started; run it again")
        if name == "training":
            from tasks.git.source import observe_source
            from tasks.mlflow.server import name_server

            os.environ[COMMIT_VARIABLE] = observe_source().described_commit or ""
            name_server()  # `training.arguments: {report_to: mlflow}` logs without this project
        run_logged(begun, params, lambda: _function_of(name)(params, *arguments))


def _function_of(name: str) -> "Callable[..., StageRecord]":
    """Return the function of a stage."""
    function: Callable[..., StageRecord] = import_module(f"tasks.{name}").run
    return function


def _takes_every_card(name: str) -> bool:
    """Return whether a stage runs in several processes. Invalid parameters are refused later."""
    training = read_yaml(PARAMS).get("training") if name == "training" else None
    return isinstance(training, dict) and training.get("accelerate") is not None


def _raise_exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
