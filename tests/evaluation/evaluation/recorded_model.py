"""A model in tests: it answers what it was told to, and an `Sampler` around it."""

from iterpref_core.evaluation.benchmarks.benchmark import PromptMode
from iterpref_core.evaluation.evaluation.sampler import Sampler
from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import Completion
from iterpref_core.models.inference.ends import CUT, FINISHED
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from tests.fake_models import FakeModel, stored
from tests.settings import PARAMS

SAMPLING = PARAMS.evaluation.model_copy(update={"samples": 1, "max_new_tokens": 9, "seed": 0})


class RecordedModel(FakeModel):
    """Notes what it is asked; a text that `answer` returns is the whole answer."""

    def __init__(self, answer, *, truncated=False):
        self._answer, self._truncated = answer, truncated
        self.asked = []

    def complete(self, requests, sampling):
        self.asked += [(request, sampling) for request in requests]
        return [Completion(self._answer(request), 1, 1, CUT if self._truncated else FINISHED) for request in requests]


def sampler_of(model, folder, *, instruct, tokenizer=None):
    mode = PromptMode(instruct, None if tokenizer is None else ChatTemplate(tokenizer))
    return Sampler(kept(model, folder / "a.sqlite"), SAMPLING, mode)


def kept(model, store, identity="m", **settings):
    """The model, its answers kept."""
    return stored(model, identity, AnswerStore(store, f"evaluate {identity}"), **settings)
