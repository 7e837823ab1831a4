"""Running untrusted, model-written programs: isolated, fast, judged from outside.

>>> from iterpref_core.execution import Executor, Limits, Program
"""

from iterpref_core.execution.isolation.tiers import probe_isolation
from iterpref_core.execution.protocol.programs import (
    REFERENCE_FACTOR,
    Comparator,
    Limits,
    Outcome,
    Program,
    RunnerTest,
    ValueTest,
    shown_call,
    shown_input,
    time_limit,
)
from iterpref_core.execution.running.engine import ENGINE, Engine
from iterpref_core.execution.running.engine_factory import limits_of, open_executor
from iterpref_core.execution.running.executor import Executor
from iterpref_core.execution.samples import (
    check_tests,
    execute_samples,
    make_program,
    program_of,
    reference_outcomes,
    warn_of_prose,
    whole_program,
)

__all__ = [
    "ENGINE",
    "REFERENCE_FACTOR",
    "Comparator",
    "Engine",
    "Executor",
    "Limits",
    "Outcome",
    "Program",
    "RunnerTest",
    "ValueTest",
    "check_tests",
    "execute_samples",
    "limits_of",
    "make_program",
    "open_executor",
    "probe_isolation",
    "program_of",
    "reference_outcomes",
    "shown_call",
    "shown_input",
    "time_limit",
    "warn_of_prose",
    "whole_program",
]
