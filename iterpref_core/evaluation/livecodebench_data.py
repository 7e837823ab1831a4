"""LiveCodeBench's problems: where its files come from, and one problem at a time out of them.

A release takes gigabytes, nearly all of it private tests. The files are read once for what is asked, and each
problem's tests again when its programs are run.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ValidationError

from iterpref_core.config import LiveCodeBenchParams, LiveCodeBenchRelease
from iterpref_core.errors import DataUnavailableError, RecordError, first_line
from iterpref_core.evaluation.livecodebench_tests import PublishedTest, decode_tests
from iterpref_core.records import Record
from iterpref_core.storage.jsonl import describe_validation_error

VARIABLE = "LIVECODEBENCH_PATH"
REPOSITORY = "livecodebench/code_generation_lite"
CONNECT_S = 8.0

_FILES = ("test.jsonl", *(f"test{number}.jsonl" for number in range(2, 7)))
FILES: dict[LiveCodeBenchRelease, tuple[str, ...]] = {
    "release_v1": _FILES[:1],
    "release_v2": _FILES[:2],
    "release_v3": _FILES[:3],
    "release_v4": _FILES[:4],
    "release_v5": _FILES[:5],
    "release_v6": _FILES[:6],
}
"""Each release adds a file to the one before; with 400, 511, 612, 713, 880 and 1,055 problems (its README)."""


def _check_time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


class PublishedTask(Record):
    """A line of the published files."""

    question_content: str
    platform: Literal["leetcode", "codeforces", "atcoder"]
    question_id: str
    contest_date: Annotated[str, AfterValidator(_check_time)]
    starter_code: str
    difficulty: Literal["easy", "medium", "hard"]
    public_test_cases: str
    private_test_cases: str
    metadata: str


@dataclass(frozen=True)
class LiveTask:
    """What is asked, and where its tests are: `offset` bytes into a file. Without `starter_code`, stdin is read."""

    task_id: str
    content: str
    starter_code: str
    platform: str
    difficulty: str
    path: Path
    line: int
    offset: int

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class LiveTests:
    """A task's tests, public ones first. `function` is what they call, or None if programs read standard input."""

    tests: tuple[PublishedTest, ...]
    function: str | None


@dataclass(frozen=True)
class LiveData:
    """The problems of a release and window; `sha256` is of exactly their lines."""

    name: str
    sha256: str
    tasks: tuple[LiveTask, ...]


def find_live_data(params: LiveCodeBenchParams) -> LiveData:
    """Find the problems, downloading them where needed.

    Raises:
        DataUnavailableError: they cannot be had here; the message names the variable that points at a copy.
        RecordError: a line is broken, or repeats a problem.
    """
    override = os.environ.get(VARIABLE)
    files = _given(Path(override), params.release) if override else _from_hub(params.release)
    name = Path(override).name if override and Path(override).is_file() else f"livecodebench-{params.release}"
    digest = hashlib.sha256()
    tasks: dict[str, LiveTask] = {}
    for path in files:
        for task, raw, time in _read_tasks(path):
            if (params.since and time < _midnight(params.since)) or (params.until and time > _midnight(params.until)):
                continue
            if task.task_id in tasks:
                first = tasks[task.task_id].where
                raise RecordError(f"{task.where}: field 'question_id' repeats that of {first}; fetch the files again")
            tasks[task.task_id] = task
            digest.update(raw)
    if not tasks:
        raise DataUnavailableError(
            f"{', '.join(map(str, files))}: no problem between {params.since} and {params.until}; "
            "correct evaluation.livecodebench"
        )
    return LiveData(name, digest.hexdigest(), tuple(tasks.values()))


def read_tests(task: LiveTask) -> LiveTests:
    """Read a task's tests.

    Raises:
        RecordError: they are broken.
    """
    with task.path.open("rb") as file:
        file.seek(task.offset)
        question = _parse(file.readline(), task.where)
    found: list[PublishedTest] = []
    for field in ("public_test_cases", "private_test_cases"):
        try:
            found += decode_tests(getattr(question, field))
        except ValueError as error:
            raise RecordError(f"{task.where}: field '{field}': {error}; fetch the file again") from None
    try:
        function = dict(json.loads(question.metadata)).get("func_name")
    except (ValueError, TypeError):
        raise RecordError(f"{task.where}: field 'metadata': not a JSON object; fetch the file again") from None
    kind = "functional" if function else "stdin"
    if not found or any(test.testtype != kind for test in found):
        raise RecordError(f"{task.where}: not all tests are of kind {kind}, as 'metadata' says; fetch the file again")
    return LiveTests(tuple(found), function)


def _read_tasks(path: Path) -> Iterator[tuple[LiveTask, bytes, datetime]]:
    """Tasks with their lines and times, in the order of the file; no more than one line is held."""
    with path.open("rb") as file:
        offset = 0
        for number, raw in enumerate(file, 1):
            if raw.strip():
                question = _parse(raw, f"{path}:{number}")
                task = LiveTask(
                    f"LiveCodeBench/{question.question_id}",
                    question.question_content,
                    question.starter_code,
                    question.platform,
                    question.difficulty,
                    path,
                    number,
                    offset,
                )
                yield task, raw.strip() + b"\n", datetime.fromisoformat(question.contest_date).replace(tzinfo=None)
            offset += len(raw)


def _midnight(day: str) -> datetime:
    """Where a day begins: the benchmark's runner takes no contest that is later on the last day of a window."""
    return datetime.fromisoformat(day)


def _parse(raw: bytes, where: str) -> PublishedTask:
    try:
        return PublishedTask.model_validate_json(raw)
    except ValidationError as error:
        raise RecordError(f"{where}: {describe_validation_error(error)}; fetch the file again") from None


def _given(path: Path, release: LiveCodeBenchRelease) -> tuple[Path, ...]:
    """A file as it is, or a folder's files of a release."""
    if path.is_file():
        return (path.resolve(),)
    files = tuple(path.resolve() / name for name in FILES[release])
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise DataUnavailableError(
            f"{VARIABLE}={path}: {release} needs {', '.join(missing)} there; fetch them from {_url()}, "
            "name one file, or unset the variable"
        )
    return files


def _from_hub(release: LiveCodeBenchRelease) -> tuple[Path, ...]:
    """The release's files from the hub's cache, or downloaded into it."""
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache

    cached = [try_to_load_from_cache(REPOSITORY, name, repo_type="dataset") for name in FILES[release]]
    if all(isinstance(path, str) for path in cached):
        return tuple(Path(str(path)) for path in cached)
    try:
        # Asked first, since a download is tried for half a minute where there is no network.
        revision = HfApi().dataset_info(REPOSITORY, timeout=CONNECT_S).sha
        paths = [hf_hub_download(REPOSITORY, name, repo_type="dataset", revision=revision) for name in FILES[release]]
    except Exception as error:  # noqa: BLE001 - its library lets through the errors of what it speaks HTTP with
        reason = first_line(error)
        raise DataUnavailableError(
            f"LiveCodeBench {release} is neither cached here nor could it be downloaded ({reason}); "
            f"set {VARIABLE} to a folder with {', '.join(FILES[release])} from {_url()}"
        ) from None
    return tuple(map(Path, paths))


def _url() -> str:
    return f"https://huggingface.co/datasets/{REPOSITORY}"
