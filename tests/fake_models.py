"""Models that tests make up: one that answers with given texts, and the base of others."""

from collections.abc import Mapping, Sequence
from typing import Any

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import (
    Answered,
    BatchModel,
    Completion,
    Model,
    Request,
    Sampling,
    ignore,
)
from iterpref_core.models.inference.stored_model import StoredModel


class ReplayModel(Model):
    """Answers each prompt with its text; where there are several, the seed decides. `requests` are those asked."""

    in_process = True
    concurrency = 1

    def __init__(self, answers: Mapping[str, Sequence[str]]) -> None:
        self._answers = answers
        self.requests: list[Request] = []

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        self.requests.append(request)
        texts = self._answers[request.prompt]
        text = texts[request.seed % len(texts)]
        return Completion(text, len(request.prompt.split()), len(text.split()))


class FakeModel(BatchModel):
    """Base of models that tests make up: `complete` has the answers, all at once."""

    concurrency = 4

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        raise NotImplementedError

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, answered: Answered = ignore
    ) -> list[Completion]:
        answers = self.complete(requests, sampling)
        for place, answer in enumerate(answers):
            answered(place, answer)
        return answers


def stored(model: Model, identity: str, store: AnswerStore | None, *settings: Any, **named: Any) -> StoredModel:
    """The model with its answers kept, and with what it knows of its server's refusals."""
    return StoredModel(
        lambda: model,
        identity,
        store,
        *settings,
        in_process=model.in_process,
        adapted=model.adapted,
        **named,
    )
