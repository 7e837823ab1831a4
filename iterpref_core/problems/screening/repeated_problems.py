"""Compare the problems of several sets with each other and with benchmarks, before anything is computed with them.

Sets of problems are collections of one another. A problem repeats an earlier one if the exact forms of their statements
(`records.statement`) are equal. Names do not count: of two problems with one name, the later one gets another name.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.problems.screening.contamination import Decontamination
from iterpref_core.records import Problem, take_name
from iterpref_core.records.errors import InputError
from iterpref_core.records.statement import statement_digest
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl

_SHOWN = 5


@dataclass(frozen=True)
class CheckedProblems:
    """The outcome of a comparison.

    Attributes:
        counts: `problems`, `repeated`, `contaminated` and `license/<name>`; with a file to write, `kept`, and of these
            `renamed`.
        findings: sentences about repetitions and overlaps, each with examples.
    """

    counts: dict[str, float]
    findings: list[str]


def check_problems(files: Sequence[Path], against: Sequence[str], out: Path | None = None) -> CheckedProblems:
    """Compare the problems of files with earlier ones and with benchmarks.

    Args:
        files: JSONL of problems.
        against: names of benchmarks, or paths of their files.
        out: JSONL for the problems that repeat no earlier one and overlap with no benchmark; not written by default.

    Raises:
        InputError: a file is absent, a line is broken, or a benchmark is not available.
    """
    if "heldout" in against:
        raise InputError("--against heldout: for problems, name the file with the held-out ones")
    benchmarks = Decontamination(against, files[0], drop=False)
    counts: Counter[str] = Counter(problems=0, repeated=0, contaminated=0)
    licenses: Counter[str] = Counter()
    repeated: list[str] = []
    # Digest of a statement → the first problem that has it.
    first: dict[str, str] = {}
    names: Counter[str] = Counter()
    with ExitStack() as stack:
        written = stack.enter_context(atomic_writer(out)) if out is not None else None
        for path in files:
            for problem in read_jsonl(path, Problem):
                counts["problems"] += 1
                licenses[problem.license or "not stated"] += 1
                where = f"{problem.task_id} ({path.name})"
                partner = first.setdefault(statement_digest(problem.prompt), where)
                is_repeated = partner is not where
                contaminated = bool(benchmarks.find(problem.task_id, problem.prompt, problem.reference or ""))
                counts["contaminated"] += contaminated
                counts["repeated"] += is_repeated
                if is_repeated and len(repeated) < _SHOWN:
                    repeated.append(f"{where} = {partner}")
                if written is not None and not is_repeated and not contaminated:
                    name = take_name(problem.task_id, names)
                    written.write(problem.model_copy(update={"task_id": name}).to_json() + "\n")
                    counts["kept"] += 1
                    counts["renamed"] += name != problem.task_id
    findings = []
    if repeated:
        findings.append(f"{counts['repeated']} problems repeat the statement of another, such as {', '.join(repeated)}")
    for name, overlap in benchmarks.overlaps.items():
        if overlap.pairs:
            some = ", ".join(f"{example['pair']} = {example['task']}" for example in overlap.examples)
            findings.append(f"{overlap.pairs} problems overlap with {name}, such as {some}")
    named = {f"license/{name}": count for name, count in sorted(licenses.items())}
    return CheckedProblems({name: float(count) for name, count in (counts | named).items()}, findings)
