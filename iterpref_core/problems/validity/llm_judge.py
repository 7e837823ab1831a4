"""LLM judge of tests: accuracy, effectiveness and reasonableness, 1 to 5.

The rubric stands in `prompts/judge_tests.txt`. An answer is one JSON object, read strictly. If an answer cannot be
read, the judge is asked once more. If the second answer cannot be read either, the problem is counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

from iterpref_core.models.inference.backend import Model, Request, Sampling
from iterpref_core.models.prompts.structured_answers import ask_parsed, read_object
from iterpref_core.models.prompts.templates import fill
from iterpref_core.records import Problem, Record, Test
from iterpref_core.records.prompt_messages import labeled_text

CRITERIA = ("accuracy", "effectiveness", "reasonableness")
GREEDY = Sampling(temperature=0.0, max_new_tokens=512)
"""The sampling of a judge: its likeliest answer, since scores are a measurement; two sentences and three numbers."""
LONGEST = 24_000
"""The largest number of characters of tests in the prompt; more would cost a model more than they tell."""

_TEMPLATE = Path(__file__).parent / "prompts" / "judge_tests.txt"

Score = Annotated[int, Field(ge=1, le=5, strict=True)]


class Scores(Record):
    """A judge's scores of one problem's tests, 1 to 5, and the judge's reason."""

    model_config = ConfigDict(extra="forbid")

    accuracy: Score
    effectiveness: Score
    reasonableness: Score
    reason: Annotated[str, Field(min_length=1)]


def judge_tests(
    problems: Iterable[Problem],
    judge: Model,
    counts: Counter[str],
) -> Iterator[Scores | None]:
    """Yield the judge's scores of each problem's tests, in order; None if they could not be read.

    Args:
        problems: the problems to ask about.
        judge: the model.
        counts: grows by `asked`, `asked_again` and `unreadable`.
    """
    requests = (Request(judge_prompt(problem), seed=0, private=problem.own_code) for problem in problems)
    return ask_parsed(judge, requests, GREEDY, partial(read_object, form=Scores), counts)


def judge_prompt(problem: Problem) -> str:
    """Return the judge's prompt: the rubric, the task, its reference and all of its tests."""
    reference = problem.reference if problem.reference is not None else "# none is given"
    return fill(
        _TEMPLATE, {"prompt": labeled_text(problem.prompt), "reference": reference, "tests": show_tests(problem)}
    )


def show_tests(problem: Problem) -> str:
    """Return all tests of a problem, the hidden ones last, in the form that a programmer would write.

    If the tests are too long, the text has the first ones whole, and the number of the others.

    >>> from iterpref_core.records import IoTest
    >>> tests = (IoTest(call="f(1)", expected="2"), IoTest(call="f(2)", expected="3"))
    >>> print(show_tests(Problem(task_id="p", prompt="Add one.", entry_point="f", tests=tests)))
    assert f(1) == 2
    assert f(2) == 3
    """
    parts: list[str] = []
    if problem.setup:
        parts.append(f"# runs first\n{problem.setup.rstrip()}")
    for test in problem.tests + problem.hidden_tests:
        parts.extend(_as_text(test))
    shown = []
    length = 0
    for part in parts:
        length += len(part) + 1
        if length > LONGEST:
            break
        shown.append(part)
    if len(shown) < len(parts):
        shown.append(f"# {len(parts) - len(shown)} more, not shown")
    return "\n".join(shown)


def _as_text(test: Test) -> Iterator[str]:
    match test.kind:
        case "io":
            yield f"assert {test.call} == {test.expected}"
        case "stdin":
            yield f"# given {test.input!r} on standard input, it prints {test.output!r}"
            if test.checker is not None:
                yield f"# or whatever this accepts\n{test.checker.rstrip()}"
        case "script":
            for name, content in test.files.items():
                yield f"# {name}, which imports the solution as {test.module}\n{content.rstrip()}"
        case _:
            yield test.code.rstrip()
