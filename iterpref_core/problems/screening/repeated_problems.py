"""Compare the problems of several sets with each other and with benchmarks, before anything is computed with them.

Sets of problems are collections of one another. A problem repeats an earlier one if the exact forms of their statements
(`records.statement`) are equal. Names do not count: of two problems with one name, the later one gets another name.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.problems.screening.contamination import CONTAMINATED, Decontamination, closest
from iterpref_core.problems.screening.private_records import PrivateDataCount
from iterpref_core.records import Problem, take_name
from iterpref_core.records.errors import InputError
from iterpref_core.records.statement import statement_digest
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl
from iterpref_core.storage.left_out import Dropped, open_left_out


@dataclass(frozen=True)
class CheckedProblems:
    """The outcome of a comparison.

    Attributes:
        counts: `problems`, `repeated`, `contaminated`, `private/<reason>` and `license/<name>`; with a file to write,
            `kept`, and of these `renamed`.
        findings: sentences about repetitions and overlaps, each with examples.
    """

    counts: dict[str, float]
    findings: list[str]


def check_problems(
    files: Sequence[Path], against: Sequence[str], out: Path | None = None, dropped: Path | None = None
) -> CheckedProblems:
    """Compare the problems of files with earlier ones and with benchmarks.

    Args:
        files: JSONL of problems.
        against: names of benchmarks, or paths of their files.
        out: JSONL for the problems that repeat no earlier one and overlap with no benchmark; not written by default.
        dropped: JSONL for the others, each with its reason and partner (`storage.left_out`); not written by default.

    Raises:
        InputError: a file is absent, a line is broken, or a benchmark is not available.
    """
    if "heldout" in against:
        raise InputError("--against heldout: for problems, name the file with the held-out ones")
    benchmarks = Decontamination(against, files[0])
    counts: Counter[str] = Counter(problems=0, repeated=0, contaminated=0)
    licenses: Counter[str] = Counter()
    names: Counter[str] = Counter()
    private = PrivateDataCount("problems")
    with ExitStack() as stack:
        written = stack.enter_context(atomic_writer(out)) if out is not None else None
        left_out = stack.enter_context(open_left_out(dropped))
        for problem, row in _compare(files, benchmarks):
            counts["problems"] += 1
            licenses[f"license/{problem.license or 'not stated'}"] += 1
            private.add(problem.task_id, problem)
            # A problem is left out, or kept under a name that is not in use.
            if row is not None:
                counts[row.reason] += 1
                left_out.add(row)
            elif written is not None:
                name = take_name(problem.task_id, names)
                written.write(problem.model_copy(update={"task_id": name}).to_json() + "\n")
                counts["kept"] += 1
                counts["renamed"] += name != problem.task_id
    findings = []
    repeated = [f"{row.task_id} ({row.where}) = {row.partner}" for row in left_out.first() if row.reason == "repeated"]
    if repeated:
        findings.append(f"{counts['repeated']} problems repeat the statement of another, such as {', '.join(repeated)}")
    for name, overlap in benchmarks.overlaps.items():
        if overlap.pairs:
            some = ", ".join(f"{example['pair']} = {example['task']}" for example in overlap.examples)
            findings.append(f"{overlap.pairs} problems overlap with {name}, such as {some}")
    findings += private.findings()
    every = {**counts, **private.counts, **dict(sorted(licenses.items()))}
    return CheckedProblems({name: float(count) for name, count in every.items()}, findings)


def _compare(files: Sequence[Path], benchmarks: Decontamination) -> Iterator[tuple[Problem, Dropped | None]]:
    """Yield each problem, and the reason why it is left out, if there is one."""
    # Digest of a statement → the first problem that has it.
    first: dict[str, str] = {}
    for path in files:
        for number, problem in enumerate(read_jsonl(path, Problem), start=1):
            where = f"{path}:{number}"
            named = f"{problem.task_id} ({where})"
            partner = first.setdefault(statement_digest(problem.prompt), named)
            if partner is not named:
                yield problem, Dropped("repeated", where, problem.task_id, "it has the statement of another", partner)
                continue
            task = closest(benchmarks.find(problem.task_id, problem.prompt, problem.reference or ""))
            yield problem, Dropped("contaminated", where, problem.task_id, CONTAMINATED, task) if task else None
