"""Inject known bugs into references, to make pairs with a known error region.

The failing program is a mutant of a problem's reference that fails the tests; the passing one is the reference. Both
are written by `ast.unparse`, so that they do not differ in layout.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from iterpref_core.execution import Engine, Program, program_of, reference_outcomes, time_limit
from iterpref_core.programs.source_code.line_diff import locate_error
from iterpref_core.programs.source_code.mutants import mutants_of
from iterpref_core.programs.source_code.syntax_tree import parse_source
from iterpref_core.records import InputError, PreferencePair, Problem
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl
from iterpref_core.storage.progress import watch

from ..screening.benchmark_tasks import HELDOUT
from ..screening.contamination import Decontamination
from .mutation_score import MUTANT_FLOOR_S

METHOD = "injected"
_FATES = {"passed": "equivalent", "infra_error": "not_run"}
"""Verdict on a mutant → why it gives no pair."""


def inject_bugs(problems: Path, out: Path, executor: Engine, mutations: int) -> Counter[str]:
    """Write pairs with injected bugs and their true regions; the file appears whole.

    Args:
        problems: JSONL of problems with references and tests; held-out ones are left out.
        out: JSONL of pairs to write, several to a problem: `<task_id>#<number of the mutant>`.
        executor: runs references and mutants, with hidden tests.
        mutations: largest number of mutants of each reference; the problem's id decides the choice.

    Returns:
        `problems` read, `pairs` written; `mutants/equivalent`, which pass all tests, and `mutants/not_run`;
        `dropped/<reason>` of problems without mutants, of other splits (`Problem.gives_pairs`), and of
        `contaminated` ones, which overlap with a held-out problem.

    Raises:
        RecordError: a line is broken.
        InputError: no pair can be made.
        ExecutionError: the engine failed.
    """
    counts = Counter(problems=0, pairs=0)
    bugs = list(_bugs(problems, executor, mutations, counts))
    with atomic_writer(out) as file:
        for (pair, _), outcome in watch("inject", len(bugs), executor.run_each(bugs, lambda bug: bug[1])):
            if outcome.verdict in _FATES:
                counts[f"mutants/{_FATES[outcome.verdict]}"] += 1
                continue
            counts["pairs"] += 1
            # One node of the tree differs, so the lines outside the LCS are exactly the change.
            region = locate_error(pair.rejected or "", pair.chosen)
            true = {"rejected_spans": region.rejected, "chosen_spans": region.chosen, "localization": METHOD}
            file.write(pair.model_copy(update=true).to_json() + "\n")
        if not counts["pairs"]:
            shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "it is empty"
            raise InputError(
                f"{problems}: no bug that the tests catch ({shown}); give problems with references, of the split "
                "'codeflow' or without a split"
            )
    return counts


def _bugs(
    problems: Path, executor: Engine, mutations: int, counts: Counter[str]
) -> Iterator[tuple[PreferencePair, Program]]:
    """Yield the mutants of the references that pass their tests, as pairs, and each to be run."""
    heldout = Decontamination([HELDOUT], problems, pass_over=True)

    def taken() -> Iterator[Problem]:
        for problem in read_jsonl(problems, Problem, unique=True):
            counts["problems"] += 1
            if problem.gives_pairs:
                yield problem
            else:
                counts["dropped/other_split"] += 1

    for problem, outcome in reference_outcomes(taken(), executor):
        if outcome is None or outcome.verdict != "passed":
            reason = "no_reference_or_tests" if outcome is None else "reference_fails"
            counts[f"dropped/{reason}"] += 1
            continue
        reference = problem.reference or ""
        pair = PreferencePair(
            task_id=problem.task_id,
            prompt=problem.prompt,
            chosen=ast.unparse(parse_source(reference)) + "\n",
            rejected="",
            problem_id=problem.task_id,
            license=problem.license,
            provenance=problem.provenance,
        )
        # Two functions of one project may be nearly equal, and one of them held out.
        if heldout.partner(pair):
            counts["dropped/contaminated"] += 1
            continue
        limit_s = min(executor.limits.cpu_s, time_limit(MUTANT_FLOOR_S, outcome.cpu_s))
        for number, mutant in enumerate(mutants_of(reference, mutations, problem.task_id)):
            update = {"task_id": f"{problem.task_id}#{number}", "rejected": mutant.code}
            yield pair.model_copy(update=update), replace(program_of(problem, mutant.code), cpu_s=limit_s)
