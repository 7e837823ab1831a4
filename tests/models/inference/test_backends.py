"""Models are found, prompts rendered, answers sampled and read."""

import pytest

from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.transformers_model import TransformersModel
from iterpref_core.models.pretrained.chat_template import render_answer
from iterpref_core.models.pretrained.checkpoints import locate_model, pin_model
from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.nanolab.embedded_models import train_tokenizer
from iterpref_core.programs.answers.extraction import extract_program
from iterpref_core.records import ModelError, PromptFormat


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["add one to each number of the list", "def solve(x):\n    return x + 1\n"], 300)


@pytest.fixture(scope="module")
def folder(tokenizer, make_model):
    return make_model(tokenizer)


PLAIN = PromptFormat(template="plain")


def test_plain_takes_the_chat_template_off_wherever_the_model_reads(folder):
    assert load_tokenizer(folder).chat_template
    assert load_tokenizer(folder, "plain").chat_template is None
    chat, plain = (TransformersModel(folder, 1, style) for style in (PromptFormat(), PLAIN))
    request, sampling = [Request("add one", 0)], Sampling(0.0, 2)
    expected = len(chat.tokenizer("add one\n", add_special_tokens=True)["input_ids"])
    assert plain.generate(request, sampling)[0].prompt_tokens == expected
    assert chat.generate(request, sampling)[0].prompt_tokens == expected + 1  # the template's <|end|>
    assert model_fingerprint(folder, PLAIN) != model_fingerprint(folder)


@pytest.mark.parametrize("program", ["x = 1\n", "x = 1", "", "\n\nx = 1\r\n", "s = '```'\n"])
def test_a_rendered_answer_holds_the_program_where_it_says(program):
    assert render_answer(program, "bare") == (program, 0)
    answer, begin = render_answer(program, "fenced")
    assert answer[begin:].startswith(program)
    assert answer.startswith("```python\n")
    assert answer.endswith("\n```")
    if "`" not in program:
        assert (extract_program(answer) or "").strip("\n") == program.replace("\r\n", "\n").strip("\n")


def test_absent_models_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="holds no model"):
        locate_model(tmp_path / "empty")
    with pytest.raises(ModelError, match="no such folder"):
        locate_model(tmp_path / "absent")
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
