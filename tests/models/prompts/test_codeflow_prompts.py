"""The texts that models are trained on and asked with."""

import pytest

from iterpref_core.models.prompts.codeflow_prompts import draft_prompt, refine_prompt
from iterpref_core.programs.answers.extraction import extract_program


def test_a_draft_is_asked_with_the_task_alone():
    assert draft_prompt("Write f(x).") == "Write f(x)."


def test_refinement_is_exactly_the_agreed_text():
    expected = "P\n\nThis program is wrong:\n```python\nC\n```\nF\nWrite the corrected program."
    assert refine_prompt("P", "C", "F") == expected
    assert refine_prompt("P\n", "C\r\n", "F\n\n") == expected


def test_braces_in_values_are_text():
    text = refine_prompt("use {code}", "d = {'prompt': f'{feedback}'}  # \\1 {} {{x}}", "{prompt}")
    assert text.startswith("use {code}\n\n")
    assert "d = {'prompt': f'{feedback}'}  # \\1 {} {{x}}\n```\n{prompt}\n" in text


def test_models_that_follow_instructions_are_told_what_to_do_and_what_happened():
    draft = draft_prompt("Write f(x).", "instruct")
    assert "\nWrite f(x).\n" in draft
    assert "one ```python block" in draft
    refine = refine_prompt("Write f(x).", "def f(x): ...", "f(1) returned None, expected 2", "instruct")
    given = "Task:\nWrite f(x).\n", "```python\ndef f(x): ...\n```\n", "said:\nf(1) returned None, expected 2\n"
    assert all(part in refine for part in given)
    assert "{" not in draft + refine


@pytest.mark.parametrize("wording", ["terse", "instruct"])
def test_a_prose_answer_is_never_shown_as_a_program_in_a_fence(wording):
    prompt = refine_prompt("Write f(x).", extract_program("I am sorry, I cannot do that.") or "", "no f", wording)
    assert "sorry" not in prompt
    assert "```python\n" not in prompt
    assert "held no program" in prompt
