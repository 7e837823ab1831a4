"""Rows of sources: each is read, turned into a problem, and checked as far as possible without running a program."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from iterpref_core.answers.extraction import defines
from iterpref_core.answers.python_text import entry_name
from iterpref_core.errors import RecordError
from iterpref_core.execution import check_tests
from iterpref_core.ingestion.published.published import Format, LeftOutError, PublishedProblem
from iterpref_core.ingestion.published.wording import says_something
from iterpref_core.ingestion.row_text import NOT_WRITABLE, each_row
from iterpref_core.ingestion.selection import MAX_PROBLEM_BYTES, Selection, size_of
from iterpref_core.problems.problems import own_split
from iterpref_core.prompt_messages import prompt_text
from iterpref_core.records import Problem, StdinTest
from iterpref_core.storage.items import Item
from iterpref_core.storage.jsonl import describe_validation_error, parse_record
from iterpref_core.storage.left_out import BAD_RECORD, Dropped


@dataclass(frozen=True)
class Candidate:
    """A problem whose programs are to be run; `where` is the place of its row."""

    published: PublishedProblem
    where: str


def read_candidates(
    files: Sequence[Path],
    form: Format,
    selection: Selection,
    license: str | None,
    split: str | None = None,
) -> Iterator[Candidate | Dropped]:
    """Stream the problems of files and the rows that are left out, in their order.

    If a problem's name was used before, a number is added. A user's own problem (format `jsonl`) is a bad record then.

    Raises:
        InputError: a file is absent or not whole.
    """
    names: dict[str, str] = {}
    for number, item in enumerate(islice(each_row(files), selection.limit), 1):
        yield _read(
            item=item,
            number=number,
            form=form,
            selection=selection,
            license=license,
            split=split,
            names=names,
        )


def _read(
    item: Item,
    number: int,
    form: Format,
    selection: Selection,
    license: str | None,
    split: str | None,
    names: dict[str, str],
) -> Candidate | Dropped:
    where = str(item.where)
    name = ""
    try:
        published = _convert(item, number, form, split)
        name = _name(published.problem.task_id, form, names)
        names[name] = where
        # What a row states is never overwritten.
        stated = published.problem.license or license or form.license or None
        changes = {"task_id": name, "license": stated}
        # "[1, 2]" in a published set is one list or two numbers: each reading is a problem, and right programs decide.
        readings = []
        tests_left_out = Counter(published.tests_left_out)
        for reading in (published.problem, *published.other_readings):
            chosen, too_large = _choose_tests(reading.model_copy(update=changes), selection)
            readings.append(chosen)
            # The readings have the same tests, which are counted once.
            tests_left_out["too_large"] = max(tests_left_out["too_large"], too_large)
        problem, *others = readings
        _check(problem, where)
        _check_entry_point(problem, published.right)
    except LeftOutError as error:
        return Dropped(error.reason, where, name, error.explanation)
    except Exception as error:  # noqa: BLE001 - a row may break anything; the row is counted and named, and no other lost
        return Dropped(BAD_RECORD, where, name, f"{type(error).__name__}: {error}")
    known = replace(published, problem=problem, other_readings=tuple(others), tests_left_out=+tests_left_out)
    return Candidate(known, where)


def _choose_tests(problem: Problem, selection: Selection) -> tuple[Problem, int]:
    """Return a problem with the tests that the user chooses, and the number of those passed over as too large.

    Raises:
        LeftOutError: no choice of tests fits, or the user makes none; or no file can hold the problem.
    """
    chosen = selection.apply(problem)
    try:
        size = size_of(chosen)
        if size <= MAX_PROBLEM_BYTES:
            return chosen, 0
        fitting, too_large = selection.apply_by_size(problem)
        smallest = min(map(size_of, problem.tests + problem.hidden_tests), default=0)
    except ValueError:
        raise LeftOutError(BAD_RECORD, NOT_WRITABLE) from None
    if fitting.tests:
        return fitting, too_large
    found = f"it has {size >> 20} MiB, and {MAX_PROBLEM_BYTES >> 20} are allowed"
    if smallest > MAX_PROBLEM_BYTES:
        advice = f"even its smallest test has {smallest >> 20} MiB, so no choice of tests fits"
    elif selection.max_tests is None:
        advice = "--max-tests N draws tests that fit"
    else:
        advice = "none of its visible tests fits; --visible N shows others"
    raise LeftOutError("too_large", f"{found}; {advice}")


def _convert(item: Item, number: int, form: Format, split: str | None) -> PublishedProblem:
    """Return a row as a problem.

    Raises:
        LeftOutError: the row does not fit the format, or the format leaves it out.
    """
    try:
        row = parse_record(item.where, item.text, form.row)
        row.check_split(split)
        published = form.convert(row.model_copy(update={"row_number": number}))
        stated = published.problem.license or row.stated_license
        return replace(published, problem=published.problem.model_copy(update={"license": stated}))
    except RecordError as error:
        explanation = str(error).removeprefix(f"{item.where}: ")
    except ValidationError as error:
        explanation = describe_validation_error(error)
    except ValueError as error:
        explanation = str(error)
    except RecursionError:
        explanation = "it is nested too deeply"
    raise LeftOutError(BAD_RECORD, explanation)


def _check(problem: Problem, where: str) -> None:
    """Check that a problem's programs can be run.

    Raises:
        LeftOutError: the problem names an unknown split, has a test that cannot be run, or its statement says nothing.
    """
    try:
        own_split(problem, where)
        check_tests(problem, where, visible=True)
    except RecordError as error:
        raise LeftOutError(BAD_RECORD, str(error).removeprefix(f"{where}: ")) from None
    if not says_something(prompt_text(problem.prompt)):
        raise LeftOutError("no_prompt", "its statement says nothing")


def _check_entry_point(problem: Problem, right: Sequence[str]) -> None:
    """Check that a right program defines a problem's entry point, or that a test names this entry point.

    Raises:
        LeftOutError: none does; the entry point may be misspelled, and then right programs would be refused.
    """
    name = entry_name(problem.entry_point)
    tests = [test for test in problem.tests + problem.hidden_tests if not isinstance(test, StdinTest)]
    if not name or not tests:
        return
    # `Solution().add` and `add` are both looked for as `add`.
    programs = [*right, problem.reference or ""]
    if any(defines(program, name) for program in programs):
        return
    for test in tests:
        if any(re.search(rf"\b{re.escape(name)}\b", text) for text in _texts(test.model_dump())):
            return
    raise LeftOutError(
        BAD_RECORD,
        f"field 'entry_point': no reference defines {name!r} and no test calls it; "
        "give the name of the function that the tests call",
    )


def _texts(value: object) -> Iterator[str]:
    """Yield the texts within a JSON value, without the names of fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _name(task_id: str, form: Format, names: Mapping[str, str]) -> str:
    """Return a name that is not in use: the set's name for the problem, with a number added if needed.

    Raises:
        LeftOutError: a user's own problem has the name of another.
    """
    if task_id in names and not form.license:
        first = names[task_id]
        explanation = f"field 'task_id': {task_id!r} was already used at {first}; give every problem its own"
        raise LeftOutError(BAD_RECORD, explanation)
    name = task_id
    number = 2
    while name in names:
        name = f"{task_id}-{number}"
        number += 1
    return name
