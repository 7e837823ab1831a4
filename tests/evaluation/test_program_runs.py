"""Samples run in turn, and a killed run goes on where it stopped."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path

import pytest

from iterpref_core.evaluation.program_runs import (
    Candidate,
    Journals,
    ProgramRun,
    own_solutions,
    run_all,
    run_candidates,
    single,
)
from iterpref_core.execution import Outcome, Program, StdinTest
from iterpref_core.records import Sample

PROGRAM = Program("pass", (StdinTest(""),), judge=lambda *_: False)


class KilledError(Exception):
    """Ends a run from within."""


class Counting:
    """Passes everything but what says `fail`; ends the run at one of its programs."""

    def __init__(self, killed_at: int = -1) -> None:
        self.killed_at, self.started = killed_at, 0

    def run(self, programs: Iterable[Program], *, first: int = 0) -> Iterator[Outcome]:
        assert first == 0
        for program in programs:
            if self.started == self.killed_at:
                raise KilledError
            self.started += 1
            verdict = "wrong_answer" if "fail" in program.code else "passed"
            yield Outcome(verdict, "no" if verdict == "wrong_answer" else "", 1, 1, "none", 0.1, 0.1)


def run(executor: Counting, codes: list[str], folder: Path, what: str = "score") -> list[ProgramRun]:
    candidates = (single(Program(code, PROGRAM.tests, judge=PROGRAM.judge)) for code in codes)
    with Journals(folder) as journals:
        return run_all(executor, candidates, codes, what=what, identity=["v1", what], journals=journals)


def journals_in(folder: Path) -> list[Path]:
    return list(folder.glob("*.sqlite*"))


def test_a_killed_run_goes_on_where_it_stopped_and_another_one_does_not(tmp_path: Path) -> None:
    codes = ["a", "b", "fail", "d", "e"]
    with pytest.raises(KilledError):
        run(Counting(3), codes, tmp_path)
    assert len(journals_in(tmp_path)) == 1
    others = [Counting(), Counting(), Counting()]
    run(others[0], codes[:4], tmp_path)
    run(others[1], codes, tmp_path, "another one")
    assert [found.verdict for found in run(others[2], codes, tmp_path)] == [
        "passed", "passed", "wrong_answer", "passed", "passed"
    ]  # fmt: skip
    assert [other.started for other in others] == [4, 5, 2]
    assert journals_in(tmp_path) == [], "an evaluation that has written its results forgets what it ran"


def test_what_is_known_ahead_of_a_slow_sample_is_kept_too(tmp_path: Path) -> None:
    def candidates() -> Iterator[Candidate]:
        for name, programs in (("slow", 3), ("fail", 1), ("c", 1)):
            yield Candidate(repeat(Program(name, PROGRAM.tests, judge=PROGRAM.judge), programs), programs)

    def found(executor: Counting) -> list[tuple[str, int]]:
        with Journals(tmp_path) as journals:
            runs = run_all(executor, candidates(), ["s", "f", "c"], what="score", identity=["v1"], journals=journals)
        return [(run.verdict, run.passed) for run in runs]

    with pytest.raises(KilledError):
        found(Counting(4))
    second = Counting()
    assert found(second) == [("passed", 3), ("wrong_answer", 0), ("passed", 1)]
    assert second.started == 3, "the slow one alone, from its first program"


def test_a_sample_runs_until_one_of_its_programs_fails(tmp_path: Path) -> None:
    def candidate(*codes: str) -> Candidate:
        return Candidate((Program(code, PROGRAM.tests, judge=PROGRAM.judge) for code in codes), len(codes))

    candidates = [candidate("a", "a"), candidate("fail", "a"), candidate("a", "fail"), candidate("a")]
    found = dict(run_candidates(Counting(), iter(candidates), window=2))
    assert [(found[index].verdict, found[index].passed) for index in range(4)] == [
        ("passed", 2), ("wrong_answer", 0), ("wrong_answer", 1), ("passed", 1)
    ]  # fmt: skip
    assert found[0].cpu_s == pytest.approx(0.2)


def test_of_a_failing_program_few_tests_are_run_after_the_first_that_fails() -> None:
    class Counting:
        """Fails every program, and looks eight ahead as the executor does."""

        def run(self, programs: Iterable[Program], *, first: int = 0) -> Iterator[Outcome]:
            assert first == 0
            ahead: list[Program] = []
            for program in programs:
                ahead.append(program)
                started.append(program.code)
                if len(ahead) > 8:
                    yield Outcome("wrong_answer", "", 0, 1, "none", 0, 0)
                    ahead.pop(0)
            for _ in ahead:
                yield Outcome("wrong_answer", "", 0, 1, "none", 0, 0)

    started: list[str] = []
    candidates = (Candidate(repeat(PROGRAM, 50), 50) for _ in range(20))
    assert [index for index, _ in run_candidates(Counting(), candidates)] == list(range(20))
    assert len(started) <= 20 + 8


def test_own_solutions_are_run_once_and_those_that_fail_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    samples = [Sample(task_id=f"t/{number}", solution="pass") for number in range(14)]
    asked = []

    def outcomes(given: Sequence[Sample]) -> list[ProgramRun]:
        asked.append(len(given))
        return [ProgramRun("passed" if sample.task_id == "t/0" else "timeout", "", 0, 0.5) for sample in given]

    first = own_solutions("set", samples, outcomes, tmp_path, ["a"])
    assert own_solutions("set", samples, outcomes, tmp_path, ["a"]) == first
    assert (asked, first["t/0"].verdict, first["t/1"].cpu_s) == ([14], "passed", 0.5)
    assert "set: the benchmark's own solutions fail for t/1, t/2" in caplog.text
    assert "and 3 more" in caplog.text
    own_solutions("set", samples, outcomes, tmp_path, ["b"])
    assert asked == [14, 14]


def test_verdicts_of_other_code_are_not_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def own(samples: Sequence[Sample]) -> list[ProgramRun]:
        asked.append(len(samples))
        return [ProgramRun("passed", "", 1, 0.1)] * len(samples)

    asked: list[int] = []
    samples = [Sample(task_id="a", solution="x = 1")]
    for version in ("one", "one", "other"):
        monkeypatch.setattr("iterpref_core.evaluation.program_runs.code_digest", lambda *_, now=version: now)
        own_solutions("b", samples, own, tmp_path / "own", ["v1"])
        with pytest.raises(KilledError):
            run(Counting(1), ["a", "b", "c", "d"], tmp_path)
    assert asked == [1, 1]
    assert len(journals_in(tmp_path)) == 2
