"""Draw the splits from the feature tree, and add the problems that users ingested (stage `problems`)."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

from iterpref_core.records import (
    ConfigError,
    InputError,
    Params,
    Problem,
    ProblemsParams,
    ProblemsResult,
    RecordError,
    statement_digest,
    unknown_name,
)
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from iterpref_core.storage.own_pairs import has_pairs

from .compose import compose_problem, draw_combinations

SPLITS = ("student", "debugger", "codeflow", "validation", "heldout")
# The splits that a user's own problem may name; a problem that names none joins the first.
OWN_SPLITS = ("codeflow", "validation", "heldout")


def compose_splits(params: ProblemsParams) -> Iterator[Problem]:
    """Compose the problems of every split. Splits share no combination: held-out combinations are unseen in training.

    Raises:
        ConfigError: the splits ask for more combinations than can be drawn from the tree.
    """
    sizes = {split: getattr(params, split) for split in SPLITS}
    wanted = sum(sizes.values())
    drawn = list(islice(draw_combinations(Random(params.seed)), wanted))
    if len(drawn) < wanted:
        raise ConfigError(
            f"params.yaml: problems: {wanted} problems asked for in all, and the feature tree gives {len(drawn)}; "
            "lower the sizes of the splits"
        )
    combinations = iter(drawn)
    for split, size in sizes.items():
        for number in range(size):
            # A generator of its own for each problem: its wording and its tests depend on no other.
            random = Random(f"{params.seed}/{split}/{number}")
            yield compose_problem(next(combinations), f"{split}/{number}", split, random)


def read_ingested(folder: Path, taken: set[str]) -> Iterator[Problem]:
    """Stream users' own problems (`iterpref ingest --out problems/NAME.jsonl`), each in a split of `OWN_SPLITS`.

    Args:
        folder: folder with the JSONL files.
        taken: task_ids in use; grows by the ones read.

    Raises:
        RecordError: a line is broken, names another split, or a task_id occurs in two files.
    """
    for path in sorted(folder.glob("*.jsonl")):
        for problem in read_jsonl(path, Problem, unique=True):
            if problem.task_id in taken:
                raise RecordError(f"{path}: field 'task_id': {problem.task_id!r} is used by another file; rename it")
            if not problem.tests:
                raise RecordError(f"{path}: field 'tests' of {problem.task_id!r} is empty; every program would pass")
            taken.add(problem.task_id)
            yield problem.model_copy(update={"split": own_split(problem, str(path))})


def has_problems(split: str, params: ProblemsParams, ingested: Path) -> bool:
    """Return True if an experiment has problems of a split, composed ones or a user's own."""
    composed: int = getattr(params, split)
    return composed > 0 or any(problem.split == split for problem in read_ingested(ingested, set()))


def own_split(problem: Problem, where: str) -> str:
    """Return the split of a user's own problem.

    Args:
        problem: the problem.
        where: file, and line if known, for the message.

    Raises:
        RecordError: the problem's split is not in `OWN_SPLITS`.
    """
    split = OWN_SPLITS[0] if problem.split is None else problem.split
    if split not in OWN_SPLITS:
        message = unknown_name("split for own problems", split, OWN_SPLITS)
        raise RecordError(
            f"{where}: field 'split' of {problem.task_id!r}: {message}; without this field it is {OWN_SPLITS[0]!r}"
        )
    return split


def hold_out(problem: Problem, share: float) -> Problem:
    """Return the problem, moved to split `heldout` if the digest of its statement is among a share, 0 to 1.

    The decision does not depend on other problems, and all problems of one statement are on the same side. A problem
    that names its split stays in that split.
    """
    held_out = problem.split is None and position_of(problem) < share
    return problem.model_copy(update={"split": "heldout"}) if held_out else problem


def position_of(problem: Problem) -> float:
    """Return the digest of a statement as a number from 0 to 1: every tenth statement is below 0.1."""
    return int(statement_digest(problem.prompt), 16) / 2**64


def build_problems(params: Params, *, ingested: Path, own_pairs: Path, out: Path) -> ProblemsResult:
    """Compose and split the problems, and add the user's own (stage `problems`).

    Args:
        params: all parameters.
        ingested: folder of the user's own problems, in JSONL; may be empty.
        own_pairs: folder of the user's own pairs; with some, no problem is needed.
        out: the JSONL file of `Problem` to write.

    Raises:
        InputError: a user's file is broken, or a file of `dvc add` has not been fetched; or all files and splits are
            empty.
    """
    # In a clone without the data the experiment would go on without the user's problems.
    for path in sorted(ingested.glob("*.dvc")):
        if not path.with_suffix("").exists():
            raise InputError(f"{path.with_suffix('')}: is not here; run `dvc pull {path}`, or remove {path.name}")
    counts = dict.fromkeys((*SPLITS, "ingested"), 0)
    taken: set[str] = set()

    def counted() -> Iterator[Problem]:
        for problem in compose_splits(params.problems):
            taken.add(problem.task_id)
            counts[str(problem.split)] += 1
            yield problem
        for problem in read_ingested(ingested, taken):
            counts["ingested"] += 1
            counts[str(problem.split)] += 1
            yield problem
        if not taken and not has_pairs(own_pairs):
            raise InputError(
                f"{ingested}: no problem: no JSONL file in this folder holds one, and params.yaml composes none; run "
                f"`iterpref ingest FILE --format problems --out {ingested}/mine.jsonl`, raise "
                "problems.codeflow, or bring pairs: `iterpref init --pairs FILE`"
            )

    write_jsonl(out, counted())
    return ProblemsResult(problems=counts)
