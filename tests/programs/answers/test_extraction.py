"""The program in answers as models give them."""

import ast
from pathlib import Path

import pytest

from iterpref_core.programs.answers.extraction import defines, extract_program
from iterpref_core.records import read_yaml

PROGRAM = "def f(x):\n    return x + 1\n"
FIX = f"```python\n{PROGRAM}```\n"
DRAFT = "```python\ndef f(x):\n    return x - 1\n```\n"
ANSWERS = read_yaml(Path(__file__).parent / "answers.yaml")
FOUND = ANSWERS["found"] | ANSWERS["bare"]
BARE = {case: answer for case, answer in ANSWERS["bare"].items() if case not in ANSWERS["not_as_evalplus"]}


def fenced(text, fence="```", tag="python"):
    end = "" if text.endswith("\n") else "\n"
    return f"{fence}{tag}\n{text}{end}{fence}\n"


@pytest.mark.parametrize("entry_point", ["f", None])
@pytest.mark.parametrize("answer", FOUND.values(), ids=FOUND)
def test_the_program_is_found(answer, entry_point):
    assert extract_program(answer, entry_point) == PROGRAM


@pytest.mark.parametrize("program", ANSWERS["whole"].values(), ids=ANSWERS["whole"])
def test_a_program_is_never_cut_into(program):
    around = [
        fenced(program),
        f"Sure:\n{fenced(program)}Done.\n",
        f"<think>short</think>\n{fenced(program)}",
        f"thought about it\n</think>\n\n{fenced(program)}",
        f"{DRAFT}No:\n{fenced(program)}",
        program,
    ]
    # Of bare code, the part behind the last definition may be an example.
    if "__main__" not in program:
        around += [f"Here it is.\n\n{program}\nIt does that.\n", f"<think>hm</think>\n{program}<|im_end|>"]
    for answer in around:
        assert extract_program(answer, "f") == program


@pytest.mark.parametrize("answer", ANSWERS["nothing"].values(), ids=ANSWERS["nothing"])
def test_where_no_program_is_none_is_found(answer):
    assert extract_program(answer, "f") is None
    assert extract_program(answer) is None


@pytest.mark.parametrize("case", ANSWERS["cut"].values(), ids=ANSWERS["cut"])
def test_a_program_that_does_not_parse_is_as_it_came(case):
    assert extract_program(case["answer"], "f") == extract_program(case["answer"]) == case["program"]


def test_the_last_block_that_defines_the_entry_point_is_taken():
    other = "def g(x):\n    return x\n"
    answer = FIX + fenced(other)
    assert extract_program(answer, "f") == extract_program(answer, "Adder().f") == PROGRAM
    assert extract_program(answer, "g") == extract_program(answer) == extract_program(answer, "h") == other


@pytest.mark.parametrize("answer", (BARE | ANSWERS["evalplus"]).values(), ids=BARE | ANSWERS["evalplus"])
def test_bare_code_is_found_as_evalplus_finds_it(answer):
    pytest.importorskip("evalplus", reason="package evalplus is not installed")
    from evalplus.sanitize import sanitize

    ours = extract_program(answer, "f")
    assert ours is not None
    assert ast.dump(ast.parse(ours)) == ast.dump(ast.parse(sanitize(answer, "f")))


def test_a_program_defines_what_is_asked_for_only_with_a_body():
    assert defines(PROGRAM, "f")
    assert not defines(PROGRAM, "g")
    assert not defines("def f(x):\n    ...\n", "f")
    assert not defines("def f(x", "f")


PIECES = (
    *("~", "`", "~~~ ", "~~~\n", "```\nx", "````\n```\n", "```\nx\n~~~\n"),
    *("x = 1\n", "def f(x):\n", "import x\ny z\n", "'", "(\n", "> ", "- ", "</think>", "<think>", "</think>\n```\n"),
)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("size", [5_000, pytest.param(1 << 18, marks=pytest.mark.slow)])
def test_no_answer_takes_long(size, piece):
    """5,000 tildes once took 50 seconds: here the interpreter's own time-out would end the test."""
    for beginning in ("```", "<think>"):
        answer = beginning + piece * (size // len(piece))
        program = extract_program(answer, "f")
        assert program is None or len(program) <= len(answer)
