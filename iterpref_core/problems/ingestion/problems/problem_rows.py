"""Problem rows: each row is turned into a problem by its columns, and checked as far as possible without running it."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from iterpref_core.execution import check_tests
from iterpref_core.problems.ingestion.answers import marks_program
from iterpref_core.problems.ingestion.columns import Columns, listed
from iterpref_core.problems.ingestion.intake import read_object
from iterpref_core.problems.ingestion.presets import ANY_SET, find_preset
from iterpref_core.problems.ingestion.problems.check_function import tested_name
from iterpref_core.problems.ingestion.problems.programs import program_in, python_programs, right_programs
from iterpref_core.problems.ingestion.problems.published import LeftOutError, PublishedProblem, drop_for
from iterpref_core.problems.ingestion.problems.row_tests import Rules, read_tests
from iterpref_core.problems.ingestion.problems.selection import Selection
from iterpref_core.problems.ingestion.problems.wording import ask_for_program
from iterpref_core.problems.ingestion.prompts import columns_prompt
from iterpref_core.problems.ingestion.values import as_text, read_license, read_text_value, read_time_limit
from iterpref_core.problems.problems.problems import own_split
from iterpref_core.programs.source_code.language import is_python_3
from iterpref_core.records import AssertTest, Problem, PytestTest, StdinTest, UnittestTest, take_name
from iterpref_core.records.input_files import is_null
from iterpref_core.storage.items import Item
from iterpref_core.storage.left_out import Dropped

_CODE = re.compile(r"cod(?:e|ing)|program", re.IGNORECASE)
"""Words for tasks that ask for a program: `verifiable_code`, `coding`."""
_LIKELY = {
    "tests": re.compile(r"test|assert|input_output|ground_truth|verif|checker"),
    "reference": re.compile(r"solution|reference|canonical|answer|ground_truth_code"),
}
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
        self._license = license or self._preset.license or None
        self._names: Counter[str] = Counter()

    def read(self, item: Item) -> PublishedProblem | Dropped:
        """Return a row as a problem, or the row with the reason why it is left out. No row ends the run."""
        where = str(item.where)
        name = ""
        try:
            row = read_object(item)
            published = _own_problem(row) if self._columns is None else self._published(row, self._columns)
            name = self._take_name(published.problem)
            readings = []
            for reading in (published.problem, *published.other_readings):
                own = {"task_id": name, "license": reading.license or self._license}
                readings.append(self._selection.apply(reading.model_copy(update=own)))
            own_split(readings[0], where)
            check_tests(readings[0], where, visible=True)
            return replace(published, where=where, problem=readings[0], other_readings=tuple(readings[1:]))
        except Exception as error:  # noqa: BLE001 - see `drop_for`
            return drop_for(error, where, name)

    def _published(self, row: Mapping[str, Any], columns: Columns) -> PublishedProblem:
        """Return the problem in a row of a published set, with its tests in every reading."""
        programs_left_out: Counter[str] = Counter()
        columns.check_wanted(row)
        task = columns.one(row, "task")
        if isinstance(task, str) and not _CODE.search(task):
            raise LeftOutError("not_code", f"its {columns.names['task'][0]} is {task}")
        if self._preset.prepare is not None:
            row = self._preset.prepare(row, programs_left_out)
        left_out: Counter[str] = Counter()
        asked = self._asked(row, columns, left_out)
        visible = columns.values(row, "tests")
        hidden = columns.values(row, "hidden_tests")
        right = _right(row, columns, programs_left_out) if visible or hidden else ()
        rules = Rules(
            programs=right,
            starter_code=as_text(columns.one(row, "starter_code")),
            ignore_case=self._preset.ignore_case,
            checker=columns.one(row, "checker"),
        )
        readings, tests_left_out = read_tests(asked, visible, hidden, rules)
        if not readings:
            raise _not_there("tests", row, columns)
        first, *others = [_ask(reading, rules, asks=self._preset.asks) for reading in readings]
        wrong = python_programs(_programs(row, columns, "wrong", programs_left_out), programs_left_out)
        left_out.update({f"programs_left_out/{language}": count for language, count in programs_left_out.items()})
        left_out.update({f"tests_left_out/{reason}": count for reason, count in tests_left_out.items()})
        return PublishedProblem(first, "", right, wrong, tuple(others), left_out)

    def _asked(self, row: Mapping[str, Any], columns: Columns, left_out: Counter[str]) -> Problem:
        """Return the problem in a row without its tests.

        Raises:
            LeftOutError: its statement says nothing.
        """
        prompt = columns_prompt(row, columns)
        if prompt is None:
            raise LeftOutError("no_prompt", "its statement says nothing")
        limit_s = None
        try:
            limit_s = read_time_limit(columns.one(row, "time_limit"))
        except ValueError:
            left_out["time_limits_left_out/not_understood"] += 1
        # Any other set of problems has no name here.
        sources = ["" if self._form == ANY_SET else self._form, columns.name(row, "source") or ""]
        return Problem(
            task_id=columns.name(row, "task_id") or _UNNAMED,
            prompt=prompt,
            entry_point=as_text(columns.one(row, "entry_point")),
            tests=(),
            setup="\n".join(map(as_text, columns.values(row, "setup"))) or None,
            source=":".join(filter(None, sources)),
            time_limit_s=limit_s,
            license=read_license(columns.one(row, "license")),
        )

    def _take_name(self, problem: Problem) -> str:
        """Return a name that is not in use: the set's own, or one of statement and tests; with a number if needed.

        Raises:
            ValueError: a record of this project has the name of another.
        """
        name = self._preset.prefix + problem.task_id
        if problem.task_id == _UNNAMED:
            name = (self._preset.prefix or "problem-") + problem.identity
        if name in self._names and self._columns is None:
            raise ValueError(f"field 'task_id': {name!r} was already used; give every problem its own")
        return take_name(name, self._names)


def _own_problem(row: Mapping[str, Any]) -> PublishedProblem:
    """Return a record of this project as it is; its reference is its right program."""
    # Parquet has null for each field that a problem lacks.
    fields = {name: value for name, value in row.items() if not is_null(value)}
    if "license" in fields:
        fields["license"] = read_license(fields["license"])
    # JSON's lists are the tuples of a record.
    problem = Problem.model_validate_json(json.dumps(fields))
    return PublishedProblem(problem, right=() if problem.reference is None else (problem.reference,))


def _right(row: Mapping[str, Any], columns: Columns, left_out: Counter[str]) -> tuple[str, ...]:
    """Return the right programs; none if the set has no column for them."""
    if columns.has(row, "reference"):
        return right_programs(_programs(row, columns, "reference", left_out), left_out)
    if columns.names["reference"] and _likely("reference", row, columns):
        raise _not_there("reference", row, columns)
    return ()


def _programs(row: Mapping[str, Any], columns: Columns, part: str, left_out: Counter[str]) -> list[str]:
    """Return the programs of a part: one, or a list of them; several columns are put together to one program."""
    values = columns.values(row, part)
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
    likely = _likely(part, row, columns)
    if likely:
        return LeftOutError("unknown_columns", f"{', '.join(likely)}; to read it, add --columns {part}={likely[0]}")
    if columns.has(row, part):
        return LeftOutError("no_tests" if part == "tests" else "no_reference")
    expected = "+".join(columns.names[part])
    return LeftOutError("unknown_columns", f"no column `{expected}`; there are {listed(row)}: add --columns {part}=")


def _likely(part: str, row: Mapping[str, Any], columns: Columns) -> list[str]:
    """Return the columns that nothing reads and that may hold a part by their names."""
    return [name for name in columns.unread(row) if _LIKELY[part].search(name.lower())]


def _ask(problem: Problem, rules: Rules, *, asks: bool) -> Problem:
    """Return a problem with its entry point, and with a prompt that says what is wanted if the statement does not."""
    first = problem.tests[0]
    entry_point = problem.entry_point
    if not entry_point and isinstance(first, AssertTest | UnittestTest | PytestTest):
        entry_point = tested_name(first, "".join(rules.programs[:1]))
    prompt = problem.prompt
    if asks and isinstance(prompt, str) and (entry_point or isinstance(first, StdinTest)):
        prompt = ask_for_program(prompt, entry_point, rules.starter_code)
    return problem.model_copy(update={"entry_point": entry_point, "prompt": prompt})
