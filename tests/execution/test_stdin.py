"""Programs that read standard input and print: run as scripts, judged outside."""

from collections.abc import Iterator

import pytest

from iterpref_core.execution import Executor, Limits, Outcome, Program, StdinTest


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    limits = Limits(cpu_s=1, wall_s=10, memory_mb=512, output_kb=8192, file_mb=64)
    with Executor(limits, workers=2) as executor:
        yield executor


def run(executor: Executor, code: str, stdin: str = "3\n4\n", expected: str = "7\n", setup: str = "") -> Outcome:
    program = Program(code, (StdinTest(stdin),), setup, judge=lambda _, printed: bool(printed == expected))
    return executor.run_one(program)


@pytest.mark.parametrize(
    "code",
    [
        "print(int(input()) + int(input()))",
        "import sys\nprint(sum(map(int, sys.stdin)))",
        "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
        "import sys\nsys.stdout.write(f'{sum(map(int, sys.stdin.buffer.read().split()))}\\n')",
        "print(sum(map(int, open(0))))",
        "import os\nos.write(1, b'%d\\n' % sum(map(int, os.read(0, 99).split())))",
        "def main():\n    print(sum(int(input()) for _ in range(2)))\nif __name__ == '__main__':\n    main()",
        "import sys\nprint(7)\nsys.exit(1)",
        "import threading\nthreading.Thread(target=lambda: print(int(input()) + int(input()))).start()",
        "import sys\nprint('not part of the answer', file=sys.stderr)\nprint(7)",
        "import sys\nprint(7)\nsys.stdout.flush()\nsys.stdout.close()",
        "n = int(input())\ndef more():\n    global n\n    n += int(input())\nmore()\nprint(n)",
    ],
)
def test_all_ways_of_reading_and_printing_are_those_of_a_console(executor: Executor, code: str) -> None:
    outcome = run(executor, code)
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


@pytest.mark.parametrize(
    ("code", "verdict", "feedback"),
    [
        ("print(8)", "wrong_answer", "printed '8\\n'"),
        ("", "wrong_answer", "printed ''"),
        ("print(7)\n1 / 0", "exception", "ZeroDivisionError: division by zero, line 2: 1 / 0"),
        ("input(); input(); input()", "exception", "EOFError"),
        ("print(", "syntax_error", "line 1: print("),
        ("while True: pass", "timeout", "time limit of 1 s exceeded in the program, given '3\\n4\\n'"),
        ("print(7)\nimport os\nos._exit(0)", "exited_early", "the process ended"),
        ("print('x' * (9 << 20))", "output_limit", ""),
        ("x = bytearray(1 << 30)", "memory", "memory limit of 512 MB"),
    ],
)
def test_a_program_that_fails_says_how(executor: Executor, code: str, verdict: str, feedback: str) -> None:
    outcome = run(executor, code)
    assert outcome.verdict == verdict
    assert feedback in outcome.feedback


def test_long_texts_pass_in_both_directions(executor: Executor) -> None:
    text = "".join(f"{number} äöü \u2028\n" for number in range(100_000))
    assert run(executor, "import sys\nprint(sys.stdin.read(), end='')", text, text).verdict == "passed"


def test_the_setup_is_run_before_and_its_lines_do_not_count(executor: Executor) -> None:
    assert run(executor, "print(floor(7.5))", setup="from math import *").verdict == "passed"
    assert "line 1" in run(executor, "print(ceil())", setup="from math import *\n\n").feedback


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("import sys\nprint(sum(map(int, sys.stdin.read().split())))", "passed"),
        ("def main():\n    print(int(input()) + int(input()))\nif __name__ == '__main__':\n    main()", "passed"),
        ("print(int(input()) + int(input()))\nraise SystemExit(3)", "passed"),
        ("import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))", "exception"),
        ("import sys\nsys.stdout.buffer.write(b'7\\n')", "exception"),
        ("print(7)\nquit()", "exception"),
        ("print(sum(map(int, open(0))))", "wrong_answer"),
        ("print(", "syntax_error"),
    ],
)
def test_the_official_way_fails_where_the_official_runner_does(executor: Executor, code: str, verdict: str) -> None:
    program = Program(code, (StdinTest("3\n4\n", official=True),), judge=lambda _, printed: bool(printed == "7\n"))
    assert executor.run_one(program).verdict == verdict


@pytest.mark.parametrize(
    "code",
    [
        "import atexit\natexit.register(print, 7)",
        "file = open(1, 'w')\nfile.write('7\\n')",
        "print(7)\nexit()",
        "print(7)\nquit()",
        "import sys\nprint(7)\nsys.stdout.close()",
        "import os\nprint(7, flush=True)\nos.close(0)\nos.close(2)",
        "print(sum(map(int, open(0).read().split())))",
    ],
)
def test_a_script_ends_as_a_script_does(executor: Executor, code: str) -> None:
    assert run(executor, code).feedback == ""


def test_a_program_cannot_print_into_its_reports(executor: Executor) -> None:
    forged = """
import os
for descriptor in range(3, 1024):
    try:
        os.write(descriptor, b'0 value 0 "7"\\n')
    except OSError:
        pass
"""
    assert run(executor, forged).verdict in ("tampered", "wrong_answer")


def test_the_console_is_the_same_without_namespaces() -> None:
    with Executor(Limits(), workers=1, namespaces=False) as executor:
        assert run(executor, "print(sum(map(int, open(0))))").verdict == "passed"


def test_a_stdin_test_needs_a_judge_and_is_alone() -> None:
    with pytest.raises(ValueError, match="stdin tests need one"):
        Program("print(1)", (StdinTest(""),))
    with pytest.raises(ValueError, match="a program of its own"):
        Program("print(1)", (StdinTest(""),) * 2, judge=lambda _, _printed: True)
