"""A program is a copy of its worker's memory; of the programs before it, and of their tests, there is nothing in it."""

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, IoTest, StdinTest

LIMITS = Limits(cpu_s=4, wall_s=60)
PADDING = "padding " * 5000
SPY = r"""
import ctypes, os, re
libc = ctypes.CDLL(None, use_errno=True)
libc.sbrk.restype = ctypes.c_void_p
libc.sbrk.argtypes = [ctypes.c_long]
libc.write.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
SECRET = re.compile(rb"kingfishe[r]-4711")
def f():
    read, write = os.pipe()
    top, here = libc.sbrk(0) & ~0xffff, id(object()) & ~0xffff
    seen = 0
    for start, end in ((top - (64 << 20), top), (here - (32 << 20), here + (32 << 20))):
        for place in range(start, end, 1 << 14):
            size = libc.write(write, place, 1 << 14)  # fails where there is no memory
            if size <= 0: continue
            seen += size
            if SECRET.search(os.read(read, size)): return "found"
    return seen > 1 << 20
"""
ONE = (IoTest(call="f()", expected="1"),)
JOBS = {
    "code": Program(f"# {PADDING}\n# kingfisher-4711\ndef f(): return 1\n", ONE),
    "value": Program(
        f"def f(): return '{PADDING}'[:0] + 'kingfisher' + '-' + str(4711)\n",
        (IoTest(call="f()", expected="'kingfisher-4711'"),),
    ),
    "judged test": Program(
        "def f(): return 1\n", (AssertTest(code=f"x = '{PADDING} kingfisher-4711'\nassert f() == len(x[:1])"),)
    ),
    "printed": Program("print('kingfisher' + '-' + str(4711))\ndef f(): return 1\n", ONE),
    "value with a limit for each test": Program(
        "import time\ndef f():\n    time.sleep(0.2)\n    return 'kingfisher' + '-' + str(4711)\n",
        (IoTest(call="f()", expected="'kingfisher-4711'"), IoTest(call="f()", expected="'kingfisher-4711'")),
        test_cpu_s=2.0,
    ),
    "input": Program("print(len(input()) > 0)\n", (StdinTest(input=f"{PADDING} kingfisher-4711\n", output="True\n"),)),
}


def test_the_next_program_finds_nothing_of_the_one_before():
    with Executor(LIMITS, workers=1, namespaces=False) as executor:
        for name, job in JOBS.items():
            assert executor.run_one(job).verdict == "passed", name
            outcome = executor.run_one(Program(SPY, (IoTest(call="f()", expected="True"),)))
            assert (outcome.verdict, outcome.feedback) == ("passed", ""), name
