"""Questions with a stated form, to a server that answers none, or some, of them."""

from collections import Counter

import pytest

from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.openai_model import OpenAIModel
from iterpref_core.models.prompts.structured_answers import ask_parsed
from iterpref_core.records import InferenceParams, InputError
from tests.fake_models import stored
from tests.mock_endpoint import serve
from tests.models.inference.endpoints import Refusing
from tests.settings import section

SAMPLING = Sampling(temperature=0.0, max_new_tokens=8)


def parsed(word):
    refusing = Refusing(lambda asked: word in str(asked), {"detail": "the account is on hold"})
    with serve(refusing) as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr("iterpref_core.models.inference.pacing._FIRST_S", 0.001)
        inference = section(InferenceParams, backend="openai", base_url=url)
        model = stored(OpenAIModel("m", inference), "m", None)
        requests = [Request(f"prompt {number}", 0) for number in range(3)]
        return list(ask_parsed(model, requests, SAMPLING, len, Counter()))


def test_a_run_in_which_no_question_is_answered_is_a_failure():
    with pytest.raises(InputError, match=r"none of 3 prompts was answered: .*the account is on hold"):
        parsed("prompt")


def test_a_question_that_is_refused_among_others_has_no_answer():
    assert parsed("prompt 1") == [15, None, 15]
