"""Run one stage: DVC calls `python -m flows.stage NAME [ITEM]`.

The exit codes are as for `iterpref`. The last line on stderr, after `error: `, gives the reason.
"""

import json
import logging
import os
import signal
import sys
from contextlib import nullcontext
from functools import partial
from types import FrameType
from typing import NoReturn

from iterpref_core.cli import exit_code
from iterpref_core.cli.libraries import PrintableFormatter, set_up_libraries
from iterpref_core.records import InputError, unknown_name
from iterpref_core.storage.progress import is_main_process
from iterpref_core.training.launch import is_launched, start_processes
from tasks.dvc.observation import observe_stage
from tasks.gpus import reserved_gpus
from tasks.lock import only_one
from tasks.paths import PARAMS, STATE
from tasks.stages import STAGES
from tasks.stages.stage import StageRecord, write_metrics
from tasks.subprocesses import die_with


def main(name: str, *words: str) -> int:
    """Run a stage and return its exit code.

    Args:
        name: the stage's name in dvc.yaml.
        words: the part after `@` in DVC's name of the stage, such as an objective; or a mapping of names as options.
    """
    # Python needs a second to come here. By then DVC, which the shell has named, may have ended.
    die_with(int(os.environ.pop("ITERPREF_PARENT", "") or os.getppid()))
    set_up_libraries()
    shown = logging.StreamHandler()
    shown.setFormatter(PrintableFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[shown])
    signal.signal(signal.SIGTERM, _raise_exit)
    return exit_code(lambda: _run(name, *words))


def _run(name: str, *words: str) -> None:
    """Run a stage.

    DVC observes the stage before its code is imported and its inputs are read. So any edit after the stage has started
    is noticed at its end (`tests/flows/test_edits.py`).
    """
    if name not in STAGES:
        raise InputError(unknown_name("stage", name, STAGES))
    stage = STAGES[name]
    arguments = stage.arguments(words)
    item = arguments[0] if stage.items and arguments else ""
    full = stage.at(item)
    # `accelerate launch` starts a process for each GPU, whose parent has the lock and the GPUs.
    if is_launched():
        from iterpref_core.records import load_params

        measured = stage.run(load_params(), *arguments)
        if is_main_process():
            write_metrics(stage.metrics_path(item), measured)
        return

    configuration = stage.processes()
    with (
        # A killed run may have left a process, whose output is still valid.
        only_one(STATE / "locks" / f"{full}.lock", f"is still running {full}", partial(print, flush=True)),
        reserved_gpus(every=configuration is not None) if stage.card else nullcontext(),
    ):
        # The bytes before and after the reading are equal, so DVC observed these parameters.
        text = PARAMS.read_bytes()
        begun = observe_stage(full)
        from iterpref_core.records import load_params
        from tasks.mlflow.run_stage import run_logged

        params = load_params()
        if PARAMS.read_bytes() != text:
            raise InputError(f"{PARAMS}: was edited while {full} started; run it again")
        if stage.prepare:
            stage.prepare(*arguments)

        def work() -> StageRecord:
            if stage.result is None or configuration is None:
                return stage.run(params, *arguments)
            # The stage starts itself again in several processes, and the main one writes the metrics.
            start_processes(configuration)
            return stage.result.of_metrics(json.loads(stage.metrics_path(item).read_bytes()))

        run_logged(begun, params, work)


def _raise_exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
