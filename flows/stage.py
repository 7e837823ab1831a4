"""Stage: the command `python -m flows.stage NAME [ITEM]`, by which DVC runs a stage.

Exit codes: 0 done; 2 bad input or configuration, or a full disk; 1 all else. The reason is the last line on stderr,
after `error: `.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import NoReturn

from iterpref_core.cli.libraries import set_up_libraries
from iterpref_core.records.config import Params, load_params
from iterpref_core.records.errors import InputError, IterPrefError, storage_error, unknown_name
from iterpref_core.storage.processes import is_launched, leave_error
from tasks import codeflow, evaluation, localization, nanolab, pairs, problems, report, training, validity
from tasks.cards import own_cards
from tasks.child import die_with
from tasks.lock import only_one
from tasks.paths import STATE
from tasks.stage_name import StageName

STAGES: dict[str, Callable[..., None]] = {
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
"""The function of each stage, by the stage's name in dvc.yaml. Each of them records the stage."""


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
    logging.basicConfig(format="%(levelname)s: %(message)s")
    signal.signal(signal.SIGTERM, _raise_exit)
    is_item = bool(arguments) and not arguments[0].startswith("--")
    stage = str(StageName(name, arguments[0] if is_item else ""))

    try:
        if name not in STAGES:
            raise InputError(unknown_name("stage", name, STAGES))
        if is_launched():  # one of the processes of a stage, which has cards and lock, and shows itself
            STAGES[name](load_params(), *arguments)
            return 0
        with only_one(STATE / "locks" / f"{stage}.lock", lambda holder: _say_waiting(stage, holder)):
            params = load_params()
            with _cards_of(name, params):
                STAGES[name](params, *arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the process ends here, and says why
        code, reason = _explain(error)
        if not leave_error(error):
            print(f"error: {reason}", file=sys.stderr, flush=True)
        return code
    return 0


def _cards_of(name: str, params: Params) -> AbstractContextManager[None]:
    """Return a context in which a stage has a card, all cards if it trains in several processes, or asks for none."""
    if name not in ACCELERATED:
        return nullcontext()
    return own_cards(every=name == "training" and params.training.accelerate is not None)


def _explain(error: BaseException) -> tuple[int, str]:
    """Return the exit code and the message for the user. A defect is first shown with its traceback."""
    if isinstance(error, KeyboardInterrupt):
        return 130, "interrupted; what was finished is kept, and the same command continues"
    if isinstance(error, IterPrefError):
        return 2 if isinstance(error, InputError) else 1, str(error)
    if (full := storage_error(error)) is not None:
        return 2, str(full)
    logging.getLogger(__name__).error("a defect, or a library's error", exc_info=error)
    return 1, f"{type(error).__name__}: {error}"


def _say_waiting(stage: str, holder: str) -> None:
    """Tell the user for whom this stage waits: a process that a killed run may have left, whose output is good."""
    print(f"{stage}: process {holder} is still running this stage; waiting for it", flush=True)


def _raise_exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
