"""One function opens a model, however it is asked."""

from contextlib import contextmanager

import pytest

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import Request, Sampling, ask_all
from iterpref_core.models.inference.backend_factory import model_identity, open_model
from iterpref_core.models.inference.stored_model import StoredModel
from iterpref_core.models.pretrained.checkpoints import ModelSource, is_served, locate_model, served_name, write_pointer
from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.records import ConfigError, InferenceParams, ModelError, PromptFormat
from tests.fake_models import ReplayModel
from tests.settings import FREE, section

SAMPLING = Sampling(temperature=0.0, max_new_tokens=4)


def inference(**values):
    return section(InferenceParams, backend="openai", **values)


def test_a_model_is_opened_for_the_first_answer_that_is_not_kept(monkeypatch, tmp_path):
    """A model whose answers are all kept is neither loaded nor served."""
    told = []

    @contextmanager
    def open_replay(_):
        model = ReplayModel({"a": ["1"], "b": ["2"], "c": ["3"]})
        yield model
        told.append(f"closed after {''.join(request.prompt for request in model.requests)}")

    monkeypatch.setattr("iterpref_core.models.inference.openai_model.open_backend", open_replay)
    for prompts in ("ab", "ab", "acb"):
        with (
            AnswerStore(tmp_path / "store", "run") as store,
            open_model("m", PromptFormat(), inference(base_url="http://here"), FREE, store) as model,
        ):
            answers = ask_all(model, [Request(prompt, 0) for prompt in prompts], SAMPLING)
        assert [answer.text for answer in answers] == [{"a": "1", "b": "2", "c": "3"}[prompt] for prompt in prompts]
    assert told == ["closed after ab", "closed after c"]


def test_a_model_that_cannot_be_opened_is_tried_once_whoever_asks():
    tried = []

    def fail():
        tried.append("opened")
        raise ModelError("m: the server did not start")

    model = StoredModel(fail, "m", None, in_process=False, concurrency=8)
    with pytest.raises(ModelError, match="did not start"):
        ask_all(model, [Request("x", seed) for seed in range(8)], SAMPLING)
    assert tried == ["opened"]


def test_a_served_models_answers_are_kept_under_its_name_alone(tmp_path):
    write_pointer(tmp_path / "debugger", ModelSource("big-model", served=True))
    one, other = (inference(base_url=f"https://{host}/v1") for host in ("a", "b"))
    assert model_identity(tmp_path / "debugger", PromptFormat(), one) == model_identity(
        "big-model", PromptFormat(), other
    )
    plain = inference(api="completions")
    assert model_identity("big-model", PromptFormat(), plain) != model_identity("big-model", PromptFormat(), one)


def test_a_served_model_has_a_name_and_no_weights(tmp_path, word_model):
    write_pointer(tmp_path / "served", ModelSource("big-model", served=True))
    write_pointer(tmp_path / "local", ModelSource(str(word_model)))
    assert served_name(tmp_path / "served") == "big-model"
    assert served_name("org/big") == "org/big"
    folders = (tmp_path / "served", tmp_path / "local", word_model)
    assert [is_served(folder) for folder in folders] == [True, False, False]
    assert model_fingerprint(tmp_path / "served") != model_fingerprint(tmp_path / "local")
    with pytest.raises(ModelError, match=r"big-model.*at an endpoint"):
        locate_model(tmp_path / "served")
    with pytest.raises(ModelError, match="run stage nanolab again"):
        served_name(tmp_path / "local")


@pytest.mark.parametrize(
    "base_url",
    [
        "https://user:hunter2@host/v1",
        "https://host/v1?key=hunter2",
        "https://host/v1?api-version=1&sig=hunter2",
        "https://host/v1?hunter2",
    ],
)
def test_parameters_with_a_password_in_an_address_are_refused_without_repeating_it(base_url):
    with pytest.raises(ConfigError, match="a key comes from the environment variable OPENAI_API_KEY") as caught:
        inference(base_url=base_url)
    assert "hunter" not in str(caught.value)
