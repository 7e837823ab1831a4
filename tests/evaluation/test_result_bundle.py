"""Result bundles: what was measured is scored again elsewhere, and every verdict is compared."""

import json
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.config import ExecutionParams, LiveCodeBenchParams
from iterpref_core.errors import InputError
from iterpref_core.evaluation.evaluation import score_samples
from iterpref_core.evaluation.result_bundle import export_bundle, rescore_bundle
from iterpref_core.records import Sample
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.storage.jsonl import write_jsonl

WINDOW = LiveCodeBenchParams(release="release_v5", since=None, until=None)
SAMPLES = [
    Sample(task_id="h/square", solution="def f(x):\n    return x + x\n"),
    Sample(task_id="h/double", solution="def f(x):\n    return x + x\n"),
    Sample(task_id="h/square", solution="def f(x):\n    return x * x\n"),
    Sample(task_id="h/double", solution="def f(x:\n"),
]


@pytest.fixture
def results(tmp_path: Path, problems: Path, execution: ExecutionParams) -> Path:
    """Two samples of each held-out problem, scored under limits of their own."""
    samples, out = tmp_path / "given.jsonl", tmp_path / "results"
    write_jsonl(samples, SAMPLES)
    limits = execution.model_copy(update={"cpu_s": 2.5, "file_mb": 3})
    score_samples(samples, "heldout", problems, WINDOW, limits, out=out, cache=tmp_path / "there")
    found = read(out)
    found["benchmarks"]["heldout"]["sampling"] = {"protocol": "greedy"}
    found["weights"] = "f00"
    rewrite(out, found)
    return out


@pytest.fixture
def bundle(tmp_path: Path, results: Path, problems: Path) -> Path:
    out = tmp_path / "bundle"
    counts = export_bundle(results, problems, WINDOW, out)
    assert counts == {"out": str(out), "benchmarks": 1, "samples": 4, "problems": 2}
    return out


def read(folder: Path, name: str = "results.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name).read_text("utf-8"))
    return found


def rewrite(folder: Path, results: dict[str, Any]) -> None:
    (folder / "results.json").write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", "utf-8")


def resign(folder: Path) -> None:
    """Make the manifest fit files that were changed."""
    found = read(folder, "bundle.json")
    found["files"] = {name: file_digest(folder / name) for name in found["files"]}
    (folder / "bundle.json").write_text(json.dumps(found), "utf-8")


def test_the_same_verdicts_and_the_same_bytes_on_another_machine(
    bundle: Path, execution: ExecutionParams, tmp_path: Path
) -> None:
    assert {path.name for path in bundle.iterdir()} == {
        *("results.json", "samples.jsonl", "problems.jsonl", "bundle.json", "README.md")
    }
    found = rescore_bundle(bundle, execution, tmp_path / "here", out=tmp_path / "again")
    assert found.to_json() == {
        "same_verdicts": True, "verdicts": 4, "different": [], "same_bytes": True, "other_fields": {},
    }  # fmt: skip
    assert (tmp_path / "again/results.json").read_bytes() == (bundle / "results.json").read_bytes()
    assert found.lines() == ["same verdicts: yes, all 4", "same bytes of results.json: yes"]


def test_a_verdict_that_differs_is_named(bundle: Path, execution: ExecutionParams, tmp_path: Path) -> None:
    found = read(bundle)
    entry = found["benchmarks"]["heldout"]
    assert entry["verdicts"] == {"h/double": ["passed", "syntax_error"], "h/square": ["wrong_answer", "passed"]}
    entry["verdicts"]["h/square"][0] = "passed"
    entry["isolation"] = "none"
    rewrite(bundle, found)
    resign(bundle)
    again = rescore_bundle(bundle, execution, tmp_path / "here")
    assert not again.same_bytes
    assert again.lines() == [
        "same verdicts: no; 1 of 4 differ",
        "  heldout h/square, sample 0: passed there, wrong_answer here",
        "same bytes of results.json: no; these fields differ too:",
        "  heldout: isolation",
    ]


def test_limits_are_the_bundle_s(bundle: Path, execution: ExecutionParams, tmp_path: Path) -> None:
    elsewhere = execution.model_copy(update={"cpu_s": 1.0, "memory_mb": 300})
    assert rescore_bundle(bundle, elsewhere, tmp_path / "here").same_bytes


def test_what_was_changed_or_cannot_be_compared_is_refused(
    bundle: Path, execution: ExecutionParams, tmp_path: Path
) -> None:
    def refused(match: str, benchmarks: tuple[str, ...] = ()) -> None:
        with pytest.raises(InputError, match=match):
            rescore_bundle(bundle, execution, tmp_path / "here", benchmarks)

    refused("has no results of 'mbpp'", ("mbpp",))
    samples, problems = bundle / "samples.jsonl", bundle / "problems.jsonl"
    whole, own = samples.read_bytes(), problems.read_bytes()
    samples.write_bytes(whole.replace(b"x * x", b"x ** 2"))
    refused(r"samples.jsonl: is not the file that was exported")
    samples.write_bytes(whole[: whole.index(b"\n") + 1])
    resign(bundle)
    refused("0 samples of 'h/double', and 2 verdicts of heldout")
    samples.write_bytes(whole)
    problems.write_bytes(own.replace(b"double x", b"double it"))
    resign(bundle)
    refused("heldout: the bundle was measured on heldout .* and here is heldout")
    problems.write_bytes(own.splitlines(keepends=True)[0])
    resign(bundle)
    refused("heldout: the bundle has other tasks than the data here, such as 'h/square'")
    (bundle / "bundle.json").unlink()
    refused("bundle.json: no such file")


def test_problems_that_were_not_measured_on_are_refused(results: Path, problems: Path, tmp_path: Path) -> None:
    problems.write_bytes(problems.read_bytes().replace(b"double x", b"double it"))
    with pytest.raises(InputError, match=r"split 'heldout' are not those that .* was measured on"):
        export_bundle(results, problems, WINDOW, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_samples_of_two_benchmarks_are_told_apart_or_refused(results: Path, problems: Path, tmp_path: Path) -> None:
    samples = results / "samples.jsonl"
    given = samples.read_bytes()
    samples.write_bytes(given + given)  # as BigCodeBench's hard tasks stand there again, with the same answers
    assert export_bundle(results, problems, WINDOW, tmp_path / "twice")["samples"] == 8
    samples.write_bytes(given + given.replace(b"x * x", b"x ** 2"))
    with pytest.raises(InputError, match=r"4 samples of 'h/square', and 2 verdicts of heldout in results.json"):
        export_bundle(results, problems, WINDOW, tmp_path / "other")
