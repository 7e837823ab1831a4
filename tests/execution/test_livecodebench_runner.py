"""Programs that read standard input and print: run as LiveCodeBench's own runner does, judged outside."""

from collections.abc import Iterator

import pytest

from iterpref_core.execution import Executor, Limits, LiveCodeBenchTest, Outcome, Program


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    limits = Limits(cpu_s=1, wall_s=10, memory_mb=512, output_kb=8192, file_mb=64)
    with Executor(limits, workers=2) as executor:
        yield executor


def run(executor: Executor, code: str, stdin: str = "3\n4\n", expected: str = "7\n", setup: str = "") -> Outcome:
    program = Program(code, (LiveCodeBenchTest(stdin),), setup, judge=lambda _, printed: bool(printed == expected))
    return executor.run_one(program)


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
        ("print(int(input()) + int(input()))", "passed", ""),
        ("import sys\nprint(sum(map(int, sys.stdin.read().split())))", "passed", ""),
        ("def main():\n    print(int(input()) + int(input()))\nif __name__ == '__main__':\n    main()", "passed", ""),
        ("print(int(input()) + int(input()))\nraise SystemExit(3)", "passed", ""),
        ("import sys\nprint('not part of the answer', file=sys.stderr)\nprint(7)", "passed", ""),
        ("import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))", "exception", "buffer"),
        ("import sys\nprint(sum(map(int, sys.stdin)))", "exception", "TypeError"),
        ("import sys\nsys.stdout.buffer.write(b'7\\n')", "exception", "buffer"),
        ("print(7)\nquit()", "exception", "TypeError"),
        ("print(sum(map(int, open(0))))", "wrong_answer", "printed '0\\n'"),
        ("print(8)", "wrong_answer", "the program, given '3\\n4\\n', printed '8\\n'"),
        ("", "wrong_answer", "printed ''"),
        ("print(7)\n1 / 0", "exception", "ZeroDivisionError: division by zero, line 2: 1 / 0"),
        ("input(); input(); input(); input()", "exception", "EOFError"),
        ("print(", "syntax_error", "line 1: print("),
        ("while True: pass", "timeout", "time limit of 1 s exceeded in the program, given '3\\n4\\n'"),
        ("print(7)\nimport os\nos._exit(0)", "exited_early", "the process ended"),
        ("print('x' * (9 << 20))", "output_limit", "too much printed"),
        ("x = bytearray(1 << 30)", "memory", "memory limit of 512 MB"),
        (FORGED, "wrong_answer", ""),
    ],
)
def test_a_program_is_run_as_the_official_runner_does(
    executor: Executor, code: str, verdict: str, feedback: str
) -> None:
    outcome = run(executor, code)
    assert outcome.verdict == verdict, outcome.feedback
    assert feedback in outcome.feedback


def test_long_texts_pass_in_both_directions(executor: Executor) -> None:
    text = "".join(f"{number} äöü \u2028\n" for number in range(100_000))
    assert run(executor, "import sys\nprint(sys.stdin.read(), end='')", text, text).verdict == "passed"


def test_the_setup_is_run_before_and_its_lines_do_not_count(executor: Executor) -> None:
    assert run(executor, "print(math.floor(7.5))", setup="import math").verdict == "passed"
    assert "line 1" in run(executor, "print(nope())", setup="import math\n\n").feedback


def test_such_a_test_is_alone() -> None:
    with pytest.raises(ValueError, match="a program of its own"):
        Program("print(1)", (LiveCodeBenchTest(""),) * 2, judge=lambda _, _printed: True)
