"""Records: the texts, settings and messages that cross between rooms.

In: JSON lines, params.yaml, prompts. Out: typed records (`Problem`, `Trajectory`, `PreferencePair`, `FocalSpans`),
every parameter (`config`), the errors that users read (`errors`), and the tables of backends and benchmarks. Other
rooms import the names of `__all__` alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iterpref_core.records.artifacts import COMPOSED as COMPOSED
    from iterpref_core.records.artifacts import OWN_CODE as OWN_CODE
    from iterpref_core.records.artifacts import UNDECIDED as UNDECIDED
    from iterpref_core.records.artifacts import AssertTest as AssertTest
    from iterpref_core.records.artifacts import Attempt as Attempt
    from iterpref_core.records.artifacts import FocalSpans as FocalSpans
    from iterpref_core.records.artifacts import IoTest as IoTest
    from iterpref_core.records.artifacts import ModelLineage as ModelLineage
    from iterpref_core.records.artifacts import PreferencePair as PreferencePair
    from iterpref_core.records.artifacts import Problem as Problem
    from iterpref_core.records.artifacts import PytestTest as PytestTest
    from iterpref_core.records.artifacts import Record as Record
    from iterpref_core.records.artifacts import Result as Result
    from iterpref_core.records.artifacts import Sample as Sample
    from iterpref_core.records.artifacts import ScriptTest as ScriptTest
    from iterpref_core.records.artifacts import Span as Span
    from iterpref_core.records.artifacts import StdinTest as StdinTest
    from iterpref_core.records.artifacts import Test as Test
    from iterpref_core.records.artifacts import Trajectory as Trajectory
    from iterpref_core.records.artifacts import UnittestTest as UnittestTest
    from iterpref_core.records.artifacts import Verdict as Verdict
    from iterpref_core.records.artifacts import take_name as take_name
    from iterpref_core.records.artifacts import unnumbered as unnumbered

__all__ = [  # the records, and the modules of this room that others import
    "COMPOSED",
    "OWN_CODE",
    "UNDECIDED",
    "AssertTest",
    "Attempt",
    "FocalSpans",
    "IoTest",
    "ModelLineage",
    "PreferencePair",
    "Problem",
    "PytestTest",
    "Record",
    "Result",
    "Sample",
    "ScriptTest",
    "Span",
    "StdinTest",
    "Test",
    "Trajectory",
    "UnittestTest",
    "Verdict",
    "backend_table",
    "benchmark_table",
    "config",
    "errors",
    "input_files",
    "prompt_messages",
    "results",
    "seeds",
    "stage_results",
    "statement",
    "take_name",
    "unnumbered",
]


def __getattr__(name: str) -> Any:
    """Return a record. Their module is loaded when one is first used.

    `make demo` looks at the machine's isolation before anything is installed: the errors' module has to do without
    pydantic.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.artifacts"), name)
