"""LiveCodeBench's problems, read from its published files one at a time.

A release takes gigabytes, nearly all of it private tests. The files are read once for the questions, and each
problem's tests again when its programs are run. Private tests are published as JSON or, to save space, as packed text.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from iterpref_core.problems.screening.benchmark_files import find_benchmark
from iterpref_core.records import (
    LIVECODEBENCH,
    DataUnavailableError,
    LinePlace,
    LiveCodeBenchParams,
    Record,
    RecordError,
    decode_text,
)
from iterpref_core.storage.jsonl import describe_validation_error, parse_record
from iterpref_core.storage.packed_text import unpack_text


class PublishedTest(Record):
    """A test: its input, and the output that it expects."""

    input: str
    output: str
    testtype: Literal["stdin", "functional"]


class PublishedTask(Record):
    """A line of the published files."""

    question_content: str
    question_id: str
    contest_date: datetime
    starter_code: str
    difficulty: Literal["easy", "medium", "hard"]
    public_test_cases: str
    private_test_cases: str
    metadata: str


_TESTS = TypeAdapter(list[PublishedTest])


@dataclass(frozen=True)
class LiveTask:
    """A question, and the place of its tests: `offset` bytes into a file. Without `starter_code`, stdin is read."""

    task_id: str
    content: str
    starter_code: str
    difficulty: str
    path: Path
    line: int
    offset: int

    @property
    def where(self) -> str:
        """Return file and line, for messages."""
        return f"{self.path}:{self.line}"


def find_live_data(params: LiveCodeBenchParams) -> tuple[tuple[str, str], dict[str, LiveTask]]:
    """Find the problems of a release and window, downloading them where needed.

    A window ends as in the benchmark's runner: at the midnight that begins its last day.

    Returns:
        The data's name and the SHA-256 of exactly the lines that are used; and tasks by task_id.

    Raises:
        DataUnavailableError: they cannot be had here; the message names the variable that points at a copy.
        RecordError: a line is broken.
    """
    # Release 3 is the first three files.
    number = int(params.release.removeprefix("release_v"))
    released = LIVECODEBENCH.files[:number]
    name, files = find_benchmark(LIVECODEBENCH, released)
    if name == "livecodebench":
        name += f"-{params.release}"
    since = datetime.fromisoformat(params.since) if params.since else None
    until = datetime.fromisoformat(params.until) if params.until else None
    # The digest is of the lines in the window alone, so that a file with further contests gives the same.
    digest = hashlib.sha256()
    tasks: dict[str, LiveTask] = {}
    for path in files:
        for task, raw, time in _read_tasks(path):
            if (since and time < since) or (until and time > until):
                continue
            tasks[task.task_id] = task
            digest.update(raw.strip() + b"\n")
    if not tasks:
        raise DataUnavailableError(
            f"{', '.join(map(str, files))}: no problem between {params.since} and {params.until}; "
            "correct evaluation.livecodebench"
        )
    return (name, digest.hexdigest()), tasks


def read_tests(task: LiveTask) -> tuple[list[PublishedTest], str | None]:
    """Return a task's tests, public ones first, and the function that they call; None if programs read standard input.

    Raises:
        RecordError: the tests are broken.
    """
    with task.path.open("rb") as file:
        file.seek(task.offset)
        published = _parse(file.readline(), task.path, task.line)
    try:
        tests = decode_tests(published.public_test_cases) + decode_tests(published.private_test_cases)
        function = dict(json.loads(published.metadata)).get("func_name")
        kind = "functional" if function else "stdin"
        if not tests or any(test.testtype != kind for test in tests):
            raise ValueError(f"not all tests are of the stated kind {kind}")
    except (ValueError, TypeError) as error:
        raise RecordError(f"{task.where}: its tests cannot be read ({error}); fetch the file again") from None
    return tests, function


def decode_tests(text: str) -> list[PublishedTest]:
    r"""Decode a field `public_test_cases` or `private_test_cases`; names in a pickle are not imported.

    >>> decode_tests('[{"input": "1 2\\n", "output": "3\\n", "testtype": "stdin"}]')[0].output
    '3\n'

    Raises:
        ValueError: the field is neither JSON of tests nor its packed form.
    """
    try:
        return _TESTS.validate_json(unpack_text(text))
    except ValidationError as error:
        raise ValueError(f"not a list of tests: {describe_validation_error(error)}") from None


def _read_tasks(path: Path) -> Iterator[tuple[LiveTask, bytes, datetime]]:
    """Yield tasks with their lines and times, in the order of the file; no more than one line is held."""
    with path.open("rb") as file:
        offset = 0
        for number, raw in enumerate(file, 1):
            if raw.strip():
                problem = _parse(raw, path, number)
                task = LiveTask(
                    task_id=f"LiveCodeBench/{problem.question_id}",
                    content=problem.question_content,
                    starter_code=problem.starter_code,
                    difficulty=problem.difficulty,
                    path=path,
                    line=number,
                    offset=offset,
                )
                yield task, raw, problem.contest_date.replace(tzinfo=None)
            offset += len(raw)


def _parse(raw: bytes, path: Path, line: int) -> PublishedTask:
    return parse_record(LinePlace(path, line), decode_text(raw, path, line), PublishedTask)
