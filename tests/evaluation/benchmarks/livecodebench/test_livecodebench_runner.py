"""LiveCodeBench's tests: programs pass and fail by the rules of its own runner, at the commit that `runner` names.

A program is composed of parts, and each part is known to pass in the runner or to fail there: that was found with the
functions of that commit. A composed program passes if all of its parts do. With a clone of the runner at
`LIVECODEBENCH_RUNNER` the runner itself is asked.
"""

import json
import os
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterpref_core.evaluation.benchmarks.livecodebench import runner
from iterpref_core.evaluation.benchmarks.livecodebench.suite import calling_program, reading_program
from iterpref_core.execution import Executor, Limits, Outcome


class Part(NamedTuple):
    """A part of a program: its statements, whether it passes in the runner, and what it imports at the top."""

    code: str
    passes: bool
    imports: str = ""


PASSES = True
FAILS = False
READS = {
    "input": Part("t = int(input()) + int(input())", PASSES),
    "read": Part("t = sum(map(int, sys.stdin.read().split()))", PASSES, "import sys"),
    "stdin of a star import": Part("t = sum(map(int, stdin.read().split()))", PASSES),
    "lines": Part("t = sum(map(int, sys.stdin))", PASSES, "import sys"),
    "readline": Part("t = int(sys.stdin.readline()) + int(sys.stdin.readline())", PASSES, "import sys"),
    "readline as input": Part("input = sys.stdin.readline\nt = int(input()) + int(input())", PASSES, "import sys"),
    "imported readline": Part("t = int(stdin.readline()) + int(stdin.readline())", PASSES, "from sys import stdin"),
    "imported readlines": Part("t = sum(map(int, filter(None, stdin.readlines())))", PASSES, "from sys import stdin"),
    "fileinput": Part("t = sum(int(line) for line in fileinput.input())", PASSES, "import fileinput"),
    "isatty": Part("t = 7 if not sys.stdin.isatty() else 8", PASSES, "import sys"),
    "seek": Part("sys.stdin.seek(0)\nt = 7", PASSES, "import sys"),
    "type": Part("t = 7 if type(sys.stdin).__name__ == 'StringIO' else 8", PASSES, "import sys"),
    "a line too many": Part(
        "t = int(input()) + int(input())\ntry:\n    input();input()\nexcept EOFError:\n    pass", PASSES
    ),
    "input of its own": Part("input = lambda: 3\nt = input() + 4", PASSES),
    "input of its own, later": Part("t = int(input()) + 4\ninput = 3", FAILS),
    "lines of an imported stdin": Part("t = sum(map(int, stdin))", FAILS, "from sys import stdin"),
    "buffer": Part("t = sum(map(int, sys.stdin.buffer.read().split()))", FAILS, "import sys"),
    "buffer of an imported stdin": Part(
        "t = sum(map(int, stdin.buffer.read().split()))", FAILS, "from sys import stdin"
    ),
    "readline of the buffer": Part(
        "input = sys.stdin.buffer.readline\nt = int(input()) + int(input())", FAILS, "import sys"
    ),
    "open": Part("t = sum(map(int, open(0).read().split()))", FAILS),
    "os.read": Part("t = sum(map(int, os.read(0, 99).split()))", FAILS, "import os"),
    "a prompt": Part("t = int(input('n: ')) + int(input())", FAILS),
    "after the end": Part("t = 7\ninput();input();input();input()", FAILS),
    "fileno": Part("sys.stdin.fileno()\nt = 7", FAILS, "import sys"),
}
"""Statements that read 3 and 4, by name, and have t = 7."""
COMPUTES = {
    "nothing": Part("", PASSES),
    "name": Part("t = t if __name__ == 'tmp_sol' else 8", PASSES),
    "names of star imports": Part("t = gcd(int(sqrt(t * t)), 2 * t)", PASSES),
    "pow": Part("t = int(pow(t, 1))", PASSES),
    "pow of three": Part("t = pow(t, 1, 10)", PASSES),
    "lru_cache": Part("@lru_cache(None)\ndef g(n): return n\nt = g(t)", PASSES),
    "namedtuple": Part("t = namedtuple('P', 'x')(t).x", PASSES),
    "typing": Part("def g(x: List[int]) -> Optional[int]:\n    return x[0]\nt = g([t])", PASSES),
    "dataclass": Part("@dataclass\nclass P:\n    x: int\nt = P(t).x", PASSES, "from dataclasses import dataclass"),
    "dataclass with texts": Part(
        "@dataclass\nclass P:\n    x: 'int'\nt = P(t).x", FAILS, "from dataclasses import dataclass"
    ),
    "recursion": Part("def g(n): return 0 if n == 0 else 1 + g(n - 1)\nt += g(20000) - 20000", PASSES),
    "recursion limit": Part("sys.setrecursionlimit(10**6)", PASSES, "import sys"),
    "digits": Part("t = t if len(str(10**5000)) == 5001 else 8", PASSES),
    "nonlocal": Part("n = 0\ndef g():\n    nonlocal n\n    n += t\ng()\nt = n", PASSES),
    "global everywhere": Part("def g():\n    global n\n    n = t\ng()\nt = n", PASSES),
    "global of a function alone": Part("n = 0\ndef g():\n    global n\n    n += t\ng()\nt = n", FAILS),
    "a comprehension": Part("t = sum(t for _ in range(1))", PASSES),
    "a comprehension in a class": Part("k = t\nclass A:\n    x = [k for _ in range(1)]\nt = A.x[0]", PASSES),
    "eval": Part("t = eval('t')", PASSES),
    "exec": Part("exec('n = t')\nt = n", FAILS),
    "match": Part("match t:\n    case 7:\n        t = 7", PASSES),
    "numpy": Part("t = int(np.array([3, t - 3]).sum())", PASSES, "import numpy as np"),
    "asyncio": Part("async def g(): return t\nt = asyncio.run(g())", PASSES, "import asyncio"),
    "help": Part("help", PASSES),
    "resource": Part("", FAILS, "import resource"),
    "getcwd": Part("os.getcwd()", FAILS, "import os"),
    "subprocess": Part("subprocess.run(['true'])", FAILS, "import subprocess"),
    "all names in a function": Part("try:\n    from math import *\nexcept ImportError:\n    pass", FAILS),
    "yield": Part("yield t", FAILS),
}
"""Statements after which t is 7 still."""
PRINTS = {
    "print": Part("print(t)", PASSES),
    "write": Part("sys.stdout.write(f'{t}\\n')", PASSES, "import sys"),
    "print to a file": Part("print(t, file=sys.stdout)", PASSES, "import sys"),
    "a decimal": Part("print(f'{t}.00')", PASSES),
    "a text with its end": Part("print(f'{t}\\n', end='')", PASSES),
    "imported stdout": Part("stdout.write(f'{t}\\n')", FAILS, "from sys import stdout"),
    "stdout of a star import": Part("print(t, file=stdout)", FAILS),
    "buffer": Part("sys.stdout.buffer.write(b'7\\n')", FAILS, "import sys"),
    "os.write": Part("os.write(1, b'7\\n')", FAILS, "import os"),
}
ENDS = {
    "the end": Part("", PASSES),
    "return": Part("return", PASSES),
    "exit": Part("exit()", PASSES),
    "exit with a status": Part("exit(1)", PASSES),
    "sys.exit": Part("sys.exit(3)", PASSES, "import sys"),
    "SystemExit": Part("raise SystemExit", PASSES),
    "quit": Part("quit()", FAILS),
    "KeyboardInterrupt": Part("raise KeyboardInterrupt", FAILS),
    "an error": Part("1 / 0", FAILS),
    "close": Part("sys.stdout.close()", FAILS, "import sys"),
}
MAIN = "def main():\n{}\n"
SHAPES = {
    "a script": Part("{}", PASSES),
    "main": Part(MAIN + "main()", PASSES),
    "guard": Part(MAIN + "if __name__ == '__main__':\n    main()", PASSES),
    "guard in other quotes": Part(MAIN + 'if __name__ == "__main__":\n    main()', PASSES),
    "guard with another branch": Part(MAIN + "if __name__ == '__main__':\n    main()\nelse:\n    print(8)", PASSES),
    "guard the other way round": Part(MAIN + "if '__main__' == __name__:\n    main()", FAILS),
    "guard before something": Part(MAIN + "if __name__ == '__main__':\n    main()\nx = 1", FAILS),
    "thread": Part(
        MAIN + "thread = threading.Thread(target=main)\nthread.start()\nthread.join()", PASSES, "import threading"
    ),
    "a comment about Solution": Part("# class Solution\n{}", PASSES),
    "a class Solution": Part("class Solution: pass\n{}", FAILS),
    "a text about Solution": Part("s = 'class Solution'\n{}", FAILS),
    "future": Part("from __future__ import annotations\n{}", FAILS),
    "syntax": Part("{}\nprint(", FAILS),
}
"""What stands around the statements, in the place of `{}`."""
SCRIPT_PARTS = (READS, COMPUTES, PRINTS, ENDS, SHAPES)
HEADERS = {
    "nothing": Part("", PASSES),
    "name": Part("assert __name__ == 'tmp_sol'", PASSES),
    "typing": Part("numbers: List[int] = []", PASSES),
    "guard": Part("if __name__ == '__main__':\n    1 / 0", PASSES),
    "future": Part("from __future__ import annotations", FAILS),
    "input": Part("n = input()", FAILS),
    "resource": Part("import resource", FAILS),
}
PLACES = {
    "function": Part("def f(a, b): return {}", PASSES),
    "method": Part("class Solution:\n    def f(self, a, b): return {}", PASSES),
    "method of an object": Part(
        "class Solution:\n    def __init__(self): self.n = 0\n    def f(self, a, b): return {}", PASSES
    ),
    "function of another name": Part("def g(a, b): return {}", FAILS),
    "method of another name": Part("class Solution:\n    def g(self, a, b): return {}", FAILS),
    "function after a comment": Part("# class Solution\ndef f(a, b): return {}", FAILS),
}
RESULTS = {
    "number": Part("a + b", PASSES),
    "float": Part("float(a + b)", PASSES),
    "number of numpy": Part("numpy.int64(a + b)", PASSES, "import numpy"),
    "fraction": Part("Fraction(a + b)", PASSES, "from fractions import Fraction"),
    "truth value": Part("True", FAILS),
    "text": Part("str(a + b)", FAILS),
    "end": Part("exit()", FAILS),
}
"""Results of f(3, 4), which should be 7."""
FUNCTION_PARTS = (HEADERS, PLACES, RESULTS)


def script(reads: Part, computes: Part, prints: Part, ends: Part, shape: Part) -> tuple[str, bool]:
    """Return a program that reads and prints, and whether it passes in the runner."""
    body = "\n".join(part.code for part in (reads, computes, prints, ends) if part.code)
    if shape.code.startswith(MAIN):
        body = textwrap.indent(body, "    ")
    imports = "".join(f"{part.imports}\n" for part in (reads, computes, prints, ends, shape) if part.imports)
    passes = all(part.passes for part in (reads, computes, prints, shape))
    # An error in a thread ends the thread, after it has printed.
    is_thread = "threading" in shape.imports
    return imports + shape.code.replace("{}", body), passes and (ends.passes or is_thread)


def function(header: Part, place: Part, result: Part) -> tuple[str, bool]:
    """Return a program whose function f is called, and whether it passes in the runner."""
    code = f"{result.imports}\n{header.code}\n{place.code.replace('{}', result.code)}\n"
    return code.lstrip(), header.passes and place.passes and result.passes


def one_by_one(
    parts: tuple[dict[str, Part], ...], make: Callable[..., tuple[str, bool]]
) -> dict[str, tuple[str, bool]]:
    """Return programs of which each has one part that is not the first of its kind, by the part's name."""
    plain = [next(iter(of_one_kind.values())) for of_one_kind in parts]
    made = {"": make(*plain)}
    for place, of_one_kind in enumerate(parts):
        for name, part in of_one_kind.items():
            made[name] = make(*plain[:place], part, *plain[place + 1 :])
    return made


def composed(parts: tuple[dict[str, Part], ...]) -> st.SearchStrategy[tuple[Part, ...]]:
    return st.tuples(*(st.sampled_from(list(of_one_kind.values())) for of_one_kind in parts))


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    limits = Limits(cpu_s=0.4, wall_s=10, memory_mb=1024, output_kb=8192, file_mb=64)
    with Executor(limits, workers=2, preload=("numpy",)) as executor:
        yield executor


def run(executor: Executor, code: str, stdin: str = "3\n4\n", expected: str = "7\n") -> Outcome:
    return executor.run_one(reading_program(code, stdin, expected))


def call(executor: Executor, code: str) -> Outcome:
    return executor.run_one(calling_program(code, "f", (3, 4), 7))


def check(outcome: Outcome, passes: bool, code: str) -> None:
    assert outcome.verdict != "infra_error", outcome.feedback
    assert (outcome.verdict == "passed") == passes, f"{outcome.feedback}\n{code}"


def test_each_rule_alone_decides_about_a_script_as_the_runner_does(executor: Executor) -> None:
    for code, passes in one_by_one(SCRIPT_PARTS, script).values():
        check(run(executor, code), passes, code)


def test_each_rule_alone_decides_about_a_function_as_the_runner_does(executor: Executor) -> None:
    for code, passes in one_by_one(FUNCTION_PARTS, function).values():
        check(call(executor, code), passes, code)


@given(composed(SCRIPT_PARTS))
def test_a_composed_script_passes_if_all_of_its_parts_do(executor: Executor, parts: tuple[Part, ...]) -> None:
    code, passes = script(*parts)
    check(run(executor, code), passes, code)


@given(composed(FUNCTION_PARTS))
@settings(max_examples=30)
def test_a_composed_function_passes_if_all_of_its_parts_do(executor: Executor, parts: tuple[Part, ...]) -> None:
    code, passes = function(*parts)
    check(call(executor, code), passes, code)


ASK_THE_RUNNER = """
import json, multiprocessing, sys
sys.set_int_max_str_digits(50000)
from lcb_runner.evaluation.testing_util import run_test
def run(queue, sample, code):
    try:
        queue.put([int(result) for result in run_test(sample, test=code, timeout=6)[0]])
    except BaseException:
        queue.put([-1])
passed = []
for given, function, code in json.load(sys.stdin):
    asked = {"inputs": [given], "outputs": ["7\\n"]} | ({"fn_name": function} if function else {})
    queue = multiprocessing.Queue()
    child = multiprocessing.Process(target=run, args=(queue, {"input_output": json.dumps(asked)}, code))
    child.start()
    passed.append(queue.get() == [1])
    child.join()
print(json.dumps(passed), file=sys.stderr)
"""


def test_the_runner_itself_agrees() -> None:
    clone = os.environ.get("LIVECODEBENCH_RUNNER")
    if not clone:
        pytest.skip("LIVECODEBENCH_RUNNER names no clone of github.com/LiveCodeBench/LiveCodeBench")
    commit = subprocess.check_output(["git", "-C", clone, "rev-parse", "HEAD"], text=True).strip()
    if commit not in str(runner.__doc__):
        pytest.skip(f"{clone} is at {commit}, and the rules are those of another commit")
    shuffled = random.Random(0)
    asked = []
    for parts, make, given_text, name in (
        (SCRIPT_PARTS, script, "3\n4\n", ""),
        (FUNCTION_PARTS, function, "3\n4", "f"),
    ):
        programs = list(one_by_one(parts, make).values())
        for _ in range(200):
            programs.append(make(*(shuffled.choice(list(of_one_kind.values())) for of_one_kind in parts)))
        asked += [(given_text, name, code, passes) for code, passes in programs]
    done = subprocess.run(
        [sys.executable, "-c", ASK_THE_RUNNER],
        input=json.dumps([(given_text, name, code) for given_text, name, code, _ in asked]),
        cwd=Path(clone),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stderr.splitlines()[-1]) == [passes for *_, passes in asked]


FORGED = """
import os
for descriptor in range(3, 1024):
    try:
        os.write(descriptor, b'0 value 0 "7"\\n')
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    ("code", "verdict", "feedback"),
    [
        ("print(8)", "wrong_answer", "the program, given '3\\n4\\n' returned '8\\n'"),
        ("print(7)\n1 / 0", "exception", "ZeroDivisionError: division by zero"),
        ("input(); input(); input(); input()", "exception", "EOFError"),
        ("import sys\nsys.stdout.buffer.write(b'7\\n')", "exception", "buffer"),
        ("print(", "syntax_error", "was never closed"),
        ("\nfrom __future__ import annotations", "syntax_error", "beginning of the file"),
        ("while True: pass", "timeout", "time limit of 0.4 s exceeded in the program, given"),
        ("print(7)\nimport os\nos._exit(0)", "exited_early", "the process ended"),
        ("print('x' * (9 << 20))", "wrong_answer", "a value of"),
        ("x = bytearray(1 << 31)", "memory", "memory limit of 1024 MB"),
        (FORGED, "tampered", ""),
    ],
)
def test_a_program_fails_for_the_right_reason(executor: Executor, code: str, verdict: str, feedback: str) -> None:
    outcome = run(executor, code)
    assert outcome.verdict == verdict, outcome.feedback
    assert feedback in outcome.feedback


def test_long_texts_pass_in_both_directions(executor: Executor) -> None:
    text = "".join(f"{number} äöü \u2028\n" for number in range(100_000))
    assert run(executor, "import sys\nprint(sys.stdin.read(), end='')", text, text).verdict == "passed"
