"""Rank main: one of the processes that `launch` starts, `python -m iterpref_core.training.rank_main REQUEST`.

The main one tells the launching process on stdout what it logs and what came out, a line each.
"""

import json
import sys
from pathlib import Path
from typing import Any

from iterpref_core.config import TrainingParams
from iterpref_core.errors import InputError, IterPrefError
from iterpref_core.progress import watched_progress
from iterpref_core.training.launch import MESSAGE
from iterpref_core.training.ranks import is_main_process


def main() -> None:
    """Train; an error that was raised on purpose is a message too, so that no launcher adds its traceback."""
    from iterpref_core.training.training import train_objective

    request = json.loads(sys.argv[1])
    params = TrainingParams.model_validate(request.pop("params"))
    chosen: dict[str, Any] = {name: request.pop(name) for name in ("objective", "prompt", "model")}
    paths: dict[str, Any] = {name: Path(path) for name, path in request.items()}
    try:
        with watched_progress(_tell_progress):
            metrics = train_objective(params=params, on_log=_tell_metrics, **chosen, **paths)
    except IterPrefError as error:
        _say({"error": str(error), "input": isinstance(error, InputError)})  # of any process: the others wait for it
    else:
        _tell({"result": metrics})


def _tell_metrics(metrics: dict[str, float], step: int) -> None:
    _tell({"metrics": metrics, "step": step})


def _tell_progress(label: str, done: int, total: int) -> None:
    _tell({"progress": {"label": label, "done": done, "total": total}})


def _tell(message: dict[str, Any]) -> None:
    if is_main_process():
        _say(message)


def _say(message: dict[str, Any]) -> None:
    print(MESSAGE + json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
