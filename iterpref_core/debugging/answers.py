"""Answers on disk before they are used, so that a killed run asks for none of them again."""

from collections.abc import Container
from pathlib import Path
from types import TracebackType

from iterpref_core.debugging.journal import recover
from iterpref_core.records import Record


class Answer(Record):
    """What a model answered when a problem's sample of this number, from 0, was drawn; lengths in tokens."""

    task_id: str
    sample: int
    text: str
    prompt_tokens: int
    completion_tokens: int


class AnswerLog:
    """An append-only JSONL file of answers, and in memory those that have not been used.

    The lock of the run's journal guards this file too.

    Args:
        path: the file.
        finished: the task_ids whose answers are not needed any more.
    """

    def __init__(self, path: Path, finished: Container[str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("a+b")
        self._unused = {
            (answer.task_id, answer.sample): answer
            for _, answer in recover(self._file, Answer)
            if answer.task_id not in finished
        }

    def __contains__(self, key: tuple[str, int]) -> bool:
        return key in self._unused

    def append(self, answer: Answer) -> None:
        """Add an answer for good."""
        self._file.write(answer.to_json().encode() + b"\n")
        self._file.flush()
        self._unused[answer.task_id, answer.sample] = answer

    def pop(self, task_id: str, sample: int) -> Answer:
        """Use an answer: it stays in the file."""
        return self._unused.pop((task_id, sample))

    def __enter__(self) -> "AnswerLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
