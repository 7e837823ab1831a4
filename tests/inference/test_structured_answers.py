"""Answers in a given form: read, asked for once more, counted."""

from collections import Counter
from collections.abc import Sequence

from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.inference.structured_answers import CHUNK, ask_parsed
from tests.fake_models import FakeModel

SAMPLING = Sampling(temperature=0.0, max_new_tokens=8)


class Careless(FakeModel):
    """Answers with the prompt's number; wrongly in form for the numbers given, at first or both times."""

    def __init__(self, first: set[int], both: set[int]) -> None:
        self.first, self.both = first, both
        self.prompts: list[str] = []

    def complete(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        self.prompts += [request.prompt for request in requests]
        return [Completion(self._answer(request.prompt), 1, 1, truncated=False) for request in requests]

    def _answer(self, prompt: str) -> str:
        number = int(prompt.split(maxsplit=1)[0])
        again = "could not be read" in prompt
        return "?" if number in self.both or (number in self.first and not again) else str(number)


def test_a_second_answer_is_asked_for_and_what_cannot_be_read_is_none_and_counted() -> None:
    model, counts = Careless(first={1}, both={3}), Counter[str]()
    requests = (Request(f"{number} please", seed=number) for number in range(5))
    assert list(ask_parsed(model, requests, SAMPLING, int, counts)) == [0, 1, 2, None, 4]
    assert counts == {"asked": 5, "asked_again": 2, "unreadable": 1}
    assert "invalid literal" in model.prompts[5]


def test_requests_are_streamed() -> None:
    model, counts = Careless(set(), set()), Counter[str]()
    endless = (Request(f"{number} please", seed=0) for number in iter(int, 1))
    found = ask_parsed(model, endless, SAMPLING, int, counts)
    assert [next(found) for _ in range(CHUNK + 1)] == [0] * (CHUNK + 1)
