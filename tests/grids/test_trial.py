"""Trials for real, on models that solve nothing."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from iterpref_core.config import Params, with_values
from iterpref_core.errors import InputError, RecordError
from iterpref_core.objectives.objectives import OBJECTIVES
from tasks.common.paths import FOCAL
from tasks.grids import trial as trial_module
from tasks.grids import trial_training
from tasks.grids.lineage import EXPERIMENT
from tasks.grids.trial import Trial, _path_of, read_score, run_trials
from tests.settings import ROOT


def _runs(name: str) -> list[Any]:
    client = MlflowClient(f"sqlite:///{Path('mlflow.db').resolve()}")  # MLflow keeps an open data base by its address
    experiment = client.get_experiment_by_name("iterpref")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'"))


@pytest.mark.parametrize("trials_a_process", [1, 40])
def test_trials_run_once_whatever_they_are_called(
    experiment: Path,
    params: Params,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    trials_a_process: int,
) -> None:
    monkeypatch.setattr(trial_module, "_TRIALS_A_PROCESS", trials_a_process)
    jobs = 1 if trials_a_process == 1 else 2
    trained = Trial(label="one", objective="target-rpo", values={"training.beta": 0.3})
    after = Trial(label="two", objective=None, after=(("sft", {}),))
    again = trained.model_copy(update={"label": "the same"})
    scores = run_trials("some", [trained, after, again], params, jobs=jobs)
    assert [score.n for score in scores] == [4, 4, 4]
    assert scores[0] == scores[2]
    kept = {path: path.stat().st_mtime_ns for path in (experiment / ".iterpref/work/trials/scores").iterdir()}
    assert len(kept) == 2
    assert not list((experiment / ".iterpref/work/trials/running").iterdir()), "trained models are not kept"
    assert len(list((experiment / ".iterpref/work/trials/starts").glob("*/model"))) == 1, "but starts are"
    capsys.readouterr()
    assert run_trials("some", [trained, after], params, jobs=1) == scores[:2]
    assert "train" not in capsys.readouterr().err
    assert [run.data.metrics["validation/pass_at_1"] for run in _runs("one")] == [scores[0].pass_at_1] * 2
    assert _runs("one")[0].data.params["training.beta"] == "0.3"
    assert len(_runs("some")) == 2
    assert kept == {path: path.stat().st_mtime_ns for path in kept}


@pytest.mark.usefixtures("experiment")
def test_a_trial_that_is_looked_into_says_what_changed(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "INSIDE", trial_module.INSIDE | {"pairs": 3, "problems": 2})
    start = Trial(label="start", objective=None, inside=True)
    trained = Trial(label="trained", objective="sft", inside=True)
    scores = [trial_module._run_one(trial, params, EXPERIMENT, Path(trial.label)) for trial in (start, trained)]
    assert [read_score(Path(trial.label)) for trial in (start, trained)] == scores
    before, after = (score.inside for score in scores)
    assert before
    assert after
    assert before.divergence is None
    assert after.divergence
    assert after.divergence.kl_chosen > 0
    assert after.divergence.chosen_logp[1] > after.divergence.chosen_logp[0], "SFT raises it"
    assert 0 <= after.pass_at_10 <= 1


def test_a_score_is_kept_under_what_decides_it(
    experiment: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def places() -> list[Path]:
        trials = (
            Trial(label="trained", objective="dpo"),
            Trial(label="further", objective=None, after=(("dpo", {}),)),
            Trial(label="as it is", objective=None),
        )
        return [_path_of(trial, params, EXPERIMENT) for trial in trials]

    before = places()
    assert len(set(before)) == 3
    with monkeypatch.context() as patched:
        patched.setitem(OBJECTIVES, "rpo", replace(OBJECTIVES["rpo"], alpha=7.0))
        assert places() == before, "the row of another objective"
    for change in ({"rejected": "focal"}, {"loss": lambda chosen, rejected, beta: chosen - rejected}):
        with monkeypatch.context() as patched:
            patched.setitem(OBJECTIVES, "dpo", replace(OBJECTIVES["dpo"], **change))
            assert [now == then for now, then in zip(places(), before, strict=True)] == [False, False, True]
    for module, digest, same in (
        (trial_training, "code_digest", [False, False, True]),
        (trial_module, "code_of", [False, False, False]),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(module, digest, lambda *_: "another version")
            assert [now == then for now, then in zip(places(), before, strict=True)] == same


@pytest.mark.parametrize(
    "change",
    [{"execution.cpu_s": 9.0}, {"execution.memory_mb": 99}, {"inference.bf16": False}, {"model.prompt": "plain"}],
)
@pytest.mark.usefixtures("experiment")
def test_a_score_is_kept_under_the_limits_of_programs_and_how_models_are_asked(
    params: Params, change: dict[str, Any]
) -> None:
    for trial in (Trial(label="trained", objective="dpo"), Trial(label="as it is", objective=None)):
        assert _path_of(trial, with_values(params, change), EXPERIMENT) != _path_of(trial, params, EXPERIMENT)


@pytest.mark.usefixtures("experiment")
def test_a_score_is_kept_under_the_packages_that_trained_and_not_under_what_runs_at_once(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(label="as it is", objective=None)
    before = _path_of(trial, params, EXPERIMENT)
    assert _path_of(trial, with_values(params, {"execution.workers": 7}), EXPERIMENT) == before
    monkeypatch.setattr("tasks.grids.lineage.training_versions", lambda: {"torch": "9"})
    assert _path_of(trial, params, EXPERIMENT) != before


@pytest.mark.usefixtures("experiment")
def test_without_the_experiment_there_is_one_message(params: Params) -> None:
    FOCAL.unlink()
    with pytest.raises(InputError, match="run `iterpref run localization` first"):
        run_trials("some", [Trial(label="one", objective="dpo")], params, jobs=1)


def test_a_broken_score_is_named(tmp_path: Path) -> None:
    path = tmp_path / "score.json"
    path.write_text('{"pass_at_1": 0.')
    with pytest.raises(RecordError, match=r"score\.json: not a score; delete the file"):
        read_score(path)


KILLED = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from tasks.grids.trial import begin_worker

pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), begin_worker, (os.getpid(), 1))
pool.submit(os.getpid).result()
pool.submit(time.sleep, 600)
os.kill(os.getpid(), 9)
"""


def test_a_killed_study_leaves_no_training_behind() -> None:
    # Whoever is left holds the pipes open, and nothing is returned before they are closed.
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, capture_output=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
