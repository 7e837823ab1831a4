"""Replay backend: recorded answers in place of a model, for tests, demonstrations and dry runs."""

import hashlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from iterpref_core.errors import InputError, RecordError
from iterpref_core.inference.answer_store import AnswerStore
from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.input_files import Place, decode_line, open_input
from iterpref_core.records import Record
from iterpref_core.storage.jsonl import parse_record, write_jsonl


class Recorded(Record):
    """One line of a recording: a prompt's answers and, where they were recorded from a run, the seeds they were to."""

    prompt: str
    answers: Annotated[tuple[str, ...], Field(min_length=1)]
    seeds: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _match(self) -> Self:
        if self.seeds is not None and len(self.seeds) != len(self.answers):
            raise ValueError("as many seeds as answers are needed")
        return self

    def choose(self, seed: int) -> str:
        """The answer to a request with this seed: the one recorded for it; else one that the seed decides.

        Nothing else has a say, so that a run that was killed, or asks in another order, gets the same answers.
        """
        if self.seeds is not None and seed in self.seeds:
            return self.answers[self.seeds.index(seed)]
        return self.answers[seed % len(self.answers)]


class ReplayBackend:
    """Answers each prompt with its recorded text; where there are several, the seed of the request decides.

    >>> backend = ReplayBackend({"say hi": ["hi"]})
    >>> backend.generate([Request("say hi", seed=0)], Sampling(temperature=0.0, max_new_tokens=8))[0].text
    'hi'

    Args:
        answers: by prompt; or what finds a prompt's answers, such as `open_recording` makes.

    Raises:
        InputError: a prompt has no recorded answer.
    """

    def __init__(self, answers: Mapping[str, Sequence[str]] | Callable[[str], Recorded | None]) -> None:
        self._find = answers if callable(answers) else _finder(answers)
        self.requests: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:  # noqa: ARG002 - the protocol's
        """Answer every request, in order; token counts are counts of words."""
        return [self._answer(request) for request in requests]

    async def answer(self, request: Request, sampling: Sampling) -> Completion:  # noqa: ARG002 - the protocol's
        """Answer one request."""
        return self._answer(request)

    def _answer(self, request: Request) -> Completion:
        self.requests.append(request)
        recorded = self._find(request.prompt)
        if recorded is None:
            raise InputError(f"replay: no recorded answer for the prompt {request.prompt[:80]!r}; record one")
        text = recorded.choose(request.seed)
        return Completion(text, len(request.prompt.split()), len(text.split()), truncated=False)


def _finder(answers: Mapping[str, Sequence[str]]) -> Callable[[str], Recorded | None]:
    known = {prompt: Recorded(prompt=prompt, answers=tuple(texts)) for prompt, texts in answers.items()}
    return known.get


def open_recording(path: Path) -> Callable[[str], Recorded | None]:
    """What finds a prompt's answers in a JSONL file of `Recorded`; only where each line begins is held in memory.

    Raises:
        InputError: there is no such file.
        RecordError: a line is broken, or repeats a prompt.
    """
    places: dict[bytes, int] = {}
    with open_input(path, "correct inference.recording in params.yaml") as file:
        place = 0
        for number, line in enumerate(file, 1):
            if line.strip():
                text = decode_line(line, path, number).rstrip()
                key = _digest(parse_record(Place(path, number), text, Recorded).prompt)
                if places.setdefault(key, place) != place:
                    raise RecordError(f"{path}:{number}: field 'prompt': stands on an earlier line too; join the two")
            place += len(line)

    def find(prompt: str) -> Recorded | None:
        known = places.get(_digest(prompt))
        if known is None:
            return None
        with open_input(path) as file:
            file.seek(known)
            return Recorded.model_validate_json(file.readline().removeprefix(BOM_UTF8))

    return find


def write_recording(store: Path, out: Path, model: str | None = None) -> dict[str, int]:
    """Write the answers of a store as a recording, prompt by prompt; returns how many `prompts` and `answers`.

    Args:
        store: of a run that has ended.
        out: where the `Recorded` lines go; written whole or not at all.
        model: whose answers, as the store knows it; needed only where it has several models' answers.

    Raises:
        InputError: there is no store, or not of one model.
    """
    if not store.is_file():
        raise InputError(f"{store}: no such store of answers; check the path")
    with AnswerStore(store, run="") as answers:
        models = answers.models()
        if model not in (models if len(models) != 1 else [*models, None]):
            raise InputError(f"{store}: has answers of these models: {', '.join(models) or 'none'}; name one of them")
        total = 0

        def lines() -> Iterator[Recorded]:
            nonlocal total
            for prompt, rows in groupby(answers.recorded(model or models[0]), key=itemgetter(0)):
                texts: dict[int, str] = {}
                for _, seed, text in rows:  # asked with other sampling parameters too, a seed has more than one
                    texts.setdefault(seed, text)
                total += len(texts)
                yield Recorded(prompt=prompt, answers=tuple(texts.values()), seeds=tuple(texts))

        return {"prompts": write_jsonl(out, lines()), "answers": total}


def _digest(prompt: str) -> bytes:
    return hashlib.sha256(prompt.encode()).digest()
