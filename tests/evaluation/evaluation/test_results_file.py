"""Results of several benchmarks in one folder."""

import json

import pytest

from iterpref_core.evaluation.evaluation.results_file import ResultsFolder
from iterpref_core.records import DataUnavailableError, InputError, Measured, Sample, Unavailable
from tests.evaluation.report.conftest import benchmark

MODEL = {"model": "mine", "weights": "abc"}
HALF, ONE = (Measured(**benchmark(2, passed, "set") | {"limits": {"cpu_s": None}}) for passed in (1, 2))
ABSENT = Unavailable(available=False, reason="no data")


def write(out, model, benchmarks):
    folder = ResultsFolder(out, **model)
    for name, result in benchmarks.items():
        with folder.entry(name):
            if result is ABSENT:
                raise DataUnavailableError(ABSENT.reason)
            folder.write(name, result, [Sample(task_id="t", solution="x = 1")])
    folder.of_this_run()


def as_json(**results):
    return {name: result.to_json() for name, result in results.items()}


def read(out):
    return json.loads((out / "results.json").read_text())


def test_results_of_other_benchmarks_stay_and_what_cannot_be_had_now_replaces_none(tmp_path):
    write(tmp_path, MODEL, {"heldout": HALF, "mbpp": HALF, "livecodebench": HALF, "mbpp+": ABSENT})
    write(tmp_path, MODEL, {"humaneval": HALF, "mbpp": ONE, "livecodebench": ABSENT, "mbpp+": ABSENT})
    measured = as_json(heldout=HALF, humaneval=HALF, mbpp=ONE, livecodebench=HALF)
    assert read(tmp_path) == MODEL | {"benchmarks": measured | {"mbpp+": ABSENT.to_json()}}
    assert {path.stem for path in (tmp_path / "samples").iterdir()} == measured.keys()


@pytest.mark.parametrize("other", [{"model": "other", "weights": "abc"}, {"model": "mine", "weights": "x"}])
def test_the_results_of_another_model_go_with_their_samples(tmp_path, other, caplog):
    write(tmp_path, MODEL, {"heldout": HALF, "mbpp": HALF})
    write(tmp_path, other, {"heldout": ONE})
    assert read(tmp_path) == other | {"benchmarks": as_json(heldout=ONE)}
    assert [path.stem for path in (tmp_path / "samples").iterdir()] == ["heldout"]
    assert "results.json: the results of mine are replaced: it was another model" in caplog.text


def test_a_run_that_is_killed_leaves_no_entry_beside_samples_of_another(tmp_path, monkeypatch):
    write(tmp_path, MODEL, {"heldout": HALF, "mbpp": HALF})

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("iterpref_core.evaluation.evaluation.results_file.write_jsonl", killed)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, MODEL, {"mbpp": ONE})
    assert read(tmp_path)["benchmarks"] == as_json(heldout=HALF)


def test_an_earlier_result_is_written_again_byte_by_byte(tmp_path):
    """Also fields that are null within a limit, and scores of a k that this version does not compute."""
    beyond = {"pass_at_7": 0.25, "pass_at_7_n": 3}
    write(tmp_path, MODEL, {"mbpp": HALF.model_copy(update=beyond)})
    before = (tmp_path / "results.json").read_bytes()
    write(tmp_path, MODEL, {"heldout": ONE})
    assert read(tmp_path)["benchmarks"]["mbpp"] == json.loads(before)["benchmarks"]["mbpp"]
    assert b'"cpu_s": null' in before
    assert before.count(b"null") == 1, "a field without a value is not in the file"
    assert b'"pass_at_7_n": 3' in before


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"model": "mine", "benchmarks": {"mbpp": {"available": true}}}'])
def test_a_file_that_is_no_results_file_is_not_overwritten(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(InputError, match=r"results\.json: .*; move it away, and evaluate again"):
        write(tmp_path, MODEL, {"heldout": ONE})
    assert (tmp_path / "results.json").read_text() == text
