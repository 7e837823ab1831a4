"""The benchmark of the localizers: rewrites keep the meaning, and the true region is what was mutated."""

import ast
import inspect
from pathlib import Path
from random import Random

import pytest

from iterpref_core.config import load_params
from iterpref_core.errors import InputError
from iterpref_core.problems import rewrites
from iterpref_core.records import IoTest, Problem
from iterpref_core.storage.jsonl import write_jsonl
from tasks.benchmarks.bench_localization import bench_localization, long_pairs
from tests.settings import ROOT


def example(nums, limit):
    total = 0
    low = 1
    kept = []
    for n in nums:
        kept.append(n * 2)  # noqa: PERF401 - one of the rewrites makes it a comprehension
    for n in kept:
        if low < n < limit:
            total += n
    return [total + k for k in kept if k > low]


REFERENCE = inspect.getsource(example)


def run(code: str) -> list[int]:
    namespace: dict[str, object] = {}
    exec(code, namespace)
    return namespace["example"]([1, 2, 3, 0], 5)  # type: ignore[operator,no-any-return]


@pytest.mark.parametrize("change", rewrites.REWRITES, ids=lambda change: change.__name__)
def test_every_rewrite_changes_the_text_and_not_the_result(change: rewrites.Rewrite) -> None:
    tree = ast.parse(REFERENCE)
    assert change(tree, Random(1))
    code = ast.unparse(ast.fix_missing_locations(tree))
    assert code != ast.unparse(ast.parse(REFERENCE))
    assert run(code) == run(REFERENCE)
    assert not change(ast.parse("x = 1"), Random(1)), "nothing to do outside of functions"


def test_rewrites_are_seeded_and_may_be_combined() -> None:
    found = [rewrites.rewrite(REFERENCE, str(seed), 4) for seed in range(20)]
    assert found == [rewrites.rewrite(REFERENCE, str(seed), 4) for seed in range(20)]
    assert len(set(found)) == 20
    assert all(run(code) == run(REFERENCE) for code in found)


def test_timed_pairs_are_long_and_the_same_every_time(tmp_path: Path) -> None:
    problem = Problem(task_id="p", prompt="p", entry_point="example", tests=(), reference=REFERENCE)
    write_jsonl(tmp_path / "problems.jsonl", [problem])
    made = list(long_pairs(tmp_path / "problems.jsonl", 30))
    assert made == list(long_pairs(tmp_path / "problems.jsonl", 30))
    assert len({pair.task_id for pair in made}) == 30
    lengths = [len(pair.rejected.splitlines()) for pair in made]
    assert min(lengths) >= 30
    assert max(lengths) < 80 + len(REFERENCE.splitlines()) + 1
    assert all(pair.rejected != pair.chosen for pair in made)
    for pair in made:
        compile(pair.rejected, "rejected", "exec")
        compile(pair.chosen, "chosen", "exec")


def test_localizers_are_scored_by_the_mutated_lines(tmp_path: Path) -> None:
    tests = tuple(
        IoTest(call=f"example({nums}, {limit})", expected=repr(example(nums, limit)))
        for nums, limit in (([1, 2, 3, 0], 5), ([], 1), ([0, 1, 4], 9))
    )
    problem = Problem(task_id="p", prompt="p", entry_point="example", tests=tests, reference=REFERENCE)
    write_jsonl(tmp_path / "problems.jsonl", [problem.model_copy(update={"task_id": f"p{i}"}) for i in range(8)])
    settings = load_params(ROOT / "params.yaml")
    result = bench_localization(tmp_path / "problems.jsonl", settings.execution, settings.localization, timed=40)
    assert result["pairs"] >= 8
    assert result["causal/precision"] > result["line_lcs/precision"]
    assert result["causal/executions_per_pair"] > 3
    assert result["line_lcs/recall"] > 0.9
    for method in ("line_lcs", "prefix_suffix", "token"):
        assert result[f"{method}/minutes_for_59000"] == pytest.approx(
            59_000 / result[f"{method}/pairs_per_s"] / 60, rel=0.01, abs=0.005
        )
        assert 0 <= result[f"{method}/growth_mb"] < result[f"{method}/peak_mb"]
    assert 30 <= result["timed_lines_mean"] <= 100
    write_jsonl(tmp_path / "problems.jsonl", [problem.model_copy(update={"reference": None})])
    with pytest.raises(InputError, match="no problem has a reference"):
        bench_localization(tmp_path / "problems.jsonl", settings.execution, settings.localization)
