"""The texts that models are trained on and asked with."""

import pytest

from iterpref_core.models.prompts.codeflow_prompts import check_wording, draft_prompt, refine_prompt
from iterpref_core.programs.answers.extraction import extract_program
from iterpref_core.records import ConfigError


def test_a_draft_is_the_task_alone_and_refinement_exactly_the_agreed_text():
    assert draft_prompt("Write f(x).") == "Write f(x)."
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


TEMPLATES = {
    "draft": "Mind the house style.\n{{ prompt }}",
    "refine": "{{ prompt }}\nWrong: {{ code }}\n{{ feedback }}",
    "no_program": "{{ prompt }} Again.",
}
ONE = """{% if turn == "draft" %}Mind the house style.
{{ prompt }}{% elif code %}{{ prompt }}
Wrong: {{ code }}
{{ feedback }}{% else %}{{ prompt }} Again.{% endif %}
"""


def test_an_own_wording_is_a_file_or_a_folder_of_templates(tmp_path):
    (tmp_path / "one.jinja").write_text(ONE)
    (tmp_path / "three").mkdir()
    for name, text in TEMPLATES.items():
        (tmp_path / f"three/{name}.jinja").write_text(text)
    for wording in (str(tmp_path / "one.jinja"), str(tmp_path / "three")):
        check_wording(wording)
        assert draft_prompt("Add {{ one }}.\n", wording) == "Mind the house style.\nAdd {{ one }}."
        assert refine_prompt("Add.", "x = 1\n", "no x", wording) == "Add.\nWrong: x = 1\nno x"
        assert refine_prompt("Add.", "", "", wording) == "Add. Again."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no wording '.*b.jinja'; there are instruct, terse; .*b.jinja is no file either"),
        ("Write it.", r"does not show \{\{ prompt \}\}"),
        ("{{ promt }}", "'promt' is undefined"),
        ("{% if %}", r"b\.jinja: Expected an expression"),
        ("{{ prompt.__class__.__mro__ }}", "unsafe"),
    ],
)
def test_a_wording_that_cannot_be_used_is_refused_before_a_model_is_asked(tmp_path, text, message):
    if text:
        (tmp_path / "b.jinja").write_text(text)
    with pytest.raises(ConfigError, match=message):
        check_wording(str(tmp_path / "b.jinja"))
    with pytest.raises(ConfigError, match="no wording 'instuct'; did you mean 'instruct'"):
        check_wording("instuct")
