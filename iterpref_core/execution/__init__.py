"""Run untrusted programs that a model wrote, isolated and fast.

In: programs as text, the tests of problems, limits. Out: verdicts with feedback, in the order of the programs
(`Executor`, `execute_samples`). Other rooms import the names of `__all__` alone.

>>> from iterpref_core.execution import Executor, Limits, Program
"""

from .isolation.tiers import probe_isolation
from .parsing.idle_program import IDLE_WALL_S, do_nothing
from .problem_programs import (
    Admission,
    make_program,
    program_of,
    reference_outcomes,
    run_right_program,
    run_until_failure,
    tests_inside,
    whole_program,
)
from .protocol.programs import (
    REFERENCE_FACTOR,
    UNFIT,
    Comparator,
    Limits,
    Outcome,
    Program,
    ValueTest,
    shown_call,
    shown_input,
    time_limit,
)
from .running.engine import ENGINE, Engine
from .running.engine_factory import limits_of, open_executor
from .running.executor import Executor
from .samples import check_tests, execute_samples

__all__ = [
    "ENGINE",
    "IDLE_WALL_S",
    "REFERENCE_FACTOR",
    "UNFIT",
    "Admission",
    "Comparator",
    "Engine",
    "Executor",
    "Limits",
    "Outcome",
    "Program",
    "ValueTest",
    "check_tests",
    "do_nothing",
    "execute_samples",
    "limits_of",
    "make_program",
    "open_executor",
    "probe_isolation",
    "program_of",
    "reference_outcomes",
    "run_right_program",
    "run_until_failure",
    "shown_call",
    "shown_input",
    "tests_inside",
    "time_limit",
    "whole_program",
]
