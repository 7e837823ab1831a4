"""LLM judge of tests: accuracy, effectiveness and reasonableness, 1 to 5.

The rubric stands in `prompts/judge_tests.txt`. An answer is one JSON object, read strictly; one that cannot be read is
asked for once more, and is counted where the second cannot be read either.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

from iterpref_core.inference.backend import Model, Request, Sampling
from iterpref_core.inference.prompts import fill
from iterpref_core.inference.structured_answers import ask_parsed, read_object
from iterpref_core.records import Problem, Record, Test

CRITERIA = ("accuracy", "effectiveness", "reasonableness")
GREEDY = Sampling(temperature=0.0, max_new_tokens=512)
"""How a judge is asked: its likeliest answer, since its scores are a measurement; two sentences and three numbers."""
LONGEST = 24_000
"""Characters of tests that are shown; more cost a model more than they tell it."""

_TEMPLATE = Path(__file__).parent / "prompts" / "judge_tests.txt"

Score = Annotated[int, Field(ge=1, le=5, strict=True)]


class Scores(Record):
    """A judge's scores of one problem's tests, 1 to 5, and the reason it gave."""

    model_config = ConfigDict(extra="forbid")

    accuracy: Score
    effectiveness: Score
    reasonableness: Score
    reason: Annotated[str, Field(min_length=1)]


def judge_tests(problems: Iterable[Problem], judge: Model, counts: Counter[str]) -> Iterator[Scores | None]:
    """The judge's scores of each problem's tests, in order; None where they could not be read. Streams.

    Args:
        problems: any number.
        judge: is asked about each.
        counts: grows by `asked`, `asked_again` and `unreadable`.
    """
    requests = (Request(judge_prompt(problem), seed=0, private=problem.own_code) for problem in problems)
    return ask_parsed(judge, requests, GREEDY, partial(read_object, form=Scores), counts)


def judge_prompt(problem: Problem) -> str:
    """What the judge reads: the rubric, the task, its reference and all of its tests."""
    reference = problem.reference if problem.reference is not None else "# none is given"
    return fill(_TEMPLATE, {"prompt": problem.prompt, "reference": reference, "tests": show_tests(problem)})


def show_tests(problem: Problem) -> str:
    """All tests of a problem, the hidden ones last, as a programmer would write them.

    Where they are too long, the first ones are shown whole, and the text says how many are not.

    >>> from iterpref_core.records import IoTest
    >>> tests = (IoTest(call="f(1)", expected="2"), IoTest(call="f(2)", expected="3"))
    >>> print(show_tests(Problem(task_id="p", prompt="Add one.", entry_point="f", tests=tests)))
    assert f(1) == 2
    assert f(2) == 3
    """
    parts = [part for test in problem.tests + problem.hidden_tests for part in _as_text(test)]
    if problem.setup:
        parts.insert(0, f"# runs first\n{problem.setup.rstrip()}")
    shown, length = [], 0
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
