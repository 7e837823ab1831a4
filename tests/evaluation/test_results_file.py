"""Results of several benchmarks in one folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.errors import InputError
from iterpref_core.evaluation.results_file import write_results
from iterpref_core.records import Sample

MODEL = {"model": "mine", "weights": "abc"}
HALF = {"available": True, "pass_at_1": 0.5}
ONE = {"available": True, "pass_at_1": 1.0}
ABSENT = {"available": False, "reason": "no data"}
SAMPLES = [Sample(task_id="t", solution="x = 1")]


def read(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "results.json").read_text())
    return found


def names_of_samples(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "samples").iterdir())


def test_the_results_of_other_benchmarks_stay(tmp_path: Path) -> None:
    write_results(tmp_path, MODEL, {"heldout": HALF, "mbpp": HALF}, {"heldout": SAMPLES, "mbpp": SAMPLES})
    write_results(tmp_path, MODEL, {"humaneval": HALF, "mbpp": ONE}, {"humaneval": SAMPLES, "mbpp": SAMPLES})
    assert read(tmp_path) == MODEL | {"benchmarks": {"heldout": HALF, "humaneval": HALF, "mbpp": ONE}}
    assert names_of_samples(tmp_path) == ["heldout.jsonl", "humaneval.jsonl", "mbpp.jsonl"]


def test_what_was_measured_is_not_replaced_by_what_cannot_be_had_now(tmp_path: Path) -> None:
    write_results(tmp_path, MODEL, {"mbpp": HALF, "mbpp+": ABSENT}, {"mbpp": SAMPLES})
    write_results(tmp_path, MODEL, {"heldout": ONE, "mbpp": ABSENT, "mbpp+": ABSENT}, {"heldout": SAMPLES})
    assert read(tmp_path)["benchmarks"] == {"heldout": ONE, "mbpp": HALF, "mbpp+": ABSENT}


@pytest.mark.parametrize("other", [{"model": "other", "weights": "abc"}, {"model": "mine", "weights": "x"}])
def test_the_results_of_another_model_go_with_their_samples(
    tmp_path: Path, other: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    write_results(tmp_path, MODEL, {"heldout": HALF, "mbpp": HALF}, {"heldout": SAMPLES, "mbpp": SAMPLES})
    write_results(tmp_path, other, {"heldout": ONE}, {"heldout": SAMPLES})
    assert read(tmp_path) == other | {"benchmarks": {"heldout": ONE}}
    assert names_of_samples(tmp_path) == ["heldout.jsonl"]
    assert "results.json: the results of mine are replaced: it was another model" in caplog.text


def test_a_run_that_is_killed_leaves_no_entry_beside_samples_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_results(tmp_path, MODEL, {"heldout": HALF, "mbpp": HALF}, {"heldout": SAMPLES, "mbpp": SAMPLES})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("iterpref_core.evaluation.results_file.write_jsonl", killed)
    with pytest.raises(KeyboardInterrupt):
        write_results(tmp_path, MODEL, {"mbpp": ONE}, {"mbpp": SAMPLES})
    assert read(tmp_path)["benchmarks"] == {"heldout": HALF}


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_file_that_is_no_results_file_is_not_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(InputError, match=r"results\.json: cannot be read .*; move it away, or name another folder"):
        write_results(tmp_path, MODEL, {"heldout": ONE}, {"heldout": SAMPLES})
    assert (tmp_path / "results.json").read_text() == text
