"""LiveCodeBench's problems: where its files come from, and one problem at a time out of them.

A release takes gigabytes, nearly all of it private tests. The files are read once for what is asked, and each
problem's tests again when its programs are run. Private tests are published as JSON or, to save space, as
base64(zlib(pickle(JSON text))). A pickle is a program: who loads one runs it. Here nothing that it names is imported.
"""

import base64
import hashlib
import io
import json
import pickle
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, NoReturn

from pydantic import TypeAdapter, ValidationError

from iterpref_core.config import LiveCodeBenchParams
from iterpref_core.errors import DataUnavailableError, RecordError
from iterpref_core.records import Record
from iterpref_core.screening.benchmark_files import SOURCES, find_benchmark
from iterpref_core.storage.jsonl import describe_validation_error

MAX_TESTS = 1 << 30
"""Bytes of one problem's tests, decompressed; the largest of the published ones are far below."""


class PublishedTest(Record):
    """One test: what goes in, what must come out."""

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
    """What is asked, and where its tests are: `offset` bytes into a file. Without `starter_code`, stdin is read."""

    task_id: str
    content: str
    starter_code: str
    difficulty: str
    path: Path
    line: int
    offset: int

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.path}:{self.line}"


def find_live_data(params: LiveCodeBenchParams) -> tuple[str, str, dict[str, LiveTask]]:
    """Find the problems of a release and window, downloading them where needed.

    A window ends where the benchmark's runner ends it: at the midnight with which its last day begins.

    Returns:
        Name of the data, SHA-256 of exactly the lines that are used, tasks by task_id.

    Raises:
        DataUnavailableError: they cannot be had here; the message names the variable that points at a copy.
        RecordError: a line is broken, or repeats a problem.
    """
    released = SOURCES["livecodebench"].files[: int(params.release.removeprefix("release_v"))]
    name, files, _ = find_benchmark("livecodebench", released)
    if name == "livecodebench":
        name += f"-{params.release}"
    since, until = (day and datetime.fromisoformat(day) for day in (params.since, params.until))
    digest = hashlib.sha256()
    tasks: dict[str, LiveTask] = {}
    for path in files:
        for task, raw, time in _read_tasks(path):
            if (since and time < since) or (until and time > until):
                continue
            if task.task_id in tasks:
                first = tasks[task.task_id].where
                raise RecordError(f"{task.where}: field 'question_id' repeats that of {first}; fetch the files again")
            tasks[task.task_id] = task
            digest.update(raw.strip() + b"\n")
    if not tasks:
        raise DataUnavailableError(
            f"{', '.join(map(str, files))}: no problem between {params.since} and {params.until}; "
            "correct evaluation.livecodebench"
        )
    return name, digest.hexdigest(), tasks


def read_tests(task: LiveTask) -> tuple[list[PublishedTest], str | None]:
    """A task's tests, public ones first; and the function that they call, None where programs read standard input.

    Raises:
        RecordError: they are broken.
    """
    with task.path.open("rb") as file:
        file.seek(task.offset)
        published = _parse(file.readline(), task.where)
    field = "public_test_cases"
    try:
        tests = decode_tests(published.public_test_cases)
        field = "private_test_cases"
        tests += decode_tests(published.private_test_cases)
        field = "metadata"
        function = dict(json.loads(published.metadata)).get("func_name")
        kind = "functional" if function else "stdin"
        if not tests or any(test.testtype != kind for test in tests):
            raise ValueError(f"not all tests are of kind {kind}, as it says")
    except (ValueError, TypeError) as error:
        raise RecordError(f"{task.where}: field '{field}': {error}; fetch the file again") from None
    return tests, function


def decode_tests(text: str) -> list[PublishedTest]:
    """Tests from a field `public_test_cases` or `private_test_cases`.

    Raises:
        ValueError: it is neither JSON of tests nor its packed form.
    """
    plain = text.lstrip()
    unpacked = plain if plain.startswith("[") else read_pickled_string(_decompress(text))
    try:
        return _TESTS.validate_json(unpacked)
    except ValidationError as error:
        raise ValueError(f"not a list of tests: {describe_validation_error(error)}") from None


def _decompress(text: str) -> bytes:
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(base64.b64decode(text, validate=True), MAX_TESTS)
    except (ValueError, zlib.error) as error:
        raise ValueError(f"neither JSON nor base64 of zlib data ({error})") from None
    if not stream.eof:
        raise ValueError(f"its zlib data is cut off, or longer than {MAX_TESTS} bytes")
    return data


class _PlainUnpickler(pickle.Unpickler):
    """Builds strings and other plain values; whatever a pickle would import or call is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"a pickle that wants {module}.{name}")


def read_pickled_string(data: bytes) -> str:
    r"""The string that a pickle consists of; nothing is imported or called.

    >>> read_pickled_string(pickle.dumps("tests"))
    'tests'

    Raises:
        ValueError: the pickle is broken, or holds anything else.
    """
    try:
        text = _PlainUnpickler(io.BytesIO(data)).load()
    except Exception as error:  # noqa: BLE001 - broken pickles raise nearly anything
        raise ValueError(f"a broken pickle ({error!r})") from None
    if not isinstance(text, str):
        raise ValueError(f"a pickle of a {type(text).__name__}, not of a string")
    return text


def _read_tasks(path: Path) -> Iterator[tuple[LiveTask, bytes, datetime]]:
    """Tasks with their lines and times, in the order of the file; no more than one line is held."""
    with path.open("rb") as file:
        offset = 0
        for number, raw in enumerate(file, 1):
            if raw.strip():
                found = _parse(raw, f"{path}:{number}")
                text = (found.question_content, found.starter_code, found.difficulty)
                task = LiveTask(f"LiveCodeBench/{found.question_id}", *text, path, number, offset)
                yield task, raw, found.contest_date.replace(tzinfo=None)
            offset += len(raw)


def _parse(raw: bytes, where: str) -> PublishedTask:
    try:
        return PublishedTask.model_validate_json(raw)
    except ValidationError as error:
        raise RecordError(f"{where}: {describe_validation_error(error)}; fetch the file again") from None
