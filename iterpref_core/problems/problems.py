"""Stage `problems`: draw the splits from the feature tree and add what users ingested."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from iterpref_core.config import ProblemsParams
from iterpref_core.errors import ConfigError, InputError, RecordError, unknown_name
from iterpref_core.problems.composition import compose_problem, draw_combinations
from iterpref_core.problems.diversity import Diversity
from iterpref_core.problems.features import total_combinations
from iterpref_core.records import Problem
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl

SPLITS = ("student", "debugger", "codeflow", "validation", "heldout")
OWN_SPLITS = ("codeflow", "validation", "heldout")
"""Those that a user's own problem may name; one that names none is of the first."""


def synthesize(params: ProblemsParams) -> Iterator[Problem]:
    """Compose every split's problems. No combination is used twice, so held-out means unseen combinations.

    Raises:
        ConfigError: the splits ask for more combinations than the tree can be expected to yield.
    """
    sizes = {split: getattr(params, split) for split in SPLITS}
    if sum(sizes.values()) > total_combinations() // 4:
        raise ConfigError(
            f"params.yaml: problems: {sum(sizes.values())} problems asked for in all; "
            f"the feature tree serves at most {total_combinations() // 4}; lower the sizes of the splits"
        )
    combinations = draw_combinations(Random(params.seed), params.two_step_share)
    for split, size in sizes.items():
        for number in range(size):
            # A generator of its own for each problem: changing a test count leaves all other problems as they are.
            random = Random(f"{params.seed}/{split}/{number}")
            yield compose_problem(
                next(combinations), f"{split}/{number}", split, random, params.visible_tests, params.hidden_tests
            )


def read_ingested(folder: Path, taken: set[str]) -> Iterator[Problem]:
    """Users' own problems (`iterpref ingest --out problems/NAME.jsonl`), each of one of `OWN_SPLITS`.

    Args:
        folder: where their JSONL files are.
        taken: task_ids in use; grows by those that are read.

    Raises:
        RecordError: a line is broken, names another split, or a task_id stands in two files.
    """
    for path in sorted(folder.glob("*.jsonl")):
        for problem in read_jsonl(path, Problem, unique=True):
            if problem.task_id in taken:
                raise RecordError(f"{path}: field 'task_id': {problem.task_id!r} is used by another file; rename it")
            taken.add(problem.task_id)
            yield problem.model_copy(update={"split": own_split(problem, str(path))})


def own_split(problem: Problem, where: str) -> str:
    """The split of a user's own problem.

    Args:
        problem: the problem.
        where: file, and line where it is known, for the message.

    Raises:
        RecordError: it names a split that is none of `OWN_SPLITS`.
    """
    split = OWN_SPLITS[0] if problem.split is None else problem.split
    if split not in OWN_SPLITS:
        message = unknown_name("split for own problems", split, OWN_SPLITS)
        raise RecordError(
            f"{where}: field 'split' of {problem.task_id!r}: {message}; without this field it is {OWN_SPLITS[0]!r}"
        )
    return split


def build_problems(params: ProblemsParams, ingested: Path, out: Path) -> dict[str, float]:
    """Write `problems.jsonl`.

    Args:
        params: sizes of the splits, and seed.
        ingested: folder with users' JSONL problems; may be empty.
        out: the file to write.

    Returns:
        `problems/<split>`: how many each split has; `problems/ingested`; `combinations`: size of the tree; and, of what
        becomes trajectories, how many different `features` there are (see `Diversity.metrics`).

    Raises:
        InputError: a file of users is broken, or there is no problem at all.
    """
    diversity = Diversity()
    counts = {f"problems/{split}": 0.0 for split in SPLITS} | {"problems/ingested": 0.0}
    taken: set[str] = set()

    def count(problem: Problem) -> Problem:
        counts[f"problems/{problem.split}"] += 1
        if problem.split == "codeflow":
            diversity.add(problem)
        return problem

    def counted() -> Iterator[Problem]:
        for problem in synthesize(params):
            taken.add(problem.task_id)
            yield count(problem)
        for problem in read_ingested(ingested, taken):
            counts["problems/ingested"] += 1
            yield count(problem)
        if not taken:
            raise InputError(
                f"{ingested}: no problem: no JSONL file in this folder holds one, and params.yaml composes none; run "
                f"`iterpref ingest FILE --format jsonl --out {ingested}/mine.jsonl`, or raise problems.codeflow"
            )

    write_jsonl(out, counted())
    return counts | {"combinations": float(total_combinations())} | diversity.metrics()
