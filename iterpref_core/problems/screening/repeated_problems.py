"""Compare the problems of several sets with each other and with benchmarks, before anything is computed with them.

Sets of problems are collections of one another. A problem repeats an earlier one if the exact forms of their statements
(`records.statement`) are equal. Names do not count: of two problems with one name, the later one gets another name.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from iterpref_core.records import InputError, Problem, exact_form, take_name
from iterpref_core.storage.dropped import Dropped, open_dropped
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl

from .benchmark_tasks import HELDOUT
from .contamination import CONTAMINATED, Decontamination
from .private_records import PrivateDataCount

_REPEATED = "repeated"


class CheckedProblems(NamedTuple):
    """The outcome of a comparison.

    Attributes:
        counts: `problems`, `repeated`, `contaminated`, `private/<reason>` and `license/<name>`; with a file to write,
            `kept`, and of these `renamed`.
        findings: sentences about repetitions and overlaps, each with examples.
    """

    counts: dict[str, int]
    findings: list[str]


def check_problems(
    files: Sequence[Path], against: Sequence[str], out: Path | None = None, dropped: Path | None = None
) -> CheckedProblems:
    """Compare the problems of files with earlier ones and with benchmarks.

    Args:
        files: JSONL of problems.
        against: names of benchmarks, or paths of their files.
        out: JSONL for the problems that repeat no earlier one and overlap with no benchmark; not written by default.
        dropped: JSONL for the others, each with its reason and partner (`storage.dropped`); not written by default.

    Raises:
        InputError: a file is absent, a line is broken, or a benchmark is not available.
    """
    if HELDOUT in against:
        raise InputError("--against heldout: for problems, name the file with the held-out ones")
    benchmarks = Decontamination(against, files[0])
    counts: Counter[str] = Counter(problems=0, repeated=0, contaminated=0)
    names: Counter[str] = Counter()
    private = PrivateDataCount("problems")
    # Hash of a statement → the first problem that has it.
    first: dict[int, str] = {}

    def compared() -> Iterator[Problem | Dropped]:
        rows = ((f"{path}:{line}", each) for path in files for line, each in enumerate(read_jsonl(path, Problem), 1))
        for where, problem in rows:
            counts["problems"] += 1
            counts[f"license/{problem.license or 'not stated'}"] += 1
            private.add(problem.task_id, problem)
            named = f"{problem.task_id} ({where})"
            partner = first.setdefault(hash(exact_form(problem.prompt)), named)
            reason, explanation = _REPEATED, "it has the statement of another"
            if partner is named:
                reason, explanation = "contaminated", CONTAMINATED
                partner = benchmarks.partner(problem)
            counts[reason] += bool(partner)
            yield Dropped(reason, where, problem.task_id, explanation, partner) if partner else problem

    def renamed(problem: Problem) -> Problem:
        """Return a problem under a name that is not in use."""
        name = take_name(problem.task_id, names)
        counts["kept"] += 1
        counts["renamed"] += name != problem.task_id
        return problem.model_copy(update={"task_id": name})

    with open_dropped(dropped) as drops:
        kept = drops.keep(compared())
        if out is not None:
            write_jsonl(out, map(renamed, kept))
        else:
            deque(kept, maxlen=0)
    findings = []
    repeated = [f"{row.task_id} ({row.where}) = {row.partner}" for row in drops.first() if row.reason == _REPEATED]
    if repeated:
        findings.append(f"{counts[_REPEATED]} problems repeat the statement of another, such as {', '.join(repeated)}")
    for name, overlap in benchmarks.overlaps.items():
        if overlap.pairs:
            some = ", ".join(overlap.examples)
            findings.append(f"{overlap.pairs} problems overlap with {name}, such as {some}")
    findings += [*benchmarks.looks(), *private.findings()]
    return CheckedProblems({**counts, **private.counts}, findings)
