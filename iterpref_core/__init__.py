r"""IterPref's library: useful on its own, without Prefect, DVC or MLflow.

The names below are what most scripts need. A name is loaded when it is first used, so that a script that only runs
programs never waits for PyTorch.

>>> from iterpref_core import localize
>>> localize("def f(x):\n    return -x\n", "def f(x):\n    return x\n").rejected
((10, 23),)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iterpref_core.answers.extraction import extract_program
    from iterpref_core.execution import Executor, Limits, Program
    from iterpref_core.library.evaluate import evaluate
    from iterpref_core.library.focal_collator import FocalCollator
    from iterpref_core.library.focal_dataset import focal_dataset
    from iterpref_core.library.row_spans import localize, mark_errors
    from iterpref_core.training.trainer import FocalDPOTrainer

__all__ = [
    "Executor",
    "FocalCollator",
    "FocalDPOTrainer",
    "Limits",
    "Program",
    "evaluate",
    "extract_program",
    "focal_dataset",
    "localize",
    "mark_errors",
]

_MODULES = {
    "Executor": "execution",
    "FocalCollator": "library.focal_collator",
    "FocalDPOTrainer": "training.trainer",
    "Limits": "execution",
    "Program": "execution",
    "evaluate": "library.evaluate",
    "extract_program": "answers.extraction",
    "focal_dataset": "library.focal_dataset",
    "localize": "library.row_spans",
    "mark_errors": "library.row_spans",
}
"""Name → the module below this package that defines it."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
