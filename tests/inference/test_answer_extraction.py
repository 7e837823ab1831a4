"""What is taken for the program in answers as instruction models give them."""

import doctest

import pytest

from iterpref_core.inference import answer_extraction
from iterpref_core.inference.answer_extraction import extract_code, lacks_program

PROGRAM = "def add(a, b):\n    return a + b\n"
FENCED = f"```python\n{PROGRAM}```"
OUTPUT = "3\n" * 60
SCRIPT = "const add = (a, b) => a + b;\n" * 9
TESTS = "assert add(1, 2) == 3\n" * 9

ANSWERS = {
    "prose around a block": f"The bug is the sign.\n\n{FENCED}\n\nNow it adds.",
    "nothing but the program": PROGRAM,
    "a fence that nothing opened": f"{PROGRAM}```\nThis code adds two numbers.",
    "a fence that nothing opened, at the end": f"{PROGRAM}```",
    "a block in the middle of a line": f"Here: {FENCED}",
    "a fence that closes behind the last line": "```python\ndef add(a, b):\n    return a + b\n```Done.",
    "a tag in capitals": FENCED.replace("python", "Python3"),
    "tildes": FENCED.replace("```", "~~~"),
    "no tag": FENCED.replace("python", ""),
    "a tag with attributes": FENCED.replace("python", 'python title="add.py"'),
    "commands before the program": f"```bash\npip install numpy\n```\nThen write:\n{FENCED}",
    "what it prints, which is longer": f"{FENCED}\nIt prints:\n```\n{OUTPUT}```",
    "another language": f"```javascript\n{SCRIPT}```\nIn Python:\n{FENCED}",
    "a sketch that does not parse": f"```python\ndef add(a, b):\n    ...your code here, if you like...\n```\n{FENCED}",
    "reasoning with a draft": f"<think>\n```python\n{PROGRAM * 3}```\nNo, simpler.\n</think>\n{FENCED}",
    "reasoning that the prompt has opened": f"So:\n```python\n{PROGRAM * 3}```\n</think>\n\n{FENCED}",
    "a longer fence around": f"````python\n{PROGRAM}````",
    "a block without a tag beside others": f"```text\nshort\n```\nor\n{FENCED.replace('python', '')}",
    "cut off behind the program": f"```python\n{PROGRAM}",
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_the_program_is_found(kind: str) -> None:
    assert extract_code(ANSWERS[kind]) == PROGRAM


def test_tests_in_a_block_of_their_own_are_no_program_if_it_is_shorter() -> None:
    longer = PROGRAM + "\n" + "def sub(a, b):\n    return a - b\n" * 9
    assert extract_code(f"```python\n{longer}```\nTests:\n```python\n{TESTS}```") == longer


def test_a_block_that_defines_the_entry_point_is_taken_before_a_longer_one() -> None:
    answer = f"{FENCED}\nTests:\n```python\n{TESTS}```"
    assert extract_code(answer, "add") == extract_code(answer, "Calculator.add") == PROGRAM
    assert extract_code(answer) == extract_code(answer, "sub") == TESTS


def test_tests_and_a_main_that_reads_stay_in_the_program_s_block() -> None:
    whole = f"{PROGRAM}\nif __name__ == '__main__':\n    print(add(*map(int, input().split())))\n{TESTS}"
    assert extract_code(f"```python\n{whole}```") == whole


def test_a_fence_in_a_docstring_is_text() -> None:
    program = 'def add(a, b):\n    """Add.\n\n    ```\n    add(1, 2)\n    ```\n    """\n    return a + b\n'
    assert extract_code(f"```python\n{program}```") == program


def test_a_program_that_is_cut_off_is_as_long_as_it_came() -> None:
    assert extract_code("Here:\n```python\ndef add(a, b):\n    return a +") == "def add(a, b):\n    return a +"


def test_reasoning_without_an_end_is_no_program() -> None:
    assert extract_code(f"<think>\nPerhaps:\n{FENCED}\nor") == ""


@pytest.mark.parametrize(
    ("code", "lacks"),
    [
        ("", True),
        (" \n", True),
        ("Sorry, from what I see I cannot.", True),
        ("1. Sort the list.\n2. Return its sum = 3.", True),
        ("def solve(nums:\n    return", False),
        ("Here it is:\n    total = 0", False),
        ("from math import sqrt\n(", False),
        ("print(sum(map(int, input().split())))", False),
    ],
)
def test_prose_is_told_from_a_program_that_does_not_parse(code: str, *, lacks: bool) -> None:
    assert lacks_program(code) == lacks


def test_the_example_in_the_docstring_is_true() -> None:
    assert doctest.testmod(answer_extraction).failed == 0


@pytest.mark.parametrize("piece", ["~", "`", "~~~ ", "~~~\n", "```\nx", "````\n```\n", "```\nx\n~~~\n", "x = 1\n"])
def test_no_answer_takes_long(piece):
    """Cubic in tildes, 5,000 of them once took 50 seconds."""
    for size in (5_000, 100_000, 4 << 20):
        extract_code("```" + piece * (size // len(piece)))
