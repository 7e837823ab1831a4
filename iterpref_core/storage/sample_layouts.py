"""Read samples of programs, in this project's layout and as other harnesses write them."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

from iterpref_core.records import LinePlace, RecordError, Sample, open_input, parse_json_at, read_text

from .items import read_items
from .jsonl import parse_record

_OPENS_LISTS = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*(?:\[|null\b)")
_OF_POSITIONS = {164: ("HumanEval", 0), 500: ("Mbpp", 11)}
"""The number of tasks of a published set → the name in its ids, and the number of its first task."""


def read_samples(path: Path) -> Iterator[tuple[object, Sample]]:
    """Stream the samples of a file or folder, each with its place for messages.

    Args:
        path: JSONL of `Sample`; a file in another layout of `_rows_of`; bigcode-evaluation-harness's generations.json;
            or EvalPlus's folder, with programs such as `HumanEval_0/0.py`.

    Raises:
        RecordError: the layout is unknown, lists of programs are of unknown tasks, or a log has several filters.
    """
    if path.is_dir():
        yield from _read_folder(path)
        return
    with open_input(path) as file:
        lists = _OPENS_LISTS.match(file.read(4096))
    if lists:
        yield from _read_lists(path)
        return
    filters: dict[str, None] = {}
    with closing(read_items(path)) as items:
        for item in items:
            try:
                yield item.where, parse_record(item.where, item.text, Sample)
            except RecordError as error:
                value = parse_json_at(item.text, item.where)
                rows = _rows_of(value)
                # lm-evaluation-harness logs a task once for each filter.
                filters |= {value["filter"]: None} if rows and "filter" in value else {}
                if len(filters) > 1:
                    one = f"jq -c 'select(.filter == \"{next(iter(filters))}\")' {path} > one.jsonl"
                    raise RecordError(
                        f"{item.where}: the log has programs of the filters {' and '.join(filters)}, which are not "
                        f"samples of one model; choose: {one}"
                    ) from None
                if not rows:
                    raise RecordError(
                        f"{error}; with the names of your fields, this makes records: jq -c "
                        f"'{{task_id: .ID, solution: .CODE}}' {path}"
                    ) from None
                for row in rows:
                    yield item.where, parse_record(item.where, json.dumps(row), Sample)


def _rows_of(value: Any) -> list[Any]:
    """Return the samples in a value that another harness wrote, as rows; none if its layout is unknown.

    >>> _rows_of({"doc": {"task_id": 11}, "filtered_resps": [["def f(): ..."]]})
    [{'task_id': 'Mbpp/11', 'solution': 'def f(): ...'}]
    """
    match value:
        case {"eval": dict(tasks)}:  # eval_results.json of EvalPlus and BigCodeBench: its entries are rows
            return [*chain.from_iterable(tasks.values())]
        case {"doc": {"task_id": task}, "filtered_resps": [[*programs]]}:  # lm-evaluation-harness --log_samples
            name = f"Mbpp/{task}" if isinstance(task, int) else task
            return [{"task_id": name, "solution": program} for program in programs]
        case {"question_id": task, "code_list": [*programs]}:  # LiveCodeBench
            return [{"task_id": task, "solution": program} for program in programs]
        case {"task_id": task, "generation": program}:  # NeMo-Skills
            return [{"task_id": task, "solution": program}]
    return []


def _read_lists(path: Path) -> Iterator[tuple[object, Sample]]:
    """Stream generations.json: a list of programs for each task, by the task's position; null for none yet."""
    where = LinePlace(path, 1)
    tasks = parse_json_at(read_text(path), where)
    if len(tasks) not in _OF_POSITIONS:
        raise RecordError(
            f"{path}: lists of programs of {len(tasks)} tasks without ids, which are known for 164 (HumanEval) and 500 "
            'tasks (MBPP) alone; this names them: jq -c \'to_entries[] | {task_id: "HumanEval/\\(.key)", solution: '
            f".value[]?}}' {path} > samples.jsonl"
        )
    name, first = _OF_POSITIONS[len(tasks)]
    for number, programs in enumerate(tasks, first):
        for program in programs or ():
            row = {"task_id": f"{name}/{number}", "solution": program}
            yield where, parse_record(where, json.dumps(row), Sample)


def _read_folder(path: Path) -> Iterator[tuple[object, Sample]]:
    """Stream programs such as HumanEval_0/0.py: a folder for each task, with `_` for the `/` of its id."""
    # 2.py comes before 10.py.
    files = sorted(path.glob("*/*.py"), key=lambda file: (file.parent.name, len(file.name), file.name))
    if not files:
        raise RecordError(f"{path}: no program; a folder of samples has files such as HumanEval_0/0.py")
    for file in files:
        task_id = re.sub(r"^(HumanEval|Mbpp|BigCodeBench)_(?=\d+$)", r"\1/", file.parent.name)
        yield file, Sample(task_id=task_id, solution=read_text(file))
