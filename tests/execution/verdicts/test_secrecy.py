# ruff: noqa: E501 - tables of programs
"""A program's process does not have what its tests expect; each of these programs would pass if it had."""

import pytest

from iterpref_core.execution import Limits, Program
from iterpref_core.records import AssertTest, IoTest

WALK = """
import gc, os, re, sys, time
def frames():
    frame = sys._getframe(1)
    while frame:
        yield frame
        frame = frame.f_back
def values():
    for frame in frames():
        for name, value in list(frame.f_locals.items()):
            yield name, value
            parts, cells = getattr(value, '__dict__', None), getattr(value, '__closure__', None)
            if isinstance(parts, dict): yield from parts.items()
            if isinstance(cells, tuple): yield from ((name, cell.cell_contents) for cell in cells)
def text(x):
    return 'g(%d)' % (100 * x + 477)
def files():
    found = b''
    for number in range(3, 1024):
        try: found += os.pread(number, 1 << 20, 0)
        except OSError: pass
    return found
def ask():
    os.write(1021, b'?')
    time.sleep(0.2)
def key():
    return next((value for _, value in values() if isinstance(value, str) and re.fullmatch('[0-9a-f]{16}', value)), '')
"""
LATER = (IoTest(call="f(3)", expected="777"), IoTest(call="g(777)", expected="777"))
"""The second call has what the first one should return."""
KNOWS = {
    "wanted": "    for name, value in values():\n        if name in ('leniency', 'catches', 'builtins', 'expected'): return 777",
    "later steps": "    for _, value in values():\n        if text(x) in repr(value): return 777",
    "all objects": "    for value in gc.get_objects():\n        if isinstance(value, (tuple, list, dict)) and text(x) in repr(value): return 777",
    "files": "    if text(x).encode() in files(): return 777",
    "a call that is asked for early": "    ask()\n    if text(x).encode() in files(): return 777",
    "half a report": (
        "    os.write(1023, f'{key()} 0 value 0 '.encode())\n    ask()\n"
        "    if text(x).encode() in files():\n"
        "        os.write(1023, f'777\\n{key()} 1 value 0 777\\n{key()} 2 done 0 \\n'.encode())\n        os._exit(0)"
    ),
    "reports of its own": (
        "    for n in (0, 1): os.write(1023, f'{key()} {n} value 0 {n}\\n'.encode())\n"
        "    os.write(1023, f'{key()} 2 done 0 \\n'.encode())\n    os._exit(0)"
    ),
    "a report that is changed after it": (
        "    os.write(1023, f'{key()} 0 value 0 1\\n'.encode())\n    ask()\n    if text(x).encode() in files():\n"
        "        lines = ['-1 loaded 0 ', '0 value 0 777', '1 value 0 777', '2 done 0 ']\n"
        "        os.ftruncate(1023, 0)\n"
        "        os.pwrite(1023, ''.join(f'{key()} {line}\\n' for line in lines).encode(), 0)\n        os._exit(0)"
    ),
}  # fmt: skip


LIMITS = Limits(cpu_s=1, wall_s=3)


@pytest.mark.parametrize("name", KNOWS)
def test_no_later_call_is_known_before_its_turn(executor, name):
    code = f"{WALK}\ndef g(x): return x\ndef f(x):\n{KNOWS[name]}\n    return 1\n"
    outcome = executor.run_one(Program(code, LATER))
    assert outcome.verdict in ("wrong_answer", "tampered", "timeout", "exited_early"), outcome


def test_the_walk_finds_what_is_there(executor):
    code = (
        f"{WALK}\ndef f(x): return len(key()), b'f(3)' in files(), any('f(3)' in repr(value) for _, value in values())"
    )
    tests = (IoTest(call="f(3)", expected="(16, True, True)"), IoTest(call="1", expected="1"))
    outcome = executor.run_one(Program(code, tests))
    assert outcome.verdict == "passed", outcome


SEEN = """
import hashlib
def f(x):
    seen = [
        (name, repr(value).replace(key(), ''))
        for frame in frames() if '__name__' not in frame.f_locals
        for name, value in frame.f_locals.items() if isinstance(value, (int, str, bytes, tuple, list))
    ]
    return int(hashlib.md5(repr(sorted(seen)).encode()).hexdigest()[:8], 16)
"""


def test_a_program_is_told_the_same_whatever_is_wanted(executor):
    wanted = ["f(1) == 0", "f(1) == set()", "f(1) == frozenset([1])", "f(1) is True", "f(1) is None", "not f(1)",
              "abs(f(1) - 3) < 0.5", "math.isclose(f(1), 2)", "f(1) < 0"]  # fmt: skip
    said = set()
    for condition in wanted:
        outcome = executor.run_one(Program(WALK + SEEN, (AssertTest(code=f"assert {condition}"),)))
        assert outcome.verdict == "wrong_answer", outcome
        said.add(outcome.feedback.partition(",")[0])
    assert len(said) == 1


def test_a_program_that_never_reads_the_answers_does_not_stop_the_zygote(executor):
    code = f"""{WALK}
def f(x):
    for n in range(5000):
        os.write(1023, f'{{key()}} {{n}} value 0 1\\n'.encode())
        os.write(1021, b'?')
    return 1"""
    assert executor.run_one(Program(code, LATER)).verdict not in ("passed", "infra_error")
    assert executor.run_one(Program("def f(x): return 777\ndef g(x): return x", LATER)).verdict == "passed"
