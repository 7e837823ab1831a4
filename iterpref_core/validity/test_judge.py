"""LLM judge of tests: accuracy, effectiveness and reasonableness, 1 to 5.

The rubric stands in `prompts/judge_tests.txt`. An answer is one JSON object, read strictly; one that cannot be read is
asked for once more, and is counted where the second cannot be read either.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import tee
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError

from iterpref_core.errors import ConfigError
from iterpref_core.inference.backend import Backend, Request, Sampling
from iterpref_core.inference.prompts import fill
from iterpref_core.inference.structured_answers import ask_parsed
from iterpref_core.progress import show_progress
from iterpref_core.records import Problem, Record
from iterpref_core.storage.jsonl import atomic_writers, describe_validation_error, read_jsonl
from iterpref_core.validity.distributions import of_scores
from iterpref_core.validity.problem_sample import draw_problems, show_tests

CRITERIA = ("accuracy", "effectiveness", "reasonableness")
LOWEST, HIGHEST = 1, 5
GREEDY = Sampling(temperature=0.0, max_new_tokens=512)
"""How a judge is asked: its likeliest answer, since its scores are a measurement; two sentences and three numbers."""

_TEMPLATE = Path(__file__).parent / "prompts" / "judge_tests.txt"
_FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(.*?)\n?```\s*", re.DOTALL | re.IGNORECASE)

Score = Annotated[int, Field(ge=LOWEST, le=HIGHEST, strict=True)]


class Scores(Record):
    """A judge's scores of one problem's tests, 1 to 5, and the reason it gave."""

    model_config = ConfigDict(extra="forbid")

    accuracy: Score
    effectiveness: Score
    reasonableness: Score
    reason: Annotated[str, Field(min_length=1)]


class JudgedTests(Record):
    """What a judge says of one problem's tests; nothing where its answers could not be read."""

    task_id: str
    judge: Scores | None = None


def judge_prompt(problem: Problem) -> str:
    """What the judge reads: the rubric, the task, its reference and all of its tests."""
    reference = problem.reference if problem.reference is not None else "# none is given"
    return fill(_TEMPLATE, {"prompt": problem.prompt, "reference": reference, "tests": show_tests(problem)})


def parse_scores(answer: str) -> Scores:
    r"""Read a judge's answer: one JSON object, alone or alone in a fence.

    Raises:
        ValueError: it is anything else; the message says what, to the model.

    >>> parse_scores('{"reason": "No edge case.", "accuracy": 5, "effectiveness": 2, "reasonableness": 4}').accuracy
    5
    """
    fenced = _FENCED.fullmatch(answer)
    try:
        return Scores.model_validate_json(fenced[1] if fenced else answer)
    except ValidationError as error:
        raise ValueError(describe_validation_error(error)) from None


def judge_tests(problems: Iterable[Problem], backend: Backend, counts: Counter[str]) -> Iterator[Scores | None]:
    """The judge's scores of each problem's tests, in order; None where they could not be read. Streams.

    Args:
        problems: any number.
        backend: the judge.
        counts: grows by `asked`, `asked_again` and `unreadable`.
    """
    requests = (Request(judge_prompt(problem), seed=0, private=problem.own_code) for problem in problems)
    return ask_parsed(backend, requests, GREEDY, parse_scores, counts)


def score_metrics(scores: Sequence[Scores]) -> dict[str, float]:
    """Of each criterion `<criterion>/mean`, and from `<criterion>/1` to `/5` how many problems have the score."""
    found: dict[str, float] = {}
    for name in CRITERIA:
        found |= of_scores(name, [getattr(item, name) for item in scores])
    return found


def _reason_against(scores: Scores | None, min_score: int | None) -> str | None:
    """Why a problem is to be dropped, the first criterion that falls short; None where there is no threshold."""
    if min_score is None:
        return None
    if scores is None:
        return "unreadable"
    return next((f"low_{name}" for name in CRITERIA if getattr(scores, name) < min_score), None)


def judge_file(
    problems: Path,
    backend: Backend,
    out: Path,
    *,
    sample: int | None = None,
    seed: int = 0,
    min_score: int | None = None,
    kept: Path | None = None,
) -> dict[str, float]:
    """Judge the tests of a file's problems, and leave out those that fall short.

    Args:
        problems: JSONL of `Problem`.
        backend: the judge.
        out: where to write JSONL of `JudgedTests`.
        sample: judge only so many problems, drawn at random; None for all, in their order.
        seed: decides which.
        min_score: what a problem needs in each criterion to be kept, 1 to 5; None demands nothing.
        kept: where to write the problems that are kept; None for nowhere. Not with `sample`, which would leave out
            problems that nobody judged.

    Returns:
        `problems`, `kept`, `dropped/<reason>`, `asked`, `asked_again`, `unreadable`, and the means and distributions of
        `score_metrics`.

    Raises:
        RecordError: a broken line.
        ConfigError: `sample` and `kept` are both given, or the threshold is out of range.
    """
    if sample is not None and kept is not None:
        raise ConfigError("--sample and --kept: problems outside of the sample would be lost; leave one of the two out")
    if min_score is not None and not LOWEST <= min_score <= HIGHEST:
        raise ConfigError(f"min_score is {min_score}; it must be between {LOWEST} and {HIGHEST}")
    drawn = draw_problems(problems, sample, seed) if sample is not None else None
    # The file is read to its end before anything is asked: a broken line costs nothing.
    total = len(drawn) if drawn is not None else sum(1 for _ in read_jsonl(problems, Problem, unique=True))
    source, asked = tee(drawn if drawn is not None else read_jsonl(problems, Problem))
    counts: Counter[str] = Counter(problems=0, kept=0, asked=0, asked_again=0, unreadable=0)
    found: list[Scores] = []
    with ExitStack() as stack:
        score_file, kept_file = stack.enter_context(atomic_writers(out, kept))
        assert score_file is not None
        advance = stack.enter_context(show_progress("judge", total))
        for problem, scores in zip(source, judge_tests(asked, backend, counts), strict=True):
            reason = _reason_against(scores, min_score)
            counts.update({"problems": 1, "kept" if reason is None else f"dropped/{reason}": 1})
            if scores is not None:
                found.append(scores)
            score_file.write(JudgedTests(task_id=problem.task_id, judge=scores).to_json() + "\n")
            if kept_file is not None and reason is None:
                kept_file.write(problem.to_json() + "\n")
            advance(1)
    return {name: float(count) for name, count in counts.items()} | score_metrics(found)
