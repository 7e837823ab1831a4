"""Run the samples of a file against their problems' tests, for `iterpref execute`."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from iterpref_core.records import Inside, IoTest, Problem, RecordError, Result, Sample, StdinTest, question
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl
from iterpref_core.storage.sample_layouts import read_samples

from .comparison.expectations import expect
from .problem_programs import Admission, program_of, reference_outcomes, whole_program
from .protocol.programs import Program
from .running.engine import Engine

logger = logging.getLogger(__name__)

TEXT_TEST = IoTest(call="f(1)", expected="'hello'").to_json()


def _read_samples(path: Path, problems: dict[str, Problem]) -> Iterator[tuple[Problem, Sample]]:
    for where, sample in read_samples(path):
        # A sample of another file of problems
        if sample.task_id not in problems:
            raise RecordError(
                f"{where}: field 'task_id': no problem has the id {sample.task_id!r}; "
                "give the problems file that the samples were made for"
            )
        yield problems[sample.task_id], sample


def check_tests(problem: Problem, where: object, *, visible: bool = False) -> None:
    """Check that a problem has tests that can be run.

    Args:
        problem: the problem.
        where: its file, and perhaps its line.
        visible: a test must be visible.

    Raises:
        RecordError: it has no tests, or an expected value is not a literal.
    """
    # `problems.jsonl: problem 'one'`
    place = f"{where}: problem {problem.task_id!r}"
    tests = problem.tests + problem.hidden_tests
    if not (problem.tests if visible else tests):
        raise RecordError(f"{place}: field 'tests' is empty; a test is {IoTest.example}")
    if len({isinstance(test, StdinTest) for test in tests}) > 1:
        raise RecordError(
            f"{place}: field 'tests': tests of kind stdin among others: a program is a script, or it is called; make "
            "two problems of it"
        )
    for test in tests:
        if not isinstance(test, IoTest):
            continue
        try:
            expect(test.expected)
        except ValueError as error:
            raise RecordError(
                f"{place}: field 'expected' of test {test.call!r}: {error}; it is "
                f"a Python literal, so a text needs quotes: a test is {TEXT_TEST}"
            ) from None


def read_problems(path: Path) -> dict[str, Problem]:
    """Return the problems of a file by id, in its order, each with tests that can be run.

    Raises:
        RecordError: a broken line, a problem without tests, or an expected value that is not a literal.
    """
    problems = {}
    for problem in read_jsonl(path, Problem, unique=True):
        check_tests(problem, path)
        problems[problem.task_id] = problem
    return problems


@dataclass
class SampleCounts:
    """The counts of the samples of a file.

    Attributes:
        verdicts: how many have each verdict, the most frequent first.
        inside: how many were judged by tests that run inside, which a program can deceive.
        infra_error: the first sample with this verdict, and the reason; empty if no sample has it.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    inside: int = 0
    infra_error: str = ""

    @property
    def samples(self) -> int:
        """Return how many samples ran."""
        return self.verdicts.total()

    @property
    def failed(self) -> bool:
        """Return whether all samples are infrastructure errors."""
        return self.verdicts.keys() == {"infra_error"}


def execute_samples(problems: Path, samples: Path, out: Path, executor: Engine, inside: Inside) -> SampleCounts:
    """Run samples against their problems' tests, and write results in the order of the samples.

    The results hold no times, so that the same input gives the same bytes. The file appears whole or not at all.

    Args:
        problems: JSONL of `Problem`.
        samples: a file or folder that `read_samples` reads.
        out: where to write JSONL of `Result`.
        executor: runs the programs.
        inside: what becomes of problems with tests that run inside, `execution.inside`.

    Returns:
        The counts of the samples that ran.

    Raises:
        InputError: no problem is left to run.
        RecordError: no problems, a broken line, or a sample whose problem is not there.
        ExecutionError: the engine failed.
    """
    known = read_problems(problems)
    if not known:
        raise RecordError(f"{problems}: no problem is in the file; a line is {Problem.example}")
    # All samples are read before the first one runs, so that a broken line costs no time.
    pairs = list(_read_samples(samples, known))
    sampled = {problem.task_id: problem for problem, _ in pairs}
    admission = Admission(inside)
    admitted = list(admission.admit(sampled.values()))
    admission.tell(problems)
    pairs = [pair for pair in pairs if pair[0].task_id not in admission.refused]
    _tell_of_references(problems, admitted, executor)
    # The first sample of a task is 0.
    number: Counter[str] = Counter()
    counts = SampleCounts()
    with atomic_writer(out) as file:
        for (problem, _), outcome in executor.run_each(pairs, _sampled_program):
            task = problem.task_id
            # An outcome has facts that a result leaves out, such as times.
            facts = {name: fact for name, fact in vars(outcome).items() if name in Result.model_fields}
            file.write(Result(task_id=task, sample=number[task], **facts).to_json() + "\n")
            number[task] += 1
            counts.verdicts[outcome.verdict] += 1
            counts.inside += bool(outcome.inside)
            if outcome.verdict == "infra_error" and not counts.infra_error:
                counts.infra_error = f"{task}: {outcome.feedback}"
    return counts


def _tell_of_references(path: Path, problems: Sequence[Problem], executor: Engine) -> None:
    """Log how many references of problems fail their own tests, if some do."""
    outcomes = [(problem.task_id, outcome) for problem, outcome in reference_outcomes(problems, executor) if outcome]
    failing = [(task, outcome.feedback) for task, outcome in outcomes if outcome.verdict != "passed"]
    if failing:
        logger.warning(
            "%s: references: %s of %s fail their own tests, such as %s: %s; `iterpref ingest` leaves such problems out",
            *(path, f"{len(failing):,}", f"{len(outcomes):,}", *failing[0]),
        )


def _sampled_program(pair: tuple[Problem, Sample]) -> Program:
    problem, sample = pair
    return program_of(problem, whole_program(question(problem.prompt), sample))
