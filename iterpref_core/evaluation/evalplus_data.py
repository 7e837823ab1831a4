"""EvalPlus data (HumanEval+, MBPP+): the tasks of its published files."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from iterpref_core.errors import DataUnavailableError
from iterpref_core.input_files import open_input
from iterpref_core.screening.benchmark_files import find_benchmark
from iterpref_core.storage.file_digest import file_digest

DatasetName = Literal["humaneval", "mbpp"]
Suite = Literal["base", "plus"]


@dataclass(frozen=True, eq=False)
class EvalPlusTask:
    """A task. Its inputs are as JSON has them; see `inputs`."""

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    base_input: list[Any]
    plus_input: list[Any]
    atol: float

    @property
    def canonical_program(self) -> str:
        """The benchmark's own solution, as EvalPlus runs it."""
        return self.prompt + self.canonical_solution

    def has(self, suite: Suite) -> bool:
        """Whether there are tests of a suite."""
        return bool(self.base_input if suite == "base" else self.plus_input)

    def inputs(self, suite: Suite) -> list[Any]:
        """Arguments of each test. JSON has no tuples and sets: EvalPlus knows where MBPP means them."""
        inputs = self.base_input if suite == "base" else self.plus_input
        if not inputs or not self.task_id.startswith("Mbpp/"):
            return inputs
        from evalplus.data.mbpp import mbpp_deserialize_inputs

        return list(mbpp_deserialize_inputs(self.task_id, inputs))


def find_data(dataset: DatasetName) -> tuple[str, str, dict[str, EvalPlusTask]]:
    """Find a data set, downloading it where needed.

    Returns:
        Its name (an overriding file keeps its own), the file's SHA-256, and tasks by task_id.

    Raises:
        DataUnavailableError: it cannot be had here; the message names the variable that points at a file.
    """
    name, (path,), remedy = find_benchmark(dataset)
    try:
        with open_input(path) as lines:
            tasks = {task.task_id: task for task in (_task(json.loads(line)) for line in lines if line.strip())}
    except (ValueError, KeyError, TypeError) as error:
        raise DataUnavailableError(
            f"{path}: not a data set of EvalPlus ({type(error).__name__}: {error}); {remedy}"
        ) from None
    if not tasks:
        raise DataUnavailableError(f"{path}: holds no task; {remedy}")
    return name, file_digest(path), tasks


def _task(row: dict[str, Any]) -> EvalPlusTask:
    fields = {name: row[name] for name in EvalPlusTask.__dataclass_fields__}
    return EvalPlusTask(**fields | {"plus_input": row["plus_input"] or []})  # MbppPlus 0.2.0 writes "no input" as {}
