"""Threads of a program: how many it may have, and that a program with too many harms no other."""

from collections.abc import Iterator

import pytest

from iterpref_core.execution import Executor, Limits, Program, probe_isolation
from iterpref_core.execution.isolation.process_limits import MAX_OWN_THREADS
from iterpref_core.records import IoTest, StdinTest
from tests.engines import outcomes_of, worker_pids

pytestmark = pytest.mark.named_tier

LIMITS = Limits(cpu_s=5, wall_s=60, memory_mb=512)


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in "AB"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    bwrap = next(report for report in probe_isolation() if report.name == "bwrap")
    if request.param == "A" and bwrap.problem:
        pytest.skip(f"tier A cannot be had here: {bwrap.problem}; {bwrap.how}")
    with Executor(LIMITS, workers=2, namespaces=request.param == "A") as executor:
        yield executor


def program(code: str, expected: object) -> Program:
    return Program(code, (IoTest(call="f()", expected=repr(expected)),))


COUNT = """
import threading
threading.stack_size(2**16)
stop = threading.Event()
def start(target):
    started = []
    try:
        while True:
            thread = threading.Thread(target=target, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError as error:
        return len(started), str(error)
def f():
    first = start(stop.wait)
    stop.set()
    for thread in threading.enumerate():
        if thread is not threading.current_thread(): thread.join()
    stop.clear()
    return first, start(stop.wait)
"""
HONEST = program("def f(): return 4", 4)


def test_a_program_may_have_so_many_threads_at_a_time_and_no_more(executor: Executor) -> None:
    refused = (MAX_OWN_THREADS, "can't start new thread")
    (outcome,) = outcomes_of(executor, [program(COUNT, (refused, refused))])
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


BOMB = """
import _thread, threading, time
threading.stack_size(2**16)
def multiply():
    while True:
        try:
            _thread.start_new_thread(multiply, ())
        except RuntimeError:
            time.sleep(0.001)
def f():
    _thread.start_new_thread(multiply, ())
    time.sleep(0.3)
    return 4
"""


def test_a_thread_bomb_harms_no_other_program(executor: Executor) -> None:
    bomb = Program(BOMB, HONEST.tests)
    found = outcomes_of(executor, [HONEST, bomb, HONEST, bomb, *[HONEST] * 20])
    pids = worker_pids(executor)
    assert {outcome.verdict for outcome in found[4:]} == {"passed"}
    assert {outcome.verdict for outcome in found} <= {"passed", "timeout"}
    assert [outcome.verdict for outcome in outcomes_of(executor, [HONEST] * 4)] == ["passed"] * 4
    assert worker_pids(executor) == pids


def test_thirty_two_threads_fit_into_the_memory_limit(executor: Executor) -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
def f():
    together = Barrier(32)
    def work(n):
        together.wait()
        return len(bytearray(1 << 20)) + len([n] * 1000)
    with ThreadPoolExecutor(32) as pool:
        return sum(pool.map(work, range(32)))
"""
    (outcome,) = outcomes_of(executor, [program(code, 32 * ((1 << 20) + 1000))])
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


def test_threads_of_a_script_count_too(executor: Executor) -> None:
    test = StdinTest(input="", output=f"{MAX_OWN_THREADS} can't start new thread")
    code = COUNT.partition("def f()")[0] + "print(*start(stop.wait))"
    (outcome,) = outcomes_of(executor, [Program(code, (test,))])
    assert (outcome.verdict, outcome.feedback) == ("passed", "")
