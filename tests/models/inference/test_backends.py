"""Models are found, prompts rendered, answers sampled and read."""

import pytest

from iterpref_core.models.pretrained.chat_template import render_answer
from iterpref_core.models.pretrained.checkpoints import locate_model, pin_model
from iterpref_core.programs.answers.extraction import extract_program
from iterpref_core.records import ModelError


@pytest.mark.parametrize("program", ["x = 1\n", "x = 1", "", "\n\nx = 1\r\n", "s = '```'\n"])
def test_a_rendered_answer_holds_the_program_where_it_says(program):
    assert render_answer(program, "bare") == (program, 0)
    answer, begin = render_answer(program, "fenced")
    assert answer[begin:].startswith(program)
    assert answer.startswith("```python\n")
    assert answer.endswith("\n```")
    if "`" not in program:
        assert (extract_program(answer) or "").strip("\n") == program.replace("\r\n", "\n").strip("\n")


def test_what_is_spelled_as_a_folder_is_no_hub_id():
    with pytest.raises(ModelError, match="no such folder"):
        locate_model("./absent")


@pytest.mark.parametrize(
    ("setting", "value"), [("HF_HUB_OFFLINE", True), ("ENDPOINT", "http://127.0.0.1:9")], ids=["told", "found out"]
)
def test_a_hub_model_that_cannot_be_had_is_named_with_the_remedy(tmp_path, monkeypatch, setting, value):
    monkeypatch.setattr(f"huggingface_hub.constants.{setting}", value)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"model 'no-such-org/no-such-model'.*params\.yaml"):
        pin_model("no-such-org/no-such-model")
