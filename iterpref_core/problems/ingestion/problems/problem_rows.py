"""Problem rows: each row is turned into a problem by its columns, and checked as far as possible without running it."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from iterpref_core.execution import check_tests
from iterpref_core.problems.ingestion.answers import marks_program
from iterpref_core.problems.ingestion.columns import Columns, explain_split, listed
from iterpref_core.problems.ingestion.presets import ANY_SET, find_preset
from iterpref_core.problems.ingestion.problems.check_function import tested_name
from iterpref_core.problems.ingestion.problems.programs import program_in, python_programs, right_programs
from iterpref_core.problems.ingestion.problems.published import LeftOutError, PublishedProblem, drop_for
from iterpref_core.problems.ingestion.problems.row_tests import Rules, read_tests
from iterpref_core.problems.ingestion.problems.selection import Selection
from iterpref_core.problems.ingestion.problems.time_limits import read_time_limit
from iterpref_core.problems.ingestion.problems.wording import ask_for_call, ask_for_script, says_something
from iterpref_core.problems.ingestion.prompts import columns_prompt
from iterpref_core.problems.ingestion.rows import NOT_UTF8, is_utf8, read_object
from iterpref_core.problems.ingestion.values import as_text, read_license, read_text_value
from iterpref_core.problems.problems.problems import own_split
from iterpref_core.programs.answers.extraction import defines
from iterpref_core.programs.answers.python_text import entry_name
from iterpref_core.programs.source_code.language import is_python_3
from iterpref_core.records import AssertTest, Problem, PytestTest, StdinTest, UnittestTest
from iterpref_core.records.input_files import is_null
from iterpref_core.records.prompt_messages import prompt_text
from iterpref_core.storage.items import Item
from iterpref_core.storage.left_out import BAD_RECORD, Dropped
from iterpref_core.storage.shards import other_splits

_CODE = re.compile(r"cod(?:e|ing)|program", re.IGNORECASE)
"""Words for tasks that ask for a program: `verifiable_code`, `coding`."""
_TESTS = re.compile(r"tests?(?![a-z])|test_?cases?|asserts?(?:ions?)?(?![a-z])|input_output|ground_truth|verif|checker")
_SOLUTIONS = re.compile(r"solutions?(?![a-z])|reference|canonical|answers?(?![a-z])|ground_truth_code")
"""Words in names of columns that may hold tests, and right programs."""
_UNNAMED = "-"
"""The name of a problem whose row gives none, until it gets one."""


class ProblemReader:
    """A reader of rows, which gives every problem a name of its own.

    Args:
        form: name of the preset.
        columns: where each part stands; None: the rows are this project's own records.
        selection: choice of tests.
        license: SPDX of problems whose rows state none.
    """

    def __init__(self, form: str, columns: Columns | None, selection: Selection, license: str | None) -> None:
        self._form = form
        self._preset = find_preset(form)
        self._columns = columns
        self._selection = selection
        self._license = license
        self._names: dict[str, str] = {}

    def read(self, item: Item) -> PublishedProblem | Dropped:
        """Return a row as a problem, or the row with the reason why it is left out. No row ends the run."""
        where = str(item.where)
        name = ""
        try:
            if not is_utf8(item.text):
                raise ValueError(NOT_UTF8)
            row = read_object(item)
            published = _own_problem(row) if self._columns is None else self._published(row, self._columns)
            name = self._take_name(published.problem, where)
            chosen = self._choose(published, name)
            _check(chosen, where)
            return replace(chosen, where=where)
        except Exception as error:  # noqa: BLE001 - see `drop_for`
            return drop_for(error, where, name)

    def _published(self, row: Mapping[str, Any], columns: Columns) -> PublishedProblem:
        left_out: Counter[str] = Counter()
        _check_row(row, columns)
        if self._preset.prepare is not None:
            row = self._preset.prepare(row, left_out)
        prompt = columns_prompt(row, columns)
        if prompt is None:
            raise LeftOutError("no_prompt", "its statement says nothing")
        visible = columns.present(row, "tests")
        hidden = columns.present(row, "hidden_tests")
        right = _right(row, columns, left_out) if visible or hidden else ()
        limit_s, fault = read_time_limit(columns.optional(row, "time_limit"))
        # Any other set of problems has no name here.
        sources = ["" if self._form == ANY_SET else self._form, columns.name(row, "source") or ""]
        asked = Problem(
            task_id=columns.name(row, "task_id") or _UNNAMED,
            prompt=prompt,
            entry_point=as_text(columns.optional(row, "entry_point")),
            tests=(),
            setup="\n".join(map(as_text, columns.given(row, "setup"))) or None,
            source=":".join(filter(None, sources)),
            time_limit_s=limit_s,
            license=read_license(columns.optional(row, "license")),
        )
        rules = Rules(
            programs=right,
            starter_code=as_text(columns.optional(row, "starter_code")),
            ignore_case=self._preset.ignore_case,
            checker=columns.optional(row, "checker"),
        )
        readings, tests_left_out = read_tests(asked, visible, hidden, rules)
        if not readings:
            raise _not_there("tests", row, columns)
        first, *others = [_ask(reading, rules, asks=self._preset.asks) for reading in readings]
        return PublishedProblem(
            first,
            right=right,
            wrong=python_programs(_programs(row, columns, "wrong", left_out), left_out),
            unjudged=python_programs(_programs(row, columns, "unjudged", left_out), left_out),
            other_readings=tuple(others),
            left_out=left_out,
            tests_left_out=tests_left_out,
            limit_left_out=fault,
        )

    def _take_name(self, problem: Problem, where: str) -> str:
        """Return a name that is not in use: the set's own, or one of statement and tests; with a number if needed.

        Raises:
            LeftOutError: a record of this project has the name of another.
        """
        name = self._preset.prefix + problem.task_id
        if problem.task_id == _UNNAMED:
            name = (self._preset.prefix or "problem-") + problem.identity
        if name in self._names and self._columns is None:
            explanation = (
                f"field 'task_id': {name!r} was already used at {self._names[name]}; give every problem its own"
            )
            raise LeftOutError(BAD_RECORD, explanation)
        taken = name
        number = 2
        while taken in self._names:
            taken = f"{name}-{number}"
            number += 1
        self._names[taken] = where
        return taken

    def _choose(self, published: PublishedProblem, name: str) -> PublishedProblem:
        """Return the problem under its name, with the tests that the user chooses in each of its readings."""
        license = published.problem.license or self._license or self._preset.license or None
        readings = []
        left_out = Counter(published.tests_left_out)
        for reading in (published.problem, *published.other_readings):
            named = reading.model_copy(update={"task_id": name, "license": license})
            chosen, too_large = self._selection.apply(named)
            readings.append(chosen)
            # The readings have the same tests, which are counted once.
            left_out["too_large"] = max(left_out["too_large"], too_large)
        return replace(published, problem=readings[0], other_readings=tuple(readings[1:]), tests_left_out=+left_out)


def _own_problem(row: Mapping[str, Any]) -> PublishedProblem:
    """Return a record of this project as it is; its reference is its right program."""
    for column, stated in other_splits({name: row[name] for name in row if name != "split"}, None).items():
        raise LeftOutError("other_split", explain_split(column, stated))
    # Parquet has null for each field that a problem lacks.
    fields = {name: value for name, value in row.items() if not is_null(value)}
    if "license" in fields:
        fields["license"] = read_license(fields["license"])
    # JSON's lists are the tuples of a record.
    problem = Problem.model_validate_json(json.dumps(fields))
    return PublishedProblem(problem, right=() if problem.reference is None else (problem.reference,))


def _check_row(row: Mapping[str, Any], columns: Columns) -> None:
    """Check that a row is of the split that is read, in Python, and asks for a program.

    Raises:
        LeftOutError: it is not.
    """
    if "split" not in columns.stated:
        for column, stated in other_splits(row, columns.split).items():
            raise LeftOutError("other_split", explain_split(column, stated))
    reason, explanation = columns.reason_against(row)
    if reason:
        raise LeftOutError(reason, explanation)
    task = columns.optional(row, "task")
    if isinstance(task, str) and not _CODE.search(task):
        raise LeftOutError("not_code", f"its {columns.names['task'][0]} is {task}")


def _right(row: Mapping[str, Any], columns: Columns, left_out: Counter[str]) -> tuple[str, ...]:
    """Return the right programs; none if the set has no column for them."""
    if columns.has(row, "reference"):
        return right_programs(_programs(row, columns, "reference", left_out), left_out)
    if columns.names["reference"] and any(_SOLUTIONS.search(name.lower()) for name in columns.unread(row)):
        raise _not_there("reference", row, columns)
    return ()


def _programs(row: Mapping[str, Any], columns: Columns, part: str, left_out: Counter[str]) -> list[str]:
    """Return the programs of a part: one, or a list of them; several columns are put together to one program."""
    values = columns.present(row, part)
    if len(columns.names[part]) > 1:
        return ["".join(map(as_text, values))] if values else []
    read = read_text_value(values[0]) if values else None
    items = read if isinstance(read, list) else values
    languages = columns.languages(row)
    several = len(items) > 1 and len(languages) == len(items)
    texts = []
    for place, text in enumerate(items):
        if not isinstance(text, str):
            left_out["no_text"] += 1
        elif several and not is_python_3(languages[place]):
            left_out[languages[place].lower()] += 1
        else:
            answers = columns.kinds.get(part) == "answer" or (part not in columns.kinds and marks_program(text))
            texts.append(program_in(text) if answers else text)
    return texts


def _not_there(part: str, row: Mapping[str, Any], columns: Columns) -> LeftOutError:
    """Return the error for a row without tests or right programs: a column that nothing reads may hold them."""
    words = _TESTS if part == "tests" else _SOLUTIONS
    likely = [name for name in columns.unread(row) if words.search(name.lower())]
    if likely:
        return LeftOutError("unknown_columns", f"{', '.join(likely)}; to read it, add --columns {part}={likely[0]}")
    if columns.has(row, part):
        return LeftOutError("no_tests" if part == "tests" else "no_reference")
    expected = "+".join(columns.names[part])
    return LeftOutError("unknown_columns", f"no column `{expected}`; there are {listed(row)}: add --columns {part}=")


def _ask(problem: Problem, rules: Rules, *, asks: bool) -> Problem:
    """Return a problem with its entry point, and with a prompt that says what is wanted if the statement does not."""
    first = problem.tests[0]
    entry_point = problem.entry_point
    if not entry_point and isinstance(first, AssertTest | UnittestTest | PytestTest):
        entry_point = tested_name(first, "".join(rules.programs[:1]))
    prompt = problem.prompt
    if asks and isinstance(prompt, str):
        if isinstance(first, StdinTest):
            prompt = ask_for_script(prompt, rules.starter_code)
        elif entry_point:
            prompt = ask_for_call(prompt, entry_point, rules.starter_code)
    return problem.model_copy(update={"entry_point": entry_point, "prompt": prompt})


def _check(published: PublishedProblem, where: str) -> None:
    """Check that a problem's programs can be run.

    Raises:
        LeftOutError: its statement says nothing, or no right program defines what its tests call.
        RecordError: the problem names an unknown split, or has a test that cannot be run.
    """
    problem = published.problem
    own_split(problem, where)
    check_tests(problem, where, visible=True)
    if not says_something(prompt_text(problem.prompt)):
        raise LeftOutError("no_prompt", "its statement says nothing")
    name = entry_name(problem.entry_point)
    tests = [test for test in problem.tests + problem.hidden_tests if not isinstance(test, StdinTest)]
    # `Solution().add` and `add` are both looked for as `add`.
    if not name or not tests or any(defines(code, name) for code in (*published.right, problem.reference or "")):
        return
    called = re.compile(rf"\b{re.escape(name)}\b")
    if not any(called.search(text) for test in tests for text in _texts(test.model_dump())):
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
