"""LiveCodeBench's tests: programs pass and fail by the rules of its own runner, at the commits that `suite` names.

A program is composed of parts, and each part is known to pass in the runner or to fail there: that was found with the
functions of these commits. A composed program passes if all of its parts do. With a clone of the runner at
`LIVECODEBENCH_RUNNER` the runner itself is asked.
"""

import json
import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.evaluation.benchmarks.livecodebench.suite import (
    LATER_COMMIT,
    PAPER_COMMIT,
    calling_program,
    reading_program,
)
from iterpref_core.execution import Executor, Limits
from iterpref_core.records import read_yaml
from tests.texts import read_table


class Part(NamedTuple):
    """A part of a program: whether it passes in the runner, its statements, and what it imports at the top."""

    passes: bool
    code: str
    imports: str = ""


_KINDS = read_yaml(Path(__file__).parent / "runner_parts.yaml")
PARTS = {kind: {name: Part(*row) for name, row in rows.items()} for kind, rows in _KINDS.items()}
LATER = {"lines": False, "type": False, "buffer": True}
"""Whether the parts that read pass at the later commit, where it differs."""
READS = {
    PAPER_COMMIT: PARTS["reads"],
    LATER_COMMIT: {name: part._replace(passes=LATER.get(name, part.passes)) for name, part in PARTS["reads"].items()},
}
SCRIPT_PARTS = {
    commit: (reads, *(PARTS[kind] for kind in ("computes", "prints", "ends", "shapes")))
    for commit, reads in READS.items()
}
FUNCTION_PARTS = tuple(PARTS[kind] for kind in ("headers", "places", "results"))
MAIN = "def main():\n{}\n"


def script(reads, computes, prints, ends, shape):
    """Return a program that reads and prints, and whether it passes in the runner."""
    body = "\n".join(part.code for part in (reads, computes, prints, ends) if part.code)
    if shape.code.startswith(MAIN):
        body = textwrap.indent(body, "    ")
    imports = "".join(f"{part.imports}\n" for part in (reads, computes, prints, ends, shape) if part.imports)
    passes = all(part.passes for part in (reads, computes, prints, shape))
    # An error in a thread ends the thread, after it has printed.
    is_thread = "threading" in shape.imports
    return imports + shape.code.replace("{}", body), passes and (ends.passes or is_thread)


def function(header, place, result):
    """Return a program whose function f is called, and whether it passes in the runner."""
    code = f"{result.imports}\n{header.code}\n{place.code.replace('{}', result.code)}\n"
    return code.lstrip(), header.passes and place.passes and result.passes


def one_by_one(parts, make, kinds=None):
    """Return programs of which each has one part that is not the first of its kind, in all kinds or the first ones."""
    plain = [next(iter(of_one_kind.values())) for of_one_kind in parts]
    return [
        make(*plain[:place], part, *plain[place + 1 :])
        for place, of_one_kind in enumerate(parts[:kinds])
        for part in of_one_kind.values()
    ]


@pytest.fixture(scope="module")
def executor():
    limits = Limits(cpu_s=0.4, wall_s=10, memory_mb=1024, output_kb=8192, file_mb=64)
    with Executor(limits, workers=2, preload=("numpy",)) as executor:
        yield executor


def run(executor, code, stdin="3\n4\n", expected="7\n", commit=LATER_COMMIT):
    return executor.run_one(reading_program(code, stdin, expected, commit))


def check(outcome, passes, code):
    assert outcome.verdict != "infra_error", outcome.feedback
    assert (outcome.verdict == "passed") == passes, f"{outcome.feedback}\n{code}"


def test_each_rule_of_scripts_alone_decides_as_in_the_runner(executor):
    # The commits differ in what is read.
    for commit, kinds in ((LATER_COMMIT, None), (PAPER_COMMIT, 1)):
        for code, passes in one_by_one(SCRIPT_PARTS[commit], script, kinds):
            check(run(executor, code, commit=commit), passes, code)


def test_each_rule_of_functions_alone_decides_as_in_the_runner(executor):
    for code, passes in one_by_one(FUNCTION_PARTS, function):
        check(executor.run_one(calling_program(code, "f", (3, 4), 7)), passes, code)


@given(st.tuples(*(st.sampled_from(list(of_one_kind.values())) for of_one_kind in SCRIPT_PARTS[LATER_COMMIT])))
def test_a_composed_script_passes_if_all_of_its_parts_do(executor, parts):
    code, passes = script(*parts)
    check(run(executor, code), passes, code)


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


def test_the_runner_itself_agrees():
    clone = os.environ.get("LIVECODEBENCH_RUNNER")
    if not clone:
        pytest.skip("LIVECODEBENCH_RUNNER names no clone of github.com/LiveCodeBench/LiveCodeBench")
    commit = subprocess.check_output(["git", "-C", clone, "rev-parse", "HEAD"], text=True).strip()
    if commit not in SCRIPT_PARTS:
        pytest.skip(f"{clone} is at {commit}, and the rules are those of another commit")
    shuffled = random.Random(0)
    asked = []
    for parts, make, given_text, name in (
        (SCRIPT_PARTS[commit], script, "3\n4\n", ""),
        (FUNCTION_PARTS, function, "3\n4", "f"),
    ):
        programs = one_by_one(parts, make)
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
        *read_table(r"""
print(7)\n1 / 0 | exception | ZeroDivisionError: division by zero
input(); input(); input(); input() | exception | EOFError
print( | syntax_error | was never closed
from __future__ import annotations\nprint(7) | syntax_error | beginning of the file
while True: pass | timeout | time limit of 0.4 s exceeded in the program, given
print(7)\nimport os\nos._exit(0) | exited_early | the process ended
print('x' * (9 << 20)) | wrong_answer | a value of
x = bytearray(1 << 31) | memory | memory limit of 1024 MB
"""),
        ("print(8)", "wrong_answer", "the program, given '3\\n4\\n' returned '8\\n'"),
        ("import sys\nsys.stdout.buffer.write(b'7\\n')", "exception", "buffer"),
        (FORGED, "tampered", ""),
    ],
)
def test_a_program_fails_for_the_right_reason(executor, code, verdict, feedback):
    outcome = run(executor, code)
    assert outcome.verdict == verdict, outcome.feedback
    assert feedback in outcome.feedback


def test_long_texts_pass_in_both_directions(executor):
    text = "".join(f"{number} äöü \u2028\n" for number in range(100_000))
    assert run(executor, "import sys\nprint(sys.stdin.read(), end='')", text, text).verdict == "passed"
