"""Questions with a stated form, to a server that answers none, or some, of them."""

from collections import Counter

import pytest

from iterpref_core.models.prompts.structured_answers import ask_parsed
from iterpref_core.records import InputError
from tests.fake_models import stored
from tests.mock_endpoint import serve
from tests.models.inference.endpoints import SAMPLING, Refusing, many, opened


def test_a_question_that_is_refused_among_others_has_no_answer_and_a_run_without_any_is_a_failure(monkeypatch):
    monkeypatch.setattr("iterpref_core.models.inference.pacing._FIRST_S", 0.001)

    def parsed(word):
        with serve(Refusing(lambda asked: word in str(asked), {"detail": "the account is on hold"})) as url:
            return list(ask_parsed(stored(opened(url), "m", None), many(3), SAMPLING, len, Counter()))

    assert parsed("prompt 1") == [len("prompt 0 with 0"), None, len("prompt 2 with 2")]
    with pytest.raises(InputError, match=r"none of 3 prompts was answered: .*the account is on hold"):
        parsed("prompt")
