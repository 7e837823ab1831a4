"""Kept answers: the server behind a model's name is known, and what a server broke off is forgotten."""

import sqlite3
from contextlib import contextmanager

from iterpref_core.models.inference.answer_store import AnswerStore, answer_key
from iterpref_core.models.inference.backend import Completion, Request, Sampling, ask_all
from iterpref_core.models.inference.backend_factory import model_identity, open_model
from iterpref_core.records import InferenceParams, PromptFormat
from tests.mock_endpoint import Behavior, MockEndpoint, serve
from tests.settings import FREE, section

SAMPLING = Sampling(temperature=0.0, max_new_tokens=4)
REQUEST = Request("x", 1)


def shouting():
    return MockEndpoint(lambda prompt, _: prompt.upper(), Behavior())


def inference(url, **values):
    return section(InferenceParams, backend="openai", base_url=url, **values)


@contextmanager
def opened(folder, url, **values):
    with (
        AnswerStore(folder / "answers.sqlite", "run") as store,
        open_model("m", PromptFormat(), inference(url, **values), FREE, store) as model,
    ):
        yield model


def test_kept_answers_are_used_without_a_word_and_of_another_address_it_is_said_first(tmp_path, caplog):
    mock = shouting()
    with serve(mock) as first:
        for _ in range(2):
            with opened(tmp_path, first) as model:
                assert ask_all(model, [REQUEST], SAMPLING)[0].text == "X"
    assert mock.asked.total() == 1
    assert "kept" not in caplog.text
    other = "http://127.0.0.1:9/v1"
    with opened(tmp_path, other) as model:
        assert ask_all(model, [REQUEST], SAMPLING)[0].text == "X"
    assert f"'m': kept answers may be of another model: they came from {first}, now it is {other}" in caplog.text


def test_answers_under_other_parameters_of_requests_are_not_used():
    values = ({}, {"top_p": 0.9}, {"top_k": 1}, {"top_k": 2}, {"extra_body": {"a": 1}})
    assert len({model_identity("m", PromptFormat(), inference("http://here/v1", **each)) for each in values}) == 5


def test_a_missing_answer_is_kept_with_its_end_and_its_cost_and_asked_for_again(tmp_path):
    path = tmp_path / "answers.sqlite"
    key = answer_key("m", REQUEST, SAMPLING)
    with AnswerStore(path, "run") as store:
        for number, end in enumerate(("filtered: safety", "failed: 500 crashed", "finished", "finished")):
            assert (store.get(key) is None) == (number < 3)
            store.put(key, Completion("x", 2, 3, end), "m", REQUEST)
        assert store.get(key) == Completion("x", 2, 3)
        assert store.spent().calls == 3
    with sqlite3.connect(path) as data:
        ends = data.execute("SELECT ended FROM kept_answers ORDER BY rowid").fetchall()
    data.close()
    assert ends == [("filtered: safety",), ("failed: 500 crashed",), ("finished",)]
