"""Define the texts, settings and messages that rooms exchange.

In: JSON lines, params.yaml, prompts. Out: typed records (`Problem`, `Trajectory`, `PreferencePair`, `FocalSpans`),
every parameter (`config`), the errors that users read (`errors`), and the tables of backends, benchmarks and
objectives. Other rooms import the names of `__all__` alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iterpref_core.records.artifacts import *  # noqa: F403

__all__ = [  # noqa: F405 - the records, and the modules of this room that others import
    "COMPOSED",
    "OWN_CODE",
    "TEST_EXAMPLES",
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
    "SourceRow",
    "Span",
    "StdinTest",
    "Test",
    "Trajectory",
    "UnittestTest",
    "Verdict",
    "backend_table",
    "benchmark_table",
    "config",
    "digest",
    "errors",
    "input_files",
    "objective_table",
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
