"""A program on a cluster of this machine alone."""

from iterpref_core.execution import Limits, Program
from iterpref_core.execution.ray_executor import RayExecutor
from iterpref_core.records import IoTest

if __name__ == "__main__":
    program = Program("def f(x): return x + 1", (IoTest(call="f(1)", expected="2"),))
    with RayExecutor(Limits(cpu_s=2, wall_s=30)) as executor:
        outcome = executor.run_one(program)
    assert outcome.verdict == "passed", outcome
