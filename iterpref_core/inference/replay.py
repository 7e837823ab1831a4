"""Recorded answers in place of a model: what tests and dry runs use."""

from collections.abc import Mapping, Sequence

from iterpref_core.errors import InputError
from iterpref_core.inference.backend import Completion, Request, Sampling


class ReplayBackend:
    """Answers each prompt with its recorded texts, one after the other.

    >>> backend = ReplayBackend({"say hi": ["hi"]})
    >>> backend.generate([Request("say hi", seed=0)], Sampling(temperature=0.0, max_new_tokens=8))[0].text
    'hi'

    Raises:
        InputError: a prompt has no recorded answer left.
    """

    def __init__(self, answers: Mapping[str, Sequence[str]]) -> None:
        self._answers = {prompt: list(texts) for prompt, texts in answers.items()}
        self.requests: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:  # noqa: ARG002 - the protocol's
        """Answer every request, in order; token counts are counts of words."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Completion:
        self.requests.append(request)
        texts = self._answers.get(request.prompt)
        if not texts:
            raise InputError(f"replay: no recorded answer left for the prompt {request.prompt[:80]!r}; record one")
        text = texts.pop(0)
        return Completion(text, len(request.prompt.split()), len(text.split()), truncated=False)
