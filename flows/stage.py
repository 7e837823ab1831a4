"""Stage: the command `python -m flows.stage NAME [ITEM]`, by which DVC runs a stage.

Exit codes are those of `iterpref`. The reason is the last line on stderr, after `error: `.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from types import FrameType
from typing import NoReturn

from iterpref_core.cli import exit_code
from iterpref_core.cli.libraries import PrintableFormatter, set_up_libraries
from iterpref_core.records.config import load_params
from iterpref_core.records.errors import InputError, unknown_name
from iterpref_core.storage.processes import is_launched, is_main_process
from tasks import codeflow, evaluation, localization, nanolab, pairs, problems, report, training, validity
from tasks.cards import own_cards
from tasks.child import die_with
from tasks.lock import only_one
from tasks.mlflow.logged import Measured, run_logged, write_metrics
from tasks.paths import STATE

STAGES: dict[str, Callable[..., Measured]] = {
    "problems": problems.run,
    "nanolab": nanolab.run,
    "validity": validity.run,
    "codeflow": codeflow.run,
    "pairs": pairs.run,
    "localization": localization.run,
    "training": training.run,
    "evaluation": evaluation.run,
    "report": report.run,
}
"""The function of each stage, by the stage's name in dvc.yaml. Each of them returns its record."""


ACCELERATED = ("nanolab", "validity", "codeflow", "training", "evaluation")
"""The stages that use an accelerator where there is one."""


def main(name: str, *arguments: str) -> int:
    """Run a stage and return its exit code.

    Args:
        name: the stage's name in dvc.yaml.
        arguments: the part after `@` in DVC's name of the stage, such as an objective; or options of the stage.
    """
    die_with(os.getppid())
    set_up_libraries()
    shown = logging.StreamHandler()
    shown.setFormatter(PrintableFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[shown])
    signal.signal(signal.SIGTERM, _raise_exit)
    return exit_code(lambda: _run(name, *arguments))


def _run(name: str, *arguments: str) -> None:
    is_item = bool(arguments) and not arguments[0].startswith("--")
    stage = f"{name}@{arguments[0]}" if is_item else name
    if name not in STAGES:
        raise InputError(unknown_name("stage", name, STAGES))
    run = STAGES[name]
    if is_launched():  # one of the processes of a stage, which has cards and lock, and shows itself
        measured = run(load_params(), *arguments)
        if is_main_process():
            write_metrics(stage, measured)
        return

    def say_waiting(holder: str) -> None:
        """Tell the user for whom this stage waits: a process that a killed run may have left, whose output is good."""
        print(f"{stage}: process {holder} is still running this stage; waiting for it", flush=True)

    with only_one(STATE / "locks" / f"{stage}.lock", say_waiting):
        params = load_params()
        every = name == "training" and params.training.accelerate is not None
        with own_cards(every=every) if name in ACCELERATED else nullcontext():
            run_logged(stage, params, lambda: run(params, *arguments))


def _raise_exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
