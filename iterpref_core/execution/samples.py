"""Scoring of sample files against their problems' tests: what `iterpref execute` does."""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from iterpref_core.errors import RecordError
from iterpref_core.execution.engine import Engine
from iterpref_core.execution.programs import Outcome, Program
from iterpref_core.execution.steps import expect
from iterpref_core.input_files import Place, read_text
from iterpref_core.records import IoTest, Problem, Result, Sample
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.jsonl import atomic_writers, parse_lines, parse_record, read_jsonl
from iterpref_core.storage.run_store import RunStore, digest

TEXT_TEST = IoTest(call="f(1)", expected="'hello'").to_json()


def program_of(problem: Problem, sample: Sample) -> Program:
    """A sample with all of its problem's tests, the hidden ones last."""
    code = sample.solution if sample.solution is not None else problem.prompt + (sample.completion or "")
    return Program(code, problem.tests + problem.hidden_tests, problem.setup or "")


def _read_samples(path: Path, problems: dict[str, Problem]) -> Iterator[tuple[Problem, Sample]]:
    for number, text in parse_lines(path):
        sample = parse_record(Place(path, number), text, Sample)
        if sample.task_id not in problems:
            raise RecordError(
                f"{path}:{number}: field 'task_id': no problem has the id {sample.task_id!r}; "
                "give the problems file that the samples were made for"
            )
        yield problems[sample.task_id], sample


def check_tests(problem: Problem, where: object, *, visible: bool = False) -> None:
    """Whether a problem has tests that can be run.

    Args:
        problem: the problem.
        where: it stands: its file, and perhaps its line.
        visible: whether one of them must be visible.

    Raises:
        RecordError: it has none, or an expected value is no literal.
    """
    if not problem.tests + (() if visible else problem.hidden_tests):
        raise RecordError(f"{where}: problem {problem.task_id!r}: field 'tests' is empty; a test is {IoTest.example}")
    for test in problem.tests + problem.hidden_tests:
        if isinstance(test, IoTest):
            try:
                expect(test.expected)
            except ValueError as error:
                raise RecordError(
                    f"{where}: problem {problem.task_id!r}: field 'expected' of test {test.call!r}: {error}; it is "
                    f"Python, in which a text has quotes of its own: a test is {TEXT_TEST}"
                ) from None


def read_problems(path: Path) -> dict[str, Problem]:
    """The problems of a file by id, in its order, each with tests that can be run.

    Raises:
        RecordError: a broken line, a problem without tests, or an expected value that is no literal.
    """
    problems = {problem.task_id: problem for problem in read_jsonl(path, Problem, unique=True)}
    for problem in problems.values():
        check_tests(problem, path)
    return problems


def _key(place: int, sample: Sample) -> str:
    """What a sample's outcome is kept under: the same text twice is run twice."""
    return f"{place} {digest(sample.to_json())}"


def _run_rest(pairs: Iterable[tuple[Problem, Sample]], executor: Engine, store: RunStore) -> None:
    """Run the samples that the store has no outcome of, and keep theirs."""
    waiting: deque[str] = deque()

    def programs() -> Iterator[Program]:
        for place, (problem, sample) in enumerate(pairs):
            if (key := _key(place, sample)) not in store:
                waiting.append(key)
                yield program_of(problem, sample)

    for outcome in executor.run(programs()):
        store[waiting.popleft()] = asdict(outcome)


def _write(samples: Iterable[Sample], store: RunStore, out: Path, timings: Path | None) -> int:
    """Turn the outcomes into the results, and the timings if they are wanted."""
    counts: dict[str, int] = {}
    with atomic_writers(out, timings) as (results, times):
        assert results is not None
        for place, sample in enumerate(samples):
            outcome = Outcome(**store[_key(place, sample)])
            serial = counts.get(sample.task_id, 0)
            counts[sample.task_id] = serial + 1
            results.write(_result(sample.task_id, serial, outcome).to_json() + "\n")
            if times is not None:
                times.write(json.dumps({"task_id": sample.task_id, "sample": serial} | _timing(outcome)) + "\n")
    return sum(counts.values())


def execute_samples(problems: Path, samples: Path, out: Path, timings: Path | None, executor: Engine) -> int:
    """Run samples against their problems' tests; results in the order of the samples.

    The results hold no times, so that the same input gives the same bytes. Memory does not grow with the number of
    samples. Both files appear whole or not at all. A run that was interrupted goes on where it stopped, if problems,
    limits, isolation and code are the same: until the results are written, a hidden file beside them holds what is
    done.

    Args:
        problems: JSONL of `Problem`.
        samples: JSONL of `Sample`.
        out: where to write JSONL of `Result`.
        timings: where to write CPU and real seconds, one object a line in the same order; None for nowhere.
        executor: runs the programs.

    Returns:
        How many samples there are.

    Raises:
        RecordError: a broken line, or a sample whose problem is not there.
        ExecutionError: the engine failed.
    """
    known = read_problems(problems)
    for _ in _read_samples(samples, known):  # to its end before anything runs: a broken line costs nothing
        pass
    code = code_digest("iterpref_core.execution")
    identity = digest(f"{read_text(problems)} {executor.limits} {executor.isolation} {code}")
    with RunStore(out.with_name(f".{out.name}.unfinished.sqlite"), identity) as store:
        _run_rest(_read_samples(samples, known), executor, store)
        total = _write((sample for _, sample in _read_samples(samples, known)), store, out, timings)
        store.remove()
    return total


def _result(task_id: str, serial: int, outcome: Outcome) -> Result:
    return Result(
        task_id=task_id,
        sample=serial,
        verdict=outcome.verdict,
        feedback=outcome.feedback,
        tests_passed=outcome.tests_passed,
        tests_total=outcome.tests_total,
        isolation=outcome.isolation,
    )


def _timing(outcome: Outcome) -> dict[str, float | bool]:
    return {"cpu_s": outcome.cpu_s, "wall_s": outcome.wall_s, "retried": outcome.retried}


def reference_outcomes(problems: Iterable[Problem], executor: Engine) -> Iterator[tuple[Problem, Outcome | None]]:
    """What happens to each problem's own reference, in the order of the problems; streams.

    None where there is nothing to run: no reference, or no test.

    Raises:
        ExecutionError: the engine failed.
    """
    waiting: deque[tuple[Problem, bool]] = deque()

    def programs() -> Iterator[Program]:
        for problem in problems:
            runs = problem.reference is not None and bool(problem.tests + problem.hidden_tests)
            waiting.append((problem, runs))
            if runs:
                yield program_of(problem, Sample(task_id=problem.task_id, solution=problem.reference))

    for outcome in executor.run(programs()):
        yield from _without_run(waiting)
        yield waiting.popleft()[0], outcome
    yield from _without_run(waiting)


def _without_run(waiting: deque[tuple[Problem, bool]]) -> Iterator[tuple[Problem, None]]:
    while waiting and not waiting[0][1]:
        yield waiting.popleft()[0], None
