r"""Provide IterPref's library, which works without Prefect, DVC and MLflow.

Most scripts need only the names below. A name is loaded when it is first used, so that a script that only runs
programs never waits for PyTorch.

>>> from iterpref_core import localize
>>> localize("def f(x):\n    return -x\n", "def f(x):\n    return x\n").rejected
((10, 23),)
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iterpref_core.evaluation.scoring.from_python import evaluate as evaluate
    from iterpref_core.execution import Executor as Executor
    from iterpref_core.execution import Limits as Limits
    from iterpref_core.execution import Program as Program
    from iterpref_core.pairs.localization.localization import localize as localize
    from iterpref_core.pairs.localization.localization import mark_errors as mark_errors
    from iterpref_core.programs.answers.extraction import extract_program as extract_program
    from iterpref_core.records import OBJECTIVES as OBJECTIVES
    from iterpref_core.training.library.focal_collator import FocalCollator as FocalCollator

_MODULES = {
    "Executor": "execution",
    "FocalCollator": "training.library.focal_collator",
    "Limits": "execution",
    "OBJECTIVES": "records.objective_table",
    "Program": "execution",
    "evaluate": "evaluation.scoring.from_python",
    "extract_program": "programs.answers.extraction",
    "localize": "pairs.localization.localization",
    "mark_errors": "pairs.localization.localization",
}
"""Name → the module below this package that defines it."""

_OF_EXTRAS = {
    "FocalCollator": ("training", "trl"),
    "evaluate": ("training", "transformers"),
}
"""Name → the extra of the installation that it needs, and a package of that extra."""


def _is_there(name: str) -> bool:
    """Return True unless the extra that a name needs is not installed."""
    if name not in _OF_EXTRAS:
        return True
    try:
        return find_spec(_OF_EXTRAS[name][1]) is not None
    except ModuleNotFoundError:
        return False


__all__ = [name for name in _MODULES if _is_there(name)]  # a list of the names that can be imported


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    if not _is_there(name):
        extra, package = _OF_EXTRAS[name]
        raise AttributeError(
            f"{__name__}.{name} needs {package}, which is not installed: python -m pip install 'iterpref[{extra}]'"
        )
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
