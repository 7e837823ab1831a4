"""Read a benchmark's file of published tasks into records."""

from typing import TypeVar

from iterpref_core.problems.screening.benchmark_files import find_benchmark
from iterpref_core.records import Published, Record, RecordError
from iterpref_core.storage.digests import file_digest
from iterpref_core.storage.jsonl import read_jsonl

R = TypeVar("R", bound=Record)


def read_tasks(
    published: Published,
    record: type[R],
) -> tuple[tuple[str, str], dict[str, R]]:
    """Read the tasks of a benchmark, downloading them where needed.

    Args:
        published: the data that the benchmark publishes.
        record: the class of a task, with a `task_id`.

    Returns:
        The data's name (a copy's file keeps its own) and SHA-256; and tasks by task_id, in the order of the file.

    Raises:
        DataUnavailableError: the file cannot be had here; the message names the variable that points at a copy.
        RecordError: a line is broken or repeats a task_id, or the file is empty.
    """
    name, (path,) = find_benchmark(published)
    tasks = {}
    for task in read_jsonl(path, record, unique=True):
        task_id = str(vars(task)["task_id"])
        tasks[task_id] = task
    if not tasks:
        raise RecordError(f"{path}: holds no task; set {published.variable} to a copy of {published.files[0]}")
    return (name, file_digest(path)), tasks
