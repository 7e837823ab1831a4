"""Bugs in known places: what was changed is what is marked, and only what the tests catch becomes a pair."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from iterpref_core.config import LocalizationParams
from iterpref_core.errors import ConfigError, InputError
from iterpref_core.execution import Engine, Executor, Limits, Outcome, Program
from iterpref_core.localization.localization import localize_pairs
from iterpref_core.localization.span_agreement import compare_spans
from iterpref_core.problems.injection import InjectionOptions, inject_bugs
from iterpref_core.records import FocalSpans, IoTest, PreferencePair, Problem
from iterpref_core.storage.jsonl import read_jsonl, read_pairs, write_jsonl
from tests.settings import EXECUTION, section

ADD = Problem(
    task_id="add",
    prompt="Add one.",
    entry_point="f",
    tests=(IoTest(call="f(1)", expected="2"),),
    reference="def f(x):  # a comment\n    y = x + 1\n    return y\n",
)
LOOP = Problem(
    task_id="loop",
    prompt="Sum.",
    entry_point="f",
    tests=(IoTest(call="f([1, 2, 3])", expected="6"), IoTest(call="f([])", expected="0")),
    hidden_tests=(IoTest(call="f([-5])", expected="-5"),),
    reference="def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total\n",
)
OPTIONS = InjectionOptions(mutations=20, seed=0, rewrites=0)


@pytest.fixture(scope="module")
def executor() -> Iterator[Engine]:
    with Executor(Limits(cpu_s=2, wall_s=20), workers=2) as engine:
        yield engine


def inject(
    folder: Path, problems: Iterable[Problem], executor: Engine, options: InjectionOptions = OPTIONS
) -> tuple[dict[str, float], list[PreferencePair], list[FocalSpans]]:
    write_jsonl(folder / "problems.jsonl", problems)
    out, spans = folder / "pairs.jsonl", folder / "true.jsonl"
    counts = inject_bugs(folder / "problems.jsonl", out, spans, executor, options)
    return counts, list(read_pairs(out)), list(read_jsonl(spans, FocalSpans, unique=True))


def marked(text: str, spans: Iterable[tuple[int, int]]) -> list[str]:
    return [text[start:end] for start, end in spans]


def test_the_changed_line_is_the_true_region(tmp_path: Path, executor: Engine) -> None:
    counts, pairs, spans = inject(tmp_path, [ADD], executor)
    assert [pair.task_id for pair in pairs] == [region.task_id for region in spans]
    assert {pair.chosen for pair in pairs} == {"def f(x):\n    y = x + 1\n    return y\n"}
    found = {
        (*marked(pair.rejected, region.rejected), *marked(pair.chosen, region.chosen))
        for pair, region in zip(pairs, spans, strict=True)
    }
    assert found == {
        ("    pass", "    y = x + 1"),
        ("    y = x - 1", "    y = x + 1"),
        ("    y = x + 2", "    y = x + 1"),
        ("    return None", "    return y"),
    }
    assert {region.method for region in spans} == {"injected"}
    killed = {"mutants/killed": 4, "killed/wrong_answer": 3, "killed/exception": 1}
    assert counts == {"problems": 1, "pairs": 4, "mutants": 4} | killed


def test_mutants_that_pass_are_counted_and_left_out(tmp_path: Path, executor: Engine) -> None:
    idle = ADD.model_copy(update={"reference": "def f(x):\n    if x > 100:\n        return 7\n    return x + 1\n"})
    counts, pairs, _ = inject(tmp_path, [idle], executor)
    assert not any("return 8" in pair.rejected or "x > 101" in pair.rejected for pair in pairs)
    # `x >= 100`, `x > 101`, `return 8` and the first `return None`; all else changes f(1).
    assert counts["mutants/equivalent"] == 4
    assert counts["mutants"] == counts["pairs"] + 4


def test_hidden_tests_count_too(tmp_path: Path, executor: Engine) -> None:
    visible = (IoTest(call="f(1) is None", expected="False"),)
    _, pairs, _ = inject(tmp_path, [ADD.model_copy(update={"tests": visible, "hidden_tests": ADD.tests})], executor)
    assert any("x - 1" in pair.rejected for pair in pairs)


def test_problems_without_bugs_are_counted_by_reason(tmp_path: Path, executor: Engine) -> None:
    def other(task_id: str, reference: str | None) -> Problem:
        return ADD.model_copy(update={"task_id": task_id, "reference": reference})

    problems = [
        ADD,
        other("without", None),
        ADD.model_copy(update={"task_id": "untested", "tests": ()}),
        other("old", "print 1"),
        other("wrong", "def f(x): return x"),
        other("whole", "from operator import index as f\nimport functools"),
        LOOP,
    ]
    problems[5] = problems[5].model_copy(update={"tests": (IoTest(call="f(2)", expected="2"),)})
    counts, pairs, _ = inject(tmp_path, problems, executor)
    assert {pair.problem_id for pair in pairs} == {"add", "loop"}
    reasons = ("no_reference", "no_tests", "not_parsable", "reference_fails", "nothing_to_mutate")
    assert [counts[f"dropped/{reason}"] for reason in reasons] == [1, 1, 1, 1, 1]
    with pytest.raises(InputError, match=r"no bug that the tests catch .*1 dropped/no_reference"):
        inject(tmp_path, [problems[1]], executor)
    with pytest.raises(ConfigError, match="mutations-per-problem is 0"):
        InjectionOptions(mutations=0, seed=0, rewrites=0)


def test_the_seed_decides_everything(tmp_path: Path, executor: Engine) -> None:
    def run(seed: int) -> list[PreferencePair]:
        return inject(tmp_path, [ADD, LOOP], executor, InjectionOptions(mutations=2, seed=seed, rewrites=2))[1]

    assert run(1) == run(1)
    assert any(run(1) != run(seed) for seed in (2, 3))


def test_rewritten_references_differ_in_more_than_the_bug(tmp_path: Path, executor: Engine) -> None:
    options = InjectionOptions(mutations=20, seed=0, rewrites=4)
    counts, _, spans = inject(tmp_path, [ADD, LOOP], executor, options)
    assert counts["pairs"] == counts["mutants/killed"]
    assert all(len(region.rejected) == 1 and not region.chosen for region in spans)
    focal = section(LocalizationParams, method="line_lcs", empty="anchor", max_executions=8, widen_lines=0, seed=0)
    paths = tmp_path / "pairs.jsonl", tmp_path / "focal.jsonl", tmp_path / "true.jsonl"
    localize_pairs(paths[0], focal, paths[1])
    agreement = compare_spans(*paths)
    assert agreement["lines/recall"] == 1
    assert agreement["lines/precision"] < 0.9


def test_causal_finds_the_problem_of_each_of_its_pairs(tmp_path: Path, executor: Engine) -> None:
    inject(tmp_path, [ADD, LOOP], executor)
    focal = section(LocalizationParams, method="causal", empty="anchor", max_executions=32, widen_lines=0, seed=0)
    paths = tmp_path / "pairs.jsonl", tmp_path / "focal.jsonl", tmp_path / "true.jsonl"
    localize_pairs(paths[0], focal, paths[1], tmp_path / "problems.jsonl", EXECUTION)
    assert compare_spans(*paths)["lines/exact"] > 0.9


class Interrupted(Engine):
    """Runs so many programs, and is then stopped."""

    def __init__(self, engine: Engine, allowed: int) -> None:
        self.engine, self.allowed, self.given = engine, allowed, 0
        self.limits, self.isolation = engine.limits, engine.isolation

    @property
    def places(self) -> int:
        return self.engine.places

    def run(self, programs: Iterable[Program], *, first: int = 0) -> Iterator[Outcome]:
        for outcome in self.engine.run(programs):
            if self.given == self.allowed:
                raise KeyboardInterrupt
            self.given += 1
            yield outcome

    def close(self) -> None:
        self.engine.close()


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, executor: Engine) -> None:
    problems = [ADD.model_copy(update={"task_id": f"add/{n}"}) for n in range(40)]
    options = InjectionOptions(mutations=2, seed=0, rewrites=0)
    whole = inject(tmp_path, problems, executor, options)
    for path in ("pairs.jsonl", "true.jsonl"):
        (tmp_path / path).unlink()
    with pytest.raises(KeyboardInterrupt):
        inject(tmp_path, problems, Interrupted(executor, 100), options)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".pairs.jsonl.unfinished.sqlite", "problems.jsonl"]
    rest = Interrupted(executor, 1000)
    assert inject(tmp_path, problems, rest, options) == whole
    assert rest.given == 8 * 3, "a reference and two mutants of each problem of the second batch"
    assert not list(tmp_path.glob(".pairs*"))
