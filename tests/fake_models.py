"""Models that tests make up: one that answers with given texts, and the base of others."""

from iterpref_core.models.inference.backend import (
    BatchModel,
    Completion,
    Model,
    ignore,
)
from iterpref_core.models.inference.stored_model import StoredModel


class ReplayModel(Model):
    """Answers each prompt with its text; where there are several, the seed decides. `requests` are those asked."""

    in_process = True
    concurrency = 1

    def __init__(self, answers):
        self._answers = answers
        self.requests = []

    async def answer(self, request, sampling):
        self.requests.append(request)
        texts = self._answers[request.prompt]
        text = texts[request.seed % len(texts)]
        return Completion(text, len(request.prompt.split()), len(text.split()))


class FakeModel(BatchModel):
    """Base of models that tests make up: `complete` answers the prompts of one batch."""

    concurrency = 4

    def complete(self, requests, sampling):
        raise NotImplementedError

    def generate(self, requests, sampling, answered=ignore):
        answers = []
        for start in range(0, len(requests), self.concurrency):
            for answer in self.complete(requests[start : start + self.concurrency], sampling):
                answered(len(answers), answer)
                answers.append(answer)
        return answers


def stored(model, identity, store, *settings, **named):
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
