r"""Sample formats: outputs of other harnesses, read as samples. The content tells the format, never a file's name.

| written by | looks like |
|---|---|
| this project, EvalPlus, BigCodeBench | rows with `task_id` and `solution` or `completion` |
| EvalPlus | a folder with a folder for each task, `HumanEval_0/0.py` |
| LiveCodeBench | rows with `question_id` and `code_list` |
| NeMo-Skills | rows with `task_id` and `generation`, an answer of a model |
| lm-evaluation-harness | rows with `doc` and `filtered_resps` (`--log_samples`) |
"""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

from pydantic import Field

from iterpref_core.records import Record, Sample
from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.storage.items import Item, read_items
from iterpref_core.storage.jsonl import parse_record

KNOWN = (
    "rows with task_id and solution or completion (EvalPlus, BigCodeBench), question_id and code_list (LiveCodeBench), "
    "task_id and generation (NeMo-Skills), doc and filtered_resps (lm-evaluation-harness); or a folder of EvalPlus, "
    "HumanEval_0/0.py"
)
_RAW_FILTERS = ("none", "take_first")
"""Filters of lm-evaluation-harness that leave a model's text as it is; the others have made programs of it."""


class GivenSample(NamedTuple):
    """A sample of a file. `is_answer`: its text is a model's answer, in which the program has to be found."""

    sample: Sample
    is_answer: bool = False


class _LiveCodeBenchRow(Record):
    """A row of LiveCodeBench's runner, or of the file that its custom evaluator reads."""

    example: ClassVar[str] = '{"question_id": "1873_A", "code_list": ["print(input())"]}'

    question_id: str
    code_list: tuple[str, ...]

    def samples(self) -> Iterator[GivenSample]:
        """Yield a sample for each program."""
        for program in self.code_list:
            yield GivenSample(Sample(task_id=self.question_id, solution=program))


class _NeMoRow(Record):
    """A row of NeMo-Skills. Its evaluator adds a `completion`, which is not read: the answer itself is."""

    example: ClassVar[str] = '{"task_id": "HumanEval/0", "generation": "```python\\n…```"}'

    task_id: str
    generation: str

    def samples(self) -> Iterator[GivenSample]:
        """Yield the answer."""
        yield GivenSample(Sample(task_id=self.task_id, solution=self.generation), is_answer=True)


class _Doc(Record):
    """The task within a row of lm-evaluation-harness. MBPP's ids are numbers there."""

    task_id: str | int

    @property
    def name(self) -> str:
        """Return the id of the task as EvalPlus spells it."""
        return f"Mbpp/{self.task_id}" if isinstance(self.task_id, int) else self.task_id


class _LmEvalRow(Record):
    """A row that lm-evaluation-harness writes with `--log_samples`."""

    example: ClassVar[str] = '{"doc": {"task_id": "HumanEval/0"}, "filter": "create_test", "filtered_resps": [["…"]]}'

    doc: _Doc
    filtered_resps: tuple[str | tuple[str, ...], ...]
    filter_name: str = Field("none", alias="filter")

    def samples(self) -> Iterator[GivenSample]:
        """Yield a sample for each program, or each raw text, which goes on with its task's prompt."""
        for response in self.filtered_resps:
            for text in [response] if isinstance(response, str) else response:
                if self.filter_name in _RAW_FILTERS:
                    yield GivenSample(Sample(task_id=self.doc.name, completion=text), is_answer=True)
                else:
                    yield GivenSample(Sample(task_id=self.doc.name, solution=text))


class _OwnRow(Sample):
    """A row of this project, of EvalPlus, or of BigCodeBench."""

    def samples(self) -> Iterator[GivenSample]:
        """Yield the sample."""
        yield GivenSample(Sample(task_id=self.task_id, solution=self.solution, completion=self.completion))


_Row = _OwnRow | _NeMoRow | _LmEvalRow | _LiveCodeBenchRow
_FORMATS: tuple[tuple[frozenset[str], type[_Row]], ...] = (
    (frozenset({"doc", "filtered_resps"}), _LmEvalRow),
    (frozenset({"question_id", "code_list"}), _LiveCodeBenchRow),
    (frozenset({"task_id", "solution"}), _OwnRow),
    (frozenset({"task_id", "generation"}), _NeMoRow),
    (frozenset({"task_id", "completion"}), _OwnRow),
)
"""Fields of a row → the record that reads it; the first one with all of its fields counts."""


def read_given_samples(path: Path, tasks: Collection[str]) -> list[GivenSample]:
    """Return the samples that a file or folder has for a benchmark; those of other tasks are passed over.

    Args:
        path: a file, packed or not, or a folder.
        tasks: the ids of the benchmark's tasks.

    Raises:
        InputError: no format that is known, or a broken row; the message names the formats, or the row.
    """
    if path.is_dir():
        return list(_read_folder(path, tasks))
    given: list[GivenSample] = []
    filters: set[str] = set()
    for item in read_items(path):
        row = _read_row(item)
        if isinstance(row, _LmEvalRow):
            filters.add(row.filter_name)
        given += row.samples()
    if len(filters) > 1:
        raise InputError(
            f"{path}: has the answers of each task once for each filter ({', '.join(sorted(filters))}); keep the rows "
            "of one filter"
        )
    return [each for each in given if each.sample.task_id in tasks]


def _read_row(item: Item) -> _Row:
    try:
        fields = json.loads(item.text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise RecordError(f"{item.where}: not a JSON object; samples are {KNOWN}")
    for names, record in _FORMATS:
        if names <= fields.keys():
            return parse_record(item.where, item.text, record)
    if "task_id" in fields:
        # The message of a sample without a program names the two fields.
        return parse_record(item.where, item.text, _OwnRow)
    present = ", ".join(sorted(fields)) or "no field"
    raise RecordError(f"{item.where}: no sample that is known (it has {present}); samples are {KNOWN}")


def _read_folder(path: Path, tasks: Collection[str]) -> Iterator[GivenSample]:
    """Yield the programs of a folder of EvalPlus: a folder for each task, a file for each of its programs.

    Raises:
        InputError: no folder has the name of a task.
    """
    found = False
    for task_id in tasks:
        folder = path / task_id.replace("/", "_")
        for file in sorted(folder.glob("*.py"), key=lambda file: (len(file.name), file.name)):
            found = True
            try:
                program = file.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise InputError(f"{file}: not UTF-8 ({error.reason}); save the file as UTF-8") from None
            yield GivenSample(Sample(task_id=task_id, solution=program))
    if not found:
        raise InputError(f"{path}: no program of a task, such as HumanEval_0/0.py, is here; samples are {KNOWN}")
