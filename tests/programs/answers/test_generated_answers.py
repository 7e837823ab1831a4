"""The program in answers that are composed at random around it."""

import ast

import pytest

from iterpref_core.programs.answers.extraction import extract_program
from tests.programs.answers.generated_answers import AnswerGenerator, adds_one


@pytest.mark.parametrize("seeds", [range(500), pytest.param(range(500, 2_000), marks=pytest.mark.slow)])
def test_the_program_is_found_whatever_stands_around_it(seeds):
    for seed in seeds:
        generator = AnswerGenerator(seed)
        answer = generator.answer()
        found = extract_program(answer, "f")
        assert found is not None, (seed, answer)
        assert ast.dump(ast.parse(found)) == ast.dump(ast.parse(generator.program)), (seed, answer)


@pytest.mark.parametrize("seeds", [range(150), pytest.param(range(150, 500), marks=pytest.mark.slow)])
def test_a_program_that_evalplus_finds_in_a_damaged_answer_is_found(seeds):
    """In such an answer nobody knows for sure what the program is."""
    pytest.importorskip("evalplus", reason="package evalplus is not installed")
    from evalplus.sanitize import sanitize

    found_there = 0
    for seed in seeds:
        answer = AnswerGenerator(seed).damaged()
        if adds_one(sanitize(answer, "f")):
            found_there += 1
            assert adds_one(extract_program(answer, "f")), (seed, answer)
    assert found_there > 0.3 * len(seeds)
