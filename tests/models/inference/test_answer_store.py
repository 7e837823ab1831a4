"""Answers that are kept: asked for once, whatever happens afterwards; the server behind a model's name is known."""

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace

from iterpref_core.models.inference.answer_store import AnswerStore, Spent, answer_key
from iterpref_core.models.inference.backend import Completion, Model, Request, ask_all
from iterpref_core.models.inference.backend_factory import model_identity, open_model
from iterpref_core.models.inference.finish_reasons import CUT, FINISHED
from iterpref_core.records import InferenceParams, PromptFormat
from tests.fake_models import stored
from tests.mock_endpoint import serve
from tests.models.inference.endpoints import SAMPLING, Scripted, one
from tests.settings import FREE, section

REQUEST = Request("x", 1)


class Oracle(Model):
    """Answers with a number that grows by one with every call."""

    in_process = True
    concurrency = 1

    def __init__(self):
        self.asked = []

    async def answer(self, request, sampling):
        self.asked.append(request)
        return Completion(str(len(self.asked)), 10, 3, FINISHED if len(self.asked) % 2 else CUT)


def test_what_was_answered_is_not_asked_again_not_even_by_another_process(tmp_path):
    oracle = Oracle()
    requests = [Request("a", 1), Request("a", 2), Request("b", 1), Request("a", 1)]
    with AnswerStore(tmp_path / "answers.sqlite", "run") as store:
        first = ask_all(stored(oracle, "model", store), requests, SAMPLING)
    assert [answer.text for answer in first] == ["1", "2", "3", "1"]
    with AnswerStore(tmp_path / "answers.sqlite", "other run") as store:
        endpoint = stored(oracle, "model", store)
        assert ask_all(endpoint, requests, SAMPLING) == first
        assert one(endpoint, "b", 1) == first[2]
        assert one(endpoint, "c", 1).text == "4"
    assert len(oracle.asked) == 4


def test_all_that_decides_an_answer_is_in_its_key():
    keys = [answer_key(model, REQUEST, SAMPLING) for model in ("model", "other")]
    for change in ({"prompt": "q"}, {"seed": 2}, {"raw": True}, {"system": "s"}):
        keys.append(answer_key("model", replace(REQUEST, **change), SAMPLING))
    for change in ({"temperature": 0.6}, {"max_new_tokens": 9}, {"stops": ("#",)}):
        keys.append(answer_key("model", REQUEST, replace(SAMPLING, **change)))
    assert len(set(keys)) == 9


def test_a_private_prompt_with_personal_data_never_leaves_and_its_answer_is_missing():
    secret = "connect(password='kT9x!vQ2mZ7w')\n# owner: jane.doe@acme.io"
    oracle = Oracle()
    guarded = stored(oracle, "model", None, guarded=True)
    asked = ("def f(): ...", True), (secret, True), (secret, False)
    _, withheld, _ = (one(guarded, prompt, private=private) for prompt, private in asked)
    assert [(request.prompt, request.private) for request in oracle.asked] == [asked[0], asked[2]]
    assert withheld.missing.startswith("withheld: ")
    assert "a key or password (pass…)" in withheld.missing


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
    mock = Scripted()
    with serve(mock) as first:
        for _ in range(2):
            with opened(tmp_path, first) as model:
                assert ask_all(model, [REQUEST], SAMPLING)[0].text == "x with 1"
    assert mock.asked.total() == 1
    assert "kept" not in caplog.text
    other = "http://127.0.0.1:9/v1"
    with opened(tmp_path, other) as model:
        assert ask_all(model, [REQUEST], SAMPLING)[0].text == "x with 1"
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
            store.put(key, Completion(f"x{number}", 2, 3, end), "m", REQUEST)
        assert store.get(key) == Completion("x2", 2, 3), "the first answer, though another process asked, too"
        assert store.spent() == store.bill(key) == Spent(4, 8, 12)
    with closing(sqlite3.connect(path)) as data:
        ends = data.execute("SELECT ended FROM kept_answers ORDER BY rowid").fetchall()
    assert ends == [("filtered: safety",), ("failed: 500 crashed",), ("finished",), ("finished",)]
