"""Scoring of sample files against their problems' tests: the work of `iterpref execute`."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from iterpref_core.errors import RecordError
from iterpref_core.execution.comparison.expectations import expect
from iterpref_core.execution.protocol.programs import Outcome, Program
from iterpref_core.execution.running.engine import Engine
from iterpref_core.input_files import LinePlace
from iterpref_core.prompt_messages import question
from iterpref_core.records import IoTest, Problem, Result, Sample, StdinTest, Test
from iterpref_core.source_code.syntax_tree import parse_source
from iterpref_core.storage.jsonl import atomic_writer, parse_lines, parse_record, read_jsonl

logger = logging.getLogger(__name__)

TEXT_TEST = IoTest(call="f(1)", expected="'hello'").to_json()


def begins_program(prompt: str) -> bool:
    r"""Return whether a prompt is the beginning of a program, so that a completion goes on with it; else it is prose.

    >>> begins_program("def f(x):\n    'Add 1.'\n"), begins_program("Write f(x), which adds 1.")
    (True, False)
    """
    for ending in ("", "\n    pass", "\n\tpass", "\n        pass"):
        try:
            return bool(parse_source(prompt + ending).body)
        except SyntaxError:
            continue
    return False


def whole_program(begun: str, sample: Sample) -> str:
    """Return the program that a sample stands for; a `completion` goes on with the prompt, unless that is prose."""
    if sample.solution is not None:
        return sample.solution
    completion = sample.completion or ""
    return begun + completion if begins_program(begun) else completion


def warn_of_prose(path: Path, completed: Mapping[str, str]) -> None:
    """Say that completions were taken as whole programs.

    Args:
        path: the file of samples.
        completed: task_id → prompt, of the samples with a completion.
    """
    prose = [task_id for task_id, prompt in completed.items() if prompt and not begins_program(prompt)]
    if prose:
        logger.warning(
            "%s: %s tasks have a completion of a prompt in prose, such as %s: each is run as a whole program; "
            "give whole programs in field 'solution'",
            path,
            f"{len(prose):,}",
            prose[0],
        )


def make_program(problem: Problem, code: str, tests: tuple[Test, ...]) -> Program:
    """Return a program with some tests of its problem, and with the problem's time limit for each of them."""
    limit = problem.time_limit_s
    setup = problem.setup or ""
    if limit is None:
        return Program(code, tests, setup)
    # Each stdin test has a process of its own. All other tests share one, which may take the time of all of them.
    if any(isinstance(test, StdinTest) for test in tests):
        return Program(code, tests, setup, cpu_s=limit)
    limit_of_all = limit * len(tests)
    return Program(code, tests, setup, cpu_s=limit_of_all, test_cpu_s=limit)


def program_of(problem: Problem, sample: Sample) -> Program:
    """Return a sample with all of its problem's tests, the hidden ones last."""
    code = whole_program(question(problem.prompt), sample)
    return make_program(problem, code, problem.tests + problem.hidden_tests)


def _read_samples(path: Path, problems: dict[str, Problem]) -> Iterator[tuple[Problem, Sample]]:
    for number, text in parse_lines(path):
        sample = parse_record(LinePlace(path, number), text, Sample)
        if sample.task_id not in problems:
            raise RecordError(
                f"{path}:{number}: field 'task_id': no problem has the id {sample.task_id!r}; "
                "give the problems file that the samples were made for"
            )
        yield problems[sample.task_id], sample


def check_tests(problem: Problem, where: object, *, visible: bool = False) -> None:
    """Tell whether a problem has tests that can be run.

    Args:
        problem: the problem.
        where: it stands: its file, and perhaps its line.
        visible: whether one of them must be visible.

    Raises:
        RecordError: it has none, or an expected value is no literal.
    """
    place = f"{where}: problem {problem.task_id!r}"
    tests = problem.tests + problem.hidden_tests
    if not (problem.tests if visible else tests):
        raise RecordError(f"{place}: field 'tests' is empty; a test is {IoTest.example}")
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
        RecordError: a broken line, a problem without tests, or an expected value that is no literal.
    """
    problems = {}
    for problem in read_jsonl(path, Problem, unique=True):
        check_tests(problem, path)
        problems[problem.task_id] = problem
    return problems


def execute_samples(problems: Path, samples: Path, out: Path, executor: Engine) -> int:
    """Run samples against their problems' tests, and write results in the order of the samples.

    The results hold no times, so that the same input gives the same bytes. The file appears whole or not at all.

    Args:
        problems: JSONL of `Problem`.
        samples: JSONL of `Sample`.
        out: where to write JSONL of `Result`.
        executor: runs the programs.

    Returns:
        The number of samples.

    Raises:
        RecordError: a broken line, or a sample whose problem is not there.
        ExecutionError: the engine failed.
    """
    known = read_problems(problems)
    # All are read before anything runs: a broken line costs nothing.
    pairs = list(_read_samples(samples, known))
    begun = {}
    for problem, sample in pairs:
        if sample.solution is None:
            begun[problem.task_id] = question(problem.prompt)
    warn_of_prose(samples, begun)
    counts: Counter[str] = Counter()
    outcomes = executor.run_each(pairs, lambda pair: program_of(*pair))
    with atomic_writer(out) as file:
        for (problem, _), outcome in outcomes:
            task = problem.task_id
            result = _result(task, counts[task], outcome)
            file.write(result.to_json() + "\n")
            counts[task] += 1
    return counts.total()


def _result(task_id: str, sample: int, outcome: Outcome) -> Result:
    # An outcome has facts that a result leaves out, such as times.
    facts = vars(outcome)
    names = facts.keys() & Result.model_fields.keys()
    known = {name: facts[name] for name in names}
    return Result(task_id=task_id, sample=sample, **known)


def reference_outcomes(problems: Iterable[Problem], executor: Engine) -> Iterator[tuple[Problem, Outcome | None]]:
    """Run each problem's own reference and yield the outcomes, in the order of the problems.

    None where there is nothing to run: no reference, or no test.

    Raises:
        ExecutionError: the engine failed.
    """

    def run(problem: Problem) -> Outcome | None:
        has_tests = bool(problem.tests or problem.hidden_tests)
        if problem.reference is None or not has_tests:
            return None
        sample = Sample(task_id=problem.task_id, solution=problem.reference)
        return executor.run_one(program_of(problem, sample))

    return executor.each(problems, run)
