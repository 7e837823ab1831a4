"""A model in tests: it answers what it was told to, and an `Answerer` around it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from iterpref_core.evaluation.answerer import Answerer
from iterpref_core.evaluation.benchmark import PromptForm
from iterpref_core.inference.backend import Completion, Request, Sampling


class RecordedModel:
    """Notes what it is asked; a text that `answer` returns is the whole answer."""

    def __init__(self, answer: Callable[[Request], str], *, truncated: bool = False) -> None:
        self._answer, self._truncated = answer, truncated
        self.asked: list[tuple[Request, Sampling]] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        self.asked += [(request, sampling) for request in requests]
        return [Completion(self._answer(request), 1, 1, truncated=self._truncated) for request in requests]


def answerer_of(
    model: RecordedModel, folder: Path, *, instruct: bool, tokenizer: PreTrainedTokenizerBase | None = None
) -> Answerer:
    form = PromptForm(instruct, tokenizer)
    return Answerer(lambda: model, "m", folder / "a.sqlite", max_new_tokens=9, seed=0, batch_size=8, form=form)
