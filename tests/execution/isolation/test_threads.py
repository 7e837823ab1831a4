"""A program may have a limited number of threads, and one with too many does not harm others."""

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.isolation.process_limits import MAX_THREADS
from iterpref_core.records import IoTest, StdinTest
from tests.engines import outcomes_of, worker_pids
from tests.execution.tiers import tier

pytestmark = pytest.mark.named_tier

# On a busy machine it takes seconds until somebody looks at a program's threads.
LIMITS = Limits(cpu_s=20, wall_s=60, memory_mb=512)
# In one group with the program that starts processes without end, because a machine bears only one such program.
ONE_AT_A_TIME = pytest.mark.together("hostile with processes")


@pytest.fixture(scope="module", params=[tier(name, ONE_AT_A_TIME) for name in "AB"])
def executor(request):
    with Executor(LIMITS, workers=2, namespaces=request.param == "A") as executor:
        yield executor


def program(code, expected):
    return Program(code, (IoTest(call="f()", expected=repr(expected)),))


HONEST = program("def f(): return 4", 4)


def test_a_program_may_have_two_hundred_threads(executor):
    code = """
import threading
threading.stack_size(2**16)
def f():
    stop = threading.Event()
    started = [threading.Thread(target=stop.wait) for _ in range(200)]
    for thread in started: thread.start()
    count = threading.active_count()
    stop.set()
    return count
"""
    (outcome,) = outcomes_of(executor, [program(code, 201)])
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
    time.sleep(60)
    return 4
"""


def test_a_program_with_too_many_threads_is_ended_and_harms_no_other(executor):
    bomb = Program(BOMB, HONEST.tests)
    found = outcomes_of(executor, [HONEST, bomb, *[HONEST] * 20])
    pids = worker_pids(executor)
    assert [outcome.verdict for outcome in found] == ["passed", "crash", *["passed"] * 20]
    assert f"or {MAX_THREADS} threads at a time in f()" in found[1].feedback
    assert [outcome.verdict for outcome in outcomes_of(executor, [HONEST] * 4)] == ["passed"] * 4
    assert worker_pids(executor) == pids


def test_thirty_two_threads_fit_into_the_memory_limit(executor):
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


def test_threads_of_a_script_count_too(executor):
    # Threads that sleep: the threads of the bomb would compute until the next look.
    code = f"""
import _thread, threading, time
threading.stack_size(2**16)
for _ in range({MAX_THREADS} + 9):
    _thread.start_new_thread(time.sleep, (60,))
time.sleep(60)
"""
    script = Program(code, (StdinTest(input="", output=""),))
    (outcome,) = outcomes_of(executor, [script])
    assert (outcome.verdict, f"or {MAX_THREADS} threads" in outcome.feedback) == ("crash", True)
