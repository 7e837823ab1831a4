"""What a trial trains on: the experiment's own artifacts wherever its parameters do not decide them."""

import json
from pathlib import Path

import pytest

from iterpref_core.config import Params, with_values
from iterpref_core.errors import InputError
from iterpref_core.records import FocalSpans, PreferencePair, Problem
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tasks.common.paths import FOCAL, STUDENT, TRAJECTORIES
from tasks.grids.lineage import EXPERIMENT, Artifacts, find_inputs, part_of_codeflow


def _inputs(params: Params, values: dict[str, object]) -> Artifacts:
    return find_inputs(with_values(params, values), values)


@pytest.mark.usefixtures("experiment")
def test_training_parameters_change_no_input(params: Params) -> None:
    assert _inputs(params, {"training.beta": 0.3}) == EXPERIMENT


@pytest.mark.usefixtures("experiment")
def test_another_localizer_makes_spans_of_the_same_pairs_once(params: Params) -> None:
    found = _inputs(params, {"localization.widen_lines": 2})
    assert found == EXPERIMENT._replace(spans=found.spans)
    files = found.spans, FOCAL
    wide, narrow = (sum(e - s for one in read_jsonl(p, FocalSpans) for s, e in one.rejected) for p in files)
    assert wide > narrow
    written = found.spans.stat().st_mtime_ns
    assert _inputs(params, {"localization.widen_lines": 2}).spans.stat().st_mtime_ns == written


@pytest.mark.usefixtures("experiment")
def test_another_rejected_version_makes_pairs_and_their_spans(params: Params) -> None:
    first, last = (_inputs(params, {"pairs.rejected": which}) for which in ("first", "last"))
    texts = [[pair.rejected for pair in read_jsonl(found.pairs, PreferencePair)] for found in (first, last)]
    assert all("x = 1" in one and "x = 2" in other for one, other in zip(*texts, strict=True))
    assert first.spans != last.spans
    assert first.student == last.student == STUDENT


@pytest.mark.usefixtures("experiment")
def test_what_an_artifact_is_made_from_decides_its_place(params: Params) -> None:
    before = _inputs(params, {"pairs.rejected": "first"}).pairs
    lines = TRAJECTORIES.read_text().splitlines(keepends=True)
    TRAJECTORIES.write_text("".join(lines[:-1]))
    assert _inputs(params, {"pairs.rejected": "first"}).pairs != before


def test_pairs_belong_to_the_benchmarks_that_they_were_compared_with(
    experiment: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()
    for prompt in ("Add two numbers.", "Multiply two numbers."):
        benchmark = experiment / "mbpp.jsonl"
        benchmark.write_text(json.dumps({"task_id": 1, "prompt": prompt}) + "\n")
        monkeypatch.setenv("MBPP_OVERRIDE_PATH", str(benchmark))
        found.add(_inputs(params, {"pairs.rejected": "first"}).pairs)
    assert len(found) == 2


@pytest.mark.usefixtures("experiment")
def test_spans_belong_to_the_limits_of_the_programs_that_causal_runs(params: Params) -> None:
    changed = params.model_copy(update={"execution": params.execution.model_copy(update={"cpu_s": 9.0})})
    values = {"localization.method": "causal"}
    assert _inputs(params, values).spans != _inputs(changed, values).spans


@pytest.mark.usefixtures("experiment")
def test_an_experiment_without_artifacts_is_told_so(params: Params) -> None:
    TRAJECTORIES.unlink()
    with pytest.raises(InputError, match=r"data/trajectories\.jsonl.*run `iterpref run localization` first"):
        _inputs(params, {"pairs.rejected": "first"})


def test_the_problems_of_codeflow_are_parted_and_other_splits_stay_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    splits = {"a": "student", "b": "codeflow", "c": "codeflow", "d": "heldout", "e": "codeflow"}
    problems = [
        Problem(task_id=name, prompt="Add 1.", entry_point="f", tests=(), split=split) for name, split in splits.items()
    ]
    write_jsonl(Path("problems.jsonl"), problems)
    parts = [part_of_codeflow(Path("problems.jsonl"), part) for part in (slice(2), slice(2, None))]
    assert ["".join(one.task_id for one in read_jsonl(part, Problem)) for part in parts] == ["abcd", "ade"]
