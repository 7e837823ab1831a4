"""Reports of any size: one that no value needs is not decoded, whoever wrote it."""

import tracemalloc

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.frames import AnswerHead
from iterpref_core.execution.protocol.jobs import Answer
from iterpref_core.execution.protocol.machine_paths import MachinePaths
from iterpref_core.execution.ruling.routing import steps_of
from iterpref_core.execution.ruling.verdicts import MAX_REPORT, rule
from iterpref_core.records import AssertTest, IoTest

FLOOD = """
import os
def flood(_):
    left = memoryview(b"0 value 0 [" + b"[]," * (@SIZE@ // 3) + b"[]]\\n")
    while left: left = left[os.write(1023, left):]
    os._exit(0)
"""
TEST = IoTest(call="flood(1)", expected="1")


def test_a_report_that_no_value_needs_is_not_decoded() -> None:
    program = Program("", (TEST,))
    channel = b"-1 loaded 0 \n0 value 0 [" + b"[]," * MAX_REPORT + b"[]]\n"
    seen = AnswerHead("", 0, 0.0, 0, 0, worn=False)
    answer = Answer(seen, MachinePaths([("/job", ".")]), b"", channel)
    steps = steps_of(program)
    tracemalloc.start()
    outcome = rule(program, steps, Limits(), answer, b"")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.verdict == "tampered"
    assert peak < MAX_REPORT


def test_a_flood_of_reports_costs_the_supervisor_its_bytes_alone() -> None:
    size = 60_000_000
    flood = FLOOD.replace("@SIZE@", str(size))
    judged = AssertTest(code=f"{flood}\nflood(f(1))")
    with Executor(Limits(cpu_s=20, wall_s=120, memory_mb=1024, file_mb=64), workers=1) as executor:
        for program in (Program(flood, (TEST,)), Program("def f(x): return x", (judged,))):
            tracemalloc.start()
            outcome = executor.run_one(program)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert outcome.verdict == "tampered"
            assert peak < 1.2 * size
