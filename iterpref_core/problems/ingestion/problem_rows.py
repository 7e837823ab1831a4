"""Turn a row into a problem, and check the problem as far as possible without running it."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import chain, islice
from random import Random

from iterpref_core.execution import check_tests
from iterpref_core.programs.source_code.language import is_python_3
from iterpref_core.programs.source_code.names import entry_name
from iterpref_core.records import ASKED_BEGINNING, ASKED_DEFINITION, ASKED_SCRIPT, Problem, StdinTest, is_null

from ..composition.problem_splits import hold_out, own_split
from .call_tests import CONTEST_SETUP
from .code_tests import required_names
from .columns import Columns, DroppedError, listed
from .presets import Preset
from .programs import is_checker, is_cut, is_program, program_in
from .prompts import read_statement
from .row_tests import ReadingHints, read_tests
from .values import Row, as_text, read_license, read_text_value, read_time_limit

MAX_PROBLEM_BYTES = 16 << 20
"""The largest size of a problem in the file. Tests of contests can have hundreds of megabytes, and a run has dozens of
problems in memory at a time."""
_MISSPELT = 0.85
"""A name this similar to a field's name is a misspelling: `hiden_tests` has 0.96."""
_SEED = 0
"""The seed of the choice of tests, the same in every run. The choice does not depend on other problems."""
_CODE = re.compile(r"cod(?:e|ing)|program", re.IGNORECASE)
"""Words for tasks that ask for a program: `verifiable_code`, `coding`."""
_LIKELY = {
    "tests": re.compile(r"test|assert|input_output|ground_truth|verif|checker", re.IGNORECASE),
    "reference": re.compile(r"solution|reference|canonical|answer|ground_truth_code", re.IGNORECASE),
}
"""Words in names of columns that may hold tests, and right programs."""
_MOST_RIGHT = 20
"""The number of right programs that may run: a set can have hundreds for one problem. All wrong ones are kept, since
the nearest of all is looked for."""


@dataclass(frozen=True)
class PublishedProblem:
    """A row as a problem with programs that have not run yet.

    Attributes:
        problem: the problem, without a reference, with the plainest reading of its tests.
        others: the problem with the other readings, each made when it is asked for. The first reading that a right
            program passes is taken.
        right: programs that the set calls right, best first. Empty if the set has none.
        wrong: programs that the set does not call right; the tests decide.
        dropped: number of `programs_dropped/<language>` and of `tests_dropped/<reason>`.
    """

    problem: Problem
    others: Iterable[Problem] = ()
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    dropped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Selection:
    """A user's choice of tests, and of problems to hold out.

    Attributes:
        max_tests: tests of a problem to keep, visible and hidden together; None for all.
        visible: number of visible tests of a problem, the first ones; None: the set decides.
        heldout: share, 0 to 1, of the problems without a split that is held out.
    """

    max_tests: int | None = None
    visible: int | None = None
    heldout: float = 0.0

    def apply(self, problem: Problem, places: Sequence[int]) -> Problem:
        """Return the problem with its split, and with the tests that are chosen from those at some places.

        Raises:
            DroppedError: the problem is too large.
        """
        if self.max_tests is not None and len(places) > self.max_tests:
            # The first test is a visible one. The others are drawn, since contests begin with small tests.
            drawn = Random(f"{_SEED}/{problem.task_id}").sample(places[1:], self.max_tests - 1)
            places = [places[0], *sorted(drawn)]
        every = problem.tests + problem.hidden_tests
        tests = tuple(every[place] for place in places)
        visible = self.visible or max(1, sum(place < len(problem.tests) for place in places))
        chosen = problem.model_copy(update={"tests": tests[:visible], "hidden_tests": tests[visible:]})
        size = len(chosen.to_json().encode())
        if size > MAX_PROBLEM_BYTES:
            raise DroppedError(
                "too_large", f"it has {size >> 20} MiB with these tests; {MAX_PROBLEM_BYTES >> 20} are allowed"
            )
        return hold_out(chosen, self.heldout)


def read_problem(row: Row, preset: Preset, columns: Columns, *, wrong: bool = False) -> PublishedProblem:
    """Return a row as a problem, with its name.

    Args:
        row: the row.
        preset: the row's layout.
        columns: the columns of each part.
        wrong: also read wrong programs, there may be hundreds.

    Raises:
        DroppedError: the row has none.
        ValueError: the row does not fit the format.
    """
    if preset.columns is None and not columns.stated and _is_own(row):
        # Parquet has null for each field that a problem lacks. JSON's lists are the tuples of a record.
        fields = {name: value for name, value in row.items() if not is_null(value)}
        problem = Problem.model_validate_json(json.dumps(fields))
        published = PublishedProblem(problem, right=() if problem.reference is None else (problem.reference,))
    else:
        published = _published(row, preset, columns, wrong=wrong)
    own_split(published.problem, published.problem.task_id)
    check_tests(published.problem, published.problem.task_id, visible=True)
    _check_names(published.problem, published.right)
    return published


def _is_own(row: Row) -> bool:
    """Return True for a problem of this project: its tests have kinds, and no column is another set's.

    A nearly right name is a misspelt field, which the record's own check reports.
    """
    tests = row.get("tests")
    if not isinstance(tests, list) or not tests or not {"task_id", "prompt"} <= row.keys():
        return False
    others = row.keys() - Problem.model_fields.keys()
    misspelt = any(get_close_matches(name, Problem.model_fields, cutoff=_MISSPELT) for name in others)
    return all(isinstance(test, Mapping) and "kind" in test for test in tests) and (misspelt or not others)


def _check_names(problem: Problem, right: Sequence[str]) -> None:
    """Check that the entry point and the checkers are there.

    Raises:
        DroppedError: a checker is not a Python function `check`, or the entry point is neither called nor defined.
    """
    tests = problem.tests + problem.hidden_tests
    for checker in {test.checker for test in tests if isinstance(test, StdinTest)} - {None}:
        if not is_checker(checker or ""):
            raise DroppedError("unknown_checker", "a checker is Python with a function check(input, expected, printed)")
    # A script has no entry point.
    name = "" if isinstance(tests[0], StdinTest) else entry_name(problem.entry_point)
    # In JSON, a line begins after `\n`.
    in_tests = (test.to_json().replace(r"\n", " ") for test in tests)
    texts = chain([*right[:1], problem.setup or ""], in_tests)
    if name and not any(re.search(rf"\b{name}\b", text) for text in texts):
        raise DroppedError(
            "unknown_entry_point", f"no test calls {name!r}, and no right program defines it; correct entry_point="
        )


def _published(row: Row, preset: Preset, columns: Columns, *, wrong: bool) -> PublishedProblem:
    """Return the problem in a row of a published set, with its tests in every reading."""
    columns.check_wanted(row)
    task = columns.one(row, "task")
    if isinstance(task, str) and not _CODE.search(task):
        raise DroppedError("not_code", f"its task is {task}; if that is another column, add --columns task=")
    # From here on, the columns are the preset's.
    row = preset.prepare_row(row)
    dropped: Counter[str] = Counter()
    # Columns that the user names must be there, even if they are not read.
    for part in ("reference", "wrong"):
        columns.values(row, part)
    name = columns.name(row, "task_id")
    untested = Problem(
        task_id=preset.prefix + name or "-",
        prompt=read_statement(row, columns),
        entry_point=as_text(columns.one(row, "entry_point")).strip(),
        tests=(),
        setup="\n".join(filter(None, map(as_text, columns.values(row, "setup")))) or None,
        source=":".join(filter(None, [preset.name, columns.name(row, "source")])),
        time_limit_s=read_time_limit(columns.one(row, "time_limit")),
        license=read_license(columns.one(row, "license")),
    )
    visible = columns.values(row, "tests")
    hidden = columns.values(row, "hidden_tests")
    right = _right(row, columns, dropped) if visible or hidden else ()
    checker = as_text(columns.one(row, "checker"))
    hints = ReadingHints(
        programs=right,
        starter_code=as_text(columns.one(row, "starter_code")),
        ignore_case=preset.ignore_case,
        checker=checker if checker.strip() else None,
        modules=columns.modules(row),
    )
    readings, tests_dropped = read_tests(untested, visible, hidden, hints)
    # Only the plainest reading is made now; `trials` asks for others if no right program passes it.
    plainest = next(readings, None)
    if plainest is None:
        raise _not_there("tests", row, columns)
    # Names depend on the tests of the plainest reading.
    task_id = untested.task_id if name else (preset.prefix or "problem-") + plainest.identity

    def finish(reading: Problem) -> Problem:
        return _with_prompt(reading, preset, hints).model_copy(update={"task_id": task_id})

    # Wrong programs are needed for trajectories alone.
    failing = tuple(_programs(row, columns, "wrong", dropped)) if wrong else ()
    counts = Counter({f"programs_dropped/{language}": count for language, count in dropped.items()})
    return PublishedProblem(finish(plainest), map(finish, readings), right, failing, counts + tests_dropped)


def _with_prompt(problem: Problem, preset: Preset, hints: ReadingHints) -> Problem:
    """Return a problem with its entry point, and a prompt that states the task if the statement does not."""
    tests = problem.tests + problem.hidden_tests
    names = [problem.entry_point] if problem.entry_point else required_names(tests, "".join(hints.programs[:1]))
    prompt = problem.prompt
    # Programs of LeetCode use `List` without an import.
    in_class = "class Solution" in hints.starter_code + "".join(hints.programs[:1])
    setup = problem.setup or (CONTEST_SETUP if in_class and not isinstance(tests[0], StdinTest) else None)
    if preset.asks and isinstance(prompt, str) and (names or isinstance(tests[0], StdinTest)):
        prompt = ask_for_program(prompt, names, hints.starter_code)
    return problem.model_copy(update={"entry_point": names[0] if names else "", "prompt": prompt, "setup": setup})


def ask_for_program(question: str, names: Sequence[str], starter_code: str = "") -> str:
    r"""Return the prompt for functions, or for a class with a method, that tests name; without a name for a script.

    >>> print(ask_for_program("Find both ends.", ["Solution().ends"]))
    Find both ends.
    <BLANKLINE>
    Write a Python class `Solution` with a method `ends`.
    >>> print(ask_for_program("Model it.", ["Stack", "empty"]))
    Model it.
    <BLANKLINE>
    Write a Python class `Stack`. Also define `empty`.
    """
    first, *others = names or [""]
    owner, _, name = first.rpartition(".")
    wanted = ASKED_SCRIPT
    if owner:
        wanted = f"{ASKED_DEFINITION}class `{owner.removesuffix('()')}` with a method `{name}`."
    elif name:
        wanted = f"{ASKED_DEFINITION}{'class' if name[0].isupper() else 'function'} `{name}`."
    if others:
        wanted += f" Also define {', '.join(f'`{each}`' for each in others)}."
    prompt = f"{question.strip()}\n\n{wanted}"
    if starter_code.strip():
        prompt += f"{ASKED_BEGINNING}{starter_code.rstrip()}\n```"
    return prompt


def _right(row: Row, columns: Columns, dropped: Counter[str]) -> tuple[str, ...]:
    """Return the right programs; none if the set has no column for them.

    Raises:
        DroppedError: the set has right programs, but none in Python for this row.
    """
    if not columns.has(row, "reference"):
        if columns.names.get("reference") and _likely("reference", row, columns):
            raise _not_there("reference", row, columns)
        return ()
    programs = tuple(islice(_programs(row, columns, "reference", dropped), _MOST_RIGHT))
    # Programs in other languages are counted by their language.
    languages = sorted(set(dropped) - {"no_text"})
    if languages and not programs:
        raise DroppedError("not_python", f"the languages of its programs: {', '.join(languages)}")
    if not programs:
        raise DroppedError(
            "no_reference", "its column of right programs holds none; --columns reference= takes rows without one"
        )
    return programs


def _programs(row: Row, columns: Columns, part: str, dropped: Counter[str]) -> Iterator[str]:
    """Yield the distinct Python programs of a part, and count the other programs on the way."""
    read = read_text_value(columns.one(row, part))
    known = set()
    for item in read if isinstance(read, list) else [read or ""]:
        # Contests have programs of many languages, each with its own.
        language, text = (item.get("language"), item.get("code")) if isinstance(item, Mapping) else ("python", item)
        if not isinstance(text, str) or not isinstance(language, str):
            dropped["no_text"] += 1
        elif not is_python_3(language):
            dropped[language.lower()] += 1
        elif text.strip():
            program = program_in(text)
            code = program.replace("\r\n", "\n")
            if not is_program(code):
                dropped["other"] += 1
            # Of a right program the tests decide.
            elif part == "wrong" and is_cut(text, program):
                dropped["truncated"] += 1
            elif code not in known:
                known.add(code)
                yield code


def _not_there(part: str, row: Row, columns: Columns) -> DroppedError:
    """Return the error for a row without tests or right programs, with the unread columns that may hold them."""
    likely = _likely(part, row, columns)
    # An empty list states that the row has no tests; null and an empty text do not.
    is_empty = any(value != "" for value in columns.values(row, part))
    if is_empty or (columns.has(row, part) and not likely):
        return DroppedError("no_tests", f"its {part} are empty")
    found = f"{', '.join(likely)}; to read it" if likely else f"there are {listed(row)}; to read a column"
    return DroppedError("unknown_columns", f"{found}, add --columns {part}={likely[0] if likely else ''}")


def _likely(part: str, row: Row, columns: Columns) -> list[str]:
    """Return the unread columns whose names suggest a part."""
    return [name for name in columns.unread(row) if _LIKELY[part].search(name)]
