r"""Sample formats: outputs of other harnesses, read as samples. The content tells the format, never a file's name.

| written by | looks like |
|---|---|
| this project, EvalPlus, BigCodeBench | rows with `task_id` and `solution` or `completion` |
| EvalPlus | a folder with a folder for each task, `HumanEval_0/0.py` |
| bigcode-evaluation-harness | `generations.json`: a list for each task, in the benchmark's order, of whole programs |
| LiveCodeBench | rows with `question_id` and `code_list` |
| NeMo-Skills | rows with `task_id` and `generation`, an answer of a model |
| lm-evaluation-harness | rows with `doc` and `filtered_resps` (`--log_samples`) |
"""

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from iterpref_core.records import Record, Sample
from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.storage.items import Item, read_items
from iterpref_core.storage.jsonl import parse_record

KNOWN = (
    "rows with task_id and solution or completion (EvalPlus, BigCodeBench), question_id and code_list (LiveCodeBench), "
    "task_id and generation (NeMo-Skills), doc and filtered_resps (lm-evaluation-harness); generations.json of "
    "bigcode-evaluation-harness; or a folder of EvalPlus, HumanEval_0/0.py"
)
_GENERATIONS = {"humaneval": ("HumanEval", 0, 164), "mbpp": ("Mbpp", 11, 500)}
"""Benchmark without its plus → beginning of the ids, first id and number of the tasks that bigcode's harness asks.

Its MBPP is the test split of the original data: 11 to 510.
"""
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


def read_given_samples(path: Path, benchmark: str, tasks: Collection[str]) -> list[GivenSample]:
    """Return the samples that a file or folder has for a benchmark; those of other tasks are passed over.

    Args:
        path: a file, packed or not, or a folder.
        benchmark: the benchmark's name, which decides about files without ids.
        tasks: the ids of its tasks.

    Raises:
        InputError: no format that is known, or a broken row; the message names the formats, or the row.
    """
    if path.is_dir():
        return list(_read_folder(path, tasks))
    given: list[GivenSample] = []
    positions = rows = 0
    filters: set[str] = set()
    for item in read_items(path):
        fields = _fields_of(item)
        if isinstance(fields, list):
            given += _read_generations(item, fields, benchmark, positions)
            positions += 1
            continue
        rows += 1
        row = _read_row(item, fields)
        if isinstance(row, _LmEvalRow):
            filters.add(row.filter_name)
        given += row.samples()
    if len(filters) > 1:
        raise InputError(
            f"{path}: has the answers of each task once for each filter ({', '.join(sorted(filters))}); keep the rows "
            "of one filter"
        )
    if positions:
        _check_positions(path, benchmark, positions, rows)
    return [each for each in given if each.sample.task_id in tasks]


def _fields_of(item: Item) -> Mapping[str, Any] | list[Any]:
    try:
        fields = json.loads(item.text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict | list):
        raise RecordError(f"{item.where}: not a JSON object; samples are {KNOWN}")
    return fields


def _read_row(item: Item, fields: Mapping[str, Any]) -> _Row:
    for names, record in _FORMATS:
        if names <= fields.keys():
            return parse_record(item.where, item.text, record)
    if "task_id" in fields:
        # The message of a sample without a program names the two fields.
        return parse_record(item.where, item.text, _OwnRow)
    present = ", ".join(sorted(fields)) or "no field"
    raise RecordError(f"{item.where}: no sample that is known (it has {present}); samples are {KNOWN}")


def _read_generations(item: Item, programs: list[Any], benchmark: str, position: int) -> Iterator[GivenSample]:
    """Yield the programs of one task, whose place in the file is all that is known of it."""
    if benchmark.rstrip("+") not in _GENERATIONS:
        raise RecordError(
            f"{item.where}: a list without ids, as bigcode-evaluation-harness writes them, is known for "
            f"{' and '.join(_GENERATIONS)} alone, and not for {benchmark}; give {KNOWN}"
        )
    prefix, first, _ = _GENERATIONS[benchmark.rstrip("+")]
    for program in programs:
        if not isinstance(program, str):
            raise RecordError(f"{item.where}: a list of something else than programs; samples are {KNOWN}")
        yield GivenSample(Sample(task_id=f"{prefix}/{first + position}", solution=program))


def _check_positions(path: Path, benchmark: str, positions: int, rows: int) -> None:
    """Refuse a file whose lists do not tell which tasks they are of.

    Raises:
        InputError: it has not a list for each task of the benchmark, or rows with ids, too.
    """
    _, _, total = _GENERATIONS[benchmark.rstrip("+")]
    if positions != total or rows:
        raise InputError(
            f"{path}: {positions} lists of programs, and {benchmark.rstrip('+')} has {total} tasks in "
            "bigcode-evaluation-harness: which tasks these are is not known; run it without --limit"
        )


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
