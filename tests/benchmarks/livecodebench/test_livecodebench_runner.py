"""LiveCodeBench's tests: run by the rules of its own runner, at the commit that the sandbox's file names.

What passes and what fails was found with the functions of that commit, typed again: the repository was not at hand.
With a clone of it at `LIVECODEBENCH_RUNNER` the runner itself is asked.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from iterpref_core.benchmarks.livecodebench import runner
from iterpref_core.benchmarks.livecodebench.suite import calling_test, reading_test, right_output, right_value
from iterpref_core.execution import Executor, Limits, Outcome, Program

READS = {
    "input": "print(int(input()) + int(input()))",
    "read": "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
    "star stdin": "print(sum(map(int, stdin.read().split())))",
    "lines": "import sys\nprint(sum(map(int, sys.stdin)))",
    "for": "import sys\nt=0\nfor l in sys.stdin:\n    t+=int(l)\nprint(t)",
    "readline": "import sys\nprint(int(sys.stdin.readline())+int(sys.stdin.readline()))",
    "input=readline": "import sys\ninput=sys.stdin.readline\nprint(int(input())+int(input()))",
    "from sys readline": "from sys import stdin\nprint(int(stdin.readline())+int(stdin.readline()))",
    "from sys readlines": "from sys import stdin\nprint(sum(map(int, filter(None, stdin.readlines()))))",
    "stdout write": "import sys\nsys.stdout.write('7\\n')",
    "print file": "import sys\nprint(7, file=sys.stdout)",
    "exit": "print(7)\nexit()",
    "exit code": "print(7)\nexit(1)",
    "sys.exit": "import sys\nprint(7)\nsys.exit(3)",
    "star exit in function": "def f():\n    exit()\nprint(7)\nf()",
    "raise SystemExit": "print(7)\nraise SystemExit",
    "main": "def main():\n    print(int(input()) + int(input()))\nif __name__ == '__main__':\n    main()",
    "main double quotes": 'def main():\n    print(7)\nif __name__ == "__main__":\n    main()',
    "main with else": "if __name__ == '__main__':\n    print(7)\nelse:\n    print(8)",
    "name": "print(7 if __name__ == 'tmp_sol' else 8)",
    "global both": "def g():\n    global n\n    n = 7\ng()\nprint(n)",
    "nonlocal": "n = 0\ndef f():\n    nonlocal n\n    n += 7\nf()\nprint(n)",
    "closure": "n = 7\ndef f():\n    return n\nprint(f())",
    "class": "class A:\n    x = 7\nprint(A().x)",
    "class Solution comment": "# class Solution\nprint(7)",
    "comprehension": "n = 3\nprint(sum(n for _ in range(2)) + 1)",
    "class comprehension": "k = 7\nclass A:\n    x = [k for _ in range(1)]\nprint(A.x[0])",
    "eval": "n = 7\nprint(eval('n'))",
    "return": "print(7)\nreturn",
    "import star late": "def f():\n    print(int(sqrt(49)))\nf()",
    "import order": "sqrt = 3\nimport math\nprint(7)",
    "import after use": "x = gcd(7, 14)\nfrom math import gcd\nprint(x)",
    "shadow": "input = lambda: 3\nprint(input() + 4)",
    "pow": "print(pow(7, 1, 10))",
    "pow math": "print(pow(7, 1))",
    "threading": "import threading\ndef main():\n    print(int(input()) + int(input()))\n"
    "t = threading.Thread(target=main)\nt.start()\nt.join()",
    "setrecursionlimit": "import sys\nsys.setrecursionlimit(10**6)\n"
    "def f(n): return 0 if n == 0 else 1 + f(n-1)\nprint(f(20000)-19993)",
    "recursion": "def f(n): return 0 if n == 0 else 1 + f(n-1)\nprint(f(20000)-19993)",
    "lru_cache": "@lru_cache(None)\ndef f(n): return n\nprint(f(7))",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nprint(P(7).x)",
    "namedtuple": "P = namedtuple('P', 'x')\nprint(P(7).x)",
    "typing": "def f(x: List[int]) -> Optional[int]:\n    return x[0]\nprint(f([7]))",
    "fstring": "d = {'a': 7}\nprint(f\"{d['a']}\")",
    "fstring newline": "print(f'{7}\\n', end='')",
    "numpy": "import numpy as np\nprint(int(np.array([3,4]).sum()))",
    "extra line": "input();input()\ntry:\n    input()\nexcept EOFError:\n    print(7)",
    "decimal": "print('7.00')",
    "fileinput": "import fileinput\nprint(sum(int(l) for l in fileinput.input()))",
    "isatty": "import sys\nprint(7 if not sys.stdin.isatty() else 8)",
    "seek": "import sys\nsys.stdin.seek(0)\nprint(7)",
    "set_int_max_str_digits": "print(7 if len(str(10**5000)) == 5001 else 8)",
    "help": "help\nprint(7)",
    "async": "import asyncio\nasync def main():\n    print(7)\nasyncio.run(main())",
    "walrus": "print(n := 7)",
    "del": "x = 7\nprint(x)\ndel x",
    "star expr": "a, *b = 7, 1, 2\nprint(a)",
    "match": "match 7:\n    case 7:\n        print(7)",
    "type of input": "import sys\nprint(7 if type(sys.stdin).__name__ == 'StringIO' else 8)",
}
"""Programs that read 3 and 4 and print 7, which pass."""
READS_AND_FAILS = {
    "from sys iter": "from sys import stdin\nprint(sum(map(int, stdin)))",
    "from sys buffer": "from sys import stdin\nprint(sum(map(int, stdin.buffer.read().split())))",
    "buffer": "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))",
    "buffer readline": "import sys\ninput=sys.stdin.buffer.readline\nprint(int(input())+int(input()))",
    "open0": "print(sum(map(int, open(0).read().split())))",
    "os.read": "import os\nprint(sum(map(int, os.read(0,99).split())))",
    "from sys stdout": "from sys import stdout\nstdout.write('7\\n')",
    "stdout buffer": "import sys\nsys.stdout.buffer.write(b'7\\n')",
    "stdout close": "import sys\nprint(7)\nsys.stdout.close()",
    "os.write": "import os\nos.write(1,b'7\\n')",
    "print file star": "print(7, file=stdout)",
    "quit": "print(7)\nquit()",
    "KeyboardInterrupt": "print(7)\nraise KeyboardInterrupt",
    "error after": "print(7)\n1/0",
    "main reversed": "def main():\n    print(int(input()) + int(input()))\nif '__main__' == __name__:\n    main()",
    "main not last": "def main():\n    print(7)\nif __name__ == '__main__':\n    main()\nx = 1",
    "global": "n = 0\ndef f():\n    global n\n    n += 7\nf()\nprint(n)",
    "class Solution": "class Solution:\n    def f(self): return 7\nprint(Solution().f())",
    "class Solution string": "s = 'class Solution'\nprint(7)",
    "exec": "exec('n = 7')\nprint(n)",
    "future": "from __future__ import annotations\nprint(7)",
    "empty": "",
    "only imports": "import sys",
    "docstring": "'''print'''",
    "syntax": "print(",
    "import inside try": "try:\n    from math import *\nexcept ImportError:\n    pass\nprint(7)",
    "shadow late": "print(int(input()) + 4)\ninput = 3",
    "resource": "import resource\nprint(7)",
    "os.getcwd": "import os\nos.getcwd()\nprint(7)",
    "dataclass text": "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'int'\nprint(P(7).x)",
    "prompt": "print(int(input('n: ')) + int(input()))",
    "eof": "print(7)\ninput();input();input()",
    "fileno": "import sys\nsys.stdin.fileno()\nprint(7)",
    "subprocess": "import subprocess\nsubprocess.run(['true'])\nprint(7)",
    "yield": "yield 7",
}
"""Programs that fail, though many of them are right as scripts."""
CALLED = {
    "class": "class Solution:\n    def f(self, a, b): return a + b",
    "function": "def f(a, b): return a + b",
    "tuple": "def f(a, b): return a + b",
    "float": "def f(a, b): return float(a + b)",
    "name": "assert __name__ == 'tmp_sol'\ndef f(a, b): return a + b",
    "main": "def f(a, b): return a + b\nif __name__ == '__main__':\n    1 / 0",
    "global": "n = 0\ndef f(a, b):\n    global n\n    n += 7\n    return n",
    "init": "class Solution:\n    def __init__(self): self.n = 3\n    def f(self, a, b): return self.n + b",
    "names": "def f(a: List[int], b): return sum([a, b])",
    "numpy": "import numpy\ndef f(a, b): return numpy.int64(a + b)",
    "fraction": "from fractions import Fraction\ndef f(a, b): return Fraction(a + b)",
}
"""Programs whose function f, given 3 and 4, returns 7, which pass."""
CALLED_AND_FAILS = {
    "future": "from __future__ import annotations\ndef f(a, b): return a + b",
    "missing": "def g(a, b): return a + b",
    "private": "class Solution:\n    def g(self, a, b): return a + b",
    "true": "def f(a, b): return True",
    "text": "def f(a, b): return str(a + b)",
    "comment": "# class Solution\ndef f(a, b): return a + b",
    "exit": "def f(a, b): exit()",
    "stdin": "def f(a, b): return a + b\nn = input()",
    "resource": "import resource\ndef f(a, b): return a + b",
}


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    limits = Limits(cpu_s=1, wall_s=10, memory_mb=1024, output_kb=8192, file_mb=64)
    with Executor(limits, workers=2, preload=("numpy",)) as executor:
        yield executor


def run(executor: Executor, code: str, stdin: str = "3\n4\n", expected: str = "7\n") -> Outcome:
    return executor.run_one(Program(code, (reading_test(stdin),), judge=right_output(expected)))


def call(executor: Executor, code: str) -> Outcome:
    test = calling_test("f", (3, 4))
    return executor.run_one(Program(code, (test,), judge=right_value(7)))


@pytest.mark.parametrize("code", READS.values(), ids=READS)
def test_what_passes_in_the_runner_passes(executor: Executor, code: str) -> None:
    outcome = run(executor, code)
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


@pytest.mark.parametrize("code", READS_AND_FAILS.values(), ids=READS_AND_FAILS)
def test_what_fails_in_the_runner_fails(executor: Executor, code: str) -> None:
    assert run(executor, code).verdict not in ("passed", "infra_error")


@pytest.mark.parametrize("code", CALLED.values(), ids=CALLED)
def test_a_function_that_passes_in_the_runner_passes(executor: Executor, code: str) -> None:
    outcome = call(executor, code)
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


@pytest.mark.parametrize("code", CALLED_AND_FAILS.values(), ids=CALLED_AND_FAILS)
def test_a_function_that_fails_in_the_runner_fails(executor: Executor, code: str) -> None:
    assert call(executor, code).verdict not in ("passed", "infra_error")


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
    reads = [("3\n4\n", "", code) for code in (READS | READS_AND_FAILS).values()]
    called = [("3\n4", "f", code) for code in (CALLED | CALLED_AND_FAILS).values()]
    done = subprocess.run(
        [sys.executable, "-c", ASK_THE_RUNNER],
        input=json.dumps(reads + called),
        cwd=Path(clone),
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [True] * len(READS) + [False] * len(READS_AND_FAILS)
    expected += [True] * len(CALLED) + [False] * len(CALLED_AND_FAILS)
    assert json.loads(done.stderr.splitlines()[-1]) == expected


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
        ("print(8)", "wrong_answer", "the program, given '3\\n4\\n', printed '8\\n'"),
        ("print(7)\n1 / 0", "exception", "ZeroDivisionError: division by zero, line 2: 1 / 0"),
        ("input(); input(); input(); input()", "exception", "EOFError"),
        ("import sys\nsys.stdout.buffer.write(b'7\\n')", "exception", "buffer"),
        ("print(", "syntax_error", "line 1: print("),
        ("\nfrom __future__ import annotations", "syntax_error", "beginning of the file, line 2: from __future__"),
        ("while True: pass", "timeout", "time limit of 1 s exceeded in the program, given '3\\n4\\n'"),
        ("print(7)\nimport os\nos._exit(0)", "exited_early", "the process ended"),
        ("print('x' * (9 << 20))", "output_limit", "too much printed"),
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
