"""Ask for answers of a given form, read them strictly, ask once more for an unreadable answer, and count."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from iterpref_core.records import question, with_question
from iterpref_core.storage.jsonl import describe_validation_error

from ..inference.backend import Completion, Model, Request, Sampling, ask_all
from ..inference.finish_reasons import check_answered, describe_missing

logger = logging.getLogger(__name__)

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

CHUNK = 256
"""Prompts that are asked together; the model decides how many of them at once."""
TEMPERATURE = 1.0
"""The temperature of answers; some models that reason accept no other."""
_AGAIN = "\n\nYour last answer could not be read: {}. Answer once more, exactly in the form asked for."


def ask_parsed(
    model: Model,
    requests: Iterable[Request],
    sampling: Sampling,
    parse: Callable[[str], T],
    counts: Counter[str],
) -> Iterator[T | None]:
    """Yield the parsed answer to each request, in order; None if neither of two answers could be parsed.

    The second question names the fault of the first answer.

    Args:
        model: the model.
        requests: any number; they are streamed.
        sampling: the sampling parameters.
        parse: reads an answer; raises ValueError, with a message for the model, where it cannot.
        counts: grows by `asked`, `asked_again`, `unreadable`, and if there are such, `missing` answers.

    Raises:
        InputError: the first prompts, up to `CHUNK` of them, have no answer.
        EndpointError: none was, since all calls failed.
    """
    source = iter(requests)
    while chunk := list(islice(source, CHUNK)):
        answers = ask_all(model, chunk, sampling)
        missing = [answer.missing for answer in answers if answer.missing]
        if missing:
            if not counts["asked"]:
                check_answered(missing, len(chunk), "structured answers")
            logger.warning("%s", describe_missing(missing, len(chunk)))
            counts["missing"] += len(missing)
        readings = [_read(answer, parse) for answer in answers]
        again = {
            place: _ask_again(chunk[place], reading)
            for place, reading in enumerate(readings)
            if isinstance(reading, ValueError) and not answers[place].missing
        }
        for place, answer in zip(again, ask_all(model, list(again.values()), sampling), strict=True):
            readings[place] = _read(answer, parse)
        results = [None if isinstance(item, ValueError) else item for item in readings]
        counts.update(
            asked=len(chunk),
            asked_again=len(again),
            unreadable=results.count(None) - len(missing),
        )
        yield from results


def read_object(answer: str, form: type[M]) -> M:
    """Return the JSON object of an answer, which may have words or a fence around it.

    Raises:
        ValueError: the answer is anything else, or not of the form; the message names the fault for the model.
    """
    inside = answer[answer.find("{") : answer.rfind("}") + 1]
    try:
        return form.model_validate_json(inside or answer)
    except ValidationError as error:
        raise ValueError(describe_validation_error(error)) from None


def _read(answer: Completion, parse: Callable[[str], T]) -> T | ValueError:
    if answer.missing:
        return ValueError(answer.missing)
    try:
        return parse(answer.text)
    except ValueError as error:
        return error


def _ask_again(request: Request, error: ValueError) -> Request:
    """Return a request with the fault of its first answer after the prompt."""
    text = question(request.prompt) + _AGAIN.format(error)
    return replace(request, prompt=with_question(request.prompt, text))
