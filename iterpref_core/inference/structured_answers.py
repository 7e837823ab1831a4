"""Structured answers: asked for in a given form, read strictly, asked for once more where unreadable, and counted."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from iterpref_core.inference.backend import Model, Request, Sampling
from iterpref_core.prompt_messages import question, with_question
from iterpref_core.storage.jsonl import describe_validation_error

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

CHUNK = 256
"""Prompts that are asked together; the model decides how many of them at once."""
_AGAIN = "\n\nYour last answer could not be read: {}. Answer once more, exactly in the form asked for."
_FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(.*?)\n?```\s*", re.DOTALL | re.IGNORECASE)


def ask_parsed(
    model: Model,
    requests: Iterable[Request],
    sampling: Sampling,
    parse: Callable[[str], T],
    counts: Counter[str],
) -> Iterator[T | None]:
    """What was read from the answer to each request, in order; None where neither of two answers could be read.

    The second time the model is told what was wrong with its first answer.

    Args:
        model: answers.
        requests: any number; they are streamed.
        sampling: how.
        parse: reads an answer; raises ValueError, with a message for the model, where it cannot.
        counts: grows by `asked`, `asked_again` and `unreadable`.
    """
    source = iter(requests)
    while chunk := list(islice(source, CHUNK)):
        readings: list[T | ValueError] = [_read(answer.text, parse) for answer in model.generate(chunk, sampling)]
        failed = [(place, error) for place, error in enumerate(readings) if isinstance(error, ValueError)]
        again = [_ask_again(chunk[place], error) for place, error in failed]
        answers = model.generate(again, sampling) if again else []
        for (place, _), answer in zip(failed, answers, strict=True):
            readings[place] = _read(answer.text, parse)
        results = [None if isinstance(item, ValueError) else item for item in readings]
        counts.update(
            asked=len(chunk),
            asked_again=len(again),
            unreadable=results.count(None),
        )
        yield from results


def read_object(answer: str, form: type[M]) -> M:
    r"""The one JSON object that an answer is, alone or alone in a fence.

    Raises:
        ValueError: it is anything else, or not of the form; the message says what, to the model.
    """
    fenced = _FENCED.fullmatch(answer)
    try:
        return form.model_validate_json(fenced[1] if fenced else answer)
    except ValidationError as error:
        raise ValueError(describe_validation_error(error)) from None


def _read(text: str, parse: Callable[[str], T]) -> T | ValueError:
    try:
        return parse(text)
    except ValueError as error:
        return error


def _ask_again(request: Request, error: ValueError) -> Request:
    """Return a request with the fault of its first answer behind the prompt."""
    text = question(request.prompt) + _AGAIN.format(error)
    return replace(request, prompt=with_question(request.prompt, text))
